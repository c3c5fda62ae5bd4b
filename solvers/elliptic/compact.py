"""−Δu + c u = f with held walls, of fourth order on the nearest neighbours: 9 points in the plane, 19 in space.

Where g = f − c u is what −Δu equals, the error −Σ hᵢ²/12 ∂ᵢ⁴u of the usual differences is expressed by differences of
g and by mixed ones of u (Collatz 1960, The Numerical Treatment of Differential Equations, ch. V, "Mehrstellen"):

    −(Σ δᵢ² + Σ_{i<j} (hᵢ² + hⱼ²)/12 δᵢ²δⱼ²) u = (1 + Σ hᵢ²/12 δᵢ²) (f − c u).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.solvers.krylov import System
from pdebench.spec import Grid

from .discretise import Discrete, Walls, with_walls


def compact(grid: Grid, source: Array, *, walls: Walls | None = None, shift: Array | float = 0.0) -> Discrete:
    """The system for samples `source` and `shift` on the grid, boundary included, `(*space)`; `walls` hold u.

    Symmetric where the shift is one number. Of fourth order where f, c and u are smooth up to the walls, corners too.
    """
    if grid.points != "ends":
        raise SolverError(f"differences of order 4 need a grid of ends, not of {grid.points}")
    if min(grid.shape) < 3:
        raise SolverError(f"differences of order 4 need at least 3 points along each axis, not {grid.shape}")
    walls = walls or [(0.0, 0.0)] * len(grid.shape)
    laplacian, mean, inner = _operators(grid.shape, grid.spacing)
    constant = np.ndim(shift) == 0
    form = laplacian + (shift * mean if constant else mean @ sparse.diags(np.ravel(shift)))
    held = with_walls(np.zeros(inner.size), grid, walls).ravel()
    matrix = sparse.csr_matrix(form[:, inner])
    matrix.sort_indices()
    rhs = mean @ np.ravel(source) - form @ held
    definite = constant and float(shift) >= 0
    return Discrete(System(matrix, rhs, symmetric=constant, definite=definite), grid, walls)


@lru_cache(maxsize=4)
def _operators(shape: tuple[int, ...], spacing: tuple[float, ...]) -> tuple[Any, Any, Any]:
    """Both sides' operators from all points to the inner ones, and the numbers of those."""
    axes = range(len(shape))
    cut = [sparse.eye(n - 2, n, k=1) for n in shape]
    second = [
        sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(n - 2, n)) / h**2 for n, h in zip(shape, spacing, strict=True)
    ]
    squares = [h**2 / 12 for h in spacing]

    def product(*differenced: int) -> Any:
        out = sparse.eye(1)
        for axis in axes:
            out = sparse.kron(out, second[axis] if axis in differenced else cut[axis], format="csr")
        return out

    left = -sum(product(i) for i in axes)
    for i, j in combinations(axes, 2):
        left = left - (squares[i] + squares[j]) * product(i, j)
    right = product() + sum(squares[i] * product(i) for i in axes)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)[(slice(1, -1),) * len(shape)]
    return sparse.csr_matrix(left), sparse.csr_matrix(right), numbers.ravel()
