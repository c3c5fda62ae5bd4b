"""What a dataset is, before any number is computed. Frozen; YAML in, digest out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_serializer, model_validator

from .arrays import Array
from .errors import CardError
from .registry import suggest

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Split = Annotated[str, Field(pattern=r"^(train|valid|test)(_[a-z0-9_]+)?$")]


class Card(BaseModel):
    """A frozen record that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Grid(Card):
    """A uniform grid: `shape` points over `lengths`, slowest axis first (z, y, x).

    `nodes` **include** the left boundary and **exclude** the right one; `ends` **include** both, so that n points
    have n − 1 spacings between them; `centres` lie half a spacing in.
    """

    shape: tuple[Count, ...]
    lengths: tuple[Positive, ...]
    points: Literal["nodes", "centres", "ends"] = "nodes"

    @model_validator(mode="after")
    def _one_length_per_axis(self) -> Self:
        if not 1 <= len(self.shape) == len(self.lengths) <= 3:
            raise ValueError(f"shape {self.shape} and lengths {self.lengths} must both have 1, 2 or 3 entries")
        if self.points == "ends" and min(self.shape) < 2:
            raise ValueError(f"a grid that includes both ends has at least 2 points along each axis, not {self.shape}")
        return self

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes, e.g. `("y", "x")`."""
        return ("z", "y", "x")[-len(self.shape) :]

    @property
    def spacing(self) -> tuple[float, ...]:
        last = 1 if self.points == "ends" else 0
        return tuple(length / (n - last) for length, n in zip(self.lengths, self.shape, strict=True))

    @property
    def volume(self) -> float:
        return prod(self.lengths)

    def axes(self) -> tuple[Array, ...]:
        """Coordinates along each axis, `(n,)` each, in the card's unit of length."""
        shift = 0.5 if self.points == "centres" else 0.0
        return tuple((np.arange(n) + shift) * h for n, h in zip(self.shape, self.spacing, strict=True))

    def coordinates(self) -> tuple[Array, ...]:
        """Coordinates of every point, one `(*shape)` array per axis."""
        return tuple(np.meshgrid(*self.axes(), indexing="ij"))

    def with_shape(self, shape: tuple[int, ...]) -> Grid:
        """The same box with other points."""
        return Grid(shape=shape, lengths=self.lengths, points=self.points)

    def refined(self, factor: float) -> Grid:
        """The same box with a spacing smaller by `factor`, as near as whole numbers come."""
        last = 1 if self.points == "ends" else 0
        return self.with_shape(tuple(round((n - last) * factor) + last for n in self.shape))


