"""`pdebench generate`, with sampling, resampling, checks and the store, against the solver's own time."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from timing import Table, between, interleave, met, time_of

from pdebench import order, sample, solve
from pdebench.generate import generate
from pdebench.spec import DatasetSpec, load_spec

GOAL = 1.15
CARD = """
name: bench
version: 1
title: "Two-dimensional turbulence, for timing"
description: Decaying turbulence.
source: Ours.
licence: CC-BY-4.0
validation: []
units: non-dimensional
problem:
  name: navier_stokes_2d
  initial_state: {{kind: energy_spectrum, peak: 4, energy: 0.5, modes: 20}}
grid: {{shape: [64, 64], lengths: [6.283185307179586, 6.283185307179586]}}
parameters:
  viscosity: {{value: 5.0e-3}}
  drag: {{value: 0.0}}
times: {{step: 0.1, frames: 50}}
solver: {{name: spectral, cfl: 0.5, precision: mixed, batch: 16}}
store: {{shape: [64, 64], dtype: float32}}
samples: {{count: {members}, seed: 1, unit: {unit}}}
splits: {{train: [0, {members}]}}
"""


def table(seconds: float, quick: bool) -> Table:
    """Time of the whole command's work, and of its parts, over the solver's."""
    members = 64 if quick else 256
    out = Table(
        f"Whole `pdebench generate`, {members} members of 64² × 50 frames",
        f"at most {GOAL:g} of the solver's own time",
        ("what", "CPU time per member", "over the solver, CPU", "over the solver, wall", "goal"),
        (
            "One process, one core, local disk; the goal is held against wall time. The solver alone: its trajectories "
            "from states already drawn, frames dropped. Frames every 0.1, viscosity 5e-3, Courant number 0.5, mixed "
            "precision.",
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        card = Path(folder) / "card.yaml"
        card.write_text(CARD.format(members=members, unit=16))
        spec, runs = load_spec(card), count()
        calls = {
            "solver alone": _solver(spec),
            "with initial states": lambda: [deque(solve.trajectories(spec, unit), 0) for unit in order.units(spec)],
            "generate": lambda: _emptied(generate(spec, Path(folder) / f"{next(runs)}.zarr").store),
        }
        cpu = interleave(calls, seconds=seconds / 2, least=3)
        wall = interleave(calls, seconds=seconds / 2, least=3, wall=True)
    for name in calls:
        ratios = [samples.ratio(name, "solver alone") for samples in (cpu, wall)]
        verdict = f"{GOAL:g}: {met(ratios[1][0], most=GOAL)}" if name == "generate" else "–"
        out.add(name, time_of(cpu.seconds(name) / members), *map(between, ratios), verdict)
    return out


def _solver(spec: DatasetSpec) -> Callable[[], object]:
    """All trajectories of the card, from states and parameters drawn beforehand."""
    problem, solver = solve.build(spec)
    times = spec.times.values()
    units = []
    for unit in order.units(spec):
        states = np.stack([sample.initial(spec, problem, int(m)) for m in unit])
        units.append((states, solve.stacked([sample.parameters(spec, int(m)) for m in unit])))

    def run() -> None:
        for unit in units:
            for _ in solver.trajectories(*unit, times):  # each frame is there until the next, as in `generate`
                pass

    return run


def _emptied(store: Path) -> None:
    shutil.rmtree(store)
