"""Who stands where on one task: order, ties with the truth, intervals, speed-up and break-even."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, log, nan

import numpy as np

from ..arrays import Array
from ..metrics import bootstrap_interval, difference_interval, mean_score, metrics, per_sample, step_curve
from ..spec import DatasetSpec
from ..task import Record, Task
from .cost import Bound, Point, break_even, classical_seconds, frontier, speed_up

# The truth's own error is a relative L² norm: it bounds from below what these can tell apart (vrmse ≥ nrmse).
COMPARABLE = frozenset({"nrmse", "vrmse"})


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a judge found for the same model on data that nobody has seen."""

    score: float
    interval: tuple[float, float]  # bootstrap over the hidden samples, 95 %
    difference: tuple[float, float]  # hidden − public: interval over both sets of samples

    @property
    def differs(self) -> bool:
        """Whether the public score is not what the hidden one bears out: 0 lies outside the interval."""
        low, high = self.difference
        return not low <= 0 <= high


@dataclass(frozen=True, slots=True)
class Entry:
    """One model's place. `place` is None where it diverged; `tied` where its error is below the truth's own."""

    record: Record
    place: int | None
    tied: bool
    score: float
    interval: tuple[float, float]  # bootstrap over samples, 95 %
    seconds: float
    speed_up: Bound | None
    break_even: Bound | None
    hidden: Hidden | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One task's table, best first, and what was set aside: label -> reason."""

    task: Task
    spec: DatasetSpec
    entries: tuple[Entry, ...]
    floor: Array | None  # (time,) error of the truth itself, where the primary metric can be compared with it
    aside: Mapping[str, str]
    verified: tuple[Entry, ...] = ()  # judged on hidden data, ranked among themselves

    @property
    def floor_score(self) -> float | None:
        return None if self.floor is None else float(self.floor.mean())


def stand(task: Task, spec: DatasetSpec, records: Iterable[Record], aside: Mapping[str, str] | None = None) -> Standing:
    """The standing of records that answer `task` on the data of `spec`. Equal for any order of `records`.

    Records of a judge, on hidden data, stand apart from those that authors report themselves.
    """
    everything = list(records)
    judged = {record.label: record for record in everything if record.verdict is not None}
    entries, floor = _ranked(task, spec, [record for record in everything if record.verdict is None])
    entries = [replace(entry, hidden=_hidden(task, entry.record, judged)) for entry in entries]
    verified, _ = _ranked(task, spec, list(judged.values()))
    return Standing(task, spec, tuple(entries), floor, dict(aside or {}), tuple(verified))


def _ranked(task: Task, spec: DatasetSpec, pool: list[Record]) -> tuple[list[Entry], Array | None]:
    """Records of one set of data in order, and the truth's own error there."""
    floor = _floor(task, pool)
    limit = None if floor is None else float(floor.mean())
    curves = {record.hardware: _classical_curve(task, pool, record.hardware, limit) for record in pool}
    entries: list[Entry] = []
    for record in sorted(pool, key=lambda r: _key(task, r, limit)):
        score = primary(task, record)
        tied = limit is not None and score < limit
        place = None if not isfinite(score) else 1 if tied else len(entries) + 1
        gain, worth = _costs(task, spec, record, limit, curves[record.hardware])
        interval = bootstrap_interval(per_sample(values_of(record, task.primary)))
        entries.append(Entry(record, place, tied, score, interval, seconds(record), gain, worth))
    return entries, floor


def _hidden(task: Task, record: Record, judged: Mapping[str, Record]) -> Hidden | None:
    found = judged.get(record.label)
    if found is None:
        return None
    public, hidden = (per_sample(values_of(r, task.primary)) for r in (record, found))
    gap = difference_interval(hidden, public)
    return Hidden(primary(task, found), bootstrap_interval(hidden), gap)


def rises(metric: str) -> bool:
    """True where more is better."""
    return metrics[metric].better == "higher"


def values_of(record: Record, metric: str) -> Array:
    """`(sample, time, field)`."""
    return np.asarray(record.values[metric], dtype=np.float64)


def primary(task: Task, record: Record) -> float:
    return mean_score(values_of(record, task.primary))


def roll_out(task: Task, record: Record) -> Array | None:
    """The primary metric at each predicted frame, `(time,)`; None for one that has one value per trajectory."""
    curve = step_curve(values_of(record, task.primary))
    return curve if len(curve) == len(record.times) else None


def seconds(record: Record) -> float:
    """Per trajectory, at the better of the two batch sizes measured."""
    measured = min(record.expense.inference_seconds, record.expense.inference_seconds_batched)
    return max(measured, 1e-9)  # a clock that saw nothing


def badness(task: Task, score: float, limit: float | None) -> float:
    """What equal accuracy means: log error, errors below the truth's own counting as that; or the score, turned."""
    if rises(task.primary):
        return -score
    error = max(score, limit or 0.0)
    return log(error) if 0 < error < inf else nan  # no logarithmic axis holds a perfect score


def _key(task: Task, record: Record, limit: float | None) -> tuple[bool, float, str, str]:
    score = primary(task, record)
    lost = not isfinite(score)
    if lost or (limit is not None and score < limit):
        return lost, -np.inf, record.label, record.digest
    return lost, -score if rises(task.primary) else score, record.label, record.digest


def _floor(task: Task, pool: list[Record]) -> Array | None:
    """The truth's own error at each frame; where records differ, the least, so that none can widen it."""
    if task.primary not in COMPARABLE:
        return None
    known = [step_curve(np.asarray(r.truth_error, dtype=np.float64)[None]) for r in pool if r.truth_error]
    known = [curve for curve in known if np.isfinite(curve).all() and curve.mean() > 0]
    return min(known, key=lambda curve: (float(curve.mean()), curve.tolist())) if known else None


def _classical_curve(task: Task, pool: list[Record], hardware: str, limit: float | None) -> tuple[Point, ...]:
    """The best that classical solvers do on the machine a model was timed on."""
    return frontier(
        Point(seconds(record), badness(task, primary(task, record), limit))
        for record in pool
        if record.kind == "classical" and record.hardware == hardware
    )


def _costs(
    task: Task, spec: DatasetSpec, record: Record, limit: float | None, curve: tuple[Point, ...]
) -> tuple[Bound | None, Bound | None]:
    """Speed-up and break-even of a neural model; None for others and where there is nothing to compare with."""
    if record.kind != "neural":
        return None, None
    classical = classical_seconds(badness(task, primary(task, record), limit), curve)
    if classical is None:
        return None, None
    gain = speed_up(seconds(record), classical)
    if record.generation_seconds is None or "train" not in spec.splits:
        return gain, None
    fixed = len(spec.split("train")) * record.generation_seconds + record.expense.training_seconds
    return gain, break_even(fixed, seconds(record), classical)
