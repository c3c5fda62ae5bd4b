"""The compiled sweeps on the part of a box that a rank holds: one exchange along each axis that is cut, per step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams
from pdebench.solvers.kernels.finite_volume import BoxSweep, LaneEngine, Swept

from . import hancock
from .boundary import interior
from .engine import Advanced
from .part import Shared

GHOSTS = 2
LINE = 64  # bytes of the cache


def spread(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros whose rows have their first inner cell on a cache line, and lie an odd number of them apart.

    So do planes and variables: at a power of two a column would meet itself in a few places of the cache, and vectors
    that lie on two lines cost twice.

    >>> spread((3, 132, 132), np.dtype(float)).strides
    (143680, 1088, 8)
    """
    per_line, steps = LINE // dtype.itemsize, [1]
    for n in shape[:0:-1]:
        steps.insert(0, (-(-steps[0] * n // per_line) | 1) * per_line)
    room = np.zeros(steps[0] * shape[0] + 2 * per_line, dtype)
    first = (-room.ctypes.data // dtype.itemsize - GHOSTS) % per_line
    strides = [step * dtype.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(room[first:], shape, strides)


@dataclass(frozen=True, slots=True)
class SharedEngine:
    """What `LaneEngine` computes, to the bit, by all ranks of `part` together; members one after the other."""

    lanes: LaneEngine
    part: Shared

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced:
        if bed is not None or not self.lanes.knows(params):
            return self.lanes.reference.advance(q, params, length=length, bed=bed)
        out, count = np.empty_like(q), q.shape[1]
        time, steps, limited = np.zeros(count), np.zeros(count, int), np.zeros(count, int)
        for member in range(count):
            own = {name: values[member : member + 1] for name, values in params.items()}
            block = spread((len(q), *(n + 2 * GHOSTS for n in q.shape[2:])), q.dtype)[:, None]
            inside = block[interior(q.ndim - 2, GHOSTS)]
            inside[:, 0] = q[:, member]
            time[member], steps[member], limited[member] = self._march(block, own, length)
            out[:, member] = inside[:, 0]
        return Advanced(out, time, steps, self.part.total(limited))

    def _march(self, block: Array, params: BatchParams, length: float) -> tuple[float, int, int]:
        """The time that the block, changed in place, comes to; steps taken; cells helped here."""
        sweeper, reference = BoxSweep(self.lanes.reference, self.lanes.flux, self.lanes.isa), self.lanes.reference
        axes = block.ndim - 2
        sides = [self.part.sides(axis, pair) for axis, pair in enumerate(reference.space.boundaries.pairs())]
        now, pending, number, limited = 0.0, 0.0, 0, 0

        def go(axis: int, step: float, last: bool) -> Swept:
            if self.part.cut(axis):
                self.part.refresh(block, GHOSTS, axis)
            return sweeper.sweep(block, params, np.array([step]), axis=axis, sides=sides, last=last)

        found = sweeper.measure(block, params)
        while True:
            (rate,) = self.part.largest(np.where(found.good, found.rate, np.inf))
            if not np.isfinite(rate):
                return (float(np.nextafter(length, 0)) if now == length else now), number, limited
            if now >= length or number == reference.max_steps:
                break
            rate = hancock.together(axes, rate, pending, reference.cfl)
            parts = max(np.ceil((length - now) * rate / reference.cfl), 1)
            step = float((length - now) / parts)
            order = hancock.order(axes, number)
            for axis in order:
                found = go(axis, hancock.length(axes, axis, step, pending), axis == order[-1])
                limited += int(found.limited[0])
            pending, now, number = hancock.left(axes, step), length if parts == 1 else now + step, number + 1
        if pending > 0:
            limited += int(go(axes - 1, pending, False).limited[0])
            (bad,) = self.part.largest(~sweeper.measure(block, params).good)
            now = float(np.nextafter(length, 0)) if bad and now == length else now
        return now, number, limited