class Distribution(Card):
    """How one scalar parameter is drawn: exactly one of the four ways."""

    value: Finite | None = None
    uniform: tuple[Finite, Finite] | None = None
    log_uniform: tuple[Positive, Positive] | None = None
    choice: tuple[Finite, ...] | None = Field(default=None, min_length=1)
    units: str | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [k for k in ("value", "uniform", "log_uniform", "choice") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of value, uniform, log_uniform, choice (got {given or 'none'})")
        for low, high in filter(None, (self.uniform, self.log_uniform)):
            if low > high:
                raise ValueError(f"the lower bound {low} lies above the upper bound {high}")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and greatest value that can be drawn."""
        if self.value is not None:
            return self.value, self.value
        ends = self.uniform or self.log_uniform or self.choice or ()
        return min(ends), max(ends)

    def draw(self, rng: np.random.Generator) -> float:
        if self.value is not None:
            return self.value
        if self.uniform is not None:
            return float(rng.uniform(*self.uniform))
        if self.log_uniform is not None:
            return float(np.exp(rng.uniform(*np.log(self.log_uniform))))
        return float(rng.choice(np.asarray(self.choice)))


class Times(Card):
    """Output times `start + step * (0 … frames-1)`; a run begins at 0, so `start` > 0 is a warm-up."""

    start: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    step: Positive
    frames: Count

    def values(self) -> Array:
        """`(frames,)`, in the card's unit of time."""
        return self.start + self.step * np.arange(self.frames)


class Named(Card):
    """A registered name and the options that its own card understands."""

    name: str
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _split(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "options" not in data:
            return {"name": data.get("name"), "options": {k: v for k, v in data.items() if k != "name"}}
        return data

    @model_serializer
    def _join(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}


class Cases(Card):
    """Members that are listed and not drawn: one group of them, the product of values of a few parameters.

    In a group the last parameter varies fastest, and the order is then shuffled by the dataset's seed, so that a range
    of members is a fair sample of the group. The other parameters keep the `value` that the card gives.
    """

    name: Slug
    values: dict[str, tuple[Finite, ...]] = Field(min_length=1)
    each: bool = False  # one parameter at a time, instead of their product

    @property
    def rows(self) -> list[dict[str, float]]:
        """What each case changes, in the order written."""
        if self.each:
            return [{name: value} for name, values in self.values.items() for value in values]
        return [dict(zip(self.values, row, strict=True)) for row in product(*self.values.values())]


class Samples(Card):
    """How many members, from which seed, and how many make one unit of work (and one shard).

    `order` is that in which a unit's members are solved: as drawn, or so that each resembles the one before
    (see `pdebench.order`). It matters to solvers that learn along a sequence, and moves nothing in the store.
    """

    count: Count
    seed: Annotated[int, Field(ge=0)]
    unit: Count
    order: Literal["drawn", "greedy", "hilbert"] = "drawn"


class Stored(Card):
    """What is written: the grid's shape, the precision of the fields, and every how many frames also go on the mesh."""

    shape: tuple[Count, ...]
    dtype: Literal["float32", "float64"] = "float32"
    mesh: Annotated[int, Field(ge=0)] = 0  # 1: each frame, 10: each tenth, from the first on; 0: none


# Keys that describe a dataset without deciding one of its bytes.
_PROSE = frozenset({"title", "description", "source", "licence", "validation", "splits"})


class DatasetSpec(Card):
    """Everything that decides the bytes of a dataset, and the words that explain it."""

    name: Slug
    version: Count
    title: str
    description: str
    source: str
    licence: str = "CC-BY-4.0"
    validation: tuple[str, ...] = ()
    units: Literal["non-dimensional", "SI"] = "non-dimensional"
    problem: Named
    grid: Grid
    parameters: dict[str, Distribution]
    times: Times
    solver: Named
    store: Stored
    samples: Samples
    splits: dict[Split, tuple[int, int] | tuple[tuple[int, int], ...]]
    ranks: Count = 1
    cases: tuple[Cases, ...] = ()

    @field_validator("parameters")
    @classmethod
    def _in_one_order(cls, parameters: dict[str, Distribution]) -> dict[str, Distribution]:
        """By name: the columns that a model sees must not depend on how a card was typed."""
        return dict(sorted(parameters.items()))

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(self.store.shape) != len(self.grid.shape):
            raise ValueError(f"store.shape {self.store.shape} has other axes than grid.shape {self.grid.shape}")
        self._splits_apart()
        self._cases_fit()
        return self

    def _splits_apart(self) -> None:
        """Splits of one family (train, valid, test and one ending, or none) share no member."""
        reached: dict[str, int] = {}
        runs = [(run, split) for split in self.splits for run in self.runs(split)]
        for (low, high), split in sorted(runs):
            family = split.partition("_")[2]
            if not reached.get(family, 0) <= low < high <= self.samples.count:
                raise ValueError(
                    f"splits.{split} [{low}, {high}] must be a range inside 0 … {self.samples.count} "
                    "that overlaps no other split"
                )
            reached[family] = high

    def _cases_fit(self) -> None:
        for group in self.cases:
            for name in group.values:
                if name not in self.parameters or self.parameters[name].value is None:
                    raise ValueError(f"cases.{group.name} lists {name}, which needs a parameters.{name}.value")
        if self.cases and (total := sum(len(group.rows) for group in self.cases)) != self.samples.count:
            raise ValueError(f"samples.count is {self.samples.count}, but the card lists {total} cases")

    @property
    def output(self) -> Grid:
        """The grid of the stored fields."""
        return self.grid.with_shape(self.store.shape)

    @cached_property
    def digest(self) -> str:
        """Name of the content: equal on any machine for cards that decide the same bytes."""
        content = {k: v for k, v in self.model_dump(mode="json").items() if k not in _PROSE}
        if not self.cases:  # cards without them keep the digests that they had before there were any
            del content["cases"]
        if not self.store.mesh:  # likewise
            del content["store"]["mesh"]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def reach(self, parameter: str) -> tuple[float, float]:
        """Least and greatest value of a parameter over all that may be drawn and all cases."""
        ends = list(self.parameters[parameter].bounds)
        ends += [value for group in self.cases for value in group.values.get(parameter, ())]
        return min(ends), max(ends)

    def runs(self, split: str) -> tuple[tuple[int, int], ...]:
        """The ranges of members that make a split."""
        written: Any = self.splits[split]
        return (written,) if isinstance(written[0], int) else written

    def split(self, name: str) -> tuple[int, ...]:
        """Members of a split. Raises `CardError` for a split that the card does not have."""
        if name not in self.splits:
            raise CardError(f"dataset {self.name} has no split {name!r}{suggest(name, self.splits)}")
        return tuple(member for low, high in self.runs(name) for member in range(low, high))

    @cached_property
    def listed(self) -> tuple[tuple[str, dict[str, float]], ...]:
        """Of a card with cases, each member's identity, `group/number`, and the parameters that it changes."""
        out: list[tuple[str, dict[str, float]]] = []
        for place, group in enumerate(self.cases):
            rows = group.rows
            shuffled = np.random.default_rng([self.samples.seed, place]).permutation(len(rows))
            out += [(f"{group.name}/{k:03d}", rows[k]) for k in shuffled]
        return tuple(out)


def load_spec(card: str | Path, changes: Mapping[str, Any] | None = None) -> DatasetSpec:
    """The dataset of a card: a path to YAML, or the name of one that ships with pdebench.

    `changes` maps dotted keys to new values: `{"grid.shape": [32, 32]}`.
    Raises `CardError` naming every offending key.
    """
    path = find_card(card, "datasets", "card.yaml")
    return parse(DatasetSpec, _changed(read_yaml(path), changes or {}, path), where=str(path))


def find_card(card: str | Path, folder: str, file: str) -> Path:
    """Path of a card given as a path, or as the name of a folder under `./datasets` (or the like), here or shipped."""
    path = Path(card)
    if path.suffix in {".yaml", ".yml"} or path.exists():
        path = path / file if path.is_dir() else path
        if not path.is_file():
            raise CardError(f"no card at {path}")
        return path
    homes = (Path(folder), Path(__file__).parent / folder)  # what lies here comes before what ships
    known = {entry.parent.name: entry for home in reversed(homes) for entry in home.glob(f"*/{file}")}
    if str(card) not in known:
        raise CardError(f"no card named {str(card)!r} in {folder}{suggest(str(card), known)}")
    return known[str(card)]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    try:
        data = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise CardError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise CardError(f"{path} must be a mapping of keys to values, not {type(data).__name__}")
    return data


def _changed(data: dict[str, Any], changes: Mapping[str, Any], path: Path) -> dict[str, Any]:
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        node = data
        for key in parents:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise CardError(f"{path}: {dotted} cannot be set, {key} is a value and not a group of keys")
        node[last] = value
    return data


C = TypeVar("C", bound=Card)


def parse(kind: type[C], data: Mapping[str, Any], where: str) -> C:
    """`kind(**data)`, with every complaint about a card in one readable `CardError`."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise CardError(complaints(error, kind, where)) from error


def complaints(error: ValidationError, kind: Any, where: str) -> str:
    """One line that names every offending key of the card `kind`."""
    return "; ".join(_complaint(kind, problem, where) for problem in error.errors())


def _complaint(kind: Any, problem: Any, where: str) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key {key!r}{suggest(str(problem['loc'][-1]), _siblings(kind, problem['loc']))}"
    if problem["type"] == "missing":
        return f"{where}: key {key!r} is missing"
    got = f" (got {problem['input']!r})" if key and not isinstance(problem["input"], dict) else ""
    return f"{where}: {key + ': ' if key else ''}{problem['msg'].removeprefix('Value error, ')}{got}"


def _siblings(kind: Any, place: Iterable[Any]) -> list[str]:
    """Keys that would have been right where the unknown one stands."""
    *parents, _ = place
    for key in parents:
        if field := getattr(kind, "model_fields", {}).get(str(key)):
            kind = field.annotation
        else:  # a tagged union: the key is the tag of one of its members
            kind = next((m for m in get_args(kind) if key in get_args(m.model_fields["kind"].annotation)), None)
    return list(getattr(kind, "model_fields", {}))


def differences(old: DatasetSpec, new: DatasetSpec) -> Iterator[str]:
    """`key: old → new` for every leaf in which two cards differ."""
    before, after = _leaves(old.model_dump(mode="json")), _leaves(new.model_dump(mode="json"))
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield f"{key}: {before.get(key)} → {after.get(key)}"


def _leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _leaves(value, f"{prefix}{key}.")
    return found
