"""Between the mesh and the stored grid: means over cells one way, interpolation the other; the solid mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.errors import SolverError

from .quadrature import quadratic
from .space import Space

FINE = 4  # points per side of a cell, in its middle and evenly spaced, that a mean is taken over
EDGE = 1e-9  # barycentric: a point this far outside is inside


class Sampler:
    """Means over the cells of a grid of `shape` (rows of y, columns of x) that covers a box of `lengths` (y, x) [m].

    A cell's mean is that over its part in the fluid, by 4 × 4 points; cells that `solid` marks are 0. So a row's flux
    is that of the mesh, up to the error of the points. Raises a `SolverError` where the mesh leaves out other cells.
    """

    def __init__(self, space: Space, shape: tuple[int, int], lengths: tuple[float, float], solid: Array) -> None:
        self.shape = shape
        place, cell, corners = located(space, (shape[0] * FINE, shape[1] * FINE), lengths)
        rows, columns = np.divmod(place, shape[1] * FINE)
        target = rows // FINE * shape[1] + columns // FINE
        fluid = ~solid.ravel().astype(bool)[target]
        cell, corners, target = cell[fluid], corners[fluid], target[fluid]
        count = np.bincount(target, minlength=shape[0] * shape[1])
        share = 1.0 / count[target]
        if missed := int(((count == 0) & ~solid.ravel().astype(bool)).sum()):
            raise SolverError(f"{missed} cells of the stored grid lie in the fluid, but the mesh does not reach there")
        size = (shape[0] * shape[1], space.size)
        self._velocity = _matrix(target, space.cells[cell], quadratic(corners) * share[:, None], size)
        self._linear = _matrix(target, space.cells1[cell], corners * share[:, None], (size[0], space.size1))

    def __call__(self, velocity: Array, *linear: Array) -> Array:
        """`(2 + k, *shape)`: both velocities, then the pressure and other linear functions."""
        rows = [*(self._velocity @ part for part in velocity), *(self._linear @ part for part in linear)]
        return np.asarray(np.stack(rows).reshape(len(rows), *self.shape))


def located(space: Space, shape: tuple[int, int], lengths: tuple[float, float]) -> tuple[Array, Array, Array]:
    """A grid's centres on the mesh: index `(k,)`, the mesh's cell `(k,)`, barycentric place `(k, 3)`."""
    spacing = np.array([lengths[1] / shape[1], lengths[0] / shape[0]])
    vertices = space.points[space.cells[:, :3]]
    low = np.maximum(np.ceil(vertices.min(1) / spacing - 0.5 - 1e-6), 0).astype(int)
    high = np.minimum(np.floor(vertices.max(1) / spacing - 0.5 + 1e-6), [shape[1] - 1, shape[0] - 1]).astype(int)
    across, up = (np.maximum(high - low + 1, 0)).T
    cell = np.repeat(np.arange(len(vertices)), across * up)  # every pair of a mesh cell and a point in its frame
    within = np.arange(len(cell)) - np.repeat(np.cumsum(across * up) - across * up, across * up)
    column = low[cell, 0] + within % np.maximum(across[cell], 1)
    row = low[cell, 1] + within // np.maximum(across[cell], 1)
    point = (np.stack([column, row], axis=1) + 0.5) * spacing
    corners = np.einsum("kij,kj->ki", space.slopes[cell], point - vertices[cell].mean(1)) + 1 / 3
    inside = corners.min(1) >= -EDGE
    place = (row * shape[1] + column)[inside]
    _, first = np.unique(place, return_index=True)  # a point on a side belongs to the first of its cells
    return place[first], cell[inside][first], corners[inside][first]


def _matrix(rows: Array, columns: Array, values: Array, shape: tuple[int, int]) -> Any:
    width = columns.shape[1]
    return sparse.csr_matrix((values.ravel(), (np.repeat(rows, width), columns.ravel())), shape=shape)


def onto(points: Array, values: Array, lengths: tuple[float, float], weights: Array) -> Array:
    """Grid values `(k, y, x)` at `points` `(n, 2)`, `(k, n)`: linear between centres, constant beyond the outer ones.

    `weights` `(y, x)` is 0 where the grid holds nothing of the fluid; where all four neighbours do, the value is 0.
    """
    rows, columns = values.shape[1:]
    x = np.clip(points[:, 0] / lengths[1] * columns - 0.5, 0, columns - 1)
    y = np.clip(points[:, 1] / lengths[0] * rows - 0.5, 0, rows - 1)
    j, i = np.minimum(x.astype(int), max(columns - 2, 0)), np.minimum(y.astype(int), max(rows - 2, 0))
    fx, fy = x - j, y - i
    total, out = np.zeros(len(points)), np.zeros((len(values), len(points)))
    for di, wy in ((0, 1 - fy), (1, fy)):
        for dj, wx in ((0, 1 - fx), (1, fx)):
            at = np.minimum(i + di, rows - 1), np.minimum(j + dj, columns - 1)
            share = wy * wx * weights[at]
            total += share
            out += share * values[(slice(None), *at)]
    return np.asarray(out / np.where(total > 0, total, 1))


def divergence_error(velocity: Array, mask: Array, lengths: tuple[float, float]) -> float:
    """Root mean square of ∇·u on the grid over that of its gradients, dimensionless, 0 is perfect.

    `(2, y, x)`; central differences, where a cell and its four neighbours are fluid.
    """
    hy, hx = (length / n for length, n in zip(lengths, mask.shape, strict=True))
    inside = mask[1:-1, 1:-1] * mask[1:-1, 2:] * mask[1:-1, :-2] * mask[2:, 1:-1] * mask[:-2, 1:-1] > 0
    ux, vx = ((w[1:-1, 2:] - w[1:-1, :-2])[inside] / (2 * hx) for w in velocity)
    uy, vy = ((w[2:, 1:-1] - w[:-2, 1:-1])[inside] / (2 * hy) for w in velocity)
    size = float(np.mean(ux**2 + uy**2 + vx**2 + vy**2)) if inside.any() else 0.0
    return float(np.sqrt(np.mean((ux + vy) ** 2) / size)) if size > 0 else 0.0


def flux_error(velocity: Array, mask: Array, lengths: tuple[float, float], scale: float) -> float:
    """Greatest difference of the flux through a column of cells from that through the first, over `scale` [m² s⁻¹].

    `(2, y, x)`. Columns with solid cells, and those beside them, are left out: of a cell that a body cuts the mean is
    that over its fluid part.
    """
    whole = np.pad(mask.all(axis=0), 1, constant_values=True)
    whole = whole[1:-1] & whole[2:] & whole[:-2]
    if not whole.any():
        return 0.0
    flux = (velocity[0].sum(axis=0) * lengths[0] / velocity.shape[1])[whole]
    return float(np.abs(flux - flux[0]).max() / scale)
