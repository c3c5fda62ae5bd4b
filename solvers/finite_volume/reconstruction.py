"""Cell averages along the last axis -> values on both sides of each face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from pdebench.arrays import Array

Limiter = Literal["none", "minmod", "van_leer", "mc"]
Reconstruction = Literal["constant", "muscl", "weno5"]
GHOSTS = {"constant": 1, "muscl": 2, "weno5": 3}


def unlimited(a: Array, b: Array) -> Array:
    return (a + b) / 2


def minmod(a: Array, b: Array) -> Array:
    return np.where(a * b > 0, np.sign(a) * np.minimum(np.abs(a), np.abs(b)), 0).astype(a.dtype)


def van_leer(a: Array, b: Array) -> Array:
    """Harmonic mean (van Leer 1974)."""
    same = a * b > 0
    return np.where(same, 2 * a * b / np.where(same, a + b, 1), 0).astype(a.dtype)


def mc(a: Array, b: Array) -> Array:
    """Monotonised central: the mean, at most twice the smaller (van Leer 1977)."""
    size = np.minimum(np.abs(a + b) / 2, 2 * np.minimum(np.abs(a), np.abs(b)))
    return np.where(a * b > 0, np.sign(a) * size, 0).astype(a.dtype)


LIMITERS: dict[Limiter, Callable[[Array, Array], Array]] = {
    "none": unlimited,
    "minmod": minmod,
    "van_leer": van_leer,
    "mc": mc,
}


def slopes(w: Array, limiter: Limiter) -> Array:
    """Limited difference across each cell but the outermost two, `(..., n)` -> `(..., n − 2)`."""
    steps = np.diff(w, axis=-1)
    return LIMITERS[limiter](steps[..., :-1], steps[..., 1:])


def edges(w: Array, kind: Reconstruction, limiter: Limiter) -> tuple[Array, Array]:
    """Values at the left and right edge of the n + 2 cells that touch a face, from n + 2 `GHOSTS[kind]` averages."""
    if kind == "constant":
        return w, w
    if kind == "muscl":
        half, middle = slopes(w, limiter) / 2, w[..., 1:-1]
        return middle - half, middle + half
    return weno5(w[..., ::-1])[..., ::-1], weno5(w)


def weno5(v: Array) -> Array:
    """Right edges of the inner n − 4 cells, fifth order where smooth (Jiang & Shu 1996, J. Comput. Phys. 126, 202)."""
    count = v.shape[-1] - 4
    a, b, c, d, e = (v[..., i : i + count] for i in range(5))
    bumps = (
        13 / 12 * (a - 2 * b + c) ** 2 + (a - 4 * b + 3 * c) ** 2 / 4,
        13 / 12 * (b - 2 * c + d) ** 2 + (b - d) ** 2 / 4,
        13 / 12 * (c - 2 * d + e) ** 2 + (3 * c - 4 * d + e) ** 2 / 4,
    )
    parts = ((2 * a - 7 * b + 11 * c) / 6, (-b + 5 * c + 2 * d) / 6, (2 * c + 5 * d - e) / 6)
    tiny = 1e-6
    weights = [ideal / (tiny + bump) ** 2 for ideal, bump in zip((0.1, 0.6, 0.3), bumps, strict=True)]
    total = weights[0] + weights[1] + weights[2]
    return np.asarray(sum(w * p for w, p in zip(weights, parts, strict=True)) / total)
