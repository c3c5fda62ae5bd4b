"""The store: plain xarray reads it, few files, and nothing half-written ever counts."""

from __future__ import annotations

import logging
import os
import pickle
import resource
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import xarray
import zarr
from specs import tiny_spec

from pdebench import solve
from pdebench.errors import StoreError
from pdebench.generate import generate
from pdebench.journal import Journal
from pdebench.problem import Cost, Frame, Outcome
from pdebench.shard import Form, ShardWriter, map_shard, sweep
from pdebench.store import TrajectoryStore, open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "tiny.zarr"
    generate(tiny_spec(), path)
    return path


def test_plain_xarray_opens_it(made):
    spec = tiny_spec()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = xarray.open_zarr(made)
    assert dataset.vorticity.dims == ("sample", "time", "y", "x")
    assert dataset.vorticity.shape == (6, 5, 16, 16)
    assert dataset.vorticity.dtype == np.float32
    np.testing.assert_array_equal(dataset.time, spec.times.values())
    np.testing.assert_array_equal(dataset.x, spec.output.axes()[1])
    np.testing.assert_array_equal(dataset.viscosity, np.full(6, 0.01))
    np.testing.assert_array_equal(dataset.status, np.ones(6))
    assert dataset.attrs["digest"] == spec.digest
    assert dataset.attrs["card"]["samples"]["seed"] == 1
    assert {"pdebench", "numpy", "zarr", "spectral engine"} <= set(dataset.attrs["versions"])
    assert dataset.attrs["commit"]
    assert set(dataset.reason.values) == {""}
    frames = np.concatenate(
        [e.values for e in solve.trajectories(spec, np.array([2, 3])) if isinstance(e, Frame) and e.index == 4]
    )
    np.testing.assert_array_equal(dataset.vorticity[2:4, 4], frames[:, 0].astype(np.float32))


def test_our_reader_and_zarr_agree_bit_for_bit(made):
    store, group = TrajectoryStore.open(made), zarr.open_group(made, mode="r")
    for member in range(6):
        np.testing.assert_array_equal(store.frames(member)[:, 0], group["vorticity"][member])
    np.testing.assert_array_equal(store.frames(3, 1, 5, 2)[:, 0], group["vorticity"][3, 1:5:2])
    assert store.frames(3).flags.writeable  # a copy: nobody can write into the store by accident
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.frames(5), store.frames(5))


def test_our_own_open_gives_whole_trajectories_as_chunks(made):
    dataset = open_store(made)
    assert dataset.vorticity.chunksizes["time"] == (5,)
    np.testing.assert_array_equal(dataset.vorticity[4].values, TrajectoryStore.open(made).frames(4)[:, 0])


def test_a_thousand_members_make_fewer_than_200_files(tmp_path):
    spec = tiny_spec(samples__count=1000, samples__unit=16, times__frames=100)  # the count of files knows no grid
    store = TrajectoryStore.create(tmp_path / "big.zarr", spec)
    frame = np.ones((16, 1, 16, 16), np.float32)
    for low in range(0, 1000, 16):
        members = np.arange(low, min(low + 16, 1000))
        store.write(members, _constant(members, frame, frames=100))
    store.publish()
    assert sum(len(files) for _, _, files in os.walk(store.path)) < 200
    assert not store.missing().size
    assert store.frames(999)[1, 0, 0, 0] == 1
    np.testing.assert_array_equal(xarray.open_zarr(store.path).vorticity[999, 1], frame[0, 0])


def _constant(members, frame, frames):
    for index in range(frames):
        yield Frame(members, index, frame[: len(members)])
    for member in members:
        yield Outcome(int(member), Cost(), 0.1)


def test_a_unit_that_ends_early_never_counts(tmp_path):
    store = TrajectoryStore.create(tmp_path / "s.zarr", tiny_spec())

    def breaks():
        yield Frame(np.arange(2), 0, np.zeros((2, 1, 16, 16)))
        raise RuntimeError("the machine caught fire")

    with pytest.raises(RuntimeError, match="fire"):
        store.write(np.arange(2), breaks())
    with pytest.raises(StoreError, match="outcomes of 0 of its 2"):
        store.write(np.arange(2), iter([Frame(np.arange(2), 0, np.zeros((2, 1, 16, 16)))]))
    assert store.missing().tolist() == list(range(6))
    assert list((store.path / "vorticity").iterdir()) == [store.path / "vorticity" / "zarr.json"]
    with pytest.raises(StoreError, match=r"members 0 … 1 of .* are not there yet"):
        store.frames(0)


