"""The solver's end of a stream: a sink like a store, whose frames go to the trainer as they are made."""

from __future__ import annotations

import hmac
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, Index
from ..errors import PdebenchError
from ..problem import Event, Frame, Given, Outcome
from ..spec import DatasetSpec, parse
from .slots import DTYPE, Slots, filled
from .wire import Lost, Wire, connect

NEVER = sys.maxsize  # the frame from which on a member that is not finite is sent


class TrainerGone(PdebenchError):
    """The trainer hung up, or was killed."""


class StreamSink:
    """A producer's connection to the trainer at `address`; the card comes from there.

    On the trainer's own host frames are written where it reads them, elsewhere they are sent: it finds out by itself.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self._wire, welcome = _greet(address, token)
        local = welcome.get("unix")
        if local and welcome.get("host") == host_identity() and not address.startswith("unix:"):
            try:
                wire, better = _greet(f"unix:{local}", token)
            except PdebenchError:  # another network namespace
                pass
            else:
                self._wire.close()
                self._wire, welcome = wire, better
        self.spec = parse(DatasetSpec, welcome["card"], where=f"the card of the trainer at {address}")
        self.settled: dict[str, Any] = welcome["settled"]
        self.keep = Path(welcome["keep"]) if welcome.get("keep") else None
        shape = (welcome["fields"], *self.spec.output.shape)
        fd = welcome.pop("fd", None)
        self._slots = Slots(welcome["slots"], shape, fd) if fd is not None else None
        self._shape, self._rows = shape, list[Array]()
        self._closed = False
        self._hand: list[int] = []  # slots that the trainer has given and that are not filled
        self._promised = False  # an answer with more of them is under way
        self._have: dict[int, int] = {}
        self.drawn: dict[int, dict[str, float]] = {}  # parameters of the unit in hand

    def when_left(self, call: Callable[[], None]) -> None:
        """Have `call` called, in a thread, when the trainer hangs up before `close`."""

        def wait() -> None:
            self._wire.wait_for_end()
            if not self._closed:
                call()

        threading.Thread(target=wait, daemon=True).start()

    @property
    def shared(self) -> bool:
        """Whether frames go through shared memory."""
        return self._slots is not None

    def next_unit(self) -> Index | None:
        """Members that the trainer wants next, or None when it has them all, or has gone."""
        try:
            answer = self._ask({"want": "unit"})
        except TrainerGone:
            return None
        if answer.get("unit") is None:
            return None
        self._have = dict(zip(answer["unit"], answer["have"], strict=True))
        self.drawn = dict(zip(answer["unit"], answer["params"], strict=True))
        return np.array(answer["unit"], int)

    def reached(self, member: int) -> int:
        """The first frame that the trainer wants of a member of the unit in hand."""
        return self._have.get(member, 0)

    def missing(self) -> Index:
        """Members of the unit in hand."""
        return np.array(sorted(self._have), int)

    def write(self, members: Index, events: Iterator[Event]) -> None:
        for _ in self.passing(events):
            pass
        self.done(members)

    def done(self, members: Index) -> None:
        """The unit is whole; until this is said, the trainer would give it to another solver if this one died."""
        self._ask({"done": [int(m) for m in members]})
        self._hand.clear()  # the trainer has taken them back

    def passing(self, events: Iterator[Event]) -> Iterator[Event]:
        """Send each event and hand it on."""
        for event in events:
            if isinstance(event, Given):
                values = np.ascontiguousarray(event.values, DTYPE)
                self._say({"given": [int(m) for m in event.members]}, [values])
            elif isinstance(event, Frame):
                self._send(event)
            elif isinstance(event, Outcome):
                spoilt = "values that are not finite" if self._have.get(event.member) == NEVER else ""
                self._say({"outcome": event.member, "reason": event.cost.reason or spoilt})
            yield event

    def close(self) -> None:
        self._closed = True
        self._wire.close()
        if self._slots is not None:
            self._slots.close()

    def _send(self, frame: Frame) -> None:
        """Those members of a frame that the trainer does not have yet; a failed member is not sent.

        The answer to a frame before names the slots of this one, if there was room: then nobody waits for anybody.
        """
        rows = [row for row, m in enumerate(frame.members) if frame.index >= self._have.get(int(m), 0)]
        if not rows:
            self._say({"passed": frame.index})  # silence would be taken for hanging
            return
        self._reserve(len(rows))
        sent: list[tuple[int, int, Array]] = []  # member, slot, values
        for row in rows:
            member, slot, own = int(frame.members[row]), self._hand[-1], frame.values[row]
            values = self._slots.frames[slot] if self._slots else self._spare(len(sent), own)
            if filled(values, own):
                sent.append((member, self._hand.pop(), values))
            else:
                self._have[member] = NEVER
        if not sent:
            return
        wanted = not self._promised and len(self._hand) <= len(sent) and frame.index + 1 < self.spec.times.frames
        members, slots = [member for member, _, _ in sent], [slot for _, slot, _ in sent]
        message = {"frame": frame.index, "members": members, "slots": slots, "ahead": len(sent) if wanted else 0}
        self._promised |= wanted
        self._say(message, [] if self.shared else [values for _, _, values in sent])

    def _spare(self, number: int, values: Array) -> Array:
        """Memory for a frame that goes over the socket: its own where it can go as it is."""
        if values.dtype == DTYPE and values.flags.c_contiguous:
            return values
        if number == len(self._rows):
            self._rows.append(np.empty(self._shape, DTYPE))
        return self._rows[number]

    def _reserve(self, count: int) -> None:
        """Have `count` slots in hand, waiting for room if the trainer had none to give in advance."""
        if len(self._hand) < count:
            self._collect()
        if len(self._hand) < count:
            self._hand += self._ask({"room": count - len(self._hand)})["slots"]

    def _collect(self) -> None:
        """The answer to a frame, if it is still to be read."""
        if self._promised:
            self._promised = False
            self._hand += self._hear()["slots"]

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        self._collect()
        self._say(message)
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        try:
            return self._wire.hear()
        except Lost as error:
            raise TrainerGone(f"the trainer has gone: {error}") from error

    def _say(self, message: dict[str, Any], frames: Sequence[Array] = ()) -> None:
        try:
            self._wire.say(message, frames)
        except Lost as error:
            raise TrainerGone(f"the trainer has gone: {error}") from error


def _greet(address: str, token: str) -> tuple[Wire, dict[str, Any]]:
    """An open connection and the trainer's welcome, with the shared memory as `fd` where it came along."""
    wire = connect(address)
    try:
        wire.say({"hello": "producer", "token": token})
        if address.startswith("unix:"):
            welcome, fd = wire.hear_with_fd()
            if fd is not None:
                welcome["fd"] = fd
        else:
            welcome = wire.hear()
    except Lost as error:
        wire.close()
        raise PdebenchError(f"{address} listens, but is no pdebench trainer: {error}") from error
    if "refused" in welcome:
        wire.close()
        raise PdebenchError(f"the trainer at {address} refused: {welcome['refused']}")
    return wire, welcome


def host_identity() -> str:
    """The same on all processes of one booted host, and different elsewhere."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.uname().nodename
    except OSError:
        return os.uname().nodename


def same_token(given: Any, expected: str) -> bool:
    """Compared in constant time."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), expected.encode())
