"""Generation by many workers: the same bits, deaths survived, the poisoned set aside, everything bounded."""

from __future__ import annotations

import os
import signal
import time
import uuid
from types import SimpleNamespace

import numpy as np
import pytest
from needs import needed
from perilous import by_rows, card_file, pdebench, start, wait_for_none
from specs import tiny_spec

from pdebench import pulse, sample
from pdebench.cluster.campaign import TRIES, Campaign
from pdebench.cluster.card import load_cluster
from pdebench.cluster.drive import Drive
from pdebench.cluster.orders import Seen
from pdebench.cluster.plan import expected_seconds, longest_first, plan
from pdebench.cluster.slurm import kill_in_slurm, seen_in_slurm
from pdebench.errors import CardError
from pdebench.generate import generate
from pdebench.order import units
from pdebench.sample import parameters
from pdebench.store import TrajectoryStore

HERE = os.path.dirname(__file__)
needed("distributed")


@pytest.fixture
def mark():
    """A name by which all processes of a test are found; none of them may outlive it."""
    name = uuid.uuid4().hex
    yield name
    left = wait_for_none(name)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def content(path):
    return TrajectoryStore.open(path).content_hash()


# -- what is decided, without any process ---------------------------------------------------------------------------


def campaign(units=3, unit=4, patience=None):
    count = units * unit
    spec = tiny_spec(samples__count=count, samples__unit=unit, splits={"train": [0, count]})
    return Campaign(spec, "s.zarr", {}, range(units), patience)


def die(at, members):
    what = at.next()
    if members:
        at.note({"unit": what.unit, "attempt": what.attempt, "worker": "w-0", "members": members})
    at.died(what.key)
    return what


def test_a_member_alone_is_set_aside_after_three_deaths():
    at = campaign()
    for _ in range(TRIES):
        assert die(at, [2]).aside == {}
    what = at.next()
    assert (what.unit, set(what.aside)) == (0, {2})
    at.committed(what.key)
    assert (at.tally.deaths, list(at.waiting)) == (3, [1, 2])


def test_of_a_batch_only_the_culprit_is_set_aside():
    at = campaign()
    assert die(at, [0, 1, 2, 3]).alone == frozenset()
    assert die(at, [0, 1, 2, 3]).alone == frozenset()
    assert die(at, [1]).alone == {0, 1, 2, 3}  # the third and last try shows who it is
    assert set(at.tally.aside) == {1}


def test_a_death_before_the_work_begins_blames_nobody_but_has_an_end():
    at = campaign(units=1)
    while at.waiting:
        die(at, [])
    assert not at.tally.aside
    assert 3 < at.tally.deaths < 20
    assert list(at.tally.given_up) == [0]


def test_errors_are_tried_again_and_then_given_up_while_the_rest_goes_on():
    at = campaign(units=2)
    seen = []
    while (what := at.next()) is not None:
        seen.append(what.unit)
        at.failed(what.key, "a slip") if what.unit == 0 else at.committed(what.key)
    assert seen == [0, 1, 0, 0]
    assert at.tally.given_up == {0: "a slip"}


def test_a_worker_that_does_not_move_is_told_until_it_is_ended_and_its_member_blamed_like_a_killer(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1, patience=8.0)
    orders = [at.next(), at.next()]
    for what in orders:
        assert what.beat == 2.0
        at.note({"unit": what.unit, "attempt": 1, "worker": f"w-{what.unit}", "members": [what.unit]})
    now[0] = 7.0
    at.note({"unit": 1, "attempt": 1, "worker": "w-1"})
    now[0] = 9.0
    assert at.hung() == {"w-0": orders[0]}
    assert at.hung() == {"w-0": orders[0]}  # as long as nobody could end it
    at.ended(orders[0].key)
    assert at.hung() == {}
    at.died(orders[0].key)
    assert (at.tally.hung, at.tally.deaths, at.waiting[0]) == (1, 1, 0)
    at.committed(orders[1].key)
    now[0] = 99.0
    assert at.hung() == {}  # what has ended may be silent


