"""What a guess from the last solutions would save, from a few solutions alone: no method needs to be tried with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pdebench.arrays import Array

from .guess import History
from .reduce import norm
from .sequence import Clock
from .system import System

DEPTH = 6  # solutions that a guess is made of, where it pays
ENOUGH = 4  # solutions that tell: three to guess the fourth
APART = 0.3  # change from one system to the next, relative


@dataclass(frozen=True, slots=True)
class Foresight:
    """`residual` r of the guess: log r of the log(rtol) that iterations have to win is won, the share `saved`."""

    residual: float = 1.0
    saved: float = 0.0
    seconds: float = 0.0  # of a guess from `DEPTH` solutions

    def row(self) -> dict[str, Any]:
        return asdict(self)


def unrelated(systems: Sequence[System]) -> bool:
    """Whether neighbours differ by `APART` or more of themselves, in b or in A's diagonal: no guess will serve."""
    for one, other in pairwise(systems[:ENOUGH]):
        changes = ((one.consistent_rhs, other.consistent_rhs), (one.diagonal, other.diagonal))
        near = all(norm(one.comm, b.ravel() - a.ravel()) < APART * norm(one.comm, b.ravel()) for a, b in changes)
        if near:
            return False
    return len(systems) > 1


def foresee(solutions: Sequence[Array], systems: Sequence[System], *, rtol: float, clock: Clock) -> Foresight:
    """From the solutions of the first systems, in order; the last is the one guessed."""
    if len(solutions) < 2:
        return Foresight()
    history, last = History(DEPTH), systems[len(solutions) - 1]
    for x in solutions[:-1]:
        history.add(x)
    start = clock()
    guess = history.guess(last)
    seconds = (clock() - start) * DEPTH / len(history)
    residual = 1.0 if guess is None else min(1.0, last.relative_residual(guess))
    return Foresight(residual, float(np.log(max(residual, rtol)) / np.log(rtol)), seconds)
