"""A fixed number of frames in memory that processes of one host can share; nothing is left when the last one ends."""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress
from math import isfinite, prod

import numpy as np

from ..arrays import Array

DTYPE = np.dtype("<f4")  # what a trainer eats
HUGE = 1 << 25  # bytes from which on memory comes in pages of 2 MB, where the kernel has them
PIECE = 1 << 18  # values, 1 MB: in the second cache for a look and a copy, and long enough to be copied past it


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
        if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without
                self._map.madvise(mmap.MADV_HUGEPAGE)
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
    What a solver has just made is there already, so the look comes before the copy, which may then go past the cache.
    A finite sum of squares has finite terms, and costs half of a look at each; large values are looked at.
    """
    into, source = slot.reshape(-1), np.ascontiguousarray(values).reshape(-1)
    good = True
    for low in range(0, len(into), PIECE):
        piece, place = source[low : low + PIECE], into[low : low + PIECE]
        if piece.dtype != DTYPE:
            with np.errstate(over="ignore", invalid="ignore"):
                place[...] = piece
            piece = place
        good = good and (isfinite(np.dot(piece, piece)) or bool(np.isfinite(piece).all()))
        if piece is not place and slot is not values:
            place[...] = piece
    return good
