"""A slow frequency sweep in a cube: where recycling pays."""

from __future__ import annotations

from timing import Table

from .goals import COLUMNS, NOTES, line
from .race import Way
from .sequences import sweep


def table(quick: bool) -> Table:
    out = Table(
        "Helmholtz in a cube, slow sweep, 1e-6",
        "recycled 3 times as fast as off; 5 (32³) and 2.5 (48³) times direct; 2.3 and 7 times the best GMRES",
        COLUMNS,
        NOTES,
    )
    ilu = {"pc": "ilu", "level": 1, "m": 60, "k": 30}
    for n, direct, gmres in ((32, 5.0, 2.3),) if quick else ((32, 5.0, 2.3), (48, 2.5, 7.0)):
        systems = sweep(n, 8 if quick else 25 if n == 32 else 12)
        more = {
            "recycled ILU(1)": Way("gcrodr", ilu),
            "off ILU(1)": Way("gcrodr", ilu | {"recycle": False}),
            "GMRES(200)+ILU(1)": Way("gmres", {"restart": 200, "level": 1}),
            "recycled, transform": Way("transform-gcrodr", {"m": 60, "k": 30}),
            "recycled ILU(1), guess 6": Way("gcrodr", ilu, 6),
        }
        goals = {"off ILU(1)": 3.0, "direct": direct, "GMRES(200)+ILU(1)": gmres}
        line(
            out,
            f"{n}³",
            systems,
            rtol=1e-6,
            effort=(1, 8.0),
            goals=goals,
            above="recycled ILU(1), guess 6",
            more=more,
        )
    return out
