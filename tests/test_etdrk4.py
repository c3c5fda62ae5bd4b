"""Exponential time differencing: its weights, and what it does better than an integrating factor."""

from __future__ import annotations

import numpy as np
import pytest
from family import march
from specs import tiny_spec

from pdebench import solve
from pdebench.problem import problems
from pdebench.solvers.spectral import engine, etdrk4
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.spec import Grid

NODES, GAUSS = np.polynomial.legendre.leggauss(60)
S, W = (NODES + 1) / 2, GAUSS / 2


@pytest.mark.parametrize("kind", ["real", "imaginary", "both"])
def test_weights_are_the_integrals_that_they_stand_for(kind: str) -> None:
    size = np.r_[0.0, np.logspace(-9, 1.7, 60)]
    z = {"real": np.r_[-size, 0.2 * size], "imaginary": 1j * size, "both": (1j - 1) * size}[kind]
    h = 0.1
    w = etdrk4.weights(z / h, h)
    for found, shape in (
        (w.f1, (1 - S) * (1 - 2 * S)),
        (w.f2, S * (1 - S)),
        (w.f3, S * (2 * S - 1)),
    ):
        expected = h * np.exp(np.multiply.outer(z, 1 - S)) @ (W * shape)
        assert np.abs(found - expected).max() < 1e-12 * np.abs(np.exp(z)).max() * h
    half = h * np.exp(np.multiply.outer(z / 2, 1 - S)) @ W / 2
    assert np.abs(w.q - half).max() < 1e-12 * np.abs(np.exp(z)).max() * h
    assert np.isrealobj(w.q) == np.isrealobj(z)


def test_a_steady_state_is_kept_that_an_integrating_factor_loses() -> None:
    grid, gamma = Grid(shape=(384,), lengths=(20.0,)), 0.1
    x = grid.axes()[0]
    wall = (np.tanh((x - 5) / np.sqrt(2 * gamma)) - np.tanh((x - 15) / np.sqrt(2 * gamma)) - 1)[None, None]
    problem = problems["allen_cahn"](initial_state={"kind": "sine_series"})
    drift = {}
    for scheme in ("ifrk4", "etdrk4"):
        frames, _ = march(problem, grid, wall, {"gradient_energy": gamma}, [0.0, 2.0], scheme=scheme, cfl=1.0)
        drift[scheme] = np.abs(frames[1] - frames[0]).max()
    assert drift["etdrk4"] < 0.05 * drift["ifrk4"]


def test_navier_stokes_takes_it_too_and_numpy_serves() -> None:
    spec = tiny_spec(solver__scheme="etdrk4", solver__cfl=0.1)
    both = []
    for one in (spec, tiny_spec(solver__cfl=0.1)):
        both.append([event.values for event in solve.trajectories(one, np.arange(2)) if hasattr(event, "values")][-1])
    assert 0 < np.abs(both[0] - both[1]).max() < 1e-5 * np.abs(both[1]).max()
    flow = NavierStokes2D(initial_state={"kind": "taylor_green"})
    grid = Grid(shape=(16, 16), lengths=(1.0, 1.0))
    assert isinstance(engine.fastest(flow, grid, "float64", "etdrk4"), engine.NumpyEngine)


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(Exception, match="scheme"):
        solve.prepare(tiny_spec(solver__scheme="euler"))


@pytest.mark.parametrize(("degree", "kept"), [(1, 7), (2, 5), (3, 3)])
def test_the_degree_decides_how_many_modes_are_kept(degree: int, kept: int) -> None:
    modes = Modes(Grid(shape=(16,), lengths=(1.0,)), degree=degree)
    assert int(modes.kept.sum()) - 1 == kept
    assert degree * kept - 16 < -kept <= (degree * (kept + 1) - 16) + 1
