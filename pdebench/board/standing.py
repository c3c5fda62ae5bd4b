"""Who stands where on one task: order, ties with the truth, intervals, speed-up and break-even."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, log, nan
from statistics import median

import numpy as np

from ..arrays import Array
from ..metrics import bootstrap_interval, difference_interval, metrics, step_curve
from ..spec import DatasetSpec
from ..task import Record, Task
from .cost import Bound, Point, break_even, classical_seconds, frontier, pareto, speed_up
from .neighbours import Above, compare
from .runs import machine, mean_samples, parameters, primary, seconds, spread, training_seconds, trainings

Records = tuple[Record, ...]

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

    records: Records  # one of each training, by seed
    place: int | None
    tied: bool
    score: float
    interval: tuple[float, float]  # bootstrap over samples, 95 %
    seconds: float
    speed_up: Bound | None
    break_even: Bound | None
    spread: tuple[float, float] | None = None  # least and greatest score over the trainings
    front: bool = False  # no model on this machine is better in error, seconds or parameters and no worse in any
    above: Above | None = None  # beside the model one place higher
    hidden: Hidden | None = None

    @property
    def record(self) -> Record:
        """That of the first training, which speaks for all in what they share."""
        return self.records[0]

    @property
    def pictured(self) -> Record:
        """That of the first training with a picture."""
        return next((record for record in self.records if record.picture), self.record)


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
    judged = {runs[0].label: runs for runs in trainings(r for r in everything if r.verdict is not None)}
    entries, floor = _ranked(task, spec, trainings(r for r in everything if r.verdict is None))
    entries = [replace(entry, hidden=_hidden(task, entry, judged)) for entry in entries]
    verified, _ = _ranked(task, spec, list(judged.values()))
    return Standing(task, spec, tuple(entries), floor, dict(aside or {}), tuple(verified))


def _ranked(task: Task, spec: DatasetSpec, pool: list[Records]) -> tuple[list[Entry], Array | None]:
    """Models on one set of data in order, and the truth's own error there."""
    floor = _floor(task, [record for runs in pool for record in runs])
    limit = None if floor is None else float(floor.mean())
    curves = {machine(runs[0]): _classical_curve(task, pool, machine(runs[0]), limit) for runs in pool}
    entries: list[Entry] = []
    for runs in sorted(pool, key=lambda r: _key(task, r, limit)):
        score = primary(task, runs)
        tied = limit is not None and score < limit
        place = None if not isfinite(score) else 1 if tied else len(entries) + 1
        fixed = _fixed(spec, runs, pool)
        gain, worth = _costs(task, runs, limit, curves[machine(runs[0])], fixed)
        interval = bootstrap_interval(mean_samples(runs, task.primary), typical=metrics[task.primary].typical)
        spent = seconds(runs)
        entries.append(Entry(runs, place, tied, score, interval, spent, gain, worth, spread(task, runs)))
    return _beside(task, entries, limit), floor


def _beside(task: Task, entries: list[Entry], limit: float | None) -> list[Entry]:
    """The entries, each with what it is beside the others: on the front or not, told apart from the one above or not.

    Of those below the truth's own error the last takes part in the tests: nothing tells them apart. The test is of
    means: scores that are medians have none.
    """
    tied = [i for i, entry in enumerate(entries) if entry.tied]
    tested = metrics[task.primary].typical == "mean"
    kept = [tested and entry.place is not None and i not in tied[:-1] for i, entry in enumerate(entries)]
    rows = [
        (entry.record.label, mean_samples(entry.records, task.primary)) if keep else None
        for entry, keep in zip(entries, kept, strict=True)
    ]
    found: list[Entry] = []
    last = entries[0] if entries else None
    for entry, above, keep in zip(entries, compare(rows), kept, strict=True):
        if above is not None and last is not None:
            above = replace(above, seeds=_overlap(entry, last))
        last = entry if keep else last
        found.append(replace(entry, above=above, front=_front(task, entry, entries, limit)))
    return found


