"""Scalar laws uₜ + ∇·f(u) = 0: linear advection, Burgers with and without viscosity."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams

from .system import column


class AdvectionSystem:
    """f = a u, with one speed a along every axis."""

    variables: tuple[str, ...] = ("concentration",)
    positive: tuple[int, ...] = ()

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        self.dimensions = dimensions
        self._speed = column(params, "speed", dimensions, dtype)

    def normal(self, axis: int) -> None:
        return None

    def primitive(self, q: Array) -> Array:
        return q

    def conserved(self, w: Array) -> Array:
        return w

    def flux(self, w: Array, axis: int) -> Array:
        return self.slope(w) * w

    def slope(self, w: Array) -> Array:
        return np.broadcast_to(self._speed, w.shape)

    def quasilinear(self, w: Array, change: Array, axis: int) -> Array:
        return self.slope(w) * change

    def speeds(self, w: Array, axis: int) -> tuple[Array, Array]:
        return self.slope(w)[0], self.slope(w)[0]

    def bounds(self, left: Array, right: Array, axis: int) -> tuple[Array, Array]:
        a, b = self.slope(left)[0], self.slope(right)[0]
        return np.minimum(a, b), np.maximum(a, b)

    def admissible(self, q: Array) -> Array:
        return np.asarray(np.isfinite(q).all(axis=0))


class BurgersSystem(AdvectionSystem):
    """f = u²/2 along every axis."""

    variables = ("velocity",)

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        self.dimensions = dimensions

    def flux(self, w: Array, axis: int) -> Array:
        return w**2 / 2

    def slope(self, w: Array) -> Array:
        return w


class ViscousBurgersSystem(BurgersSystem):
    """uₜ + ∂ᵢ(u²/2) = (ν/π) Δu."""

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        super().__init__(params, dimensions, dtype)
        self.diffusivity = (np.asarray(params["viscosity"]).astype(dtype) / np.pi)[None]
