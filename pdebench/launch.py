"""How solvers are started and ended as processes of their own, on this host, alone or as ranks under mpiexec."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import PdebenchError
from .shard import partial_name, sweep

# What mpiexec and srun tell a process of itself; a child that heard it would take itself for its parent's rank.
LAUNCHERS = ("OMPI_COMM_WORLD_", "OMPI_UNIVERSE_", "OMPI_MCA_ess", "OMPI_MCA_orte_", "PMI_", "PMIX_")
# More ranks than cores must yield when they wait: a solve of 8 ms took 1.9 s without.
QUIET = {"OMPI_MCA_mpi_yield_when_idle": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Where Open MPI keeps files that are left behind when it is killed.
FOLDERS = ("OMPI_MCA_orte_tmpdir_base", "OMPI_MCA_btl_vader_backing_directory")


def start(*words: str, ranks: int = 1, scratch: str | None = None) -> subprocess.Popen[bytes]:
    """`python -m WORDS` in a session of its own, on `ranks` ranks; MPI's files go to `scratch`."""
    command = [sys.executable, "-m", *words]
    if ranks > 1:
        command = ["mpiexec", "-n", str(ranks), *command]
    own = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)}
    if scratch is not None:
        own |= dict.fromkeys(FOLDERS, scratch)
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, env=QUIET | own, start_new_session=True)
    except OSError as error:
        raise PdebenchError(f"cannot start {command[0]}: {error.strerror}") from error


def signal_all(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to everything that `start` began, also to ranks whose mpiexec has gone."""
    for pid in in_session(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def in_session(leader: int) -> list[int]:
    """Ids of the processes of a session. Open MPI gives each rank a process group, but no session, of its own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            said = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(said[3]) == leader and said[0] != "Z":
                found.append(int(entry.name))
    return found


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder for what Dask and MPI leave behind when they are killed; those of dead owners are removed."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    sweep(base, names="pdebench")
    folder = partial_name(base / "pdebench")
    folder.mkdir()
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def die_with_parent() -> None:
    """On Linux: when the thread that started this process ends, so does it (PR_SET_PDEATHSIG is 1).

    By SIGKILL: one that hangs hears nothing else, and what a killed one leaves behind the next run sweeps, as after
    any death. Whoever ends in good order asks its processes to go first, and waits for them.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
