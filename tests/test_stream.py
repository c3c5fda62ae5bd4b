"""From solver to trainer: every window once or known to be repeated, whatever is killed, in bounded memory."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import tiny_spec, tiny_store
from steady import toy_spec

import pdebench
from pdebench import Windows, online
from pdebench.errors import CardError, PdebenchError
from pdebench.parallel import Serial
from pdebench.store import TrajectoryStore
from pdebench.stream import Plan, Pool, StreamSink, policies, sink
from pdebench.stream.slots import Slots

FAILING = f"{Path(__file__).parent}/fragile.py:Fragile"


def test_a_plan_has_the_windows_of_a_store(tmp_path):
    store = tiny_store(tmp_path / "store", times__frames=9)
    for how in ({"history": 2, "horizon": 3}, {"stride": 3}, {"start_every": 2}, {"history": 2, "stride": 2}):
        windows = Windows(store, None, **how)
        plan = Plan(members=6, frames=9, **how)
        assert 6 * len(plan.starts) == len(windows)
        for frame in range(9):
            assert plan.needing(frame) == [s for s in plan.starts if frame in plan.frames_of(s)]


def test_a_plan_longer_than_a_trajectory_is_refused():
    with pytest.raises(PdebenchError, match=r"spans 7 frames, but a trajectory has 5"):
        Plan(members=1, frames=5, history=1, horizon=2, stride=3)


def deliver(pool: Pool, member: int, frame: int) -> None:
    """A frame whose every value tells whose it is."""
    (slot,) = pool.slots.take(1)
    pool.slots.frames[slot] = 100 * member + frame
    pool.put(member, frame, slot)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(policies)),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_any_order_of_events_gives_each_window_and_leaks_no_slot(policy, history, horizon, stride, every, seed):
    plan = Plan(members=4, frames=12, history=history, horizon=horizon, stride=stride, start_every=every)
    pool = Pool(plan, Slots(60, (1, 2)), policies[policy](3), seed=seed)
    rng, drawn = np.random.default_rng(seed), Counter()
    cut = {2: int(rng.integers(0, 12))}  # this member's solver fails
    unfinished = dict.fromkeys(range(4), 0)

    def take(count: int) -> None:
        picked = pool.pick(count)
        if rng.random() < 0.3:
            pool.make_room(5)  # eviction must not reach what is being copied
        for member, start, slots, _ in picked:
            assert pool.slots.frames[slots, 0, 0].tolist() == [100 * member + f for f in plan.frames_of(start)]
        pool.let_go(picked)
        drawn.update((one.member, one.start) for one in picked)

    while unfinished:
        member = int(rng.choice(list(unfinished)))
        if unfinished[member] == cut.get(member, 12):
            pool.end(member)
            del unfinished[member]
        elif pool.make_room(1):
            deliver(pool, member, unfinished[member])
            if rng.random() < 0.2 and pool.make_room(1):
                deliver(pool, member, unfinished[member])  # again, as after a crash
            unfinished[member] += 1
        if rng.random() < 0.5 or not pool.make_room(1):
            take(int(rng.integers(1, 4)))
    pool.over = True
    while pool.ready():
        take(5)
    whole = {(m, s) for m in range(4) for s in plan.starts if s + plan.span <= cut.get(m, 12)}
    assert set(drawn) == whole
    assert policy == "reservoir" or max(drawn.values(), default=1) == 1
    assert pool.slots.free == 60 or policy == "reservoir"
    assert sum(drawn.values()) - len(drawn) == pool.repeats


def test_a_reservoir_gives_up_only_what_was_seen():
    plan = Plan(members=1, frames=50)
    pool = Pool(plan, Slots(10, (1, 1)), policies["reservoir"](2), seed=1)
    for frame in range(10):
        assert pool.make_room(1)
        deliver(pool, 0, frame)
    assert not pool.make_room(1)  # nine windows, none of them seen
    pool.let_go(pool.pick(1))
    seen = {start for start in plan.starts if pool.seen[0, start]}
    assert len(seen) == 1
    assert pool.make_room(1) == (seen == {0} or pool.slots.free > 0)  # a frame goes when no unseen window needs it


def test_random_buffers_hold_back_until_there_is_a_choice():
    for policy in ("firo", "reservoir"):
        pool = Pool(Plan(members=1, frames=9), Slots(9, (1, 1)), policies[policy](3), seed=0)
        for frame in range(4):
            deliver(pool, 0, frame)
        assert pool.ready() == 0  # three windows
        assert pool.ready(pressed=True) == 3
        deliver(pool, 0, 4)
        assert pool.ready() > 0


@pytest.mark.parametrize("buffer", ["fifo", "firo"])
def test_a_stream_gives_the_windows_of_the_store_and_keeps_its_bits(tmp_path, buffer):
    store = tiny_store(tmp_path / "store")
    windows = Windows(store, None, history=2, horizon=2)
    stored = {(w.member, w.start): w for w in (windows[i] for i in range(len(windows)))}
    with pdebench.stream(
        tiny_spec(), workers=2, batch_size=3, history=2, horizon=2, buffer=buffer, keep=tmp_path / "kept"
    ) as stream:
        for batch in stream:
            for row, key in enumerate(zip(batch.member.tolist(), batch.start.tolist(), strict=True)):
                window = stored.pop(key)
                np.testing.assert_array_equal(batch.history[row], window.history)
                np.testing.assert_array_equal(batch.future[row], window.future)
                np.testing.assert_array_equal(batch.params[row], window.params)
                np.testing.assert_allclose(batch.times[row], window.times)
        report = stream.report()
    assert not stored
    assert (report.unique, report.repeats, report.total) == (len(windows), 0, len(windows))
    assert report.frames == 6 * 5
    assert TrajectoryStore.open(tmp_path / "kept").content_hash() == store.content_hash()


@pytest.mark.parametrize("steady", [True, False])
def test_inputs_travel_with_their_members(tmp_path, steady):
    spec = toy_spec(steady=steady, solver="Settling")
    with pdebench.stream(spec, workers=2, batch_size=2, buffer="firo", keep=tmp_path / "kept") as stream:
        batches = list(stream)
    store = TrajectoryStore.open(tmp_path / "kept")  # decides what the solvers settled on
    windows = Windows(store, None)
    stored = {(w.member, w.start): w for w in (windows[i] for i in range(len(windows)))}
    for batch in batches:
        for row, key in enumerate(zip(batch.member.tolist(), batch.start.tolist(), strict=True)):
            window = stored.pop(key)
            np.testing.assert_array_equal(batch.history[row], window.history)
            np.testing.assert_array_equal(batch.future[row], window.future)
            np.testing.assert_allclose(batch.times[row], window.times)
    assert not stored
    assert not stream._receiver._pool._given  # nothing is kept for longer than its frames


def test_a_reservoir_repeats_rather_than_waits(tmp_path):
    with pdebench.stream(tiny_spec(), workers=1, batch_size=4, buffer="reservoir") as stream:
        batches = list(stream)
        report = stream.report()
    assert report.unique == report.total == 24
    assert report.windows == sum(len(batch.member) for batch in batches) >= 24


def many(**changes: object) -> object:
    return tiny_spec(samples__count=16, times__frames=40, splits={"train": [0, 16]}, **changes)


def test_killed_solvers_lose_nothing_and_double_nothing(tmp_path):
    rng, drawn, kills, told = np.random.default_rng(5), Counter(), 0, 0
    with pdebench.stream(many(), workers=2, batch_size=8, buffer="fifo", keep=tmp_path / "kept") as stream:
        for batch in stream:
            drawn.update(zip(batch.member.tolist(), batch.start.tolist(), strict=True))
            if kills < 4 and stream.report().frames > told + 100:  # the one after has got further than the one before
                os.kill(stream._crew[int(rng.integers(2))].pid, signal.SIGKILL)
                kills, told = kills + 1, stream.report().frames
        report = stream.report()
    assert kills == 4
    assert len(drawn) == report.total == 16 * 39
    assert set(drawn.values()) == {1}
    pdebench.generate(
        many(), tmp_path / "kept"
    )  # what is missing, if a kill came between the last frame and the commit
    pdebench.generate(many(), tmp_path / "whole")
    kept, whole = (TrajectoryStore.open(tmp_path / name) for name in ("kept", "whole"))
    assert kept.content_hash() == whole.content_hash()


def test_a_trainer_resumes_where_it_stopped(tmp_path):
    spec, first, second = many(), Counter(), Counter()
    with pdebench.stream(spec, workers=1, batch_size=8, buffer="firo", keep=tmp_path / "kept") as stream:
        for batch in stream:
            first.update(zip(batch.member.tolist(), batch.start.tolist(), strict=True))
            if len(first) >= 200:
                stream.save(tmp_path / "stream.npz")
                break
    assert (tmp_path / "stream.npz").stat().st_size < 2000
    with pdebench.stream(
        spec, workers=1, batch_size=8, buffer="firo", keep=tmp_path / "kept", resume=tmp_path / "stream.npz"
    ) as stream:
        for batch in stream:
            second.update(zip(batch.member.tolist(), batch.start.tolist(), strict=True))
    assert not set(first) & set(second)
    assert len(first) + len(second) == 16 * 39
    with pytest.raises(PdebenchError, match="another campaign"):
        pdebench.stream(tiny_spec(), resume=tmp_path / "stream.npz")
    (tmp_path / "evil.npz").write_bytes(b"\x80\x04.")
    with pytest.raises(PdebenchError, match="no checkpoint"):
        pdebench.stream(tiny_spec(), resume=tmp_path / "evil.npz")


def test_other_hosts_send_their_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(sink, "host_identity", lambda: "elsewhere")
    store = tiny_store(tmp_path / "store")
    with pdebench.stream(tiny_spec(), workers=0, batch_size=4, buffer="fifo", listen="127.0.0.1:0") as stream:
        assert not StreamSink(stream.listening, stream.token).shared
        with pytest.raises(PdebenchError, match="wrong token"):
            StreamSink(stream.listening, "guess")
        worker = threading.Thread(
            target=online.produce, args=(stream.listening, Serial()), kwargs={"token": stream.token}
        )
        worker.start()
        seen = 0
        for batch in stream:
            for row, (member, start) in enumerate(zip(batch.member, batch.start, strict=True)):
                np.testing.assert_array_equal(batch.history[row], store.frames(int(member), start, start + 1))
                seen += 1
        worker.join(10)
    assert seen == 24
    assert not worker.is_alive()


def test_solvers_of_this_host_find_shared_memory_through_the_port():
    with pdebench.stream(tiny_spec(), workers=0, listen="127.0.0.1:0") as stream:
        link = StreamSink(stream.listening, stream.token)
        assert link.shared
        link.close()


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff", b"\x02\x00\x00\x00[]", b""])
def test_strangers_at_the_port_disturb_nobody(noise):
    with pdebench.stream(tiny_spec(), workers=1, batch_size=4, buffer="fifo", listen="127.0.0.1:0") as stream:
        host, port = stream.listening.split(":")
        with socket.create_connection((host, int(port))) as end:
            end.sendall(noise)
        assert sum(len(batch.member) for batch in stream) == 24


LIES = [
    {"room": 10**9},
    {"room": -1},
    {"frame": 0, "members": [0], "slots": [0]},  # a slot it was not given
    {"frame": 0, "members": [99], "slots": [0]},
    {"frame": "x", "members": [], "slots": []},
    {"outcome": 0, "reason": ""},  # a unit it was not given
    {"hokus": "pokus"},
]


@pytest.mark.parametrize("lie", LIES)
def test_a_solver_that_breaks_the_contract_is_dropped(lie):
    with pdebench.stream(tiny_spec(), workers=0, batch_size=4, buffer="fifo", listen="127.0.0.1:0") as stream:
        liar = StreamSink(stream.listening, stream.token)
        liar._say(lie)
        with pytest.raises(PdebenchError, match="has gone"):
            liar._ask({"want": "unit"})
        threading.Thread(
            target=online.produce, args=(stream.listening, Serial()), kwargs={"token": stream.token}
        ).start()
        assert sum(len(batch.member) for batch in stream) == 24


def test_a_slow_trainer_holds_the_solvers_back():
    spec = many()
    with pdebench.stream(spec, workers=2, batch_size=2, buffer="fifo", capacity=24) as stream:
        batches = iter(stream)
        next(batches)
        deadline = time.monotonic() + 5
        while stream._receiver._all.blocked < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stream._receiver._all.blocked == 2
        assert stream.report().frames <= 24 + 2 * 2
        assert sum(len(batch.member) for batch in batches) + 2 == 16 * 39


def test_a_buffer_of_two_batches_is_no_deadlock():
    with pdebench.stream(many(), workers=1, batch_size=4, buffer="fifo", capacity=12) as stream:
        assert sum(len(batch.member) for batch in stream) == 16 * 39


def test_a_capacity_that_cannot_work_is_refused():
    with pytest.raises(CardError, match="need 10 frames"):
        pdebench.stream(tiny_spec(), batch_size=3, capacity=9)


def test_a_buffer_full_of_beginnings_is_an_error_and_no_deadlock():
    whole = {"history": 2, "horizon": 3, "batch_size": 1, "capacity": 15}
    with pdebench.stream(tiny_spec(), workers=0, buffer="fifo", **whole) as stream:
        links = [StreamSink(stream._receiver.address) for _ in range(3)]
        units = [link.next_unit().tolist() for link in links]
        for frame, link, unit in [(f, link, unit) for f in range(3) for link, unit in zip(links, units, strict=True)][
            :7
        ]:
            link._say({"frame": frame, "members": unit, "slots": link._ask({"room": 2})["slots"]})
        for link in links:  # 14 of 15 slots hold beginnings
            threading.Thread(target=_lost, args=(link,)).start()
        with pytest.raises(PdebenchError, match="raise capacity"):
            next(iter(stream))


def _lost(link: StreamSink) -> None:
    with pytest.raises(PdebenchError):
        link._ask({"room": 2})


def test_a_unit_that_kills_its_solver_is_set_aside():
    deadly = tiny_spec(solver={"name": FAILING}, parameters__viscosity={"value": 0.02})
    with pdebench.stream(deadly, workers=1, batch_size=2, buffer="fifo") as stream:
        drawn = [(int(m), int(s)) for batch in stream for m, s in zip(batch.member, batch.start, strict=True)]
        report = stream.report()
    assert report.failed == (0, 1, 2, 3, 4, 5)
    assert sorted(drawn) == [(m, 0) for m in range(6)]  # what was whole before the solver died, and once only


def test_nobody_left_to_solve_is_an_error():
    with pdebench.stream(tiny_spec(), workers=1, batch_size=2) as stream:
        stream._receiver.set_aside("nobody")
        with pytest.raises(PdebenchError, match="nobody"):
            list(stream)


def test_nothing_is_left_behind(tmp_path):
    def litter() -> set[str]:
        return {name for place in ("/dev/shm", "/tmp") for name in os.listdir(place) if "pdebench" in name}

    before = litter()
    stream = pdebench.stream(many(), workers=2, batch_size=4, keep=tmp_path / "kept")
    crew = list(stream._crew)
    next(iter(stream))
    stream.close()
    assert all(worker.poll() is not None for worker in crew)
    assert litter() <= before
    assert not list(tmp_path.rglob("*.partial"))


def test_nobody_listens_is_said():
    with pytest.raises(PdebenchError, match="no trainer listens at 127.0.0.1:1"):
        StreamSink("127.0.0.1:1")
    with pytest.raises(PdebenchError, match="expected HOST:PORT"):
        StreamSink("nowhere")
