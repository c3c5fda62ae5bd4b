"""Which records belong to a task, and how one gets onto its board."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..arrays import significant
from ..errors import CardError, RecordError
from ..metrics import metrics, middle
from ..picture import decode, spread, take
from ..registry import suggest
from ..signing import check_signature
from ..spec import DatasetSpec, load_spec
from ..task import Record, Sums, Task, load_record, load_task
from .runs import curve_of, samples_of

LABEL = 100  # characters at most
DIGITS = 1e-4  # records keep six significant digits of each score


def submit(record_path: Path, root: Path) -> Path:
    """Put a record in place: `leaderboards/<task>/records/<label>.json` under `root`, `<label>.seed<n>.json` if seeded.

    The board keeps of a record what it shows: sums of its values, see `Sums`, and of several trainings of a model one
    picture. A signed record stays whole.
    Raises `RecordError` for one that was changed, does not answer the task, or would replace another model's.
    """
    record = load_record(record_path)
    task = find_task(record.task, root)
    check_record(record, task, find_spec(task, root))
    check_verdict(record, root)
    shown = False  # by another training of the same model
    for path in sorted((root / "leaderboards" / task.name / "records").glob("*.json")):
        other = load_record(path)
        same_kind = (other.verdict is None) == (record.verdict is None)
        if other.label == record.label and (other.model, other.options) != (record.model, record.options):
            raise _taken(path, other, record)
        if same_kind and other.dataset_digest == record.dataset_digest and other.failed != record.failed:
            raise RecordError(
                f"the record leaves out members {record.failed} as failed, {path.name} leaves out {other.failed}: "
                "the same dataset has the same failures; evaluate both on it again"
            )
        if same_kind and other.dataset_digest == record.dataset_digest and _unlike(other, record):
            raise RecordError(
                f"the truth's own error differs from that in {path.name}: it is the dataset's, whatever the model; "
                "certify the store as the card says, and evaluate again"
            )
        shown |= other.label == record.label and other.seed != record.seed and other.picture is not None
    if record.signature is None:
        record = slim(record if not shown else record.model_copy(update={"picture": None}))
    slug = re.sub(r"[^a-z0-9]+", "_", record.label.lower()).strip("_") or record.digest[:12]
    seed = "" if record.seed is None else f".seed{record.seed}"
    judged = "" if record.verdict is None else ".judged"
    place = root / "leaderboards" / task.name / "records" / f"{slug}{seed}{judged}.json"
    if place.exists():
        other = load_record(place)
        if (other.model, other.options, other.label) != (record.model, record.options, record.label):
            raise _taken(place, other, record)
        if record.seed is None and other.weights_sha256 != record.weights_sha256:
            raise RecordError(
                f"{place} holds a record of other weights, and neither tells the seed of a training: if it is yours "
                "and out of date, delete it first; if not, evaluate with another --label"
            )
    return record.save(place)


def slim(record: Record) -> Record:
    """The record as a board keeps it, in today's version. What was slim stays as it is."""
    picture = record.picture
    if picture is not None and picture.reach is None:
        shown = spread(len(picture.times))
        picture = take(picture.member, [picture.times[i] for i in shown], *(half[shown] for half in decode(picture)))
    values = {name: _sums(record, name) for name in record.values}
    scores = {name: metrics[name].score(np.asarray(values[name].samples)) for name in record.scores}
    return record.model_copy(
        update={
            "schema_version": Record.model_fields["schema_version"].default,
            "values": values,
            "scores": {name: float(significant(score)) for name, score in scores.items()},
            "picture": picture,
        }
    )


def _sums(record: Record, name: str) -> Sums:
    samples, curve = samples_of(record, name), curve_of(record, name)
    return Sums(samples=significant(samples).tolist(), curve=significant(curve).tolist())


def _follows(record: Record, name: str) -> float:
    """The score that follows from the record's values. Up to version 4 that was the mean of any metric."""
    samples = samples_of(record, name)
    return middle(samples) if record.schema_version < 5 else metrics[name].score(samples)


def _unlike(one: Record, other: Record) -> bool:
    """Whether two records disagree on the error of the truth by more than other hardware explains."""
    if one.truth_error is None or other.truth_error is None:
        return False
    pair = np.asarray(one.truth_error), np.asarray(other.truth_error)
    return pair[0].shape != pair[1].shape or not np.allclose(*pair, rtol=0.02, atol=1e-6)


def _taken(place: Path, other: Record, record: Record) -> RecordError:
    return RecordError(
        f"{place} holds {other.label!r} ({other.model}, options {other.options}), another model than "
        f"{record.label!r} ({record.model}, options {record.options}): evaluate yours with another --label"
    )


def check_verdict(record: Record, root: Path) -> None:
    """Raises `RecordError` where a record claims to be judged and no key of the board vouches for it."""
    if record.verdict is not None or record.signature is not None:
        check_signature(record, root / "leaderboards" / "keys")


def find_task(name: str, root: Path) -> Task:
    """The task of that name under `root`."""
    folder = root / "leaderboards"
    known = sorted(path.parent.name for path in folder.glob("*/task.yaml"))
    if name not in known:
        raise RecordError(f"the record answers task {name!r}, which {folder} does not have{suggest(name, known)}")
    return load_task(folder / name / "task.yaml")


