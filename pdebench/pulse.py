"""Who has given no sign of life for too long: workers that hang do not hang up."""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from time import monotonic
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FACTOR = 20  # times the longest silence that was followed by a sign
LEAST = 600.0  # [s] of patience where nobody said how much


class Pulse(Generic[K]):
    """Signs of those that are at work, by any name for them.

    `patience` is how long one may be silent [s]. None: `FACTOR` times the longest silence that anybody has broken so
    far, at least `LEAST`; before the first sign that tells how long a step takes nobody is given up.
    """

    def __init__(self, patience: float | None = None) -> None:
        self._given, self._longest, self._told = patience, 0.0, False
        self._last: dict[K, float] = {}

    @property
    def patience(self) -> float:
        """How long one may be silent now [s]."""
        if self._given is not None:
            return self._given
        return max(LEAST, FACTOR * self._longest) if self._told else inf

    def beat(self, who: K, *, tells: bool = True) -> None:
        """It is at work. A start, or a frame that was given, is no step, and `tells` nothing of how long one takes."""
        now = monotonic()
        if who in self._last:
            self._longest = max(self._longest, now - self._last[who])
            self._told |= tells
        self._last[who] = now

    def rest(self, who: K) -> None:
        """It has ended, or waits for others: its silence means nothing."""
        self._last.pop(who, None)

    def silent(self) -> list[K]:
        """Those that have been silent for longer than `patience`."""
        latest = monotonic() - self.patience
        return [who for who, last in list(self._last.items()) if last < latest]
