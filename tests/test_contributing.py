"""What the documents show is run as it stands: files are written, commands are given, results are looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from pdebench.store import TrajectoryStore
from pdebench.task import load_record

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(document, folder):
    """Do what `document` says, in `folder`: blocks with a file name are files, blocks of `sh` are commands."""
    commands = []
    for language, name, body in BLOCK.findall((ROOT / document).read_text()):
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(body)
        elif language == "sh":
            commands += body.splitlines()
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in commands:
        ran = subprocess.run(command, shell=True, cwd=folder, env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return commands


def test_the_python_of_the_readme_runs(tmp_path):
    script = "\n".join(
        body for language, _, body in BLOCK.findall((ROOT / "README.md").read_text()) if language == "python"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    first, second, third = ran.stdout.splitlines()
    assert "'sample': 64" in first
    assert 0 < float(first.split()[-1]) < 0.1  # the classical solver at half the resolution
    assert second == "torch.Size([16, 1, 1, 64, 64]) torch.Size([16, 4, 1, 64, 64]) torch.Size([16, 2])"
    assert third.startswith("(16, 1, 1, 64, 64) Report(batches=1, windows=16, unique=16")


def test_contributing_does_what_it_says(tmp_path):
    commands = follow("CONTRIBUTING.md", tmp_path)
    assert len(commands) == 6
    heat = TrajectoryStore.open(tmp_path / "heat.zarr")
    frames, kappa = heat.frames(2), heat.params([2])[0, 0]
    slowest = np.exp(-kappa * 8 * np.pi**2 * heat.times[-1])  # no sine decays more slowly than the longest one
    assert 0 < np.abs(frames[-1]).max() < slowest * 9 * np.abs(frames[0]).max()
    nerve = TrajectoryStore.open(tmp_path / "nagumo.zarr").frames(0)[-1]
    assert -1e-3 < nerve.min() < nerve.max() < 1.001  # between its two states of rest
    record = load_record(tmp_path / "damped.json")
    assert record.options == {"rate": 0.3}
    assert 0 < record.scores["median_error.py:median_error"] < np.inf
    assert 0 < record.scores["nrmse"] < 2
