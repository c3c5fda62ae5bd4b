"""A question put to every model, and the record of one answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from .errors import CardError, RecordError
from .picture import Picture
from .spec import Card, Count, Finite, Named, Slug, Split, find_card, parse, read_yaml
from .timing import Calibration, Clock

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Curves = list[list[list[float]]]  # [sample][time][field]
ANY_FLOAT = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Task(Card):
    """What is predicted from what, on which data, and how it is scored.

    A model sees frames `first … first+history-1` (every `stride`-th stored frame) and predicts the next `horizon`.
    With `every` it is asked again from each `every`-th stored frame after `first` that leaves room for the horizon,
    and a sample's score is the mean over those starts: horizon 1 and every 1 is single-step prediction of all frames.
    Of a steady dataset it sees the inputs and predicts the one frame: history, horizon and stride are 1.
    """

    name: Slug
    version: Count
    title: str
    description: str
    dataset: Slug
    split: Split = "test"
    first: Annotated[int, Field(ge=0)] = 0
    history: Count = 1
    horizon: Count
    stride: Count = 1
    every: Count | None = None
    metrics: tuple[str, ...] = Field(min_length=1)
    primary: str
    baselines: tuple[Named, ...] = ()
    time_limit: Annotated[float, Field(gt=0)] = 600.0  # seconds for all samples together

    @model_validator(mode="after")
    def _primary_is_a_metric(self) -> Self:
        if self.primary not in self.metrics:
            raise ValueError(f"primary {self.primary!r} is not among the metrics {', '.join(self.metrics)}")
        return self

    def starts(self, stored: int) -> range:
        """Where histories begin in a trajectory of so many stored frames: `first`, and what `every` adds."""
        last = stored - (self.frames[-1] - self.first)
        return range(self.first, max(last, self.first + 1), self.every or stored)

    @property
    def frames(self) -> range:
        """Indices of the stored frames that the task uses: the history, then the predicted ones."""
        return range(self.first, self.first + (self.history + self.horizon) * self.stride, self.stride)


def load_task(card: str | Path) -> Task:
    """The task of a card: a path to YAML, or the name of one that ships with pdebench."""
    path = find_card(card, "leaderboards", "task.yaml")
    return parse(Task, read_yaml(path), where=str(path))


class Expense(Card):
    """What a model costs. Seconds are medians per trajectory on the record's hardware.

    They are those of the wall, or those of the processor (`clock: cpu`) where others used the machine.
    """

    parameters: Annotated[int, Field(ge=0)] = 0
    training_seconds: Seconds = 0.0
    inference_seconds: Seconds  # one trajectory at a time
    inference_seconds_batched: Seconds  # per trajectory, in batches of `batch`, the best one found
    batch: Count
    threads: Count = 1
    clock: Clock = "wall"
    training_clock: Clock | None = None  # of training_seconds; None: not told, as in records before version 5
    peak_memory_bytes: Annotated[int, Field(ge=0)] = 0
    calibration: Calibration | None = None  # of the machine, in the same run; None in records of version 1


class Sums(Card):
    """What a board keeps of a metric's values: what it ranks by and what it draws."""

    model_config = ANY_FLOAT

    samples: list[float]  # of each sample, the mean over times and fields
    curve: list[float] = []  # at each time, the mean over samples and fields; none where a trajectory has one value


class Verdict(Card):
    """What a judge says beside the scores: made on hidden data, of the same card with a seed that nobody knows."""

    submission_sha256: str  # of the files handed in
    trusted: bool  # code of the submission ran, and not only a graph of operations
    isolation: list[str]  # what held the model in, e.g. landlock, seccomp
    samples: Count


class Signature(Card):
    """Ed25519 over the record's digest, by the private half of a key in leaderboards/keys."""

    key: str  # name of the key
    value: str  # hexadecimal


class Record(Card):
    """One model's answers to one task, complete enough to rank, plot and repeat."""

    model_config = ANY_FLOAT

    # 1 had no calibration, verdict or signature; 2 no seed; 3 no clock; 4 no sums, and the mean of censored times
    schema_version: Literal[1, 2, 3, 4, 5] = 5
    task: Slug
    task_version: Count
    dataset: Slug
    dataset_version: Count
    dataset_digest: str
    model: str  # registered name, or module:attribute
    label: str  # how the table calls it
    kind: Literal["neural", "classical", "reference"]  # reference: persistence and the like
    options: dict[str, Any] = {}
    weights_sha256: str | None = None
    seed: int | None = None  # of the training; None where there was none, or none was told
    fields: list[str]
    times: list[Finite]  # of the predicted frames, from the last frame of the history
    members: list[int]
    failed: list[int] = []  # members of the split that the classical solver could not make: nobody is scored on them
    scores: dict[str, float]  # aggregates over samples, times and fields
    values: dict[str, Curves | Sums]  # per sample, before any averaging; on a board their sums
    truth_error: list[list[float]] | None = None  # [time][field], relative L2 of the truth itself
    generation_seconds: float | None = None  # of one trajectory of the truth
    expense: Expense
    picture: Picture | None = None
    hardware: str
    versions: dict[str, str]
    commit: str
    created: str  # ISO 8601, UTC
    verdict: Verdict | None = None  # None: self-reported, on the public data
    signature: Signature | None = None
    digest: str = ""  # of everything else but the signature; filled by `sealed`

    @model_validator(mode="after")
    def _of_its_version(self) -> Self:
        if self.schema_version < 3 and self.seed is not None:
            raise ValueError(f"seed: records of version {self.schema_version} have none")
        scaled = self.picture is not None and self.picture.scale is not None
        if self.schema_version < 4 and (scaled or self.expense.clock != "wall"):
            raise ValueError(f"picture.scale, expense.clock: records of version {self.schema_version} have none")
        reach = self.picture is not None and self.picture.reach is not None
        sums = any(isinstance(values, Sums) for values in self.values.values())
        if self.schema_version < 5 and (reach or sums or self.expense.training_clock is not None):
            raise ValueError(
                f"picture.reach, sums of values, expense.training_clock: records of version {self.schema_version} "
                "have none"
            )
        return self

    def fingerprint(self) -> str:
        """SHA-256 of the record without its digest and signature; of an older version, without what came later."""
        content = self.model_dump(mode="json", exclude={"digest", "signature"})
        if self.schema_version < 5:
            del content["expense"]["training_clock"]
            if content["picture"] is not None:
                del content["picture"]["reach"]
        if self.schema_version < 4:
            del content["expense"]["clock"]
            if content["picture"] is not None:
                del content["picture"]["scale"]
        if self.schema_version < 3:
            del content["seed"]
        if self.schema_version == 1:
            del content["verdict"], content["expense"]["calibration"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def sealed(self) -> Record:
        return self.model_copy(update={"digest": self.fingerprint()})

    def save(self, path: Path) -> Path:
        """Write the record as JSON, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(self.sealed().model_dump(mode="json"), separators=(",", ":")) + "\n")
        partial.replace(path)
        return path


def load_record(path: Path) -> Record:
    """A record from disk. Raises `RecordError` for one that is malformed or was changed by hand."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is not a record: {error}") from error
    if not isinstance(data, Mapping):
        raise RecordError(f"{path} is not a record: it holds {type(data).__name__}, not an object")
    try:
        record = parse(Record, data, where=str(path))
    except CardError as error:
        raise RecordError(str(error)) from error
    if record.digest != record.fingerprint():
        raise RecordError(f"{path} was changed after it was written: make it again with `pdebench evaluate`")
    return record
