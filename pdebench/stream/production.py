"""What the trainer and the threads that serve its solvers share, under one lock, and who is woken when it changes."""

from __future__ import annotations

import threading
from collections.abc import Collection

from ..errors import PdebenchError
from ..pulse import Pulse
from ..spec import DatasetSpec
from .buffer import Pool
from .dealer import TRIES, Dealer
from .proposals import Draws
from .wire import Wire


class Production:
    """The buffer, the units of work and the solvers at them. Touch it with `door` or `bell` held: they are one lock."""

    def __init__(
        self, spec: DatasetSpec, pool: Pool, units: Collection[int] | None, draws: Draws, patience: float | None
    ) -> None:
        lock = threading.RLock()
        self.door = threading.Condition(lock)  # solvers wait here for room and for units
        self.bell = threading.Condition(lock)  # the trainer waits here, and is called when its batch is there
        self.pool, self.dealer, self.draws = pool, Dealer(spec, units), draws
        self.pulse: Pulse[int] = Pulse(patience)
        self.wires: dict[int, Wire] = {}  # by name of the connection
        self.asked = 0  # windows that the trainer waits for
        self.copying = False  # frames that it has drawn are still in their slots
        self.blocked = 0  # connections that wait for room
        self.frames = 0  # received
        self.failed: set[int] = set()
        self.error: PdebenchError | None = None
        self.closed = False

    @property
    def pressed(self) -> bool:
        """Whether every solver at work waits for room: then no more windows come before some are drawn."""
        return 0 < self.blocked >= len(self.dealer.busy)

    def settled(self, count: int) -> bool:
        """Whether waiting longer would change nothing for a draw of `count`."""
        if self.error is not None or self.closed or self.pool.over:
            return True
        ready = self.pool.ready(self.pressed)
        return ready >= count or (self.pressed and ready > 0)

    def tell(self) -> None:
        """Wake the trainer if its wait is over, and no sooner: each time costs more than a frame's bookkeeping."""
        if self.settled(self.asked):
            self.bell.notify_all()

    def fail(self, reason: str) -> None:
        """End the stream with an error, unless there is one already."""
        self.error = self.error or PdebenchError(reason)
        self.door.notify_all()
        self.tell()

    def stuck(self) -> bool:
        """Whether nothing can ever move again: all wait for room, and not one window is whole."""
        if self.error is None and not self.copying and self.pressed and not self.pool.ready(pressed=True):
            self.fail(
                f"the buffer's {len(self.pool.slots.frames)} frames are full of windows that are not whole yet "
                f"(each needs {self.pool.plan.span} frames in a row): raise capacity"
            )
        return self.error is not None

    def lost(self, name: int) -> str:
        """A solver is gone: its unit goes to another, or is set aside after `TRIES`; what is to be said of that."""
        self.wires.pop(name, None)
        self.pulse.rest(name)
        members, said = self.dealer.held_by(name), ""
        if len(members):
            given_up = self.dealer.lost(name, int(self.pool.next[members].sum()))
            if len(given_up):
                said = f"members {members[0]} … {members[-1]} ended their solver {TRIES} times"
                self.failed.update(int(m) for m in members if self.pool.next[m] < self.pool.plan.frames)
            for member in given_up:
                self.pool.end(int(member))
        self.over_if_done()
        return said

    def over_if_done(self) -> None:
        """Units were ended or came back: everybody may go on."""
        if self.dealer.over:
            self.pool.over = True
        self.door.notify_all()
        self.tell()
