"""What the choice by trials costs against the method that would have been best, known beforehand."""

from __future__ import annotations

from timing import Table, met, time_of

from pdebench.solvers.krylov import System

from .race import USUAL, Way, auto, fastest, label_of, race, usual
from .sequences import convection, drawn, one_matrix, steps, sweep

OURS = {
    "multigrid CG": Way("multigrid-cg"),
    "multigrid CG, guess": Way("multigrid-cg", {}, 6),
    "transform CG": Way("transform-cg"),
    "BiCGStab+ILU(2)": Way("bicgstab", {"level": 2}),
    "KLU": Way("direct-klu"),
    "GCRO-DR+ILU(1)": Way("gcrodr", {"pc": "ilu", "level": 1, "m": 60, "k": 30}),
    "GCRO-DR+ILU(1), guess": Way("gcrodr", {"pc": "ilu", "level": 1, "m": 60, "k": 30}, 6),
    "CG+ICC, guess": Way("cg", {"pc": "icc"}, 6),
}


def sequences(quick: bool, count: int) -> dict[str, tuple[list[System], float]]:
    small = 1 if quick else 2
    return {
        "Darcy, drawn": (drawn("Darcy", 48 * small, count)[0], 1e-8),
        "Poisson, drawn": (drawn("Poisson", 48 * small, count)[0], 1e-8),
        "Helmholtz, drawn": (drawn("Helmholtz", 48 * small, count)[0], 1e-8),
        "convection–diffusion": (convection(48 * small, count), 1e-8),
        "one matrix": (one_matrix(48 * small, count), 1e-8),
        "pressure steps": (steps(48 * small, count), 1e-8),
        "Helmholtz sweep, cube": (sweep(12 * small, count, step=0.002), 1e-6),
    }


def table(quick: bool) -> Table:
    """Whole sequences: `auto` with its trials over the best fixed choice, of all that are run here."""
    out = Table(
        "`auto` against the best fixed choice",
        "at most 1.15 times its time for 100 systems, 1.05 for 1000",
        ("sequence", "systems", *USUAL, "best fixed", "auto took", "its trials", "auto / best", "goal"),
        ("CPU time of the whole sequence, trials included. Fixed ways are timed on the first 30 systems and scaled up, "
         "the best of them and `auto` on all systems, twice in turn.",),
    )  # fmt: skip
    for count in (100,) if quick else (100, 1000):
        for name, (systems, rtol) in sequences(quick or count > 100, count).items():
            _row(out, name, systems, rtol)
    return out


def _row(out: Table, name: str, systems: list[System], rtol: float) -> None:
    count = len(systems)
    ways = usual(systems[0]) | OURS
    first = race(ways, systems[:30], rtol=rtol, rounds=1, most=2.0)
    best = fastest(first)
    way, _ = auto(systems, rtol=rtol, length=count)
    known, whole, trials = [], [], []
    for _ in range(2):
        known.append(race({"it": ways[best]}, systems, rtol=rtol, rounds=1, most=1e9)["it"].seconds * count)
        way, spent = auto(systems, rtol=rtol, length=count)
        trials.append(spent)
        whole.append(race({"it": way}, systems, rtol=rtol, rounds=1, most=1e9)["it"].seconds * count + spent)
    ratio, goal = min(whole) / min(known), 1.15 if count < 1000 else 1.05
    out.add(
        name, str(count), *(first[label].cell() for label in USUAL), f"{best} {time_of(min(known))}",
        label_of(way), time_of(min(trials)), f"{ratio:.2f}", f"{goal}: {met(ratio, most=goal)}",
    )  # fmt: skip
