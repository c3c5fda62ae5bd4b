"""Quadratic functions on the triangle, and points of quadrature."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array

# Degree 5 on the triangle, 7 points (Radon 1948): exact for (u·∇)u·v of quadratic u and v; weights sum to 1.
_S = np.sqrt(15)
_A, _B = (6 - _S) / 21, (6 + _S) / 21
CORNERS = np.array(
    [[1 / 3] * 3] + [[1 - 2 * a if i == j else a for j in range(3)] for a in (_A, _B) for i in range(3)],
)
WEIGHTS = np.array([9 / 40] + [(155 - _S) / 1200] * 3 + [(155 + _S) / 1200] * 3)


def quadratic(corners: Array) -> Array:
    """The six shape functions at barycentric places, `(q, 3)` -> `(q, 6)`: vertices, then opposite edges."""
    l0, l1, l2 = corners.T
    return np.stack(
        [l0 * (2 * l0 - 1), l1 * (2 * l1 - 1), l2 * (2 * l2 - 1), 4 * l1 * l2, 4 * l0 * l2, 4 * l0 * l1], axis=1
    )


def quadratic_slopes(corners: Array) -> Array:
    """Their derivatives by each barycentric coordinate, `(q, 6, 3)`."""
    l0, l1, l2 = corners.T
    z = np.zeros_like(l0)
    rows = [
        [4 * l0 - 1, z, z],
        [z, 4 * l1 - 1, z],
        [z, z, 4 * l2 - 1],
        [z, 4 * l2, 4 * l1],
        [4 * l2, z, 4 * l0],
        [4 * l1, 4 * l0, z],
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)
