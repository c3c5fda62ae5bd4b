"""Radial dam break, 128², to t = 1: time per sample and L1 error against PyClaw, at equal grids and at equal errors."""

from __future__ import annotations

import copy

import numpy as np
from timing import Table, between, interleave, met, time_of

from . import pyclaw, radial
from .ours import dam

N, LENGTH, BATCH = 128, 5.0, 16
GRIDS = (104, 112, 120, 128, 136)  # of ours, between which the time at PyClaw's error is interpolated
GOAL = {"float32": 30, "float64": 12}


def table(quick: bool) -> Table:
    out = Table(
        "Radial dam break, 128²",
        "at least 30 times PyClaw's speed in float32 and 12 times in float64, at an equal L1 error",
        ("solver", "time per sample", "L1 error of the depth", "PyClaw over it", "at PyClaw's error", ""),
        notes=(
            f"Batches of {BATCH} of ours, one of PyClaw's. The error is that of the averages at t = 1 against the same "
            "dam in one dimension, r, on 4000 cells. At PyClaw's error: our time, taken from those on "
            f"{', '.join(f'{n}²' for n in GRIDS)} along the logarithms of error and time.",
        ),
    )
    r, h = radial.depth(1.0)
    found = {}
    start = np.array(dam(N, precision="float64", count=1).q[:, 0])

    def claw():
        solver, solution = pyclaw.water(start, LENGTH)
        pyclaw.steps_of(solver, solution, 1.0)
        found["PyClaw"] = copy.copy(solution.state.q[0])

    ours = {(name, n): dam(n, precision=name, count=BATCH) for name in GOAL for n in GRIDS}
    rivals = {"PyClaw": claw, **{key: (lambda own=own: own.run(1.0)) for key, own in ours.items()}}
    samples = interleave(rivals, seconds=10 if quick else 60)
    found.update({key: own.done.q[0, 0] for key, own in ours.items()})
    error = {key: np.abs(q - radial.averages(r, h, len(q), LENGTH)).mean() for key, q in found.items()}
    theirs = samples.seconds("PyClaw")
    out.add("PyClaw", time_of(theirs), f"{error['PyClaw']:.2e}", "1", "1", "")
    for name, least in GOAL.items():
        time = {n: samples.seconds((name, n)) / BATCH for n in GRIDS}
        equal = np.exp(_at([error[name, n] for n in GRIDS], [time[n] for n in GRIDS], error["PyClaw"]))
        grid = tuple(BATCH * ratio for ratio in samples.ratio("PyClaw", (name, N)))
        text = f"{theirs / equal:.1f} ({time_of(equal)})"
        out.add(
            f"lanes, {name}",
            time_of(time[N]),
            f"{error[name, N]:.2e}",
            between(grid, 1),
            text,
            met(theirs / equal, least=least),
        )
    return out


def _at(errors, times, wanted):
    """The logarithm of the time at an error, by the line of least squares through the logarithms of both."""
    slope, level = np.polyfit(np.log(errors), np.log(times), 1)
    return level + slope * np.log(wanted)
