"""One candidate tried on the first systems of a sequence, with an eye on what it may cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError

from .candidates import Candidate
from .method import Answer, Method
from .sequence import Clock, Solve, SolverSequence
from .system import System

PROBE = 10  # iterations that tell what one costs
HOPE = 4.0  # times as many iterations as are paid for must be in sight, for a try to be cut short
# What solvers raise when a matrix is not for them; PETSc's own error is a RuntimeError.
FAILURES = (SolverError, RuntimeError, ArithmeticError, np.linalg.LinAlgError, MemoryError)


class Capped:
    """A method that gives up on a system when set-up and iterations would cost more than `allowed` [s].

    The set-up alone may cost `allowed_setup`; it does not count against `allowed` where it may cost more than that.
    A first try of `PROBE` iterations tells the cost of one, and so how many there may be; its time is `probing`,
    to be left out of account. Nothing stops a factorisation or a set-up: they are judged when they are done.
    """

    def __init__(self, method: Method, clock: Clock) -> None:
        self.name, self.direct = method.name, method.direct
        self.allowed = self.allowed_setup = np.inf
        self.probing = 0.0
        self.slow = ""  # why it gave up
        self.steady = False  # whether to give up on what the first iterations promise
        self.inner, self._clock, self._setup = method, clock, 0.0
        self._usual = getattr(method, "limit", 0)

    def eligible(self, system: System) -> str:
        return self.inner.eligible(system)

    def prepare(self, system: System) -> None:
        start = self._clock()
        self.inner.prepare(system)
        self._setup = self._clock() - start
        if self._setup > self.allowed_setup:
            self.slow = f"slower: its set-up alone took {self._setup:.2g} s of {self.allowed_setup:.2g}"
            raise SolverError(self.slow)

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        spent = self._setup if self.allowed_setup <= self.allowed else 0.0
        self._setup = 0.0
        if not self._usual or not np.isfinite(self.allowed):
            return self.inner.solve(system, guess, rtol)
        start = self._clock()
        answer = self._limited(PROBE, system, guess, rtol)
        elapsed = max(self._clock() - start, 1e-9)
        if not answer.reason or answer.iterations < PROBE:
            return answer
        self.probing += elapsed
        most = int((self.allowed - spent) / elapsed * answer.iterations)
        if self.steady and (needed := _extrapolated(system.relative_residual(answer.x), rtol)) > HOPE * most:
            self.slow = f"slower: {most} iterations, worth {self.allowed:.2g} s, and {needed:.3g} are in sight"
            return replace(answer, reason=self.slow)
        if most > PROBE:
            answer = self._limited(min(most, self._usual), system, guess, rtol)
        if not answer.reason or answer.iterations < most:
            return answer
        self.slow = f"slower: {most} iterations, worth {self.allowed:.2g} s, do not suffice"
        return replace(answer, reason=self.slow)

    def _limited(self, limit: int, system: System, guess: Array | None, rtol: float) -> Answer:
        self.inner.limit = limit  # type: ignore[attr-defined]  # those with a limit only come here
        try:
            return self.inner.solve(system, guess, rtol)
        finally:
            self.inner.limit = self._usual  # type: ignore[attr-defined]


def _extrapolated(residual: float, rtol: float) -> float:
    """Iterations to `rtol` if all gain what the first `PROBE` did."""
    return PROBE * float(np.log(rtol) / np.log(residual)) if 0 < residual < 1 else np.inf


class Trial:
    """A candidate's sequence over the first systems, and what each cost."""

    def __init__(self, candidate: Candidate, systems: list[System], *, rtol: float, same: bool, clock: Clock) -> None:
        self.candidate = candidate
        self.dropped = ""
        self.solves: list[Solve] = []
        self.solutions: list[Array] = []
        self.seconds: list[float] = []  # of each system, set-up included
        self.spent = 0.0  # seconds, probes and failures included
        self._systems, self._same, self._clock = systems, same, clock
        self.method = Capped(candidate.build(), clock)
        self._sequence = SolverSequence(self.method, guess=0, rtol=rtol, chain=(), comm=systems[0].comm, clock=clock)

    @property
    def alive(self) -> bool:
        return not self.dropped and bool(self.solves)

    @property
    def complete(self) -> bool:
        """Whether it has solved all systems that there are."""
        return len(self.solves) == len(self._systems)

    def step(self, *, allowed: float = np.inf, allowed_setup: float = np.inf) -> None:
        """Solve the next system, or be dropped."""
        self.method.allowed, self.method.allowed_setup, self.method.probing = allowed, allowed_setup, 0.0
        start = self._clock()
        try:
            x, solve = self._sequence.solve(self._systems[len(self.solves)])
        except FAILURES as error:
            self.dropped = self.method.slow or str(error) or type(error).__name__
            return
        finally:
            self.spent += self._clock() - start
        self.solves.append(solve)
        self.solutions.append(x)
        self.seconds.append(solve.setup_seconds + solve.solve_seconds - self.method.probing)

    @property
    def rest(self) -> float:
        """Seconds of a system after the first."""
        if len(self.seconds) > 1:
            return float(np.mean(self.seconds[1:]))
        return self.seconds[0] - (self.solves[0].setup_seconds if self._same else 0.0)

    @property
    def iterations(self) -> float:
        """Iterations per system."""
        return float(np.mean([solve.iterations for solve in self.solves]))

    @property
    def solving(self) -> float:
        """That without the set-up."""
        later = range(1, len(self.seconds)) if len(self.seconds) > 1 else [0]
        return float(np.mean([self.seconds[i] - self.solves[i].setup_seconds for i in later]))

    def row(self) -> dict[str, Any]:
        """The evidence, in JSON values."""
        row: dict[str, Any] = {
            "method": self.method.name,
            "options": self.candidate.options,
            "systems": len(self.solves),
        }
        if self.solves:
            row |= {
                "setup_seconds": float(np.mean([solve.setup_seconds for solve in self.solves])),
                "solve_seconds": float(np.mean(self.seconds) - np.mean([s.setup_seconds for s in self.solves])),
                "iterations": [solve.iterations for solve in self.solves],
            }
        return row | {"dropped": self.dropped}
