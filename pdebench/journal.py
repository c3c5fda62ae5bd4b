"""Which units of a store are committed, and what each cost. Survives kill -9; many writers, no server.

A unit commits by the atomic appearance of `<unit>.json`. `fold` gathers those into one `folded.jsonl`, so that a
finished store has few files.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import StoreError
from .shard import partial_name, sync_folder

log = logging.getLogger(__name__)

Entry = dict[str, Any]
Stamp = tuple[int, int, int]


class Journal:
    """The folder of commits of one store. Reads each file once, until it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folded = folder / "folded.jsonl"
        self._read: dict[Path, tuple[Stamp, list[Entry]]] = {}

    def commit(self, unit: int, entry: Entry) -> None:
        """From here on the unit counts; `entry` must be JSON."""
        self._replace(self._folder / f"{unit:06d}.json", json.dumps(entry | {"unit": unit}) + "\n")

    def entries(self) -> dict[int, Entry]:
        """Every committed unit and its entry."""
        if not self._folder.is_dir():
            raise StoreError(f"{self._folder} is gone, so nobody knows what is committed: copy the store as a whole")
        # The loose ones first: one that is folded meanwhile is then met in the folded file.
        loose = [entry for path in self.loose() for entry in self._lines(path)]
        return {entry["unit"]: entry for entry in [*self._lines(self._folded), *loose]}

    def loose(self) -> list[Path]:
        """Commits that are not folded yet."""
        return sorted(self._folder.glob("[0-9]*.json"))

    def fold(self) -> dict[int, Entry]:
        """All entries, now in one file. Call it under `lock`."""
        loose = self.loose()
        entries = self.entries()
        if loose:
            self._rewrite(entries)
            for path in loose:
                path.unlink(missing_ok=True)
                self._read.pop(path, None)
        return entries

    def forget(self, units: Iterable[int]) -> None:
        """Take commits back, so that the units are made again. Call it under `lock`."""
        gone = set(units)
        self._rewrite({unit: entry for unit, entry in self.fold().items() if unit not in gone})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time; released by the kernel when its holder dies."""
        with (self._folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise StoreError(
                    f"{self._folder} cannot be locked ({error.strerror}); its file system must support flock "
                    "(Lustre: mount with -o flock). What was committed is safe"
                ) from error
            yield

    def _rewrite(self, entries: dict[int, Entry]) -> None:
        self._replace(self._folded, "".join(json.dumps(entries[unit]) + "\n" for unit in sorted(entries)))

    def _lines(self, path: Path) -> list[Entry]:
        """Entries in a file; none where it is gone. A damaged line counts for nothing, so its unit is made again."""
        try:
            about = path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            if path in self._read and self._read[path][0] == stamp:
                return self._read[path][1]
            text = path.read_text(errors="replace")
        except FileNotFoundError:
            return []
        entries = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                entry: Entry = json.loads(line)
                entry["unit"]
            except (ValueError, KeyError, TypeError):
                log.warning("line %d of %s is damaged: `pdebench generate` makes its unit again", number, path)
                continue
            entries.append(entry)
        self._read[path] = stamp, entries
        return entries

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        partial = partial_name(path)
        try:
            with partial.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise StoreError(f"cannot write {path}: {error.strerror}; make room and repeat the command") from error
