"""Adams–Bashforth steps with an integrating factor: order, cost, limit, and where they pay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from family import march

from pdebench.errors import CardError
from pdebench.problem import problems
from pdebench.solvers.spectral import engine, ifab4, ifrk4
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid

FLOW = NavierStokes2D(
    initial_state={"kind": "taylor_green", "modes": 2}, mean_velocity=(1.0, -0.5), hyperviscosity_power=2
)
GRID = Grid(shape=(16, 16), lengths=(2 * np.pi, 2 * np.pi))
PARAMS = {"viscosity": 0.02, "drag": 0.05, "hyperviscosity": 1e-3}


@pytest.mark.parametrize("engine", ["fastest", "numpy"])
def test_vortices_in_a_mean_wind_converge_with_order_four(engine: str) -> None:
    start, exact = FLOW.initial(GRID, {}, np.random.default_rng(0))[None], FLOW.exact(GRID, PARAMS, 1.0)
    errors, steps = [], []
    for count in (40, 80, 160):
        frames, taken = march(FLOW, GRID, start, PARAMS, [1.0], scheme="ifab4", cfl=0.2, min_steps=count, engine=engine)
        errors.append(np.abs(frames[-1, 0] - exact).max())
        steps.append(taken)
    assert steps == [40, 80, 160]
    order = np.log2(errors[-2] / errors[-1])
    assert order == pytest.approx(4, abs=0.15), f"observed order in time: {order:.3f}"


@pytest.mark.parametrize("name", ["burgers_1d", "korteweg_de_vries"])
def test_other_equations_converge_with_order_four(name: str) -> None:
    """Waves that disperse have a complex symbol."""
    params = {"burgers_1d": {"viscosity": 0.1}, "korteweg_de_vries": {"dispersion": 0.01}}[name]
    problem: Any = problems[name](initial_state={"kind": "sine_series", "terms": 3, "modes": 2, "amplitude": 0.5})
    grid = Grid(shape=(32,), lengths=(2 * np.pi,))
    start = problem.initial(grid, params, np.random.default_rng(1))[None]
    exact, _ = march(problem, grid, start, params, [1.0], scheme="etdrk4", min_steps=1000)
    errors = []
    for count in (100, 200):
        frames, _ = march(problem, grid, start, params, [1.0], scheme="ifab4", cfl=0.2, min_steps=count)
        errors.append(np.abs(frames - exact).max())
    order = np.log2(errors[0] / errors[1])
    assert order == pytest.approx(4, abs=0.15), f"observed order in time: {order:.3f}"


def test_a_step_costs_one_evaluation_and_the_first_three_cost_four(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = []
    nonlinear = NavierStokes2D.nonlinear
    monkeypatch.setattr(NavierStokes2D, "nonlinear", lambda *args: evaluated.append(1) or nonlinear(*args))
    start = FLOW.initial(GRID, {}, np.random.default_rng(0))[None]
    how = {"scheme": "ifab4", "engine": "numpy", "cfl": 0.2, "min_steps": 20, "max_steps": 20}
    march(FLOW, GRID, start, PARAMS, [0.2, 0.4], **how)
    assert len(evaluated) == 1 + 2 * (3 * 4 + 17 + 1)


def test_the_limit_is_that_of_the_method_and_is_kept() -> None:
    """On u' = iλu, in the highest wave that a mean wind carries: |λ|Δt = 2π/3 of the Courant number."""
    with pytest.raises(CardError, match=r"cfl: above 0\.205 ifab4 is unstable"):
        problems_card(cfl=0.3)
    assert problems_card(cfl=0.2).limit == ifab4.COURANT_LIMIT < ifrk4.COURANT_LIMIT == SpectralCard().limit
    for factor, grows in ((0.97, False), (1.1, True)):
        y = factor * 0.43 / 24
        roots = np.roots([1, -1 - 55j * y, 59j * y, -37j * y, 9j * y])
        assert (np.abs(roots).max() > 1) == grows


def problems_card(**options: Any) -> SpectralCard:
    """Built as from a card, where what pydantic says becomes a `CardError`."""
    from specs import tiny_spec

    from pdebench import solve

    return solve.prepare(tiny_spec(solver={"name": "spectral", "scheme": "ifab4", **options}))[1]


def test_the_kernels_take_it_for_navier_stokes() -> None:
    pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")
    assert isinstance(engine.fastest(FLOW, GRID, "mixed", "ifab4"), engine.LaneEngine)


def test_it_reaches_an_error_with_fewer_evaluations_where_intervals_are_long() -> None:
    """Decaying turbulence: less than two thirds of what Runge–Kutta takes at 1e-4 (README of the kernels)."""
    flow = NavierStokes2D(initial_state={"kind": "energy_spectrum", "peak": 3, "energy": 0.5, "modes": 10})
    grid = Grid(shape=(48, 48), lengths=(2 * np.pi, 2 * np.pi))
    modes, params = Modes(grid), {"viscosity": np.array([5e-3]), "drag": np.zeros(1)}
    state = modes.forward(flow.initial(grid, {}, np.random.default_rng(0))[None]) * modes.kept

    def end(scheme: Any, steps: int) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):  # too few steps blow up
            return scheme.advance(flow, modes, state, params, length=1.0, steps=np.array([steps]))[0]

    exact = end(ifrk4, 800)
    needed = {}
    for scheme, first, later in ((ifrk4, 0, 4), (ifab4, 9, 1)):
        for steps in np.round(20 * 1.1 ** np.arange(40)).astype(int):
            if np.linalg.norm(end(scheme, steps) - exact) < 1e-4 * np.linalg.norm(exact):
                needed[scheme] = first + later * steps
                break
    assert needed[ifab4] < 0.8 * needed[ifrk4], needed
