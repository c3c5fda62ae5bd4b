"""Two threads and two ranks on two cores: the part of twice the speed that is reached."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from timing import Table, between, interleave, met, spread, time_of

from pdebench.solvers.kernels import navier_stokes_2d
from pdebench.solvers.spectral.fourier import Modes

from .ours import decaying
from .whole import CARD

GOAL = 0.9


def table(seconds: float, quick: bool) -> Table:
    """Efficiencies T₁ / 2T₂ by wall time."""
    out = Table(
        "Two threads, two ranks",
        f"at least {GOAL:g} of twice the speed, on two cores",
        ("what", "one", "two", "efficiency", "goal"),
        (
            "Wall time, so both cores must be free. Threads: `navier_stokes_2d.advance` of 64 samples. Ranks: the "
            "solving and storing of `pdebench generate` under `mpiexec`, without the start of Python. Strangers: two "
            "runs of half the members each at the same time, into stores of their own, each on its core: what caches, "
            "memory and the disk leave to two processes that never wait for each other.",
        ),
    )
    if len(os.sched_getaffinity(0)) < 2:
        out.add("threads, ranks", "–", "–", "one core only", "–")
        return out
    for n, precision in ((64, "float32"), (128, "mixed"), (128, "float64")):
        _threads(out, n, precision, seconds / 4)
    _ranks(out, 64 if quick else 256, rounds=2 if quick else 5)
    return out


def _threads(out: Table, n: int, precision: str, seconds: float) -> None:
    problem, grid, states = decaying(n, 64)
    modes = Modes(grid, "float32" if precision == "float32" else "float64")
    start = modes.forward(states[:, None].astype(modes.dtype)) * modes.kept
    params = {"viscosity": np.full(64, 1e-3), "drag": np.zeros(64)}

    def run(threads: int):
        steps = np.full(64, 16)
        return lambda: navier_stokes_2d.advance(
            problem, modes, start, params, length=1e-3, steps=steps, precision=precision, threads=threads
        )

    samples = interleave({"one": run(1), "two": run(2)}, seconds=seconds, wall=True)
    _add(out, f"threads, {n}², {precision}", samples.rounds["one"], samples.rounds["two"])


def _ranks(out: Table, members: int, rounds: int) -> None:
    found: dict[str, list[float]] = {"one": [], "two": [], "strangers": []}
    with tempfile.TemporaryDirectory() as folder:
        whole, half = Path(folder) / "whole.yaml", Path(folder) / "half.yaml"
        whole.write_text(CARD.format(members=members, unit=16))
        half.write_text(CARD.format(members=members // 2, unit=16))
        ways = {
            "one": lambda store: _generate(whole, store, 1),
            "two": lambda store: _generate(whole, store, 2),
            "strangers": lambda store: max(_both(lambda k: _generate(half, store.with_suffix(f".{k}"), 1))),
        }
        for k in range(rounds):
            for name in list(ways)[:: 1 if k % 2 else -1]:
                found[name].append(ways[name](Path(folder) / f"{k}-{name}"))
    what = f"{members} members of 64² × 50 frames"
    _add(out, f"ranks, {what}", found["one"], found["two"])
    _add(out, f"strangers, {what}", found["one"], found["strangers"], bound=True)


def _both(call: Callable[[int], float]) -> list[float]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(call, range(2)))


GENERATE = """
import sys
from time import perf_counter
from pdebench.generate import generate
from pdebench.parallel import world
comm = world()
comm.Barrier()
began = perf_counter()
generate(sys.argv[1], sys.argv[2], comm=comm)
comm.Barrier()
if comm.rank == 0:
    print(perf_counter() - began)
"""


def _generate(card: Path, out: Path, ranks: int) -> float:
    command = ["mpiexec", "-n", str(ranks), sys.executable, "-c", GENERATE, str(card), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed: {done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def _add(out: Table, what: str, one: list[float], two: list[float], *, bound: bool = False) -> None:
    efficiency = spread([a / (2 * b) for a, b in zip(one, two, strict=True)])
    verdict = "a bound" if bound else f"{GOAL:g}: {met(efficiency[0], least=GOAL)}"
    out.add(what, time_of(spread(one)[0]), time_of(spread(two)[0]), between(efficiency), verdict)
