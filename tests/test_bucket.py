"""Stores under URLs: the same bits as in a folder, commits that hold, and clear words when the service fails."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray
from buckets import PAGE, S3, environment, serving_files, serving_s3
from needs import needed
from perilous import card_file
from specs import tiny_spec

from pdebench import solve
from pdebench.bucket import Bucket
from pdebench.bucket_journal import BucketJournal
from pdebench.check import check
from pdebench.data import Windows
from pdebench.errors import StoreError
from pdebench.generate import generate
from pdebench.objects import Objects
from pdebench.place import place_of
from pdebench.problem import Frame
from pdebench.store import TrajectoryStore, open_store

needed("obstore")

URL = "s3://data/some/where/tiny.zarr"


@contextmanager
def ours():
    state = S3("data")
    with serving_s3(state) as address:
        yield state, address


@contextmanager
def motos():
    needed("moto")
    from moto_s3 import serving_moto

    with serving_moto("data") as served:
        yield served


@pytest.fixture(params=[ours, motos])
def s3(request, monkeypatch):
    """Our own server, and one that others wrote."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", str(PAGE))
    with request.param() as (state, address):
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        yield state


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("bucket") / "whole.zarr"
    generate(tiny_spec(), path)
    return path


def content(path):
    return TrajectoryStore.open(path).content_hash()


def test_objects_are_created_once_read_in_part_and_listed_whole(s3):
    bucket = Bucket("s3://data/some where/ä+b")
    assert [bucket.create("one", content) for content in (b"0123456789", b"other")] == [True, False]
    assert (bucket.read("one"), bucket.size("one")) == (b"0123456789", 10)
    assert (bucket.read_range("one", 3, 4), bucket.read_range("one", 8, 2)) == (b"3456", b"89")
    assert (bucket.read("two"), bucket.size("two")) == (None, None)
    with pytest.raises(StoreError, match="two is gone"):
        bucket.read_range("two", 0, 1)
    bucket.put("one", b"replaced")
    assert bucket.read("one") == b"replaced"
    names = [f"many/{number:03d}" for number in range(3 * PAGE + 5)]
    for name in [*names, "many more/0"]:
        bucket.put(name, b"")
    seen = len(s3.requests)
    assert bucket.names("many") == names
    assert len(s3.requests) - seen == 4  # pages
    bucket.delete(names[1:])
    assert bucket.names("many") == names[:1]


def test_a_bucket_holds_what_a_folder_holds(s3, whole):
    summary = generate(tiny_spec(), URL)
    assert (summary.done, summary.missing, str(summary.store)) == (6, 0, URL)
    here, there = TrajectoryStore.open(whole), TrajectoryStore.open(URL)
    assert there.content_hash() == here.content_hash()
    np.testing.assert_array_equal(there.frames(3, 1, 5, 2), here.frames(3, 1, 5, 2))
    assert not there.damaged()
    ours, theirs = (Windows(store, "train", horizon=2) for store in (here, pickle.loads(pickle.dumps(there))))
    batch, other = (next(windows.batches(4, seed=1)) for windows in (ours, theirs))
    np.testing.assert_array_equal(batch.history, other.history)
    np.testing.assert_array_equal(batch.future, other.future)
    np.testing.assert_array_equal(open_store(URL).vorticity[4].values, here.frames(4)[:, 0])
    assert xarray.open_zarr(there.place.storage(read_only=True)).status.values.tolist() == [1] * 6
    assert not [f for f in check(there) if f.severity == "error" and "shard" in f.message]
    keys = {key.removeprefix("some/where/tiny.zarr/") for key in s3.objects["data"]}
    files = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert keys - files == {f"journal/{unit:06d}.json" for unit in range(3)}  # never deleted: there are no locks
    assert files - keys == {"journal/lock"}


def test_an_interrupted_run_is_finished_and_nothing_is_done_twice(s3, whole):
    generate(tiny_spec(), URL, members=range(3, 4))
    assert TrajectoryStore.open(URL).missing().tolist() == [0, 1, 4, 5]
    seen = len(s3.requests)
    generate(tiny_spec(), URL)
    put = [key for verb, key, _ in s3.requests[seen:] if verb == "PUT" and "/c." in key and "vorticity" in key]
    assert sorted(key[-9:] for key in put) == ["c.0.0.0.0", "c.2.0.0.0"]
    assert content(URL) == content(whole)


def test_of_two_writers_of_a_unit_the_first_commits(s3):
    spec, members = tiny_spec(), np.arange(2)
    one, two = TrajectoryStore.create(URL, spec), TrajectoryStore.create(URL, spec)
    one.write(members, solve.trajectories(spec, members))
    name = next(key for key in s3.objects["data"] if key.endswith("journal/000000.json"))
    first = s3.objects["data"][name]
    shards = {key: raw for key, raw in s3.objects["data"].items() if "/c." in key}
    other = dataclasses.replace  # as another machine might: other bits in the last place
    events = (
        other(e, values=e.values * (1 + 1e-6)) if isinstance(e, Frame) else e for e in solve.trajectories(spec, members)
    )
    two.write(members, events)
    BucketJournal(Bucket(URL)).commit(0, {"members": [0, 1]})  # and one that did not look
    assert s3.objects["data"][name] == first
    assert {key: raw for key, raw in s3.objects["data"].items() if "/c." in key} == shards
    assert not one.damaged()
    asked = [headers for verb, key, headers in s3.requests if verb == "PUT" and key == name]
    assert [headers.get("If-None-Match", headers.get("if-none-match")) for headers in asked] == ["*", "*"]


