"""What the engine asks of a system of conservation laws: qₜ + ∇·f(q) = 0, about a page per equation.

Arrays are `(variable, b, *space)`: `q` conserved, `w` primitive (density or depth first, then the velocities along
x, y, z as far as there are, then what else). `axis` counts the grid's axes, slowest first (z, y, x).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.problem import BatchParams


class System(Protocol):
    """One system with the parameters of one batch of members."""

    dimensions: int

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the primitive variables, for messages."""
        ...

    @property
    def positive(self) -> tuple[int, ...]:
        """Primitive variables that may not be negative."""
        ...

    def normal(self, axis: int) -> int | None:
        """Which variable is the velocity (and the momentum) along an axis; None for a scalar."""
        ...

    def primitive(self, q: Array) -> Array: ...
    def conserved(self, w: Array) -> Array: ...
    def flux(self, w: Array, axis: int) -> Array: ...
    def quasilinear(self, w: Array, change: Array, axis: int) -> Array:
        """A(w)·change, where wₜ + A wₓ = 0 is the same system in primitive variables."""
        ...

    def speeds(self, w: Array, axis: int) -> tuple[Array, Array]:
        """Slowest and fastest eigenvalue of the flux's Jacobian, `(b, *space)` each."""
        ...

    def bounds(self, left: Array, right: Array, axis: int) -> tuple[Array, Array]:
        """Bounds of the speeds of all waves that leave a jump."""
        ...

    def admissible(self, q: Array) -> Array:
        """Where the state is finite and physical, `(b, *space)` of bool."""
        ...


class WithContact(System, Protocol):
    """A system with a contact or shear wave, which HLLC keeps sharp."""

    def hllc(self, left: Array, right: Array, axis: int) -> Array: ...


class Linearised(System, Protocol):
    """A system whose Roe matrix is known."""

    def roe(self, left: Array, right: Array, axis: int) -> Array: ...


def column(params: BatchParams, name: str, dimensions: int, like: np.dtype[Any]) -> Array:
    """A parameter `(b,)` shaped to broadcast over `(variable, b, *space)`."""
    return np.asarray(params[name]).astype(like).reshape(-1, *(1,) * dimensions)


def entropy_fix(speed: Array, width: Array) -> Array:
    """|λ|, rounded off below `width` so that a Roe flux spreads transonic rarefactions (Harten 1983)."""
    size = np.abs(speed)
    safe = np.where(width > 0, width, 1)
    return np.where(size < width, (speed**2 / safe + width) / 2, size)


def tangential(dimensions: int, normal: int | None) -> Index:
    """The velocities across the axis."""
    return np.array([i for i in range(1, 1 + dimensions) if i != normal], int)
