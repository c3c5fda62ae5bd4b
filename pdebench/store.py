"""One dataset on disk: a Zarr v3 group that plain xarray opens, written unit by unit, safe against kill -9."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
import zarr.errors
from numpy.typing import NDArray

from . import order, sample
from .arrays import Array, Index
from .errors import StoreError
from .journal import Entry
from .layout import DONE, SCHEMA_VERSION, columns_of, entry_of, record_verdict, redescribe, tells, versions
from .meshes import MESHES, Kept
from .place import Place, Writer, place_of
from .problem import Arranged, Event, Frame, Given, OnMesh, Outcome, Verdict
from .shards import Shards
from .spec import DatasetSpec, Grid, differences, parse

if TYPE_CHECKING:
    import xarray

log = logging.getLogger(__name__)

OPEN_SHARDS = 256  # kept mapped; each holds a file descriptor, of which a process usually has 1024


class TrajectoryStore:
    """The trajectories of one card. One shard per field and unit of work, so two writers never share a file."""

    def __init__(self, place: Place, group: zarr.Group) -> None:
        self.place, self._group = place, group
        self.spec = parse(DatasetSpec, _mapping(group.attrs["card"]), where=f"{place} (its card)")
        self.grid: Grid = self.spec.output
        self.times: Array = self.spec.times.values()
        self.fields: tuple[str, ...] = tuple(str(name) for name in _listed(group.attrs["fields"]))
        self.inputs: tuple[str, ...] = tuple(str(name) for name in _listed(group.attrs.get("inputs", [])))
        self.steady: bool = bool(group.attrs.get("steady", False))
        self.parameter_names: tuple[str, ...] = tuple(self.spec.parameters)
        self._meshes = Kept.read(group) if self.spec.store.mesh else None
        self._shards_of = Shards(self.spec, self.fields, self.inputs, self._meshes)
        self._journal = place.journal
        self._shards: dict[tuple[str, int], Any] = {}

    # -- life ---------------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, spec: DatasetSpec) -> TrajectoryStore:
        """The store of `spec` at `path`, a folder or a URL, new or begun before. Raises `StoreError` where something
        else is.
        """
        place_of(path).create(spec)
        store = cls.open(path)
        store._expect(spec)
        if store.spec != spec:  # the words or the splits have changed, not the content
            with store._journal.lock():
                redescribe(store.place.storage(), spec)
            store = cls.open(path)
        return store

    @classmethod
    def open(cls, path: str | Path) -> TrajectoryStore:
        """An existing store in a folder or under a URL. Raises `StoreError` if `path` is none."""
        place = place_of(path)
        if not place.exists():
            raise StoreError(f"no store at {place}: `pdebench generate CARD --out {place}` makes one")
        try:
            group = place.group()
            schema = group.attrs["schema_version"]
        except (zarr.errors.GroupNotFoundError, zarr.errors.ContainsArrayError, KeyError, ValueError, OSError) as error:
            raise StoreError(f"{place} is there, but it is not a pdebench store: choose another path") from error
        if schema != SCHEMA_VERSION:
            raise StoreError(f"{place} has schema {schema}; this pdebench reads schema {SCHEMA_VERSION}: update it")
        return cls(place, group)

    @property
    def path(self) -> Path | str:
        """The folder, or the URL."""
        return self.place.path

    def sweep(self) -> None:
        """Remove the temporary files of writers that were killed on this host."""
        on_meshes = self._meshes.folders(self.fields) if self._meshes else []
        self.place.sweep(("journal", *self._shards_of.stored, *on_meshes))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_shards": {}}  # a map is cheap to open again and costly to send

    # -- writing ------------------------------------------------------------------------------------------------

    def missing(self) -> Index:
        """Members that no committed unit holds."""
        there = self._journal.entries()
        units = [unit for number, unit in enumerate(order.units(self.spec)) if number not in there]
        return np.concatenate(units) if units else np.zeros(0, int)

    def holds(self, unit: int) -> bool:
        """Whether a unit is committed."""
        return unit in self._journal.entries()

    def write(self, members: Index, events: Iterable[Event]) -> None:
        """Take one whole unit of work; nothing of it counts before its last event is in."""
        self.take(members, events)()

    def take(self, members: Index, events: Iterable[Event]) -> Callable[[], None]:
        """`write` up to what has to wait for the disk: the call that commits the unit, in any thread."""
        unit = int(members.min()) // self.spec.samples.unit
        first, count = unit * self.spec.samples.unit, len(members)
        outcomes: dict[int, Outcome] = {}
        arranged: Arranged | None = None
        finite = np.ones(count, bool)
        with ExitStack() as stack:
            writers: dict[str, Writer] = {}
            for name, (shard, form) in self._shards_of.unit(unit).items():
                writers[name] = stack.enter_context(self.place.writer(shard, form))
            for event in events:
                if isinstance(event, Outcome):
                    outcomes[event.member] = event
                elif isinstance(event, Arranged):
                    arranged = event
                elif isinstance(event, OnMesh):
                    finite[event.member - first] &= self._put_on_mesh(writers, event)
                else:
                    rows = np.asarray(event.members) - first
                    finite[rows] &= self._put(writers, event, rows)
            if set(outcomes) != {int(m) for m in members}:
                raise StoreError(f"unit {unit} ended with outcomes of {len(outcomes)} of its {count} members")
            told = [_honest(outcomes[first + row], bool(finite[row])) for row in range(count)]
            opened = stack.pop_all()

        def commit() -> None:
            with opened:
                if self.holds(unit):
                    return  # another writer was first, and its shards must stay as they are
                without = {name for one in told if one.cost.reason for name in self._shards_of.on_mesh(one.member)}
                checksums = {name: writer.commit() for name, writer in writers.items() if name not in without}
            self._journal.commit(unit, entry_of(told, checksums, arranged))

        return commit

    def _put(self, writers: Mapping[str, Writer], event: Frame | Given, rows: Index) -> NDArray[np.bool_]:
        """Write the frame or the inputs of some rows of the unit; which of them are finite, `(b,)`."""
        names, index = (self.fields, event.index) if isinstance(event, Frame) else (self.inputs, 0)
        expected = (len(rows), len(names), *self.grid.shape)
        if event.values.shape != expected or not 0 <= index < len(self.times):
            what = f"frame {index}" if isinstance(event, Frame) else "input"
            raise StoreError(
                f"{what} of shape {event.values.shape} does not fit {self.place}: expected {expected} and "
                f"{len(self.times)} frames; the solver must yield one state per output time, on the output grid"
            )
        values = np.ascontiguousarray(event.values, dtype=np.dtype(self.spec.store.dtype).newbyteorder("<"))
        for place, row in enumerate(rows):
            for column, name in enumerate(names):
                writers[name].put(int(row), index, values[place, column])
        return np.asarray(np.isfinite(values).all(axis=tuple(range(1, values.ndim))))

    def _put_on_mesh(self, writers: Mapping[str, Writer], event: OnMesh) -> bool:
        """Write what a member has on its mesh; whether it is finite."""
        for name, own in zip(self._shards_of.on_mesh(event.member), event.values, strict=True):
            values = np.ascontiguousarray(own, dtype=np.dtype(self.spec.store.dtype).newbyteorder("<"))
            writers[name].put(0, event.index, values)
        return bool(np.isfinite(np.asarray(event.values)).all())

    def settle(self, verdict: Verdict) -> None:
        """Make a solver's choice binding for this store; one that is there already stays."""
        with self._journal.lock():
            self._group = self.place.group()
            if "settled" not in self._group.attrs:
                record_verdict(self.place.storage(), self.place.settle(asdict(verdict)))
                self.place.flush()
                self._group = self.place.group()

    def publish(self) -> None:
        """Bring `status` and the costs that xarray users see up to date with the commits."""
        with self._journal.lock():
            self._publish(self._journal.fold())

    def publish_news(self) -> None:
        """`publish` where there is anything new and the store can be written; a reader goes on without."""
        try:
            if self.place.writable and self._journal.loose():
                self.publish()
        except (StoreError, OSError) as error:
            log.warning("%s: status and costs are not up to date: %s", self.place, error)

    def forget(self, units: Iterable[int]) -> None:
        """Drop units, shards and commits, so that the next `generate` makes them again."""
        gone = list(units)
        with self._journal.lock():
            self._journal.forget(gone)
            for unit in gone:
                for name, (shard, _) in self._shards_of.unit(unit).items():
                    self._shards.pop((name, unit), None)
                    self.place.drop(shard)
            self._publish(self._journal.entries())

    def _publish(self, entries: dict[int, Entry]) -> None:
        columns = columns_of(self.spec, entries)
        for name, values in columns.items():
            if name in self._group:  # a store of before lacks the newest columns
                _array(self._group, name)[:] = values

    # -- reading ------------------------------------------------------------------------------------------------

    def status(self) -> Index:
        """`(sample,)`: 0 missing, 1 done, 2 failed."""
        return np.asarray(columns_of(self.spec, self._journal.entries())["status"])

    def reasons(self) -> list[str]:
        """Why each member failed; empty for the others."""
        return [str(why) for why in columns_of(self.spec, self._journal.entries())["reason"]]

    def wall_seconds(self) -> Array:
        """`(sample,)` seconds that each trajectory took; NaN where missing."""
        return np.asarray(columns_of(self.spec, self._journal.entries())["wall_seconds"])

    def effort(self) -> dict[str, Index]:
        """`(sample,)` steps, iterations, how often a cell was kept physical by force (`limited`), `layout.tells`."""
        columns = columns_of(self.spec, self._journal.entries())
        return {name: columns[name] for name in ("steps", "iterations", "limited", *tells(self.spec))}

    def members(self, split: str | None = None) -> Index:
        """Members that are done, of one split or of all."""
        done = np.flatnonzero(self.status() == DONE)
        return done if split is None else done[np.isin(done, self.spec.split(split))]

    def params(self, members: Index | Iterable[int]) -> Array:
        """`(b, p)`, columns in the order of `parameter_names`."""
        rows = [list(sample.parameters(self.spec, int(m)).values()) for m in members]
        return np.array(rows).reshape(len(rows), len(self.parameter_names))

    def frames(self, member: int, start: int = 0, stop: int | None = None, step: int = 1) -> Array:
        """A copy of frames `start:stop:step` of one member, `(t, field, *space)`."""
        unit, row = self._place(member)
        return np.stack([self._shard(name, unit)[row, start:stop:step] for name in self.fields], axis=1)

    def read(self, into: Array, member: int, start: int, step: int) -> None:
        """Copy frames of one member, `step` apart, into an array `(t, field, *space)` of the store's dtype."""
        unit, row = self._place(member)
        stop = start + (len(into) - 1) * step + 1
        for column, name in enumerate(self.fields):
            into[:, column] = self._shard(name, unit)[row, start:stop:step]

    def frames_on_mesh(self, member: int) -> Array | None:
        """A copy of the frames that are kept on the member's mesh, `(t, field, node)`; None where there are none."""
        unit, _ = self._place(member)
        shards, committed = self._shards_of.on_mesh(member), self._journal.entries().get(unit, {}).get("crc32c", {})
        if not shards or not shards.keys() <= committed.keys():
            return None
        return np.asarray(np.stack([self.place.frames(name, form)[0] for name, form in shards.items()], axis=1))

    def given(self, member: int) -> Array:
        """A copy of the inputs of one member, `(input, *space)`; empty where the problem has none."""
        unit, row = self._place(member)
        rows = [self._shard(name, unit)[row, 0] for name in self.inputs]
        return np.stack(rows) if rows else np.empty((0, *self.grid.shape), self.spec.store.dtype)

    def _place(self, member: int) -> tuple[int, int]:
        """The unit of a member, and its row in it."""
        if not 0 <= member < self.spec.samples.count:
            raise StoreError(f"{self.place} has members 0 … {self.spec.samples.count - 1}, and no {member}")
        unit, row = divmod(int(member), self.spec.samples.unit)
        return unit, row

    @property
    def settled(self) -> dict[str, Any] | None:
        """Options that the solver chose by measurement for this store, in place of the card's; None: not asked yet."""
        verdict = self._group.attrs.get("settled")
        return None if verdict is None else _mapping(_mapping(verdict)["options"])

    def truth_error(self) -> Array:
        """`(sample, time, field)` relative L² error bar of the stored truth; NaN where it was not certified."""
        return np.asarray(_array(self._group, "truth_error")[:])

    def set_truth_error(self, members: Index, values: Array) -> None:
        """Keep certificates `(m, time, field)` beside the data."""
        with self._journal.lock():
            everything = self.truth_error()
            everything[members] = values
            _array(self._group, "truth_error")[:] = everything

    def expect_mesh(self, number: int) -> None:
        """Raise `StoreError` unless there are frames on the mesh of this number."""
        count = len(self._meshes.nodes) if self._meshes else 0
        if not 0 <= number < count:
            said = f"meshes 0 … {count - 1}" if count else "no frames on meshes (its card's store.mesh is 0)"
            raise StoreError(f"{self.place} has {said}, and no mesh {number}")

    def content_hash(self) -> str:
        """SHA-256 of all that the card decides: frames, parameters, steps, failures; not of times taken."""
        columns = columns_of(self.spec, self._journal.entries())
        seen = hashlib.sha256(self.spec.digest.encode())
        seen.update(np.ascontiguousarray(self.params(range(self.spec.samples.count))).tobytes())
        for name in ("status", "steps", "iterations"):
            seen.update(np.ascontiguousarray(columns[name]).tobytes())
        seen.update("\n".join(map(str, columns["reason"])).encode())
        for unit, entry in sorted(self._journal.entries().items()):
            for name, place in self._shards_of.unit(unit).items():
                if name in entry["crc32c"]:  # nothing lies on the mesh of a failed member
                    seen.update(np.ascontiguousarray(self.place.frames(*place)).data)
        return seen.hexdigest()

    def damaged(self) -> list[tuple[int, str]]:
        """Committed units whose shards are gone, torn or altered, and what is wrong with each."""
        found = []
        for unit, entry in sorted(self._journal.entries().items()):
            for name, (shard, form) in self._shards_of.unit(unit).items():
                if name not in entry["crc32c"] and name not in self._shards_of.stored:
                    continue  # nothing lies on the mesh of a failed member
                try:
                    self.place.frames(shard, form)
                    checksum = self.place.checksum(shard)
                except StoreError as error:
                    found.append((unit, str(error)))
                    continue
                if checksum != entry["crc32c"][name]:
                    found.append((unit, f"{self.place}/{shard} has other bytes than were committed"))
        return found

    def _shard(self, name: str, unit: int) -> Any:
        if (name, unit) in self._shards:
            self._shards[name, unit] = self._shards.pop((name, unit))  # the newest is the last to go
        else:
            if unit not in self._journal.entries():
                size = self.spec.samples.unit
                raise StoreError(
                    f"members {unit * size} … {(unit + 1) * size - 1} of {self.place} are not there yet: "
                    "repeat `pdebench generate` to finish the store"
                )
            self._shards[name, unit] = self.place.frames(*self._shards_of.unit(unit)[name])
            if len(self._shards) > OPEN_SHARDS:
                del self._shards[next(iter(self._shards))]
        return self._shards[name, unit]

    def _expect(self, spec: DatasetSpec) -> None:
        if spec.digest != self.spec.digest:
            raise StoreError(
                f"{self.place} holds {self.spec.name} with digest {self.spec.digest}, but this card has digest "
                f"{spec.digest} ({'; '.join(differences(self.spec, spec))}): choose another --out, or remove the store"
            )
        made_by = _mapping(self._group.attrs["versions"])
        if (now := versions(self.spec)) != made_by:
            changed = ", ".join(f"{k} {made_by.get(k)} → {now[k]}" for k in now if now[k] != made_by.get(k))
            log.warning("%s was begun with other versions (%s): new units may differ in round-off", self.place, changed)


