"""Triangulations as arrays: a box with cells that are finer at its walls, and a box with a round hole.

Built from points alone, without a mesh generator, so that one geometry gives the same bits on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError


@dataclass(frozen=True)
class Triangulation:
    """`points` `(vertex, 2)` [m] and `cells` `(cell, 3)`, corners counter-clockwise."""

    points: Array
    cells: Index

    def quality(self) -> Array:
        """2 · inradius / circumradius of each cell, `(cell,)`: 1 if equilateral, 0.83 if right-angled, 0 if flat."""
        a, b, c = self._sides()
        half = (a + b + c) / 2
        area = np.abs(self.areas())
        return np.asarray(8 * area**2 / np.maximum(half * a * b * c, 1e-300))

    def areas(self) -> Array:
        """Signed areas, `(cell,)`."""
        p, q, r = (self.points[self.cells[:, i]] for i in range(3))
        return np.asarray(_cross(q - p, r - p) / 2)

    def widths(self) -> Array:
        """Longest side of each cell, `(cell,)`."""
        return np.asarray(np.maximum.reduce(self._sides()))

    def _sides(self) -> tuple[Array, Array, Array]:
        corners = self.points[self.cells]
        a, b, c = (np.linalg.norm(corners[:, i] - corners[:, i - 1], axis=1) for i in range(3))
        return a, b, c

    def halved(self) -> Triangulation:
        """Each cell cut into four at the middles of its sides; its own corners keep their numbers."""
        sides = np.sort(self.cells[:, [[1, 2], [2, 0], [0, 1]]], axis=2).reshape(-1, 2)  # opposite to corners 0, 1, 2
        ends, which = np.unique(sides, axis=0, return_inverse=True)
        a, b, c = self.cells.T
        opposite_a, opposite_b, opposite_c = (which.reshape(-1, 3) + len(self.points)).T
        parts = [
            (a, opposite_c, opposite_b),
            (opposite_c, b, opposite_a),
            (opposite_b, opposite_a, c),
            (opposite_a, opposite_b, opposite_c),
        ]
        cells = np.stack([np.stack(part, axis=1) for part in parts], axis=1).reshape(-1, 3)
        return Triangulation(np.concatenate([self.points, self.points[ends].mean(axis=1)]), cells)

    def checked(self, least: float) -> Triangulation:
        """Itself, or a `SolverError` where a cell is turned over or worse than `least` in quality."""
        if not (self.areas() > 0).all():
            raise SolverError(f"the mesh has {int((self.areas() <= 0).sum())} cells without area, or turned over")
        if (worst := float(self.quality().min())) < least:
            where = ", ".join(f"{x:.4g}" for x in self.points[self.cells[self.quality().argmin()]].mean(0))
            raise SolverError(
                f"the mesh's worst cell, at ({where}), has quality {worst:.3f}, below solver.least_quality {least:g}"
            )
        return self


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def graded(cells: int, length: float, strength: float, *, low: bool = True, high: bool = True) -> Array:
    """`(cells + 1,)` places in [0, length], denser at the walls asked for; both ends are among them.

    x = tanh(s (2ξ − 1)) / tanh(s) maps equal steps to steps that shrink towards both ends; 0 keeps them equal.
    """
    if strength == 0 or not (low or high):
        return np.linspace(0, length, cells + 1)
    if low and high:
        xi = np.linspace(-1, 1, cells + 1)
        places = (np.tanh(strength * xi) / np.tanh(strength) + 1) / 2
    else:
        xi = np.linspace(-1, 0, cells + 1)
        places = np.tanh(strength * xi) / np.tanh(strength) + 1
        places = places if low else 1 - places[::-1]
    places[0], places[-1] = 0, 1
    return np.asarray(places * length)


def box(xs: Array, ys: Array) -> Triangulation:
    """The tensor product of places, each cell cut in two so that no triangle has two sides on the boundary.

    A triangle in a corner with both sides held would leave its pressure undetermined (Taylor–Hood's macro-element
    condition, Boffi, Brezzi & Fortin 2013, §8.8). Diagonals point to the middle, so the mesh is symmetric.
    """
    x, y = np.meshgrid(xs, ys)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return Triangulation(points, cut(len(xs) - 1, len(ys) - 1))


def cut(nx: int, ny: int, rising: Array | None = None) -> Index:
    """Triangles of nx × ny quadrilaterals whose corners are numbered row by row.

    `rising` `(ny × nx,)` tells whose diagonal goes up; without it, diagonals point to the middle.
    """
    i, j = (part.ravel() for part in np.meshgrid(np.arange(nx), np.arange(ny)))
    a = j * (nx + 1) + i
    b, c, d = a + 1, a + nx + 2, a + nx + 1  # counter-clockwise from the lower left
    rising = (i < nx / 2) == (j < ny / 2) if rising is None else rising
    first = np.where(rising[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(rising[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])


def holed(
    xs: Array, ys: Array, square: tuple[int, int, int, int], centre: tuple[float, float], radius: float, rings: Array
) -> Triangulation:
    """A box of places with a round hole: cells i0 … i1 × j0 … j1 of `square` give way to rings round the hole.

    `rings` `(r,)` rises from 0, on the hole, to 1, on the square's border. The hole is a polygon of the circle's area:
    its corners lie outside the circle by π²/(3n²) of the radius, n their number.
    """
    i0, i1, j0, j1 = square
    nx = len(xs)
    x, y = np.meshgrid(xs, ys)
    outer = np.stack([x.ravel(), y.ravel()], axis=1)
    cells = cut(nx - 1, len(ys) - 1)
    i, j = (part.ravel() for part in np.meshgrid(np.arange(nx - 1), np.arange(len(ys) - 1)))
    inside = (i >= i0) & (i < i1) & (j >= j0) & (j < j1)
    cells = cells[~np.tile(inside, 2)]
    loop = np.array(
        [j0 * nx + k for k in range(i0, i1)]
        + [k * nx + i1 for k in range(j0, j1)]
        + [j1 * nx + k for k in range(i1, i0, -1)]
        + [k * nx + i0 for k in range(j1, j0, -1)]
    )  # the square's border, counter-clockwise
    border = outer[loop]
    angle = _even(np.unwrap(np.arctan2(border[:, 1] - centre[1], border[:, 0] - centre[0])))
    polygon = np.sin(np.diff(angle, append=angle[0] + 2 * np.pi)).sum() / 2  # its area in the circle of radius 1
    circle = np.array(centre) + radius * np.sqrt(np.pi / polygon) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    layers = [circle + s * (border - circle) for s in rings[:-1]]
    points = np.concatenate([outer, *layers])
    index = [len(outer) + k * len(loop) + np.arange(len(loop)) for k in range(len(rings) - 1)] + [loop]
    for near, far in pairwise(index):
        cells = np.concatenate([cells, _band(points, near, far)])
    used, renamed = np.unique(cells, return_inverse=True)
    return Triangulation(points[used], renamed.reshape(-1, 3))


def _even(angle: Array) -> Array:
    """Angles of a closed loop, moved half-way to equal spacing, so that cells round the hole are alike."""
    n = len(angle)
    equal = angle.mean() + 2 * np.pi * (np.arange(n) - (n - 1) / 2) / n
    return np.asarray((angle + equal) / 2)


def _band(points: Array, near: Index, far: Index) -> Index:
    """Triangles between two closed loops, each quadrilateral cut by its shorter diagonal."""
    a, b, c, d = near, far, np.roll(far, -1), np.roll(near, -1)  # counter-clockwise: far lies outside
    one = np.linalg.norm(points[a] - points[c], axis=1) <= np.linalg.norm(points[b] - points[d], axis=1)
    first = np.where(one[:, None], np.stack([a, b, c], 1), np.stack([a, b, d], 1))
    second = np.where(one[:, None], np.stack([a, c, d], 1), np.stack([b, c, d], 1))
    return np.concatenate([first, second])
