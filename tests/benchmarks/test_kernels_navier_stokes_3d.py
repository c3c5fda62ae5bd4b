"""A step of 3D Navier–Stokes by the lanes and by the textbook (pyFFTW where it is installed, else scipy)."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.textbook_3d import Textbook

from pdebench.solvers.kernels.navier_stokes_3d import LaneSweeps
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes_3d import NavierStokes3D
from pdebench.spec import Grid

pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

SIZES = pytest.mark.parametrize("n", [32, 64, 128])
FLOW = NavierStokes3D(initial_state={"kind": "isotropic", "peak": 3, "energy": 0.5, "modes": 8})
VISCOSITY = 1e-2


def start(n, precision, benchmark):
    if n > 32 and benchmark.disabled:
        pytest.skip("only where it is measured")
    modes = Modes(Grid(shape=(n,) * 3, lengths=(2 * np.pi,) * 3), "float32" if precision == "float32" else "float64")
    values = FLOW.initial(modes.grid, {}, np.random.default_rng(0))[None]
    return modes, modes.forward(values.astype(modes.dtype)) * modes.kept


@SIZES
@pytest.mark.parametrize("precision", ["float32", "float64", "mixed"])
def test_step_in_lanes(benchmark, n, precision):
    benchmark.group = f"{n}³, {'float64' if precision == 'float64' else 'float32'}, one step"
    modes, state = start(n, precision, benchmark)
    sweeps = LaneSweeps(modes, precision)
    params, steps = {"viscosity": np.array([VISCOSITY])}, np.array([1])
    new, _, _ = benchmark(sweeps.advance, state, params, length=0.1 / n, steps=steps)
    assert np.isfinite(new).all()


@SIZES
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_step_of_the_textbook(benchmark, n, precision):
    benchmark.group = f"{n}³, {precision}, one step"
    modes, state = start(n, precision, benchmark)
    textbook, u = Textbook(n, VISCOSITY, 0.1 / n, precision), state[0].copy()
    textbook.step(u)
    ours, _, _ = LaneSweeps(modes, precision).advance(
        state, {"viscosity": np.array([VISCOSITY])}, length=0.1 / n, steps=np.array([1])
    )
    assert np.abs(u - ours[0]).max() < (1e-13 if precision == "float64" else 1e-5) * np.abs(u).max()
    benchmark(textbook.step, u)
