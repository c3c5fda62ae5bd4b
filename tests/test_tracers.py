"""Passive tracers in two-dimensional flow: exact solutions, what they share with vorticity, what they keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.parallel import Serial
from pdebench.problem import problem_of, resolved
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid, load_spec

FLOW = {"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 4}
FIELD = {"kind": "random_field", "rms": 1.0, "length": 0.8, "modes": 4}
ENGINES = pytest.mark.parametrize("engine", ["fastest", "numpy"])


def problem(*gradients: tuple[float, float], **flow: Any) -> NavierStokes2D:
    """One tracer c0, c1 … for each mean gradient."""
    tracers = [{"name": f"c{j}", "initial_state": FIELD, "mean_gradient": g} for j, g in enumerate(gradients)]
    return NavierStokes2D(**{"initial_state": FLOW, "tracers": tracers, **flow})


def box(ny: int, nx: int | None = None) -> Grid:
    return Grid(shape=(ny, nx or ny), lengths=(2 * np.pi, 2 * np.pi))


def march(flow: NavierStokes2D, grid: Grid, state: Array, times: Any, params: dict[str, float], **how: Any) -> Any:
    """Frames `(t, field, y, x)` from one state, and the steps taken."""
    solver = SpectralCard(**{"precision": "float64", **how}).build(flow, grid, grid, Serial())
    own = {name: np.array([value]) for name, value in params.items()}
    frames = np.concatenate(list(solver.trajectories(state[None], own, np.asarray(times, float))))
    (cost,) = solver.costs()
    assert not cost.reason
    return frames, cost.steps


@ENGINES
def test_tracers_in_a_mean_wind_are_carried_along_and_decay_with_order_four(engine: str) -> None:
    flow, grid = problem((0.0, 0.0), (0.0, 0.0), mean_velocity=(1.0, -0.5)), box(16)
    y, x = grid.coordinates()
    params = {"viscosity": 0.1, "drag": 0.0, "c0_diffusivity": 0.03, "c1_diffusivity": 0.2}
    waves = [lambda t: np.cos(2 * (x - t) + (y + 0.5 * t)), lambda t: np.sin((x - t) - 3 * (y + 0.5 * t))]
    exact = np.stack([waves[0](1.0) * np.exp(-0.03 * 5), waves[1](1.0) * np.exp(-0.2 * 10)])
    start = np.stack([0 * x, waves[0](0), waves[1](0)])
    errors, steps = [], []
    for cfl in (0.4, 0.2, 0.1):
        frames, taken = march(flow, grid, start, [1.0], params, cfl=cfl, engine=engine)
        errors.append(np.abs(frames[-1, 1:] - exact).max())
        steps.append(taken)
        assert np.abs(frames[-1, 0]).max() == 0, "tracers do nothing to the flow"
    order = np.log(errors[-2] / errors[-1]) / np.log(steps[-1] / steps[-2])
    assert order == pytest.approx(4, abs=0.1), f"observed order in time: {order:.3f}"


@ENGINES
def test_a_tracer_like_the_vortices_only_decays_at_its_own_rate(engine: str) -> None:
    """Along the streamlines of Taylor–Green vortices it is constant, so that nothing moves it."""
    flow, grid = problem((0.0, 0.0), initial_state={"kind": "taylor_green"}), box(16, 24)
    y, x = grid.coordinates()
    pattern = np.cos(x) * np.cos(y)
    params = {"viscosity": 0.05, "drag": 0.1, "c0_diffusivity": 0.3}
    frames, _ = march(flow, grid, np.stack([2 * pattern, 5 * pattern]), [1.0], params, engine=engine)
    assert np.abs(frames[0, 1] - 5 * pattern * np.exp(-0.3 * 2)).max() < 1e-13


@ENGINES
def test_a_shear_flow_stirs_a_mean_gradient_as_it_must(engine: str) -> None:
    """u = (a cos y e^{−νt}, 0): cₜ = κ c_yy − Gₓ u, so c = −Gₓ a cos y (e^{−νt} − e^{−κt})/(κ − ν)."""
    nu, kappa, slope, a, t = 0.2, 0.5, 0.7, 1.3, 1.5
    flow, grid = problem((slope, 0.4)), box(24, 16)
    y, _ = grid.coordinates()
    start = np.stack([a * np.sin(y), np.zeros(grid.shape)])  # ω = −u_y
    params = {"viscosity": nu, "drag": 0.0, "c0_diffusivity": kappa}
    errors, steps = [], []
    for cfl in (0.2, 0.1):
        frames, taken = march(flow, grid, start, [t], params, cfl=cfl, engine=engine)
        exact = -slope * a * np.cos(y) * (np.exp(-nu * t) - np.exp(-kappa * t)) / (kappa - nu)
        errors.append(np.abs(frames[0, 1] - exact).max())
        steps.append(taken)
    order = np.log(errors[0] / errors[1]) / np.log(steps[1] / steps[0])
    assert order == pytest.approx(4, abs=0.1), f"observed order in time: {order:.3f}"
    assert errors[-1] < 1e-7


@ENGINES
def test_a_mean_wind_across_a_mean_gradient_changes_the_mean(engine: str) -> None:
    flow, grid = problem((0.5, 2.0), mean_velocity=(1.0, 0.25)), box(16)
    params = {"viscosity": 0.1, "drag": 0.0, "c0_diffusivity": 0.1}
    frames, _ = march(flow, grid, np.zeros((2, 16, 16)), [0.75], params, engine=engine)
    np.testing.assert_allclose(frames[0, 1], -(0.5 * 1.0 + 2.0 * 0.25) * 0.75, rtol=1e-13)


@ENGINES
def test_a_tracer_that_starts_as_the_vorticity_stays_the_vorticity(engine: str) -> None:
    """The same equation where κ = ν, evaluated from other products."""
    flow, grid = problem((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), mean_velocity=(0.2, 0.1)), box(32)
    params = {"viscosity": 0.01, "drag": 0.0} | {f"c{j}_diffusivity": 0.01 for j in range(3)}
    vorticity = flow.initial(grid, params, np.random.default_rng(0))[0]
    frames, steps = march(flow, grid, np.stack([vorticity] * 4), [1.0], params, engine=engine)
    size = np.abs(frames[0, 0]).max()
    assert np.abs(frames[0, 0] - np.stack([vorticity])).max() > 0.1 * size, "the flow must have moved"
    for j in (1, 2, 3):
        off = np.abs(frames[0, j] - frames[0, 0]).max() / size
        assert off < 1e-14 * 4 * steps, f"tracer {j} is off by {off:.1e}"


def test_tracers_do_not_change_the_flow() -> None:
    grid, params = box(32), {"viscosity": 0.01, "drag": 0.0}
    alone, carrying = problem(), problem((1.0, 0.0))
    both = carrying.initial(grid, params, np.random.default_rng(0))
    expected, _ = march(alone, grid, both[:1], [1.0], params)
    found, _ = march(carrying, grid, both, [1.0], {**params, "c0_diffusivity": 0.01})
    np.testing.assert_array_equal(alone.initial(grid, params, np.random.default_rng(0)), both[:1])
    assert np.abs(found[:, 0] - expected[:, 0]).max() < 1e-13 * np.abs(expected).max()


@ENGINES
def test_the_mean_is_kept_and_the_budget_of_the_variance_closes(engine: str) -> None:
    """d⟨c²⟩/dt /2 = −κ⟨|∇c|²⟩ − G·⟨u c⟩."""
    flow, grid, gradient = problem((0.0, 0.0), (0.8, -0.3)), box(32), (0.8, -0.3)
    params = {"viscosity": 0.02, "drag": 0.1, "c0_diffusivity": 0.03, "c1_diffusivity": 0.01}
    times = np.linspace(0, 1, 101)
    frames, _ = march(flow, grid, flow.initial(grid, params, np.random.default_rng(0)), times, params, engine=engine)
    modes = Modes(grid)
    ky, kx = modes.wavenumbers
    psi = modes.forward(frames[:, 0]) * modes.inverse_squared
    u, v = modes.backward(1j * ky * psi), modes.backward(-1j * kx * psi)
    for j, (gx, gy) in ((1, (0.0, 0.0)), (2, gradient)):
        c, kappa = frames[:, j], params[f"c{j - 1}_diffusivity"]
        assert np.abs(c.mean(axis=(1, 2)) - c[0].mean()).max() < 1e-13
        lost = kappa * np.sum(modes.weight * modes.squared * np.abs(modes.forward(c)) ** 2, axis=(1, 2))
        rate = -lost - ((gx * u + gy * v) * c).mean(axis=(1, 2))
        variance = (c**2).mean(axis=(1, 2)) / 2
        defect = variance[-1] - variance[0] - integrate.simpson(rate, x=times)
        assert abs(defect) < 1e-7 * variance[0], f"tracer {j}: relative defect {defect / variance[0]:.1e}"
    assert flow.laws() == {
        "circulation": "constant",
        "energy": "falling",
        "enstrophy": "falling",
        "c0_mean": "constant",
        "c0_variance": "falling",
    }
    kept = flow.invariants(frames, grid, params)
    assert (np.diff(kept["c0_variance"]) < 0).all()
    assert kept.keys() == flow.laws().keys()


def test_a_tracer_brings_its_field_and_its_parameter() -> None:
    flow = problem((0.0, 0.0))
    assert [field.name for field in flow.fields] == ["vorticity", "c0"]
    assert [parameter.name for parameter in flow.parameters] == ["viscosity", "drag", "c0_diffusivity"]
    spec = load_spec("ns2d_tracer_demo")
    assert {field.name for field in problem_of(spec).fields} > {"vorticity"}


def test_the_smallest_scale_is_that_of_the_enstrophy_that_is_lost() -> None:
    grid, (nu, kappa) = box(16), (0.01, 0.001)
    vortices = {"kind": "taylor_green", "modes": 2}  # ⟨ω²⟩ = 4²/4, k² = 8
    params = {"viscosity": nu, "drag": 0.3, "c0_diffusivity": kappa, "hyperviscosity": 1e-3}
    thick = problem(initial_state=vortices, hyperviscosity_power=2)
    for flow, expected in (
        (problem(initial_state=vortices), (nu**3 / (nu * 8 * 4)) ** (1 / 6)),
        (problem((0.0, 0.0), initial_state=vortices), (kappa**3 / (nu * 8 * 4)) ** (1 / 6)),
        (thick, (1e-3**3 / ((nu * 8 + 1e-3 * 64) * 4)) ** (1 / 12)),
    ):
        states = np.stack([flow.initial(grid, params, np.random.default_rng(s)) for s in range(2)])
        np.testing.assert_allclose(flow.smallest_scale(states, grid, params), expected, rtol=1e-12)
        largest = 5  # (16 − 1) // 3
        found = resolved(flow, states, grid, params, solved=grid)
        np.testing.assert_allclose(found, largest * expected, rtol=1e-12)
        batch = {name: np.array([value, value / 8]) for name, value in params.items()}
        each = [float(flow.smallest_scale(states[i], grid, {k: v[i] for k, v in batch.items()})) for i in range(2)]
        np.testing.assert_allclose(flow.smallest_scale(states, grid, batch), each, rtol=1e-12)
    still, ideal = problem(), {**params, "viscosity": 0.0}
    assert still.smallest_scale(np.zeros((1, 16, 16)), grid, params) > 1e6
    assert still.smallest_scale(states[:, :1], grid, ideal).max() == 0


def test_bad_tracers_are_refused() -> None:
    with pytest.raises(ValueError, match="two fields are called vorticity"):
        NavierStokes2D(initial_state=FLOW, tracers=[{"name": "vorticity", "initial_state": FIELD}])
    with pytest.raises(ValueError, match="pattern"):
        NavierStokes2D(initial_state=FLOW, tracers=[{"name": "a b", "initial_state": FIELD}])
    detailed = NavierStokes2D(initial_state=FLOW, tracers=[{"name": "dye", "initial_state": {**FIELD, "modes": 9}}])
    with pytest.raises(CardError, match="reaches 9: use at least 28 points"):
        detailed.initial(box(24), {}, np.random.default_rng(0))
    with pytest.raises(CardError, match="without tracers"):
        problem((0.0, 0.0), initial_state={"kind": "taylor_green"}).exact(box(16), {}, 0.0)
