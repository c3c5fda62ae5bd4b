"""One member shared by the ranks of a unit: its rows go out, the solution comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm
from pdebench.solvers.krylov import System


class Shares:
    """Hands out rows; a matrix that stays stays one Mat, so that methods know it again."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._last: tuple[object, System] | None = None

    def __call__(self, system: System) -> System:
        """This rank's rows of a system that every rank has assembled; the system itself on one rank."""
        if self._comm.size == 1:
            return system
        from pdebench.solvers.krylov.petsc import collect_garbage, rows_of, spread

        collect_garbage(self._comm)
        if self._last is None or self._last[0] != system.fingerprint:
            self._last = system.fingerprint, spread(system, self._comm)
        kept = self._last[1]
        return replace(kept, rhs=system.rhs[rows_of(kept.operator)].copy())

    def gathered(self, x: Array) -> Array:
        """The whole solution, on every rank, from this rank's rows."""
        return x if self._comm.size == 1 else np.concatenate(self._comm.allgather(x))
