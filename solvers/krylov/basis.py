"""Orthonormal rows: one more vector against all before it, and a whole block made orthonormal again."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm
from pdebench.solvers import kernels
from pdebench.solvers.kernels import krylov as sweeps

from .reduce import sum_over

LOSS = 1e-13  # a component along the earlier vectors, relative to what is left, that is not worth a sweep
PASSES = 4


def orthogonalise(comm: Comm, q: Array, count: int) -> tuple[Array, float]:
    """Makes row `count` of q orthonormal to the rows before it; gives its components along them, and its length.

    Classical Gram–Schmidt. Each sweep over the basis subtracts components and looks for what they left behind, and
    there is another while that exceeds `LOSS` (a sharper test than the length's of Daniel, Gragg, Kaufman & Stewart
    1976, Math. Comp. 30, 772); one reduction per sweep. A length of 0 says that the vector lies in the span; NaN, that
    it is not finite.
    """
    components = np.zeros(count)
    if comm.size == 1 and kernels.available():
        length = kernels._compiled.krylov_orthogonalise(q, count, components, loss=LOSS, passes=PASSES)
        return components, length
    found = np.empty(count + 1)
    sweeps.project(q, count, found)
    before = float(sum_over(comm, found)[count])
    for _ in range(PASSES + 1):
        part, square = found[:count].copy(), float(found[count])
        small = float(part @ part)
        if not (np.isfinite(square) and np.isfinite(small)):
            return components, float("nan")
        if small <= LOSS**2 * square:
            break
        components += part
        sweeps.subtract(q, count, part, found)
        sum_over(comm, found)
    else:
        return components, 0.0
    length = float(np.sqrt(square))
    if length <= 1e-15 * np.sqrt(before):
        return components, 0.0
    q[count] /= length
    return components, length


def gram(comm: Comm, block: Array) -> Array:
    """Inner products of the rows."""
    return sum_over(comm, block @ block.T)


def cholesky_qr(comm: Comm, images: Array, vectors: Array, tolerance: float = 1e-12) -> int:
    """Makes the rows of `images` = A `vectors` orthonormal, and changes `vectors` with them; in place.

    Gives how many rows are left, first ones: directions that A maps to almost nothing are dropped. Nothing is done
    where |CᵀC − I| ≤ `tolerance`; else it is repeated until that holds (Fukaya et al. 2014: twice, as a rule).
    """
    count = len(images)
    for _ in range(5):
        products = gram(comm, images[:count])
        if not np.isfinite(products).all():
            return 0
        if count == 0 or np.abs(products - np.eye(count)).max() <= tolerance:
            return count
        turn = _orthonormalising(products)
        left = len(turn)
        images[:left], vectors[:left] = turn @ images[:count], turn @ vectors[:count]
        count = left
    return 0


def _orthonormalising(products: Array) -> Array:
    """T with T `products` Tᵀ = I: a triangle, or fewer rows than columns where rows depend on each other."""
    scale = np.sqrt(np.diag(products))
    rows = scale > 0
    correlations = (products / np.where(rows, scale, 1.0)).T / np.where(rows, scale, 1.0)
    if rows.all():
        try:
            lower = np.linalg.cholesky(correlations)
            if lower.diagonal().min() > 1e-6:
                return np.asarray(np.linalg.inv(lower) / scale)
        except np.linalg.LinAlgError:
            pass
    values, axes = np.linalg.eigh(correlations)
    keep = values > 1e-12 * values[-1]
    return np.asarray((axes[:, keep] / np.sqrt(values[keep])).T / np.where(rows, scale, 1.0))
