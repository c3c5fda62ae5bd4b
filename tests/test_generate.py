"""Generation: resumable, the same bits however it was interrupted, failures kept with their reason."""

from __future__ import annotations

import logging
import os
import platform
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import yaml
from specs import tiny_card, tiny_spec

from pdebench import sample, solve
from pdebench.errors import CardError, StoreError
from pdebench.generate import _Clerk, _resolved, _Watch, generate
from pdebench.journal import Journal
from pdebench.problem import Frame, Outcome
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.store import TrajectoryStore


def content(path):
    return TrajectoryStore.open(path).content_hash()


def test_a_resumed_run_has_the_bits_of_a_whole_one(tmp_path):
    generate(tiny_spec(), tmp_path / "whole.zarr")
    summary = generate(tiny_spec(), tmp_path / "parts.zarr", members=range(3, 4))
    assert (summary.done, summary.missing) == (2, 0)  # the whole unit that holds member 3
    assert TrajectoryStore.open(tmp_path / "parts.zarr").missing().tolist() == [0, 1, 4, 5]
    assert content(tmp_path / "parts.zarr") != content(tmp_path / "whole.zarr")
    generate(tiny_spec(), tmp_path / "parts.zarr")
    assert content(tmp_path / "parts.zarr") == content(tmp_path / "whole.zarr")


def test_a_finished_store_is_not_touched_again(tmp_path):
    generate(tiny_spec(), tmp_path / "s.zarr")
    shards = {p: p.stat().st_mtime_ns for p in (tmp_path / "s.zarr" / "vorticity").iterdir()}
    generate(tiny_spec(), tmp_path / "s.zarr")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "s.zarr" / "vorticity").iterdir()} == shards


def test_the_next_unit_is_solved_while_one_waits_for_the_disk(tmp_path, monkeypatch):
    begun, trajectories, commit = threading.Event(), solve.trajectories, Journal.commit

    def watched(spec, unit, *args, **how):
        if unit[0] > 0:
            begun.set()
        return trajectories(spec, unit, *args, **how)

    def patient(journal, unit, entry):
        assert begun.wait(10), "the first unit is committed before another one begins"
        commit(journal, unit, entry)

    monkeypatch.setattr(solve, "trajectories", watched)
    monkeypatch.setattr(Journal, "commit", patient)
    assert generate(tiny_spec(), tmp_path / "s.zarr").done == 6


