"""What a stream meets on bad days: strangers, the dead, the interrupted, and checkpoints of something else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from specs import tiny_spec, tiny_store

import pdebench
from pdebench import launch, online, parallel
from pdebench.errors import CardError, PdebenchError
from pdebench.parallel import Serial
from pdebench.problem import Cost, Frame, Outcome
from pdebench.stream import StreamSink, receiver, sink
from pdebench.stream import wire as wires
from pdebench.stream.slots import Trays


@pytest.fixture
def alone():
    """A stream that waits for solvers."""
    with pdebench.stream(tiny_spec(), workers=0, batch_size=4, buffer="fifo", listen="127.0.0.1:0") as stream:
        yield stream


def within(seconds, condition):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_another_user_of_this_host_needs_the_token(alone, monkeypatch):
    monkeypatch.setattr(receiver, "same_user", lambda end: False)
    with pytest.raises(PdebenchError, match="wrong token"):
        StreamSink(alone._receiver.address)
    StreamSink(alone._receiver.address, alone.token).close()


def test_frames_out_of_order_leave_their_slots_behind(alone):
    link = StreamSink(alone._receiver.address)
    unit = link.next_unit().tolist()
    slots = link._ask({"room": 2})["slots"]
    link._say({"frame": 3, "members": unit, "slots": slots})
    link.close()
    free = alone._receiver._pool.slots
    assert within(5, lambda: not alone._receiver._all.wires)
    assert free.free == len(free.frames)


def test_a_unit_is_not_lost_to_one_who_asks_for_two(alone):
    link = StreamSink(alone._receiver.address)
    link.next_unit()
    assert link.next_unit() is None
    link.close()
    threading.Thread(target=online.produce, args=(alone._receiver.address, Serial())).start()
    assert sum(len(batch.member) for batch in alone) == 24


def test_a_unit_does_not_answer_for_those_who_died_waiting_for_it(alone):
    busy = [StreamSink(alone._receiver.address) for _ in range(3)]
    for link in busy:
        link.next_unit()  # all that there are
    idle = [StreamSink(alone._receiver.address) for _ in range(4)]
    for link in idle:
        link._wire.say({"want": "unit"})
    assert within(5, lambda: len(alone._receiver._all.wires) == 7)
    time.sleep(0.1)
    for link in [*idle, *busy]:
        link.close()
    assert within(5, lambda: not alone._receiver._all.wires)
    assert alone.report().failed == ()
    threading.Thread(target=online.produce, args=(alone._receiver.address, Serial())).start()
    assert sum(len(batch.member) for batch in alone) == 24


def test_a_loop_ends_when_its_stream_is_closed():
    count = 0
    with pdebench.stream(tiny_spec(), workers=0, batch_size=2, threshold=0) as stream:
        link = StreamSink(stream._receiver.address)
        unit = link.next_unit().tolist()
        for frame in range(3):
            link._say({"frame": frame, "members": unit, "slots": link._ask({"room": 2})["slots"]})
        for _ in stream:
            count += 1
            stream.close()
            if count > 5:
                break
    assert count == 1


def test_a_tray_in_use_is_not_lent_again_whatever_the_interpreter_counts(monkeypatch):
    """Python 3.14 borrows what it loads: one reference less for everything."""
    exact = sys.getrefcount
    monkeypatch.setattr(sys, "getrefcount", lambda thing: exact(thing) - 1 - 1)  # this lambda's own, and one less
    trays = Trays((2,))
    first = trays.take(3)
    assert not np.shares_memory(first, trays.take(3))


class Second:
    """The second of two ranks: it hears what is said, and must not solve alone."""

    rank, size = 1, 2

    def __init__(self, *said):
        self.said = list(said)

    def bcast(self, obj, root=0):
        return self.said.pop(0)


def test_ranks_do_not_solve_what_the_store_has(monkeypatch):
    def alone(*args, **options):
        raise AssertionError("it would wait for the other ranks")

    monkeypatch.setattr(online.solve, "trajectories", alone)
    comm = Second(tiny_spec(ranks=2), {}, np.arange(2), True, None)
    assert online.produce("unix:nobody", comm) == 1
    assert not comm.said


def test_a_stranger_who_says_nothing_is_hung_up_on_at_the_end(alone):
    host, port = alone.listening.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as end:
        assert within(5, lambda: alone._receiver._all.wires)
        (wire,) = alone._receiver._all.wires.values()
        assert wire.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        alone.close()
        assert end.recv(1) == b""


def test_a_token_that_is_no_text_is_wrong(alone):
    with pytest.raises(PdebenchError, match="wrong token"):
        StreamSink(alone.listening, "\ud800")


def test_a_checkpoint_of_other_windows_or_another_card_is_refused(tmp_path):
    saved = tmp_path / "stream.npz"
    with pdebench.stream(tiny_spec(), workers=0, history=2, horizon=1) as stream:
        stream.save(saved)
    pdebench.stream(tiny_spec(), workers=0, history=2, horizon=1, resume=saved).close()
    for card, how in (
        (tiny_spec(), {"history": 1, "horizon": 2}),
        (tiny_spec(samples__seed=77), {"history": 2, "horizon": 1}),
    ):
        with pytest.raises(PdebenchError, match="another campaign"):
            pdebench.stream(card, workers=0, resume=saved, **how)


def test_a_refused_checkpoint_leaves_no_listener(tmp_path):
    with pdebench.stream(tiny_spec(), workers=0) as stream:
        stream.save(tmp_path / "stream.npz")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for _ in range(2):  # the second would find the port taken
        with pytest.raises(PdebenchError, match="another campaign"):
            pdebench.stream(
                tiny_spec(), workers=0, horizon=2, listen=f"127.0.0.1:{port}", resume=tmp_path / "stream.npz"
            )


def test_what_was_seen_but_never_stored_is_solved_again(tmp_path):
    """The trainer was killed between the last frame of a unit and its commit."""
    with pdebench.stream(tiny_spec(), workers=1, batch_size=4, buffer="fifo") as stream:
        assert sum(len(batch.member) for batch in stream) == 24
        stream.save(tmp_path / "stream.npz")
    with pdebench.stream(
        tiny_spec(), workers=1, buffer="fifo", keep=tmp_path / "kept", resume=tmp_path / "stream.npz"
    ) as stream:
        assert list(stream) == []
    kept = pdebench.TrajectoryStore.open(tmp_path / "kept")
    assert kept.content_hash() == tiny_store(tmp_path / "store").content_hash()


def test_a_solver_that_finds_another_store_under_that_name_leaves_it_alone(tmp_path, monkeypatch):
    """On another host the trainer's path may lead elsewhere."""
    other = tiny_store(tmp_path / "other", samples__seed=77)
    before = other.content_hash()
    with pdebench.stream(tiny_spec(), workers=0, keep=tmp_path / "kept") as stream:
        monkeypatch.setattr(stream._receiver, "_keep", other.path)
        with pytest.raises(PdebenchError, match="digest"):
            online.produce(stream._receiver.address, Serial())
    assert other.content_hash() == before


