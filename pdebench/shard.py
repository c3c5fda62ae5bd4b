"""One Zarr v3 shard of uncompressed frames: written frame by frame, there whole or not at all, memory-mapped to read.

The file is the frames in C order of `(sample, frame)`, then the index that Zarr's `sharding_indexed` codec asks for
(ZEP 2): an (offset, length) pair of little-endian uint64 per inner chunk, and the CRC-32C of those pairs. Because the
frames lie in order, the file is also a plain array that can be mapped.
"""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import dataclass
from itertools import count
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import google_crc32c
import numpy as np

from .arrays import Array
from .errors import StoreError

_ABSENT = 2**64 - 1  # how the index marks a chunk that is not there
_BLOCK = 1 << 18  # bytes per step when a whole file is read: few enough to be in the cache when they are summed
_COUNT = count()


@dataclass(frozen=True, slots=True)
class Form:
    """What a shard looks like: `slots × frames` chunks, of which the first `samples` rows are there."""

    slots: int
    samples: int
    frames: int
    space: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the frames that are there, `(sample, frame, *space)`."""
        return (self.samples, self.frames, *self.space)

    @property
    def frame_bytes(self) -> int:
        return prod(self.space) * self.dtype.itemsize

    @property
    def data_bytes(self) -> int:
        """Of the frames alone."""
        return self.samples * self.frames * self.frame_bytes

    @property
    def nbytes(self) -> int:
        """Of the file: the frames that are there, 16 bytes of index per slot, and a checksum."""
        return self.data_bytes + 16 * self.slots * self.frames + 4


class ShardWriter:
    """A shard that is written frame by frame.

    All its bytes are reserved at the start, so a full disk is met before the solve and not after it.
    """

    def __init__(self, path: Path, form: Form) -> None:
        self._path, self._form = path, form
        self._written = np.zeros((form.samples, form.frames), bool)
        self._partial = partial_name(path)
        self._file = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            os.posix_fallocate(self._file, 0, form.nbytes)
        except OSError as error:
            self.abort()
            raise StoreError(f"no room for {path}: {error.strerror}; free some and repeat the command") from error

    def put(self, sample: int, frame: int, values: Array) -> None:
        """Write one frame; `values` must already have the store's dtype and be contiguous."""
        form = self._form
        if values.nbytes != form.frame_bytes:
            raise StoreError(f"a frame of {self._path} has {form.frame_bytes} bytes, got {values.nbytes}")
        self._write(values.data.cast("B"), (sample * form.frames + frame) * form.frame_bytes)
        self._written[sample, frame] = True

    def commit(self) -> int:
        """Make the shard appear, durably; its CRC-32C. Raises `StoreError` while a frame is missing."""
        if not self._written.all():
            raise StoreError(f"{(~self._written).sum()} of the {self._written.size} frames of {self._path} never came")
        self._write(memoryview(_index(self._form)), self._form.data_bytes)
        os.fsync(self._file)
        self._close()
        checksum = checksum_of(self._partial)
        self._partial.replace(self._path)
        sync_folder(self._path.parent)
        return checksum

    def abort(self) -> None:
        """Leave nothing behind. Harmless after `commit`."""
        self._close()
        self._partial.unlink(missing_ok=True)

    def _write(self, rest: memoryview, offset: int) -> None:
        """All of it: the kernel may take less than it is given, at most 2 GiB at a time."""
        while rest:
            taken = os.pwrite(self._file, rest, offset)
            rest, offset = rest[taken:], offset + taken

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def map_shard(path: Path, form: Form) -> Array:
    """The frames of a shard, `(sample, frame, *space)`, read-only and not yet read. Raises `StoreError` if torn."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}; `pdebench check --repair` sets it right") from error
    expect_size(str(path), size, form)
    return np.asarray(np.memmap(path, dtype=form.dtype, mode="r", shape=form.shape))  # plain: quicker to index


def expect_size(shard: str, size: int | None, form: Form) -> None:
    """Raise `StoreError` unless a shard, if it is there, has the bytes that it should have."""
    if size != form.nbytes:
        raise StoreError(
            f"{shard} has {size or 0} bytes and should have {form.nbytes}: it was truncated or replaced; "
            "`pdebench check --repair` drops it, then repeat `pdebench generate`"
        )


def checksum_of(path: Path) -> int:
    """CRC-32C of a whole file."""
    checksum = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            checksum = google_crc32c.extend(checksum, block)
    return checksum


def partial_name(path: Path) -> Path:
    """A name beside `path` that no other writer uses: host, process, and a count within it."""
    return path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}.{next(_COUNT)}.partial")


def sweep(folder: Path, names: str = "*") -> None:
    """Remove what killed writers of this host left in `folder` under `partial_name`."""
    for partial in folder.glob(f"{names}.{socket.gethostname()}.*.partial"):
        if not _alive(int(partial.name.split(".")[-3])):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _index(form: Form) -> bytes:
    pairs = np.full((form.slots * form.frames, 2), _ABSENT, "<u8")
    there = np.arange(form.samples * form.frames, dtype="<u8")
    pairs[: len(there), 0], pairs[: len(there), 1] = there * form.frame_bytes, form.frame_bytes
    raw = pairs.tobytes()
    checksum: int = google_crc32c.value(raw)
    return raw + checksum.to_bytes(4, "little")


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
