"""What a campaign will take, before it runs: units, shards, bytes, core-hours; and which units to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from .. import order, sample, solve
from ..arrays import Array, Index
from ..generate import wanted_units
from ..meshes import meshes_of
from ..place import exists
from ..problem import Frame, inputs_of, problem_of
from ..shard import Form
from ..spec import DatasetSpec
from ..store import TrajectoryStore

PILOT = 20.0  # [s] after which a pilot has seen enough
NEAREST = 3  # finished members from which the cost of another is guessed


@dataclass(frozen=True, slots=True)
class Plan:
    """The work that a store still lacks."""

    units: int
    members: int
    shards: int
    nbytes: int
    seconds_per_member: float  # on one core, by the pilot
    workers: int
    ranks: int

    @property
    def core_hours(self) -> float:
        return self.members * self.seconds_per_member / 3600

    def __str__(self) -> str:
        own = f"{self.workers} workers of {self.ranks} {'core' if self.ranks == 1 else 'ranks'}"
        hours = self.core_hours / (self.workers * self.ranks)
        return (
            f"{self.members} members in {self.units} units of work, {self.shards} shards, {self.nbytes / 1e9:.3g} GB\n"
            f"pilot: {self.seconds_per_member:.3g} s per member on one core: {self.core_hours:.3g} core-hours, "
            f"at best {hours:.3g} h on {own}"
        )


def plan_of(spec: DatasetSpec, out: str | Path, members: Sequence[int] | None, *, workers: int) -> Plan:
    """The plan of what the store at `out`, if there is one, lacks of some members."""
    todo = wanted_units(spec, members)
    if exists(out):
        todo = lacking(spec, todo, TrajectoryStore.open(out).missing())
    return plan(spec, todo, workers=workers)


def plan(spec: DatasetSpec, todo: list[Index], *, workers: int) -> Plan:
    """The plan of some units; solves a few members for at most `PILOT` seconds, and writes nothing."""
    problem = problem_of(spec)
    samples, dtype = spec.samples.unit, np.dtype(spec.store.dtype)
    per_name = [spec.times.frames] * len(problem.fields) + [1] * len(inputs_of(problem))
    shards = (Form(samples, len(unit), frames, spec.store.shape, dtype) for unit in todo for frames in per_name)
    sizes = [shard.nbytes for shard in shards]
    kept, _ = meshes_of(spec, problem)
    names = tuple(field.name for field in problem.fields)
    sizes += [form.nbytes for unit in todo for m in unit for form in kept.shards(spec, int(m), names).values()]
    members = sum(len(unit) for unit in todo)
    seconds = pilot(spec, todo[0]) if todo else 0.0
    return Plan(len(todo), members, len(sizes), sum(sizes), seconds, workers, spec.ranks)


def pilot(spec: DatasetSpec, unit: Index, limit: float = PILOT) -> float:
    """Seconds of one core that a member takes; where a batch takes longer than `limit`, by the frames until then."""
    began, times = perf_counter(), spec.times.values()
    for event in solve.trajectories(spec, unit):
        if not isinstance(event, Frame):
            continue
        spent = perf_counter() - began
        last = event.index == spec.times.frames - 1
        if last or (spent > limit and times[event.index] > 0):
            share = 1.0 if last else float(times[event.index] / times[-1])
            return spent / share / len(event.members)
    return perf_counter() - began


def expected_seconds(spec: DatasetSpec, todo: list[Index], known: Array) -> Array:
    """Guessed cost of each unit, `(unit,)`: of each member the mean of the known ones with the nearest parameters.

    `known` are seconds per member, `(sample,)`, NaN where nothing is known; without any, the number of members.
    """
    have = np.flatnonzero(np.isfinite(known))
    if not len(have):
        return np.array([float(len(unit)) for unit in todo])
    rows = [list(sample.parameters(spec, m).values()) for m in range(spec.samples.count)]
    places = np.array(rows).reshape(spec.samples.count, -1)
    spread = places.std(axis=0)
    places = (places - places.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    k = min(NEAREST, len(have))
    found = []
    for unit in todo:
        away = ((places[unit][:, None] - places[have][None]) ** 2).sum(axis=2)
        nearest = np.argpartition(away, k - 1, axis=1)[:, :k]
        found.append(float(known[have][nearest].mean(axis=1).sum()))
    return np.array(found)


def lacking(spec: DatasetSpec, units: list[Index], missing: Index) -> list[Index]:
    """The units that hold any missing member."""
    gone = set(missing.tolist())
    return [unit for unit in units if gone.intersection(unit.tolist())]


def longest_first(spec: DatasetSpec, todo: list[Index], known: Array) -> list[int]:
    """Numbers of units, the costliest first; among equals in their own order."""
    cost = expected_seconds(spec, todo, known)
    return [order.number(spec, todo[place]) for place in np.argsort(-cost, kind="stable")]
