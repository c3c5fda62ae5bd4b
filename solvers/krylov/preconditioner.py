"""What a Krylov method divides by: the contract, the table of names, and those that NumPy alone can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from pdebench.arrays import Array
from pdebench.registry import Registry

from .system import System


class Preconditioner(Protocol):
    """An approximate inverse of A; may vary from one application to the next."""

    @property
    def name(self) -> str: ...

    def eligible(self, system: System) -> str:
        """Empty, or why it cannot serve this system; on every rank the same."""
        ...

    def prepare(self, system: System) -> None:
        """Called for each new matrix only."""
        ...

    def apply(self, residual: Array, out: Array) -> None:
        """`out` ≈ A⁻¹ `residual`, `(n,)`, this rank's rows; overwrites `out` alone."""
        ...


preconditioners: Registry[Callable[..., Preconditioner]] = Registry("preconditioner")
"""Factories by name; their keywords are options: `preconditioners["ilu"](level=1)`."""


def preconditioner(pc: Preconditioner | str, options: dict[str, Any]) -> Preconditioner:
    """The preconditioner itself, or the one of that name."""
    return preconditioners[pc](**options) if isinstance(pc, str) else pc


@preconditioners("identity")
class Identity:
    """No preconditioner, without PETSc."""

    name = "none"

    def eligible(self, system: System) -> str:
        return ""

    def prepare(self, system: System) -> None:
        pass

    def apply(self, residual: Array, out: Array) -> None:
        out[:] = residual


@preconditioners("diagonal")
class Diagonal:
    """A's diagonal, without PETSc; where it is zero, one."""

    name = "diagonal"

    def eligible(self, system: System) -> str:
        return ""

    def prepare(self, system: System) -> None:
        self._inverse = 1 / np.where(system.diagonal == 0, 1.0, system.diagonal)

    def apply(self, residual: Array, out: Array) -> None:
        np.multiply(residual, self._inverse, out=out)