FAULTS = """
import resource
import sys
import numpy as np
import pdebench.generate
generate = sys.modules["pdebench.generate"]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [np.ones(1 << 16) for _ in range(4)]  # 512 KiB each
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
generate._keep_pages()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory by other rules")
def test_frames_do_not_come_with_fresh_pages():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 512, "pages of 4 KiB; all of them anew would be 10240"


def test_a_unit_that_cannot_be_committed_ends_the_run_and_is_made_later(tmp_path, monkeypatch):
    commit = Journal.commit

    def full(journal, unit, entry):
        if unit == 1:
            raise StoreError("no room")
        commit(journal, unit, entry)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "commit", full)
        with pytest.raises(StoreError, match="no room"):
            generate(tiny_spec(), tmp_path / "s.zarr")
    unit = tiny_spec().samples.unit
    assert TrajectoryStore.open(tmp_path / "s.zarr").missing().tolist() == list(range(unit, 2 * unit))
    generate(tiny_spec(), tmp_path / "s.zarr")
    generate(tiny_spec(), tmp_path / "whole.zarr")
    assert content(tmp_path / "s.zarr") == content(tmp_path / "whole.zarr")


def test_the_hash_sees_every_frame_and_parameter(tmp_path):
    generate(tiny_spec(), tmp_path / "a.zarr")
    for change in ({"samples__seed": 2}, {"parameters__viscosity__value": 0.011}, {"times__step": 0.26}):
        path = tmp_path / f"{next(iter(change))}.zarr"
        generate(tiny_spec(**change), path)
        assert content(path) != content(tmp_path / "a.zarr")


def test_frames_of_each_member_end_with_its_outcome():
    events = list(solve.trajectories(tiny_spec(solver__batch=1), np.array([0, 1])))
    assert [type(e) for e in events] == ([Frame] * 5 + [Outcome]) * 2
    assert [e.member for e in events if isinstance(e, Outcome)] == [0, 1]
    assert all(e.cost.steps > 0 and e.wall_seconds > 0 for e in events if isinstance(e, Outcome))


class FirstMemberBlowsUp(NavierStokes2D):
    """Every second member starts at a speed that no step can follow."""

    def initial(self, grid, params, rng):
        return super().initial(grid, params, rng) * (1e9 if rng.bytes(1)[0] % 2 else 1.0)


def test_a_member_that_fails_is_kept_with_its_reason_and_the_rest_goes_on(tmp_path):
    problem = tiny_card()["problem"] | {"name": f"{__file__}:FirstMemberBlowsUp"}
    spec = tiny_spec(problem=problem, solver__max_steps=1000)
    summary = generate(spec, tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert 0 < summary.failed < 6
    assert summary.done == 6 - summary.failed
    for member, status in enumerate(store.status()):
        frames = store.frames(member)
        assert np.isfinite(frames[0]).all()
        assert np.isfinite(frames[1:]).all() == (status == 1)
        if status == 2:
            assert np.isnan(frames[1:]).all()
            assert "needs more than 1000 steps" in store.reasons()[member]
            assert member in summary.reasons
    assert set(store.members()) == set(np.flatnonzero(store.status() == 1))
    ran = _command("generate", _card(tmp_path, spec), "--out", str(tmp_path / "s.zarr"))
    assert ran.returncode == 3
    assert f"{summary.failed} failed" in ran.stdout


def test_nothing_is_written_for_a_card_that_cannot_be_followed(tmp_path):
    with pytest.raises(CardError, match=r"keeps wavenumbers up to 2 after dealiasing.*at least 13 points"):
        generate(tiny_spec(grid__shape=[8, 8]), tmp_path / "s.zarr")
    with pytest.raises(CardError, match="do not lie in 0:6"):
        generate(tiny_spec(), tmp_path / "s.zarr", members=range(4, 9))
    with pytest.raises(CardError, match="a multiple of that"):
        generate(tiny_spec(ranks=2), tmp_path / "s.zarr")
    assert not list(tmp_path.iterdir())


# NumPy takes seconds for this, so that a kill meets it at work.
SLOW = {
    "grid__shape": [128, 128],
    "solver__engine": "numpy",
    "times__frames": 12,
    "samples__count": 12,
    "splits": {"train": [0, 12]},
}


def test_killed_at_random_and_resumed_gives_the_same_bits(tmp_path):
    spec = tiny_spec(**SLOW)
    generate(spec, tmp_path / "whole.zarr")
    card, out = _card(tmp_path, spec), tmp_path / "killed.zarr"
    rng, kills = np.random.default_rng(5), 0
    for _ in range(30):
        run = subprocess.Popen([sys.executable, "-m", "pdebench", "generate", card, "--out", str(out)])
        _wait_for_work(out, run)
        time.sleep(rng.uniform(0.0, 0.3))
        run.send_signal(signal.SIGKILL)
        kills += run.wait() == -signal.SIGKILL
        if run.returncode == 0:
            break
        if kills == 4:
            assert _command("generate", card, "--out", str(out)).returncode == 0
    assert kills >= 2
    assert content(out) == content(tmp_path / "whole.zarr")
    assert not list(out.rglob("*.partial"))


def test_an_interrupt_leaves_no_litter_and_says_so(tmp_path):
    spec = tiny_spec(**SLOW)
    card, out = _card(tmp_path, spec), tmp_path / "s.zarr"
    run = subprocess.Popen(
        [sys.executable, "-m", "pdebench", "generate", card, "--out", str(out)], stderr=subprocess.PIPE, text=True
    )
    _wait_for_work(out, run)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "repeat the command" in said
    assert "Traceback" not in said
    assert not list(out.rglob("*.partial"))


def _wait_for_work(out, run):
    """Until a shard is being written, or the run is over."""
    while run.poll() is None and not list(out.glob("vorticity/*.partial")):
        time.sleep(0.01)


def _card(folder, spec):
    path = folder / "card.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    return str(path)


def _command(*words):
    return subprocess.run(
        [sys.executable, "-m", "pdebench", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.path.dirname(__file__)},
    )


@pytest.mark.parametrize(("viscosity", "said"), [(0.1, "k_max η is at least"), (1e-5, "k_max η falls to")])
def test_a_viscosity_that_the_grid_cannot_resolve_is_told(tmp_path, caplog, viscosity, said):
    with caplog.at_level(logging.INFO):
        generate(tiny_spec(parameters__viscosity__value=viscosity), tmp_path / "data.zarr")
    levels = [record.levelname for record in caplog.records if record.getMessage().startswith(said)]
    assert levels == ["WARNING" if viscosity < 0.01 else "INFO", "INFO", "INFO"]  # one of each unit


def test_a_lost_member_does_not_hide_how_others_are_resolved():
    spec = tiny_spec(parameters__viscosity__value=0.01)
    problem, _ = solve.prepare(spec)
    states = np.stack([sample.initial(spec, problem, m, spec.output) for m in range(3)])
    params = solve.stacked([sample.parameters(spec, m) for m in range(3)])
    healthy = _resolved(problem, states, spec, params)
    states[1] = np.nan
    np.testing.assert_array_equal(_resolved(problem, states, spec, params), [healthy[0], np.inf, healthy[2]])


def test_a_commit_that_fails_while_the_run_does_is_not_silent(caplog):
    def fails():
        raise StoreError("the disk is full")

    def run():
        with _Clerk() as clerk:
            clerk.sees_to(fails, "members 0 … 1 written")
            raise ValueError("unstable")

    with pytest.raises(ValueError, match="unstable"):
        run()
    assert "not (members 0 … 1 written): the disk is full" in caplog.text


def test_progress_does_not_go_back_while_a_unit_is_being_written():
    """The store lacks members 0 and 1 until they are committed, by when the next ones fly."""

    class Late:
        def missing(self):
            return np.arange(4)

    told = []
    watch = _Watch(Late(), [np.arange(2), np.arange(2, 4)], 2, lambda done, total: told.append((done, total)))
    for unit in (np.arange(2), np.arange(2, 4)):
        for _ in watch.over(iter([Frame(unit, index, np.zeros((2, 1, 4))) for index in range(2)])):
            watch._next = 0.0
    assert told == [(1, 4), (2, 4), (2, 4), (2, 4)]
