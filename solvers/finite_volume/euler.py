"""Compressible flow of an ideal gas: density, velocities and pressure, E = p/(γ−1) + ρ|u|²/2."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams

from .system import column, entropy_fix, tangential


class EulerSystem:
    """ρₜ + ∇·(ρu) = 0, (ρu)ₜ + ∇·(ρ u⊗u + p) = 0, Eₜ + ∇·((E + p)u) = 0."""

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        self.dimensions = dimensions
        self.gamma = column(params, "heat_capacity_ratio", dimensions, dtype)
        self.variables = ("density", *("velocity_x", "velocity_y", "velocity_z")[:dimensions], "pressure")
        self.positive = (0, dimensions + 1)

    def normal(self, axis: int) -> int:
        return self.dimensions - axis

    def primitive(self, q: Array) -> Array:
        w = np.empty_like(q)
        w[0] = q[0]
        w[1:-1] = q[1:-1] / q[0]
        w[-1] = (self.gamma - 1) * (q[-1] - q[0] * np.sum(w[1:-1] ** 2, axis=0) / 2)
        return w

    def conserved(self, w: Array) -> Array:
        q = np.empty_like(w)
        q[0] = w[0]
        q[1:-1] = w[0] * w[1:-1]
        q[-1] = w[-1] / (self.gamma - 1) + w[0] * np.sum(w[1:-1] ** 2, axis=0) / 2
        return q

    def flux(self, w: Array, axis: int) -> Array:
        n = self.normal(axis)
        f = np.asarray(self.conserved(w) * w[n])
        f[n] += w[-1]
        f[-1] += w[-1] * w[n]
        return f

    def quasilinear(self, w: Array, change: Array, axis: int) -> Array:
        n = self.normal(axis)
        out = np.asarray(w[n] * change)
        out[0] += w[0] * change[n]
        out[n] += change[-1] / w[0]
        out[-1] += self.gamma * w[-1] * change[n]
        return out

    def sound(self, w: Array) -> Array:
        return np.asarray(np.sqrt(self.gamma * w[-1] / w[0]))

    def speeds(self, w: Array, axis: int) -> tuple[Array, Array]:
        u, c = w[self.normal(axis)], self.sound(w)
        return u - c, u + c

    def bounds(self, left: Array, right: Array, axis: int) -> tuple[Array, Array]:
        """The extreme eigenvalues of both sides (Davis 1988, SIAM J. Sci. Stat. Comput. 9, 445)."""
        a, b = self.speeds(left, axis), self.speeds(right, axis)
        return np.minimum(a[0], b[0]), np.maximum(a[1], b[1])

    def hllc(self, left: Array, right: Array, axis: int) -> Array:
        """Toro, Spruce & Speares (1994), Shock Waves 4, 25: three waves, so that contacts and shear stay sharp."""
        n = self.normal(axis)
        slow, fast = self.bounds(left, right, axis)
        mass_a, mass_b = left[0] * (slow - left[n]), right[0] * (fast - right[n])
        contact = (right[-1] - left[-1] + left[n] * mass_a - right[n] * mass_b) / (mass_a - mass_b)
        ahead = contact >= 0
        w, s = np.where(ahead, left, right), np.where(ahead, slow, fast)
        q, u, p = self.conserved(w), w[n], w[-1]
        star = np.empty_like(q)
        star[0] = w[0] * (s - u) / (s - contact)
        star[1:-1] = star[0] * w[1:-1]
        star[n] = star[0] * contact
        star[-1] = star[0] * (q[-1] / w[0] + (contact - u) * (contact + p / (w[0] * (s - u))))
        f = self.flux(w, axis)
        return np.where(np.where(ahead, slow < 0, fast > 0), f + s * (star - q), f)

    def roe(self, left: Array, right: Array, axis: int) -> Array:
        """Roe (1981), J. Comput. Phys. 43, 357, with Harten's entropy fix."""
        n = self.normal(axis)
        ra, rb = np.sqrt(left[0]), np.sqrt(right[0])
        mean = (ra * left + rb * right) / (ra + rb)
        rho, u, square = ra * rb, mean[n], np.sum(mean[1:-1] ** 2, axis=0)
        heat = [self.gamma / (self.gamma - 1) * w[-1] / w[0] + np.sum(w[1:-1] ** 2, axis=0) / 2 for w in (left, right)]
        enthalpy = (ra * heat[0] + rb * heat[1]) / (ra + rb)
        c2 = (self.gamma - 1) * (enthalpy - square / 2)
        c, jump = np.sqrt(c2), right - left
        out = (self.flux(left, axis) + self.flux(right, axis)) / 2
        for sign in (-1, 1):
            ends = [w[n] + sign * self.sound(w) for w in (left, right)]
            width = np.maximum(2 * (ends[1] - ends[0]), 0)
            size = entropy_fix(u + sign * c, width) * (jump[-1] + sign * rho * c * jump[n]) / (4 * c2)
            out[0] -= size
            out[1:-1] -= size * mean[1:-1]
            out[n] -= size * sign * c
            out[-1] -= size * (enthalpy + sign * u * c)
        size = np.abs(u) * (jump[0] - jump[-1] / c2) / 2
        out[0] -= size
        out[1:-1] -= size * mean[1:-1]
        out[-1] -= size * square / 2
        for t in tangential(self.dimensions, n):
            shear = np.abs(u) * rho * jump[t] / 2
            out[t] -= shear
            out[-1] -= shear * mean[t]
        return out

    def admissible(self, q: Array) -> Array:
        good = np.isfinite(q).all(axis=0) & (q[0] > 0)
        kinetic = np.sum(q[1:-1] ** 2, axis=0) / np.where(good, 2 * q[0], 1)
        return np.asarray(good & (q[-1] > kinetic))
