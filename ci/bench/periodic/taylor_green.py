"""The card `ns3d_taylor_green` on several grids: dissipation, energy budget, and a plot beside the published peak.

    ci/bench.sh periodic taylor_green [--quick] [--write]        64³, 96³, 128³
    PYTHONPATH=ci/bench python -m periodic.taylor_green 192      one more curve into docs/taylor_green.json

A grid is entered on coarser ones: each is left as soon as the outermost modes that it keeps hold 1e-9 of the energy.
The published peak is that of the 512³ pseudo-spectral solution of van Rees, Leonard, Pullin & Koumoutsakos (2011,
J. Comput. Phys. 230, 2794), used for case C3.5 of the workshops on high-order CFD methods: 0.01286 at t = 8.97, which
another open project's note credits to it; we have not read the number in the paper itself.
Brachet et al. (1983, J. Fluid Mech. 130, 411) found it at t ≈ 9.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.integrate import simpson

from pdebench.problem import problem_of
from pdebench.resample import resize
from pdebench.solvers.spectral.engine import fastest
from pdebench.solvers.spectral.equation import mean_square
from pdebench.solvers.spectral.navier_stokes_3d import dissipation
from pdebench.spec import load_spec

CURVES, PLOT = Path("docs/taylor_green.json"), Path("docs/taylor_green.svg")
PUBLISHED, PUBLISHED_TIME = 0.01286, 8.97
LADDER, FULL = (48, 64, 96, 128, 192), 1e-9
STEP, END, CFL, PRECISION = 0.1, 10.0, 1.0, "mixed"
COLOURS = ("#9aa7b1", "#c4a12e", "#3a9a5b", "#2a78b5", "#c4572e")


def table(_: float, quick: bool) -> Any:
    """Peaks of all curves known, after those of the coarse grids were made anew; draws docs/taylor_green.svg."""
    from timing import Table

    for n in (64,) if quick else (64, 96, 128):
        keep(n, curve(n))
    out = Table(
        "Taylor–Green at Re = 1600",
        f"the published peak of −dE/dt, {PUBLISHED} at t = {PUBLISHED_TIME}",
        (
            "grid",
            "k_max",
            "peak of −dE/dt",
            "at t",
            "off the published",
            "peak of 2νΩ",
            "k_max η there",
            "budget",
            "CPU",
        ),
        (
            "Budget: E(0) − E(10) over ∫ 2νΩ dt (Simpson's rule, every 0.1), less one. k_max = ⌊(N − 1)/3⌋, "
            f"η = (ν³/2νΩ)^¼. IFRK4, Courant number {CFL:g}, {PRECISION}; coarser grids first, each left when its "
            f"outermost modes hold {FULL:g} of the energy.",
        ),
    )
    for n, values in known().items():
        out.add(*row(n, values))
    draw(known())
    return out


def curve(n: int) -> dict[str, Any]:
    """E(t) and 2νΩ(t), every 0.1, on n³ points; and the CPU seconds that it took."""
    began, spec = process_time(), load_spec("ns3d_taylor_green")
    problem, viscosity = problem_of(spec), spec.parameters["viscosity"].bounds[0]
    params, sizes = {"viscosity": np.array([viscosity])}, [m for m in LADDER if m < n] + [n]
    grid = spec.grid.with_shape((sizes[0],) * 3)
    engine = fastest(problem, grid, PRECISION)
    state = engine.modes.forward(problem.initial(grid, {}, np.random.default_rng(0)))[None] * engine.modes.kept
    rate, energy, lost = engine.rate(state, params), [], []
    for i in range(round(END / STEP) + 1):
        if i:
            steps = np.ceil(rate * STEP / CFL).astype(int)
            state, _, rate = engine.advance(state, params, length=STEP, steps=steps)
        while len(sizes) > 1 and outermost(engine.modes, state) > FULL:
            old, grid = sizes.pop(0), spec.grid.with_shape((sizes[0],) * 3)
            engine = fastest(problem, grid, PRECISION)
            state = resize(state, (old,) * 3, grid.shape)
            rate = engine.rate(state, params)
        energy.append(float(mean_square(engine.modes, state[0])) / 2)
        lost.append(float(dissipation(engine.modes, state[0], viscosity)))
        print(f"{sizes[0]}³ of {n}³: t = {i * STEP:.1f}, E = {energy[-1]:.8f}, 2νΩ = {lost[-1]:.8f}", file=sys.stderr)
    return {"viscosity": viscosity, "energy": energy, "dissipation": lost, "seconds": process_time() - began}


def outermost(modes: Any, state: np.ndarray) -> float:
    """Share of the energy in the modes with a largest |n| of ⌊(N − 1)/3⌋."""
    top = (modes.grid.shape[0] - 1) // 3
    shell = np.logical_or.reduce(np.broadcast_arrays(*[np.abs(k) == top for k in modes.numbers]))
    return float(mean_square(modes, state[0] * shell) / mean_square(modes, state[0]))


def loss(energy: Any) -> np.ndarray:
    """−dE/dt by central differences of order six."""
    return -np.convolve(energy, np.array([1, -9, 45, 0, -45, 9, -1]) / 60 / STEP, "valid")


def peak(values: np.ndarray, first: float) -> tuple[float, float]:
    """Height and time of a curve's maximum, by the parabola through its highest three points."""
    i = int(np.argmax(values))
    a, b, c = values[i - 1 : i + 2]
    shift = (a - c) / (a - 2 * b + c) / 2
    return float(b - (a - c) * shift / 4), first + STEP * (i + shift)


