"""The journal of a store in a bucket: one small object per unit, created once, and a folded copy for quick reading.

Without locks: the small objects stay, and are the truth wherever they can be listed; over HTTP the copy is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from .bucket import Bucket
from .errors import StoreError
from .journal import Entry

log = logging.getLogger(__name__)

FOLDED = "journal/folded.jsonl"
READERS = 16


class BucketJournal:
    """What `Journal` is to a folder."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._known: dict[str, Entry] = {}
        self._folded = False

    def commit(self, unit: int, entry: Entry) -> None:
        """From here on the unit counts; of two writers of one unit the first does, and both are content."""
        name = _name(unit)
        if not self._bucket.create(name, (json.dumps(entry | {"unit": unit}) + "\n").encode()):
            log.info("unit %d was committed by another writer", unit)

    def entries(self) -> dict[int, Entry]:
        """Every committed unit and its entry."""
        if not self._bucket.listable:
            return {entry["unit"]: entry for entry in self._read_folded()}
        names = self.loose()
        if not self._folded and len(names) > READERS:
            self._known |= {_name(entry["unit"]): entry for entry in self._read_folded()}
            self._folded = True
        new = [name for name in names if name not in self._known]
        if new:
            with ThreadPoolExecutor(READERS) as pool:
                found = zip(new, pool.map(self._bucket.read, new), strict=True)
                self._known |= {name: entry for name, raw in found for entry in _parsed(raw, name)}
        return {self._known[name]["unit"]: self._known[name] for name in names if name in self._known}

    def loose(self) -> list[str]:
        """Names of commits."""
        if not self._bucket.listable:
            return []
        return [name for name in self._bucket.names("journal") if name.endswith(".json")]

    def fold(self) -> dict[int, Entry]:
        """All entries; the copy brought up to date."""
        entries = self.entries()
        self._bucket.put(FOLDED, "".join(json.dumps(entries[unit]) + "\n" for unit in sorted(entries)).encode())
        return entries

    def forget(self, units: Iterable[int]) -> None:
        """Take commits back, so that the units are made again."""
        names = [_name(unit) for unit in units]
        self._bucket.delete([name for name in names if name in self.loose()])
        for name in names:
            self._known.pop(name, None)
        self.fold()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nothing: commits need none, and the rest may be written twice."""
        if not self._bucket.listable:
            raise StoreError(f"{self._bucket} can only be read over HTTP")
        yield

    def _read_folded(self) -> list[Entry]:
        return _parsed(self._bucket.read(FOLDED), FOLDED)


def _name(unit: int) -> str:
    return f"journal/{unit:06d}.json"


def _parsed(raw: bytes | None, name: str) -> list[Entry]:
    """The entries in an object; a damaged line counts for nothing, so its unit is made again."""
    found = []
    for line in (raw or b"").decode(errors="replace").splitlines():
        try:
            entry: Entry = json.loads(line)
            entry["unit"]
        except (ValueError, KeyError, TypeError):
            log.warning("a line of %s is damaged: `pdebench generate` makes its unit again", name)
            continue
        found.append(entry)
    return found
