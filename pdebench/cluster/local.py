"""Workers on this host: processes of our own, each a core or an MPI group under mpiexec."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from typing import Any

from distributed import Scheduler, SpecCluster
from distributed.deploy.spec import ProcessInterface

from ..errors import PdebenchError
from ..launch import signal_all, start
from .orders import Seen


class LocalGroup(ProcessInterface):
    """One worker as a process, or `ranks` processes under mpiexec, in a session of its own."""

    def __init__(self, scheduler: str, *, name: str | int, ranks: int, scratch: str) -> None:
        super().__init__(scheduler=scheduler, name=name)  # type: ignore[no-untyped-call]  # Dask is not typed
        own = {"--name": str(name), "--ranks": str(ranks), "--local-directory": scratch, "--death-timeout": "30"}
        self._words = ["pdebench.cluster", scheduler, *(word for pair in own.items() for word in pair)]
        self._ranks, self._scratch = ranks, scratch
        self._process: subprocess.Popen[bytes] | None = None
        self.failure = ""  # why it could not be started

    async def start(self) -> None:
        try:
            self._process = start(*self._words, ranks=self._ranks, scratch=self._scratch)
        except PdebenchError as error:
            self.failure = str(error)  # Dask would keep it to itself
        await super().start()  # type: ignore[no-untyped-call]  # Dask is not typed

    def dead(self) -> bool:
        """Whether the process has ended, or never was."""
        return bool(self.failure) or (self._process is not None and self._process.poll() is not None)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            signal_all(self._process, signal.SIGKILL)

    async def close(self) -> None:
        """Stop it, in force if it does not listen."""
        if self._process is not None:
            for number, patience in ((0, 1.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
                if self._process.poll() is not None:
                    break
                if number:  # before that only wait, as Dask has asked it to go
                    signal_all(self._process, number)
                for _ in range(round(patience / 0.05)):
                    if self._process.poll() is not None:
                        break
                    await asyncio.sleep(0.05)
            self.kill()  # ranks whose mpiexec has gone
        await super().close()  # type: ignore[no-untyped-call]  # Dask is not typed


def local_cluster(ranks: int, scratch: str, dashboard: str | None) -> SpecCluster:
    """A scheduler in this process and no workers yet; `scale` starts them."""
    if ranks > 1 and shutil.which("mpiexec") is None:
        raise PdebenchError(f"a card with {ranks} ranks needs mpiexec: install Open MPI or MPICH")
    options: dict[str, Any] = {"host": "127.0.0.1", "dashboard": dashboard is not None}
    if dashboard is not None:
        options["dashboard_address"] = dashboard
    return SpecCluster(  # type: ignore[no-untyped-call]  # Dask is not typed
        workers={},
        scheduler={"cls": Scheduler, "options": options},
        worker={"cls": LocalGroup, "options": {"ranks": ranks, "scratch": scratch}},
        name="pdebench",
    )


def seen_locally(cluster: SpecCluster) -> Seen:
    """Workers whose process has ended."""
    return Seen({name: worker.failure for name, worker in dict(cluster.workers).items() if worker.dead()})


def kill_locally(cluster: SpecCluster, name: str) -> bool:
    """End a worker that hangs."""
    if name in cluster.workers:
        cluster.workers[name].kill()
    return True
