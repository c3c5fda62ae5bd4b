"""Batches of members over one output interval, each with steps of its own: the NumPy reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pdebench.arrays import Array, Index
from pdebench.problem import BatchParams

from . import hancock
from .residual import Space, pieces, safe_change

Scheme = Literal["muscl_hancock", "ssp_rk2", "ssp_rk3"]


@dataclass(frozen=True, slots=True)
class Advanced:
    """States after an interval; where `time` falls short of it, the last state before the failure, or with it."""

    q: Array  # (variable, b, *space)
    time: Array  # (b,)
    steps: Index
    limited: Index  # how often positivity had to be helped


class Engine(Protocol):
    """Takes conserved averages over an interval."""

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced: ...


@dataclass(frozen=True, slots=True)
class NumpyEngine:
    """`system` is called with the parameters of some members; `cfl` and `max_steps` are the card's."""

    system: Callable[[BatchParams], Any]
    space: Space
    scheme: Scheme
    cfl: float
    max_steps: int
    start: float = 0.0  # time at which an interval begins, where a side moves

    def advance(self, q: Array, params: BatchParams, *, length: float, bed: Array | None = None) -> Advanced:
        count = q.shape[1]
        time, steps, limited, pending = np.zeros(count), np.zeros(count, int), np.zeros(count, int), np.zeros(count)
        todo: Index = np.arange(count) if length > 0 else np.zeros(0, int)
        number = 0
        while todo.size and number < self.max_steps:
            system = self.system({name: values[todo] for name, values in params.items()})
            rate = self.rate(system, some_of(q, todo))
            if not np.isfinite(rate).all():
                todo = todo[np.isfinite(rate)]
                continue
            own = None if bed is None else some_of(bed, todo)
            # Equal steps to the end of the interval, so that none of them is a sliver.
            rate = hancock.together(system.dimensions, rate, pending[todo], self.cfl)
            parts = np.maximum(np.ceil((length - time[todo]) * rate / self.cfl), 1)
            dt = (length - time[todo]) / parts
            now = self.at(self.start + time[todo] + dt / 2) if self.space.boundaries.moving else self
            new, acted = now.step(system, some_of(q, todo), dt, bed=own, count=number, pending=pending[todo])
            q = with_some(q, todo, new)
            pending[todo] = self.left(system, dt)
            time[todo] = np.where(parts == 1, length, time[todo] + dt)
            steps[todo] += 1
            limited[todo] += acted
            todo = todo[parts > 1]
            number += 1
        if (pending > 0).any():
            ended = self.at(self.start + time) if self.space.boundaries.moving else self
            q, acted = ended._finish(q, params, pending)
            limited += acted
        lost = ~self.sound(self.system(params), q) & (time == length)
        return Advanced(q, np.where(lost, np.nextafter(length, 0), time), steps, self.space.part.total(limited))

    def at(self, time: Array) -> Self:
        """The engine whose sides stand where they are at `time` `(b,)`."""
        return replace(self, space=replace(self.space, time=time))

    def left(self, system: Any, dt: Array) -> Array:
        """What a step leaves of the fastest axis for the next one, `(b,)`."""
        return np.asarray(hancock.left(system.dimensions if self.scheme == "muscl_hancock" else 0, dt))

    def _finish(self, q: Array, params: BatchParams, pending: Array) -> tuple[Array, Array]:
        """What the last steps of sound members left of the fastest axis; and how often positivity had to be helped."""
        limited = np.zeros(q.shape[1], int)
        some = np.flatnonzero((pending > 0) & self.sound(self.system(params), q))
        if not some.size:
            return q, limited
        system = self.system({name: values[some] for name, values in params.items()})
        space = self.space if self.space.time is None else replace(self.space, time=self.space.time[some])
        new, limited[some] = hancock.rest(system, some_of(q, some), pending[some], space)
        return with_some(q, some, new), limited

    def rate(self, system: Any, q: Array) -> Array:
        """1/Δt at Courant number one, `(b,)`: over the axes it is the sum, or for one axis at a time the largest.

        Infinite for members that are not admissible everywhere.
        """
        rates = [self._rate(system, q[some]) for some in pieces(q.shape)]
        return self.space.part.largest(np.max(rates, axis=0))

    def sound(self, system: Any, q: Array) -> NDArray[np.bool_]:
        """Which members are admissible everywhere, `(b,)`."""
        good = np.all([physical(system, q[some]) for some in pieces(q.shape)], axis=0)
        return np.asarray(self.space.part.largest(~good) == 0)

    def _rate(self, system: Any, q: Array) -> Array:
        good = physical(system, q)
        if not good.all():
            q = np.where(good.reshape(-1, *(1,) * (q.ndim - 2)), q, 1)
        w, total = system.primitive(q), []
        for axis, h in enumerate(self.space.spacing):
            slow, fast = system.speeds(w, axis)
            total.append(np.maximum(np.abs(slow), np.abs(fast)) / np.asarray(h, q.dtype))
        along = np.maximum.reduce(total) if self.scheme == "muscl_hancock" else np.add.reduce(total)
        if hasattr(system, "viscous_rate"):
            along = along + system.viscous_rate(w, self.space.spacing)
        return np.where(good, np.asarray(along.reshape(len(along), -1).max(axis=1), float), np.inf)

    def step(
        self,
        system: Any,
        q: Array,
        dt: Array,
        *,
        bed: Array | None = None,
        count: int = 0,
        pending: Array | float = 0.0,
    ) -> tuple[Array, Array]:
        """One step of each member, `dt` `(b,)`, but for what is `left`; and how often positivity had to be helped.

        `ssp_rk2` and `ssp_rk3` are convex combinations of Euler steps (Shu & Osher 1988, J. Comput. Phys. 77, 439).
        """
        if self.scheme == "muscl_hancock":
            q, limited = hancock.step(system, q, dt, self.space, count=count, pending=pending)
            return self._sourced(system, q, dt), limited
        h = dt.astype(q.dtype).reshape(-1, *(1,) * system.dimensions)

        def euler(state: Array) -> tuple[Array, Array]:
            change, acted = safe_change(system, state, dt, self.space, bed)
            return self._without_round_off(system, state + h * change), acted

        one, first = euler(q)
        two, second = euler(one)
        if self.scheme == "ssp_rk2":
            return self._sourced(system, (q + two) / 2, dt), first + second
        three, third = euler((3 * q + two) / 4)
        return self._sourced(system, (q + 2 * three) / 3, dt), first + second + third

    def _without_round_off(self, system: Any, q: Array) -> Array:
        """A depth below zero by round-off alone is zero; water too shallow to move has no momentum, stored or not."""
        if system.positive == (0,):
            depth = q[0]
            most = self.space.part.largest(np.abs(depth).reshape(len(depth), -1).max(axis=1))
            tiny = 100 * np.finfo(q.dtype).eps * most.reshape(-1, *(1,) * system.dimensions)
            q[0] = np.where((depth < 0) & (depth > -tiny), 0, depth)
            q[1:] = np.where(q[0] > system.dry, q[1:], 0)
        return q

    def _sourced(self, system: Any, q: Array, dt: Array) -> Array:
        """Stiff sources of a cell by itself, where the system has them."""
        return np.asarray(system.relaxed(q, dt)) if hasattr(system, "relaxed") else q


def some_of(q: Array, members: Index) -> Array:
    """`(variable, b, *space)` of some members, in order; the array itself where they are all."""
    return q if len(members) == q.shape[1] else q[:, members]


def with_some(q: Array, members: Index, new: Array) -> Array:
    """A copy in which some members have a new state; `new` where they are all."""
    if len(members) == q.shape[1]:
        return new
    q = q.copy()
    q[:, members] = new
    return q


def physical(system: Any, q: Array) -> Array:
    """Which members are admissible everywhere, `(b,)`."""
    return np.asarray(system.admissible(q).all(axis=tuple(range(1, q.ndim - 1))))
