"""Frames on meshes: what plain xarray reads, that they survive a kill, and that members without a mesh have none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from buckets import S3, environment, serving_files, serving_s3
from needs import needs_dolfinx

import pdebench
from pdebench import solve
from pdebench.certify import verify
from pdebench.check import check
from pdebench.errors import CardError, StoreError
from pdebench.generate import generate
from pdebench.meshes import meshes_of
from pdebench.problem import Event, Frame, OnMesh, problem_of
from pdebench.solvers.finite_element.meshing import Triangulation
from pdebench.solvers.finite_element.setting import Setting
from pdebench.spec import DatasetSpec, load_spec
from pdebench.store import TrajectoryStore

needs_dolfinx()

CASES = [{"name": "any", "each": True, "values": {"speed": [0.5, 1.0, 5.0], "radius": [0.009, 0.06]}}]


def small(**changes: Any) -> DatasetSpec:
    """Speeds 0.5 and 5 (which fails on its way), a small cylinder, speed 1, a closed channel; two frames of three."""
    own = {
        "grid.shape": [12, 12],
        "store.shape": [8, 8],
        "store.mesh": 2,
        "times": {"start": 0.0, "step": 0.001, "frames": 3},
        "solver.grading": 0.5,
        "cases": CASES,
        "samples.count": 5,
        "samples.unit": 2,
        "samples.seed": 13,
        "splits": {"test": [0, 5]},
    }
    return load_spec("cfd_cylinder_demo", own | changes)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("meshes") / "whole"
    generate(small(), place)
    return place


def files(path: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file() and p.name.startswith("c.")
    }


def test_plain_xarray_reads_a_mesh_and_its_frames(path: Path) -> None:
    whole = xarray.open_zarr(path)
    closed = int(np.flatnonzero(whole.radius.values == 0.06)[0])
    other = int(np.flatnonzero(whole.radius.values == 0.009)[0])
    numbers = whole.mesh.values
    assert numbers[closed] == -1 and numbers[other] != numbers[[m for m in range(5) if m not in (closed, other)]].max()
    assert sorted(numbers) == [-1, 0, 0, 0, 1] or sorted(numbers) == [-1, 0, 1, 1, 1]
    group = xarray.open_zarr(path, group=f"meshes/{numbers[other]}")
    assert group.member.values.tolist() == [other]
    np.testing.assert_allclose(group.mesh_time, [0.0, 0.002])
    assert group.pressure.dims == ("member", "mesh_time", "node") and group.pressure.attrs["location"] == "node"
    topology = group[group.pressure.attrs["mesh"]].attrs
    assert (topology["cf_role"], topology["topology_dimension"]) == ("mesh_topology", 2)
    x, y = (group[name].values for name in topology["node_coordinates"].split())
    faces = group[topology["face_node_connectivity"]]
    a, b, c = (np.stack([x, y])[:, faces.values[:, k] - faces.attrs["start_index"]] for k in range(3))
    areas = ((b - a)[0] * (c - a)[1] - (b - a)[1] * (c - a)[0]) / 2
    assert (areas > 0).all()  # anticlockwise
    box = (0.06 + 0.16) * (0.058 + 0.062)
    np.testing.assert_allclose(areas.sum(), box - np.pi * 0.009**2, rtol=1e-12)
    assert "meshes/0" in {name.strip("/") for name in xarray.open_datatree(path, engine="zarr").groups}


def test_values_at_nodes_are_those_of_the_flow(path: Path) -> None:
    """Held speeds at the inlet, none on the walls; and what the grid's cells hold, which are means over it."""
    member = int(np.flatnonzero(pdebench.open(path).speed.values == 0.5)[0])
    whole = pdebench.open(path)
    group = pdebench.open(path, mesh=int(whole.mesh[member])).sel(member=member)
    x, y, top = group.node_x.values, group.node_y.values, 0.058 + 0.062
    u, p = group.velocity_x.values[-1], group.pressure.values[-1]
    speed = float(whole.speed[member])
    np.testing.assert_allclose(u[(x == 0) & (y > 1e-9) & (y < top - 1e-9)], speed, rtol=1e-6)
    assert not u[(y == 0) | (np.abs(y - top) < 1e-12)].any()
    near, column = np.abs(x - 0.22 * 7.5 / 8) < 0.22 / 16, whole.isel(sample=member, time=2, x=7)
    # A plain mean over uneven nodes and one over a column of cells: near where the field is smooth.
    np.testing.assert_allclose(p[near].mean(), column.pressure.mean(), rtol=0.1, atol=0.02 * np.abs(p).max())
    np.testing.assert_array_equal(np.isnan(group.velocity_x.values), False)


