"""One large sample: cell-steps per second against PyClaw."""

from __future__ import annotations

import numpy as np
from timing import Table, interleave, met

from . import pyclaw
from .ours import dam, gas


def table(quick: bool) -> Table:
    out = Table(
        "One large sample",
        "at least 6 times PyClaw's cell-steps per second on one core",
        ("case", "precision", "lanes of lines, 1e6 cell-steps per s", "PyClaw", "ratio", ""),
        notes=("PyClaw computes in float64. Few steps each, from the initial state on.",),
    )
    cases = {
        "shallow water, 1024²": (lambda p: dam(1024, precision=p, count=1), pyclaw.water, 5.0, 0.012),
        "gas, 128³": (lambda p: gas((128,) * 3, precision=p, count=1), pyclaw.gas, 1.0, 0.005),
    }
    for name, (make, rival, length, time) in cases.items():
        own = {precision: make(precision) for precision in ("float64", "float32")}
        start, counts = np.array(own["float64"].q[:, 0]), []

        def claw(rival=rival, start=start, length=length, time=time, counts=counts):
            solver, solution = rival(start, length)
            counts.append(pyclaw.steps_of(solver, solution, time))

        rivals = {p: (lambda one=one, time=time: one.run(time)) for p, one in own.items()}
        try:
            samples = interleave({"PyClaw": claw, **rivals}, seconds=5 if quick else 20, least=2 if quick else 3)
            theirs = start[0].size * counts[-1] / samples.seconds("PyClaw") / 1e6
        except (ImportError, AttributeError, ValueError, RuntimeError) as error:  # the row says what it could not do
            samples, theirs = interleave(rivals, seconds=5, least=2), float("nan")
            out.notes = (*out.notes, f"PyClaw did not run {name}: {type(error).__name__} {error}.")
        for precision, one in own.items():
            speed = one.cell_steps() / samples.seconds(precision) / 1e6
            ratio = speed / theirs
            out.add(name, precision, f"{speed:.0f}", f"{theirs:.1f}", f"{ratio:.1f}", met(ratio, least=6))
    return out
