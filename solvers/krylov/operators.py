"""A and its preconditioner as GCRO-DR sees them: from one row of a block of vectors to one of another."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm

from .petsc import petsc
from .preconditioner import Preconditioner
from .reduce import without_mean
from .system import System


class Operators(Protocol):
    """Vectors are handed over as handles: made once per block, so that an iteration makes none."""

    comm: Comm

    def handles(self, block: Array) -> list[Any]:
        """One for each row of `(rows, n)`, which stays where it is."""
        ...

    def product(self, x: Any, out: Any) -> None:
        """out = A x."""
        ...

    def precondition(self, r: Any, out: Any) -> None:
        """out ≈ A⁻¹ r."""
        ...

    def weights(self) -> Array:
        """|diag A|, positive, `(n,)`: the scale of each row."""
        ...


class ArrayOperators:
    """For systems and preconditioners that work on arrays; the handles are the rows themselves."""

    def __init__(self, system: System, pc: Preconditioner) -> None:
        self.comm, self._system, self._pc = system.comm, system, pc

    def handles(self, block: Array) -> list[Array]:
        return list(block)

    def product(self, x: Array, out: Array) -> None:
        out[:] = self._system.apply(x)

    def precondition(self, r: Array, out: Array) -> None:
        self._pc.apply(r, out)
        if self._system.nullspace == "constant":
            out[:] = without_mean(self.comm, out)

    def weights(self) -> Array:
        return positive(self._system.diagonal)


class PetscOperators:
    """For a Mat and a PC; the handles are Vecs that share the rows' memory."""

    def __init__(self, mat: Any, pc: Any, comm: Comm, pmat: Any = None) -> None:
        self.comm, self._mat, self._pc, self._pmat = comm, mat, pc, mat if pmat is None else pmat
        null = mat.getNullSpace()
        self._null = null if null.handle else None

    def handles(self, block: Array) -> list[Any]:
        vec, comm = petsc().Vec, self._mat.getComm()
        return [vec().createWithArray(row, comm=comm) for row in block]

    def product(self, x: Any, out: Any) -> None:
        x.stateIncrease()  # its values may have changed behind PETSc's back
        self._mat.mult(x, out)

    def precondition(self, r: Any, out: Any) -> None:
        r.stateIncrease()
        self._pc.apply(r, out)
        if self._null is not None:
            self._null.remove(out)

    def weights(self) -> Array:
        try:
            return positive(np.array(self._pmat.getDiagonal().getArray()))
        except petsc().Error:  # a matrix that is only a product: the plain harmonic Ritz vectors
            return np.ones(self._mat.getLocalSize()[0])


def positive(diagonal: Array) -> Array:
    """Its absolute values, ones where it is zero or not a number."""
    size = np.abs(diagonal)
    return np.where((size > 0) & np.isfinite(size), size, 1.0)
