"""Geometry of a flow of two fluids: a box with an inlet, open sides and perhaps a barrier on its floor; its mesh."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pdebench.arrays import Array
from pdebench.problem import Params
from pdebench.spec import Grid

from .flow import Flow
from .meshing import Triangulation, cut
from .scene import NEAR
from .space import Space
from .two_phase import Fluids


@dataclass(frozen=True, slots=True)
class Barrier:
    """A rectangular step on the floor [m]."""

    left: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width


@dataclass(frozen=True, slots=True)
class Tank:
    """A box `width` × `height` [m], its right side open; the heavier fluid enters on the left, below `inlet`.

    At first the heavier fluid fills the lower left corner as far as `filled` (x, y), and all is at rest. An open side
    holds the pressure at 0 and lets the lighter fluid in. Walls hold the fluid fast.
    """

    width: float
    height: float
    fluids: Fluids
    speed: float  # at the inlet [m s⁻¹]
    inlet: float
    filled: tuple[float, float] = (0.0, 0.0)
    barrier: Barrier | None = None
    open_top: bool = False

    @property
    def geometry(self) -> tuple[object, ...]:
        """Equal for cases that share a mesh."""
        return (self.width, self.height, self.inlet, self.barrier, self.open_top)

    def solid(self, grid: Grid) -> Array:
        """1 in cells whose centre lies in the barrier, 0 elsewhere, `(y, x)`; the grid covers the box in fractions."""
        if (b := self.barrier) is None:
            return np.zeros(grid.shape)
        y, x = grid.coordinates()
        x, y = x / grid.lengths[1] * self.width, y / grid.lengths[0] * self.height
        return np.asarray(((x > b.left) & (x < b.right) & (y < b.height)).astype(float) + np.zeros(grid.shape))

    def fraction(self, grid: Grid) -> Array:
        """The part of each cell that the heavier fluid fills at first, `(y, x)`."""
        rows, columns = grid.shape
        across = np.clip(self.filled[0] / self.width * columns - np.arange(columns), 0, 1)
        up = np.clip(self.filled[1] / self.height * rows - np.arange(rows), 0, 1)
        return np.asarray(up[:, None] * across[None, :] * (1 - self.solid(grid)))

    def hydrostatic(self, grid: Grid) -> Array:
        """The pressure at rest, the heavier fluid filled in: over that of the lighter one [Pa], `(y, x)`."""
        heavier = (self.fluids.densities[0] - self.fluids.densities[1]) * self.fluids.gravity
        y, x = grid.coordinates()
        x, y = x / grid.lengths[1] * self.width, y / grid.lengths[0] * self.height
        depth = np.where(x < self.filled[0], np.maximum(self.filled[1] - y, 0), 0.0)
        return np.asarray(heavier * depth * (1 - self.solid(grid)))

    def defect(self, least_gap: float, most_ratio: float) -> str:
        """Empty, or why there is no such flow."""
        fluids = self.fluids
        numbers = (self.width, self.height, self.speed, self.inlet, *fluids.densities, *fluids.viscosities)
        if not all(np.isfinite(v) and v > 0 for v in numbers):
            return "sizes, speed, densities and viscosities must be positive numbers"
        if not max(fluids.densities) / min(fluids.densities) <= most_ratio:
            return (
                f"the densities {fluids.densities[0]:g} and {fluids.densities[1]:g} differ by more than "
                f"solver.most_density_ratio {most_ratio:g}"
            )
        if self.inlet > self.height:
            return f"the inlet's height {self.inlet:g} is above the box's, {self.height:g}"
        if (b := self.barrier) is None:
            return ""
        if not (b.width > 0 and b.height > 0 and b.left > 0 and b.right < self.width):
            return f"the barrier from {b.left:g} to {b.right:g} does not stand inside the box 0 … {self.width:g}"
        if b.height >= self.height:
            return f"the barrier of height {b.height:g} closes the channel of height {self.height:g}"
        if self.height - b.height < least_gap * self.height:
            return f"above the barrier remain {self.height - b.height:.3g}, below {least_gap:g} of the box's height"
        return ""

    # -- the mesh and what is held on it --------------------------------------------------------------------------

    def mesh(self, shape: tuple[int, int]) -> Triangulation:
        """About `shape` cells along (y, x), cut in two; lines along the barrier's sides and the inlet's edge."""
        b = self.barrier
        xs = _lines((0.0, self.width) if b is None else (0.0, b.left, b.right, self.width), shape[1])
        ys = _lines(sorted({0.0, self.inlet, self.height, *(() if b is None else (b.height,))}), shape[0])
        i, j = np.meshgrid(np.arange(len(xs) - 1), np.arange(len(ys) - 1))
        x, y = (xs[i] + xs[i + 1]) / 2, (ys[j] + ys[j + 1]) / 2
        inside = np.zeros(x.shape, bool)
        rising = (x < self.width / 2) == (y < self.height / 2)
        if b is not None:  # diagonals end in the corners beside the barrier's feet too, see `meshing.box`
            inside = (x > b.left) & (x < b.right) & (y < b.height)
            pool, beyond = (x < b.left) & (y < b.height), (x > b.right) & (y < b.height)
            rising = np.where(pool, x < b.left / 2, np.where(beyond, True, rising))
        cells = cut(len(xs) - 1, len(ys) - 1, rising.ravel())[~np.tile(inside.ravel(), 2)]
        xx, yy = np.meshgrid(xs, ys)
        used, renamed = np.unique(cells, return_inverse=True)
        return Triangulation(np.stack([xx.ravel(), yy.ravel()], axis=1)[used], renamed.reshape(-1, 3))

    def velocity(self, points: Array, time: float) -> Array:
        """What is held on the boundary, `(n, 2)` -> `(2, n)`.

        The inlet's upper edge moves and its lower one does not: what quadratic functions add there they lack here.
        """
        x, y = points.T
        near = NEAR * self.height
        below = y < self.height - near if self.inlet > self.height - near else y < self.inlet + near
        u = np.where((x < NEAR * self.width) & (y > near) & below, self.speed, 0.0)
        return np.stack([u, np.zeros_like(u)])

    def flow(self, space: Space) -> Flow:
        """The flow on a mesh of this geometry; its viscosity is the heavier fluid's, over the density."""
        nu = self.fluids.viscosities[0] / self.fluids.densities[0]
        held = [self._walls(points) for points in (space.points[space.boundary], space.points1[space.boundary1])]
        opened = [self._open(points) for points in (space.points[space.boundary], space.points1[space.boundary1])]
        return Flow(space, nu, self.velocity, space.boundary[opened[0] & ~held[0]], space.boundary1[opened[1]])

    def entering(self, space: Space) -> Array:
        """φ of what comes in, `(m,)`."""
        x, y = space.points1.T
        return np.asarray(((x < NEAR * self.width) & (y < self.inlet + NEAR * self.height)).astype(float))

    def _open(self, points: Array) -> NDArray[np.bool_]:
        x, y = points.T
        right = x > self.width * (1 - NEAR)
        return np.asarray(right | (y > self.height * (1 - NEAR)) if self.open_top else right)

    def _walls(self, points: Array) -> NDArray[np.bool_]:
        """Of points on the boundary: those on the left, on the floor, on the barrier, or under a closed top."""
        x, y = points.T
        opened = self._open(points)
        closed_top = (y > self.height * (1 - NEAR)) & (not self.open_top)
        return np.asarray(~opened | (x < self.width * NEAR) | (y < self.height * NEAR) | closed_top)


@runtime_checkable
class Tanked(Protocol):
    """A problem of two fluids in a tank."""

    def tank(self, params: Params) -> Tank: ...


def _lines(ends: tuple[float, ...] | list[float], count: int) -> Array:
    """Places from the first end to the last through all, about `count` cells between them, equal within a part."""
    size = (ends[-1] - ends[0]) / count
    parts = [np.linspace(a, b, max(1, round((b - a) / size)) + 1)[:-1] for a, b in pairwise(ends)]
    return np.asarray(np.append(np.concatenate(parts), ends[-1]))
