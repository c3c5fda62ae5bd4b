"""Cases of each card, by our solver and afresh, step for step the same; and where the time goes."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import numpy as np
from timing import Table, met, spread

from pdebench import solve
from pdebench.problem import Frame, Outcome
from pdebench.solvers.finite_element import projection, solver
from pdebench.spec import load_spec

from .afresh import Afresh, Forms
from .spent import OURS, Spent, clocked

GOAL = 3.0
COLUMNS = (
    *("case", "cases", "steps", "ms per step", "s per case", "mesh", "assembly", "solve", "to the grid", "iterations"),
    *("afresh: s per case", "iterations", "differ by", "times faster", "goal"),
)
# A few frames of the cards' own cases, and 8 cases of the small ones.
CASES: dict[str, tuple[str, dict[str, Any], int]] = {
    "cavity, small": ("cfd_cavity_demo", {"times.frames": 6}, 8),
    "tube, small": ("cfd_tube_demo", {"times.frames": 6}, 8),
    "cylinder, small": ("cfd_cylinder_demo", {"times.frames": 4, "times.start": 0.0}, 8),
    "cavity 64 × 64": ("cfd_cavity", {"times.frames": 2, "times.step": 2e-4}, 1),
    "tube 24 × 96": ("cfd_tube", {"times.frames": 10}, 1),
    "cylinder 64 × 96": ("cfd_cylinder", {"times.frames": 20}, 1),
}


def table(quick: bool) -> Table:
    out = Table(
        "Cases of the cards: our solver against the same scheme afresh",
        "at least 3 times faster per case",
        COLUMNS,
        notes=(
            "CPU time of one core, after a first run that compiles. Afresh: each step assembles all matrices with "
            "dolfinx's compiled forms and solves from zero by GMRES(30) + ILU to the same relative tolerance. `differ "
            "by`: the last frames, relative to the largest value. Iterations per step: two velocities, one pressure.",
        ),
    )
    for name, (card, changes, count) in CASES.items():
        ratios, runs = [], (Spent(), Spent())
        for _ in range(1 if quick else 3):
            runs = run(card, changes, count, projection.Projection), run(card, changes, count, Afresh)
            ratios.append(runs[1].whole / runs[0].whole)
        ours, afresh = runs
        faster = spread(ratios)[0]
        out.add(
            *(name, str(count), str(ours.steps), f"{1e3 * ours.whole / ours.steps:.1f}", f"{ours.whole / count:.2f}"),
            *ours.shares("mesh", "assembly", "solve", "grid"),
            *(f"{ours.iterations / ours.steps:.0f}", f"{afresh.whole / count:.2f}"),
            *(
                f"{afresh.iterations / afresh.steps:.0f}",
                f"{ours.off(afresh):.0e}",
                f"{faster:.1f}",
                met(faster, least=GOAL),
            ),
        )
    return out


def run(card: str, changes: dict[str, Any], count: int, scheme: type[projection.Projection]) -> Spent:
    """The first cases of a card as one unit of work."""
    spec, out = load_spec(card, changes), Spent()
    parts = OURS
    if scheme is Afresh:
        parts += ((Forms, "assembled", "assembly"), (Afresh, "_gmres", "solve"))
    with patch.object(solver, "Projection", scheme), clocked(out, parts):
        for event in solve.trajectories(spec, np.arange(count)):
            if isinstance(event, Frame):
                out.end = event.values
            elif isinstance(event, Outcome):
                if event.cost.reason:
                    raise RuntimeError(f"{card}, member {event.member}: {event.cost.reason}")
                out.steps += event.cost.steps
                out.iterations += event.cost.iterations
    return out