@pytest.mark.parametrize("members", [range(6, 9), range(3, 3), range(-1, 2)])
def test_members_that_there_are_not_are_refused(members):
    with pytest.raises(CardError, match="do not lie in 0 … 5"):
        pdebench.stream(tiny_spec(), workers=0, members=members)


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"workers": -1}])
def test_counts_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match="or more"):
        pdebench.stream(tiny_spec(), **wrong)


def test_a_trainer_under_mpiexec_hires_solvers_that_are_not(alone, monkeypatch):
    heard = {}
    monkeypatch.setattr(launch.subprocess, "Popen", lambda command, **options: heard.update(options["env"]))
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK", "OMPI_ALLOW_RUN_AS_ROOT"):
        monkeypatch.setenv(name, "1")
    alone._hire()
    monkeypatch.setattr("os.environ", heard)
    assert not parallel.launched()
    assert "OMPI_ALLOW_RUN_AS_ROOT" in heard


def test_deaths_far_apart_do_not_add_up(alone, monkeypatch):
    """A long campaign loses many solvers; only those count that brought nothing."""
    hired, report = [], SimpleNamespace(frames=0, failed=())

    def hire():
        report.frames += len(hired) < 20
        hired.append(SimpleNamespace(pid=-1, poll=lambda: -9, wait=lambda timeout=None: -9))
        return hired[-1]

    monkeypatch.setattr(alone, "_hire", hire)
    monkeypatch.setattr(alone, "report", lambda: report)
    alone._stop.set()
    alone._watch.join()
    alone._stop.clear()
    monkeypatch.setattr(alone._stop, "wait", lambda seconds: False)
    alone._workers, alone._crew = 1, [hire()]
    alone._keep_working()
    assert 20 < len(hired) < 26
    with pytest.raises(PdebenchError, match="solvers died"):
        next(iter(alone))


