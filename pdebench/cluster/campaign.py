"""Units on their way: which are out, which come next, and what is learned from a worker's death. No Dask here."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Any

from ..pulse import Pulse
from ..spec import DatasetSpec
from .orders import Delivery, Order
from .report import Tally

TRIES = 3  # of a member, before it is set aside; of a unit that comes back with an error
BEAT = 5.0  # [s] between two signs of a worker's life
STARTS = 10  # of a unit whose worker dies before it begins: such deaths blame nobody, but have an end


class State(Enum):
    """How an order that is out fares; only one at work is expected to give signs of life."""

    AT_WORK = "at work"
    ASLEEP = "asleep"  # its job is suspended
    HUNG = "hung"  # and its worker was ended
    EXCUSED = "excused"  # another one of its job hung, and all of the job was ended


@dataclass(slots=True)
class Out:
    """An order that is out, and what is known of it."""

    order: Order
    suspect: bool
    worker: str = ""  # that has begun with it
    members: tuple[int, ...] = ()  # that are being solved
    state: State = State.AT_WORK
    beside: dict[str, bool] = field(default_factory=dict)  # orders that met their end with it: whether suspects

    @property
    def job(self) -> str:
        """The job of its worker; the number of the worker in it follows."""
        return self.worker.rpartition("-")[0]


class Campaign:
    """The state of a run over units; a member is blamed only for deaths that met it at work.

    Workers of one job die together, and nobody can tell of whom: a unit that met such a death is suspected, and the
    next death that meets it is its own, if it is then the only suspect of its job. Suspects that die together leave it
    open again, and from then on at most half as many are out at once: in the end one, of which a death tells. Each that
    comes in doubles that number.

    `patience`: how long a worker may bring no frame [s], see `Pulse`.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        store: str,
        settled: Mapping[str, Any],
        units: Iterable[int],
        patience: float | None = None,
    ) -> None:
        self._spec, self._store, self._settled = spec, store, settled
        self._pulse: Pulse[str] = Pulse(patience)
        self._beat = BEAT if patience is None else min(BEAT, patience / 4)
        self._suspects: set[int] = set()
        self._suspects_at_once: float = inf
        self.waiting = deque(units)
        self.out: dict[str, Out] = {}
        self.tally = Tally()
        self._attempts: dict[int, int] = {}
        self._deaths: dict[tuple[int, ...], int] = {}
        self._alone: dict[int, set[int]] = {}
        self._errors: dict[int, int] = {}
        self._idle_deaths: dict[int, int] = {}

    def next(self) -> Order | None:
        """An order for the next unit that waits; none while only suspects wait and enough of these are out."""
        room = sum(sent.suspect for sent in self.out.values()) < self._suspects_at_once
        unit = next((unit for unit in self.waiting if room or unit not in self._suspects), None)
        if unit is None:
            return None
        self.waiting.remove(unit)
        attempt = self._attempts[unit] = self._attempts.get(unit, 0) + 1
        alone = frozenset(self._alone.get(unit, ()))
        size = self._spec.samples.unit
        aside = {m: why for m, why in self.tally.aside.items() if m // size == unit}
        order = Order(self._spec, self._store, unit, attempt, self._settled, alone, aside, self._beat)
        self.out[order.key] = Out(order, suspect=unit in self._suspects)
        return order

    def note(self, said: Mapping[str, Any]) -> None:
        """A worker has the order, begins these members, has got further, or has committed the unit."""
        key = f"unit-{said['unit']}-{said['attempt']}"
        if "delivery" in said:
            self.tally.deliveries.append(Delivery(**said["delivery"]))
        sent = self.out.get(key)
        if sent is None:
            return  # its end was known before
        sent.worker = said["worker"]
        sent.members = tuple(said.get("members", sent.members))
        if sent.state is State.AT_WORK:
            self._pulse.beat(key, tells="delivery" in said or bool(said.get("frame")))

    def hung(self, suspended: Container[str] | None = ()) -> dict[str, Order]:
        """Orders that have not moved for too long, by the names of their workers; not those of `suspended` jobs.

        None while nobody knows which jobs these are.
        """
        if suspended is None:
            return {}
        for key, sent in self.out.items():
            if sent.state is State.AT_WORK and sent.job in suspended:
                self._rest(key, State.ASLEEP)
            elif sent.state is State.ASLEEP and sent.job not in suspended:
                sent.state = State.AT_WORK
                self._pulse.beat(key, tells=False)
        return {self.out[key].worker: self.out[key].order for key in self._pulse.silent()}

    def ended(self, key: str) -> None:
        """The worker of an order that hung was killed, and the others of its job with it: their deaths are expected."""
        self._rest(key, State.HUNG)
        for other in self._others(self.out[key]):
            if other.state is not State.HUNG:
                self._rest(other.order.key, State.EXCUSED)
        self.tally.hung += 1

    def committed(self, key: str) -> None:
        """It is in the store, whatever became of its worker."""
        sent = self._close(key)
        self._suspects.discard(sent.order.unit)
        if sent.suspect:
            self._suspects_at_once *= 2

    def died(self, key: str) -> None:
        """Its worker has gone: try again, and after some times without the member that was being solved."""
        sent = self._close(key)
        for other in self._others(sent):
            sent.beside[other.order.key] = other.suspect
            other.beside[key] = sent.suspect
        unit = sent.order.unit
        self.tally.deaths += 1
        if not sent.members:
            self._idle_deaths[unit] = self._idle_deaths.get(unit, 0) + 1
            if self._idle_deaths[unit] >= STARTS:
                self.tally.given_up[unit] = f"{STARTS} workers died before they began with it"
                return
        elif sent.state is not State.EXCUSED:
            self._judge(sent)
        self.waiting.appendleft(unit)

    def _judge(self, sent: Out) -> None:
        """Whose was the death that met it at work?"""
        suspects = sent.suspect + sum(sent.beside.values())
        if sent.state is State.HUNG or not sent.beside or (sent.suspect and suspects == 1):
            self._blame(sent.order.unit, sent.members)
        elif sent.suspect:
            self._suspects_at_once = min(self._suspects_at_once, suspects // 2)
        else:
            self._suspects.add(sent.order.unit)

    def _others(self, sent: Out) -> list[Out]:
        """Orders at work in the same job."""
        return [other for other in self.out.values() if sent.job and other is not sent and other.job == sent.job]

    def _blame(self, unit: int, members: tuple[int, ...]) -> None:
        count = self._deaths[members] = self._deaths.get(members, 0) + 1
        if len(members) > 1:
            if count >= TRIES - 1:  # one of them, but which? The last try will tell
                self._alone.setdefault(unit, set()).update(members)
                for member in members:
                    self._deaths[(member,)] = max(self._deaths.get((member,), 0), count)
        elif count >= TRIES:
            self.tally.aside[members[0]] = f"its worker died {TRIES} times while it was being solved"

    def failed(self, key: str, why: str) -> None:
        """It came back with an error: try again later, but not for ever."""
        unit = self._close(key).order.unit
        self.tally.errors += 1
        self._errors[unit] = self._errors.get(unit, 0) + 1
        if self._errors[unit] >= TRIES:
            self.tally.given_up[unit] = why
        else:
            self.waiting.append(unit)

    def _rest(self, key: str, state: State) -> None:
        self._pulse.rest(key)
        self.out[key].state = state

    def _close(self, key: str) -> Out:
        self._pulse.rest(key)
        return self.out.pop(key)
