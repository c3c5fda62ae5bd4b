"""The fastest method for a sequence of systems, found by trials on its first ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import numpy as np

from pdebench.errors import SolverError
from pdebench.parallel import Comm

from .candidates import PATIENCE, Candidate, elimination, usual
from .foresight import DEPTH, ENOUGH, Foresight, foresee, unrelated
from .method import Method, methods
from .reduce import everywhere
from .sequence import Clock
from .system import System
from .trial import Trial

TIE = 1.05  # within this ratio the likelier candidate is taken
CLOSE = 1.25  # within this ratio of the best a candidate is tried on more systems
HOPELESS = 2.0  # times the best: what an estimate must say for a factorisation not to be tried
WORTH = 0.9  # of the time of a system, with the guess, is what it must come down to
FEW = 20  # iterations: below it, recycling costs more than it saves
SLOWEST = 10.0  # times a factorisation's estimate: what the first candidate may cost


def share(length: int) -> float:
    """What trials may cost, in systems of the best method: 10 for a sequence of 100, 32 for one of 1000."""
    return float(min(np.sqrt(length), 0.15 * length))


@dataclass(frozen=True, slots=True)
class Choice:
    """The method chosen and the evidence, JSON values.

    A sequence is then `SolverSequence(choice.build(), guess=choice.guess, rtol=…)`.
    """

    method: str  # a name of `methods`
    options: dict[str, Any]
    guess: int
    evidence: dict[str, Any]
    ready: list[Method] = field(default_factory=list, compare=False, repr=False)  # factorised in the trials

    def build(self) -> Method:
        """The method; of a direct one, the first time, that of the trials, whose analysis and factors are the same."""
        return self.ready.pop() if self.ready else methods[self.method](**self.options)


def choose(
    systems: Sequence[System],
    *,
    rtol: float,
    length: int,
    candidates: Sequence[Candidate] | None = None,
    clock: Clock = process_time,
) -> Choice:
    """The method that a sequence of `length` systems beginning with `systems` is expected to be solved fastest with.

    **Good values:** 6 to 8 systems, in the order in which they will be solved. Candidates come in the order of
    their prospects, each on the first system, recycled ones on five; what is slower than the best so far is stopped
    early, and no more are tried when trials have cost their `share`. Those close to the best are tried on further
    systems. `clock` is the CPU time of this process, which neighbours on the machine do not lengthen; of several
    ranks that share the systems the slowest one's, so that all of them choose the same.

    Solutions and spaces of trials are thrown away (factors stay, in the first `build`): which method solved a system
    must depend on the choice alone, which is kept, and never on a clock or on where a run was interrupted.
    """
    contest = _Contest(list(systems), rtol, length, clock)
    same = contest.same
    for candidate in candidates if candidates is not None else usual(systems[0], same=same):
        contest.enter(candidate)
    contest.finals()
    return contest.verdict()


def _agreed(clock: Clock, comm: Comm) -> Clock:
    """The same time on every rank: that of the slowest."""
    return clock if comm.size == 1 else lambda: float(max(comm.allgather(clock())))


class _Contest:
    def __init__(self, systems: list[System], rtol: float, length: int, clock: Clock) -> None:
        if not systems:
            raise SolverError("a choice by measurement needs at least one system")
        comm = systems[0].comm
        self._systems, self._rtol, self._length, self._clock = systems, rtol, length, _agreed(clock, comm)
        self._foresight = Foresight()
        self._trials: list[Trial] = []
        self._refused: list[dict[str, Any]] = []
        same = len(systems) > 1 and all(s.fingerprint == systems[0].fingerprint for s in systems[1:])
        self.same = everywhere(comm, same)
        self._factorised, self._substituted = elimination(systems[0])

    def enter(self, candidate: Candidate) -> None:
        """Try a candidate, unless its cost is known to be too high."""
        trial = Trial(candidate, self._systems, rtol=self._rtol, same=self.same, clock=self._clock)
        why = trial.method.eligible(self._systems[0]) or self._not_worth(candidate)
        if why:
            self._refused.append({"method": trial.method.name, "options": candidate.options, "dropped": why})
            return
        best = self._best()
        self._trials.append(trial)
        trial.method.steady = best is not None and candidate.steady
        for _ in range(min(candidate.least, len(self._systems))):
            allowed, setup = self._allowance(candidate, best)
            trial.step(allowed=allowed, allowed_setup=setup)
            if trial.dropped:
                return
        if best is not None and self._time(trial) > candidate.patience * self._time(best):
            trial.dropped = "slower"
        elif trial.method.direct and trial is self._best():  # rivals may gain by a guess, and must know
            self._foresee(trial)

    def finals(self) -> None:
        """Further systems for all that are close, in turn, while trials have not cost their share."""
        best = self._best()
        if best is not None and self._foresight == Foresight():
            self._foresee(best)
        while len(close := self._close()) > 1 and self._left() > 0:
            behind = [trial for trial in close if not trial.complete]
            if not behind:
                return
            fewest = min(len(trial.solves) for trial in behind)
            for trial in behind:
                if len(trial.solves) == fewest and self._left() > 0:
                    trial.step()

    def verdict(self) -> Choice:
        best = self._best()
        if best is None:
            reasons = "; ".join(f"{row['method']}: {row['dropped']}" for row in self._rows())
            raise SolverError(f"no method solved the first systems to {self._rtol:g} ({reasons})")
        limit = TIE * self._time(best)
        winner = next(trial for trial in self._trials if trial.alive and self._time(trial) <= limit)
        evidence = {
            "rtol": self._rtol,
            "length": self._length,
            "same_matrix": self.same,
            "guess": self._foresight.row(),
            "trial_seconds": self._spent(),
            "methods": self._rows(),
        }
        ready = [winner.method.inner] if winner.method.direct else []
        return Choice(winner.candidate.name, winner.candidate.options, self._guess(winner), evidence, ready)

    def _foresee(self, trial: Trial) -> None:
        """Learn from a trial, extended to `ENOUGH` systems, what a guess would save."""
        if unrelated(self._systems):
            return
        while len(trial.solves) < ENOUGH and not trial.complete and not trial.dropped and self._left() > 0:
            trial.step()
        self._foresight = foresee(trial.solutions, self._systems, rtol=self._rtol, clock=self._clock)

    def _guessed(self, trial: Trial) -> float:
        """Seconds of a system after the first, if guessed."""
        solving = 0.0 if trial.method.direct else trial.solving
        return trial.rest - self._foresight.saved * solving + self._foresight.seconds

    def _guess(self, trial: Trial) -> int:
        """None for a recycled space, which holds what the last solutions have in common already."""
        useless = trial.method.direct or trial.candidate.recycles
        return DEPTH if not useless and self._guessed(trial) < WORTH * trial.rest else 0

    def _not_worth(self, candidate: Candidate) -> str:
        best = self._best()
        if best is None:
            return ""
        if self._left() < candidate.room * best.rest:
            return "not tried: what trials may cost does not suffice for it"
        least = candidate.floor[0] + candidate.floor[1] * self._systems[0].rows[0]
        if not self.same and least > PATIENCE * best.rest:
            return f"not tried: it takes {least:.2g} s at least"
        if candidate.recycles and not (best.method.direct or best.candidate.recycles) and best.iterations < FEW:
            return f"not tried: {best.iterations:.0f} iterations are too few to recycle for"
        if not candidate.factor:
            return ""
        factorised = candidate.factor * self._factorised
        expected = factorised + (self._length - 1) * (self._substituted + (0 if self.same else factorised))
        if expected > HOPELESS * self._time(best):
            return f"not tried: a factorisation is estimated at {factorised:.2g} s"
        if 2 * factorised > self._left():  # estimates err on the low side for small systems
            return f"not tried: a factorisation, estimated at {factorised:.2g} s, costs more than trials may"
        return ""

    def _allowance(self, candidate: Candidate, best: Trial | None) -> tuple[float, float]:
        """Seconds that a system, and its set-up alone, may take."""
        if best is None:
            slowest = max(SLOWEST * self._factorised, 1.0)
            return (np.inf if candidate.factor else slowest), np.inf
        allowed = candidate.patience * best.rest / max(1 - self._foresight.saved, 0.25)
        if not self.same:
            return allowed, allowed
        return allowed, self._time(best)  # a factorisation is paid for by all that follow

    def _time(self, trial: Trial) -> float:
        """Seconds of the whole sequence, with a guess where one pays."""
        rest = self._guessed(trial) if self._guess(trial) else trial.rest
        return trial.seconds[0] + (self._length - 1) * rest

    def _best(self) -> Trial | None:
        return min((trial for trial in self._trials if trial.alive), key=self._time, default=None)

    def _close(self) -> list[Trial]:
        best = self._best()
        if best is None:
            return []
        return [trial for trial in self._trials if trial.alive and self._time(trial) <= CLOSE * self._time(best)]

    def _left(self) -> float:
        """Seconds that trials may still cost."""
        best = self._best()
        return np.inf if best is None else share(self._length) * best.rest - (self._spent())

    def _spent(self) -> float:
        """Seconds of all trials so far, without what is imported or planned once per process."""
        return sum(trial.spent for trial in self._trials)

    def _rows(self) -> list[dict[str, Any]]:
        return [
            trial.row() | {"predicted_seconds": self._time(trial)} if trial.solves else trial.row()
            for trial in self._trials
        ] + self._refused
