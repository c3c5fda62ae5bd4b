"""One matrix, many right-hand sides: factor once."""

from __future__ import annotations

from timing import Table

from .goals import COLUMNS, NOTES, line
from .race import Way
from .sequences import one_matrix


def table(quick: bool) -> Table:
    out = Table("One matrix, many right-hand sides, 1e-11", "250 times GMRES(40), 6 times CG with AMG", COLUMNS, NOTES)
    for n in (120,) if quick else (267,):
        systems = one_matrix(n, 20 if quick else 100)
        goals = {"GMRES(40)+ILU": 250, "CG+BoomerAMG": 6}
        more = {"GMRES(40)+ILU": Way("gmres", {"restart": 40})}
        line(out, f"Darcy, {n * n} unknowns", systems, rtol=1e-11, effort=(1, 20.0), goals=goals, more=more)
    return out
