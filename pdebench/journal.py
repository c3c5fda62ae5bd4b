"""Which units of a store are committed, and what each cost. Survives kill -9; many writers, no server.

A unit commits by the atomic appearance of `<unit>.json`. `fold` gathers those into one `folded.jsonl`, so that a
finished store has few files.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import StoreError

Entry = dict[str, Any]


class Journal:
    """The folder of commits of one store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folded = folder / "folded.jsonl"

    def commit(self, unit: int, entry: Entry) -> None:
        """From here on the unit counts; `entry` must be JSON."""
        self._replace(self._folder / f"{unit:06d}.json", json.dumps(entry | {"unit": unit}) + "\n")

    def entries(self) -> dict[int, Entry]:
        """Every committed unit and its entry."""
        # The loose ones first: one that is folded meanwhile is then met in the folded file.
        loose = {path.name: self._read(path) for path in self._loose()}
        lines = self._folded.read_text().splitlines() if self._folded.exists() else []
        folded = [self._parse(line, self._folded) for line in lines]
        return {entry["unit"]: entry for entry in [*folded, *filter(None, loose.values())]}

    def fold(self) -> dict[int, Entry]:
        """All entries, now in one file. Call it under `lock`."""
        loose = self._loose()
        entries = self.entries()
        if loose:
            self._rewrite(entries)
            for path in loose:
                path.unlink(missing_ok=True)
        return entries

    def forget(self, units: Iterable[int]) -> None:
        """Take commits back, so that the units are made again. Call it under `lock`."""
        gone = set(units)
        self._rewrite({unit: entry for unit, entry in self.fold().items() if unit not in gone})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time; released by the kernel when its holder dies."""
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _loose(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))

    def _rewrite(self, entries: dict[int, Entry]) -> None:
        self._replace(self._folded, "".join(json.dumps(entries[unit]) + "\n" for unit in sorted(entries)))

    def _read(self, path: Path) -> Entry | None:
        try:
            return self._parse(path.read_text(), path)
        except FileNotFoundError:
            return None

    @staticmethod
    def _parse(text: str, path: Path) -> Entry:
        try:
            entry: Entry = json.loads(text)
            entry["unit"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{path} is damaged: remove it and repeat `pdebench generate`") from error
        return entry

    @staticmethod
    def _replace(path: Path, text: str) -> None:
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
