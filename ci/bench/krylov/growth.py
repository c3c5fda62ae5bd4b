"""Cost of a system as its grid grows, as a table and a plot."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from timing import Table

from .race import Result, Way, race
from .sequences import drawn

WAYS = {
    "multigrid CG": Way("multigrid-cg"),
    "transform CG": Way("transform-cg"),
    "CG+BoomerAMG": Way("cg", {"pc": "boomeramg"}),
    "CHOLMOD": Way("direct-cholesky"),
    "CG+ICC": Way("cg", {"pc": "icc"}),
    "BiCGStab+ILU": Way("bicgstab"),
    "GMRES(30)+ILU": Way("gmres", {"restart": 30}),
    "GMRES(200)+ILU": Way("gmres", {"restart": 200}),
    "GCRO-DR+ILU": Way("gcrodr", {"pc": "ilu"}),
}
SLOW = 20.0  # seconds a system: after that a way is not taken to larger grids
PLOT = Path("docs/krylov_growth.svg")
COLOURS = ("#2a78b5", "#3a9a5b", "#c4572e", "#8a5fb0", "#b58b2a", "#4fb3bf", "#777777", "#aaaaaa", "#c23b78")


def table(quick: bool) -> Table:
    """Seconds per system; the exponent p of n^p, n unknowns, over the last two doublings; draws the plot."""
    out = Table(
        "Growth with the grid: log-normal Darcy, a new matrix each time, 1e-8",
        "none; multigrid should grow as n, factorisations as n^1.5 (plane) and n² (space)",
        ("grid", *WAYS),
    )
    sizes = {2: (32, 64, 128) if quick else (64, 128, 256, 512), 3: (8, 16, 32) if quick else (16, 32, 64)}
    found: dict[int, dict[int, dict[str, Result]]] = {}
    for dim, ns in sizes.items():
        found[dim], left = {}, dict(WAYS)
        for n in ns:
            systems, _ = drawn("Darcy", n, 3, dim=dim)
            results = race(left, systems, rtol=1e-8, rounds=3 if n**dim < 3e4 else 1, most=SLOW)
            left = {label: way for label, way in left.items() if results[label].seconds < SLOW / 10}
            found[dim][n] = results
            out.add(f"{n}{'²³'[dim - 2]}", *(results[w].cell() if w in results else "–" for w in WAYS))
        out.add(f"exponent, {dim}D", *(_exponent(found[dim], label, dim) for label in WAYS))
    _draw(found)
    return out


def _exponent(by_size: dict[int, dict[str, Result]], label: str, dim: int) -> str:
    known = [(n**dim, found[label].seconds) for n, found in by_size.items() if label in found][-3:]
    if len(known) < 2 or not np.isfinite([seconds for _, seconds in known]).all():
        return "–"
    (n, first), *_, (m, last) = known
    return f"{np.log(last / first) / np.log(m / n):.2f}"


def _draw(found: dict[int, dict[int, dict[str, Result]]]) -> None:
    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "pdebench", "font.size": 10})
    figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharey=True)
    for axes, (dim, by_size) in zip(panels, found.items(), strict=True):
        for label, colour in zip(WAYS, COLOURS, strict=True):
            points = [(n, results[label].seconds) for n, results in by_size.items() if label in results]
            axes.loglog(*zip(*points, strict=True), "o-", color=colour, ms=4, lw=1.5, label=label)
        ticks = list(by_size)
        axes.set_xticks(ticks, [f"{n}{'²³'[dim - 2]}" for n in ticks])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, lw=0.6)
        axes.set(xlabel="grid", title=f"Darcy in {dim}D, 1e-8")
    panels[0].set_ylabel("CPU seconds per system")
    panels[1].legend(frameon=False, fontsize=8)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)
