"""Pressure steps with a coefficient that moves: what a guess from the last solutions saves."""

from __future__ import annotations

from timing import Table, met, time_of

from .race import Way, auto, label_of, race, usual
from .sequences import steps

WAYS = {
    "multigrid CG": Way("multigrid-cg"),
    "multigrid CG, guess": Way("multigrid-cg", {}, 6),
    "CG+ICC, guess": Way("cg", {"pc": "icc"}, 6),
}


def table(quick: bool) -> Table:
    out = Table(
        "Pressure steps with variable density, 1e-8",
        "with the guess 1.7 times fewer iterations and 1.25 times less time than multigrid CG alone; 1.5 times fewer "
        "with ICC",
        ("grid", "way", "time per system", "iterations", "against", "goal"),
    )
    for n in (64,) if quick else (64, 128, 256):
        systems = steps(n, 16 if quick else 60)
        way, _ = auto(systems, rtol=1e-8, length=100)
        ways = usual(systems[0]) | WAYS | {f"auto: {label_of(way)}": way}
        results = race(ways, systems, rtol=1e-8, rounds=3)
        goals = {"multigrid CG, guess": ("multigrid CG", 1.7, 1.25), "CG+ICC, guess": ("CG+ICC", 1.5, 0.0)}
        for label, result in results.items():
            against, goal = "", ""
            if label in goals:
                other, fewer, less = goals[label]
                iterations = results[other].iterations / result.iterations
                time = results[other].seconds / result.seconds
                against = f"{other}: {iterations:.2f} times fewer iterations, {time:.2f} times less time"
                goal = f"{fewer}: {met(iterations, least=fewer)}" + (
                    f"; {less}: {met(time, least=less)}" if less else ""
                )
            found = (time_of(result.seconds), f"{result.iterations:.1f}") if not result.note else (result.note, "")
            out.add(f"{n}²", label, *found, against, goal)
    return out
