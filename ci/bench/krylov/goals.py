"""A line of a goals' table: everybody on one sequence, and the ratios that are asked for."""

from __future__ import annotations

from timing import Table, met

from pdebench.solvers.krylov import System

from .race import USUAL, Way, auto, label_of, race, usual

COLUMNS = ("sequence", *USUAL, "auto", "auto took", "trials, systems", "goals")


def line(
    out: Table,
    title: str,
    systems: list[System],
    *,
    rtol: float,
    effort: tuple[int, float] = (1, 20.0),
    goals: dict[str, float],
    above: str = "auto",
    more: dict[str, Way] | None = None,
) -> None:
    """Everybody's time and iterations per system, by `effort` (rounds, seconds).

    `goals`: how many times the time of `above` each rival must take.
    """
    way, trials = auto(systems, rtol=rtol, length=100)
    ways = usual(systems[0]) | (more or {}) | {"auto": way}
    results = race(ways, systems, rtol=rtol, rounds=effort[0], most=effort[1])
    said = []
    for rival, least in goals.items():
        ratio = results[rival].seconds / results[above].seconds
        said.append(f"{rival} / {above} {ratio:.3g} (goal {least:g}: {met(ratio, least=least)})")
    extra = [f"{label} {results[label].cell()}" for label in more or {}]
    out.add(
        title, *(results[label].cell() for label in USUAL), results["auto"].cell(), label_of(way),
        f"{trials / results['auto'].seconds:.1f}", "; ".join(said + extra),
    )  # fmt: skip


NOTES = (
    "CPU time and iterations per system, set-up included, assembly not; the median of the rounds. Who took more than "
    "20 s (Helmholtz: 8 s) was judged on fewer systems. ILU and ICC without fill. “auto”: the method chosen for 100 "
    "systems, without its trials, whose cost stands beside it in systems of the method chosen.",
)