def test_frames_that_float32_cannot_hold_have_failed(alone):
    link = StreamSink(alone._receiver.address)
    unit = link.next_unit()
    shape = (2, *alone._receiver._pool.slots.frames.shape[1:])
    frames = [np.ones(shape), np.ones(shape), np.ones(shape)]
    frames[1][1] = 1e39
    list(link.passing(Frame(unit, index, frame) for index, frame in enumerate(frames)))
    list(link.passing(iter([Outcome(int(unit[1]), Cost(), 0.0)])))
    assert within(5, lambda: alone.report().failed == (int(unit[1]),))
    link.close()


def test_a_fork_of_the_trainer_does_not_keep_its_sockets(alone):
    """Else solvers would wait for a trainer that has gone, as long as a data loader's worker lives."""
    link = StreamSink(alone._receiver.address)
    assert within(5, lambda: alone._receiver._all.wires)
    mine = {alone._receiver._listeners[0].fileno(), *(w.socket.fileno() for w in alone._receiver._all.wires.values())}
    inodes = {os.readlink(f"/proc/self/fd/{number}") for number in mine}
    read, write = os.pipe()
    child = os.fork()
    if not child:
        numbers = [number for number in range(256) if os.path.exists(f"/proc/self/fd/{number}")]
        kept = {os.readlink(f"/proc/self/fd/{number}") for number in numbers}
        os.write(write, b"kept" if kept & inodes else b"gone")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 4) == b"gone"
    os.close(read)
    os.close(write)
    assert link.next_unit() is not None  # the parent's are as they were
    link.close()


