"""Shallow water over an uneven bed, so that a lake at rest stays at rest: hydrostatic reconstruction.

Audusse, Bouchut, Bristeau, Klein & Perthame (2004), SIAM J. Sci. Comput. 25, 2050, second order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array

from .reconstruction import Limiter, edges
from .riemann import Flux


def flux_and_source(
    system: Any, w: Array, bed: Array, axis: int, *, flux: Flux, limiter: Limiter
) -> tuple[Array, Array, int]:
    """Fluxes through n + 1 faces, the force of the bed on n cells (times the spacing), and no cell limited.

    Of n + 4 cells. Depth, velocity and surface are reconstructed, the bed is what lies between. Beside dry cells
    nothing is: there the surface of one cell says nothing about the next.
    """
    g = system.gravity
    surface = w[:1] + bed
    low, high = edges(np.concatenate([w, surface]), "muscl", limiter)
    wet = w[0] > system.dry
    inner = wet[..., :-2] & wet[..., 1:-1] & wet[..., 2:]
    middle = np.concatenate([w, surface])[..., 1:-1]
    low, high = np.where(inner, low, middle), np.where(inner, high, middle)
    bed_low, bed_high = low[-1] - low[0], high[-1] - high[0]
    top = np.maximum(bed_high[..., :-1], bed_low[..., 1:])
    left, right = high[:-1, ..., :-1].copy(), low[:-1, ..., 1:].copy()
    left[0] = np.maximum(0, left[0] + (bed_high[..., :-1] - top))
    right[0] = np.maximum(0, right[0] + (bed_low[..., 1:] - top))
    force = np.zeros_like(w[..., 2:-2])
    h_low, h_high = low[0][..., 1:-1], high[0][..., 1:-1]
    pressure = (left[0][..., 1:] ** 2 - h_high**2) - (right[0][..., :-1] ** 2 - h_low**2)
    slope = (h_low + h_high) * (bed_high - bed_low)[..., 1:-1]
    force[system.normal(axis)] = g / 2 * (pressure - slope)
    return flux(system, left, right, axis), force, 0
