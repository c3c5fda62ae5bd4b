"""A store's objects under a URL: S3 and its like to write and read, HTTP to read. By obstore, which must be installed.

An object appears whole or not at all. What commits something is created conditionally (`If-None-Match: *`), so that
of two writers one is told that it came second.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .arrays import Array
from .errors import StoreError
from .shard import ShardWriter, partial_name, shard_bytes, sweep

_URL = re.compile(r"^([a-z][a-z0-9+.-]+):/+(.+)$")  # one slash too, as `Path` makes it of two
_ONE_PUT = 5 * 10**9  # bytes that S3 takes in one request; more parts cannot be created conditionally everywhere
RETRIES: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}
_SPOOL = "pdebench-upload"


def located(path: str | Path) -> Path | Bucket:
    """A folder, or what a URL leads to."""
    found = _URL.match(str(path))
    return Bucket(f"{found[1]}://{found[2]}") if found and found[1] != "file" else Path(path)


class Bucket:
    """The objects below one URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.listable = not url.startswith(("http://", "https://"))
        self._store: Any = None

    def __str__(self) -> str:
        return self.url

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_store": None}  # a client does not travel

    @property
    def client(self) -> Any:
        """obstore's; made when it is first wanted."""
        if self._store is None:
            try:
                import obstore.store
            except ImportError as error:
                raise StoreError(f"{self.url} needs obstore: pip install 'pdebench-foundry[object]'") from error
            endpoint = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", self.url))
            try:
                made: Any = obstore.store.from_url  # its types know no plain dictionaries
                self._store = made(
                    self.url,
                    client_options={"allow_http": endpoint.startswith("http:"), "timeout": "300s"},
                    retry_config=RETRIES,
                )
            except Exception as error:
                raise StoreError(f"{self.url} is no place for a store: {_first_line(error)}") from error
        return self._store

    def zarr(self, *, read_only: bool) -> Any:
        """What zarr and xarray open."""
        from zarr.storage import ObjectStore

        return ObjectStore(self.client, read_only=read_only)

    def read(self, name: str) -> bytes | None:
        """A whole object; None where there is none."""
        return self._asked("get", name, lambda: bytes(self.client_call("get", name).bytes()))  # type: ignore[no-any-return]

    def read_range(self, name: str, start: int, length: int) -> bytes:
        """Bytes `start … start + length` of an object."""
        found = self._asked("get", name, lambda: bytes(self.client_call("get_range", name, start=start, length=length)))
        if found is None:
            raise StoreError(f"{self.url}/{name} is gone; `pdebench check --repair` sets it right")
        return found  # type: ignore[no-any-return]

    def size(self, name: str) -> int | None:
        """Bytes of an object; None where there is none."""
        return self._asked("head", name, lambda: int(self.client_call("head", name)["size"]))  # type: ignore[no-any-return]

    def create(self, name: str, content: bytes | Path) -> bool:
        """Make an object appear unless one is there: whether this call did it."""
        import obstore.exceptions

        try:
            with self._clear(name, missing="its bucket is gone"):
                self.client_call("put", name, content, mode="create", use_multipart=False)
        except obstore.exceptions.AlreadyExistsError:
            return False
        return True

    def put(self, name: str, content: bytes | Path) -> None:
        """Make an object appear, or take the place of another."""
        with self._clear(name, missing="its bucket is gone"):
            self.client_call("put", name, content, use_multipart=False)

    def names(self, prefix: str) -> list[str]:
        """Objects whose names begin with `prefix/`, sorted."""
        with self._clear(prefix, missing="its bucket is gone"):
            return sorted(entry["path"] for page in self.client_call("list", prefix) for entry in page)

    def delete(self, names: list[str]) -> None:
        if names:
            with self._clear(names[0], missing="its bucket is gone"):
                self.client_call("delete", names)

    def client_call(self, verb: str, *args: Any, **more: Any) -> Any:
        import obstore

        return getattr(obstore, verb)(self.client, *args, **more)

    def _asked(self, verb: str, name: str, call: Any) -> Any:
        try:
            with self._clear(name):
                return call()
        except FileNotFoundError:
            return None

    @contextmanager
    def _clear(self, name: str, missing: str | None = None) -> Iterator[None]:
        """Errors of the service in words; what is not there stays a FileNotFoundError unless `missing` says more."""
        import obstore.exceptions as failures

        try:
            yield
        except failures.AlreadyExistsError:
            raise
        except FileNotFoundError as error:
            if missing:
                raise StoreError(f"{self.url}/{name}: {missing}; what was committed elsewhere is safe") from error
            raise
        except (failures.PermissionDeniedError, failures.UnauthenticatedError) as error:
            raise StoreError(
                f"{self.url}/{name}: access refused; check the credentials (for S3: AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL) and the bucket's policy"
            ) from error
        except failures.BaseError as error:
            if "NoSuchBucket" in str(error):
                raise StoreError(f"{self.url}/{name}: its bucket is gone") from error
            raise StoreError(
                f"{self.url}/{name}: {_first_line(error)}; what was committed is safe, repeat the command to go on"
            ) from error


class ObjectShardWriter:
    """A `ShardWriter` whose shard goes to a bucket; until it is whole it lies in the folder for temporary files."""

    def __init__(self, bucket: Bucket, name: str, *, slots: int, samples: int, frames: int, frame_bytes: int) -> None:
        self._bucket, self._name = bucket, name
        if (size := shard_bytes(slots, samples, frames, frame_bytes)) > _ONE_PUT:
            raise StoreError(
                f"a shard of {size / 1e9:.1f} GB cannot be written to {bucket} at once: let the card's samples.unit be "
                "smaller"
            )
        self._folder = partial_name(Path(tempfile.gettempdir()) / _SPOOL)
        self._folder.mkdir()
        self._file = self._folder / "shard"
        self._writer = ShardWriter(self._file, slots=slots, samples=samples, frames=frames, frame_bytes=frame_bytes)

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

    def __enter__(self) -> ObjectShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.abort()


class ObjectShard:
    """The frames of a shard in a bucket, `(sample, frame, *space)`: asked for by range when they are indexed."""

    def __init__(self, bucket: Bucket, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._bucket, self._name, self._shape, self._dtype = bucket, name, shape, np.dtype(dtype)
        self._frame_bytes = int(np.prod(shape[2:])) * self._dtype.itemsize

    def __getitem__(self, place: tuple[int, int | slice]) -> Array:
        row, frames = place
        if not isinstance(frames, slice):
            return np.asarray(self._frames(row, frames, frames + 1)[0])
        start, stop, step = frames.indices(self._shape[1])
        return self._frames(row, start, max(start, stop))[::step]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        samples, frames = self._shape[:2]
        raw = self._bucket.read_range(self._name, 0, samples * frames * self._frame_bytes)
        return np.frombuffer(raw, self._dtype).reshape(self._shape)

    def _frames(self, row: int, start: int, stop: int) -> Array:
        if start == stop:
            return np.empty((0, *self._shape[2:]), self._dtype)
        first = (row * self._shape[1] + start) * self._frame_bytes
        raw = self._bucket.read_range(self._name, first, (stop - start) * self._frame_bytes)
        return np.frombuffer(raw, self._dtype).reshape(stop - start, *self._shape[2:])


def sweep_spool() -> None:
    """Remove what killed writers of this host left on their way to a bucket."""
    sweep(Path(tempfile.gettempdir()), names=_SPOOL)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