def test_a_shard_that_a_dead_writer_left_is_replaced(s3, whole):
    generate(tiny_spec(), URL, members=range(2))
    name = next(key for key in s3.objects["data"] if key.endswith("vorticity/c.0.0.0.0"))
    torn = name.replace("c.0.", "c.1.")
    s3.objects["data"][torn] = b"other bits"  # of another version, say; its unit was never committed
    generate(tiny_spec(), URL)
    assert content(URL) == content(whole)
    s3.objects["data"][torn] = s3.objects["data"][torn][:-9]
    store = TrajectoryStore.open(URL)
    assert [unit for unit, _ in store.damaged()] == [1]
    store.forget([1])
    assert torn not in s3.objects["data"]
    generate(tiny_spec(), URL)
    assert content(URL) == content(whole)


def test_an_upload_that_is_cut_leaves_nothing_half_visible(s3, monkeypatch):
    generate(tiny_spec(), URL, members=range(2))
    monkeypatch.setattr("pdebench.bucket.RETRIES", {"max_retries": 0})
    s3.fail = lambda verb, key: 500 if verb == "PUT" and "vorticity/c.1" in key else 0
    with pytest.raises(StoreError, match="repeat the command"):
        generate(tiny_spec(), URL)
    s3.fail = None
    assert not [key for key in s3.objects["data"] if "/c.1" in key]
    assert TrajectoryStore.open(URL).missing().tolist() == [2, 3]  # the unit that was solved meanwhile is whole
    assert not list(Path(tempfile.gettempdir()).glob(f"pdebench-upload.*.{os.getpid()}.*"))


def test_a_store_half_laid_out_is_none(s3, monkeypatch):
    monkeypatch.setattr("pdebench.bucket.RETRIES", {"max_retries": 0})
    s3.fail = lambda verb, key: 500 if verb == "PUT" and key.endswith("viscosity/zarr.json") else 0
    with pytest.raises(StoreError):
        generate(tiny_spec(), URL)
    s3.fail = None
    with pytest.raises(StoreError, match="no store at s3://data/some"):
        TrajectoryStore.open(URL)
    assert generate(tiny_spec(), URL).missing == 0


@pytest.mark.parametrize("s3", [ours], indirect=True)  # moto lets everybody in
def test_trouble_with_the_service_is_said_clearly(s3, monkeypatch):
    generate(tiny_spec(), URL, members=range(2))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    with pytest.raises(StoreError, match="access refused; check the credentials"):
        generate(tiny_spec(), URL)
    monkeypatch.undo()


def test_a_vanished_bucket_is_said_clearly(s3):
    generate(tiny_spec(), URL, members=range(2))
    store = TrajectoryStore.open(URL)
    del s3.objects["data"]
    with pytest.raises(StoreError, match="its bucket is gone"):
        store.write(np.arange(2, 4), solve.trajectories(tiny_spec(), np.arange(2, 4)))
    with pytest.raises(StoreError, match=r"no store|bucket is gone"):
        TrajectoryStore.open(URL)


def test_a_killed_command_goes_on(s3, whole, tmp_path):
    card = card_file(tmp_path, tiny_spec())
    command = [sys.executable, "-m", "pdebench", "generate", str(card), "--out", URL]
    run = subprocess.Popen(command)
    s3.fail = lambda verb, key: run.send_signal(signal.SIGKILL) if verb == "PUT" and "/c.1" in key else 0
    assert run.wait() == -signal.SIGKILL
    s3.fail = None
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"{URL}: 6 members done" in ran.stdout
    assert content(URL) == content(whole)
    assert not list(Path(tempfile.gettempdir()).glob(f"pdebench-upload.*.{run.pid}.*"))  # swept by the second


def test_a_finished_store_is_read_over_http(whole):
    with serving_files(whole.parent) as address:
        there, here = TrajectoryStore.open(f"{address}/whole.zarr"), TrajectoryStore.open(whole)
        assert there.content_hash() == here.content_hash()
        np.testing.assert_array_equal(there.frames(5, 2, 4), here.frames(5, 2, 4))
        windows = Windows(there, "train")
        assert len(windows) == len(Windows(here, "train"))
        np.testing.assert_array_equal(windows[3].future, Windows(here, "train")[3].future)
        np.testing.assert_array_equal(open_store(f"{address}/whole.zarr").vorticity[1].values, here.frames(1)[:, 0])
        with pytest.raises(StoreError, match="can be read, but not written"):
            generate(tiny_spec(), f"{address}/new.zarr")
        with pytest.raises(StoreError, match="no store at http"):
            TrajectoryStore.open(f"{address}/none.zarr")


def test_a_url_survives_being_taken_for_a_path():
    place = place_of(Path("s3://data/a.zarr"))
    assert isinstance(place, Objects)
    assert str(place) == "s3://data/a.zarr"
    assert place_of("here/a.zarr").path == Path("here/a.zarr")
    with pytest.raises(StoreError, match="no place for a store"):
        TrajectoryStore.open("gopher://a/b")