def test_patience_follows_the_longest_silence_that_was_broken(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    signs = pulse.Pulse()
    signs.beat("a")
    now[0] = 1e6
    assert signs.silent() == []  # nobody knows yet how long a frame takes
    signs.beat("b")
    now[0] += 100
    signs.beat("b")
    assert signs.patience == 2000
    assert signs.silent() == ["a"]
    now[0] += 2001
    assert set(signs.silent()) == {"a", "b"}
    signs.rest("b")
    assert signs.silent() == ["a"]


def test_nobody_is_given_up_before_a_step_was_timed(monkeypatch):
    """That a worker starts, or has its first frame, which is given, does not tell how long a step takes."""
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1)
    order = at.next()
    said = {"unit": order.unit, "attempt": 1, "worker": "w-0"}
    at.note(said)
    for after, sign in ((1.0, {"members": [0]}), (9.0, {"frame": 0})):
        now[0] += after
        at.note(said | sign)
    now[0] += 1e5
    assert at.hung() == {}
    at.note(said | {"frame": 1})
    now[0] += 1e6
    assert at.hung() == {}
    now[0] += 1.1e6
    assert at.hung() == {"w-0": order}


def test_a_worker_of_a_suspended_job_does_not_hang_but_may_afterwards(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1, patience=8.0)
    order = at.next()
    said = {"unit": order.unit, "attempt": 1, "worker": "w-0", "members": [0]}
    at.note(said)
    for _ in range(9):
        now[0] += 9.0
        assert at.hung({"w"}) == {}
    assert at.hung() == {}  # awake from now on
    now[0] += 7.0
    assert at.hung() == {}
    now[0] += 2.0
    assert at.hung() == {"w-0": order}


def test_time_in_suspension_is_no_silence(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1, patience=10.0)
    order = at.next()
    at.note({"unit": order.unit, "attempt": 1, "worker": "w-0", "members": [0]})
    now[0] = 2.0
    assert at.hung({"w"}) == {}
    now[0] = 10.5
    assert at.hung() == {}  # it was awake for two seconds at most
    now[0] = 20.0
    assert at.hung() == {}
    now[0] = 20.6
    assert at.hung() == {"w-0": order}


def test_time_in_suspension_does_not_tell_how_long_a_step_takes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1)
    order = at.next()
    said = {"unit": order.unit, "attempt": 1, "worker": "w-0"}
    at.note(said | {"members": [0]})
    now[0] = 10.0
    at.note(said | {"frame": 1})
    now[0] = 12.0
    assert at.hung({"w"}) == {}
    for late in (12.5, 510.0):  # sent before it fell asleep, and before anybody saw it awake
        now[0] = late
        at.note(said | {"frame": 2})
    now[0] = 512.0
    assert at.hung() == {}
    now[0] += pulse.LEAST + 1
    assert at.hung() == {"w-0": order}


def test_nobody_hangs_while_nobody_knows_who_is_suspended(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1, patience=8.0)
    order = at.next()
    at.note({"unit": order.unit, "attempt": 1, "worker": "w-0", "members": [0]})
    now[0] = 9.0
    assert at.hung(None) == {}
    assert at.hung() == {"w-0": order}


def test_what_is_said_while_slurm_is_asked_is_heard_before_anybody_is_taken_to_hang(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1, patience=8.0)
    order = at.next()
    said = {"unit": order.unit, "attempt": 1, "worker": "w-0"}
    at.note(said)
    killed = []

    def look():
        now[0] = 9.0
        drive._ended.put(said | {"frame": 1})
        return Seen({})

    crew = SimpleNamespace(look=look, kill=lambda worker: killed.append(worker), replace=lambda lost, workers: 0)
    drive = Drive(at, SimpleNamespace(spec=order.spec), crew, 1, None, 1)
    drive._replace()
    assert not killed


def end_of_a_job(at, job, killer, groups=3):
    """A job that is full of orders ends when `killer` is among their units; else all of them come in."""
    orders = [what for number in range(groups) if (what := at.next()) is not None]
    for number, what in enumerate(orders):
        members = sorted({what.unit} - set(what.aside))
        at.note({"unit": what.unit, "attempt": what.attempt, "worker": f"{job}-{number}", "members": members})
    ends = any(what.unit in killer and what.unit not in what.aside for what in orders)
    for what in orders:
        at.died(what.key) if ends else at.committed(what.key)


