"""Geometry of a case, its mesh, and what is held where: what a problem tells the solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError
from pdebench.problem import Params
from pdebench.spec import Grid

from .flow import Flow, Lasting
from .meshing import Triangulation, box, graded, holed
from .space import Space

NEAR = 1e-9  # of a length: a point this near a side lies on it
Profile = Literal["uniform", "parabolic"]


@dataclass(frozen=True, slots=True)
class Circle:
    x: float
    y: float
    radius: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A box `width` × `height` [m], perhaps with a round body in it, between walls or with an inlet and an outlet.

    "lid": all sides are walls, the upper one moves along x with `speed`, its two end points do not. "channel": fluid
    enters on the left with a `profile` of mean or constant `speed`, leaves on the right.
    """

    kind: Literal["lid", "channel"]
    width: float
    height: float
    density: float  # [kg m⁻³]
    viscosity: float  # dynamic [Pa s]
    speed: float  # [m s⁻¹]
    profile: Profile = "uniform"
    body: Circle | None = None

    @property
    def geometry(self) -> tuple[object, ...]:
        """Equal for cases that share a mesh."""
        return (self.kind, self.width, self.height, self.body)

    @property
    def nu(self) -> float:
        return self.viscosity / self.density

    def solid(self, grid: Grid) -> Array:
        """1 in cells whose centre lies in the body, 0 elsewhere, `(y, x)`; the grid is that of fractions of the box."""
        out = np.zeros(grid.shape)
        if self.body is not None:
            y, x = grid.coordinates()
            x, y = x / grid.lengths[1] * self.width, y / grid.lengths[0] * self.height
            out[(x - self.body.x) ** 2 + (y - self.body.y) ** 2 <= self.body.radius**2] = 1
        return out

    def defect(self, clearance: float) -> str:
        """Empty, or why there is no such flow: a body outside the box, or that leaves the walls no gap."""
        if not all(np.isfinite(v) and v > 0 for v in (self.width, self.height, self.density, self.viscosity)):
            return "width, height, density and viscosity must be positive numbers"
        if not np.isfinite(self.speed) or self.speed <= 0:
            return f"the speed is {self.speed:g}: it must be positive"
        if (b := self.body) is None:
            return ""
        if not (0 < b.x < self.width and 0 < b.y < self.height):
            return f"the body's centre ({b.x:g}, {b.y:g}) lies outside the box {self.width:g} × {self.height:g}"
        gap = min(b.x, self.width - b.x, b.y, self.height - b.y) - b.radius
        if gap <= 0:
            return f"the body of radius {b.radius:g} at ({b.x:g}, {b.y:g}) closes the channel or sticks out of it"
        if gap < clearance * b.radius:
            return f"the gap between body and side, {gap:.3g}, is below {clearance:g} of the radius: too narrow to mesh"
        return ""

    def velocity(self, points: Array, time: float) -> Array:
        """What is held on the boundary, `(n, 2)` -> `(2, n)`."""
        x, y = points.T
        u = np.zeros_like(x)
        if self.kind == "lid":
            u[(y > self.height * (1 - NEAR)) & (x > self.width * NEAR) & (x < self.width * (1 - NEAR))] = self.speed
        else:
            inlet = (x < self.width * NEAR) & (y > self.height * NEAR) & (y < self.height * (1 - NEAR))
            eta = y[inlet] / self.height
            u[inlet] = self.speed * (6 * eta * (1 - eta) if self.profile == "parabolic" else 1.0)
        return np.stack([u, np.zeros_like(u)])

    def walls(self) -> Array:
        """What the sides hold of (velocity x, velocity y, pressure), `(axis, 2, field)`, axes y, x; NaN: nothing."""
        free, still = np.nan, [0.0, 0.0, np.nan]
        if self.kind == "lid":
            return np.array([[still, [self.speed, 0.0, free]], [still, still]])
        inlet = [self.speed if self.profile == "uniform" else free, 0.0, free]
        return np.array([[still, still], [inlet, [free] * 3]])

    def flow(self, space: Space) -> Flow:
        """The flow on a mesh of this geometry."""
        none: Index = np.zeros(0, int)
        if self.kind == "lid":
            return Flow(space, self.nu, Lasting(self.velocity), none, none)
        across, low, high = (space.points[space.boundary, k] for k in (0, 1, 1))
        right = across > self.width * (1 - NEAR)
        between = (low > self.height * NEAR) & (high < self.height * (1 - NEAR))
        right1 = space.points1[space.boundary1, 0] > self.width * (1 - NEAR)
        outflow, outflow1 = space.boundary[right & between], space.boundary1[right1]
        return Flow(space, self.nu, Lasting(self.velocity), outflow, outflow1)

    def on_body(self, space: Space) -> Index:
        """Quadratic unknowns on the body's border."""
        if self.body is None:
            return np.zeros(0, int)
        x, y = space.points[space.boundary].T
        off = np.minimum.reduce([x, self.width - x, y, self.height - y])
        return np.asarray(space.boundary[off > NEAR * min(self.width, self.height)])

    def mesh(self, shape: tuple[int, int], grading: float) -> Triangulation:
        """About `shape` cells along (y, x), cut in two; near walls and body smaller by a factor that `grading` sets."""
        if self.body is not None:
            return _round(self, self.body, shape, grading)
        along = self.kind == "lid"
        return box(graded(shape[1], self.width, grading, low=along, high=along), graded(shape[0], self.height, grading))