def test_a_killed_run_resumes_to_the_same_bytes(path: Path, tmp_path: Path) -> None:
    spec = small()
    store = TrajectoryStore.create(tmp_path / "cut", spec)

    def cut(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield event
            if isinstance(event, OnMesh) and event.index == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write(np.arange(2), cut(solve.trajectories(spec, np.arange(2))))
    assert not files(tmp_path / "cut")
    generate(spec, tmp_path / "cut", members=range(2, 4))
    generate(spec, tmp_path / "cut")
    assert files(tmp_path / "cut") == files(path)
    assert TrajectoryStore.open(tmp_path / "cut").content_hash() == TrajectoryStore.open(path).content_hash()


def test_a_failed_member_has_nothing_there_and_a_torn_shard_is_found_and_made_again(path: Path, tmp_path: Path) -> None:
    import shutil

    own = Path(shutil.copytree(path, tmp_path / "own"))
    store = TrajectoryStore.open(own)
    assert store.damaged() == []
    shards = sorted(name for name in files(own) if name.startswith("meshes/"))
    assert len(shards) == 3 * 3  # members that did not fail, fields
    lost = int(np.flatnonzero(pdebench.open(own).speed.values == 5.0)[0])
    assert "most_cell_reynolds" in store.reasons()[lost] and np.isfinite(store.frames(lost)[0]).all()
    assert pdebench.open(own, mesh=int(pdebench.open(own).mesh[lost])).sel(member=lost).pressure.isnull().all()
    torn = own / shards[0]
    torn.write_bytes(torn.read_bytes()[:-1] + b"?")
    (unit, why), *rest = store.damaged()
    assert shards[0] in why and not rest
    store.forget([unit])
    assert not torn.exists()
    generate(small(), own)
    assert files(own) == files(path)
    assert TrajectoryStore.open(own).content_hash() == TrajectoryStore.open(path).content_hash()


def test_verify_compares_what_lies_on_the_mesh(path: Path, tmp_path: Path) -> None:
    spec = small()

    def moved(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            off = isinstance(event, OnMesh) and event.index == 1
            yield OnMesh(event.member, event.index, event.values + 0.25) if off else event  # type: ignore[union-attr]

    store = TrajectoryStore.create(tmp_path / "moved", spec)
    store.write(np.arange(2), moved(solve.trajectories(spec, np.arange(2))))
    kept = [member for member in (0, 1) if store.frames_on_mesh(member) is not None]
    assert kept == [member for member in (0, 1) if not store.reasons()[member]] and len(kept) == 1
    frames = store.frames_on_mesh(kept[0])
    assert frames is not None and frames.shape[:2] == (2, 3)
    result = verify(store, kept[0])
    assert not result.equal and result.frame == 2 and result.difference == pytest.approx(0.25, rel=1e-3)
    assert verify(TrajectoryStore.open(path), kept[0]).equal


def test_what_lies_on_the_mesh_is_part_of_the_content(path: Path, tmp_path: Path) -> None:
    spec = small()

    def moved(events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            yield OnMesh(event.member, event.index, event.values + 1) if isinstance(event, OnMesh) else event

    store = TrajectoryStore.create(tmp_path / "moved", spec)
    for unit in (np.arange(2), np.arange(2, 4), np.array([4])):
        store.write(unit, moved(solve.trajectories(spec, unit)))
    assert store.content_hash() != TrajectoryStore.open(path).content_hash()
    np.testing.assert_array_equal(store.frames(0), TrajectoryStore.open(path).frames(0))


def test_a_bucket_and_a_web_server_serve_meshes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_files(path.parent) as address:
        there = pdebench.open(f"{address}/whole", mesh=0)
        here = pdebench.open(path, mesh=0)
        xarray.testing.assert_identical(there.load(), here.load())
    with serving_s3(S3("data")) as address:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        generate(small(), "s3://data/whole")
        assert TrajectoryStore.open("s3://data/whole").content_hash() == TrajectoryStore.open(path).content_hash()


def test_what_cannot_be_on_a_mesh_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="has meshes 0 … 1, and no mesh 2"):
        pdebench.open(path, mesh=2)
    generate(small(**{"store.mesh": 0}), tmp_path / "without", members=range(1))
    with pytest.raises(StoreError, match="no frames on meshes"):
        pdebench.open(tmp_path / "without", mesh=0)
    assert "mesh" not in pdebench.open(tmp_path / "without")
    with pytest.raises(CardError, match="store.mesh is 1, but spectral has no mesh"):
        solve.prepare(load_spec("ns2d_decaying_demo", {"store.mesh": 1}))


def test_a_card_without_meshes_keeps_its_digest() -> None:
    assert load_spec("ns2d_decaying_demo", {"store.mesh": 0}).digest == load_spec("ns2d_decaying_demo").digest
    assert small().digest != small(**{"store.mesh": 0}).digest
    assert load_spec("ns2d_decaying_demo").digest == "0d5e7b6a1456860f"  # as its records on the board say


def test_streams_pass_by_what_goes_on_the_mesh() -> None:
    kinds = [type(event) for event in solve.trajectories(small(), np.array([0, 1]))]
    assert kinds.count(Frame) == 6 and kinds.count(OnMesh) == 3  # one of the two fails after its first


def test_halved_triangles_keep_their_area_and_share_their_middles() -> None:
    mesh = Triangulation(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), np.array([[0, 1, 2], [0, 2, 3]]))
    fine = mesh.halved()
    assert len(fine.points) == 4 + 5 and len(fine.cells) == 8
    np.testing.assert_allclose(fine.areas(), 1 / 8)
    np.testing.assert_array_equal(fine.points[:4], mesh.points)


@pytest.mark.parametrize(("loss", "severity"), [(0.04, "ok"), (0.2, "warning")])
def test_check_tells_what_the_grid_leaves_of_the_flow(
    path: Path, monkeypatch: pytest.MonkeyPatch, loss: float, severity: str
) -> None:
    """Frames whose flow of 0.5 falls by a part from the inlet to the outlet; the speed of member 0 is 0.5."""
    frames = np.ones((3, 3, 8, 8), np.float32) * np.linspace(0.5, 0.5 * (1 - loss), 8, dtype=np.float32)
    monkeypatch.setattr(TrajectoryStore, "frames", lambda self, m, a=0, b=None, step=1: frames[a:b:step])
    (found,) = [
        finding for finding in check(TrajectoryStore.open(path), members=[0]) if finding.check == "conservation"
    ]
    assert found.severity == severity
    assert re.search(rf"divergence \S+ \(at most \S+, at .*flux {loss:.2g} \(at most {loss:.2g}, at", found.message)


def test_a_mesh_frame_that_is_not_finite_is_a_failed_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though its frames on the grid are."""
    whole = Setting.at_nodes

    def spoilt(self: Setting, velocity: Any, *linear: Any) -> Any:
        values = whole(self, velocity, *linear)
        values[0, 3] = np.nan
        return values

    monkeypatch.setattr(Setting, "at_nodes", spoilt)
    one = {"cases": [{"name": "one", "values": {"speed": [0.5]}}], "samples.count": 1, "splits": {"test": [0, 1]}}
    spec = small(**one)
    generate(spec, tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    assert store.reasons() == ["the solver returned values that are not finite"]
    assert store.frames_on_mesh(0) is None


def test_meshes_of_a_solver_without_any_are_refused() -> None:
    spec = load_spec("burgers1d")
    spec = spec.model_copy(update={"store": spec.store.model_copy(update={"mesh": 1})})
    with pytest.raises(CardError, match="store.mesh is 1, but .* has no mesh: set it to 0"):
        meshes_of(spec, problem_of(spec))