def find_spec(task: Task, root: Path) -> DatasetSpec:
    """The card of the task's dataset: under `root` if it is there, else the one that ships with pdebench."""
    here = root / "datasets" / task.dataset / "card.yaml"
    return load_spec(here if here.is_file() else task.dataset)


def check_record(record: Record, task: Task, spec: DatasetSpec) -> None:
    """Raises `RecordError` with the first reason why the record is no answer to the task."""
    _check_identity(record, task, spec)
    _check_extent(record, task, spec)
    _check_scores(record, task)
    if record.picture is not None:
        truth, _ = decode(record.picture)
        if truth.shape[1] != len(record.fields):
            raise RecordError(f"picture shows {truth.shape[1]} fields, the record has {len(record.fields)}")


def _check_identity(record: Record, task: Task, spec: DatasetSpec) -> None:
    expected = {
        "task": (record.task, task.name),
        "task_version": (record.task_version, task.version),
        "dataset": (record.dataset, spec.name),
        "dataset_version": (record.dataset_version, spec.version),
        "dataset_digest": (record.dataset_digest, spec.digest),
    }
    for key, (got, wanted) in expected.items():
        if got != wanted:
            raise RecordError(
                f"{key} is {got!r}, task {task.name} now has {wanted!r}: generate {spec.name} and evaluate again"
            )
    if not record.label.strip() or not record.label.isprintable() or len(record.label) > LABEL:
        raise RecordError(
            f"label is {record.label[:LABEL]!r}: one line of 1 to {LABEL} characters that can be seen; "
            "evaluate with --label"
        )


def _check_extent(record: Record, task: Task, spec: DatasetSpec) -> None:
    """Members, times and the shape of every value."""
    members = spec.split(task.split)
    if record.members != [m for m in members if m not in record.failed] or not set(record.failed) < set(members):
        raise RecordError(
            f"members are {_some(record.members)}, the {task.split} split of {spec.name} is {_some(list(members))}: "
            "every one counts, once and in order, but for those that have failed in the dataset itself"
        )
    stored = spec.times.values()
    if task.frames[-1] >= len(stored):
        raise CardError(f"task {task.name} uses frame {task.frames[-1]}, {spec.name} has {len(stored)} frames")
    used = stored[list(task.frames)]
    times = used[task.history :] - used[task.history - 1]
    if len(record.times) != len(times) or not np.allclose(record.times, times, rtol=DIGITS):
        raise RecordError(f"times are {_some(record.times)}, the task predicts {_some(times.tolist())}")
    if missing := [name for name in task.metrics if name not in record.values or name not in record.scores]:
        raise RecordError(f"values or scores lack {', '.join(missing)}: the task asks for {', '.join(task.metrics)}")
    for name in record.values:
        if name not in task.metrics:
            raise RecordError(f"values has {name!r}, which the task does not ask for{suggest(name, task.metrics)}")
        _check_shape(record, name)
    if record.truth_error is not None and {len(row) for row in record.truth_error} != {len(record.fields)}:
        raise RecordError(f"truth_error must have one value per field ({', '.join(record.fields)}) at each time")
    if record.truth_error is not None and len(record.truth_error) != len(times):
        raise RecordError(f"truth_error has {len(record.truth_error)} times, the task predicts {len(times)}")


def _check_shape(record: Record, name: str) -> None:
    """One value per member and time (or one per trajectory) and field (or one for the whole state)."""
    steps = len(record.times) if metrics[name].curve else 1
    values = record.values[name]
    if isinstance(values, Sums):
        expected = len(record.members), steps if metrics[name].curve else 0
        if (len(values.samples), len(values.curve)) != expected:
            raise RecordError(
                f"values.{name} has {len(values.samples)} samples and {len(values.curve)} times, expected "
                f"{expected[0]} and {expected[1]}"
            )
        return
    try:
        shape = np.asarray(values, dtype=np.float64).shape
    except ValueError:  # rows of unequal length
        shape = ()
    if shape not in {(len(record.members), steps, fields) for fields in (1, len(record.fields))}:
        raise RecordError(
            f"values.{name} has shape {shape or 'ragged'}, expected {(len(record.members), steps, len(record.fields))} "
            "(sample, time, field)"
        )


def _check_scores(record: Record, task: Task) -> None:
    if extra := sorted(set(record.scores) - set(task.metrics)):
        raise RecordError(f"scores has {extra[0]!r}, which the task does not ask for{suggest(extra[0], task.metrics)}")
    for name, said in record.scores.items():
        follows = _follows(record, name)
        if not np.isclose(said, follows, rtol=DIGITS, atol=1e-12, equal_nan=True):
            raise RecordError(
                f"scores.{name} is {said:g}, but its values give {follows:g}: scores are made by `pdebench evaluate`, "
                "never by hand"
            )


def _some(items: list[float] | list[int]) -> str:
    words = [f"{item:g}" for item in items]
    return ", ".join(words if len(words) <= 6 else [*words[:3], "…", words[-1]]) + f" ({len(words)})"
