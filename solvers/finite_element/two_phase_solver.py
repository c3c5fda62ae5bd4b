"""Two fluids as a solver: from a card's options to frames of velocity, pressure and volume fraction."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Mesh, Params, Problem
from pdebench.spec import Card, Count, Grid, Positive

from .level_set import LevelSet
from .projection import Linear
from .sampling import Sampler, onto
from .setting import FASTEST, NonNegative, Setting, fitting
from .solver import FiniteElementCard
from .space import Space
from .tank import Tank, Tanked
from .two_phase import Fluids, State, TwoPhase

FIRST = 0.1  # of the step that the flow would allow: the first is of first order, and starts an inlet at once
GROWTH = 1.3  # of a step over the last; variable BDF2 is stable below 1 + √2


class TwoPhaseCard(Card):
    """Options of the solver for two fluids. The mesh has about as many cells along each axis as the card's grid.

    `cfl` bounds the step: it times the greatest |u·∇λ| and the fastest waves between the fluids. `thickness` of the
    interface is ε over a cell's width, φ = 1/(1 + exp(−d/ε)), `sharpening` its rate over the local speed. Cells are
    given the viscosity that keeps ρ |u| h / μ below `stiffened`, or air would need a mesh of its own; a member whose
    *heavier* fluid passes `most_cell_reynolds` fails instead. `still`: once neither the
    velocity, over the inlet's, nor φ changes by this much from frame to frame, the later frames are the same; 0 for
    never. `least_gap`: of the box's
    height, above a barrier. `most_density_ratio`: of the two fluids.

    **Good values:** cfl 1, thickness 0.6, sharpening 1, stiffened 50, rtol 1e-6, guess 2.
    """

    tells: ClassVar[dict[str, str]] = {
        "cell_reynolds": "greatest ρ |u| h / μ of a mesh cell in the heavier fluid",
        "thickened": "share of the heavier fluid's cells and steps that were given more viscosity than it has",
        "thickened_light": "the same of the lighter fluid",
    }
    cfl: Positive = 1.0
    thickness: Positive = 0.6
    sharpening: NonNegative = 1.0
    stiffened: Positive = 50.0
    velocity_solver: str = "bicgstab"
    velocity_options: dict[str, Any] = {"pc": "jacobi"}
    pressure_solver: str = "cg"
    pressure_options: dict[str, Any] = {"pc": "icc"}
    rtol: Annotated[float, Field(gt=1e-14, lt=1)] = 1e-6
    guess: Annotated[int, Field(ge=0)] = 2
    still: NonNegative = 0.0
    least_quality: NonNegative = 0.02
    least_gap: NonNegative = 0.2
    most_density_ratio: Positive = 2000.0
    most_cell_reynolds: Positive = 1000.0
    max_steps: Count = 100_000

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> TwoPhaseSolver:
        if comm.size > 1:
            raise SolverError(
                "two_phase solves each member on one rank: set `ranks` to 1, and the ranks of a run solve a member each"
            )
        if not isinstance(problem, Tanked):
            raise SolverError(f"two_phase cannot solve {type(problem).__name__}: it has no `tank`")
        fitting("two_phase", grid, self.linear)
        return TwoPhaseSolver(self, problem, grid, output)

    def provenance(self) -> dict[str, str]:
        return FiniteElementCard().provenance()

    def refined(self, factor: float) -> TwoPhaseCard:
        most = int(np.ceil(self.max_steps * factor**2))
        return self.model_copy(update={"cfl": self.cfl / factor, "max_steps": most})

    def mesh(self, problem: Problem, grid: Grid, params: Params) -> Mesh | None:
        """The velocities' places, corners and middles of sides; each triangle is there as four."""
        shape: Any = grid.shape
        try:
            tank = problem.tank(params)  # type: ignore[attr-defined]  # it is `Tanked`
            if tank.defect(self.least_gap, self.most_density_ratio):
                return None
            same = replace(tank, fluids=Fluids((1.0, 1.0), (1.0, 1.0)), speed=1.0)  # what the mesh does not depend on
            return _nodes(same, shape, self.least_quality)
        except SolverError:
            return None

    @property
    def linear(self) -> Linear:
        velocity, pressure = (
            (self.velocity_solver, self.velocity_options),
            (self.pressure_solver, self.pressure_options),
        )
        return Linear(velocity, pressure, self.rtol, self.guess)


@lru_cache(maxsize=64)
def _nodes(tank: Tank, shape: tuple[int, int], least_quality: float) -> Mesh:
    fine = tank.mesh(shape).checked(least_quality).halved()
    return Mesh(fine.points, fine.cells)


def _at_nodes(setting: Setting, now: State) -> Array:
    return setting.at_nodes(now.velocity, now.pressure, now.phi)


