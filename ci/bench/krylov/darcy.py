"""Log-normal Darcy flow, a new matrix each time."""

from __future__ import annotations

from timing import Table

from .goals import COLUMNS, NOTES, line
from .sequences import drawn


def table(quick: bool) -> Table:
    out = Table(
        "Darcy, drawn at random, 1e-8",
        "`auto` 25 (128²) and 65 (256²) times as fast as GMRES(30)+ILU, 4 times CG+BoomerAMG, 5 times CHOLMOD",
        COLUMNS,
        NOTES,
    )
    for n, least in ((128, 25.0),) if quick else ((128, 25.0), (256, 65.0)):
        systems, _ = drawn("Darcy", n, 10 if quick else 20)
        goals = {"GMRES(30)+ILU": least, "CG+BoomerAMG": 4.0, "direct": 5.0}
        line(out, f"{n}²", systems, rtol=1e-8, effort=(1, 20.0), goals=goals)
    return out
