"""For solvers that are not ours: frames into a trainer's buffer, in a few lines of Python.

with Client("node7:5555", token) as client:
    for member, params in client:
        for frame in range(client.frames):
            client.send(member, frame, values)  # (field, *space)

Under MPI one rank speaks for all. `pdebench_stream.h` beside this file is the same for C; docs/stream.md says what goes
over the wire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ..arrays import Array
from ..problem import Cost, Frame, Given, Outcome
from .sink import StreamSink

HEADER = Path(__file__).with_name("pdebench_stream.h")


class Client:
    """A connection to the trainer at `address`. Iterate over it for members and their parameters.

    Frames are `(field, *space)` on the card's stored grid, from frame 0 on and in order; inputs `(input, *space)` come
    before. A member that was begun by a solver that died is wanted from `first(member)` on; earlier frames may be sent
    and are not used. A member whose frames do not all come has failed.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self._sink = StreamSink(address, token)
        self.spec = self._sink.spec
        self.times: Array = self.spec.times.values()
        self.frames = len(self.times)

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, float]]]:
        while (unit := self._sink.next_unit()) is not None:
            for member in unit:
                yield int(member), self._sink.drawn[int(member)]
                self._pass(Outcome(int(member), Cost(), 0.0))
            self._sink.done(unit)

    def first(self, member: int) -> int:
        """The first frame that the trainer does not have yet."""
        return min(self._sink.reached(member), self.frames)

    def give(self, member: int, inputs: Array) -> None:
        """The fields that are given with a member."""
        self._pass(Given(np.array([member]), inputs[None]))

    def send(self, member: int, frame: int, values: Array) -> None:
        """One frame. Waits as long as the trainer's buffer is full; raises `TrainerGone` when it has gone."""
        self._pass(Frame(np.array([member]), frame, values[None]))

    def failed(self, member: int, reason: str) -> None:
        """This member's remaining frames will not come."""
        self._pass(Outcome(member, Cost(reason=reason), 0.0))

    def close(self) -> None:
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _pass(self, event: Frame | Given | Outcome) -> None:
        for _ in self._sink.passing(iter([event])):
            pass
