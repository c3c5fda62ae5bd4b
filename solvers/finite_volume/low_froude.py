"""The semi-implicit scheme as a solver: shallow water at low Froude numbers, member after member."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field as Option

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Problem, inputs_of
from pdebench.resample import resample
from pdebench.solvers.krylov import SolverSequence, methods
from pdebench.spec import Card, Count, Grid, Positive

from .semi_implicit import Flow, Scheme
from .solver import _defect
from .water import ShallowWater


class SemiImplicitCard(Card):
    """Options of `swe_semi_implicit`, for water that is deep everywhere, in a box that is periodic or has walls.

    Steps are at most `step` long and at most `cfl` in Σ|u|Δt/h of the flow alone; gravity waves that move further than
    a cell in a step are slowed down, and damped where θ > ½. `theta`: ½ is of second order, 1 damps most.
    `linear_solver` is any method of the package's Krylov solvers, `rtol` its tolerance.
    """

    step: Positive
    cfl: float = Option(default=0.25, gt=0, le=0.3)  # beyond it the extrapolated advection is unstable
    theta: float = Option(default=0.5, ge=0.5, le=1.0)
    linear_solver: str = "multigrid-cg"
    rtol: Positive = 1e-10
    guess: int = Option(default=4, ge=0)
    max_steps: Count = 100_000

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> SemiImplicitSolver:
        if not isinstance(problem, ShallowWater):
            raise SolverError(f"swe_semi_implicit solves shallow water, not {type(problem).__name__}")
        if comm.size > 1:
            raise SolverError(f"swe_semi_implicit runs on one rank per unit of work: set ranks to 1, not {comm.size}")
        if grid.points != "centres":
            raise SolverError(f"swe_semi_implicit needs grid.points: centres, not {grid.points}")
        problem.boundaries.expect(grid)
        sides = {str(side) for pair in problem.boundaries.pairs() for side in pair}
        if strange := sides - {"periodic", "reflecting"}:
            raise SolverError(f"swe_semi_implicit knows periodic and reflecting sides, not {min(strange)}")
        if self.linear_solver not in methods:
            raise SolverError(f"no linear solver {self.linear_solver!r}: one of {', '.join(methods)}")
        return SemiImplicitSolver(problem, grid, output, self)

    def refined(self, factor: float) -> SemiImplicitCard:
        finer = {
            "step": self.step / factor,
            "cfl": self.cfl / factor,
            "max_steps": int(np.ceil(self.max_steps * factor)),
        }
        return self.model_copy(update=finer)


class SemiImplicitSolver:
    """Volume is conserved to round-off. A member that runs dry or blows up is NaN from there on."""

    batch = 1

    def __init__(self, problem: ShallowWater, grid: Grid, output: Grid, card: SemiImplicitCard) -> None:
        self._problem, self._grid, self._output, self._card = problem, grid, output, card
        self._inputs = len(inputs_of(problem))
        self._costs: list[Cost] = []

    def costs(self) -> list[Cost]:
        return self._costs

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self._costs = [Cost()] * len(states)
        runs = [
            self._run(state, {name: values[i : i + 1] for name, values in params.items()}, times)
            for i, state in enumerate(states)
        ]
        for _ in times:
            frames = []
            for row, run in enumerate(runs):
                values, self._costs[row] = next(run)
                frames.append(values)
            yield np.stack(frames)

    def _run(self, state: Array, params: BatchParams, times: Array) -> Iterator[tuple[Array, Cost]]:
        system: Any = self._problem.system(params, np.dtype(float))
        bed = np.asarray(state[-1] if self._inputs else np.zeros(self._grid.shape), float)
        w = np.asarray(state[: -self._inputs] if self._inputs else state, float)
        why = _defect(system, w, self._grid) or self._dry(w[0], 0.0)
        scheme = Scheme(
            self._grid.spacing, self._problem.boundaries, float(params["gravity"][0]), self._card.theta, bed
        )
        if not why and scheme.gravity == 0:
            why = "without gravity there are no waves to be implicit about: use finite_volume"
        flow, cost, now = Flow(w[0] + bed, w[:1] * w[1:]), Cost(reason=why), 0.0
        sequence = SolverSequence(self._card.linear_solver, rtol=self._card.rtol, guess=self._card.guess)
        for time in times:
            if time > now and not cost.reason:
                flow, cost = self._interval(scheme, system, flow, cost, (now, float(time)), sequence)
            now = float(time)
            yield self._values(scheme, system, flow, cost), cost

    def _interval(
        self, scheme: Scheme, system: Any, flow: Flow, cost: Cost, span: tuple[float, float], sequence: SolverSequence
    ) -> tuple[Flow, Cost]:
        (now, end), first = span, cost.steps
        while now < end:
            rate = max(scheme.rate(flow) / self._card.cfl, 1 / self._card.step)
            parts = max(np.ceil((end - now) * rate * (1 - 1e-12)), 1)
            if not np.isfinite(parts) or cost.steps - first >= self._card.max_steps:
                why = f"t = {now:g} … {end:g} needs more than {self._card.max_steps} steps (solver.max_steps)"
                return flow, Cost(cost.steps, cost.iterations, why)
            dt = (end - now) / parts
            try:
                flow, iterations = scheme.step(flow, dt, sequence)
            except SolverError as error:
                return flow, Cost(cost.steps, cost.iterations, f"at t = {now:.6g}: {error}")
            now = end if parts == 1 else now + dt
            depth = flow.surface - scheme.bed
            cost = Cost(cost.steps + 1, cost.iterations + iterations, self._dry(depth, now))
            if cost.reason:
                return flow, cost
            if hasattr(system, "relaxed"):
                rough = system.relaxed(np.concatenate([depth[None], flow.momentum])[:, None], np.array([dt]))[1:, 0]
                flow = Flow(flow.surface, rough, flow.tendency, flow.depth, flow.length)
        return flow, cost

    def _dry(self, depth: Array, time: float) -> str:
        """Why water of this depth cannot go on; empty if it can."""
        bad = ~(depth > self._problem.dry)
        if not bad.any():
            return ""
        cell = tuple(int(i) for i in np.argwhere(bad)[0])
        return (
            f"at t = {time:.6g} depth is {depth[cell]:.3g} in cell {cell} of {self._grid.shape}: swe_semi_implicit "
            "needs deep water, finite_volume does not"
        )

    def _values(self, scheme: Scheme, system: Any, flow: Flow, cost: Cost) -> Array:
        """Depth and velocities on the output grid, of the averages there."""
        shape = (1 + len(self._grid.shape), *self._output.shape)
        if cost.reason:
            return np.full(shape, np.nan)
        q = np.concatenate([(flow.surface - scheme.bed)[None], flow.momentum])
        return np.asarray(system.primitive(resample(q, self._grid, self._output)[:, None])[:, 0])
