"""GCRO-DR as a method of a sequence, with any preconditioner of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdebench.arrays import Array

from .gcrodr import Recycler
from .method import Answer, methods
from .operators import ArrayOperators, Operators, PetscOperators
from .petsc import missing
from .preconditioner import Preconditioner, preconditioner
from .reduce import norm
from .system import System


@methods("gcrodr")
class GcroDr:
    """GCRO-DR(m, k); `recycle=False` starts afresh with each system. `options` are the preconditioner's."""

    direct = False

    def __init__(
        self,
        m: int = 40,
        k: int = 20,
        *,
        pc: Preconditioner | str | None = None,
        recycle: bool = True,
        limit: int = 10_000,
        **options: Any,
    ) -> None:
        if pc is None:
            pc = "diagonal" if missing() else "ilu"
        self._pc = preconditioner(pc, options)
        self._recycler = Recycler(m, k, recycle=recycle, limit=limit)
        self.name = f"gcrodr({m}, {k}){'' if recycle else ' afresh'}+{self._pc.name}"

    @property
    def limit(self) -> int:
        """Iterations that one solve may take."""
        return self._recycler.limit

    @limit.setter
    def limit(self, most: int) -> None:
        self._recycler.limit = most

    def eligible(self, system: System) -> str:
        return self._pc.eligible(system)

    def prepare(self, system: System) -> None:
        self._pc.prepare(system)
        self._recycler.attach(_operators(system, self._pc), system.rhs.size)

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        b = system.consistent_rhs
        x = np.zeros_like(b) if guess is None else guess.copy()
        target = rtol * norm(system.comm, b)
        outcome = self._recycler.solve(b, x, lambda _, size: size <= target)
        return Answer(x, outcome.iterations, outcome.recycled, outcome.reason)

    def saved(self) -> dict[str, Array]:
        """The recycled space as arrays, this rank's rows: `numpy.savez(path, **method.saved())`."""
        return self._recycler.saved()

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from a saved space: the same iterations and answers as if there had been no break."""
        self._recycler.restore(saved)


def _operators(system: System, pc: Preconditioner) -> Operators:
    mat, inverse = getattr(pc, "mat", None), getattr(pc, "pc", None)
    if mat is None or inverse is None:
        return ArrayOperators(system, pc)
    return PetscOperators(mat, inverse, system.comm)
