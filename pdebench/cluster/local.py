"""Workers on this host: processes of our own, each a core or an MPI group under mpiexec."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Scheduler, SpecCluster
from distributed.deploy.spec import ProcessInterface

from ..errors import PdebenchError
from ..shard import partial_name, sweep

# What mpiexec and srun tell the driver of itself; a worker that heard it would take itself for the driver's rank.
LAUNCHERS = ("OMPI_COMM_WORLD_", "OMPI_UNIVERSE_", "OMPI_MCA_ess", "OMPI_MCA_orte_", "PMI_", "PMIX_")
# More ranks than cores must yield when they wait: a solve of 8 ms took 1.9 s without.
QUIET = {"OMPI_MCA_mpi_yield_when_idle": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class LocalGroup(ProcessInterface):
    """One worker as a process, or `ranks` processes under mpiexec, in a session of its own."""

    def __init__(self, scheduler: str, *, name: str | int, ranks: int, scratch: str) -> None:
        super().__init__(scheduler=scheduler, name=name)  # type: ignore[no-untyped-call]  # Dask is not typed
        own = {"--name": str(name), "--ranks": str(ranks), "--local-directory": scratch, "--death-timeout": "10"}
        command = [
            sys.executable,
            "-m",
            "pdebench.cluster",
            scheduler,
            *(word for pair in own.items() for word in pair),
        ]
        self._scratch = scratch
        self._command = ["mpiexec", "-n", str(ranks), *command] if ranks > 1 else command
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        own = {key: value for key, value in os.environ.items() if not key.startswith(LAUNCHERS)}
        # What Open MPI would leave all over the place when it is killed
        own |= dict.fromkeys(("OMPI_MCA_orte_tmpdir_base", "OMPI_MCA_btl_vader_backing_directory"), self._scratch)
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, env=QUIET | own, start_new_session=True
            )
        except OSError as error:
            raise PdebenchError(f"cannot start {self._command[0]}: {error.strerror}") from error
        await super().start()  # type: ignore[no-untyped-call]  # Dask is not typed

    def dead(self) -> bool:
        """Whether the process has ended."""
        return self._process is not None and self._process.poll() is not None

    async def close(self) -> None:
        """Stop it, in force if it does not listen."""
        process = self._process
        if process is not None:
            for number, patience in ((0, 1.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
                if process.poll() is not None:
                    break
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)  # 0: only wait, as Dask has asked it to go
                for _ in range(round(patience / 0.05)):
                    if process.poll() is not None:
                        break
                    await asyncio.sleep(0.05)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # ranks whose mpiexec has gone
        await super().close()  # type: ignore[no-untyped-call]  # Dask is not typed


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A folder for what Dask and MPI leave behind when they are killed; those of dead drivers are removed."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    sweep(base, names="pdebench")
    folder = partial_name(base / "pdebench")
    folder.mkdir()
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def local_cluster(ranks: int, scratch: str, dashboard: str | None) -> SpecCluster:
    """A scheduler in this process and no workers yet; `scale` starts them."""
    options: dict[str, Any] = {"host": "127.0.0.1", "dashboard": dashboard is not None}
    if dashboard is not None:
        options["dashboard_address"] = dashboard
    return SpecCluster(  # type: ignore[no-untyped-call]  # Dask is not typed
        workers={},
        scheduler={"cls": Scheduler, "options": options},
        worker={"cls": LocalGroup, "options": {"ranks": ranks, "scratch": scratch}},
        name="pdebench",
    )


def lost_locally(cluster: SpecCluster) -> set[Any]:
    """Names of workers whose process has ended."""
    return {name for name, worker in dict(cluster.workers).items() if worker.dead()}
