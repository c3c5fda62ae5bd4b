"""MUSCL–Hancock, one axis after the other: second order for one flux per face and step.

van Leer (1984), SIAM J. Sci. Stat. Comput. 5, 1; Toro (2009), Riemann Solvers and Numerical Methods, §14.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array

from .reconstruction import slopes
from .residual import Space, guarded, lines_of, pieces


def step(
    system: Any, q: Array, dt: Array, space: Space, *, count: int, pending: Array | float = 0.0
) -> tuple[Array, Array]:
    """The averages after `dt` `(b,)` but for what `left` says, and how often positivity had to be helped.

    Strang (1968). Two axes: x by half a step and what is `pending` from the step before, y by a whole one; the other
    half of x is left. Three axes take turns in beginning, x in the first step of an interval, `count` = 0.
    """
    limited = np.zeros(q.shape[1], int)
    for axis in order(system.dimensions, count):
        q, acted = sweep(system, q, length(system.dimensions, axis, dt, pending), space, axis)
        limited += acted
    return q, limited


def order(axes: int, count: int) -> list[int]:
    """The axes as a step takes them; 0 is the slowest one of the array, the last one x."""
    forward = list(range(axes))[::-1]
    return forward if axes == 2 or count % 2 == 0 else forward[::-1]


def length(axes: int, axis: int, dt: Any, pending: Any) -> Any:
    """How far a step of `dt` goes along an axis."""
    return pending + dt / 2 if axes == 2 and axis == 1 else dt


def left(axes: int, dt: Any) -> Any:
    """What a step of `dt` leaves of x."""
    return dt / 2 if axes == 2 else 0 * dt


def together(axes: int, rate: Any, pending: Any, cfl: float) -> Any:
    """The rate `(b,)` at which a step must count what is pending of x, to keep the Courant number with it.

    Twice at most: past waves that became faster by more than half within a step, the Courant number is that of their
    growth. Without pending time it is `rate` to the bit.
    """
    return rate / np.clip(2 - 2 * (pending * rate / cfl), 0.5, 1) if axes == 2 else rate


def rest(system: Any, q: Array, pending: Array, space: Space) -> tuple[Array, Array]:
    """The averages after what is `pending` `(b,)` of x, and how often positivity had to be helped."""
    return sweep(system, q, pending, space, system.dimensions - 1)


def sweep(system: Any, q: Array, dt: Array, space: Space, axis: int) -> tuple[Array, Array]:
    """One axis for a whole step: edges, half a step of each cell by itself, one flux per face.

    Some lines at a time, so that what is computed on the way fits the cache and takes no memory that counts.
    """
    block = lines_of(space.around(q, 2, system), axis, 2)
    out, limited = np.empty_like(q), np.zeros(q.shape[1], int)
    old, new = np.moveaxis(q, axis + 2, -1), np.moveaxis(out, axis + 2, -1)
    ratio = (dt / space.spacing[axis]).astype(q.dtype).reshape(-1, *(1,) * system.dimensions)
    for some in pieces(old.shape):
        change, acted = _change(system, block[some], ratio, space, axis)
        np.subtract(old[some], change, out=new[some])
        limited += acted
    return out, limited


def _change(system: Any, line: Array, ratio: Array, space: Space, axis: int) -> tuple[Array, Array]:
    """What flows out of each cell of some lines within the step, and how many cells of a member were limited."""
    w = system.primitive(line)
    half, middle = slopes(w, space.limiter) / 2, w[..., 1:-1]
    moved = middle - ratio * system.quasilinear(middle, half, axis)
    low, high, bad = guarded(system, middle, moved - half, moved + half)
    flux = space.flux(system, high[..., :-1], low[..., 1:], axis)
    return ratio * np.diff(flux, axis=-1), bad[..., 1:-1].reshape(len(bad), -1).sum(axis=1)
