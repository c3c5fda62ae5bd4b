"""Heat conduction in time: implicit steps through one matrix, so that a sequence factors or transforms once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Field, Parameter, Params
from pdebench.resample import resample
from pdebench.solvers.krylov import Solve, System
from pdebench.spec import Card, Grid

from .discretise import Discrete, discrete
from .equation import WALLS, held, plate
from .ranks import Shares

GAMMA = 1 - 1 / np.sqrt(2)  # of both stages, so both have the same matrix


class Conduction(Card):
    """uₜ = κ Δu in a plate that begins at one temperature and has walls of four others."""

    fields: ClassVar[tuple[Field, ...]] = (Field("temperature", "K", "temperature"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("diffusivity", "m2 s-1", "thermal diffusivity", minimum=1e-12),
        Parameter("initial_temperature", "K", "temperature of the plate at t = 0"),
        *(Parameter(f"{wall}_temperature", "K", f"temperature of the {wall} wall") for wall in WALLS),
    )

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        return np.full((1, *grid.shape), params["initial_temperature"])

    def walls(self, grid: Grid, params: Params) -> Array:
        return held(plate(params))


class Solving(Protocol):
    """A sequence, or what stands for one."""

    def solve(self, system: System) -> tuple[Array, Solve]: ...


NewSequence = Callable[[System], Solving]


class Witness:
    """A sequence that keeps the systems it is fed."""

    def __init__(self, sequence: Solving, met: list[System]) -> None:
        self._sequence, self._met = sequence, met

    def solve(self, system: System) -> tuple[Array, Solve]:
        self._met.append(system)
        return self._sequence.solve(system)


class HeatSolver:
    """Two stages per step, L-stable and of second order (Alexander 1977, SIAM J. Numer. Anal. 14, 1006).

    u₁ = uⁿ + γh F(u₁), uⁿ⁺¹ = uⁿ + (1 − γ)h F(u₁) + γh F(uⁿ⁺¹). Steps are `step` long, or a little less so that
    they land on the output times. Walls jump at t = 0: L-stability damps what that makes.
    """

    batch = 1

    def __init__(
        self, problem: Conduction, grid: Grid, output: Grid, new: NewSequence, step: float, comm: Comm
    ) -> None:
        if len(grid.shape) != 2:
            raise SolverError(f"conduction in a plate with four walls needs two axes, not {len(grid.shape)}")
        discrete(grid, np.ones(grid.shape), 0.0)  # what the grid cannot, it cannot now
        self._grid, self._output, self._new, self._step = grid, output, new, step
        self._shares = Shares(comm)
        self._costs: list[Cost] = []

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        runs = [
            self._run(state, {n: float(v[row]) for n, v in params.items()}, times) for row, state in enumerate(states)
        ]
        self._costs = [Cost()] * len(states)
        for _ in times:
            frames = []
            for row, run in enumerate(runs):
                values, self._costs[row] = next(run)
                frames.append(values)
            yield resample(np.stack(frames), self._grid, self._output)

    def costs(self) -> list[Cost]:
        return self._costs

    def _run(self, state: Array, params: Params, times: Array) -> Iterator[tuple[Array, Cost]]:
        """The state at each time, and the cost so far."""
        sequence: Solving | None = None
        now, u, cost, last = 0.0, state, Cost(), 0.0
        for t in times:
            count = max(1, int(np.ceil((t - now) / self._step * (1 - 1e-9))))
            h = (t - now) / count
            last = h = last if abs(h - last) < 1e-9 * h else h  # times differ in their last bits, and matrices must not
            for _ in range(count if t > now and not cost.reason else 0):
                stage = self._stage(params, GAMMA * h)
                sequence = sequence or self._new(self._shares(stage.system))
                try:
                    first, one = self._solved(sequence, stage, u)
                    u, two = self._solved(sequence, stage, u + (1 - GAMMA) / GAMMA * (first - u))
                except SolverError as error:
                    u, cost = np.full_like(state, np.nan), Cost(cost.steps, cost.iterations, str(error))
                    break
                cost = Cost(cost.steps + 1, cost.iterations + one + two)
            now = t
            yield u, cost

    def _stage(self, params: Params, weight: float) -> Discrete:
        """(1 − weight κΔ) u = …, divided by weight κ; the right-hand side holds what the walls give."""
        shift = 1 / (weight * params["diffusivity"])
        return discrete(self._grid, np.ones(self._grid.shape), 0.0, walls=plate(params), shift=shift)

    def _solved(self, sequence: Solving, stage: Discrete, before: Array) -> tuple[Array, int]:
        """u with u − weight κΔu = `before`; and the iterations it took."""
        if not np.isfinite(before).all():
            raise SolverError("the state holds NaN or infinity")
        form, inside = stage.system.operator, (slice(1, -1),) * 2 if stage.walls is not None else ()
        rhs = stage.system.rhs + (form.shift * before[0][inside]).ravel()
        system = self._shares(System(form, rhs, symmetric=True, definite=True))
        x, solve = sequence.solve(system)
        return stage.expanded(self._shares.gathered(x)), solve.iterations