def _overlap(one: Entry, other: Entry) -> bool:
    """Whether the least and greatest scores over trainings leave open which model is better."""
    (a, b), (c, d) = (entry.spread or (entry.score, entry.score) for entry in (one, other))
    return (one.spread or other.spread) is not None and max(a, c) <= min(b, d)


def _front(task: Task, entry: Entry, entries: list[Entry], limit: float | None) -> bool:
    """Whether no model timed on the same machine beats it; errors below the truth's own count as equal."""

    def price(e: Entry) -> tuple[float, ...]:
        error = -e.score if rises(task.primary) else max(e.score, limit or 0.0)
        return error, e.seconds, parameters(e.records)

    rivals = [e for e in entries if e.place is not None and machine(e.record) == machine(entry.record)]
    return entry.place is not None and pareto(price(entry), [price(e) for e in rivals])


def _hidden(task: Task, entry: Entry, judged: Mapping[str, Records]) -> Hidden | None:
    found = judged.get(entry.record.label)
    if found is None:
        return None
    public, hidden = (mean_samples(runs, task.primary) for runs in (entry.records, found))
    typical = metrics[task.primary].typical
    gap = difference_interval(hidden, public, typical=typical)
    return Hidden(primary(task, found), bootstrap_interval(hidden, typical=typical), gap)


def rises(metric: str) -> bool:
    """True where more is better."""
    return metrics[metric].better == "higher"


def badness(task: Task, score: float, limit: float | None) -> float:
    """What equal accuracy means: log error, errors below the truth's own counting as that; or the score, turned."""
    if rises(task.primary):
        return -score
    error = max(score, limit or 0.0)
    return log(error) if 0 < error < inf else nan  # no logarithmic axis holds a perfect score


def _key(task: Task, runs: Records, limit: float | None) -> tuple[bool, float, str, str]:
    score, label, digest = primary(task, runs), runs[0].label, runs[0].digest
    lost = not isfinite(score)
    if lost or (limit is not None and score < limit):
        return lost, -np.inf, label, digest
    return lost, -score if rises(task.primary) else score, label, digest


def _floor(task: Task, pool: list[Record]) -> Array | None:
    """The truth's own error at each frame; where records differ, the least, so that none can widen it."""
    if task.primary not in COMPARABLE:
        return None
    known = [step_curve(np.asarray(r.truth_error, dtype=np.float64)[None]) for r in pool if r.truth_error]
    known = [curve for curve in known if np.isfinite(curve).all() and curve.mean() > 0]
    return min(known, key=lambda curve: (float(curve.mean()), curve.tolist())) if known else None


def _classical_curve(task: Task, pool: list[Records], timer: str, limit: float | None) -> tuple[Point, ...]:
    """The best that classical solvers, all methods together, do on the machine a model was timed on."""
    return frontier(
        Point(seconds(runs), badness(task, primary(task, runs), limit))
        for runs in pool
        if runs[0].kind == "classical" and machine(runs[0]) == timer
    )


def _costs(
    task: Task, runs: Records, limit: float | None, curve: tuple[Point, ...], fixed: float | None
) -> tuple[Bound | None, Bound | None]:
    """Speed-up and break-even of a neural model; None for others and where there is nothing to compare with."""
    if runs[0].kind != "neural":
        return None, None
    classical = classical_seconds(badness(task, primary(task, runs), limit), curve)
    if classical is None:
        return None, None
    gain = speed_up(seconds(runs), classical)
    return gain, None if fixed is None else break_even(fixed, seconds(runs), classical)


def _fixed(spec: DatasetSpec, runs: Records, pool: list[Records]) -> float | None:
    """Seconds for the data and one training; None where nobody tells the first.

    What the data cost is the word of the baselines' records on the same machine, where there are any, and not that
    of the model that gains by a small number: their median.
    """
    if "train" not in spec.splits:
        return None
    here = [record for others in pool for record in others if machine(record) == machine(runs[0])]
    told = [r for r in here if r.kind != "neural" and r.generation_seconds is not None] or list(runs)
    known = [r.generation_seconds for r in told if r.generation_seconds is not None]
    return len(spec.split("train")) * median(known) + training_seconds(runs) if known else None
