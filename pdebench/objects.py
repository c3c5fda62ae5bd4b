"""A store's place under a URL: shards go up whole, frames are asked for by range, and nothing is locked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numpy.typing import DTypeLike

from .arrays import Array
from .bucket import Bucket
from .bucket_journal import BucketJournal
from .errors import StoreError
from .layout import lay_out
from .shard import Form, ShardWriter, expect_size, partial_name, sweep
from .spec import DatasetSpec

_ONE_PUT = 5 * 10**9  # bytes that S3 takes in one request; more parts cannot be created conditionally everywhere
_SPOOL = "pdebench-upload"
_SETTLED = "journal/settled"
_ROOT = "zarr.json"  # a store is there with this object


class Objects:
    """The place of a store in a bucket; over HTTP it can be read only."""

    def __init__(self, url: str) -> None:
        self.path, self._bucket = url, Bucket(url)
        self.journal = BucketJournal(self._bucket)

    def __str__(self) -> str:
        return str(self._bucket)

    @property
    def writable(self) -> bool:
        """Whether it is more than a web server."""
        return self._bucket.listable

    def exists(self) -> bool:
        """Whether a store is there."""
        return self._bucket.size(_ROOT) is not None

    def create(self, spec: DatasetSpec) -> None:
        """An empty store, if there is none: its last object is created conditionally."""
        if not self.writable:
            raise StoreError(f"{self} can be read, but not written: --out takes a folder, s3://, gs:// or az://")
        if self.exists():
            return
        with tempfile.TemporaryDirectory(prefix="pdebench-") as folder:
            begun = Path(folder) / "store"
            lay_out(begun, spec)
            for path in sorted(path for path in begun.rglob("*") if path.is_file() and path != begun / _ROOT):
                self._bucket.put(str(path.relative_to(begun)), path.read_bytes())
            self._bucket.create(_ROOT, (begun / _ROOT).read_bytes())  # False: another process was first

    def storage(self, *, read_only: bool = False) -> Any:
        """What zarr and xarray open."""
        return self._bucket.zarr(read_only=read_only)

    def group(self) -> zarr.Group:
        """The store's root; over HTTP by its consolidated metadata, as nothing can be listed there."""
        mode: Any = "r+" if self.writable else "r"
        consolidated = False if self.writable else None
        return zarr.open_group(self.storage(read_only=not self.writable), mode=mode, use_consolidated=consolidated)

    def writer(self, shard: str, form: Form) -> ObjectWriter:
        """Takes the frames of a new shard."""
        return ObjectWriter(self._bucket, shard, form)

    def frames(self, shard: str, form: Form) -> ObjectFrames:
        """The frames of a shard, not yet read. Raises `StoreError` if it is gone or torn."""
        expect_size(f"{self}/{shard}", self._bucket.size(shard), form)
        return ObjectFrames(self._bucket, shard, form)

    def checksum(self, shard: str) -> int:
        """CRC-32C of a shard."""
        return int(google_crc32c.value(self._bucket.read(shard) or b""))

    def drop(self, shard: str) -> None:
        """Delete a shard."""
        self._bucket.delete([shard])

    def settle(self, verdict: dict[str, Any]) -> dict[str, Any]:
        """The verdict that binds: this one, or one that another process put here before."""
        if self._bucket.create(_SETTLED, json.dumps(verdict).encode()):
            return verdict
        before: dict[str, Any] = json.loads(self._bucket.read(_SETTLED) or b"null")
        return before

    def flush(self) -> None:
        """Nothing: an object that is there is durable."""

    def sweep(self, folders: Iterable[str]) -> None:
        """Remove what killed writers of this host left on their way to a bucket."""
        sweep(Path(tempfile.gettempdir()), names=_SPOOL)


class ObjectWriter:
    """A `ShardWriter` whose shard goes to a bucket; until it is whole it lies in the folder for temporary files."""

    def __init__(self, bucket: Bucket, name: str, form: Form) -> None:
        self._bucket, self._name = bucket, name
        if form.nbytes > _ONE_PUT:
            raise StoreError(
                f"a shard of {form.nbytes / 1e9:.1f} GB cannot be written to {bucket} at once: let the card's "
                "samples.unit be smaller"
            )
        self._folder = partial_name(Path(tempfile.gettempdir()) / _SPOOL)
        self._folder.mkdir()
        self._file = self._folder / "shard"
        self._writer = ShardWriter(self._file, form)

    def put(self, sample: int, frame: int, values: Array) -> None:
        """Write one frame; `values` must already have the store's dtype and be contiguous."""
        self._writer.put(sample, frame, values)

    def commit(self) -> int:
        """Make the shard appear; its CRC-32C. One that a writer left that died before its commit is replaced."""
        checksum = self._writer.commit()
        if not self._bucket.create(self._name, self._file):
            self._bucket.put(self._name, self._file)
        self.abort()
        return checksum

    def abort(self) -> None:
        """Leave nothing behind on this host."""
        self._writer.abort()
        self._file.unlink(missing_ok=True)
        if self._folder.exists():
            self._folder.rmdir()

    def __enter__(self) -> ObjectWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.abort()


class ObjectFrames:
    """The frames of a shard in a bucket, `(sample, frame, *space)`: asked for by range when they are indexed."""

    def __init__(self, bucket: Bucket, name: str, form: Form) -> None:
        self._bucket, self._name, self._form = bucket, name, form

    def __getitem__(self, place: tuple[int, int | slice]) -> Array:
        row, frames = place
        if not isinstance(frames, slice):
            return np.asarray(self._read(row, frames, frames + 1)[0])
        start, stop, step = frames.indices(self._form.frames)
        return self._read(row, start, max(start, stop))[::step]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        raw = self._bucket.read_range(self._name, 0, self._form.data_bytes)
        return np.frombuffer(raw, self._form.dtype).reshape(self._form.shape)

    def _read(self, row: int, start: int, stop: int) -> Array:
        form = self._form
        if start == stop:
            return np.empty((0, *form.space), form.dtype)
        first = (row * form.frames + start) * form.frame_bytes
        raw = self._bucket.read_range(self._name, first, (stop - start) * form.frame_bytes)
        return np.frombuffer(raw, form.dtype).reshape(stop - start, *form.space)
