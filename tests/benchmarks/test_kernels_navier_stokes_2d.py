"""The lane kernels per batch of 16 samples, beside the transforms alone of the libraries; divide by 16 for one sample.

`test_right_hand_side` includes packing into lanes and out again; `test_quarter_step` is an IFRK4 step over four,
its updates included, with packing spread over eight steps.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.spec import Grid

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

BATCH, STEPS = 16, 8
SIZES = pytest.mark.parametrize("n", [64, 128, 256])
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "float64", "mixed"])
SINGLES = pytest.mark.parametrize("precision", ["float32", "float64"])
FLOW = NavierStokes2D(initial_state={"kind": "energy_spectrum", "peak": 4, "energy": 0.5, "modes": 16})


def batch(n, precision, count=BATCH):
    modes = Modes(Grid(shape=(n, n), lengths=(2 * np.pi, 2 * np.pi)))
    states = [FLOW.initial(modes.grid, {}, np.random.default_rng(seed))[0] for seed in range(count)]
    state = modes.forward(np.stack(states)) * modes.kept
    box = {"shape": (n, n), "lengths": modes.grid.lengths, "forcing": [], "mean_velocity": (0.0, 0.0)}
    return state.astype(np.complex64 if precision == "float32" else complex), {**box, "precision": precision}


def march(state, box, **how):
    """`STEPS` steps."""
    steps = np.full(len(state), STEPS)
    params = {"viscosity": np.full(len(state), 1e-3), "drag": np.zeros(len(state))}
    return compiled.navier_stokes_2d_advance(state, length=1e-3 * STEPS, steps=steps, **params, **box, **how)


@SIZES
@PRECISIONS
def test_right_hand_side(benchmark, n, precision):
    benchmark.group = (
        f"{n}², {'float64' if precision == 'float64' else 'float32'}, one right-hand side of {BATCH} samples"
    )
    state, box = batch(n, precision)
    out, rate = benchmark(compiled.navier_stokes_2d_nonlinear, state, **box)
    assert out.shape == state.shape
    assert (rate > 0).all()


@SIZES
@PRECISIONS
def test_steps(benchmark, n, precision):
    benchmark.group = f"{n}², {STEPS} steps (4 right-hand sides each) of {BATCH} samples"
    state, box = batch(n, precision)
    new, *_ = benchmark(march, state, box)
    assert np.isfinite(new).all()


@pytest.mark.parametrize("count", [1, 3, 16, 17, 64])
@PRECISIONS
def test_any_number_of_samples(benchmark, count, precision):
    """Divide by the count: a remainder and a single sample should cost little more than their share of a block."""
    benchmark.group = f"64², {precision}, {STEPS} steps"
    state, box = batch(64, precision, count)
    new, *_ = benchmark(march, state, box)
    assert len(new) == count


@SIZES
@SINGLES
def test_transforms_alone_scipy(benchmark, n, precision):
    """A packed complex pair per sample, the least that any pseudo-spectral code must do."""
    benchmark.group = f"{n}², {precision}, one right-hand side of {BATCH} samples"
    packed = np.ones((n, n), np.result_type(precision, np.complex64))

    def pairs():
        for _ in range(BATCH):
            fft.fft2(fft.ifft2(packed))

    benchmark(pairs)


@SIZES
@SINGLES
def test_transforms_alone_pyfftw(benchmark, n, precision):
    """Planned with FFTW_MEASURE; sample by sample, so that the data stay in cache."""
    pyfftw = pytest.importorskip("pyfftw")
    benchmark.group = f"{n}², {precision}, one right-hand side of {BATCH} samples"
    kind = np.result_type(precision, np.complex64).name
    here, there = pyfftw.zeros_aligned((n, n), kind), pyfftw.zeros_aligned((n, n), kind)
    backward = pyfftw.FFTW(here, there, axes=(0, 1), direction="FFTW_BACKWARD")
    forward = pyfftw.FFTW(there, here, axes=(0, 1))

    def pairs():
        for _ in range(BATCH):
            backward.execute()
            forward.execute()

    benchmark(pairs)
