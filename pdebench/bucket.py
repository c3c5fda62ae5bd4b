"""A store's objects under a URL: S3 and its like to write and read, HTTP to read. By obstore, which must be installed.

An object appears whole or not at all. What commits something is created conditionally (`If-None-Match: *`), so that
of two writers one is told that it came second.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from .errors import StoreError

RETRIES: dict[str, Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}


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


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]
