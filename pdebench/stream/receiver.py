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
from ..spec import DatasetSpec
from .buffer import Picked, Plan, Pool, policies
from .listeners import hang_up, leave_to_parent, opened, process_of, same_user
from .production import Production
from .proposals import Draws, Proposal
from .records import Buffering, Drawn, Report
from .service import Service
from .sink import host_identity, same_token
from .slots import Slots, Trays
from .wire import Lost, Wire

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
        self._all = Production(spec, self._pool, units, self.draws, patience)
        self._tally = Report()
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
            with self._all.door:
                self._pool.forget(drawn)  # nobody will see them: not after a Ctrl-C, and not in a checkpoint
            raise
        with self._all.door:
            self._tally = replace(self._tally, batches=self._tally.batches + bool(drawn))
        members, starts = (np.array([one[i] for one in drawn], int) for i in (0, 1))
        return Drawn(frames[: len(drawn)], [one.given for one in drawn], members, starts)

    def _picked(self, count: int) -> list[Picked]:
        """The next `count` windows, fewer at the end or where solvers wait for room; their frames are to be copied."""
        began = perf_counter()
        with self._all.door:
            self._all.asked = count
            self._all.bell.wait_for(lambda: self._all.settled(count))
            waited = perf_counter() - began
            if self._all.error is not None:
                raise self._all.error
            before = self._pool.repeats
            picked = [] if self._all.closed else self._pool.pick(count, self._all.pressed)
            self._all.copying = True
            self._tally = replace(
                self._tally,
                windows=self._tally.windows + len(picked),
                unique=self._tally.unique + len(picked) - (self._pool.repeats - before),
                idle_seconds=self._tally.idle_seconds + waited,
                start_seconds=self._tally.start_seconds if self._tally.windows else self._tally.idle_seconds + waited,
            )
            return picked

    def _copied(self, picked: list[Picked], into: Array) -> bool:
        """Copy frames out of their slots; whether there were any."""
        try:
            for row, one in zip(into, picked, strict=True):
                for place, slot in enumerate(one.slots):
                    row[place] = self._pool.slots.frames[slot]
        finally:
            with self._all.door:
                self._pool.let_go(picked)
                self._all.copying = False
                self._all.door.notify_all()
        return bool(picked)

    def report(self) -> Report:
        with self._all.door:
            total = self._all.dealer.members * len(self._pool.plan.starts)
            failed = tuple(sorted(self._all.failed))
            return replace(self._tally, total=total, frames=self._all.frames, failed=failed)

    def learn(self, members: Index, losses: Array) -> None:
        """What the trainer lost on windows of these members: the next units may be drawn by it."""
        with self._all.door:
            self.draws.learn(members, losses)

    def state(self) -> dict[str, Array]:
        """What `restore` needs in another process; a few bits per window."""
        with self._all.door:
            return self._pool.state() | self.draws.state()

    def restore(self, state: dict[str, Array], *, lacking: Collection[int] = ()) -> None:
        """Go on where another trainer stopped: what it saw is not sent again. Call it before solvers connect.

        Units with members that a store is `lacking` are solved again, though nobody waits for their windows.
        """
        with self._all.door:
            self._pool.restore(state)
            self.draws.restore(state)
            done = [
                number
                for number, unit in self._all.dealer.units.items()
                if all(self._pool.finished(int(m)) and m not in lacking for m in unit)
            ]
            for number in done:
                self._all.dealer.waiting.remove(number)
            self._all.over_if_done()

    def set_aside(self, reason: str) -> None:
        """End the stream with an error: nobody is left to solve."""
        with self._all.door:
            self._all.fail(reason)

    def hang_up_on_silent(self) -> list[int]:
        """Drop solvers that hang; ids of the processes of those on this host."""
        with self._all.door:
            patience = self._all.pulse.patience
            names = [name for name in self._all.pulse.silent() if name in self._all.wires]
            for name in names:
                self._all.pulse.rest(name)  # once: what is closed has no other end
            hung = [self._all.wires[name] for name in names]
            processes = [pid for wire in hung if (pid := process_of(wire.socket))]
        for wire in hung:
            log.warning("a solver brought nothing for %.0f s: it hangs, and is dropped", patience)
            wire.close()
        return processes

    @property
    def over(self) -> bool:
        """Whether production has ended."""
        return self._pool.over

    def close(self) -> None:
        """Hang up; solvers end at their next frame."""
        with self._all.door:
            self._all.closed = True
            wires = list(self._all.wires.values())
            self._all.door.notify_all()
            self._all.tell()
        for listener in self._listeners:
            hang_up(listener)
        for wire in wires:
            wire.close()
        self._pool.slots.close()

    def let_go(self) -> None:
        """Close what a fork inherited. No lock: the threads that could give it back are not here."""
        for end in (*self._listeners, *(wire.socket for wire in self._all.wires.values())):
            end.close()
        self._pool.slots.close()

    # -- the solvers ----------------------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                end, _ = listener.accept()
            except OSError as error:
                if self._all.closed:
                    return
                log.warning("a solver cannot be taken in: %s", error)  # too many open files, perhaps
                time.sleep(1)
                continue
            threading.Thread(target=self._serve, args=(Wire(end), listener is self._listeners[0]), daemon=True).start()

    def _serve(self, wire: Wire, here: bool) -> None:
        """One solver, until it hangs up."""
        service = Service(self._all, wire, here=here, inputs=(self._inputs, *self.spec.output.shape))
        try:
            with self._all.door:
                if self._all.closed:
                    return
                self._all.wires[id(wire)] = wire
            token = wire.hear().get("token")  # whose memory is shared needs none, if it is the same user's
            if not (here and same_user(wire.socket)) and not same_token(token, self.token):
                wire.say({"refused": "wrong token: pass the one that the trainer shows"})
                return
            self._welcome(wire, here)
            service.run()
        except Lost as why:
            log.debug("a solver is gone: %s", why)
        except PdebenchError as error:
            log.warning("a solver broke the contract and was dropped: %s", error)
        finally:
            service.end()
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
