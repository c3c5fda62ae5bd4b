"""How a store is laid out in Zarr: its arrays, attributes and per-sample columns. CF names and units."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import zarr
import zarr.errors

from . import sample
from .arrays import Index
from .journal import Entry
from .meshes import MESHES, NUMBER, frames_kept, meshes_of, ugrid
from .problem import Arranged, Field, Mesh, Outcome, Parameter, Problem, inputs_of, is_steady, problem_of, solvers
from .provenance import commit
from .spec import DatasetSpec

SCHEMA_VERSION = 1
MISSING, DONE, FAILED = 0, 1, 2


def lay_out(path: Path, spec: DatasetSpec) -> None:
    """An empty store: every array declared, coordinates, seeds and parameters written."""
    problem = problem_of(spec)
    members = range(spec.samples.count)
    path.mkdir(parents=True)
    group = zarr.create_group(path)
    group.attrs.update(_attributes(spec, problem))
    for field in problem.fields:
        _declare_field(group, spec, field, frames=spec.times.frames)
    for field in inputs_of(problem):
        _declare_field(group, spec, field)
    _coordinates(group, spec, [field.name for field in problem.fields])
    drawn = np.array([list(sample.parameters(spec, m).values()) for m in members])
    described = {p.name: p for p in problem.parameters}
    for column, name in enumerate(spec.parameters):
        about = described.get(name, Parameter(name, "1", name))
        attrs = {"long_name": about.long_name, "units": _units(spec, about.units)}
        _put_array(group, name, drawn[:, column], ("sample",), attrs)
    seeds = np.array([sample.seed(spec, m) for m in members], np.int64)
    _put_array(group, "seed", seeds, ("sample",), {"long_name": "seed of the member's random streams"})
    if spec.cases:
        cases = np.array([name for name, _ in spec.listed], object)
        _put_array(group, "case", cases, ("sample",), {"long_name": "group and number of the case"})
    told = {name: {"long_name": what} for name, what in tells(spec).items()}
    for name, values in columns_of(spec, {}).items():
        _put_array(group, name, values, ("sample",), (_COLUMN_ATTRIBUTES | told)[name])
    empty = np.full((len(members), spec.times.frames, len(problem.fields)), np.nan)
    about_error = {"long_name": "relative L2 difference to a finer solution", "units": "1"}
    _put_array(group, "truth_error", empty, ("sample", "time", "field"), about_error)
    _meshes(group, spec, problem)
    _consolidate(path)
    (path / "journal").mkdir()


def redescribe(place: Any, spec: DatasetSpec) -> None:
    """Give an existing store the words and splits of a card that decides the same content."""
    group = zarr.open_group(place, mode="r+", use_consolidated=False)
    about = {"title": spec.title, "source": spec.source, "license": spec.licence}
    group.attrs.update(about | {"card": spec.model_dump(mode="json")})
    _consolidate(place)


def record_verdict(place: Any, verdict: dict[str, Any]) -> None:
    """Write what a solver settled on into an existing store."""
    group = zarr.open_group(place, mode="r+", use_consolidated=False)
    group.attrs["settled"] = verdict
    _consolidate(place)


def _consolidate(place: Any) -> None:
    with warnings.catch_warnings():  # consolidated metadata is not in the v3 specification yet, but xarray wants it
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(place)


def _declare_field(group: zarr.Group, spec: DatasetSpec, field: Field, frames: int | None = None) -> None:
    """An array `(sample, time, *space)` of so many frames; without, `(sample, *space)`."""
    samples, space = spec.samples, spec.store.shape
    time = () if frames is None else (frames,)
    dims = ("sample", *("time" for _ in time), *spec.grid.dims)
    _declare(group, spec, field, (samples.count, *time, *space), dims, unit=samples.unit)


def _declare(
    group: zarr.Group,
    spec: DatasetSpec,
    field: Field,
    shape: tuple[int, ...],
    dims: tuple[str, ...],
    *,
    unit: int,
    attrs: Mapping[str, Any] | None = None,
) -> None:
    """An array, samples first, whose shards hold `unit` of them, and whose chunks one frame."""
    time = len(shape) - len(set(dims) & {"z", "y", "x", "node"})  # chunks hold one of each axis before space
    group.create_array(
        field.name,
        shape=shape,
        chunks=(*(1 for _ in shape[:time]), *shape[time:]),
        shards=(unit, *shape[1:]),
        dtype=spec.store.dtype,
        compressors=None,  # turbulence in float32 hardly compresses, and raw frames can be mapped
        fill_value=np.nan,
        chunk_key_encoding={"name": "default", "separator": "."},  # one file per shard and no folders
        dimension_names=dims,
        attributes={"long_name": field.long_name, "units": _units(spec, field.units)} | dict(attrs or {}),
    )


def _meshes(group: zarr.Group, spec: DatasetSpec, problem: Problem) -> None:
    """Groups, one per mesh; none where the card keeps no frames there."""
    if not spec.store.mesh:
        return
    kept, meshes = meshes_of(spec, problem)
    _put_array(group, NUMBER, kept.number, ("sample",), {"long_name": f"number of the group in {MESHES}, -1: none"})
    for number, mesh in enumerate(meshes):
        _mesh(group.create_group(f"{MESHES}/{number}"), spec, problem, mesh, kept.members(number))


def _mesh(group: zarr.Group, spec: DatasetSpec, problem: Problem, mesh: Mesh, members: Index) -> None:
    """One mesh and, declared, the frames on it of the members that have it."""
    group.attrs.update({"Conventions": "CF-1.11 UGRID-1.0", "title": spec.title, "license": spec.licence})
    for name, values, dims, attrs in ugrid(mesh, _units(spec, "m")):
        _put_array(group, name, values, dims, attrs)
    times = spec.times.values()[:: spec.store.mesh]
    # Dims with names of their own: xarray's trees want those of a child to be as long as its parent's.
    _put_array(group, "member", members, ("member",), {"long_name": "sample of the whole store"})
    _put_array(group, "mesh_time", times, ("mesh_time",), {"long_name": "time", "units": _units(spec, "s")})
    shape = (len(members), frames_kept(spec), len(mesh.nodes))
    about = {"mesh": "mesh", "location": "node", "coordinates": "node_x node_y"}
    for field in problem.fields:
        _declare(group, spec, field, shape, ("member", "mesh_time", "node"), unit=1, attrs=about)


def _coordinates(group: zarr.Group, spec: DatasetSpec, fields: list[str]) -> None:
    _put_array(group, "sample", np.arange(spec.samples.count), ("sample",), {"long_name": "member"})
    _put_array(group, "time", spec.times.values(), ("time",), {"long_name": "time", "units": _units(spec, "s")})
    for dim, axis in zip(spec.output.dims, spec.output.axes(), strict=True):
        _put_array(group, dim, axis, (dim,), {"long_name": dim, "units": _units(spec, "m")})
    _put_array(group, "field", np.array(fields, object), ("field",), {"long_name": "stored field"})


def _attributes(spec: DatasetSpec, problem: Problem) -> dict[str, Any]:
    return {
        "Conventions": "CF-1.11",
        "title": spec.title,
        "source": spec.source,
        "license": spec.licence,
        "schema_version": SCHEMA_VERSION,
        "card": spec.model_dump(mode="json"),
        "digest": spec.digest,
        "fields": [field.name for field in problem.fields],
        "inputs": [field.name for field in inputs_of(problem)],
        "steady": is_steady(problem),
        "versions": versions(spec),
        "commit": commit(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def versions(spec: DatasetSpec) -> dict[str, str]:
    """What the bits may depend on besides the card."""
    solver: object = solvers[spec.solver.name](**spec.solver.options)
    own: dict[str, str] = getattr(solver, "provenance", dict)()
    if own_of := getattr(solver, "provenance_of", None):
        own |= own_of(problem_of(spec), spec.grid)
    packages = {name: version(name) for name in ("numpy", "scipy", "zarr")}
    return {"pdebench": version("pdebench-foundry"), "machine": platform.machine(), **packages, **own}


_COLUMN_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "status": {"flag_values": [MISSING, DONE, FAILED], "flag_meanings": "missing done failed"},
    "reason": {"long_name": "why the trajectory failed"},
    "wall_seconds": {"long_name": "time taken by the trajectory", "units": "s"},
    "steps": {"long_name": "time steps taken"},
    "iterations": {"long_name": "linear solver iterations taken"},
    "limited": {"long_name": "how often a cell was kept physical by force"},
    "arranging_seconds": {"long_name": "share of the time taken to find the unit's order", "units": "s"},
    "place": {"long_name": "place of the member in the order in which its unit was solved, from 0 on"},
}


def entry_of(outcomes: list[Outcome], checksums: dict[str, int], arranged: Arranged | None = None) -> Entry:
    """What the journal keeps of a unit; `arranged` where its members were not solved as drawn."""
    said: Entry = {}
    if arranged is not None:
        said |= {"order": arranged.members.tolist(), "arranging_seconds": arranged.seconds}
    if any(o.cost.told for o in outcomes):
        said["told"] = [dict(o.cost.told) for o in outcomes]
    return said | {
        "members": [o.member for o in outcomes],
        "reason": [o.cost.reason for o in outcomes],
        "wall_seconds": [o.wall_seconds for o in outcomes],
        "steps": [o.cost.steps for o in outcomes],
        "iterations": [o.cost.iterations for o in outcomes],
        "limited": [o.cost.limited for o in outcomes],
        "crc32c": checksums,
    }


def tells(spec: DatasetSpec) -> Mapping[str, str]:
    """Numbers that the card's solver tells of each member: name -> what it is."""
    told: Mapping[str, str] = getattr(solvers[spec.solver.name], "tells", {})
    return told


