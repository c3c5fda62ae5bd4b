"""Numerical fluxes from the states `(variable, b, *faces)` on both sides of each face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError

from .system import System

FluxName = Literal["rusanov", "hll", "hllc", "roe"]
Flux = Callable[[Any, Array, Array, int], Array]


def rusanov(system: System, left: Array, right: Array, axis: int) -> Array:
    """The mean flux, less half the jump times the fastest wave (Rusanov 1961): the most diffusive and safest."""
    top = np.maximum.reduce([np.abs(s) for w in (left, right) for s in system.speeds(w, axis)])
    mean = (system.flux(left, axis) + system.flux(right, axis)) / 2
    return np.asarray(mean - top / 2 * (system.conserved(right) - system.conserved(left)))


def hll(system: System, left: Array, right: Array, axis: int) -> Array:
    """Two waves around one mean state (Harten, Lax & van Leer 1983, SIAM Rev. 25, 35)."""
    slow, fast = system.bounds(left, right, axis)
    slow, fast = np.minimum(slow, 0), np.maximum(fast, 0)
    jump = system.conserved(right) - system.conserved(left)
    still = fast - slow < np.finfo(left.dtype).tiny  # nothing moves, as on a dry bed; 1/(fast − slow) might be infinite
    inverse = np.where(still, 0, 1 / np.where(still, 1, fast - slow))
    mean = fast * system.flux(left, axis) - slow * system.flux(right, axis) + slow * fast * jump
    return np.asarray(mean * inverse)


def hllc(system: Any, left: Array, right: Array, axis: int) -> Array:
    return np.asarray(system.hllc(left, right, axis))


def roe(system: Any, left: Array, right: Array, axis: int) -> Array:
    return np.asarray(system.roe(left, right, axis))


def flux_called(name: FluxName, system: object) -> Flux:
    """Raises `SolverError` where the system does not know the flux."""
    if name in {"hllc", "roe"} and not hasattr(system, name):
        raise SolverError(f"{type(system).__name__} has no {name} flux: use rusanov or hll")
    return {"rusanov": rusanov, "hll": hll, "hllc": hllc, "roe": roe}[name]
