"""Draws docs/lanes.svg: how the lane kernels lay out a batch. `python docs/draw_lanes.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, Rectangle

BLUE, GREEN, RUST, INK, PALE = "#2a78b5", "#3a9a5b", "#c4572e", "#333333", "#f3f5f7"
LANES = "abcdefghijklmnop"


def main() -> None:
    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "pdebench", "font.size": 9})
    figure, axes = plt.subplots(figsize=(10, 5.6))
    axes.set(xlim=(0, 100), ylim=(7, 63), aspect="equal")
    axes.axis("off")
    samples(axes)
    state(axes)
    grid(axes)
    registers(axes)
    figure.savefig(Path(__file__).with_name("lanes.svg"), bbox_inches="tight", metadata={"Date": None})


def samples(axes: plt.Axes) -> None:
    """A batch of sixteen."""
    for i, name in enumerate(LANES):
        low = (3 + 0.55 * i, 43 + 0.55 * i)
        axes.add_patch(Rectangle(low, 9, 9, fc="white" if i else "#dce9f3", ec=BLUE, lw=0.7, zorder=20 - i))
        if i in (0, 15):
            x, y = (low[0] + 4.5, low[1] + 4.5) if i == 0 else (low[0] + 10, low[1] + 8)
            axes.text(x, y, name, ha="center", va="center", color=BLUE, zorder=40)
    axes.text(11, 40.2, "a batch: samples a … p,\neach N × N", ha="center", va="top", color=INK)


def cells(axes: plt.Axes, corner: tuple[float, float], rows: int, columns: int, size: tuple[float, float]) -> None:
    x, y = corner
    for i in range(rows):
        for j in range(columns):
            axes.add_patch(Rectangle((x + j * size[0], y + i * size[1]), *size, fc=PALE, ec="0.7", lw=0.6))


def state(axes: plt.Axes) -> None:
    """Modes of half a plane, rows in pairs ±ky."""
    left, bottom, width, height = 31, 41, 4.6, 2.5
    cells(axes, (left, bottom), 6, 5, (width, height))
    for i, name in enumerate(("−3", "+3", "−2", "+2", "−1", "+1")):
        axes.text(
            left - 0.8, bottom + (i + 0.5) * height, f"ky = {name}", ha="right", va="center", color=INK, fontsize=7
        )
    for j, name in enumerate(("kx = 0", "1", "2", "…", "Kx")):
        axes.text(left + (j + 0.5) * width, bottom + 6 * height + 0.8, name, ha="center", color=INK, fontsize=7)
    for i in (0, 2, 4):
        axes.add_patch(Rectangle((left, bottom + i * height), 5 * width, 2 * height, fill=False, ec="0.35", lw=1.1))
    axes.add_patch(Rectangle((left + 2 * width, bottom + height), width, height, fc=GREEN, ec=GREEN))
    axes.text(left + 2.5 * width, 60.3, "state: the modes kept, kx ≥ 0", ha="center", color=INK, weight="bold")
    axes.text(
        left + 2.5 * width, 39.4, "rows, a pair ±ky at a time:\ntransform along x, the equation, the step",
        ha="center", va="top", color=INK, bbox={"fc": "white", "ec": "none", "pad": 1.5},
    )  # fmt: skip
    sweep(axes, (left, bottom - 0.6), (left + 5 * width, bottom - 0.6), GREEN)


def grid(axes: plt.Axes) -> None:
    """Half transformed: ky against x; columns are transformed, squared and transformed back."""
    left, bottom, width, height = 70, 41, 3.3, 2.5
    cells(axes, (left, bottom), 6, 8, (width, height))
    axes.add_patch(Rectangle((left + 3 * width, bottom), width, 6 * height, fc="#f0d9cf", ec=RUST, lw=1.1))
    sweep(axes, (left + 3.5 * width, bottom + 6 * height - 0.5), (left + 3.5 * width, bottom + 0.5), RUST)
    axes.text(left + 4 * width, 60.3, "grid: z = u + iv, x by ky", ha="center", color=INK, weight="bold")
    axes.text(left + 4 * width, bottom + 6 * height + 0.8, "x = 0, 1, … nx − 1", ha="center", color=INK, fontsize=7)
    axes.text(
        left + 4 * width, 39.4,
        "columns, one at a time, within the first-level cache:\ntransform along y, z ← z², and back",
        ha="center", va="top", color=INK,
    )  # fmt: skip
    for y, way, name in ((51.5, "-|>", "along x"), (47, "<|-", "and back")):
        axes.add_patch(FancyArrowPatch((55.5, y), (68.5, y), arrowstyle=way, mutation_scale=11, color=INK, lw=1.1))
        axes.text(62, y + 0.9, name, ha="center", color=INK, fontsize=8)


def sweep(axes: plt.Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="<|-|>", mutation_scale=9, color=colour, lw=1.3))


def registers(axes: plt.Axes) -> None:
    """One coefficient of all samples: two registers."""
    left, bottom, width, height = 20, 14, 4.1, 4.4
    for row, part in enumerate(("im", "re")):
        y = bottom + row * height
        axes.text(left - 1.2, y + height / 2, part, ha="right", va="center", color=GREEN, weight="bold")
        for i, name in enumerate(LANES):
            axes.add_patch(Rectangle((left + i * width, y), width, height, fc="#e3f1e7", ec=GREEN, lw=0.8))
            axes.text(left + (i + 0.5) * width, y + height / 2, name, ha="center", va="center", color=INK)
    top = bottom + 2 * height
    for x, there in ((left, 40.2), (left + 16 * width, 44.8)):
        axes.plot([x, there], [top, 43.5], color=GREEN, lw=0.8, ls=(0, (4, 3)), zorder=2)
    axes.text(
        left + 8 * width, bottom + 2 * height + 2.2,
        "coefficient (kx, ky) of samples a … p: two registers, one sample a lane",
        ha="center", color=INK, weight="bold", bbox={"fc": "white", "ec": "none", "pad": 3},
    )  # fmt: skip
    axes.text(
        left + 8 * width, bottom - 1.6,
        "16 lanes of float32, 8 of float64 (AVX-512). Every instruction of a step works on all samples at once:\n"
        "no shuffle, no gather, no waste at odd sizes; each lane has its own viscosity, drag and time step.",
        ha="center", va="top", color=INK,
    )  # fmt: skip


if __name__ == "__main__":
    main()
