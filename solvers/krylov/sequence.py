"""A sequence of linear systems, solved one after another and accepted on the true residual only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm, Serial

from .guess import History
from .method import Method, methods
from .reduce import norm, without_mean
from .system import System, Watch

Clock = Callable[[], float]  # [s]

log = logging.getLogger(__name__)

EPSILON = float(np.finfo(float).eps)
CLIPPED = 1e-2  # the largest tolerance that is still called one; above it, the matrix is singular for all that is known
POLISHES = 3  # times that a method may go on from an x whose true residual is not yet small enough


@dataclass(frozen=True, slots=True)
class Solve:
    """What a solution cost, and how good it is."""

    method: str  # that was asked for
    iterations: int  # of all methods that had to try
    residual: float  # ‖b − A x‖ / ‖b‖, computed from x
    setup_seconds: float
    solve_seconds: float  # guess included
    space: int = 0  # vectors recycled
    guessed: int = 0  # earlier solutions that the guess was made of
    fallback: str = ""  # the method that took over
    reason: str = ""  # why the one asked for failed
    clipped: float = 0.0  # the tolerance that round-off allows, where the one asked for lies below it


class SolverSequence:
    """Fed systems again and again; gives x and what it cost. The object lives for one sequence.

    `guess`: how many of the last solutions the initial guess is made of; 0 for none. `rtol`: the true relative
    residual ‖b − A x‖ / ‖b‖ that every solution meets. `chain`: the methods that take over, in turn, when `method`
    fails; a solve that none of them can do to `rtol` is given back only if round-off is what stands in the way
    (`Solve.clipped` says so), and is a `SolverError` otherwise. `clock` is what costs are read from.
    """

    def __init__(
        self,
        method: Method | str,
        *,
        guess: int = 6,
        rtol: float = 1e-8,
        chain: Sequence[Method | str] = ("lu",),
        comm: Comm | None = None,
        clock: Clock = perf_counter,
    ) -> None:
        if not 4 * EPSILON <= rtol < 1:
            raise SolverError(f"rtol must lie between round-off, {4 * EPSILON:.1g}, and 1, not {rtol:g}")
        self._candidates = [_Candidate(methods[m]() if isinstance(m, str) else m, clock) for m in (method, *chain)]
        self._history = History(guess)
        self._rtol, self._clock = rtol, clock
        self._comm = comm if comm is not None else Serial()

    @property
    def method(self) -> Method:
        """The method that is asked first."""
        return self._candidates[0].method

    def solve(self, system: System) -> tuple[Array, Solve]:
        """x, `(n,)`, this rank's rows (mean-free where the null space is the constants), and its cost."""
        if system.comm.size != self._comm.size:
            raise SolverError(f"a sequence on {self._comm.size} ranks was fed a system on {system.comm.size}")
        size = norm(self._comm, system.consistent_rhs)
        if not np.isfinite(size):
            raise SolverError("the right-hand side holds NaN or infinity")
        if size == 0:
            return np.zeros_like(system.rhs), Solve(self.method.name, 0, 0.0, 0.0, 0.0)
        start = self._clock()
        guess = None if self.method.direct else self._history.guess(system)
        guessing = self._clock() - start
        tries: list[_Try] = []
        for candidate in self._candidates:
            tries.append(candidate.attempt(system, guess, self._rtol))
            if tries[-1].residual <= self._rtol:
                break
            candidate.failures += 1
            rescued = candidate is not self._candidates[-1]  # else an error tells
            level = logging.WARNING if candidate.failures == 1 and rescued else logging.DEBUG
            log.log(level, "%s failed: %s", candidate.method.name, tries[-1].reason)
        best = min(tries, key=lambda one: one.residual if np.isfinite(one.residual) else np.inf)
        clipped = self._clipped(system, best, tries)
        if not self.method.direct:
            self._history.add(best.x)
        return best.x, Solve(
            method=self.method.name,
            iterations=sum(one.iterations for one in tries),
            residual=best.residual,
            setup_seconds=sum(one.setup_seconds for one in tries),
            solve_seconds=sum(one.solve_seconds for one in tries) + guessing,
            space=best.space,
            guessed=len(self._history) if guess is not None else 0,
            fallback=best.name if best is not tries[0] else "",
            reason=tries[0].reason if best is not tries[0] else "",
            clipped=clipped,
        )

    def _clipped(self, system: System, best: _Try, tries: list[_Try]) -> float:
        """0 where the tolerance is met, else round-off's own; raises where round-off is no excuse."""
        if best.residual <= self._rtol:
            return 0.0
        floor = system.roundoff(best.x) if np.isfinite(best.residual) else 0.0
        if best.residual <= floor <= CLIPPED:
            return floor
        said = "; ".join(f"{one.name}: {one.reason}" for one in tries)
        raise SolverError(f"no method solved the system to a relative residual of {self._rtol:g} ({said})")


@dataclass(slots=True)
class _Try:
    """What one method made of one system."""

    name: str
    x: Array
    residual: float = np.inf
    iterations: int = 0
    space: int = 0
    setup_seconds: float = 0.0
    solve_seconds: float = 0.0
    reason: str = ""


class _Candidate:
    """A method and the matrix that it was prepared for."""

    def __init__(self, method: Method, clock: Clock) -> None:
        self.method, self._clock = method, clock
        self.failures = 0
        self._watch = Watch()

    def attempt(self, system: System, guess: Array | None, rtol: float) -> _Try:
        result = _Try(self.method.name, np.zeros_like(system.rhs))
        result.reason = self.method.eligible(system)
        if result.reason:
            return result
        start = self._clock()
        try:
            if self._watch.is_new(system):
                self.method.prepare(system)
        except SolverError as error:
            result.reason = str(error)
            self._watch.forget()
            return result
        finally:
            result.setup_seconds = self._clock() - start
        start = self._clock()
        self._solve(system, guess, rtol, result)
        result.solve_seconds = self._clock() - start
        if not result.residual <= rtol:
            self._watch.forget()
            result.reason = result.reason or f"it stopped at a true residual of {result.residual:.2g}"
        return result

    def _solve(self, system: System, guess: Array | None, rtol: float, result: _Try) -> None:
        """Until the true residual is small, or no longer falls by half."""
        for _ in range(1 + POLISHES):
            answer = self.method.solve(system, guess, rtol)
            x = without_mean(system.comm, answer.x) if system.nullspace == "constant" else answer.x
            residual = system.relative_residual(x)
            result.iterations += answer.iterations
            result.space, result.reason = answer.space, answer.reason
            stuck = not residual < result.residual / 2
            if residual < result.residual:
                result.x, result.residual = x, residual
            if result.residual <= rtol or stuck or answer.reason:
                return
            guess = result.x
