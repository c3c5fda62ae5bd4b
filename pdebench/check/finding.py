"""What a check says, and what it is given to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pdebench.arrays import Array, Index
from pdebench.problem import Problem
from pdebench.store import TrajectoryStore

Severity = Literal["error", "warning", "ok"]
Remark = tuple[Severity, str]  # of one member


@dataclass(frozen=True, slots=True)
class Finding:
    """One line about a store. An error means: do not train or score on these members."""

    check: str
    severity: Severity
    members: tuple[int, ...]  # concerned; empty where it is the store as a whole
    message: str  # what was found, what was expected, and the way out


@dataclass(frozen=True, slots=True)
class Evidence:
    """A store and those of its members that are done and can be read."""

    store: TrajectoryStore
    problem: Problem
    members: Index


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One member: frames `(t, field, *space)` in the stored precision."""

    store: TrajectoryStore
    problem: Problem
    member: int
    frames: Array
    params: dict[str, float]

    def fields(self) -> Iterator[tuple[str, Array]]:
        """Name and values `(t, *space)` of each field."""
        for column, name in enumerate(self.store.fields):
            yield name, self.frames[:, column]

    @property
    def again(self) -> str:
        """How to get the member anew, as the end of a message."""
        return remedy(self.store, self.member)

    def at(self, frame: int) -> str:
        return f"frame {frame} (t = {self.store.times[frame]:g})"


def remedy(store: TrajectoryStore, member: int) -> str:
    """The way out for a member that is wrong although its shard is whole."""
    return f"; store.forget([{member // store.spec.samples.unit}]) drops its unit, `pdebench generate` makes it again"


def listed(members: Index | list[int]) -> str:
    """`member 3`, `members 3, 4, 9` or `members 0, 1, 2 … 99 (100 of them)`."""
    numbers = [int(m) for m in members]
    if len(numbers) == 1:
        return f"member {numbers[0]}"
    if len(numbers) <= 6:
        return f"members {', '.join(map(str, numbers))}"
    return f"members {', '.join(map(str, numbers[:3]))} … {numbers[-1]} ({len(numbers)} of them)"
