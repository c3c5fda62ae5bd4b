"""Bottom friction after Manning: (hu)ₜ = −g n² |u| u / h^⅓, each cell by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams

from .shallow_water import ShallowWaterSystem
from .system import column


class RoughSystem(ShallowWaterSystem):
    """Shallow water whose momentum relaxes after each step, implicitly: stable for any depth."""

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any], dry: float = 0.0) -> None:
        super().__init__(params, dimensions, dtype, dry)
        self.roughness = column(params, "roughness", dimensions, dtype)

    def relaxed(self, q: Array, dt: Array) -> Array:
        """The exact decay of |u| over `dt`, where the depth does not change: |u| → |u|/(1 + Δt g n² |u| h^(−4/3))."""
        w = self.primitive(q)
        moves = (w[0] > self.dry) & (np.abs(w[1:]).max(axis=0) > 0)  # a film thinner than numbers can tell may stand
        speed = np.sqrt(np.sum(w[1:] ** 2, axis=0))
        h = np.where(moves, w[0], 1)
        step = dt.astype(q.dtype).reshape(-1, *(1,) * self.dimensions)
        q = q.copy()
        q[1:] /= 1 + np.where(moves, step * self.gravity * self.roughness**2 * speed * h ** (-4 / 3), 0).astype(q.dtype)
        return q
