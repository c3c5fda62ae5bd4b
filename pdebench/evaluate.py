"""(model, store, task) -> Record: every test sample predicted, scored and kept, one batch in memory at a time."""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from . import __version__
from .arrays import Array, Index, significant
from .errors import CardError, ModelError, PdebenchError, StoreError
from .metrics import metrics, over_starts, per_sample, score
from .model import Guarded, NeuralSolver, build_model
from .picture import Picture, spread, take
from .provenance import commit, hardware
from .question import Question
from .spec import DatasetSpec, load_spec
from .store import TrajectoryStore
from .task import Curves, Expense, Record, Task, load_task
from .timing import Clock, best_batch, calibrate, clock_of, memory_available

Kind = Literal["neural", "classical", "reference"]
Progress = Callable[[float, float], None]

KINDS: tuple[Kind, ...] = ("neural", "classical", "reference")
BATCH, BATCH_BYTES = 64, 2**28  # at most so many samples in a batch, and so many bytes of predictions
DIGITS = 5  # of each value of a metric
REPEATS, PATIENCE = 5, 2.0  # timed calls of one trajectory; no further one after so many seconds


def evaluate(  # noqa: PLR0913  # each is a decision of the caller
    model: str | NeuralSolver,
    store: TrajectoryStore | str | Path,
    task: Task | str | Path,
    *,
    label: str | None = None,
    options: Mapping[str, Any] | None = None,
    weights: str | Path | None = None,
    batch: int | None = None,
    card: DatasetSpec | None = None,
    clock: Clock = "wall",
    progress: Progress | None = None,
) -> Record:
    """Score a model on a task: its answers to every sample of the task's split, and what they cost.

    `model` is a registered name, `module:attribute`, `path.py:Class`, or an object with `predict`. A sample with
    values that are not finite scores as badly as its metrics allow; a model with no finite sample is an error.
    The task's time limit holds for the scoring calls together, and for each of the few others; see
    `model.time_limit` for what it cannot stop. Timing: median seconds per trajectory after a warm-up, of
    the wall or, with `clock` "cpu", of this process: fair on a shared machine, blind to devices and other processes.
    `card` is the dataset's, where it is not the one that the task names (hidden data of another seed).
    """
    task = task if isinstance(task, Task) else load_task(task)
    store = store if isinstance(store, TrajectoryStore) else TrajectoryStore.open(store)
    members = _members(store, task, card or load_spec(task.dataset))
    for name in task.metrics:
        metrics[name]  # an unknown name is an error before the work, not after it
    entrant = _entrant(model, store.spec, label, dict(options or {}), None if weights is None else Path(weights))
    guarded = Guarded(entrant.model, entrant.name, fields=len(store.fields), clock=clock_of(clock))
    asked = Question(store, task)
    items = asked.items(members)
    gc.collect()  # what others left is not to be cleared away in this model's seconds
    single = _seconds_alone(guarded, asked, items)
    size = _batch(guarded, asked, items, single, batch)
    answers = _answers(guarded, asked, items, size, progress)
    return _record(entrant, asked, members, _expense(entrant.model, single, answers, clock), answers)


@dataclass(frozen=True, slots=True)
class _Entrant:
    """A model and what its record says about it."""

    model: NeuralSolver
    name: str
    label: str
    kind: Kind
    options: dict[str, Any]
    weights: Path | None


def _entrant(
    model: str | NeuralSolver, spec: DatasetSpec, label: str | None, options: dict[str, Any], weights: Path | None
) -> _Entrant:
    if isinstance(model, str):
        name, made = model, build_model(model, spec, weights, **options)
    else:
        name, made = f"{type(model).__module__}:{type(model).__qualname__}", model
    kind = getattr(made, "kind", "neural")
    if kind not in KINDS:
        raise ModelError(f"model {name} says it is of kind {kind!r}: expected one of {', '.join(KINDS)}")
    return _Entrant(made, name, label or _label(name, options), kind, options, weights)


def _label(name: str, options: Mapping[str, Any]) -> str:
    """How a table calls a model that was given no label: `classical, shape 32×32`."""

    def said(value: Any) -> str:
        if isinstance(value, list | tuple):
            return "×".join(map(str, value))
        short = f"{value:g}" if isinstance(value, float) else ""
        return short if "e" in short and float(short) == value else str(value)  # 1e+06, but 1.0

    return ", ".join([name.rpartition(":")[2], *(f"{key} {said(value)}" for key, value in options.items())])


