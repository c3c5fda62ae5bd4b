"""Nanoseconds per cell-step against the number of cells, in 1D, 2D and 3D; one sample, or a full batch in 1D."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from timing import Table, interleave

from .ours import gas

SHAPES = {1: [2**k for k in range(8, 17, 2)], 2: [32, 64, 128, 256, 512, 1024], 3: [16, 32, 64, 128]}
PICTURE = Path("docs/finite_volume.svg")


def table(quick: bool) -> Table:
    out = Table(
        "Cost against the number of cells",
        "none: the cost of a cell-step should not grow with their number",
        ("axes", "cells per axis", "ns per cell-step, float32", "float64"),
        notes=(
            "Gas, HLLC; one sample in lanes of lines, or in 1D sixteen samples.",
            f"![ns per cell-step]({PICTURE.name})",
        ),
    )
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for axes, sizes in SHAPES.items():
        cost = {"float32": [], "float64": []}
        for n in sizes:
            for precision, found in cost.items():
                own = gas((n,) * axes, precision=precision, count=16 if axes == 1 else 1)
                samples = interleave(
                    {"ours": lambda own=own, n=n: own.run(1.0 / n)}, seconds=0.3 if quick else 2, least=3
                )
                found.append(samples.seconds("ours") / own.cell_steps() * 1e9)
            out.add(f"{axes}", f"{n}", *(f"{found[-1]:.1f}" for found in cost.values()))
        for precision, found in cost.items():
            style = "-o" if precision == "float64" else "--s"
            axis.loglog([n**axes for n in sizes], found, style, color=f"C{axes}", label=f"{axes}D, {precision}")
    axis.set(xlabel="cells", ylabel="ns per cell-step")
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    figure.savefig(PICTURE, metadata={"Date": None})
    return out
