"""The matrix of convection, the one that changes in every step: some of its rows, for all cells by one product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array, Index

from .quadrature import CORNERS, WEIGHTS, quadratic, quadratic_slopes

if TYPE_CHECKING:
    from .space import Space


class Transport:
    """∫ (w·∇)u v for test functions in `rows`, trial functions in the pattern of `Space.mass`; w is given each time.

    On a cell it is Σ over k and a of (wₖ·∇λₐ) |cell| times a constant 6 × 6 matrix, which the points of quadrature give
    exactly; λ are the barycentric coordinates. Looks only at the cells that meet the rows.
    """

    def __init__(self, space: Space, rows: slice) -> None:
        first, last, _ = rows.indices(space.size)
        own = ((space.cells >= first) & (space.cells < last)).any(axis=1)
        self._cells = space.cells[own]
        areas = space.weights.reshape(-1, len(WEIGHTS))[own].sum(axis=1)
        self._slopes = space.slopes[own].transpose(2, 0, 1) * areas[:, None]  # (2, cell, 3)
        shapes, slopes = quadratic(CORNERS), quadratic_slopes(CORNERS)
        self._reference = np.einsum("q,qk,qja,qt->katj", WEIGHTS, shapes, slopes, shapes).reshape(18, 36)
        self._gather = gather(space, self._cells, first, last)

    def __call__(self, velocity: Array) -> Array:
        """Values `(nnz of the rows,)` for w = `velocity` `(2, n)`."""
        u, v = (part[self._cells] for part in velocity)  # (cell, 6)
        along = u[:, :, None] * self._slopes[0][:, None] + v[:, :, None] * self._slopes[1][:, None]  # (cell, 6, 3)
        return np.asarray(self._gather @ (along.reshape(-1, 18) @ self._reference).ravel())


def gather(space: Space, cells: Index, first: int, last: int) -> Any:
    """Sums each cell's 6 × 6 entries (test, trial) to the values of the rows, `(nnz, cell × 36)`."""
    indptr = space.mass.indptr
    start, size = int(indptr[first]), int(indptr[last] - indptr[first])
    keys = np.repeat(np.arange(first, last), np.diff(indptr[first : last + 1])) * space.size
    keys += space.mass.indices[start : start + size]
    test, trial = np.broadcast_arrays(cells[:, :, None], cells[:, None, :])
    there = ((test >= first) & (test < last)).ravel()
    place = np.searchsorted(keys, (test.ravel() * space.size + trial.ravel())[there])
    ones = np.ones(len(place))
    return sparse.csr_matrix((ones, (place, np.flatnonzero(there))), shape=(size, test.size))
