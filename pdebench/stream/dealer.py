"""Which unit of work is whose, and which is set aside because it ends its solvers. Its owner locks it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

import numpy as np

from .. import order
from ..arrays import Index
from ..spec import DatasetSpec

TRIES = 3  # a unit that ends its solver so often at the same frame, or before, is set aside
_NONE: Index = np.zeros(0, int)


class Dealer:
    """Deals units to solvers, by the name of their connection."""

    def __init__(self, spec: DatasetSpec, chosen: Collection[int] | None) -> None:
        self.units = {n: unit for n, unit in enumerate(order.units(spec)) if chosen is None or n in chosen}
        self.waiting = deque(self.units)
        self.busy: dict[int, int] = {}  # connection -> unit
        self._tries: dict[int, tuple[int, int]] = {}  # frames reached, times that it got no further

    @property
    def members(self) -> int:
        """In all units."""
        return sum(len(unit) for unit in self.units.values())

    @property
    def over(self) -> bool:
        """Whether nothing is left to solve."""
        return not self.waiting and not self.busy

    def hand_out(self, name: int) -> tuple[int, Index]:
        """The number and the members of the next unit, which is `name`'s from now on."""
        self.busy[name] = number = self.waiting.popleft()
        return number, self.units[number]

    def held_by(self, name: int) -> Index:
        """Members of the unit in hand; none without one."""
        return self.units.get(self.busy.get(name, -1), _NONE)

    def done(self, name: int) -> None:
        self.busy.pop(name, None)

    def lost(self, name: int, reached: int) -> Index:
        """A solver died at its unit, `reached` frames into it: another gets it, or its members are given up."""
        number = self.busy.pop(name)
        best, tries = self._tries.get(number, (-1, 0))
        self._tries[number] = max(best, reached), (1 if reached > best else tries + 1)
        if self._tries[number][1] < TRIES:
            self.waiting.appendleft(number)
            return _NONE
        return self.units[number]
