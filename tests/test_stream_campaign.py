"""kill -9 at random, of solvers and of trainers, until a campaign is over: nothing lost, doubled or left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from specs import tiny_spec

import pdebench
from pdebench.store import TrajectoryStore

KILLS = [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1500)])]
CAPACITY = 64  # windows: solvers that are far ahead have ended before anybody can kill them
PACE = 0.05  # [s] between two batches: what a step of training takes, and time for a kill to fall into


def campaign(kills):
    """Long enough for so many kills."""
    members = 8 * kills
    return tiny_spec(
        samples__count=members, samples__unit=2, times__frames=9, splits={"train": [0, members]}, solver__batch=2
    )


def trainer(folder, kills):
    """Its commitment is one file: what it has used, and where the stream stood, replaced together."""
    path, used = folder / "state.npz", []
    state = None
    if path.exists():
        with np.load(path) as file:
            state = {name: file[name] for name in file.files}
        used = state.pop("used").tolist()
    with pdebench.stream(
        campaign(kills), workers=2, batch_size=8, buffer="firo", capacity=CAPACITY, keep=folder / "kept", resume=state
    ) as stream:
        for batch in stream:
            time.sleep(PACE)
            used += zip(batch.member.tolist(), batch.start.tolist(), strict=True)
            with open(folder / ".new", "wb") as file:
                np.savez(file, used=np.array(used), **stream.state())
            os.replace(folder / ".new", path)
    (folder / "finished").touch()


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def solvers_of(folder):
    """Processes that were started in the folder's name: its trainers and, by their descent, solvers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "environ").read_bytes() and (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def begin(folder, kills):
    own = os.environ | {"CAMPAIGN": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, str(folder), str(kills)]
    return subprocess.Popen(command, env=own, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("kills", KILLS)
def test_whoever_is_killed_nothing_is_lost_or_doubled(tmp_path, kills):
    rng, victims = np.random.default_rng(kills), Counter()
    process, state = begin(tmp_path, kills), tmp_path / "state.npz"
    told = 0.0
    while not (tmp_path / "finished").exists():
        time.sleep(float(rng.uniform(0.02, 0.2)))
        if process.poll() is not None and not (tmp_path / "finished").exists():
            process = begin(tmp_path, kills)
        moved = state.exists() and state.stat().st_mtime > told  # it has got further since the last kill
        if sum(victims.values()) < kills and moved:
            told = state.stat().st_mtime
            crew = children(process.pid)
            if crew and (not victims["solver"] or rng.random() < 0.6):
                os.kill(int(rng.choice(crew)), signal.SIGKILL)
                victims["solver"] += 1
            else:
                process.kill()
                process.wait()
                victims["trainer"] += 1
    assert process.wait(20) == 0
    assert sum(victims.values()) == kills
    assert min(victims["solver"], victims["trainer"]) > 0
    with np.load(state) as file:
        used = Counter(map(tuple, file["used"].tolist()))
        beside = sum(file[name].nbytes for name in file.files if name != "used")
    assert used == Counter({(m, s): 1 for m in range(8 * kills) for s in range(8)})
    assert beside < 1_000_000
    kept = TrajectoryStore.open(tmp_path / "kept")
    assert not len(kept.missing())
    pdebench.generate(campaign(kills), tmp_path / "whole")
    assert kept.content_hash() == TrajectoryStore.open(tmp_path / "whole").content_hash()
    deadline = time.monotonic() + 10
    while solvers_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not solvers_of(tmp_path)
    assert not [name for name in os.listdir("/dev/shm") if name.startswith("pdebench-stream")]
    assert not list(tmp_path.rglob("*.partial"))


if __name__ == "__main__":
    trainer(Path(sys.argv[1]), int(sys.argv[2]))
