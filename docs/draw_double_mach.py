"""Double Mach reflection (Woodward & Colella 1984, J. Comput. Phys. 54, 115): `python docs/draw_double_mach.py CELLS`.

A shock of Mach 10 in still air, at 60° to a wall that begins at x = 1/6. `CELLS` per unit of length: 120 takes minutes.
"""

from __future__ import annotations

import sys

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.spec import Grid

BEHIND = (8.0, 8.25 * np.cos(np.pi / 6), -8.25 * np.sin(np.pi / 6), 116.5)
AHEAD = (1.4, 0.0, 0.0, 1.0)
EDGE = 1 / 6


def set_up(wall: bool = True) -> CompressibleEuler:
    """The gas and its sides: what the shock has passed at the left and before the wall, and where it runs at the top.

    Without `wall` the shock goes on undisturbed.
    """
    shock = {"behind": BEHIND, "ahead": AHEAD, "speed": 20 / np.sqrt(3)}  # 10 across the front
    below = {"parts": [[EDGE, {"inflow": BEHIND}], [4.0, "reflecting"]]} if wall else {**shock, "at": EDGE}
    return CompressibleEuler(
        initial_state={"kind": "plane_jump", "behind": BEHIND, "ahead": AHEAD, "point": (EDGE, 0), "angle": 60},
        boundaries={"x": ({"inflow": BEHIND}, "outflow"), "y": (below, {**shock, "at": EDGE + 1 / np.sqrt(3)})},
    )


def density(cells: int, times: tuple[float, ...], *, wall: bool = True) -> Array:
    """`(t, y, x)` over 4 × 1 units of length."""
    problem, grid = set_up(wall), Grid(shape=(cells, 4 * cells), lengths=(1.0, 4.0), points="centres")
    start = problem.initial(grid, {"heat_capacity_ratio": 1.4}, np.random.default_rng(0))[None]
    solver = FiniteVolumeCard(limiter="van_leer").build(problem, grid, grid, Serial())
    frames = np.stack(list(solver.trajectories(start, {"heat_capacity_ratio": np.array([1.4])}, np.array(times))))
    if why := solver.costs()[0].reason:
        raise SystemExit(why)
    return frames[:, 0, 0]


def main(cells: int) -> None:
    """Thirty contours of the density at t = 0.2, as the paper draws them."""
    rho = density(cells, (0.2,))[0]
    figure = Figure(figsize=(8, 2.9), layout="constrained")
    axes = figure.subplots()
    x, y = ((np.arange(n) + 0.5) / cells for n in rho.shape[::-1])
    axes.contour(x, y, rho, levels=np.linspace(rho.min(), rho.max(), 32)[1:-1], linewidths=0.5, colors="#1f2328")
    axes.set(xlim=(0, 3.2), ylim=(0, 1), aspect="equal")
    axes.set_title(
        f"density {rho.min():.2f} … {rho.max():.2f} at t = 0.2, {cells} cells per unit of length", fontsize=9
    )
    figure.savefig("docs/double_mach.png", dpi=110)
    with Image.open("docs/double_mach.png") as image:  # grey lines need few colours
        image.convert("L").quantize(16).save("docs/double_mach.png", optimize=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 120)
