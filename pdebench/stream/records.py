"""What is said of a buffer, of a draw from it, and of a whole stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..arrays import Array, Index


@dataclass(frozen=True, slots=True)
class Buffering:
    """What the buffer holds, and how it is drawn from. `capacity` counts frames, `threshold` windows."""

    capacity: int
    policy: str = "reservoir"
    threshold: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """How a stream went so far."""

    batches: int = 0
    windows: int = 0  # drawn
    unique: int = 0  # of them
    total: int = 0  # unique windows that the campaign has
    frames: int = 0  # received
    idle_seconds: float = 0.0  # that the trainer waited in `draw`
    start_seconds: float = 0.0  # of them, before the first window
    failed: tuple[int, ...] = ()  # members that their solver could not finish, or that ended it too often

    @property
    def repeats(self) -> int:
        return self.windows - self.unique


class Drawn(NamedTuple):
    """Windows side by side: frames `(b, h + t, field, *space)`, inputs of each, members and starts `(b,)`."""

    frames: Array
    given: list[Array | None]
    members: Index
    starts: Index
