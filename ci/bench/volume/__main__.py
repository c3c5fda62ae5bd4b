"""`ci/bench.sh volume`: finite volumes against PyClaw, JAX and the machine, as Markdown tables."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import timing

ROWS = ("dam", "gas", "scalar", "large", "roofline", "growth")
PAGE = Path("docs/finite_volume.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="ci/bench.sh volume", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which figures, of {' '.join(ROWS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="few rounds: a draft")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; known: {' '.join(ROWS)}")
    for name in options.rows or ROWS:
        if len(options.rows) == 1:
            timing.pin(1)
            table = import_module(f"volume.{name}").table(options.quick)
            text = f"{table.markdown()}\n{timing.machine()}; {versions()}{'; --quick' if options.quick else ''}.\n"
            print(text, flush=True)
            if options.write:
                write(name, text)
        else:  # a process each, so that no row finds the caches of another
            how = [flag for flag in sys.argv[1:] if flag.startswith("-")]
            subprocess.run([sys.executable, "-m", "volume", name, *how], check=False)


def versions() -> str:
    found = []
    for name in ("clawpack", "jax", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def write(name: str, text: str) -> None:
    """Replace what stands between the two marks of this figure."""
    page = PAGE.read_text()
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, _, rest = page.partition(start)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{start}{text}{end}{after}")


if __name__ == "__main__":
    main()
