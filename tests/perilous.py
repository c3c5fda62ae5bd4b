"""Problems that are dangerous to solve, cards of them, and processes to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml
from ranks import MPI
from specs import tiny_spec

from pdebench.solvers.spectral.navier_stokes import NavierStokes2D

HERE = Path(__file__).parent
MARK = "PDEBENCH_TEST_CAMPAIGN"


class Poisoned(NavierStokes2D):
    """A member whose first random byte is in `kills` takes its process with it; one in `stops` lets it hang."""

    kills: tuple[int, ...] = ()
    stops: tuple[int, ...] = ()

    def initial(self, grid, params, rng):
        byte = rng.bytes(1)[0]
        if byte in self.kills and MARK in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
        if byte in self.stops and MARK in os.environ:
            os.kill(os.getpid(), signal.SIGSTOP)
        return super().initial(grid, params, rng)


class Broken(NavierStokes2D):
    """A member whose first random byte is in `wrong` meets an error in the program."""

    wrong: tuple[int, ...] = ()

    def initial(self, grid, params, rng):
        if rng.bytes(1)[0] in self.wrong and MARK in os.environ:
            raise RuntimeError("a slip in the program")
        return super().initial(grid, params, rng)


def by_rows(*, pause=0.0, ranks=2, count=12, **changes):
    """A dataset that two ranks solve together, asleep for `pause` seconds in each frame."""
    own = {
        "problem": {"name": f"{HERE}/mpi/decomposed.py:Heat"},
        "solver": {"name": f"{HERE}/mpi/decomposed.py:ByRows", "pause": pause},
        "parameters": {"diffusivity": {"uniform": [0.1, 0.2]}},
        "samples__count": count,
        "samples__unit": 1,
        "splits": {"train": [0, count]},
        "ranks": ranks,
    }
    return tiny_spec(**(own | changes))


def card_file(folder, spec):
    """The card of a dataset as a file."""
    path = Path(folder) / "card.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    return path


def start(mark, *words, ranks=1):
    """`pdebench WORDS`, marked so that all its descendants are found."""
    own = os.environ | MPI | {MARK: mark, "PYTHONPATH": str(HERE)}
    before = ["mpiexec", "-n", str(ranks)] if ranks > 1 else []
    command = [*before, sys.executable, "-m", "pdebench", *map(str, words)]
    return subprocess.Popen(command, env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def pdebench(mark, *words, ranks=1, timeout=100):
    """Status, output and errors of a whole run."""
    run = start(mark, *words, ranks=ranks)
    out, err = run.communicate(timeout=timeout)
    return run.returncode, out, err


def living(mark):
    """Ids and commands of the marked processes that have not ended."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return {pid: command for pid, command in found.items() if command}


def wait_for_none(mark, patience=60.0):
    """Marked processes that are still there after a while."""
    end = time.monotonic() + patience
    while (left := living(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    return left
