"""One solver's connection, at the trainer's end: what it says is checked, done and answered."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from ..arrays import Index
from ..errors import PdebenchError
from .production import Production
from .slots import DTYPE
from .wire import Lost, Wire, whole_number, whole_numbers

log = logging.getLogger(__name__)


class Service:
    """Serves the solver at the other end of `wire`; `here`: it writes into shared memory."""

    def __init__(self, production: Production, wire: Wire, *, here: bool, inputs: tuple[int, ...]) -> None:
        self._all, self._wire, self._here, self._inputs = production, wire, here, inputs
        self._pool, self._slots = production.pool, production.pool.slots
        self._members = len(self._pool.next)
        self._name = id(wire)
        self._unit: frozenset[int] = frozenset()  # members of the unit that it has
        self._held: set[int] = set()  # slots that it has been given and not filled

    def run(self) -> None:
        """Until it hangs up, or breaks the contract, which raises `Lost` or `PdebenchError`."""
        while True:
            message = self._wire.hear()
            if self._unit:
                stepped = message.get("frame") or message.get("passed") or "done" in message
                self._all.pulse.beat(self._name, tells=bool(stepped))
            self._answer(message)

    def end(self) -> None:
        """It is gone: what it had is free."""
        with self._all.door:
            self._give_back()
            if said := self._all.lost(self._name):
                log.warning("%s", said)

    def _answer(self, message: dict[str, Any]) -> None:
        if "frame" in message:
            self._take(message)
        elif "room" in message:
            self._all.pulse.rest(self._name)
            self._wire.say({"slots": self._room(message["room"])})
            self._all.pulse.beat(self._name, tells=False)
        elif "given" in message:
            self._give(message)
        elif "outcome" in message:
            self._outcome(message)
        elif "want" in message:
            self._wire.say(self._next())
        elif "done" in message:
            self._wire.say({"ok": True})  # first: once the last unit is done, the trainer may hang up
            self._done()
        elif "passed" not in message:  # which says only that it is alive
            raise Lost(f"an unknown message {sorted(message)}")

    def _next(self) -> dict[str, Any]:
        """The next unit; the solver waits while others hold what may come back."""
        at, dealer = self._all, self._all.dealer
        with at.door:
            if self._unit:
                raise Lost("it asked for a unit before the end of the one it has")
            at.door.wait_for(lambda: dealer.waiting or not dealer.busy or at.closed or at.error)
            if at.closed or at.error or not dealer.waiting:
                return {"unit": None}
            if self._wire.gone():  # it died as it waited: no fault of the unit's
                raise Lost("closed")
            number, unit = dealer.hand_out(self._name)
            at.pulse.beat(self._name, tells=False)
            self._draw(number, unit)
            members = [int(m) for m in unit]
            self._unit = frozenset(members)
            params = [at.draws.parameters(m) for m in members]
            return {"unit": members, "have": [int(self._pool.next[m]) for m in members], "params": params}

    def _draw(self, number: int, unit: Index) -> None:
        """The parameters of a unit; a proposal that fails is the trainer's business."""
        try:
            self._all.draws.unit(number, unit)
        except Exception as error:
            self._all.fail(f"the proposal failed: {error!r}")
            raise Lost("no parameters") from error

    def _room(self, wanted: Any) -> list[int]:
        """Slots for frames to come, as soon as there are so many."""
        at, pool = self._all, self._pool
        if type(wanted) is not int or not 0 < wanted <= len(self._slots.frames):
            raise PdebenchError(
                f"it wants room for {wanted} frames at once, and the buffer's capacity is {len(self._slots.frames)}: "
                "raise capacity, or lower the card's solver.batch"
            )
        with at.door:
            if not pool.make_room(wanted):
                at.blocked += 1
                at.tell()
                at.door.wait_for(lambda: at.closed or pool.make_room(wanted) or at.stuck())
                at.blocked -= 1
                if at.closed or at.error:
                    raise Lost("the trainer has gone")
            given = self._slots.take(wanted)
            self._held.update(given)
            return given

    def _take(self, message: dict[str, Any]) -> None:
        """A frame of some members of the unit."""
        at = self._all
        members = whole_numbers(message.get("members"), self._members)
        slots = whole_numbers(message.get("slots"), len(self._slots.frames), len(members))
        frame = whole_number(message.get("frame"), self._pool.plan.frames)
        ahead = whole_number(message.get("ahead", 0), len(self._slots.frames) + 1)
        if len(set(slots)) != len(slots) or not self._held.issuperset(slots):
            raise Lost("slots that it does not hold")
        if not self._here:
            self._wire.receive_into([self._slots.frames[slot] for slot in slots], self._moves)
        with at.door:
            if not members or not self._unit.issuperset(members):
                raise Lost("members of a unit that it does not hold")
            for member, slot in zip(members, slots, strict=True):
                self._pool.put(member, frame, slot)  # first: what it refuses is still held, and given back
                self._held.remove(slot)
            at.frames += len(members)
            at.tell()
            given = [] if at.blocked else self._pool.in_advance(ahead)
            self._held.update(given)
        if ahead:
            self._wire.say({"slots": given})

    def _give(self, message: dict[str, Any]) -> None:
        """Inputs come over the socket: they are few beside the frames."""
        for member in whole_numbers(message.get("given"), self._members):
            inputs = np.empty(self._inputs, DTYPE)
            self._wire.receive_into([inputs], self._moves)
            self._expect(member)
            with self._all.door:
                self._pool.give(member, inputs)

    def _moves(self) -> None:
        """A part of a frame is here: the network is slow, not the solver."""
        if self._unit:
            self._all.pulse.beat(self._name, tells=False)

    def _outcome(self, message: dict[str, Any]) -> None:
        member = whole_number(message.get("outcome"), self._members)
        self._expect(member)
        with self._all.door:
            if message.get("reason"):
                self._all.failed.add(member)
            self._pool.end(member)
            self._all.door.notify_all()  # it may have let go of frames

    def _expect(self, member: int) -> None:
        if member not in self._unit:
            raise Lost("a member of a unit that it does not hold")

    def _done(self) -> None:
        with self._all.door:
            self._unit = frozenset()
            self._all.dealer.done(self._name)
            self._all.pulse.rest(self._name)
            self._give_back()
            self._all.over_if_done()

    def _give_back(self) -> None:
        for slot in self._held:
            self._slots.give_back(slot)
        self._held.clear()
