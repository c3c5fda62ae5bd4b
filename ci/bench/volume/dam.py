"""Radial dam break, 128², to t = 1: time per sample and L1 error against PyClaw."""

from __future__ import annotations

import copy

import numpy as np
from timing import Table, between, interleave, met, time_of

from . import pyclaw
from .ours import dam

N, FINE = 128, 1024


def table(quick: bool) -> Table:
    out = Table(
        "Radial dam break, 128²",
        "at least 30 times PyClaw's speed in float32 and 12 times in float64, at an equal L1 error",
        ("solver", "time per sample", "L1 error of the depth", "PyClaw over it", ""),
        notes=(
            "Batches of 16 of ours, one of PyClaw's. The error is that of the averages at t = 1 against "
            f"{FINE}² cells of ours.",
        ),
    )
    fine = dam(FINE, precision="float64", count=1).run(1.0)[0, 0]
    truth = fine.reshape(N, FINE // N, N, FINE // N).mean(axis=(1, 3))
    ours = {name: dam(N, precision=name, count=16) for name in ("float32", "float64")}
    start = np.array(ours["float64"].q[:, 0])
    found = {}

    def claw():
        solver, solution = pyclaw.water(start, 5.0)
        pyclaw.steps_of(solver, solution, 1.0)
        found["PyClaw"] = copy.copy(solution.state.q[0])

    rivals = {"PyClaw": claw, **{name: (lambda own=own: own.run(1.0)) for name, own in ours.items()}}
    samples = interleave(rivals, seconds=10 if quick else 30)
    for name, own in ours.items():
        found[name] = own.done.q[0, 0]
    for name in rivals:
        share = 1 if name == "PyClaw" else 16
        error = f"{np.abs(found[name] - truth).mean():.2e}"
        if name == "PyClaw":
            out.add(name, time_of(samples.seconds(name)), error, "1", "")
            continue
        ratio = tuple(share * r for r in samples.ratio("PyClaw", name))
        goal = met(ratio[0], least=30 if name == "float32" else 12)
        out.add(f"lanes, {name}", time_of(samples.seconds(name) / share), error, between(ratio, 1), goal)
    return out
