"""A topic of `ci/bench.sh`: rows of figures, each a table that is printed and, if asked for, put into a page."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import timing


@dataclass(frozen=True, slots=True)
class Row:
    """Where a figure is made: `table(*given, quick)` of a module, on so many cores; `given(quick)` by the topic."""

    module: str
    cores: int = 1
    given: Callable[[bool], tuple[Any, ...]] = lambda quick: ()


def run(
    topic: str, about: str | None, rows: Mapping[str, Row], page: Path, versions: Callable[[], str], *, draft: str
) -> None:
    """The command of a topic. `draft` says what --quick leaves out; `versions` what the figures depend on."""
    parser = argparse.ArgumentParser(prog=f"ci/bench.sh {topic}", description=about)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which figures, of {' '.join(rows)}; all by default")
    parser.add_argument("--quick", action="store_true", help=f"{draft}: a draft")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {page}")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in rows]:
        parser.error(f"no row {unknown[0]!r}; known: {' '.join(rows)}")
    for name in options.rows or rows:
        if len(options.rows) == 1:
            row = rows[name]
            timing.pin(row.cores)
            table = import_module(f"{topic}.{row.module}").table(*row.given(options.quick), options.quick)
            text = f"{table.markdown()}\n{timing.machine()}; {versions()}{'; --quick' if options.quick else ''}.\n"
            print(text, flush=True)
            if options.write:
                _write(page, name, text)
        else:  # a process each: no row finds another's caches, and thread pools are as wide as the cores they first saw
            how = [flag for flag in sys.argv[1:] if flag.startswith("-")]
            subprocess.run([sys.executable, "-m", topic, name, *how], check=False)


def installed(names: Iterable[str]) -> str:
    """The versions of some distributions, those that are not there among them."""
    return ", ".join(_installed(name) for name in names)


def _installed(name: str) -> str:
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"no {name}"


def _write(path: Path, name: str, text: str) -> None:
    """Replace what stands between the two marks of a figure."""
    page = path.read_text()
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{start}{text}{end}{after}")