def _honest(outcome: Outcome, finite: bool) -> Outcome:
    """A member with NaN or infinite values has failed, whatever its solver says."""
    if finite or outcome.cost.reason:
        return outcome
    cost = replace(outcome.cost, reason="the solver returned values that are not finite")
    return replace(outcome, cost=cost)


def open_store(path: str | Path, *, mesh: int | None = None) -> xarray.Dataset:
    """The store as a lazy xarray dataset: dims `(sample, time, [z, y,] x)`, one variable per field and parameter.

    With `mesh`, a number from the variable of that name: the frames on this mesh, `(member, mesh_time, node)`, of the
    members that have it, and the mesh itself in UGRID's conventions. `xarray.open_zarr(path)`, and with
    `group="meshes/0"`, gives the same; this one first takes in units that a killed run left unpublished.
    """
    import xarray

    store = TrajectoryStore.open(path)
    store.publish_news()
    if mesh is not None:
        store.expect_mesh(mesh)
    whole = {"sample": store.spec.samples.unit, "time": -1}  # a shard at a time, not a frame
    if mesh is not None:
        whole = {"member": 1, "mesh_time": -1}
    group = None if mesh is None else f"{MESHES}/{mesh}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The specified chunks separate")  # in `truth_error`, which is small
        dataset: xarray.Dataset = xarray.open_zarr(store.place.storage(read_only=True), chunks=whole, group=group)
    return dataset


def _array(group: zarr.Group, name: str) -> Any:
    return group[name]


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StoreError("the store's attributes are damaged: remove it and generate it again")
    return value


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise StoreError("the store's attributes are damaged: remove it and generate it again")
    return value