def _members(store: TrajectoryStore, task: Task, card: DatasetSpec) -> Index:
    """The samples to score. Raises unless the store is the task's dataset, and whole where the task looks."""
    if store.spec.digest != card.digest:
        raise StoreError(
            f"{store.path} holds {store.spec.name} with digest {store.spec.digest}, but task {task.name} is about "
            f"{card.name} with digest {card.digest}: `pdebench generate {task.dataset} --out STORE` makes it"
        )
    if store.spec.splits != card.splits:
        raise StoreError(
            f"{store.path} was made with other splits than {card.name} has now: `pdebench generate {task.dataset} "
            f"--out {store.path}` takes them over and solves nothing again"
        )
    if store.steady and (task.first, task.history, task.horizon, task.stride, task.every) != (0, 1, 1, 1, None):
        raise CardError(
            f"task {task.name}: {store.spec.name} is steady, so first must be 0, history, horizon and stride 1, and "
            "every left out"
        )
    if not store.steady and task.frames[-1] >= len(store.times):
        raise CardError(
            f"task {task.name} uses frames up to {task.frames[-1]}, but {store.spec.name} has {len(store.times)}: "
            "lower first, history, horizon or stride"
        )
    split = store.spec.split(task.split)
    if gone := int((store.status()[list(split)] == 0).sum()):
        raise StoreError(
            f"{gone} of the {len(split)} {task.split} samples are missing from {store.path}: "
            f"`pdebench generate {task.dataset} --out {store.path}` finishes it"
        )
    members = store.members(task.split)
    if not len(members):
        raise StoreError(f"every {task.split} sample of {store.path} failed to be solved: there is nothing to score")
    return members


@dataclass(frozen=True, slots=True)
class _Answers:
    values: dict[str, Array]  # (sample, time or 1, field or 1), rounded as the record keeps them
    picture: Picture | None
    batch: int
    seconds: float  # per trajectory


def _answers(guarded: Guarded, asked: Question, items: Index, batch: int, progress: Progress | None) -> _Answers:
    """Predict and score all items; of a batch, only its scores outlive it, and of the first a picture."""
    left, done = asked.task.time_limit, 0
    parts: list[_Part] = []
    for group in _groups(items, batch):
        parts.append(_part(guarded, asked, group, left, pictured=not parts))
        left, done = max(left - parts[-1].seconds, 0.0), done + len(group)
        if progress:
            progress(done, len(items))
    if sum(part.diverged for part in parts) == len(items):
        raise ModelError(f"the model predicted NaN or infinite values in all {done} samples: there is nothing to rank")
    seconds = [part.seconds / batch for part in parts if part.size == batch]
    if len(seconds) == 1:  # that call was the warm-up
        seconds.append(asked.put(guarded, items[:batch], asked.task.time_limit)[2] / batch)
    joined = {name: np.concatenate([part.values[name] for part in parts]) for name in asked.task.metrics}
    values = {name: significant(over_starts(own, len(asked.starts)), DIGITS) for name, own in joined.items()}
    return _Answers(values, parts[0].picture, batch, float(np.median(seconds[1:])))


@dataclass(frozen=True, slots=True)
class _Part:
    """What is kept of one batch."""

    values: dict[str, Array]
    size: int
    diverged: int
    seconds: float
    picture: Picture | None


def _part(guarded: Guarded, asked: Question, group: Index, limit: float, *, pictured: bool) -> _Part:
    history, pred, seconds = asked.put(guarded, group, limit)
    if not (fluid := asked.fluid(group)[:, None, None]).all():
        pred = np.where(fluid, pred, 0)  # what is said of solid bodies is not heard
    members = pred if guarded.ensemble > 1 else None
    pred = pred if members is None else members.mean(axis=0)
    truth = asked.truth(group)  # read only now: there is nothing to peep at
    values = _scores(asked, group, asked.start(history), pred, truth, members)
    diverged = int((~np.isfinite(pred).all(axis=tuple(range(1, pred.ndim)))).sum())
    picture = _picture(int(group[0, 0]), asked.times, truth[0], pred[0]) if pictured else None
    return _Part(values, len(group), diverged, seconds, picture)


def _scores(
    asked: Question, group: Index, start: Array, pred: Array, truth: Array, members: Array | None
) -> dict[str, Array]:
    """Every metric of the task, `(b, t or 1, c or 1)`; items with the same bodies are scored together."""
    out: dict[str, Array] = {}
    for rows, fluid in asked.alike(group):
        ensemble = None if members is None else members[:, rows]
        context = asked.context(group[rows], start[rows], fluid)
        for name, values in score(asked.task.metrics, pred[rows], truth[rows], context, ensemble=ensemble).items():
            out.setdefault(name, np.empty((len(group), *values.shape[1:])))[rows] = values
    return out


def _seconds_alone(guarded: Guarded, asked: Question, items: Index) -> float:
    """Median seconds of one item at a time, after a warm-up."""
    seconds: list[float] = []
    while len(seconds) < 2 or (len(seconds) <= REPEATS and sum(seconds) < PATIENCE):
        one = items[len(seconds) % len(items) :][:1]
        seconds.append(asked.put(guarded, one, asked.task.time_limit)[2])
    return float(np.median(seconds[1:]))


