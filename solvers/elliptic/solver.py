"""One solver for all steady linear problems: assembles a member's system and feeds it to the unit's sequence."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import numpy as np
from pydantic import Field
from scipy import sparse

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Params, Problem, Solver, Verdict
from pdebench.resample import resample
from pdebench.solvers import kernels
from pdebench.solvers.krylov import SolverSequence, System, choose, methods
from pdebench.solvers.krylov.discretise import Mean
from pdebench.solvers.krylov.system import is_structured
from pdebench.spec import Card, Grid, Positive

from .discretise import Discrete
from .equation import Compact, Elliptic
from .heat import Conduction, HeatSolver, NewSequence, Witness
from .ranks import Shares

Order = Literal[2, 4]
Tolerance = Annotated[float, Field(gt=0, lt=1)]
TIGHT = 1e-11  # the residual of the solutions that others are compared with
UNSETTLED = 1e-8  # where the tolerance has not been settled
SAFETY = 0.1  # of the loosest tolerance that is fine enough on the members tried
MEMBERS = 3  # tried for it
INVERSE = 4  # inverse iterations for the norm of an inverse
CLIPPED = 1e-6  # a member whose residual round-off keeps above this has failed
STAGES = 8  # systems of an unsteady problem's first steps that a choice is made on
LENGTH = 100  # systems that a choice of the linear solver is made for: trials cost about 10 of them


@runtime_checkable
class _Doubting(Protocol):
    def doubtful(self, solution: Array, params: Params) -> str: ...


class EllipticCard(Card):
    """The options: the linear solver, its tolerance, and what it carries from one member to the next.

    `linear_solver` is a name of `pdebench.solvers.krylov.methods`, `linear_options` are its options. "auto" takes what
    `krylov.choose` finds fastest on the first members (of a problem with time: on the first steps of one), once per
    store, its options and `guess` included; where nothing was measured, it is multigrid CG for positive definite
    systems (on several ranks CG with AMG) and a sparse factorisation elsewhere. `tolerance` bounds the true relative
    residual; "discretisation" settles it once per store, so that what the linear solver leaves is a `share` of the
    error of the grid at most (a problem with time: 1e-8). `guess` is how many of the last solutions the first guess is
    made of. `order` 4 takes compact differences: constant coefficients, a grid of ends, held walls. `time_step` is
    that of an unsteady problem.

    On several ranks each assembles a member and solves its share of the rows; that needs PETSc and a linear solver
    that can be shared.
    """

    linear_solver: str = "auto"
    linear_options: dict[str, Any] = {}
    tolerance: Literal["discretisation"] | Tolerance = "discretisation"
    share: Tolerance = 0.01
    guess: Annotated[int, Field(ge=0)] = 0
    mean: Mean = "harmonic"
    order: Order = 2
    time_step: Positive | None = None

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> Solver:
        self._rehearsed(comm)
        if isinstance(problem, Conduction):
            return self._heat(problem, grid, output, comm, self.sequence)
        if not isinstance(problem, Elliptic):
            raise SolverError(f"elliptic cannot solve {type(problem).__name__}: it has no `assembled` system")
        if self.order == 4 and not isinstance(problem, Compact):
            raise SolverError(f"solver.order 4 needs a coefficient of 1, which {type(problem).__name__} has not")
        return EllipticSolver(self, problem, grid, output, comm)

    def _heat(self, problem: Conduction, grid: Grid, output: Grid, comm: Comm, new: NewSequence) -> HeatSolver:
        if self.time_step is None:
            raise SolverError("elliptic needs solver.time_step for a problem with time")
        if self.order == 4:
            raise SolverError("solver.order 4 is for steady problems")
        return HeatSolver(problem, grid, output, new, self.time_step, comm)

    def _rehearsed(self, comm: Comm) -> None:
        """What the linear solver refuses, it refuses now."""
        if self.linear_solver == "auto" and self.linear_options:
            raise SolverError("solver.linear_options are those of one linear solver: name it in solver.linear_solver")
        if self.linear_solver != "auto":
            try:
                method = methods[self.linear_solver](**self.linear_options)
            except (TypeError, ValueError) as error:
                raise SolverError(f"solver.linear_options do not fit {self.linear_solver}: {error}") from error
            if comm.size > 1 and (why := method.eligible(_sample(comm))):
                raise SolverError(f"solver.linear_solver {self.linear_solver} does not work on several ranks: {why}")

    def provenance(self) -> dict[str, str]:
        """What decides the last bits: the multigrid kernels' instructions, and PETSc with its factorisations."""
        try:
            petsc = f"petsc4py {version('petsc4py')}"
        except PackageNotFoundError:
            petsc = "no petsc4py"
        own = kernels._compiled.multigrid_kernels()[0] if kernels.available() else "numpy"
        return {"linear algebra": f"multigrid on {own}, {petsc}"}

    def refined(self, factor: float) -> EllipticCard:
        finer = self.tolerance if isinstance(self.tolerance, str) else max(self.tolerance / factor**self.order, TIGHT)
        step = None if self.time_step is None else self.time_step / factor
        return self.model_copy(update={"time_step": step, "tolerance": finer})

    def sequence(self, system: System, tolerance: float | None = None) -> SolverSequence:
        """A new sequence for systems like this one."""
        name, options = _usual(system) if self.linear_solver == "auto" else (self.linear_solver, self.linear_options)
        method = methods[name](**options)
        return SolverSequence(method, rtol=tolerance or self._rtol(), guess=self.guess, comm=system.comm)

    def _rtol(self) -> float:
        return UNSETTLED if isinstance(self.tolerance, str) else self.tolerance

    def assembled(self, problem: Elliptic, grid: Grid, state: Array, params: Params) -> Discrete:
        """The system of a member in the differences asked for."""
        if self.order == 4 and isinstance(problem, Compact):
            return problem.compact(grid, state, params)
        return problem.assembled(grid, state, params, self.mean)

    def residual(self, problem: Problem, grid: Grid, state: Array, inputs: Array, params: Params) -> float:
        """‖Au − f‖ / ‖f‖ of a steady problem's state `(field, *grid)` in the differences asked for."""
        if not isinstance(problem, Elliptic):
            raise SolverError(f"elliptic has no steady equation of {type(problem).__name__}")
        discrete = self.assembled(problem, grid, inputs, params)
        return discrete.system.relative_residual(discrete.unknowns(state))

    def settle(
        self, problem: Problem, grid: Grid, output: Grid, comm: Comm, states: Array, params: BatchParams
    ) -> Verdict:
        """The tolerance, where it follows from the error of the discretisation, and the method of "auto".

        The tolerance is the same on every call; the method depends on what the clock said.
        """
        if isinstance(problem, Conduction) and self.linear_solver == "auto":
            return self._chosen(self._stages(problem, grid, output, comm, states, params), Verdict({}, {}))
        if not isinstance(problem, Elliptic):
            return Verdict({}, {})
        rows = [_of(params, i) for i in range(len(states))]
        sound: list[tuple[Array, Params]] = [
            (s, own) for s, own in zip(states, rows, strict=True) if not problem.unsound(s)
        ]
        verdict: Verdict = comm.bcast(self._settled_tolerance(problem, grid, sound))  # the last bits may differ
        if self.linear_solver != "auto" or not sound:
            return verdict
        shares = Shares(comm)
        systems = [shares(self.assembled(problem, grid, state, own).system) for state, own in sound]
        return self._chosen(systems, verdict)

    def _stages(
        self, problem: Conduction, grid: Grid, output: Grid, comm: Comm, states: Array, params: BatchParams
    ) -> list[System]:
        """The systems of a member's first steps, as a usual sequence meets them."""
        met: list[System] = []
        solver = self._heat(problem, grid, output, comm, lambda system: Witness(self.sequence(system), met))
        times = np.arange(STAGES // 2 + 1) * (self.time_step or 0.0)
        deque(solver.trajectories(states[:1], {name: values[:1] for name, values in params.items()}, times), maxlen=0)
        return met

    def _chosen(self, systems: list[System], verdict: Verdict) -> Verdict:
        """The verdict with the method chosen on these systems."""
        try:
            chosen = choose(systems, rtol=verdict.options.get("tolerance", self._rtol()), length=LENGTH)
        except SolverError as error:
            return Verdict(verdict.options, verdict.evidence | {"choice": str(error)})
        options = {"linear_solver": chosen.method, "linear_options": chosen.options, "guess": chosen.guess}
        return Verdict(verdict.options | options, verdict.evidence | {"choice": chosen.evidence})

    def _settled_tolerance(self, problem: Elliptic, grid: Grid, sound: Sequence[tuple[Array, Params]]) -> Verdict:
        if not isinstance(self.tolerance, str):
            return Verdict({}, {})
        if not sound:
            return Verdict({"tolerance": UNSETTLED}, {"reason": "no member tried has sound inputs"})
        found = [self._demanded(problem, grid, state, own) for state, own in sound[:MEMBERS]]
        least = min(row["tolerance"] for row in found)
        return Verdict({"tolerance": max(SAFETY * least, TIGHT)}, {"share": self.share, "members": found})

    def _demanded(self, problem: Elliptic, grid: Grid, state: Array, params: Params) -> dict[str, Any]:
        """The loosest power of ten whose solution is near enough to the tight one, for one member.

        The error of the discretisation is taken for a third (order 4: a fifteenth) of the difference to the solution on
        half as many points. Where a coefficient jumps the order is lower, so the error is underrated and the tolerance
        tighter than it need be.
        """
        half = grid.refined(0.5)
        system = self.assembled(problem, grid, state, params)
        tight = self._solution(system.system, TIGHT)
        true = system.expanded(tight)
        rough = self.assembled(problem, half, resample(state, grid, half), params)
        coarse = rough.expanded(self._solution(rough.system, TIGHT))
        error = _relative(coarse, resample(true, grid, half)) / (2**self.order - 1)
        row: dict[str, Any] = {"discretisation_error": error}
        # A direct method solves to round-off, whatever is asked of it; and which one `auto` takes is not known yet.
        bounded = self.linear_solver == "auto" or self.sequence(system.system).method.direct
        worst = self._amplification(system.system, tight) if bounded else 0.0
        for power in range(2, 11):
            off = worst * 10.0**-power if bounded else _relative(self._solution(system.system, 10.0**-power), tight)
            if off <= self.share * error:
                break
        return row | {"tolerance": 10.0**-power, "algebraic_error": off}

    def _amplification(self, system: System, x: Array) -> float:
        """How much larger than the residual the error can be, both relative: ‖A⁻¹‖ ‖b‖ / ‖x‖, by inverse iteration."""
        sequence = self.sequence(system, TIGHT)
        y = np.random.default_rng(0).standard_normal(x.size)
        for _ in range(INVERSE):
            y = y / np.linalg.norm(y)
            y, _ = sequence.solve(replace(system, rhs=y))
        return float(np.linalg.norm(y) * np.linalg.norm(system.rhs) / max(np.linalg.norm(x), np.finfo(float).tiny))

    def _solution(self, system: System, tolerance: float) -> Array:
        return self.sequence(system, tolerance).solve(system)[0]


class EllipticSolver:
    """Lives for one unit of work, and so does its sequence."""

    batch = 1

    def __init__(self, card: EllipticCard, problem: Elliptic, grid: Grid, output: Grid, comm: Comm) -> None:
        self._card, self._problem, self._grid, self._output = card, problem, grid, output
        self._shares = Shares(comm)
        self._sequence: SolverSequence | None = None
        self._costs: list[Cost] = []

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self._costs = []
        found = np.stack([self._member(state, _of(params, row)) for row, state in enumerate(states)])
        for _ in times:
            yield resample(found, self._grid, self._output)

    def costs(self) -> list[Cost]:
        return self._costs

    def _member(self, state: Array, params: Params) -> Array:
        """The solution, `(field, *grid)`; NaN where there is none, with the reason among the costs."""
        values, cost = self._solved(state, params)
        self._costs.append(cost)
        if cost.reason:
            fields: tuple[Any, ...] = self._problem.fields  # type: ignore[attr-defined]  # every problem has them
            return np.full((len(fields), *self._grid.shape), np.nan)
        return values

    def _solved(self, state: Array, params: Params) -> tuple[Array, Cost]:
        if reason := self._problem.unsound(state):
            return state, Cost(reason=reason)
        system = self._card.assembled(self._problem, self._grid, state, params)
        own = self._shares(system.system)
        if self._sequence is None:
            self._sequence = self._card.sequence(own)
        try:
            x, solve = self._sequence.solve(own)
        except SolverError as error:
            return state, Cost(reason=str(error))
        values = system.expanded(self._shares.gathered(x))
        doubt = self._problem.doubtful(values, params) if isinstance(self._problem, _Doubting) else ""
        if solve.clipped and solve.residual > CLIPPED and not doubt:
            doubt = (
                f"its residual is {solve.residual:.1e}: with coefficients of this range round-off allows no less than "
                f"{solve.clipped:.1e}"
            )
        return values, Cost(steps=1, iterations=solve.iterations, reason=doubt)


def _usual(system: System) -> tuple[str, dict[str, Any]]:
    """The method for a system of which nothing has been measured, and its options."""
    if not system.definite:
        return "direct-lu" if system.comm.size == 1 else "lu", {}
    if is_structured(system.operator):
        return "multigrid-cg", {}
    return ("cg", {"pc": "boomeramg"}) if system.comm.size > 1 else ("direct-cholesky", {})


def _sample(comm: Comm) -> System:
    """A system shared by the ranks, for a method to look at."""
    eye = sparse.eye(2 * comm.size, format="csr")
    return Shares(comm)(System(eye, np.ones(2 * comm.size), symmetric=True, definite=True))


def _of(params: BatchParams, row: int) -> dict[str, float]:
    return {name: float(values[row]) for name, values in params.items()}


def _relative(values: Array, true: Array) -> float:
    return float(np.linalg.norm(values - true)) / max(float(np.linalg.norm(true)), 1e-300)
