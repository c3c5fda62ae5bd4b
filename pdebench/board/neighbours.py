"""Paired tests between models that follow each other in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from ..arrays import Array
from ..metrics import holm, sign_flip_test

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Above:
    """A model beside the one that stands above it."""

    label: str
    p: float  # of no difference, after Holm's correction over all neighbours of the table
    seeds: bool = False  # the ranges over training seeds overlap: another training may turn the order

    @property
    def told_apart(self) -> bool:
        return self.p <= LEVEL


def compare(rows: Sequence[tuple[str, Array] | None]) -> list[Above | None]:
    """Each row beside the last one before it that takes part; None for the first and for those that do not.

    A row is a label and scores per sample `(n,)`, the same samples in all; None takes no part.
    """
    pairs: list[tuple[int, str, float]] = []
    last: tuple[str, Array] | None = None
    for i, row in enumerate(rows):
        if row is None:
            continue
        if last is not None:
            same = row[1].shape == last[1].shape
            pairs.append((i, last[0], sign_flip_test(row[1], last[1]) if same else nan))
        last = row
    found: list[Above | None] = [None] * len(rows)
    tested = [pair for pair in pairs if pair[2] == pair[2]]
    for (i, label, _), p in zip(tested, holm([p for _, _, p in tested]), strict=True):
        found[i] = Above(label, p)
    return found


def least_p(samples: int, pairs: int) -> float:
    """The least p that so many samples can give the clearest of so many pairs, after correction.

    >>> least_p(8, 10)
    0.078125
    """
    return min(1.0, pairs * max(2 * 0.5**samples, 1e-4))
