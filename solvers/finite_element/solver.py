"""Finite elements as a solver: from a card's options to frames of velocity and pressure on the stored grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Mesh, Params, Problem, is_steady
from pdebench.spec import Card, Count, Grid, Positive

from .compat import version
from .meshing import Triangulation
from .newton import steady
from .projection import Linear, Projection, State, Systems
from .sampling import Sampler, onto
from .scene import Scene, Shaped, scene_of
from .setting import FASTEST, NonNegative, Setting, fitting
from .space import Space

STEPS = (1, 2, 3, 4, 6, 8, 12)  # steps per interval, and these times powers of 2 beyond: few lengths, so few matrices
SLACK = 1.1  # the Courant number may pass the card's by this before a step is halved
GROWTH = 2.0  # of a step over the last; variable BDF2 is stable below 1 + √2


class FiniteElementCard(Card):
    """Options of the finite-element solver.

    The mesh has about as many cells along each axis as the card's grid, each cut in two triangles. `cfl` bounds the
    step: it times the greatest |u·∇λ|, λ the barycentric coordinates; a step is a whole fraction of the time between
    frames. `grading` is how much finer cells are at walls (0: not at all). `still`: once the speed of change falls
    below this fraction of the speed scale per frame, the later frames are the same; 0 for never. `least_quality` of a
    mesh cell, `most_cell_reynolds` |u| h / ν of a cell: beyond them a member fails. `least_gap`: of the body's radius.

    **Good values:** cfl 0.5, grading 1.3 for cavities, rtol 1e-6.
    """

    tells: ClassVar[dict[str, str]] = {"cell_reynolds": "greatest |u| h / ν of a mesh cell"}
    cfl: Positive = 0.5
    grading: NonNegative = 1.3
    form: Literal["rotational", "standard"] = "rotational"
    velocity_solver: str = "bicgstab"
    velocity_options: dict[str, Any] = {"pc": "jacobi"}
    pressure_solver: str = "direct-cholesky"
    pressure_options: dict[str, Any] = {}
    rtol: Annotated[float, Field(gt=1e-14, lt=1)] = 1e-6
    guess: Annotated[int, Field(ge=0)] = 2
    still: NonNegative = 0.0
    least_quality: NonNegative = 0.02
    least_gap: NonNegative = 0.2
    most_cell_reynolds: Positive = 1000.0
    max_steps: Count = 1_000_000

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> FiniteElementSolver:
        if not isinstance(problem, Shaped):
            raise SolverError(f"finite_element cannot solve {type(problem).__name__}: it has no `scene`")
        fitting("finite_element", grid, self.linear)
        return FiniteElementSolver(self, problem, grid, output, comm)

    def provenance(self) -> dict[str, str]:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as of

        try:
            algebra = f"petsc4py {of('petsc4py')}"
        except PackageNotFoundError:
            algebra = "no petsc4py"
        return {"finite elements": f"{version()}, {algebra}"}

    def refined(self, factor: float) -> FiniteElementCard:
        most = int(np.ceil(self.max_steps * factor**2))
        return self.model_copy(update={"cfl": self.cfl / factor, "max_steps": most})

    def mesh(self, problem: Problem, grid: Grid, params: Params) -> Mesh | None:
        """The velocities' places, corners and middles of sides; each triangle is there as four."""
        shape: Any = grid.shape
        try:
            scene = problem.scene(params)  # type: ignore[attr-defined]  # it is `Shaped`
            if scene.defect(self.least_gap):
                return None
            same = replace(scene, density=1.0, viscosity=1.0, speed=1.0)  # what the mesh does not depend on
            return _nodes(same, shape, self.grading, self.least_quality)
        except SolverError:
            return None

    def triangulated(self, scene: Scene, shape: tuple[int, int]) -> Triangulation:
        """The mesh of a case on about so many cells along (y, x). Raises `SolverError` if it is a bad one."""
        return scene.mesh(shape, self.grading).checked(self.least_quality)

    @property
    def linear(self) -> Linear:
        return Linear(
            (self.velocity_solver, self.velocity_options),
            (self.pressure_solver, self.pressure_options),
            self.rtol,
            self.guess,
        )