@pytest.mark.parametrize("poisoned", [{0}, {4}, {1, 2}, {0, 11}])
def test_of_a_job_that_dies_the_innocent_are_not_blamed(poisoned):
    """Three groups of a job die together, and nobody can tell of which."""
    at = campaign(units=12, unit=1)
    job = 0
    while at.waiting:
        end_of_a_job(at, f"job-{job}", poisoned)
        job += 1
    assert set(at.tally.aside) == poisoned
    assert not at.tally.given_up
    assert job < 24


@pytest.mark.parametrize(("groups", "poisoned"), [(2, {0}), (2, {1}), (2, {0, 1}), (64, {0}), (64, {40, 41, 63})])
def test_killers_are_found_among_suspects_that_always_meet_in_one_job(groups, poisoned):
    at = campaign(units=groups, unit=1)
    job = 0
    while at.waiting:
        end_of_a_job(at, f"job-{job}", poisoned, groups)
        job += 1
        assert job <= 20 * len(poisoned)
    assert set(at.tally.aside) == poisoned
    assert not at.tally.given_up


def begin(at, job, orders):
    """Each of them at work in a worker of one job."""
    for what in orders:
        at.note({"unit": what.unit, "attempt": what.attempt, "worker": f"{job}-{what.unit}", "members": [what.unit]})


def all_out(at, job):
    """Everything that may be out, at work in one job."""
    orders = list(iter(at.next, None))
    begin(at, job, orders)
    return orders


def test_after_the_death_of_a_whole_job_its_units_go_out_together():
    at = campaign(units=64, unit=1)
    for job in range(2):  # such as two that reach their walltime
        orders = all_out(at, f"job-{job}")
        assert len(orders) == 64
        for what in orders:
            at.died(what.key)
    orders = all_out(at, "job-2")
    assert len(orders) == 32  # if that was no chance, half of them are innocent
    at.committed(orders[0].key)
    assert len(all_out(at, "job-2")) == 32  # 63 were left
    for what in list(at.out):
        at.committed(what)
    assert not at.waiting
    assert at._deaths == {}


@pytest.mark.parametrize("first", [0, 1])
def test_the_only_suspect_of_a_job_that_dies_is_blamed_whoever_is_heard_of_first(first):
    at = campaign(units=3, unit=1)
    orders = [at.next(), at.next()]
    begin(at, "job-0", orders)
    for what in orders:
        at.died(what.key)
    suspect, cleared, other = at.next(), at.next(), at.next()
    at.committed(cleared.key)
    begin(at, "job-1", [suspect, other])
    for what in (suspect, other)[:: 1 - 2 * first]:
        at.died(what.key)
    assert at._deaths == {(suspect.unit,): 1}


def test_of_two_that_hang_in_one_job_each_is_blamed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(units=2, unit=1, patience=8.0)
    for job in range(TRIES):
        orders = all_out(at, f"job-{job}")
        now[0] += 9.0
        hung = at.hung()
        assert len(hung) == 2
        for what in hung.values():
            at.ended(what.key)
        for what in orders:
            at.died(what.key)
    assert set(at.tally.aside) == {0, 1}


