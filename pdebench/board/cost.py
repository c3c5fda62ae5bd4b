"""Speed-up and break-even against classical solvers of equal accuracy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, floor, inf, isfinite, log
from typing import Literal

import numpy as np

from ..task import Expense

Relation = Literal["=", "≤", "≥"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A number, or all that is known of it: `≤ value` or `≥ value`."""

    value: float
    relation: Relation = "="


@dataclass(frozen=True, slots=True)
class Point:
    """What one solver pays and gets: seconds per trajectory, and a cost in accuracy that falls as it improves.

    `badness` is the logarithm of an error, or a score (correlation, …) with its sign turned.
    """

    seconds: float
    badness: float


def frontier(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no cheaper point equals or beats, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.seconds, p.badness)):
        if isfinite(point.badness) and (not best or point.badness < best[-1].badness):
            best.append(point)
    return tuple(best)


def classical_seconds(badness: float, curve: tuple[Point, ...]) -> Bound | None:
    """Seconds that the classical curve takes to be as accurate, interpolated in log seconds along the curve.

    Outside the curve only a bound is known: a model worse than the cheapest classical point could be matched for less
    than that point costs; one better than the dearest would need more. None without a curve.
    """
    if not curve or not isfinite(badness):
        return None
    if badness > curve[0].badness:
        return Bound(curve[0].seconds, "≤")
    if badness < curve[-1].badness:
        return Bound(curve[-1].seconds, "≥")
    rising = curve[::-1]  # np.interp wants abscissae that increase
    return Bound(exp(np.interp(badness, [p.badness for p in rising], [log(p.seconds) for p in rising])))


def speed_up(seconds: float, classical: Bound) -> Bound:
    """How many times faster than the classical solver of equal accuracy; below 1 is slower."""
    return Bound(classical.value / seconds, classical.relation)


def break_even(fixed: float, seconds: float, classical: Bound) -> Bound | None:
    """Least N with `fixed + N·seconds < N·classical`: `fixed` is the data and the training.

    Infinity where the model never wins; None where the classical cost is known too loosely to tell.

    >>> break_even(100.0, 1.0, Bound(3.0))
    Bound(value=51, relation='=')
    """
    saving = classical.value - seconds
    if saving <= 0:
        return None if classical.relation == "≥" else Bound(inf)
    turned: dict[Relation, Relation] = {"=": "=", "≤": "≥", "≥": "≤"}
    return Bound(floor(fixed / saving) + 1, turned[classical.relation])


def pareto(price: Sequence[float], rivals: Iterable[Sequence[float]]) -> bool:
    """Whether no rival is as good in every price and better in one (Pareto 1906); less is better.

    >>> pareto((1.0, 2.0), [(1.0, 2.0), (0.5, 3.0)]), pareto((1.0, 2.0), [(1.0, 1.0)])
    (True, False)
    """
    return not any(
        all(r <= p for r, p in zip(rival, price, strict=True)) and tuple(rival) != tuple(price) for rival in rivals
    )


def normalised(expense: Expense) -> float | None:
    """Seconds per trajectory, at the better batch, in units of the calibration kernel; None in records without one."""
    if expense.calibration is None:
        return None
    return min(expense.inference_seconds, expense.inference_seconds_batched) / expense.calibration.unit
