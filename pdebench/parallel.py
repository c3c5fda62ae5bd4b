"""The little of MPI that the rest may know. Importing this does not start MPI."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, Protocol, cast

from .errors import PdebenchError


class Comm(Protocol):
    """What `mpi4py.MPI.Intracomm` and `Serial` share."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    def Barrier(self) -> None: ...
    def bcast(self, obj: Any, root: int = 0) -> Any: ...
    def gather(self, sendobj: Any, root: int = 0) -> list[Any] | None: ...
    def allgather(self, sendobj: Any) -> list[Any]: ...
    def Split(self, color: int = 0, key: int = 0) -> Comm: ...
    def Abort(self, errorcode: int = 1) -> NoReturn: ...


class Serial:
    """One process: the communicator of everyone who did not ask for MPI."""

    rank, size = 0, 1

    def Barrier(self) -> None:
        pass

    def bcast(self, obj: Any, root: int = 0) -> Any:
        return obj

    def gather(self, sendobj: Any, root: int = 0) -> list[Any] | None:
        return [sendobj]

    def allgather(self, sendobj: Any) -> list[Any]:
        return [sendobj]

    def Split(self, color: int = 0, key: int = 0) -> Comm:
        return self

    def Abort(self, errorcode: int = 1) -> NoReturn:
        sys.exit(errorcode)


# What Open MPI, MPICH/Hydra and Slurm's PMI set in each process they launch.
_LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")


def launched() -> bool:
    """Whether mpiexec, srun or the like started this process."""
    return any(name in os.environ for name in _LAUNCHED)


def world() -> Comm:
    """`COMM_WORLD` under a launcher, else `Serial`; starts MPI, so call it in a command only."""
    if not launched():
        return Serial()
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise PdebenchError(
            "started by an MPI launcher, but mpi4py is missing: pip install 'pdebench-foundry[mpi]'"
        ) from error
    return cast(Comm, MPI.COMM_WORLD)


def together(comm: Comm, action: Callable[[], None]) -> None:
    """Run `action` on every rank; an error on one of them is raised on all, so that none waits for ever."""
    problem: PdebenchError | None = None
    try:
        action()
    except PdebenchError as error:
        problem = error
    found = [error for error in comm.allgather(problem) if error is not None]
    if found:
        raise found[0]
