"""A real SLURM (`ci/slurm.sh` brings one up): jobs of two-rank groups, one cancelled and one rank killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from perilous import by_rows, card_file, living, pdebench, start, wait_for_none

from pdebench.store import TrajectoryStore

pytestmark = pytest.mark.skipif(
    not os.environ.get("SLURM_CONF", "").startswith("/tmp/pdebench-slurm"), reason="run by ci/slurm.sh"
)

CLUSTER = """\
kind: slurm
workers: 2
queue: main
walltime: "00:10:00"
memory_per_worker: 200MB
poll_seconds: 1
host: 127.0.0.1
log_folder: {logs}
"""


def content(path):
    return TrajectoryStore.open(path).content_hash()


def jobs():
    ran = subprocess.run(["squeue", "-h", "-o", "%A", "-t", "R"], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def wait_for(what, patience=30.0):
    end = time.monotonic() + patience
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_jobs_of_groups_survive_and_give_the_same_bits(tmp_path):
    mark = uuid.uuid4().hex
    spec = by_rows(pause=0.08, count=16)
    card = card_file(tmp_path, spec)
    status, _, err = pdebench(mark, "generate", card, "--out", tmp_path / "whole.zarr", ranks=2)
    assert status == 0, err
    cluster, out = tmp_path / "slurm.yaml", tmp_path / "s.zarr"
    cluster.write_text(CLUSTER.format(logs=tmp_path / "logs"))
    run = start(mark, "generate", card, "--out", out, "--cluster", cluster)

    def at_work():
        return run.poll() is not None or list(out.glob("*/*.partial"))

    wait_for(at_work)
    gone = jobs()[0]
    subprocess.run(["scancel", "--signal=KILL", gone], check=True)
    began = time.monotonic()
    wait_for(lambda: (gone not in jobs() and len(jobs()) == 2) or run.poll() is not None)
    replaced = time.monotonic() - began
    wait_for(at_work)
    ranks = {p: c for p, c in living(mark).items() if "pdebench.cluster" in c and "srun" not in c}
    if ranks:
        os.kill(int(np.random.default_rng().choice(sorted(ranks))), signal.SIGKILL)
    said, err = run.communicate(timeout=90)
    logs = "".join(path.read_text() for path in sorted(Path(tmp_path / "logs").iterdir()))
    assert run.returncode == 0, err + logs
    print(said, f"a job in the place of the killed one after {replaced:.1f} s")
    assert "16 members done, 0 failed" in said
    assert content(out) == content(tmp_path / "whole.zarr")
    assert not list(out.rglob("*.partial"))
    assert not wait_for_none(mark)
    wait_for(lambda: not jobs())


def test_an_array_of_jobs_fills_one_store(tmp_path):
    mark = uuid.uuid4().hex
    spec = by_rows(count=6)
    card, out = card_file(tmp_path, spec), tmp_path / "s.zarr"
    status, _, err = pdebench(mark, "generate", card, "--out", tmp_path / "whole.zarr", ranks=2)
    assert status == 0, err
    script = tmp_path / "array.sh"
    script.write_text(
        "#!/bin/bash\n#SBATCH --array=0-2 --ntasks=2 --mem=200M --output=/dev/null\n"
        "low=$((2 * SLURM_ARRAY_TASK_ID))\n"
        f"srun --mpi=pmix pdebench generate {card} --out {out} --members $low:$((low + 2))\n"
    )
    subprocess.run(["sbatch", "--wait", str(script)], check=True, capture_output=True, timeout=60)
    assert content(out) == content(tmp_path / "whole.zarr")
