"""Cost of a sample and step of 2D Navier–Stokes as the grid and the batch grow, as a table and a plot."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from timing import Table, interleave

from pdebench.solvers.spectral.engine import fastest

from .ours import decaying

STEPS, PRECISIONS = 4, ("float32", "mixed", "float64")
SIZES, BATCHES = (32, 64, 128, 256, 512, 1024), (1, 2, 4, 8, 16, 17, 32, 64)
PLOT = Path("docs/growth.svg")
COLOURS = {"float32": "#2a78b5", "mixed": "#3a9a5b", "float64": "#c4572e"}


def table(seconds: float, quick: bool) -> Table:
    """µs per sample and step; draws docs/growth.svg."""
    sizes = SIZES[:-2] if quick else SIZES
    batches = BATCHES[::2] if quick else BATCHES
    by_size = {n: _costs(n, 16 if n < 1024 else 8, seconds) for n in sizes}
    by_batch = {b: _costs(64, b, seconds) for b in batches}
    _draw(by_size, by_batch)
    out = Table(
        "Growth with the grid and the batch, µs per sample and IFRK4 step",
        "none; the cost should grow as N² log N and fall with the batch until the lanes are full",
        ("grid", "batch", *PRECISIONS),
        (f"Through the engine, {STEPS} steps a call, packing included; one thread.",),
    )
    for n, costs in by_size.items():
        out.add(f"{n}²", str(16 if n < 1024 else 8), *(f"{costs[p]:.3g}" for p in PRECISIONS))
    for b, costs in by_batch.items():
        out.add("64²", str(b), *(f"{costs[p]:.3g}" for p in PRECISIONS))
    return out


def _costs(n: int, batch: int, seconds: float) -> dict[str, float]:
    """µs per sample and step by precision."""
    problem, grid, states = decaying(n, 1)
    calls = {}
    for precision in PRECISIONS:
        engine = fastest(problem, grid, precision)
        one = engine.modes.forward(states[:, None].astype(engine.modes.dtype)) * engine.modes.kept
        start, steps = np.repeat(one, batch, axis=0), np.full(batch, STEPS)
        params = {"viscosity": np.full(batch, 5e-3), "drag": np.zeros(batch)}

        def call(engine=engine, start=start, steps=steps, params=params):
            return engine.advance(start, params, length=1e-5, steps=steps)

        calls[precision] = call
    samples = interleave(calls, seconds=seconds, least=3)
    return {p: samples.seconds(p) / batch / STEPS / 1e-6 for p in PRECISIONS}


def _draw(by_size: dict[int, dict[str, float]], by_batch: dict[int, dict[str, float]]) -> None:
    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "pdebench", "font.size": 10})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    sizes, batches = np.array(list(by_size)), list(by_batch)
    for p in PRECISIONS:
        left.loglog(sizes, [by_size[n][p] for n in sizes], "o-", color=COLOURS[p], ms=4.5, lw=1.6, label=p)
        right.semilogx(batches, [by_batch[b][p] for b in batches], "o-", color=COLOURS[p], ms=4.5, lw=1.6, label=p)
    guide = sizes**2 * np.log2(sizes)
    left.loglog(
        sizes, 0.5 * by_size[sizes[0]]["float32"] * guide / guide[0], "--", color="0.6", lw=1, label="∝ N² log N"
    )
    left.set(xlabel="grid, N × N", ylabel="µs per sample and step", title="growth with the grid, batch 16")
    right.set(xlabel="batch", title="growth with the batch, 64 × 64", ylim=(0, None))
    for axes, ticks in ((left, sizes), (right, [b for b in batches if b != 17])):
        axes.set_xticks(ticks, [str(t) for t in ticks])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, lw=0.6)
    left.legend(frameon=False)
    PLOT.parent.mkdir(exist_ok=True)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)