def test_of_two_writers_of_a_unit_the_first_counts(tmp_path):
    spec, members = tiny_spec(), np.arange(2)
    one, two = TrajectoryStore.create(tmp_path / "s.zarr", spec), TrajectoryStore.create(tmp_path / "s.zarr", spec)
    one.write(members, solve.trajectories(spec, members))
    first = one.frames(1)
    other = (  # as another machine might: other bits in the last place
        replace(event, values=event.values * (1 + 1e-6)) if isinstance(event, Frame) else event
        for event in solve.trajectories(spec, members)
    )
    two.write(members, other)
    again = TrajectoryStore.open(tmp_path / "s.zarr")
    np.testing.assert_array_equal(again.frames(1), first)
    assert not again.damaged()


def test_frames_that_do_not_fit_or_never_come_are_refused(tmp_path):
    store, two = TrajectoryStore.create(tmp_path / "s.zarr", tiny_spec()), np.arange(2)
    frame = np.ones((2, 1, 16, 16))
    for events, words in [
        (_constant(two, frame, frames=4), "2 of the 10 frames .* never came"),
        (_constant(two, frame, frames=6), "frame 5 of shape .* and 5 frames"),
        (_constant(two, frame[..., :12], frames=5), "does not fit"),
        (_constant(two, np.ones((2, 2, 16, 16)), frames=5), "does not fit"),
    ]:
        with pytest.raises(StoreError, match=words):
            store.write(two, events)
    assert store.missing().tolist() == list(range(6))
    assert [path.name for path in (store.path / "vorticity").iterdir()] == ["zarr.json"]


def test_nan_without_a_reason_is_a_failure_all_the_same(tmp_path):
    store, frame = TrajectoryStore.create(tmp_path / "s.zarr", tiny_spec()), np.ones((2, 1, 16, 16))
    frame[1, 0, 3, 3] = np.nan
    store.write(np.arange(2), _constant(np.arange(2), frame, frames=5))
    assert store.status().tolist() == [1, 2, 0, 0, 0, 0]
    assert store.reasons()[1] == "the solver returned values that are not finite"


def test_short_writes_are_finished(tmp_path, monkeypatch):
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: whole(file, data[:100], offset))
    generate(tiny_spec(), tmp_path / "s.zarr")
    monkeypatch.undo()
    generate(tiny_spec(), tmp_path / "whole.zarr")
    whole_hash = TrajectoryStore.open(tmp_path / "whole.zarr").content_hash()
    assert TrajectoryStore.open(tmp_path / "s.zarr").content_hash() == whole_hash


def test_a_store_of_many_shards_needs_few_open_files(tmp_path):
    generate(tiny_spec(samples__count=400, samples__unit=1, times__frames=1), tmp_path / "s.zarr")
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)); "
        "from pdebench.store import TrajectoryStore; store = TrajectoryStore.open(sys.argv[1]); "
        "print(sum(store.frames(m).size for m in range(400)), len(store.content_hash()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "s.zarr")], capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == [str(400 * 256), "64"], ran.stderr


def test_new_words_and_splits_are_taken_over_without_solving(tmp_path):
    generate(tiny_spec(), tmp_path / "s.zarr")
    shards = {p: p.stat().st_mtime_ns for p in (tmp_path / "s.zarr" / "vorticity").glob("c.*")}
    generate(tiny_spec(title="Better words", splits__test=[4, 5]), tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert store.spec.title == "Better words"
    assert store.members("test").tolist() == [4]
    assert xarray.open_zarr(tmp_path / "s.zarr").attrs["title"] == "Better words"
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "s.zarr" / "vorticity").glob("c.*")} == shards


