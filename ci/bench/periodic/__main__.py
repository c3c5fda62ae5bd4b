"""`ci/bench.sh periodic`: the figures that the lane kernels must reach, against their rivals, as Markdown tables."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path

import timing

# row -> (module, cores, seconds per comparison, with --quick)
ROWS = {
    "rhs": ("right_hand_side", 1, 6.0, 1.5),
    "accuracy": ("accuracy", 1, 20.0, 5.0),
    "lines": ("lines", 1, 4.0, 1.0),
    "box": ("box", 1, 20.0, 5.0),
    "parallel": ("parallel", 2, 20.0, 5.0),
    "whole": ("whole", 1, 20.0, 5.0),
    "memory": ("memory", 1, 0.0, 0.0),
    "growth": ("growth", 1, 0.6, 0.15),
    "taylor_green": ("taylor_green", 1, 0.0, 0.0),
}
PAGE = Path("docs/performance.md")
RIVALS = ("exponax", "jax", "jax-cfd", "torch", "pyFFTW", "mpi4py-fft", "dedalus", "numpy")


def main() -> None:
    parser = argparse.ArgumentParser(prog="ci/bench.sh periodic", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which figures, of {' '.join(ROWS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="fewer cases, shorter runs: a draft")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE}")
    options = parser.parse_args()
    if unknown := [name for name in options.rows if name not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; known: {' '.join(ROWS)}")
    for name in options.rows or ROWS:
        module, cores, long, short = ROWS[name]
        if len(options.rows) == 1:
            timing.pin(cores)
            table = import_module(f"periodic.{module}").table(short if options.quick else long, options.quick)
            text = f"{table.markdown()}\n{timing.machine()}; {versions()}{'; --quick' if options.quick else ''}.\n"
            print(text, flush=True)
            if options.write:
                write(name, text)
        else:  # a process each: thread pools are as wide as the cores that they first saw
            how = [flag for flag in sys.argv[1:] if flag.startswith("-")]
            subprocess.run([sys.executable, "-m", "periodic", name, *how], check=False)


def versions() -> str:
    found = []
    for name in RIVALS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
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
