"""The trainer's end of a stream: hands out units of work, takes frames in, and gives batches from the buffer."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import Any

import numpy as np

from ..arrays import Array, Index
from ..errors import PdebenchError
from ..problem import Problem, inputs_of
from ..pulse import Pulse
from ..spec import DatasetSpec
from .buffer import Picked, Plan, Pool, policies
from .dealer import TRIES, Dealer
from .listeners import hang_up, leave_to_parent, opened, process_of, same_user
from .proposals import Draws, Proposal
from .records import Buffering, Drawn, Report
from .sink import host_identity, same_token
from .slots import DTYPE, Slots, Trays
from .wire import Lost, Wire, whole_numbers

log = logging.getLogger(__name__)

LUMP = 1 << 21  # bytes of windows that the trainer copies at once: few enough to be in the cache still


class Receiver:
    """Listens for solvers; `draw` is called by the trainer, everything else happens in threads.

    Memory: the buffer's frames, whatever the speeds; solvers that find no room wait. `listen` is HOST:PORT for solvers
    on other hosts, which must know `token`; those of the same user on this host find `address`.
    """

    def __init__(  # noqa: PLR0913  what a stream decides, under its names
        self,
        spec: DatasetSpec,
        problem: Problem,
        plan: Plan,
        buffering: Buffering,
        *,
        listen: str | None = None,
        keep: Path | None = None,
        settled: dict[str, Any] | None = None,
        units: Collection[int] | None = None,
        proposal: Proposal | None = None,
        patience: float | None = None,
    ) -> None:
        policy = policies[buffering.policy](buffering.threshold)
        self._listeners, self.address, self.listening = opened(listen)
        self.spec, self.token, self._settled_options = spec, token_hex(16), settled or {}
        self.draws = Draws(spec, proposal)
        self._inputs, self._keep = len(inputs_of(problem)), keep
        shape = (len(problem.fields), *spec.output.shape)
        self._pool = Pool(plan, Slots(buffering.capacity, shape), policy, seed=buffering.seed)
        self._trays = Trays((plan.history + plan.horizon, *shape))
        lock = threading.RLock()
        self._door = threading.Condition(lock)  # solvers wait here for room and for units
        self._bell = threading.Condition(lock)  # the trainer waits here, and is called when its batch is there
        self._asked = 0  # windows that the trainer waits for
        self._copying = False  # frames that it has drawn are still in their slots
        self._dealer = Dealer(spec, units)
        self._blocked = 0  # connections that wait for room
        self._wires: dict[int, Wire] = {}
        self._failed: set[int] = set()
        self._error: PdebenchError | None = None
        self._closed = False
        self._tally = Report()
        self._pulse: Pulse[int] = Pulse(patience)
        leave_to_parent(self)
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    # -- the trainer ----------------------------------------------------------------------------------------------

    def draw(self, count: int) -> Drawn:
        """The next `count` windows, fewer at the very end and none after it or after `close`."""
        frames, drawn = self._trays.take(count), list[Picked]()
        lump = max(1, LUMP // max(frames[:1].nbytes, 1))
        try:
            while len(drawn) < count:
                picked = self._picked(min(lump, count - len(drawn)))
                drawn += picked
                if not self._copied(picked, frames[len(drawn) - len(picked) : len(drawn)]):
                    break
        except BaseException:
            with self._door:
                self._pool.forget(drawn)  # nobody will see them: not after a Ctrl-C, and not in a checkpoint
            raise
        with self._door:
            self._tally = replace(self._tally, batches=self._tally.batches + bool(drawn))
        members, starts = (np.array([one[i] for one in drawn], int) for i in (0, 1))
        return Drawn(frames[: len(drawn)], [one.given for one in drawn], members, starts)

    def _picked(self, count: int) -> list[Picked]:
        """The next `count` windows, fewer at the end or where solvers wait for room; their frames are to be copied."""
        began = perf_counter()
        with self._door:
            self._asked = count
            self._bell.wait_for(lambda: self._settled(count))
            waited = perf_counter() - began
            if self._error is not None:
                raise self._error
            before = self._pool.repeats
            picked = [] if self._closed else self._pool.pick(count, self._pressed())
            self._copying = True
            self._tally = replace(
                self._tally,
                windows=self._tally.windows + len(picked),
                unique=self._tally.unique + len(picked) - (self._pool.repeats - before),
                idle_seconds=self._tally.idle_seconds + waited,
            )
            return picked

    def _copied(self, picked: list[Picked], into: Array) -> bool:
        """Copy frames out of their slots; whether there were any."""
        try:
            for row, one in zip(into, picked, strict=True):
                for place, slot in enumerate(one.slots):
                    row[place] = self._pool.slots.frames[slot]
        finally:
            with self._door:
                self._pool.let_go(picked)
                self._copying = False
                self._door.notify_all()
        return bool(picked)

    def _tell(self) -> None:
        """Wake the trainer if its wait is over, and no sooner: each time costs more than a frame's bookkeeping."""
        if self._settled(self._asked):
            self._bell.notify_all()

    def _settled(self, count: int) -> bool:
        """Whether waiting longer would change nothing for a draw of `count`."""
        if self._error is not None or self._closed or self._pool.over:
            return True
        ready = self._pool.ready(self._pressed())
        return ready >= count or (self._pressed() and ready > 0)

    def _pressed(self) -> bool:
        """Whether every solver at work waits for room: then no more windows come before some are drawn."""
        return 0 < self._blocked >= len(self._dealer.busy)

    def report(self) -> Report:
        with self._door:
            total = self._dealer.members * len(self._pool.plan.starts)
            return replace(self._tally, total=total, failed=tuple(sorted(self._failed)))

    def learn(self, members: Index, losses: Array) -> None:
        """What the trainer lost on windows of these members: the next units may be drawn by it."""
        with self._door:
            self.draws.learn(members, losses)

    def state(self) -> dict[str, Array]:
        """What `restore` needs in another process; a few bits per window."""
        with self._door:
            return self._pool.state() | self.draws.state()

    def restore(self, state: dict[str, Array], *, lacking: Collection[int] = ()) -> None:
        """Go on where another trainer stopped: what it saw is not sent again. Call it before solvers connect.

        Units with members that a store is `lacking` are solved again, though nobody waits for their windows.
        """
        with self._door:
            self._pool.restore(state)
            self.draws.restore(state)
            done = [
                number
                for number, unit in self._dealer.units.items()
                if all(self._pool.finished(int(m)) and m not in lacking for m in unit)
            ]
            for number in done:
                self._dealer.waiting.remove(number)
            self._over_if_done()

    def set_aside(self, reason: str) -> None:
        """End the stream with an error: nobody is left to solve."""
        with self._door:
            self._error = self._error or PdebenchError(reason)
            self._door.notify_all()
            self._tell()

    def hang_up_on_silent(self) -> list[int]:
        """Drop solvers that hang; ids of the processes of those on this host."""
        with self._door:
            hung = [self._wires[name] for name in self._pulse.silent() if name in self._wires]
        processes = [pid for wire in hung if (pid := process_of(wire.socket))]
        for wire in hung:
            log.warning("a solver brought nothing for %.0f s: it hangs, and is dropped", self._pulse.patience)
            wire.close()
        return processes

    @property
    def over(self) -> bool:
        """Whether production has ended."""
        return self._pool.over

    def close(self) -> None:
        """Hang up; solvers end at their next frame."""
        with self._door:
            self._closed = True
            wires = list(self._wires.values())
            self._door.notify_all()
            self._tell()
        for listener in self._listeners:
            hang_up(listener)
        for wire in wires:
            wire.close()
        self._pool.slots.close()

    def let_go(self) -> None:
        """Close what a fork inherited. No lock: the threads that could give it back are not here."""
        for end in (*self._listeners, *(wire.socket for wire in self._wires.values())):
            end.close()
        self._pool.slots.close()

    # -- the solvers ----------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                end, _ = listener.accept()
            except OSError as error:
                if self._closed:
                    return
                log.warning("a solver cannot be taken in: %s", error)  # too many open files, perhaps
                time.sleep(1)
                continue
            threading.Thread(target=self._serve, args=(Wire(end), listener is self._listeners[0]), daemon=True).start()

    def _serve(self, wire: Wire, here: bool) -> None:
        """One solver, until it hangs up."""
        name, held = id(wire), set[int]()
        try:
            with self._door:
                if self._closed:
                    return
                self._wires[name] = wire
            token = wire.hear().get("token")  # whose memory is shared needs none, if it is the same user's
            if not (here and same_user(wire.socket)) and not same_token(token, self.token):
                wire.say({"refused": "wrong token: pass the one that the trainer shows"})
                return
            self._welcome(wire, here)
            while True:
                message = wire.hear()
                if name in self._dealer.busy:
                    self._pulse.beat(name)
                self._answer(wire, name, message, held, here)
        except Lost as why:
            log.debug("a solver is gone: %s", why)
        except PdebenchError as error:
            log.warning("a solver broke the contract and was dropped: %s", error)
        finally:
            self._forget(name, held)
            wire.close()

    def _welcome(self, wire: Wire, here: bool) -> None:
        slots = self._pool.slots
        message: dict[str, Any] = {
            "card": self.spec.model_dump(mode="json"),
            "settled": self._settled_options,
            "fields": slots.frames.shape[1],
            "slots": len(slots.frames),
            "shape": list(slots.frames.shape[1:]),
            "frames": self.spec.times.frames,
            "inputs": self._inputs,
            "keep": str(self._keep) if self._keep else None,
            "unix": self.address.partition(":")[2],
            "host": host_identity(),
        }
        wire.say(message, fd=slots.fd if here else None)

    def _answer(self, wire: Wire, name: int, message: dict[str, Any], held: set[int], here: bool) -> None:
        if "room" in message:
            self._pulse.rest(name)
            wire.say({"slots": self._room(message["room"], held)})
            self._pulse.beat(name)
        elif "frame" in message:
            self._take(wire, name, message, held, here)
        elif "given" in message:
            self._give(wire, name, message)
        elif "outcome" in message:
            self._outcome(name, message)
        elif "want" in message:
            wire.say(self._next(wire, name))
        elif "done" in message:
            wire.say({"ok": True})  # first: once the last unit is done, the trainer may hang up
            self._done(name, held)
        else:
            raise Lost(f"an unknown message {sorted(message)}")

    def _next(self, wire: Wire, name: int) -> dict[str, Any]:
        """The next unit for a solver; it waits while others hold what may come back."""
        dealer = self._dealer
        with self._door:
            if name in dealer.busy:
                raise Lost("it asked for a unit before the end of the one it has")
            self._door.wait_for(lambda: dealer.waiting or not dealer.busy or self._closed or self._error)
            if self._closed or self._error or not dealer.waiting:
                return {"unit": None}
            if wire.gone():  # it died as it waited: no fault of the unit's
                raise Lost("closed")
            number, unit = dealer.hand_out(name)
            self._pulse.beat(name)
            self._drawn(number, unit)
            members = [int(m) for m in unit]
            params = [self.draws.parameters(m) for m in members]
            return {"unit": members, "have": [int(self._pool.next[m]) for m in members], "params": params}

    def _drawn(self, number: int, unit: Index) -> None:
        """Have the parameters of a unit drawn; a proposal that fails is the trainer's business."""
        try:
            self.draws.unit(number, unit)
        except Exception as error:
            self.set_aside(f"the proposal failed: {error!r}")
            raise Lost("no parameters") from error

    def _room(self, wanted: Any, held: set[int]) -> list[int]:
        """Slots for frames to come, as soon as there are so many."""
        slots = self._pool.slots
        if type(wanted) is not int or not 0 < wanted <= len(slots.frames):
            raise PdebenchError(
                f"it wants room for {wanted} frames at once, and the buffer's capacity is {len(slots.frames)}: "
                "raise capacity, or lower the card's solver.batch"
            )
        with self._door:
            if not self._pool.make_room(wanted):
                self._blocked += 1
                self._tell()
                self._door.wait_for(lambda: self._closed or self._pool.make_room(wanted) or self._stuck())
                self._blocked -= 1
                if self._closed or self._error:
                    raise Lost("the trainer has gone")
            given = slots.take(wanted)
            held.update(given)
            return given

    def _stuck(self) -> bool:
        """Whether nothing can ever move again: all wait for room, and not one window is whole."""
        if self._error is None and not self._copying and self._pressed() and not self._pool.ready(pressed=True):
            self._error = PdebenchError(
                f"the buffer's {len(self._pool.slots.frames)} frames are full of windows that are not whole yet "
                f"(each needs {self._pool.plan.span} frames in a row): raise capacity"
            )
            self._door.notify_all()
            self._tell()
        return self._error is not None

    def _take(self, wire: Wire, name: int, message: dict[str, Any], held: set[int], here: bool) -> None:
        members = whole_numbers(message.get("members"), self.spec.samples.count)
        slots = whole_numbers(message.get("slots"), len(self._pool.slots.frames), len(members))
        (frame,) = whole_numbers([message.get("frame")], self.spec.times.frames)
        if len(set(slots)) != len(slots) or not held.issuperset(slots):
            raise Lost("slots that it does not hold")
        (ahead,) = whole_numbers([message.get("ahead", 0)], len(self._pool.slots.frames) + 1)
        if not here:
            for slot in slots:
                wire.receive_into(self._pool.slots.frames[slot])
        with self._door:
            if not members or not set(members) <= set(self._dealer.held_by(name).tolist()):
                raise Lost("members of a unit that it does not hold")
            for member, slot in zip(members, slots, strict=True):
                self._pool.put(member, frame, slot)  # first: what it refuses is still held, and given back
                held.remove(slot)
            self._tally = replace(self._tally, frames=self._tally.frames + len(members))
            self._tell()
            given = [] if self._blocked else self._pool.in_advance(ahead)
            held.update(given)
        if ahead:
            wire.say({"slots": given})

    def _give(self, wire: Wire, name: int, message: dict[str, Any]) -> None:
        """Inputs come over the socket: they are few beside the frames."""
        members = whole_numbers(message.get("given"), self.spec.samples.count)
        for member in members:
            inputs = np.empty((self._inputs, *self.spec.output.shape), DTYPE)
            wire.receive_into(inputs)
            with self._door:
                if member not in self._dealer.held_by(name):
                    raise Lost("a member of a unit that it does not hold")
                self._pool.give(member, inputs)

    def _outcome(self, name: int, message: dict[str, Any]) -> None:
        (member,) = whole_numbers([message.get("outcome")], self.spec.samples.count)
        with self._door:
            if member not in self._dealer.held_by(name):
                raise Lost("a member of a unit that it does not hold")
            if message.get("reason"):
                self._failed.add(member)
            self._pool.end(member)
            self._door.notify_all()  # it may have let go of frames

    def _done(self, name: int, held: set[int]) -> None:
        with self._door:
            self._dealer.done(name)
            self._pulse.rest(name)
            for slot in held:
                self._pool.slots.give_back(slot)
            held.clear()
            self._over_if_done()

    def _forget(self, name: int, held: set[int]) -> None:
        """A solver is gone: its slots are free, its unit goes to another, or is set aside after `TRIES`."""
        with self._door:
            self._wires.pop(name, None)
            self._pulse.rest(name)
            for slot in held:
                self._pool.slots.give_back(slot)
            members = self._dealer.held_by(name)
            if len(members):
                given_up = self._dealer.lost(name, int(self._pool.next[members].sum()))
                if len(given_up):
                    log.warning("members %d … %d ended their solver %d times", members[0], members[-1], TRIES)
                    self._failed.update(int(m) for m in members if self._pool.next[m] < self._pool.plan.frames)
                for member in given_up:
                    self._pool.end(int(member))
            self._over_if_done()

    def _over_if_done(self) -> None:
        if self._dealer.over:
            self._pool.over = True
        self._door.notify_all()
        self._tell()
