"""Solvers that are not ours: a few lines of Python, or of C, alone and on ranks."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from specs import tiny_spec

import pdebench
from pdebench.stream import HEADER, Client

EXAMPLE = Path(__file__).parents[1] / "docs" / "stream_example.c"
LENGTH = 2 * np.pi


def spec():
    return tiny_spec(parameters__viscosity={"log_uniform": [0.01, 0.1]})


def decayed(member, frame, viscosity):
    """What the example solves: cos(x) exp(−ν t) on 16 points."""
    wave = np.cos(np.arange(16) * LENGTH / 16)
    return np.broadcast_to(wave * np.exp(-viscosity * 0.25 * frame), (16, 16))


def seen_by(stream):
    """Every window as (member, start): viscosity, first frame."""
    return {
        (int(m), int(s)): (params[1], first[0, 0])
        for batch in stream
        for m, s, params, first in zip(batch.member, batch.start, batch.params, batch.history, strict=True)
    }


def test_a_python_solver_joins():
    with pdebench.stream(spec(), workers=0, batch_size=4, buffer="fifo", listen="127.0.0.1:0") as stream:

        def solve():
            with Client(stream.listening, stream.token) as client:
                for member, params in client:
                    assert client.first(member) == 0
                    if member == 4:
                        client.send(member, 0, decayed(member, 0, 0.0)[None])
                        client.failed(member, "it would not")
                        continue
                    for frame in range(client.frames):
                        client.send(member, frame, decayed(member, frame, params["viscosity"])[None])

        solver = threading.Thread(target=solve)
        solver.start()
        seen = seen_by(stream)
        solver.join(10)
        assert stream.report().failed == (4,)
    assert set(seen) == {(m, s) for m in range(6) for s in range(4)} - {(4, s) for s in range(4)}
    for (member, start), (viscosity, first) in seen.items():
        np.testing.assert_allclose(first, decayed(member, start, viscosity), atol=1e-6)


def c_solver(folder, compiler, *flags):
    if shutil.which(compiler) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{compiler} is missing: apt-get install build-essential libopenmpi-dev")
        pytest.skip(f"{compiler} is missing")
    strict = ["-std=gnu99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    program = folder / "heat"
    command = [compiler, *strict, *flags, f"-I{HEADER.parent}", str(EXAMPLE), "-o", str(program), "-lm"]
    subprocess.run(command, check=True, timeout=60)
    return str(program)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_c_solver_joins(tmp_path, ranks):
    """Second order in space, first in time with c ≤ 1/5: (h²/12 + ν Δt/2) ν t ≤ 0.2 % here."""
    launcher = [] if ranks == 1 else ["mpiexec", "--allow-run-as-root", "--oversubscribe", "-n", str(ranks)]
    program = c_solver(tmp_path, "cc") if ranks == 1 else c_solver(tmp_path, "mpicc", "-DUSE_MPI")
    with pdebench.stream(spec(), workers=0, batch_size=4, buffer="fifo", listen="127.0.0.1:0") as stream:
        command = [*launcher, program, stream.listening, "0.25", str(LENGTH)]
        with subprocess.Popen(command, env=os.environ | {"PDEBENCH_STREAM_TOKEN": stream.token}) as solver:
            seen = seen_by(stream)
            assert solver.wait(30) == 0
    assert set(seen) == {(m, s) for m in range(6) for s in range(4)}
    assert len({viscosity for viscosity, _ in seen.values()}) == 6
    for (member, start), (viscosity, first) in seen.items():
        np.testing.assert_allclose(first, decayed(member, start, viscosity), atol=2e-3)
    changed = seen[0, 3][1] - seen[0, 0][1]
    assert np.abs(changed).max() > 5e-3


def test_a_c_solver_with_a_wrong_token_is_told(tmp_path):
    program = c_solver(tmp_path, "cc")
    with pdebench.stream(spec(), workers=0, listen="127.0.0.1:0") as stream:
        wrong = os.environ | {"PDEBENCH_STREAM_TOKEN": "guess"}
        run = subprocess.run([program, stream.listening, "0.25", "6.28"], env=wrong, capture_output=True, timeout=30)
    assert run.returncode == 1
    assert b"wrong token" in run.stderr
    gone = subprocess.run([program, "127.0.0.1:1", "0.25", "6.28"], capture_output=True, timeout=30, check=False)
    assert b"no trainer listens" in gone.stderr