@lru_cache(maxsize=64)
def _nodes(scene: Scene, shape: tuple[int, int], grading: float, least_quality: float) -> Mesh:
    """The mesh that is stored; a card's cases share few geometries, and are asked one by one."""
    fine = scene.mesh(shape, grading).checked(least_quality).halved()
    return Mesh(fine.points, fine.cells)


class FiniteElementSolver:
    """Lives for one unit of work. Members of one geometry share mesh and matrices.

    Ranks of `comm` share the rows of all linear systems; mesh, states and frames are whole on each.
    """

    batch = 1

    def __init__(self, card: FiniteElementCard, problem: Shaped, grid: Grid, output: Grid, comm: Comm) -> None:
        self._card, self._problem, self._grid, self._output, self._comm = card, problem, grid, output, comm
        self._fields = len(problem.fields)  # type: ignore[attr-defined]  # every problem has them
        self._steady = is_steady(problem)  # type: ignore[arg-type]
        self._settings: dict[tuple[object, ...], Setting] = {}
        self._costs: list[Cost] = []
        self._last: list[tuple[Setting, Array, Array] | None] = []

    def costs(self) -> list[Cost]:
        return self._costs

    def on_mesh(self) -> list[Array | None]:
        """The frame yielded last at the nodes of `FiniteElementCard.mesh`; None of a member that has failed."""
        return [None if last is None else last[0].at_nodes(*last[1:]) for last in self._last]

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self._costs, self._last = [Cost() for _ in states], [None for _ in states]
        runs = [self._member(row, state, params, times) for row, state in enumerate(states)]
        for _ in times:
            yield np.stack([next(run) for run in runs])

    def _member(self, row: int, state: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        """The member's frames, NaN from where it fails; its cost is told when the last is taken."""
        run = _Run(self._card, self._comm)
        given = 0
        try:
            if not np.isfinite(state).all():
                raise SolverError("the initial state is not finite")
            scene = scene_of(self._problem, params, row)
            setting = self._setting(scene)
            frames = (
                run.steady(scene, setting) if self._steady else run.march(scene, setting, state[:3], self._grid, times)
            )
            for u, p in frames:
                given += 1
                self._costs[row], self._last[row] = run.cost(), (setting, u, p)
                yield setting.sampler(u, p)
        except SolverError as error:
            self._costs[row], self._last[row] = run.cost(str(error)), None
            for _ in times[given:]:
                yield np.full((self._fields, *self._output.shape), np.nan)

    def _setting(self, scene: Scene) -> Setting:
        if defect := scene.defect(self._card.least_gap):  # also where the mesh is there: of speed or viscosity
            raise SolverError(defect)
        if scene.geometry not in self._settings:
            shape: Any = self._grid.shape
            space = Space(self._card.triangulated(scene, shape))
            out: Any = self._output.shape
            sampler = Sampler(space, out, (scene.height, scene.width), scene.solid(self._output))
            systems = None if self._steady else Systems(scene.flow(space), self._card.linear, self._comm)
            self._settings = {scene.geometry: Setting(space, sampler, systems)}  # one: a unit's cases come in order
        return self._settings[scene.geometry]


class _Run:
    """One member: its steps and what they cost."""

    def __init__(self, card: FiniteElementCard, comm: Comm) -> None:
        self._card, self._comm = card, comm
        self._steps = 0
        self._before = 0
        self._reynolds = 0.0
        self._projection: Projection | None = None

    def cost(self, reason: str = "") -> Cost:
        iterations = self._before if self._projection is None else self._projection.iterations
        told = {"cell_reynolds": self._reynolds}
        return Cost(steps=self._steps, iterations=iterations, reason=reason, told=told)

    def steady(self, scene: Scene, setting: Setting) -> Iterator[tuple[Array, Array]]:
        """The steady flow, by way of more viscous ones: velocity and pressure [Pa]."""
        flow = scene.flow(setting.space)
        self._bounded(scene, setting.space, flow.held(0.0).max(initial=0.0) * np.ones((2, setting.space.size)))
        reynolds = scene.speed * scene.height / scene.nu
        u, p = np.zeros((2, setting.space.size)), np.zeros(setting.space.size1)
        for target in [r for r in (100.0, 400.0, 1000.0, 2500.0, 5000.0) if r < reynolds] + [reynolds]:
            eased = scene.speed * scene.height / target
            u, p, count = steady(
                type(flow)(flow.space, eased, flow.velocity, flow.outflow, flow.outflow1), u, p, comm=self._comm
            )
            self._steps += 1
            self._before += count
        self._reynolds = 0.0  # of what was found, not of what was feared
        self._bounded(scene, setting.space, u)
        yield u, p * scene.density

    def march(
        self, scene: Scene, setting: Setting, start: Array, grid: Grid, times: Array
    ) -> Iterator[tuple[Array, Array]]:
        """Velocity and pressure [Pa] at `times`, from those on the grid, `(3, y, x)`, at t = 0."""
        flow, linear = scene.flow(setting.space), self._card.linear
        self._projection = Projection(flow, linear, form=self._card.form, comm=self._comm, systems=setting.systems)
        lengths, fluid = (scene.height, scene.width), 1 - scene.solid(grid)
        u = onto(setting.space.points, start[:2], lengths, np.ones_like(fluid))
        p = onto(setting.space.points1, start[2:], lengths, fluid)[0] / scene.density
        now, still = self._projection.start(u, p), False
        for time in times:
            if time > now.time and not still:
                before = now.velocity
                now = self._advance(scene, now, float(time))
                still = float(np.abs(now.velocity - before).max()) < self._card.still * scene.speed
            yield now.velocity, now.pressure * scene.density

    def _advance(self, scene: Scene, now: State, end: float) -> State:
        """To `end` in equal steps, halved where the flow outruns them."""
        assert self._projection is not None
        interval = end - now.time
        least = interval / (GROWTH * now.step) if now.before is not None else 0.0
        count, done = _fraction(max(interval * self._rate(now) / self._card.cfl, least)), 0
        while done < count:
            while interval * self._rate(now) > SLACK * self._card.cfl * count:
                count, done = 2 * count, 2 * done
            if now.before is None:  # a first-order step, and one to make the length whole again
                now = self._step(scene, self._step(scene, now, interval / count / 2), interval / count / 2)
            else:
                now = self._step(scene, now, interval / count)
            done += 1
        return replace(now, time=end)

    def _step(self, scene: Scene, now: State, dt: float) -> State:
        assert self._projection is not None
        self._steps += 1
        if self._steps > self._card.max_steps:
            raise SolverError(f"at t = {now.time:.6g} it has taken {self._card.max_steps} steps (solver.max_steps)")
        after = self._projection.step(now, dt)
        if not np.abs(after.velocity).max() < FASTEST * scene.speed:
            raise SolverError(f"the flow blew up at t = {after.time:.6g}: beyond {FASTEST:g} times {scene.speed:g} m/s")
        self._bounded(scene, self._projection.flow.space, after.velocity)
        return after

    def _rate(self, now: State) -> float:
        """Courant numbers per second, of the flow and of what is held: from rest it speeds up to that at once."""
        assert self._projection is not None
        flow = self._projection.flow
        velocity = now.velocity
        if now.before is None:
            velocity = velocity.copy()
            velocity[:, flow.fixed] = flow.held(now.time)
        return max(flow.space.courant(velocity), 1e-300)

    def _bounded(self, scene: Scene, space: Space, velocity: Array) -> None:
        found = space.cell_reynolds(velocity, scene.nu)
        self._reynolds = max(self._reynolds, found)
        if found > self._card.most_cell_reynolds:
            raise SolverError(
                f"the cell Reynolds number is {found:.4g}, above solver.most_cell_reynolds "
                f"{self._card.most_cell_reynolds:g}: the mesh does not resolve this flow; refine the grid"
            )


def _fraction(least: float) -> int:
    """The smallest of 1, 2, 3, 4, 6, 8, 12, 16, 24 … that is at least this."""
    for count in STEPS:
        if count >= least:
            return count
    size = 1 << math.ceil(math.log2(least / 12))
    return 12 * size if least > 8 * size else 8 * size
