"""Every way to solve a sequence, timed side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import median
from time import process_time
from typing import Any

from timing import time_of

from pdebench.errors import SolverError
from pdebench.solvers.krylov import Choice, SolverSequence, System, choose, methods

TRIED = 8  # systems that `auto` may try its candidates on


@dataclass(frozen=True)
class Way:
    """A method with its options and the depth of its guess."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    guess: int = 0
    chain: tuple[str, ...] = ()  # who takes over on failure, as in use
    choice: Choice | None = None  # whose first `build` has what the trials left


@dataclass(frozen=True)
class Result:
    """CPU seconds and iterations per system; `note` where there are none."""

    seconds: float = float("inf")
    iterations: float = float("nan")
    note: str = ""

    def cell(self) -> str:
        return self.note or f"{time_of(self.seconds)}, {self.iterations:.0f}"


# On every line.
USUAL = {
    "GMRES(30)+ILU": Way("gmres", {"restart": 30, "limit": 4000}),
    "GMRES(200)+ILU": Way("gmres", {"restart": 200}),
    "BiCGStab+ILU": Way("bicgstab"),
    "CG+ICC": Way("cg", {"pc": "icc"}),
    "CG+BoomerAMG": Way("cg", {"pc": "boomeramg"}),
    "direct": Way("direct-lu"),
    "GCRO-DR+ILU": Way("gcrodr", {"pc": "ilu"}),
    "afresh": Way("gcrodr", {"pc": "ilu", "recycle": False}),
}


def usual(system: System) -> dict[str, Way]:
    """`USUAL` with the direct solver that is right for the system."""
    return USUAL | {"direct": Way("direct-cholesky" if system.definite else "direct-mumps")}


def run(way: Way, systems: Iterable[System], *, rtol: float, most: float) -> Result:
    """Until `most` seconds are spent: those who need longer are judged on fewer systems."""
    method = way.choice.build() if way.choice else methods[way.name](**way.options)
    sequence = SolverSequence(method, guess=way.guess, rtol=rtol, chain=way.chain, clock=process_time)
    began, iterations, count = process_time(), 0, 0
    for system in systems:
        if method.eligible(system):
            return Result(note="–")
        try:
            iterations += sequence.solve(system)[1].iterations
        except SolverError:
            return Result(note=f"no convergence ({time_of(process_time() - began)})")
        count += 1
        if process_time() - began > most:
            break
    return Result((process_time() - began) / count, iterations / count)


def race(
    ways: dict[str, Way], systems: list[System], *, rtol: float, rounds: int, most: float = 20.0
) -> dict[str, Result]:
    """Medians over rounds in which all take turns, each round from another one on. One rough solve each to warm up."""
    found: dict[str, list[Result]] = {label: [] for label in ways}
    order = list(ways)
    for label in order:
        run(replace(ways[label], choice=None), systems[:1], rtol=0.5, most=most)
    for _ in range(rounds):
        for label in order:
            found[label].append(run(ways[label], systems, rtol=rtol, most=most))
        order.append(order.pop(0))
    return {
        label: Result(median(one.seconds for one in runs), runs[0].iterations, runs[0].note)
        for label, runs in found.items()
    }


def auto(systems: list[System], *, rtol: float, length: int) -> tuple[Way, float]:
    """What is chosen for a sequence of `length`, and the seconds of the trials."""
    choose(systems[:2], rtol=rtol, length=10)  # imports and plans
    choice = choose(systems[:TRIED], rtol=rtol, length=length)
    return Way(choice.method, choice.options, choice.guess, ("lu",), choice), choice.evidence["trial_seconds"]


def label_of(way: Way) -> str:
    """`gcrodr ilu(1), guess 6`."""
    pc = way.options.get("pc", "")
    level = f"({way.options['level']})" if "level" in way.options else ""
    return f"{way.name} {pc}{level}".strip() + (f", guess {way.guess}" if way.guess else "")


def fastest(results: dict[str, Result], but: Iterable[str] = ()) -> str:
    return min((label for label in results if label not in set(but)), key=lambda label: results[label].seconds)
