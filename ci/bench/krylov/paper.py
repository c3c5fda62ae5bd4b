"""The comparison of Sorting Krylov Recycling (2024) on data written from the equations, with the column it lacks."""

from __future__ import annotations

from timing import Table, met, time_of

from .race import Way, auto, fastest, label_of, race, usual
from .sequences import PROBLEMS, drawn

N, RTOL = 98, 1e-5
LIMIT = 2000  # iterations of one system
PRECONDITIONERS = {
    "none": {"pc": "none"},
    "Jacobi": {"pc": "jacobi"},
    "block Jacobi": {"pc": "block_jacobi", "blocks": 8},
    "SOR": {"pc": "sor"},
    "ASM": {"pc": "asm", "blocks": 8},
    "ICC": {"pc": "icc"},
    "ILU": {"pc": "ilu"},
}


def table(quick: bool) -> Table:
    """A line for each problem and preconditioner: GMRES(40) and GCRO-DR(40, 20), and both against the best."""
    out = Table(
        f"GCRO-DR(40, 20) against GMRES(40), n = {N * N}, {RTOL:g}",
        "GMRES(40) / GCRO-DR at least 14 in iterations and 7 in time (none, SOR, ILU); `auto` 50 times as fast as "
        "GMRES(40)+ILU and 7 times the published method",
        ("problem", "preconditioner", "GMRES(40)", "GCRO-DR, drawn", "sorted", "afresh", "iterations, ratio",
         "time, ratio", "auto", "GMRES(40) / auto", "GCRO-DR sorted / auto", "fastest of the usual", "goals"),
        ("CPU time and iterations per system. “drawn”: in the order drawn, and “sorted”: greedy by low cosine modes "
         "(pdebench.order), both recycled. “–”: not for indefinite matrices. “ratio”: GMRES(40) over GCRO-DR sorted.",),
    )  # fmt: skip
    for problem in PROBLEMS:
        systems, order = drawn(problem, N, 6 if quick else 40)
        ordered = [systems[i] for i in order]
        way, _ = auto(ordered, rtol=RTOL, length=100)
        most = 0.5 if quick else 10.0
        others = race(usual(systems[0]) | {"auto": way}, ordered, rtol=RTOL, rounds=1, most=most)
        best = fastest(others, but=("auto",))
        for label, pc in PRECONDITIONERS.items():
            pc = pc | {"limit": LIMIT}
            gmres = {"GMRES": Way("gmres", {"restart": 40} | pc)}
            found = race(
                gmres | {"sorted": Way("gcrodr", pc), "afresh": Way("gcrodr", pc | {"recycle": False})},
                ordered, rtol=RTOL, rounds=1, most=most,
            )  # fmt: skip
            found |= race({"drawn": Way("gcrodr", pc)}, systems, rtol=RTOL, rounds=1, most=most)
            cells = [found[key].cell() for key in ("GMRES", "drawn", "sorted", "afresh")]
            quick_one = others["auto"].seconds
            ratios = [
                found["GMRES"].iterations / found["sorted"].iterations,
                found["GMRES"].seconds / found["sorted"].seconds,
                found["GMRES"].seconds / quick_one,
                found["sorted"].seconds / quick_one,
            ]
            said = ""
            if label in ("none", "SOR", "ILU") and not found["GMRES"].note:
                said = f"14: {met(ratios[0], least=14)}; 7: {met(ratios[1], least=7)}; 7: {met(ratios[3], least=7)}"
                said += f"; 50: {met(ratios[2], least=50)}" if label == "ILU" else ""
            out.add(
                problem, label, *cells, *(f"{r:.1f}" for r in ratios[:2]),
                f"{label_of(way)} {others['auto'].cell()}", *(f"{r:.1f}" for r in ratios[2:]),
                f"{best} {time_of(others[best].seconds)}", said,
            )  # fmt: skip
    return out
