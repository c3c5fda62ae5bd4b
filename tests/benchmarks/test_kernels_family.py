"""The family's lane kernels per batch, beside the reference and beside the transforms alone of a library.

Divide by the batch and by `STEPS`. Tables are made before the clock starts, as in a march of many intervals.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import fft

from pdebench.problem import problems
from pdebench.solvers.spectral.engine import FamilyEngine, NumpyEngine
from pdebench.spec import Grid

pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

STEPS = 8
SINES = {"kind": "sine_series"}
EQUATIONS = {
    "burgers_1d": ((1024,), "ifrk4", {"viscosity": 0.05}),
    "korteweg_de_vries": ((1024,), "etdrk4", {"dispersion": 0.1}),
    "kuramoto_sivashinsky_1d": ((1024,), "etdrk4", {"length_scale": 1.0, "time_scale": 1.0}),
    "kuramoto_sivashinsky": ((128, 128), "etdrk4", {"stiffness": 1.0}),
    "burgers_2d": ((128, 128), "ifrk4", {"viscosity": 0.05}),
    "allen_cahn": ((192, 192), "etdrk4", {"gradient_energy": 0.01}),
    "gray_scott": ((128, 128), "ifrk4", {"diffusivity_u": 4e-5, "diffusivity_v": 2e-5, "feed": 0.04, "kill": 0.06}),
}
every = pytest.mark.parametrize("name", EQUATIONS)
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "float64", "mixed"])
SINGLES = pytest.mark.parametrize("precision", ["float32", "float64"])


def batch_of(name):
    return 32 if len(EQUATIONS[name][0]) == 1 else 16


def march(kind, name, precision, count):
    """`STEPS` steps of random states, as a function of nothing."""
    shape, scheme, params = EQUATIONS[name]
    equation = problems[name](initial_state=SINES)
    engine = kind(equation, Grid(shape=shape, lengths=(64.0,) * len(shape)), precision, scheme)
    modes, rng = engine.modes, np.random.default_rng(0)
    noise = modes.forward(rng.standard_normal((count, len(equation.fields), *shape)).astype(modes.dtype))
    state = noise * modes.kept / (1 + modes.squared.astype(modes.dtype)) ** 2
    own = {key: np.full(count, value) for key, value in params.items()}
    return lambda: engine.advance(state, own, length=1e-4 * STEPS, steps=np.full(count, STEPS))


@every
@PRECISIONS
def test_lanes(benchmark, name, precision):
    benchmark.group = f"{name}, {precision}, {STEPS} steps of {batch_of(name)} samples"
    new, _, _ = benchmark(march(FamilyEngine, name, precision, batch_of(name)))
    assert np.isfinite(new).all()


@every
@pytest.mark.parametrize("precision", ["float64"])
def test_numpy(benchmark, name, precision):
    """Its tables are made anew in each call."""
    benchmark.group = f"{name}, {precision}, {STEPS} steps of {batch_of(name)} samples"
    new, _, _ = benchmark(march(NumpyEngine, name, precision, batch_of(name)))
    assert np.isfinite(new).all()


@every
@SINGLES
def test_transforms_alone_pyfftw(benchmark, name, precision):
    """As many real transforms as 𝒩 has inputs and fields, four times a step; planned with FFTW_MEASURE."""
    pyfftw = pytest.importorskip("pyfftw")
    benchmark.group = f"{name}, {precision}, {STEPS} steps of {batch_of(name)} samples"
    there, back, shape = transforms(name)
    values = pyfftw.zeros_aligned(shape, precision)
    kind = np.result_type(precision, np.complex64).name
    modes = pyfftw.zeros_aligned((*shape[:-1], shape[-1] // 2 + 1), kind)
    axes = tuple(range(len(shape)))
    flags = ("FFTW_MEASURE", "FFTW_DESTROY_INPUT")
    backward = pyfftw.FFTW(modes, values, axes=axes, direction="FFTW_BACKWARD", flags=flags)
    forward = pyfftw.FFTW(values, modes, axes=axes)

    def run():
        for _ in range(4 * STEPS * batch_of(name)):
            for _ in range(there):
                backward.execute()
            for _ in range(back):
                forward.execute()

    benchmark(run)


@every
@SINGLES
def test_transforms_alone_scipy(benchmark, name, precision):
    benchmark.group = f"{name}, {precision}, {STEPS} steps of {batch_of(name)} samples"
    there, back, shape = transforms(name)
    kind = np.result_type(precision, np.complex64).name
    modes = np.zeros((there, *shape[:-1], shape[-1] // 2 + 1), kind)
    values = np.zeros((back, *shape), precision)
    axes = tuple(range(1, 1 + len(shape)))

    def run():
        for _ in range(4 * STEPS * batch_of(name)):
            fft.irfftn(modes, s=shape, axes=axes)
            fft.rfftn(values, axes=axes)

    benchmark(run)


def transforms(name):
    """How many real transforms 𝒩 takes to the grid and back, and of what shape."""
    shape, scheme, params = EQUATIONS[name]
    engine = FamilyEngine(
        problems[name](initial_state=SINES), Grid(shape=shape, lengths=(64.0,) * len(shape)), "float64", scheme
    )
    words = engine._lanes.words({key: np.ones(1) for key in params}, 1)
    return (
        len({i for target, factors in words["terms"] if target < words["fields"] for i in factors}),
        words["fields"],
        shape,
    )


@pytest.mark.parametrize("count", [1, 3, 16, 17, 32, 64])
@pytest.mark.parametrize("name", ["kuramoto_sivashinsky_1d", "gray_scott"])
@PRECISIONS
def test_any_number_of_samples(benchmark, name, precision, count):
    """Divide by the count."""
    benchmark.group = f"{name}, {precision}, {STEPS} steps"
    new, _, _ = benchmark(march(FamilyEngine, name, precision, count))
    assert len(new) == count
