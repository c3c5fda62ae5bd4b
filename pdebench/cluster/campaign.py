"""Units on their way: which are out, which come next, and what is learned from a worker's death. No Dask here."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping
from typing import Any

from ..pulse import Pulse
from ..spec import DatasetSpec
from .orders import Delivery, Order
from .report import Tally

TRIES = 3  # of a member, before it is set aside; of a unit that comes back with an error
BEAT = 5.0  # [s] between two signs of a worker's life
STARTS = 10  # of a unit whose worker dies before it begins: such deaths blame nobody, but have an end


class Campaign:
    """The state of a run over units; a member is blamed only for deaths that met it at work.

    Workers of one job die together, and nobody can tell of whom: a unit that met such a death is suspected, and from
    then on is out as the only suspect. Only the next death that meets it so is its own.

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
        self._worker: dict[str, str] = {}  # that has begun with an order
        self._asleep: set[str] = set()  # orders whose jobs are suspended
        self._guilty: set[str] = set()  # orders whose workers were ended because they hung
        self._beside: set[str] = set()  # orders that were at work in a job where another one met its end
        self._excused: set[str] = set()  # those of them where it is known whose end that was
        self._suspects: set[int] = set()
        self.waiting = deque(units)
        self.out: dict[str, Order] = {}
        self.tally = Tally()
        self._attempts: dict[int, int] = {}
        self._met: dict[str, tuple[int, ...]] = {}  # members that were being solved, by order
        self._deaths: dict[tuple[int, ...], int] = {}
        self._alone: dict[int, set[int]] = {}
        self._errors: dict[int, int] = {}
        self._idle_deaths: dict[int, int] = {}

    def next(self) -> Order | None:
        """An order for the next unit that waits; none while those that wait are suspects and another one is out."""
        taken = any(what.unit in self._suspects for what in self.out.values())
        unit = next((unit for unit in self.waiting if not (taken and unit in self._suspects)), None)
        if unit is None:
            return None
        self.waiting.remove(unit)
        attempt = self._attempts[unit] = self._attempts.get(unit, 0) + 1
        alone = frozenset(self._alone.get(unit, ()))
        size = self._spec.samples.unit
        aside = {m: why for m, why in self.tally.aside.items() if m // size == unit}
        order = Order(self._spec, self._store, unit, attempt, self._settled, alone, aside, self._beat)
        self.out[order.key] = order
        return order

    def note(self, said: Mapping[str, Any]) -> None:
        """A worker has the order, begins these members, has got further, or has committed the unit."""
        key = f"unit-{said['unit']}-{said['attempt']}"
        if "delivery" in said:
            self.tally.deliveries.append(Delivery(**said["delivery"]))
        if key not in self.out:
            return  # its end was known before
        if "members" in said:
            self._met[key] = tuple(said["members"])
        self._worker[key] = said["worker"]
        self._pulse.beat(key, tells="delivery" in said or bool(said.get("frame")))

    def hung(self, suspended: Container[str] = ()) -> dict[str, Order]:
        """Orders that have not moved for too long, by the names of their workers; not those of `suspended` jobs."""
        for key in [key for key in self._asleep if _job(self._worker[key]) not in suspended]:
            self._asleep.remove(key)
            self._pulse.beat(key, tells=False)
        for key in self._pulse.silent():
            if _job(self._worker[key]) in suspended:
                self._asleep.add(key)
                self._pulse.rest(key)
        return {self._worker[key]: self.out[key] for key in self._pulse.silent()}

    def ended(self, key: str) -> None:
        """The worker of an order that hung was killed, and the others of its job with it: their deaths are expected."""
        self._pulse.rest(key)
        self._guilty.add(key)
        self._excused.update(self._others(key))
        self.tally.hung += 1

    def committed(self, key: str) -> None:
        """It is in the store, whatever became of its worker."""
        order, _ = self._close(key)
        self._suspects.discard(order.unit)

    def died(self, key: str) -> None:
        """Its worker has gone: try again, and after some times without the member that was being solved."""
        others = self._others(key)
        self._beside.update(others)
        excused = key in self._excused
        alone = key in self._guilty or not (others or key in self._beside)
        order, members = self._close(key)
        self.tally.deaths += 1
        if not members:
            self._idle_deaths[order.unit] = self._idle_deaths.get(order.unit, 0) + 1
            if self._idle_deaths[order.unit] >= STARTS:
                self.tally.given_up[order.unit] = f"{STARTS} workers died before they began with it"
                return
        elif not excused and (alone or order.unit in self._suspects):
            self._blame(order.unit, members)
        elif not excused:
            self._suspects.add(order.unit)
        self.waiting.appendleft(order.unit)

    def _others(self, key: str) -> list[str]:
        """Orders at work in the same job."""
        job = _job(self._worker.get(key, key))
        return [other for other, worker in self._worker.items() if other != key and _job(worker) == job]

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
        order, _ = self._close(key)
        self.tally.errors += 1
        self._errors[order.unit] = self._errors.get(order.unit, 0) + 1
        if self._errors[order.unit] >= TRIES:
            self.tally.given_up[order.unit] = why
        else:
            self.waiting.append(order.unit)

    def _close(self, key: str) -> tuple[Order, tuple[int, ...]]:
        self._pulse.rest(key)
        self._worker.pop(key, None)
        for keys in (self._asleep, self._guilty, self._beside, self._excused):
            keys.discard(key)
        return self.out.pop(key), self._met.pop(key, ())


def _job(worker: str) -> str:
    """The job of a worker; the number of the worker in it follows."""
    return worker.rpartition("-")[0]
