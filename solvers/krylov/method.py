"""The contract of a way to solve systems, and the table of those that are known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pdebench.arrays import Array
from pdebench.registry import Registry

from .system import System


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method says it found; `SolverSequence` believes only the residual that it computes itself."""

    x: Array  # (n,), this rank's rows
    iterations: int = 0  # applications of the preconditioner, or 0 for a direct solve
    space: int = 0  # vectors recycled from earlier systems that this solve used
    reason: str = ""  # why the method gave up; empty where it did not


class Method(Protocol):
    """One way to solve. The object lives for one sequence and may learn along it.

    `prepare` is called before the first `solve` and again for each *new* matrix only, so a factorisation in it is
    made once for many right-hand sides; where the pattern is the same, what depends on the pattern may be kept.
    A singular system (`nullspace == "constant"`) is solved with `system.consistent_rhs`; the caller removes x's mean.
    """

    @property
    def name(self) -> str:
        """Method and preconditioner, for records: `gmres(30)+ilu(0)`."""
        ...

    @property
    def direct(self) -> bool:
        """Whether a guess is of no use."""
        ...

    def eligible(self, system: System) -> str:
        """Empty, or why the method cannot take this system; on every rank the same."""
        ...

    def prepare(self, system: System) -> None:
        """Set up for a new matrix; a `SolverError` says why that failed, on every rank."""
        ...

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        """An x with ‖b − A x‖ ≤ `rtol` ‖b‖, b = `system.consistent_rhs`; `guess` (None: zero) is not overwritten.

        Failure to converge is an answer with a reason, not an exception.
        """
        ...


methods: Registry[Callable[..., Method]] = Registry("method")
"""Factories by name; their keywords are the method's options: `methods["gmres"](restart=40, pc="ilu")`."""
