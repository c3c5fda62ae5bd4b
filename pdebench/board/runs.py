"""One model that was trained several times: its records, one of each training, read as one row of the table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from statistics import median

import numpy as np

from ..arrays import Array
from ..metrics import metrics, per_sample, step_curve
from ..task import Record, Sums, Task

SEEDS = 3  # trainings below which nothing is known of how much the seed matters


def trainings(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """Records of the same model, options and label on the same machine, by seed; one that tells no seed stands alone.

    Of two records of the same seed the later one counts, and one of the same weights as a record with a seed does not.
    """
    found: dict[tuple[str, ...], dict[int, Record]] = {}
    alone: list[Record] = []
    for record in sorted(records, key=lambda r: (r.created, r.digest)):
        if record.kind != "neural" or record.seed is None:
            alone.append(record)
        else:
            found.setdefault(_identity(record), {})[record.seed] = record
    told = {(key, r.weights_sha256) for key, group in found.items() for r in group.values() if r.weights_sha256}
    rows = [(record,) for record in alone if (_identity(record), record.weights_sha256) not in told]
    return [*rows, *(tuple(group[seed] for seed in sorted(group)) for group in found.values())]


def _identity(record: Record) -> tuple[str, ...]:
    options = json.dumps(record.options, sort_keys=True)
    return record.label, record.kind, record.model, options, machine(record)


def machine(record: Record) -> str:
    """What timed it: seconds compare within one machine and one clock."""
    return record.hardware + ("" if record.expense.clock == "wall" else ", processor time")


def samples_of(record: Record, metric: str) -> Array:
    """The score of each sample, `(sample,)`: the mean over times and fields."""
    values = record.values[metric]
    if isinstance(values, Sums):
        return np.asarray(values.samples, dtype=np.float64)
    return per_sample(np.asarray(values, dtype=np.float64))


def curve_of(record: Record, metric: str) -> Array:
    """The mean over samples and fields at each predicted frame, `(time,)`; empty of one value per trajectory."""
    values = record.values[metric]
    if isinstance(values, Sums):
        return np.asarray(values.curve, dtype=np.float64)
    return step_curve(np.asarray(values, dtype=np.float64)) if metrics[metric].curve else np.empty(0)


def mean_samples(records: Sequence[Record], metric: str) -> Array:
    """The score of each sample, `(sample,)`: the mean over trainings. Infinite where one of them diverged."""
    return np.asarray(np.mean([samples_of(record, metric) for record in records], axis=0))


def score(metric: str, records: Sequence[Record]) -> float:
    """Mean over trainings of the mean (of times that the horizon cuts off: the median) over samples."""
    return float(np.mean([metrics[metric].score(samples_of(record, metric)) for record in records]))


def primary(task: Task, records: Sequence[Record]) -> float:
    """The score that the task ranks by."""
    return score(task.primary, records)


def spread(task: Task, records: Sequence[Record]) -> tuple[float, float] | None:
    """Least and greatest score over the trainings; None for fewer than two."""
    scores = [primary(task, [record]) for record in records]
    return (min(scores), max(scores)) if len(scores) > 1 else None


def roll_out(task: Task, records: Sequence[Record]) -> Array | None:
    """The primary metric at each predicted frame, `(time,)`; None for one that has one value per trajectory."""
    curve = np.asarray(np.mean([curve_of(record, task.primary) for record in records], axis=0))
    return curve if curve.size else None


def seconds(records: Sequence[Record]) -> float:
    """Per trajectory, at the better of the two batch sizes measured; median over trainings."""
    measured = [min(r.expense.inference_seconds, r.expense.inference_seconds_batched) for r in records]
    return max(median(measured), 1e-9)  # a clock that saw nothing


def parameters(records: Sequence[Record]) -> int:
    return max(record.expense.parameters for record in records)


def training_seconds(records: Sequence[Record]) -> float:
    """Of one training: the mean over them."""
    return float(np.mean([record.expense.training_seconds for record in records]))


def training_clocks(records: Sequence[Record]) -> set[str]:
    """By which clocks they were trained, as far as they tell."""
    told = {record.expense.training_clock for record in records if record.expense.training_seconds}
    return {clock for clock in told if clock is not None}


def method(record: Record) -> str:
    """What a classical solver does, whatever its grid: model and options but `shape`."""
    said = [f"{key} {value}" for key, value in sorted(record.options.items()) if key != "shape"]
    return ", ".join([record.model, *said])
