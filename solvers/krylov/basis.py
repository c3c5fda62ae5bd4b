"""Orthonormal rows: one more vector against all before it, and a whole block made orthonormal again."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm

from .reduce import sum_over

LOSS = 2e-14  # a component along the earlier vectors, relative to what is left, that is not worth a sweep
PASSES = 4


def orthogonalise(comm: Comm, q: Array, count: int) -> tuple[Array, float]:
    """Makes row `count` of q orthonormal to the rows before it; gives its components along them, and its length.

    Classical Gram–Schmidt, again while the components found anew exceed `LOSS` (at least one pass more is *looked*
    at, after Daniel, Gragg, Kaufman & Stewart 1976, Math. Comp. 30, 772); one reduction and one sweep over the basis
    per pass. A length of 0 says that the vector lies in the span; NaN, that it is not finite.
    """
    rows, w = q[:count], q[count]
    found = np.empty(count + 1)
    components = np.zeros(count)
    before = -1.0
    for _ in range(PASSES):
        np.dot(rows, w, out=found[:count])
        found[count] = w @ w
        part, square = sum_over(comm, found)[:count], float(found[count])
        small = float(part @ part)
        if not np.isfinite(square):
            return components, float("nan")
        before = square if before < 0 else before
        if small <= LOSS**2 * square:
            break
        components += part
        w -= part @ rows
    else:
        return components, 0.0
    length = float(np.sqrt(square))
    if length <= 1e-15 * np.sqrt(before):
        return components, 0.0
    w /= length
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