def columns_of(spec: DatasetSpec, entries: dict[int, Entry]) -> dict[str, Any]:
    """The per-sample variables, `(sample,)` each, as the commits tell them."""
    count = spec.samples.count
    columns: dict[str, Any] = {
        "status": np.full(count, MISSING, np.int8),
        "reason": np.full(count, "", object),
        "wall_seconds": np.full(count, np.nan),
        "steps": np.zeros(count, np.int64),
        "iterations": np.zeros(count, np.int64),
        "limited": np.zeros(count, np.int64),
    }
    told = {name: np.full(count, np.nan) for name in tells(spec)}
    columns |= told
    if spec.samples.order != "drawn":
        columns |= {"arranging_seconds": np.full(count, np.nan), "place": np.full(count, -1)}
    for entry in entries.values():
        members = entry["members"]
        if "order" in entry:
            columns["arranging_seconds"][members] = entry["arranging_seconds"] / len(members)
            columns["place"][entry["order"]] = np.arange(len(members))
        for name in ("reason", "wall_seconds", "steps", "iterations"):
            columns[name][members] = entry[name]
        columns["limited"][members] = entry.get("limited", 0)  # stores of before did not count
        for member, said in zip(members, entry.get("told", ()), strict=False):
            for name in told.keys() & said.keys():
                told[name][member] = said[name]
        columns["status"][members] = [FAILED if why else DONE for why in entry["reason"]]
    return columns


def _put_array(group: zarr.Group, name: str, values: Any, dims: tuple[str, ...], attrs: dict[str, Any]) -> None:
    dtype: Any = str if values.dtype == object else values.dtype
    array = group.create_array(
        name, shape=values.shape, chunks=values.shape, dtype=dtype, dimension_names=dims, attributes=attrs
    )
    array[...] = values


def _units(spec: DatasetSpec, si: str) -> str:
    return si if spec.units == "SI" else "1"
