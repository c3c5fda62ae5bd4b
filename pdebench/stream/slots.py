"""A fixed number of frames in memory that processes of one host can share; nothing is left when the last one ends."""

from __future__ import annotations

import mmap
import os
import sys
from math import prod

import numpy as np

from ..arrays import Array

DTYPE = np.dtype("<f4")  # what a trainer eats
PIECE = 1 << 16  # values that stay in the cache between a copy and a look


class Slots:
    """`frames` `(slot, field, *space)`, float32, and which of them are free.

    The memory belongs to a file without a name (`memfd_create`, Linux): it is handed on as a file descriptor and
    vanishes with its last owner, however that one ends.

    The slot that was given back last is the next to go: its pages exist and are still in the cache, while a fresh page
    costs five times the copy into it. So a buffer that is never full never touches the rest of its memory.
    """

    def __init__(self, count: int, shape: tuple[int, ...], fd: int | None = None) -> None:
        size = max(count * prod(shape) * DTYPE.itemsize, 1)
        if fd is None and hasattr(os, "memfd_create"):
            fd = os.memfd_create("pdebench-stream", os.MFD_CLOEXEC)
            os.ftruncate(fd, size)
        self.fd = fd
        self._map = mmap.mmap(-1 if fd is None else fd, size)
        self.frames: Array = np.frombuffer(self._map, DTYPE, count * prod(shape)).reshape(count, *shape)
        self._free = list(range(count - 1, -1, -1))

    @property
    def free(self) -> int:
        return len(self._free)

    def take(self, count: int) -> list[int]:
        """Numbers of `count` free slots; there must be so many."""
        return [self._free.pop() for _ in range(count)]

    def give_back(self, slot: int) -> None:
        self._free.append(slot)

    def close(self) -> None:
        """Let go of the descriptor; the memory goes when no array of it is left."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None


class Trays:
    """Arrays for batches, used again once the trainer has let go of them: fresh pages cost more than the copy."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._held: list[Array] = []

    def take(self, count: int) -> Array:
        """An array `(count, *shape)` that nobody else refers to; its content is whatever it was."""
        nobody = _alone()
        for tray in self._held:
            if len(tray) >= count and sys.getrefcount(tray) <= nobody:
                return tray[:count]
        self._held = [tray for tray in self._held if sys.getrefcount(tray) > nobody]  # too small
        self._held.append(np.empty((count, *self._shape), DTYPE))
        return self._held[-1][:count]


def _alone() -> int:
    """What `getrefcount` says of a loop's variable that is in one list besides; it depends on the interpreter."""
    (count,) = [sys.getrefcount(one) for one in [object()]]
    return count


def filled(slot: Array, values: Array) -> bool:
    """Copy `values` into a contiguous `slot` (unless it is that), and whether all are finite as float32.

    Piece by piece: each is looked at while it is in the cache, which a second pass over a large frame would not find.
    """
    into, source = slot.reshape(-1), np.ascontiguousarray(values).reshape(-1)
    there, good = slot is values, True
    with np.errstate(over="ignore", invalid="ignore"):
        for low in range(0, len(into), PIECE):
            piece = into[low : low + PIECE]
            if not there:
                piece[...] = source[low : low + PIECE]
            good = good and bool(np.isfinite(piece).all())
    return good
