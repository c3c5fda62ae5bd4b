"""One right-hand side and one step of the NumPy reference, for 16 samples; divide by 16 for a sample's cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.ifrk4 import advance
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.spec import Grid

BATCH = 16
SIZES = pytest.mark.parametrize("n", [64, 128, 256])
FLOW = NavierStokes2D(initial_state={"kind": "energy_spectrum", "peak": 4, "energy": 0.5, "modes": 16})
PARAMS = {"viscosity": np.full(BATCH, 1e-3), "drag": np.zeros(BATCH)}


def setting(n, dtype):
    grid = Grid(shape=(n, n), lengths=(2 * np.pi, 2 * np.pi))
    modes, rng = Modes(grid, dtype), np.random.default_rng(0)
    states = np.stack([FLOW.initial(grid, {}, rng) for _ in range(BATCH)]).astype(dtype)
    return modes, modes.forward(states) * modes.kept


@SIZES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_hand_side(benchmark, n, dtype):
    benchmark.group = f"{n}², {dtype}, one right-hand side of {BATCH} samples"
    modes, state = setting(n, dtype)
    out, rate = benchmark(FLOW.nonlinear, modes, state, PARAMS)
    assert out.shape == state.shape
    assert (rate > 0).all()


@SIZES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_transforms_alone(benchmark, n, dtype):
    """The packed complex pair, forward and backward: the least that any pseudo-spectral code must do."""
    benchmark.group = f"{n}², {dtype}, one right-hand side of {BATCH} samples"
    packed = np.ones((BATCH, n, n), np.result_type(dtype, np.complex64))
    benchmark(lambda: fft.fft2(fft.ifft2(packed)))


@SIZES
def test_step(benchmark, n):
    benchmark.group = f"{n}², float64, one step of {BATCH} samples"
    modes, state = setting(n, "float64")
    steps = np.ones(BATCH, int)
    out, *_ = benchmark(advance, FLOW, modes, state, PARAMS, length=1e-3, steps=steps)
    assert np.isfinite(out).all()