def test_who_waits_for_the_end_of_a_job_that_was_cancelled_does_not_hang(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(units=2, unit=1, patience=8.0)
    first, second = all_out(at, "job")
    now[0] = 7.0
    said = {"unit": 1, "attempt": 1, "worker": "job-1"}
    at.note(said)
    now[0] = 9.0
    assert at.hung() == {"job-0": first}
    at.ended(first.key)
    at.note(said)
    at.note(said | {"unit": 0, "worker": "job-0"})  # too late
    now[0] = 99.0
    assert at.hung() == {}
    at.died(second.key)
    at.died(first.key)
    assert at._deaths == {(0,): 1}


def test_who_dies_because_another_of_its_job_hung_is_not_blamed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(pulse, "monotonic", lambda: now[0])
    at = campaign(unit=1, patience=8.0)
    for _ in range(TRIES):
        orders = [at.next(), at.next()]
        for number, what in enumerate(orders):
            at.note({"unit": what.unit, "attempt": what.attempt, "worker": f"job-{number}", "members": [number]})
        now[0] += 7.0
        at.note({"unit": 1, "attempt": orders[1].attempt, "worker": "job-1"})
        now[0] += 2.0
        assert at.hung() == {"job-0": orders[0]}
        at.ended(orders[0].key)
        for what in reversed(orders):
            at.died(what.key)
    assert list(at.tally.aside) == [0]
    assert (at.tally.hung, at.tally.deaths) == (TRIES, 2 * TRIES)


def test_long_units_come_first_where_costs_are_known():
    spec = tiny_spec(samples__count=40, parameters__viscosity={"log_uniform": [1e-3, 1e-1]})
    true = np.array([parameters(spec, m)["viscosity"] for m in range(40)])
    known = np.where(np.arange(40) < 20, true, np.nan)
    todo = units(spec)[10:]
    order = longest_first(spec, todo, known)
    cost = np.array([true[unit].sum() for unit in todo])
    assert np.corrcoef(expected_seconds(spec, todo, known), cost)[0, 1] > 0.9
    assert np.mean(cost[np.array(order[:3]) - 10]) > np.mean(cost[np.array(order[-3:]) - 10])
    assert longest_first(spec, todo, np.full(40, np.nan)) == list(range(10, 20))


def test_the_plan_says_what_will_be_there(tmp_path):
    spec = tiny_spec()
    told = plan(spec, units(spec), workers=2)
    generate(spec, tmp_path / "s.zarr")
    shards = list((tmp_path / "s.zarr" / "vorticity").glob("c.*"))
    assert (told.units, told.members, told.shards) == (3, 6, len(shards))
    assert told.nbytes == sum(path.stat().st_size for path in shards)
    assert told.core_hours == pytest.approx(6 * told.seconds_per_member / 3600)


def test_a_cluster_is_described_by_a_file(tmp_path):
    file = tmp_path / "slurm.yaml"
    file.write_text("kind: slurm\nworkers: 4\nqueue: main\n")
    assert load_cluster(str(file)).hands(2) == 4
    assert load_cluster(str(file), workers=8).hands(2) == 8
    assert load_cluster("local").hands(1) == len(os.sched_getaffinity(0))
    file.write_text("kind: slurm\nquee: main\n")
    with pytest.raises(CardError, match=r"quee.*queue"):
        load_cluster(str(file))
    file.write_text("kind: slurm\n")
    with pytest.raises(CardError, match="--workers 8"):
        load_cluster(str(file)).hands(1)
    with pytest.raises(CardError, match="neither `local` nor a file"):
        load_cluster("lokal")


# -- with processes -------------------------------------------------------------------------------------------------


def test_cores_arrays_and_one_process_fill_the_same_store_with_the_same_bits(tmp_path, mark):
    spec = tiny_spec(samples__count=11)
    card = card_file(tmp_path, spec)
    generate(spec, tmp_path / "one.zarr")
    out = tmp_path / "many.zarr"
    array = [start(mark, "generate", card, "--out", out, "--members", f"{low}:{low + 2}") for low in (0, 2)]
    assert [run.wait() for run in array] == [0, 0]
    status, said, err = pdebench(mark, "generate", card, "--out", out, "--cluster", "local", "--workers", "2")
    assert status == 0, err
    assert "7 members in" in said  # the other four were there
    assert "dashboard" in said
    assert content(out) == content(tmp_path / "one.zarr")


@pytest.mark.parametrize("how", ["kills", "stops"])
def test_a_poisoned_member_is_set_aside_and_the_rest_goes_on(tmp_path, mark, how):
    """One that kills its worker, and one whose worker hangs."""
    spec = tiny_spec(samples__unit=3)
    first = [_first_byte(spec, member) for member in range(6)]
    problem = spec.problem.options | {"name": f"{HERE}/perilous.py:Poisoned", how: [first[1]]}
    deadly = [m for m in range(6) if first[m] == first[1]]
    spec = tiny_spec(samples__unit=3, problem=problem)
    card, out, cluster = card_file(tmp_path, spec), tmp_path / "s.zarr", tmp_path / "cluster.yaml"
    patience = "null" if how == "kills" else "10"  # [s] what a frame may take where many tests run at once
    cluster.write_text(f"kind: local\nworkers: 1\npoll_seconds: 0.5\npatience: {patience}\n")
    status, said, err = pdebench(mark, "generate", card, "--out", out, "--cluster", cluster)
    assert status == 3, err
    assert f"{len(deadly)} members set aside" in said
    assert ("(0 of them hung)" in " ".join(said.split())) == (how == "kills")
    store = TrajectoryStore.open(out)
    assert np.flatnonzero(store.status() == 2).tolist() == deadly
    assert "worker died 3 times" in store.reasons()[1]
    generate(spec, tmp_path / "healthy.zarr")  # in a process that no member kills
    healthy = TrajectoryStore.open(tmp_path / "healthy.zarr")
    for member in set(range(6)) - set(deadly):
        np.testing.assert_array_equal(store.frames(member), healthy.frames(member))


def test_jobs_that_cannot_be_submitted_end_the_run_with_the_reason(tmp_path, mark, monkeypatch):
    tools(tmp_path, monkeypatch, sbatch="echo 'sbatch: error: invalid partition' >&2; exit 1", squeue="exit 0")
    cluster = tmp_path / "slurm.yaml"
    cluster.write_text("kind: slurm\nworkers: 2\nqueue: nowhere\nhost: 127.0.0.1\npoll_seconds: 0.1\n")
    card = card_file(tmp_path, tiny_spec())
    status, _, err = pdebench(mark, "generate", card, "--out", tmp_path / "s.zarr", "--cluster", cluster)
    assert status == 1
    assert "no unit came in: sbatch: sbatch: error: invalid partition" in " ".join(err.split())


def tools(folder, monkeypatch, **does):
    """Programs of SLURM that do as they are told."""
    for name, script in does.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_job_that_slurm_does_not_cancel_is_told_again_until_it_does(tmp_path, monkeypatch):
    jobs = SimpleNamespace(workers={"w": SimpleNamespace(job_id=7)})
    tools(tmp_path, monkeypatch, scancel="exit 1")
    assert not kill_in_slurm(jobs, "w")
    tools(tmp_path, monkeypatch, scancel=f"echo $1 >{tmp_path}/told")
    assert kill_in_slurm(jobs, "w")
    assert (tmp_path / "told").read_text() == "7\n"
    monkeypatch.setenv("PATH", "")
    assert not kill_in_slurm(jobs, "w")


def test_slurm_tells_who_is_gone_and_who_only_sleeps(tmp_path, monkeypatch):
    jobs = {name: SimpleNamespace(job_id=number, failure="") for number, name in enumerate("abcd", 1)}
    jobs["e"] = SimpleNamespace(job_id=None, failure="no such queue")
    cluster = SimpleNamespace(workers=jobs)
    tools(tmp_path, monkeypatch, squeue="echo 1 RUNNING; echo 2 SUSPENDED; echo 4 PENDING; echo 99 RUNNING")
    assert seen_in_slurm(cluster) == Seen({"c": "", "e": "no such queue"}, frozenset("b"))
    tools(tmp_path, monkeypatch, squeue="exit 1")
    assert seen_in_slurm(cluster) == Seen({"e": "no such queue"}, suspended=None)


def _first_byte(spec, member):
    """What a problem of `perilous` will draw first."""
    return sample.stream(sample.seed(spec, member), "initial").bytes(1)[0]


def test_an_error_in_a_worker_ends_as_one_clear_line(tmp_path, mark):
    spec = tiny_spec()
    byte = _first_byte(spec, 2)
    problem = spec.problem.options | {"name": f"{HERE}/perilous.py:Broken", "wrong": [byte]}
    card, out = card_file(tmp_path, tiny_spec(problem=problem)), tmp_path / "s.zarr"
    status, _, err = pdebench(mark, "generate", card, "--out", out, "--cluster", "local", "--workers", "1")
    assert status == 1
    assert "1 units were given up, the first of them 1: a slip in the program" in " ".join(err.split())
    assert TrajectoryStore.open(out).missing().tolist() == [2, 3]


def test_an_interrupted_driver_takes_its_workers_with_it(tmp_path, mark):
    spec = by_rows(pause=0.03, ranks=1, count=60)
    card, out = card_file(tmp_path, spec), tmp_path / "s.zarr"
    run = start(mark, "generate", card, "--out", out, "--cluster", "local", "--workers", "2")
    while run.poll() is None and not list(out.glob("*/*.partial")):
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "repeat the command" in err
    assert not wait_for_none(mark)
    assert not list(out.rglob("*.partial"))
    generate(spec, out)
    generate(spec, tmp_path / "whole.zarr")
    assert content(out) == content(tmp_path / "whole.zarr")
