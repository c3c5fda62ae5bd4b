"""What a step of the finite elements repeats: convection's matrix, Courant's number, two systems with one matrix.

Compiled, or by NumPy to round-off; only `bicgstab` has no NumPy form (PETSc's serves, see `finite_element.rows`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.solvers import kernels


def transport(velocity: Array, cells: Index, slopes: Array, *, reference: Array, places: Index, values: Array) -> None:
    """Adds the matrix of (w·∇) for w = `velocity` `(2, n)` to `values` `(nnz,)`.

    `cells` `(cell, 6)` are unknowns, `slopes` `(2, cell, 3)` gradients of barycentric coordinates times what a cell
    weighs. Of (wₖ·∇λₐ), k the cell's unknowns, `reference` `(18, 36)` makes its 6 × 6 matrix; `places` `(cell, 36)`
    tell where its entries go, -1 for nowhere.
    """
    if kernels.available():
        kernels._compiled.elements_transport(np.ascontiguousarray(velocity), cells, slopes, reference, places, values)
        return
    kernels.warn_once()
    u, v = (part[cells] for part in velocity)  # (cell, 6)
    along = u[:, :, None] * slopes[0][:, None] + v[:, :, None] * slopes[1][:, None]  # (cell, 6, 3)
    local, there = along.reshape(-1, 18) @ reference, places >= 0
    values += np.bincount(places[there], local[there], len(values))


def courant(velocity: Array, cells: Index, slopes: Array) -> float:
    """Greatest |u·∇λ| over cells, their unknowns and corners: of `velocity` `(2, n)` [m s⁻¹], `slopes` [m⁻¹].

    NaN where any of them is.
    """
    if kernels.available():
        return float(kernels._compiled.elements_courant(velocity, cells, slopes))
    u, v = (part[cells] for part in velocity)
    corners = [np.abs(u * slopes[0, :, a, None] + v * slopes[1, :, a, None]).max(initial=0.0) for a in range(3)]
    return float(np.max(corners))


def multiply(matrix: Any, x: Array) -> Array:
    """A x of a vector `(n,)`, or of both rows of x, `(2, n)`; A is CSR. SciPy's, but for its long way there."""
    if kernels.available():
        if matrix.shape[1] != x.shape[-1]:
            raise ValueError(f"x must be ({matrix.shape[1]},) or (2, {matrix.shape[1]}), not {x.shape}")
        x = np.ascontiguousarray(x)
        return np.asarray(kernels._compiled.elements_multiply(matrix.indptr, matrix.indices, matrix.data, x))
    return np.asarray((matrix @ x.T).T)


def bicgstab(matrix: Any, rhs: Array, *, rtol: float, limit: int) -> tuple[Array, tuple[int, int], tuple[float, float]]:
    """x of A x = b for both rows of b, `(2, n)`, from zero; iterations, and ‖b − A x‖ / ‖b‖ computed from x.

    Preconditioned by the diagonal. Each entry of the matrix is read once for both. An iteration multiplies by the
    matrix twice, as in PETSc's count; neither system takes more than `limit`, restarts among them. One that breaks
    down, or comes to that limit, is as good as its residual tells.
    """
    if not kernels.available():
        raise NotImplementedError("kernels.elements.bicgstab is compiled only; see kernels.available()")
    x, iterations, residuals = kernels._compiled.elements_bicgstab(
        matrix.indptr, matrix.indices, matrix.data, np.ascontiguousarray(rhs), rtol, limit
    )
    return x, iterations, residuals