def row(n: int, values: dict[str, Any]) -> tuple[str, ...]:
    energy, lost = np.array(values["energy"]), np.array(values["dissipation"])
    (height, time), (viscous, _) = peak(loss(energy), 3 * STEP), peak(lost, 0.0)
    top = (n - 1) // 3
    smallest = top * (values["viscosity"] ** 3 / viscous) ** 0.25
    budget = (energy[0] - energy[-1]) / simpson(lost, dx=STEP) - 1
    found = f"{height:.5f}", f"{time:.2f}", f"{100 * (height / PUBLISHED - 1):+.1f} %", f"{viscous:.5f}"
    return f"{n}³", str(top), *found, f"{smallest:.2f}", f"{budget:.0e}", f"{values['seconds']:.0f} s"


def known() -> dict[int, dict[str, Any]]:
    stored = json.loads(CURVES.read_text()) if CURVES.exists() else {}
    return {int(n): stored[n] for n in sorted(stored, key=int)}


def keep(n: int, values: dict[str, Any]) -> None:
    rounded = {name: [float(f"{x:.9g}") for x in v] if isinstance(v, list) else v for name, v in values.items()}
    CURVES.write_text(json.dumps({str(m): v for m, v in sorted((known() | {n: rounded}).items())}) + "\n")


def draw(curves: dict[int, dict[str, Any]]) -> None:
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.family": "DejaVu Sans", "svg.hashsalt": "pdebench", "font.size": 10})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", width_ratios=(1.5, 1))
    for (n, values), colour in zip(curves.items(), COLOURS[-len(curves) :], strict=True):
        found = loss(values["energy"])
        times = STEP * (3 + np.arange(len(found)))
        for axes in (left, right):
            axes.plot(times, found, color=colour, lw=1.6, label=f"{n}³")
    for axes in (left, right):
        axes.plot(PUBLISHED_TIME, PUBLISHED, "k+", ms=11, mew=1.6, label="512³, published peak")
        axes.set(xlabel="t")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, lw=0.6)
    left.set(ylabel="−dE/dt", xlim=(0, 10), ylim=(0, None), title="Taylor–Green vortices, Re = 1600")
    right.set(xlim=(7.5, 10), ylim=(0.009, 0.0155), title="the peak")
    left.legend(frameon=False)
    figure.savefig(PLOT, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    for size in map(int, sys.argv[1:]):
        keep(size, curve(size))
    draw(known())