@runtime_checkable
class Shaped(Protocol):
    """A problem that the finite-element solver can solve."""

    def scene(self, params: Params) -> Scene: ...


def scene_of(problem: Shaped, params: Mapping[str, Array], row: int) -> Scene:
    return problem.scene({name: float(values[row]) for name, values in params.items()})


def _round(scene: Scene, body: Circle, shape: tuple[int, int], grading: float) -> Triangulation:
    """A square of `2 half` round the body, the places beyond it stretched towards inlet, outlet and walls."""
    gap = min(body.x, scene.width - body.x, body.y, scene.height - body.y) - body.radius
    half = body.radius + min(0.6 * gap, 1.5 * body.radius)
    inner = max(6, round(shape[0] / 4))  # cells along the square's side
    step = 2 * half / inner
    xs, i0 = _places(body.x - half, body.x + half, scene.width, inner, step, shape[1])
    ys, j0 = _places(body.y - half, body.y + half, scene.height, inner, step, shape[0])
    count = max(
        4, round((half - body.radius) / (np.pi * body.radius / (2 * inner) + step) * 2 * np.exp(0.25 * grading))
    )
    rings = graded(count, 1.0, grading, high=False) if grading else np.linspace(0, 1, count + 1)
    return holed(xs, ys, (i0, i0 + inner, j0, j0 + inner), (body.x, body.y), body.radius, rings)


def _places(low: float, high: float, end: float, inner: int, step: float, target: int) -> tuple[Array, int]:
    """Places in [0, end] with `inner` equal cells in [low, high] and cells that grow away from them."""
    coarse = max(end / target, step) * 1.5  # what cells grow to
    before = low - _growing(low, step, coarse)[::-1]
    after = high + _growing(end - high, step, coarse)
    middle = np.linspace(low, high, inner + 1)
    places = np.concatenate([before[:-1], middle, after[1:]])
    places[0], places[-1] = 0.0, end
    return places, len(before) - 1


def _growing(length: float, first: float, largest: float, factor: float = 1.15) -> Array:
    """Places in [0, length] whose spacing grows from about `first` to at most about `largest`."""
    spacing, total = [first], first
    while total < length:
        spacing.append(min(spacing[-1] * factor, largest))
        total += spacing[-1]
    if length <= 0:
        raise SolverError("there is no room between the body and a side")
    return np.concatenate([[0.0], np.cumsum(spacing)]) * (length / total)
