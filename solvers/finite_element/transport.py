"""The matrix of convection, the one that changes in every step: some of its rows, for all cells at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.solvers.kernels import elements

from .quadrature import CORNERS, WEIGHTS, quadratic, quadratic_slopes

if TYPE_CHECKING:
    from .space import Space


class Transport:
    """∫ (w·∇)u v for test functions in `rows`, trial functions in the pattern of `Space.mass`; w is given each time.

    On a cell it is Σ over k and a of (wₖ·∇λₐ) |cell| times a constant 6 × 6 matrix, which the points of quadrature give
    exactly; λ are the barycentric coordinates. Looks only at the cells that meet the rows. Rows of the unknowns
    `without` stay as they are.
    """

    def __init__(self, space: Space, rows: slice, without: Index | None = None) -> None:
        first, last, _ = rows.indices(space.size)
        own = ((space.cells >= first) & (space.cells < last)).any(axis=1)
        self._cells = np.ascontiguousarray(space.cells[own], np.int32)
        self._slopes = np.ascontiguousarray(space.slopes[own].transpose(2, 0, 1) * space.areas[own][:, None])
        shapes, slopes = quadratic(CORNERS), quadratic_slopes(CORNERS)
        self._reference = np.einsum("q,qk,qja,qt->katj", WEIGHTS, shapes, slopes, shapes).reshape(18, 36)
        self._places = places(space, space.cells[own], first, last)
        if without is not None:
            self._places[np.isin(space.cells[own], without).repeat(6, axis=1)] = -1
        self._size = int(space.mass.indptr[last] - space.mass.indptr[first])

    def __call__(self, velocity: Array) -> Array:
        """Values `(nnz of the rows,)` for w = `velocity` `(2, n)`."""
        values = np.zeros(self._size)
        self.add(velocity, values)
        return values

    def add(self, velocity: Array, values: Array) -> None:
        """The same added to `values`."""
        elements.transport(
            velocity, self._cells, self._slopes, reference=self._reference, places=self._places, values=values
        )


def places(space: Space, cells: Index, first: int, last: int) -> Index:
    """Where among the values of rows `first` … `last` of `Space.mass`' pattern each cell's entries (test, trial) go.

    `(cell, 36)`, -1 for those of other rows.
    """
    indptr = space.mass.indptr
    start, size = int(indptr[first]), int(indptr[last] - indptr[first])
    keys = np.repeat(np.arange(first, last), np.diff(indptr[first : last + 1])) * space.size
    keys += space.mass.indices[start : start + size]
    test, trial = (part.reshape(-1, 36) for part in np.broadcast_arrays(cells[:, :, None], cells[:, None, :]))
    found = np.searchsorted(keys, test * space.size + trial)
    return np.where((test >= first) & (test < last), found, -1).astype(np.int32)
