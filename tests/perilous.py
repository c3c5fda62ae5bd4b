"""Problems that are dangerous to solve, cards of them, and processes to be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml
from specs import tiny_spec

from pdebench.solvers.spectral.navier_stokes import NavierStokes2D

HERE = Path(__file__).parent
MARK = "PDEBENCH_TEST_CAMPAIGN"
MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}


class Poisoned(NavierStokes2D):
    """A member whose first random byte is in `deadly` takes its process with it."""

    deadly: tuple[int, ...] = ()

    def initial(self, grid, params, rng):
        if rng.bytes(1)[0] in self.deadly and MARK in os.environ:
            os.kill(os.getpid(), signal.SIGKILL)
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
    own = os.environ | MPI | {MARK: mark, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
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


def kill_at_random(arguments, mark, *, kills, seed, pause=1.0, limit=300.0):
    """Run `pdebench ARGUMENTS` until it ends well, while `kills` of its processes are killed; whom it hit, by kind."""
    rng, hit, end = np.random.default_rng(seed), {"driver": 0, "mpiexec": 0, "worker": 0}, time.monotonic() + limit
    log = Path(arguments[-1]).with_suffix(".log").open("w")
    own = os.environ | MPI | {MARK: mark, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    while time.monotonic() < end:
        run = subprocess.Popen(
            [sys.executable, "-m", "pdebench", *map(str, arguments)], env=own, stdout=log, stderr=log
        )
        while run.poll() is None and time.monotonic() < end:
            time.sleep(rng.uniform(0.3, 1.7) * pause)
            workers = {pid: command for pid, command in living(mark).items() if "pdebench.cluster" in command}
            at_work = list(Path(arguments[-1]).rglob("*.partial"))
            if sum(hit.values()) >= kills or not (workers and at_work) or run.poll() is not None:
                continue
            victim = run.pid if rng.uniform() < 0.15 else int(rng.choice(sorted(workers)))
            kind = "driver" if victim == run.pid else "mpiexec" if "mpiexec" in workers[victim] else "worker"
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
            hit[kind] += 1
        if run.wait() == 0:
            break
        left = wait_for_none(mark)
        assert not left, f"orphans of a killed driver: {left}"
    else:
        run.kill()
        raise AssertionError(f"not finished after {limit} s and {hit}; see {log.name}")
    return hit
