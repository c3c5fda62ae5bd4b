"""Matrices whose coefficients change from step to step, from constant tensors of each cell: only sums are made anew."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array, Index

from .quadrature import CORNERS, WEIGHTS, quadratic, quadratic_slopes
from .space import Space
from .transport import places


class Weighted:
    """On one mesh: `free1` are the pressures that are solved for, `held` `(2, n)` the velocities that are not."""

    def __init__(self, space: Space, free1: Index, held: Array) -> None:
        self._space, self._held = space, held.ravel()
        shape = quadratic(CORNERS)
        self._products = (WEIGHTS[:, None, None] * shape[:, :, None] * shape[:, None, :]).reshape(len(WEIGHTS), -1)
        sloped = quadratic_slopes(CORNERS)
        by_corner = np.einsum("q,ql,qai,qbj->ijlab", WEIGHTS, CORNERS, sloped, sloped).reshape(9, -1)
        angles = np.einsum("cik,cjk->cij", space.slopes, space.slopes)
        stiff = (space.areas[:, None] * angles.reshape(-1, 9)) @ by_corner
        self._stiff = stiff.reshape(-1, 3, 36)  # ∫ λₗ ∇Nₐ·∇N_b
        by_one = np.einsum("q,qa,qbi->abi", WEIGHTS, shape, sloped).reshape(36, 3)
        self._sloped = [space.areas[:, None] * (space.slopes[:, :, k] @ by_one.T) for k in (0, 1)]  # ∫ Nₐ ∂ₖN_b
        self._along = [np.einsum("qai,ci->cqa", sloped, space.slopes[:, :, k]) for k in (0, 1)]  # ∂ₖN (cell, 7, 6)
        self._linear = space.areas[:, None, None] * angles
        entries, into = 36 * len(space.cells), places(space, space.cells, 0, space.size).ravel()
        ones = (np.ones(entries), (into, np.arange(entries)))
        self._gather = sparse.csr_matrix(ones, shape=(space.mass.nnz, entries))
        rows = np.repeat(np.arange(space.size), np.diff(space.mass.indptr))
        self.diagonal: Index = np.flatnonzero(rows == space.mass.indices)  # one entry per row, in order
        self._reduced(free1)
        self._blocks()

    # -- velocities -----------------------------------------------------------------------------------------------

    def mass(self, density: Array) -> Array:
        """∫ ρ u v of ρ at the points of quadrature, `(cell, 7)`: values in the pattern of `Space.mass`."""
        return self._gathered((density * self._space.areas[:, None]) @ self._products)

    def stiffness(self, viscosity: Array) -> Array:
        """∫ μ ∇u·∇v of μ at each cell's corners, `(cell, 3)`, linear between them: in the same pattern."""
        return self._gathered(np.matmul(viscosity[:, None, :], self._stiff))

    def transport(self, velocity: Array, density: Array) -> Array:
        """∫ ρ (w·∇)u v of w `(2, n)` and ρ at the points of quadrature, `(cell, 7)`: in the same pattern."""
        s = self._space
        u, v = ((s.at @ part).reshape(-1, len(WEIGHTS), 1) for part in velocity)
        along = u * self._along[0] + v * self._along[1]
        along *= s.weights.reshape(-1, len(WEIGHTS), 1) * density[:, :, None]
        return self._gathered(np.matmul(quadratic(CORNERS).T, along))

    def _gathered(self, local: Array) -> Array:
        """Cells' matrices (test, trial), `(cell, 36)` in any shape, added up: values in the pattern of `Space.mass`."""
        return np.asarray(self._gather @ local.ravel())

    def momentum(self, same: Array, slope: Array) -> tuple[Any, Array]:
        """`same` in both components' own blocks less ∫ (∂ⱼμ ∂ᵢuⱼ) vᵢ in all four, and 1 over its diagonal.

        ∇·(2μ ε(u)) = ∇·(μ∇u) + (∇u)ᵀ∇μ for ∇·u = 0; `slope` is ∇μ per cell `(cell, 2)`. Held rows are the identity's.
        """
        s, values = self._space, np.empty(4 * self._space.mass.nnz)
        parts = (
            [[None, None], [None, None]]
            if not slope.any()
            else [[self._gathered(slope[:, j, None] * self._sloped[i]) for j in (0, 1)] for i in (0, 1)]
        )
        for i in (0, 1):
            for j in (0, 1):
                part: Any = parts[i][j]
                own = same if i == j else 0.0
                values[self._places[i][j]] = own if part is None else own - part
        values[self._held_entries] = 0
        values[self._held_diagonal] = 1
        matrix = sparse.csr_matrix((values, self._indices, self._indptr), shape=(2 * s.size,) * 2)
        return matrix, 1 / values[self._whole_diagonal]

    def _blocks(self) -> None:
        """Where the values of the four blocks lie among those of the whole matrix."""
        s, n = self._space, self._space.size
        counts, starts = np.diff(s.mass.indptr), s.mass.indptr[:-1].astype(np.int64)
        within = np.arange(s.mass.nnz) - np.repeat(starts, counts)
        first = np.repeat(2 * starts, counts) + within
        width = np.repeat(counts, counts)
        whole = 2 * s.mass.nnz
        self._places = [[first + i * whole + j * width for j in (0, 1)] for i in (0, 1)]
        self._indices = np.empty(2 * whole, np.int32)
        for i in (0, 1):
            for j in (0, 1):
                self._indices[self._places[i][j]] = s.mass.indices + j * n
        self._indptr = np.concatenate([2 * s.mass.indptr[:-1], whole + 2 * s.mass.indptr]).astype(np.int32)
        self._whole_diagonal = np.concatenate([self._places[i][i][self.diagonal] for i in (0, 1)])
        self._held_entries = np.flatnonzero(np.repeat(self._held, np.diff(self._indptr)))
        self._held_diagonal = self._whole_diagonal[self._held]

    # -- pressures ------------------------------------------------------------------------------------------------

    def poisson(self, lightness: Array) -> Any:
        """∫ ρ⁻¹ ∇ψ·∇q of 1/ρ per cell, for the free pressures: CSR."""
        local = (lightness[:, None, None] * self._linear).ravel()[self._kept]
        values = np.bincount(self._into, weights=local, minlength=len(self._columns))
        return sparse.csr_matrix((values, self._columns, self._starts), shape=(len(self._starts) - 1,) * 2)

    def _reduced(self, free1: Index) -> None:
        """The pattern of the free pressures' matrix, and which of cells' entries go where."""
        s = self._space
        number = np.full(s.size1, -1)
        number[free1] = np.arange(len(free1))
        rows, columns = (
            number[part].ravel() for part in np.broadcast_arrays(s.cells1[:, :, None], s.cells1[:, None, :])
        )
        self._kept = np.flatnonzero((rows >= 0) & (columns >= 0))
        keys, self._into = np.unique(rows[self._kept] * len(free1) + columns[self._kept], return_inverse=True)
        at, columns = np.divmod(keys, len(free1))
        self._columns = columns.astype(np.int32)
        self._starts = np.searchsorted(at, np.arange(len(free1) + 1)).astype(np.int32)

    def slope(self, values: Array) -> Array:
        """∇ of a linear function per cell, `(m,)` -> `(cell, 2)`."""
        return np.asarray(np.einsum("ci,cik->ck", values[self._space.cells1], self._space.slopes))

    # -- loads ----------------------------------------------------------------------------------------------------

    def tested(self, values: Array) -> Array:
        """∫ f v of f per cell, `(cell,)` -> `(n,)`: a quadratic function's integral is that of its edges' unknowns."""
        s = self._space
        third = np.repeat(values * s.areas / 3, 3)
        return np.asarray(np.bincount(s.cells[:, 3:].ravel(), third, s.size), float)

    def tested_slope(self, values: Array) -> Array:
        """∫ f·∇q of f per cell, `(cell, 2)` -> `(m,)`."""
        s = self._space
        local = np.einsum("cik,ck->ci", s.slopes, values * s.areas[:, None])
        return np.asarray(np.bincount(s.cells1.ravel(), local.ravel(), s.size1), float)

    @cached_property
    def offset(self) -> Array:
        """Half-way between a cell's lowest and highest corner, over its centre, `(cell,)` [m].

        A weight taken there is the gradient of a linear pressure when layers are level and cells stand in rows: then
        fluid at rest stays so, to round-off.
        """
        y = self._space.points1[self._space.cells1, 1]
        return np.asarray((y.min(axis=1) + y.max(axis=1)) / 2 - y.mean(axis=1))