class TwoPhaseSolver:
    """Lives for one unit of work. Members of one geometry share mesh and matrices."""

    batch = 1

    def __init__(self, card: TwoPhaseCard, problem: Tanked, grid: Grid, output: Grid) -> None:
        self._card, self._problem, self._grid, self._output = card, problem, grid, output
        self._settings: dict[tuple[object, ...], tuple[Setting, LevelSet]] = {}
        self._costs: list[Cost] = []
        self._last: list[tuple[Setting, State] | None] = []

    def costs(self) -> list[Cost]:
        return self._costs

    def on_mesh(self) -> list[Array | None]:
        """The frame yielded last at the nodes of `TwoPhaseCard.mesh`; None of a member that has failed."""
        return [None if last is None else _at_nodes(*last) for last in self._last]

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self._costs, self._last = [Cost() for _ in states], [None for _ in states]
        runs = [self._member(row, state, params, times) for row, state in enumerate(states)]
        for _ in times:
            yield np.stack([next(run) for run in runs])

    def _member(self, row: int, state: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        """The member's frames, NaN from where it fails; its cost is told with each."""
        run: Run | None = None
        given = 0
        try:
            if not np.isfinite(state).all():
                raise SolverError("the initial state is not finite")
            tank = self._problem.tank({name: float(values[row]) for name, values in params.items()})
            setting, level_set = self._setting(tank)
            run = Run(self._card, tank, setting.space, level_set)
            for now in run.march(run.begun(state, self._grid), times):
                given += 1
                self._costs[row], self._last[row] = run.cost(), (setting, now)
                yield setting.sampler(now.velocity, now.pressure, now.phi)
        except SolverError as error:
            self._costs[row] = Cost(reason=str(error)) if run is None else run.cost(str(error))
            self._last[row] = None
            for _ in times[given:]:
                yield np.full((4, *self._output.shape), np.nan)

    def _setting(self, tank: Tank) -> tuple[Setting, LevelSet]:
        card = self._card
        if defect := tank.defect(card.least_gap, card.most_density_ratio):
            raise SolverError(defect)
        if tank.geometry not in self._settings:
            shape: Any = self._grid.shape
            out: Any = self._output.shape
            space = Space(tank.mesh(shape).checked(card.least_quality))
            sampler = Sampler(space, out, (tank.height, tank.width), tank.solid(self._output))
            level_set = LevelSet(space, thickness=card.thickness, sharpening=card.sharpening)
            self._settings = {tank.geometry: (Setting(space, sampler), level_set)}  # one: a unit's cases come in order
        return self._settings[tank.geometry]


class Run:
    """One member: its steps and what they cost."""

    def __init__(self, card: TwoPhaseCard, tank: Tank, space: Space, level_set: LevelSet) -> None:
        self._card, self._tank, self._steps, self._reynolds = card, tank, 0, 0.0
        entering = tank.entering(space)
        self.two_phase = TwoPhase(
            tank.flow(space),
            tank.fluids,
            level_set,
            entering=lambda time: entering,
            linear=card.linear,
            stiffened=card.stiffened,
        )

    def cost(self, reason: str = "") -> Cost:
        share = self.two_phase.thickened / np.maximum(self.two_phase.passed, 1)
        told = {"cell_reynolds": self._reynolds, "thickened": float(share[0]), "thickened_light": float(share[1])}
        iterations = sum(self.two_phase.iterations.values())
        return Cost(steps=self._steps, iterations=iterations, reason=reason, told=told)

    def begun(self, state: Array, grid: Grid) -> State:
        """From velocity, pressure and φ on the grid, `(4 + 1, y, x)`; the pressure is that which bears the weight."""
        space, tank = self.two_phase.flow.space, self._tank
        lengths, fluid = (tank.height, tank.width), 1 - tank.solid(grid)
        u = onto(space.points, state[:2], lengths, np.ones_like(fluid))
        phi = onto(space.points1, state[3:4], lengths, fluid)[0]
        return self.two_phase.start(u, np.clip(phi, 0, 1))

    def march(self, now: State, times: Array) -> Iterator[State]:
        """The states at `times`."""
        still = False
        for time in times:
            before = now
            while now.time < time and not still:
                now = self._step(now, float(time))
            if now is not before:
                change = float(np.abs(now.velocity - before.velocity).max()) / self._tank.speed
                moved = float(np.abs(now.phi - before.phi).max())  # in a steady flow, too, an interface may move
                still = max(change, moved) < self._card.still
            yield now

    def _step(self, now: State, end: float) -> State:
        """One step, of the length that divides what is left until `end` evenly."""
        most = self._card.cfl / self.two_phase.rate(now)
        most = min(most, GROWTH * now.step) if now.before is not None else FIRST * most
        left = end - now.time
        count = max(1, math.ceil(left / most))
        self._steps += 1
        if self._steps > self._card.max_steps:
            raise SolverError(f"at t = {now.time:.6g} it has taken {self._card.max_steps} steps (solver.max_steps)")
        after = self.two_phase.step(now, left / count)
        fastest = FASTEST * max(self._tank.speed, math.sqrt(2 * self._tank.fluids.gravity * self._tank.height))
        if not np.abs(after.velocity).max() < fastest:
            raise SolverError(f"the flow blew up at t = {after.time:.6g}: beyond {fastest:.3g} m/s")
        found = self.two_phase.cell_reynolds(after)
        self._reynolds = max(self._reynolds, found)
        if found > self._card.most_cell_reynolds:
            raise SolverError(
                f"the heavier fluid's cell Reynolds number is {found:.4g}, above solver.most_cell_reynolds "
                f"{self._card.most_cell_reynolds:g}: the mesh does not resolve this flow; refine the grid"
            )
        return replace(after, time=end) if count == 1 else after
