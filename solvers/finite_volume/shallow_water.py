"""Shallow water: hₜ + ∇·(hu) = 0, (hu)ₜ + ∇·(h u⊗u + g h²/2) = 0; variables depth and velocities."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams

from .riemann import hll
from .system import column, entropy_fix, tangential


class ShallowWaterSystem:
    """`dry`: below this depth (of the member's unit of length) water does not move; 0 leaves nothing out but vacuum."""

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any], dry: float = 0.0) -> None:
        self.dimensions, self.dry = dimensions, dry
        self.gravity = column(params, "gravity", dimensions, dtype)
        self.variables = ("depth", "velocity_x", "velocity_y")[: 1 + dimensions]
        self.positive = (0,)

    def normal(self, axis: int) -> int:
        return self.dimensions - axis

    def primitive(self, q: Array) -> Array:
        """The velocity is zero where the bed is dry."""
        h = np.maximum(q[0], 0)
        wet = h > self.dry
        w = np.empty_like(q)
        w[0] = h
        w[1:] = np.where(wet, q[1:] / np.where(wet, h, 1), 0)
        return w

    def conserved(self, w: Array) -> Array:
        return np.concatenate([w[:1], w[:1] * w[1:]])

    def flux(self, w: Array, axis: int) -> Array:
        n = self.normal(axis)
        f = np.empty_like(w)
        f[0] = w[0] * w[n]
        f[1:] = f[0] * w[1:]
        f[n] += self.gravity * w[0] ** 2 / 2
        return f

    def quasilinear(self, w: Array, change: Array, axis: int) -> Array:
        n = self.normal(axis)
        out = np.asarray(w[n] * change)
        out[0] += w[0] * change[n]
        out[n] += self.gravity * change[0]
        return out

    def speeds(self, w: Array, axis: int) -> tuple[Array, Array]:
        u, c = w[self.normal(axis)], np.sqrt(self.gravity * w[0])
        return u - c, u + c

    def bounds(self, left: Array, right: Array, axis: int) -> tuple[Array, Array]:
        """Eigenvalues of both sides and of the state between two rarefactions; fronts on a dry bed run at u ± 2c.

        Toro (2001), Shock-Capturing Methods for Free-Surface Shallow Flows, §10.3.
        """
        n = self.normal(axis)
        a, b = left[n], right[n]
        ca, cb = np.sqrt(self.gravity * left[0]), np.sqrt(self.gravity * right[0])
        u, c = (a + b) / 2 + ca - cb, (ca + cb) / 2 + (a - b) / 4
        slow = np.where(left[0] > self.dry, np.minimum(a - ca, u - c), b - 2 * cb)
        fast = np.where(right[0] > self.dry, np.maximum(b + cb, u + c), a + 2 * ca)
        return slow, fast

    def hllc(self, left: Array, right: Array, axis: int) -> Array:
        """HLL for depth and normal momentum; the shear wave carries the velocities across from upwind."""
        f = hll(self, left, right, axis)
        for t in tangential(self.dimensions, self.normal(axis)):
            f[t] = np.maximum(f[0], 0) * left[t] + np.minimum(f[0], 0) * right[t]
        return f

    def roe(self, left: Array, right: Array, axis: int) -> Array:
        """Roe's flux with Harten's entropy fix (Glaister 1988, J. Comput. Phys. 79, 357). For wet beds."""
        n = self.normal(axis)
        ra, rb = np.sqrt(left[0]), np.sqrt(right[0])
        both = np.where(ra + rb > 0, ra + rb, 1)
        mean = (ra * left + rb * right) / both  # the velocities of Roe's state
        h, u = ra * rb, mean[n]
        c = np.sqrt(self.gravity * (left[0] + right[0]) / 2)
        jump = right - left
        per = np.where(c > 0, h * jump[n] / np.where(c > 0, c, 1), 0)
        strength = {-1: (jump[0] - per) / 2, 1: (jump[0] + per) / 2}
        out = (self.flux(left, axis) + self.flux(right, axis)) / 2
        for sign, alpha in strength.items():
            width = np.maximum(
                2
                * (
                    (right[n] + sign * np.sqrt(self.gravity * right[0]))
                    - (left[n] + sign * np.sqrt(self.gravity * left[0]))
                ),
                0,
            )
            size = entropy_fix(u + sign * c, width) * alpha / 2
            out[0] -= size
            out[1:] -= size * mean[1:]
            out[n] -= size * sign * c
        for t in tangential(self.dimensions, n):
            out[t] -= np.abs(u) * h * jump[t] / 2
        return out

    def admissible(self, q: Array) -> Array:
        return np.asarray(np.isfinite(q).all(axis=0) & (q[0] >= 0))