def _batch(guarded: Guarded, asked: Question, items: Index, single: float, batch: int | None) -> int:
    """The batch asked for, or the one that makes an item cheapest and fits in memory; no more than there are."""
    if batch is not None and batch < 1:
        raise PdebenchError(f"batch must be at least 1, got {batch}")
    if batch is not None:
        return min(len(items), batch)
    nbytes = 8 * len(asked.times) * len(asked.store.fields) * prod(asked.store.grid.shape)
    room = min(BATCH_BYTES, memory_available() // 8)
    most = min(len(items), max(1, min(BATCH, room // nbytes)))
    # Of many slow items even dear trials pay: what a batch of them costs is often what one of them does.
    patience = max(PATIENCE, len(items) * single / 2)
    return best_batch(
        lambda size: asked.put(guarded, items[:size], asked.task.time_limit)[2], most, single, patience=patience
    )


def _groups(items: Index, batch: int) -> Iterator[Index]:
    for low in range(0, len(items), batch):
        yield items[low : low + batch]


def _picture(member: int, times: Array, truth: Array, pred: Array, *, points: int = 64) -> Picture:
    """A few frames of `(t, field, *space)`, at most `points` per axis; of a box, the middle slice along z."""
    chosen = spread(len(times))
    thin = tuple(slice(None, None, -(-n // points)) for n in truth.shape[2:])
    middle = (truth.shape[2] // 2,) if len(thin) == 3 else ()
    where = (slice(None), slice(None), *middle, *thin[len(middle) :])
    return take(member, significant(times[chosen]).tolist(), truth[chosen][where], pred[chosen][where])


def _generation_seconds(store: TrajectoryStore) -> float | None:
    """Mean over the members that are done."""
    seconds = store.wall_seconds()[store.members()]
    return float(significant(seconds.mean())) if np.isfinite(seconds).all() else None


def _record(entrant: _Entrant, asked: Question, members: Index, expense: Expense, answers: _Answers) -> Record:
    task, store, uncertain = asked.task, asked.store, asked.truth_error()
    return Record(
        task=task.name,
        task_version=task.version,
        dataset=store.spec.name,
        dataset_version=store.spec.version,
        dataset_digest=store.spec.digest,
        model=entrant.name,
        label=entrant.label,
        kind=entrant.kind,
        options=entrant.options,
        weights_sha256=None if entrant.weights is None else sha256(entrant.weights.read_bytes()).hexdigest(),
        seed=_seed(entrant),
        fields=list(store.fields),
        times=significant(asked.times).tolist(),
        members=[int(m) for m in members],
        failed=sorted(set(store.spec.split(task.split)) - set(members.tolist())),
        scores={name: _score(name, values) for name, values in answers.values.items()},
        values={name: cast(Curves, values.tolist()) for name, values in answers.values.items()},
        truth_error=None if uncertain is None else cast(list[list[float]], significant(uncertain).tolist()),
        generation_seconds=_generation_seconds(store),
        expense=expense,
        picture=answers.picture,
        hardware=hardware(),
        versions=_versions(),
        commit=commit(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _score(name: str, values: Array) -> float:
    return float(significant(np.array(metrics[name].score(per_sample(values)))))


def _seed(entrant: _Entrant) -> int | None:
    """The seed that the weights were trained with, where their passport (or the model itself) tells it."""
    model = entrant.model
    seed = getattr(getattr(model, "passport", model), "seed", None)
    return seed if entrant.kind == "neural" and isinstance(seed, int) else None


def _expense(model: object, single: float, answers: _Answers, clock: Clock) -> Expense:
    return Expense(
        parameters=int(getattr(model, "parameter_count", 0)),
        training_seconds=float(getattr(model, "training_seconds", 0.0)),
        training_clock=getattr(model, "training_clock", None),
        inference_seconds=float(significant(np.array(single))),
        inference_seconds_batched=float(significant(np.array(answers.seconds))),
        batch=answers.batch,
        threads=_threads(),
        peak_memory_bytes=_peak_memory(),
        clock=clock,
        calibration=calibrate(clock=clock),
    )


def _threads() -> int:
    """Threads that a model may compute with."""
    if torch := sys.modules.get("torch"):
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return max(1, int(asked)) if asked.isdigit() else os.cpu_count() or 1


def _peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    import resource  # POSIX only, like the time limit

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> dict[str, str]:
    found = {"pdebench": __version__, "python": platform.python_version(), "numpy": np.__version__}
    if torch := sys.modules.get("torch"):
        found["torch"] = str(torch.__version__)
    return found