@pytest.mark.filterwarnings("ignore:Consolidated metadata")  # the filter of the library is not meant for threads
def test_many_processes_may_create_the_same_store_at_once(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: TrajectoryStore.create(tmp_path / "s.zarr", tiny_spec()), range(8)))
    assert len({store.spec.digest for store in stores}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_a_member_that_does_not_exist_is_named(made):
    for member in (-1, 6):
        with pytest.raises(StoreError, match=f"has members 0 … 5, and no {member}"):
            TrajectoryStore.open(made).frames(member)
        with pytest.raises(StoreError, match=f"has members 0 … 5, and no {member}"):
            TrajectoryStore.open(made).given(member)


def test_partial_files_of_the_dead_are_swept_and_of_the_living_kept(tmp_path):
    script = (
        "import os, sys; from numpy import dtype; from pathlib import Path; "
        "from pdebench.shard import Form, ShardWriter; "
        "ShardWriter(Path(sys.argv[1]), Form(1, 1, 1, (1,), dtype('f8'))); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "c.0")], check=False)
    writer = ShardWriter(tmp_path / "c.1", Form(1, 1, 1, (1,), np.dtype("f8")))
    assert len(list(tmp_path.iterdir())) == 2
    sweep(tmp_path)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("c.1.")
    writer.abort()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_met_before_the_solve_and_loses_nothing(tmp_path):
    generate(tiny_spec(), tmp_path / "s.zarr", members=range(2))
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)); "
        "from pdebench.cli import main; sys.argv[1:] = ['generate', sys.argv[1], '--out', sys.argv[2]]; main()"
    )
    card = _card_file(tmp_path, tiny_spec())
    ran = subprocess.run(
        [sys.executable, "-c", script, card, str(tmp_path / "s.zarr")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: no room for")
    assert "repeat the command" in ran.stderr
    assert "Traceback" not in ran.stderr
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert store.missing().tolist() == [2, 3, 4, 5]
    assert not list(store.path.rglob("*.partial"))
    generate(tiny_spec(), tmp_path / "s.zarr")
    assert not store.missing().size
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY  # the limit was the child's alone


def _card_file(folder, spec):
    import yaml

    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    return str(path)


def test_a_truncated_shard_is_named_and_can_be_made_again(tmp_path):
    generate(tiny_spec(), tmp_path / "s.zarr")
    whole = TrajectoryStore.open(tmp_path / "s.zarr").content_hash()
    shard = tmp_path / "s.zarr" / "vorticity" / "c.1.0.0.0"
    shard.write_bytes(shard.read_bytes()[:-100])
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    with pytest.raises(StoreError, match=r"c\.1\.0\.0\.0 has .* bytes and should have .*--repair"):
        store.frames(2)
    assert [unit for unit, _ in store.damaged()] == [1]
    store.forget([1])
    assert store.missing().tolist() == [2, 3]
    assert store.status().tolist() == [1, 1, 0, 0, 1, 1]
    generate(tiny_spec(), tmp_path / "s.zarr")
    assert TrajectoryStore.open(tmp_path / "s.zarr").content_hash() == whole


def test_a_flipped_bit_is_found(tmp_path):
    generate(tiny_spec(), tmp_path / "s.zarr")
    shard = tmp_path / "s.zarr" / "vorticity" / "c.2.0.0.0"
    raw = bytearray(shard.read_bytes())
    raw[1000] ^= 1
    shard.write_bytes(raw)
    assert [unit for unit, _ in TrajectoryStore.open(tmp_path / "s.zarr").damaged()] == [2]


def test_a_store_of_another_card_is_refused_with_the_difference(made):
    with pytest.raises(StoreError, match=r"samples\.seed: 1 → 2.*choose another --out"):
        TrajectoryStore.create(made, tiny_spec(samples__seed=2))


def test_what_is_no_store_is_left_alone(tmp_path):
    with pytest.raises(StoreError, match="no store at"):
        TrajectoryStore.open(tmp_path / "none.zarr")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "precious", tmp_path / "file"):
        with pytest.raises(StoreError, match="not a pdebench store"):
            TrajectoryStore.create(path, tiny_spec())
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years of work"


def test_the_journal_keeps_every_commit_through_folds(tmp_path, caplog):
    journal = Journal(tmp_path)
    for unit in range(5):
        journal.commit(unit, {"value": unit * 1.5})
    with journal.lock():
        journal.fold()
    journal.commit(7, {"value": 1.0})
    assert sorted(journal.entries()) == [0, 1, 2, 3, 4, 7]
    with journal.lock():
        assert journal.fold()[3]["value"] == 4.5
        journal.forget([2, 7])
    assert sorted(journal.entries()) == [0, 1, 3, 4]
    assert {path.name for path in tmp_path.iterdir()} == {"folded.jsonl", "lock"}
    torn = (tmp_path / "folded.jsonl").read_text().replace('"unit": 3', '"unit')
    (tmp_path / "folded.jsonl").write_text(torn)
    with caplog.at_level(logging.WARNING):
        assert sorted(Journal(tmp_path).entries()) == [0, 1, 4]  # unit 3 alone is made again
    assert "line 3 of" in caplog.text
    (tmp_path / "folded.jsonl").unlink()
    (tmp_path / "lock").unlink()
    tmp_path.rmdir()
    with pytest.raises(StoreError, match="copy the store as a whole"):
        journal.entries()


def test_a_shard_is_what_zarr_says_it_is(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 4, 5, 6)).astype("<f4")
    array = zarr.create_array(
        tmp_path / "a", shape=(3, 4, 5, 6), chunks=(1, 1, 5, 6), shards=(4, 4, 5, 6), dtype="<f4", compressors=None,
        chunk_key_encoding={"name": "default", "separator": "."}, fill_value=np.nan,
    )  # fmt: skip
    path, form = tmp_path / "a" / "c.0.0.0.0", Form(4, 3, 4, (5, 6), np.dtype("<f4"))
    with ShardWriter(path, form) as writer:
        for sample in range(3):
            for frame in range(4):
                writer.put(sample, frame, values[sample, frame])
        writer.commit()
    np.testing.assert_array_equal(array[:], values)
    np.testing.assert_array_equal(map_shard(path, form), values)