def test_streams_say_where_they_do_not_work(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(PdebenchError, match="streams need Linux"):
        pdebench.stream(tiny_spec(), workers=0)


def test_windows_that_an_interrupt_took_from_the_trainer_are_not_counted_as_seen(alone, monkeypatch):
    """The first of a batch's windows are copied when Ctrl-C comes: nobody got them."""

    def solve():
        with suppress(PdebenchError):  # the trainer goes before the solver has ended
            online.produce(alone._receiver.address, Serial())

    threading.Thread(target=solve).start()
    monkeypatch.setattr(receiver, "LUMP", 1)  # one window at a time
    copied, whole = [], alone._receiver._copied

    def interrupted(picked, into):
        copied.append(picked)
        if len(copied) == 3:
            whole(picked, into)
            raise KeyboardInterrupt
        return whole(picked, into)

    monkeypatch.setattr(alone._receiver, "_copied", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(iter(alone))
    assert not np.unpackbits(alone.state()["seen"]).any()


def test_a_frame_costs_one_message_and_warm_slots(alone, monkeypatch):
    """Room is asked for in advance, a few frames at once; what was used last is used next."""
    link = StreamSink(alone._receiver.address)
    said, taken = [], set()
    say, put = link._wire.say, alone._receiver._pool.put
    monkeypatch.setattr(link._wire, "say", lambda message, frames: (said.append(message), say(message, frames)))
    monkeypatch.setattr(
        alone._receiver._pool, "put", lambda member, frame, slot: (taken.add(slot), put(member, frame, slot))
    )
    batches = iter(alone)
    seen = 0
    for _ in range(3):
        unit = link.next_unit()
        for index in range(5):
            list(link.passing(iter([Frame(unit, index, np.ones((2, 1, 16, 16)))])))
            if index in {2, 4}:
                seen += len(next(batches).member)
        list(link.passing(Outcome(int(member), Cost(), 0.0) for member in unit))
        link.done(unit)
    assert seen == 24
    assert sum("room" in message for message in said) == 3  # the first of each unit
    assert sum("ahead" in message and message["ahead"] > 0 for message in said) <= 6  # of 15 frames
    assert len(said) == 3 * (1 + 1 + 5 + 2 + 1)
    assert len(taken) <= 2 * (5 + 4)  # of 1024: a unit's frames, and those that were promised
    link.close()


def test_a_solver_that_hangs_is_ended_and_another_does_its_work():
    """Stopped, it keeps its connection, and says nothing."""
    spec = tiny_spec(times__frames=40, samples__count=16, splits={"train": [0, 16]})
    with pdebench.stream(spec, workers=1, batch_size=8, buffer="fifo", capacity=40, patience=4) as stream:
        batches = iter(stream)
        drawn = [(int(m), int(s)) for m, s in zip(*next(batches)[4:], strict=True)]
        hung = stream._crew[0]
        os.kill(hung.pid, signal.SIGSTOP)
        for batch in batches:
            drawn += zip(batch.member.tolist(), batch.start.tolist(), strict=True)
        assert hung.wait(5) == -signal.SIGKILL
        assert stream.report().failed == ()
    assert sorted(drawn) == [(m, s) for m in range(16) for s in range(39)]


def test_a_solver_that_waits_for_room_does_not_hang(monkeypatch):
    with pdebench.stream(tiny_spec(), workers=0, batch_size=2, buffer="fifo", capacity=8) as stream:
        at = stream._receiver._all
        solver = threading.Thread(target=online.produce, args=(stream._receiver.address, Serial()))
        solver.start()
        assert within(60, lambda: at.blocked)
        monkeypatch.setattr(at.pulse, "_given", 0.2)
        time.sleep(1)
        assert at.wires
        monkeypatch.setattr(at.pulse, "_given", None)
        assert sum(len(batch.member) for batch in stream) == 24
        solver.join(10)


def test_a_solver_of_another_host_that_hangs_is_hung_up_on(alone, monkeypatch):
    monkeypatch.setattr(alone._receiver._all.pulse, "_given", 0.3)
    link = StreamSink(alone._receiver.address)
    unit = link.next_unit()
    assert within(10, lambda: not alone._receiver._all.wires)
    with pytest.raises(PdebenchError, match="has gone"):
        list(link.passing(iter([Frame(unit, 0, np.ones((2, 1, 16, 16)))])))


def test_a_frame_that_comes_slowly_is_no_silence(alone, monkeypatch):
    """Its network is slow: patience is for each piece of the frame, not for the whole."""
    monkeypatch.setattr(wires, "PIECE", 512)
    at = alone._receiver
    monkeypatch.setattr(at._all.pulse, "_given", 2.0)
    link, _ = sink._greet(at.listening, at.token)  # not on shared memory
    link.say({"want": "unit"})
    members = link.hear()["unit"]
    link.say({"room": 2})
    link.say({"frame": 0, "members": members, "slots": link.hear()["slots"]})
    for _ in range(4):
        time.sleep(0.6)
        link.socket.sendall(np.ones(128, "f4"))
    assert within(5, lambda: at._all.frames == 2)
    assert at._all.wires
    assert within(5, lambda: not at._all.wires)  # and then it is silent
    link.close()


def test_a_solver_that_makes_up_for_a_dead_one_does_not_hang(alone, monkeypatch):
    """It brings nothing until it has got as far as that."""
    first = StreamSink(alone._receiver.address)
    unit, values = first.next_unit(), np.ones((2, 1, 16, 16))
    list(first.passing(Frame(unit, index, values) for index in range(5)))
    first.close()
    assert within(5, lambda: not alone._receiver._all.wires)
    monkeypatch.setattr(alone._receiver._all.pulse, "_given", 1.0)
    other = StreamSink(alone._receiver.address)
    assert other.next_unit().tolist() == unit.tolist()

    def again():
        for index in range(5):
            time.sleep(0.4)
            yield Frame(unit, index, values)

    list(other.passing(again()))
    other.done(unit)
    other.close()


def test_the_first_frame_does_not_tell_how_long_a_step_takes(alone):
    link, values = StreamSink(alone._receiver.address), np.ones((2, 1, 16, 16))
    pulse, unit = alone._receiver._all.pulse, link.next_unit()
    for index, known in ((0, False), (1, True)):
        list(link.passing(iter([Frame(unit, index, values)])))
        link._collect()
        assert within(5 if known else 0.3, lambda: pulse.patience < 1e9) == known
    link.close()


def test_one_that_hangs_is_told_once(alone, monkeypatch):
    """Its socket is closed by then, and nothing can be asked of it."""
    at = alone._receiver
    link = StreamSink(at.address)
    link.next_unit()
    monkeypatch.setattr(at._all.pulse, "_given", 1e-9)
    with at._all.door:  # so that the thread that serves it cannot yet end
        assert at.hang_up_on_silent() == [os.getpid()]
        assert at.hang_up_on_silent() == []
    link.close()


def test_a_solver_is_told_when_its_trainer_has_gone(alone):
    """Even in the middle of a long step."""
    told = threading.Event()
    link, other = StreamSink(alone._receiver.address), StreamSink(alone._receiver.address)
    link.next_unit()
    link.when_left(told.set)
    other.when_left(lambda: pytest.fail("it left by itself"))
    other.close()
    assert not told.wait(0.2)
    alone.close()
    assert told.wait(5)


def test_a_connection_that_was_closed_before_anybody_looked_has_ended(alone):
    link = StreamSink(alone._receiver.address)
    link.close()
    link._wire.wait_for_end()


def test_a_proposal_that_fails_ends_the_stream_and_says_so():
    class Wrong:
        def draw(self, rng, count, told):
            raise ZeroDivisionError("nothing to go by")

    spec = tiny_spec(parameters__viscosity={"uniform": [0.01, 0.02]})
    with pdebench.stream(spec, workers=0, batch_size=4, proposal=Wrong()) as stream:
        link = StreamSink(stream._receiver.address)
        assert link.next_unit() is None
        with pytest.raises(PdebenchError, match="the proposal failed.*nothing to go by"):
            next(iter(stream))


def test_a_port_that_is_taken_leaves_nothing_open():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(PdebenchError, match="cannot listen"):
                pdebench.stream(tiny_spec(), workers=0, listen=f"127.0.0.1:{taken.getsockname()[1]}")
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_solver_that_hangs_ends_with_a_trainer_that_is_killed(tmp_path):
    """It cannot hear that its trainer has gone."""
    script = (
        "import pdebench, sys, time; from specs import tiny_spec\n"
        "stream = pdebench.stream(tiny_spec(), workers=1, batch_size=4, buffer='fifo')\n"
        "next(iter(stream)); print(stream._crew[0].pid, flush=True); time.sleep(600)"
    )
    own = os.environ | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", script], env=own, stdout=subprocess.PIPE) as trainer:
        solver = int(trainer.stdout.readline())
        with open(f"/proc/{solver}/status") as status:
            name = status.readline()
        os.kill(solver, signal.SIGSTOP)
        trainer.kill()

    def gone():
        try:
            with open(f"/proc/{solver}/status") as status:
                return status.readline() != name or "Z" in status.readlines()[1]
        except OSError:
            return True

    assert within(20, gone)
