"""The compiled kernels and the NumPy reference are two ways to one answer."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from specs import tiny_spec

from pdebench import solve
from pdebench.problem import Frame
from pdebench.solvers import kernels
from pdebench.solvers.spectral import engine
from pdebench.solvers.spectral.conservative import Burgers1D
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.solvers.spectral.polynomials import Polynomials, U
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid

FLOW = NavierStokes2D(initial_state={"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 4})
GRID = Grid(shape=(32, 32), lengths=(2 * np.pi, 2 * np.pi))
compiled = pytest.mark.skipif(not kernels.available(), reason="built without a C++ compiler")


def last(spec):
    return [event.values for event in solve.trajectories(spec, np.arange(2)) if isinstance(event, Frame)][-1]


@compiled
@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-11), ("mixed", 2e-6), ("float32", 1e-4)])
def test_both_engines_give_the_same_trajectories(precision, tolerance):
    forced = {**tiny_spec().problem.options, "name": "navier_stokes_2d", "forcing": [{"kx": 1, "ky": 2, "sin": 0.5}]}
    look = {"problem": forced, "solver__precision": precision, "parameters__drag__value": 0.1}
    fast, slow = last(tiny_spec(**look)), last(tiny_spec(**look, solver__engine="numpy"))
    assert np.abs(fast - slow).max() < tolerance * np.abs(slow).max()
    assert not np.array_equal(fast, slow)  # two programs, or the test compares one with itself


def test_mixed_precision_keeps_a_float64_state():
    exact = last(tiny_spec(solver__engine="numpy", solver__precision="float64"))
    mixed, single = (last(tiny_spec(solver__engine="numpy", solver__precision=p)) for p in ("mixed", "float32"))
    assert 0 < np.abs(mixed - exact).max() < 0.5 * np.abs(single - exact).max()


@compiled
def test_an_equation_that_was_changed_is_not_given_to_the_kernels():
    class Other(NavierStokes2D):
        def symbol(self, modes, params):
            return 2 * super().symbol(modes, params)

    assert isinstance(engine.fastest(FLOW, GRID, "float64"), engine.LaneEngine)
    other = Other(initial_state=FLOW.initial_state)
    assert isinstance(engine.fastest(other, GRID, "float64"), engine.NumpyEngine)


@compiled
def test_an_equation_that_declares_its_polynomials_is_solved_in_lanes_until_its_sides_change():
    class Slower(Burgers1D):
        def nonlinear(self, modes, state, params):
            out, rate = super().nonlinear(modes, state, params)
            return out / 2, rate

    class Told(Slower):
        def polynomials(self, modes, params):
            return Polynomials([{(U, U): -0.25}], [{(U,): 1.0}], symbol=1j * modes.wavenumbers[0])

    line, sines = Grid(shape=(32,), lengths=(1.0,)), {"kind": "sine_series"}
    for kind, expected in ((Burgers1D, "FamilyEngine"), (Slower, "NumpyEngine"), (Told, "FamilyEngine")):
        for scheme in ("ifrk4", "etdrk4"):
            chosen = engine.fastest(kind(initial_state=sines), line, "float64", scheme)
            assert type(chosen).__name__ == expected, kind


@compiled
def test_a_store_says_which_engine_made_it():
    burgers, flow = Burgers1D(initial_state={"kind": "sine_series"}), FLOW
    lines = [Grid(shape=(n,), lengths=(1.0,)) for n in (32, 33)]
    card = SpectralCard(scheme="ifrk4")
    assert card.provenance_of(burgers, lines[0])["spectral engine"].startswith("lanes")
    assert card.provenance_of(flow, GRID) == card.provenance_of(burgers, lines[0])
    assert card.provenance_of(burgers, lines[1]) == {"spectral engine": "numpy"}
    assert SpectralCard(engine="numpy").provenance_of(flow, GRID) == {"spectral engine": "numpy"}
    assert SpectralCard(scheme="etdrk4").provenance_of(flow, GRID) == {"spectral engine": "numpy"}


def test_what_the_kernels_cannot_do_is_done_by_numpy_and_said(caplog, monkeypatch):
    with caplog.at_level(logging.WARNING):
        seven = engine.fastest(FLOW, GRID.with_shape((28, 28)), "float64")
        assert isinstance(seven, engine.NumpyEngine)
        monkeypatch.setattr(kernels, "available", lambda: False)
        assert isinstance(engine.fastest(FLOW, GRID, "float64"), engine.NumpyEngine)
    assert "28" in caplog.text or not kernels.available()
    assert "compiled kernels are missing" in caplog.text
