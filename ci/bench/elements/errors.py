"""What the linear systems' tolerance makes of the last frames, ours and afresh, in the cases of `cases`."""

from __future__ import annotations

from timing import Table

from pdebench.solvers.finite_element import projection

from .afresh import Afresh
from .cases import CASES, run
from .spent import Spent

EXACT = 1e-11
WAYS = (
    *(("ours", projection.Projection, rtol) for rtol in (1e-6, 1e-5, 1e-4, 1e-3)),
    *(("afresh", Afresh, rtol) for rtol in (1e-6, 1e-5)),
)


def table(quick: bool) -> Table:
    out = Table(
        "Errors of the linear systems in the last frames",
        "ours no larger than those of the rival",
        ("case", *(f"{who}, {rtol:.0e}" for who, _, rtol in WAYS)),
        notes=(
            f"Greatest error over greatest value; exact: systems solved to {EXACT:.0e}; iterations a step in brackets.",
        ),
    )
    for name, (card, changes, count) in CASES.items():
        if count > 1 and quick:
            continue
        exact = run(card, changes | {"solver.rtol": EXACT}, count, projection.Projection)
        found = (run(card, changes | {"solver.rtol": rtol}, count, scheme) for _, scheme, rtol in WAYS)
        out.add(name, *(_said(one, exact) for one in found))
    return out


def _said(found: Spent, exact: Spent) -> str:
    return f"{found.off(exact):.0e} ({found.iterations / found.steps:.0f})"
