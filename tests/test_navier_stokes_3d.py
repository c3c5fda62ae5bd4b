"""3D Navier–Stokes against exact solutions, its order, its invariants and another form of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.parallel import Serial
from pdebench.resample import resample
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes_3d import NavierStokes3D, curl, dissipation
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid

TURN = 2 * np.pi
BELTRAMI = {"kind": "beltrami", "a": 1.0, "b": 0.7, "c": 0.43}
ISOTROPIC = {"kind": "isotropic", "peak": 2.0, "energy": 0.5, "modes": 4}
MEAN = (0.7, -0.4, 0.25)


def cube(n: int, length: float = TURN) -> Grid:
    return Grid(shape=(n,) * 3, lengths=(length,) * 3)


def flow(state: dict[str, Any], **options: Any) -> NavierStokes3D:
    return NavierStokes3D(initial_state=state, **options)


def start(problem: NavierStokes3D, grid: Grid, seed: int = 0) -> Array:
    return problem.initial(grid, {}, np.random.default_rng(seed))


def march(problem: NavierStokes3D, grid: Grid, time: float, viscosity: float, seed: int = 0, **how: Any) -> Array:
    solver = SpectralCard(**{"precision": "float64", **how}).build(problem, grid, grid, Serial())
    state = start(problem, grid, seed)[None]
    (frame,) = solver.trajectories(state, {"viscosity": np.array([viscosity])}, np.array([time]))
    assert not solver.costs()[0].reason
    return frame[0]


def divergence(values: Array, grid: Grid) -> float:
    """Largest |k·û| over the largest |k| |û|."""
    modes = Modes(grid)
    k = np.stack(np.broadcast_arrays(*modes.wavenumbers[::-1]))
    velocity = modes.forward(values)
    return float(np.abs(np.sum(k * velocity, axis=0)).max() / np.abs(k * velocity).max())


# Exact solutions


@pytest.mark.parametrize("engine", ["numpy", "fastest"])
@pytest.mark.parametrize(
    "state", [BELTRAMI, {**BELTRAMI, "modes": 3}, {"kind": "plane_vortices"}, {"kind": "plane_vortices", "modes": 2}]
)
def test_flows_whose_advection_is_a_gradient_decay_exactly(state: dict[str, Any], engine: str) -> None:
    problem, grid = flow(state), cube(16, 3.0)
    found = march(problem, grid, 0.5, 0.05, engine=engine)
    assert np.abs(found - problem.exact(grid, {"viscosity": 0.05}, 0.5)).max() < 1e-13


@pytest.mark.parametrize("engine", ["numpy", "fastest"])
def test_order_in_time_is_four(engine: str) -> None:
    """In a mean wind every product counts: the flow moves through the grid."""
    problem, grid = flow(BELTRAMI, mean_velocity=MEAN), cube(12)
    exact = problem.exact(grid, {"viscosity": 0.05}, 1.0)
    how = {"cfl": 1.35, "engine": engine}
    error = [np.abs(march(problem, grid, 1.0, 0.05, min_steps=n, **how) - exact).max() for n in (16, 32)]
    order = np.log2(error[0] / error[1])
    assert abs(order - 4) < 0.1, f"observed order: {order:.3f}, errors {error}"


def test_error_in_space_falls_faster_than_any_power() -> None:
    """Against 32³, of modes that both grids keep (|n| ≤ 2, 4, 6): the observed order grows with the grid."""
    problem, fine = flow({"kind": "isotropic", "peak": 1.0, "energy": 0.5, "modes": 2}), cube(32)
    how: dict[str, Any] = {"min_steps": 20, "cfl": 1.3}
    best = march(problem, fine, 0.5, 0.1, **how)
    error, sizes = [], np.array([8, 14, 20])
    for n in sizes:
        found = resample(march(problem, cube(n), 0.5, 0.1, **how), cube(n), fine)
        error.append(np.abs(found - resample(resample(best, fine, cube(n)), cube(n), fine)).max())
    orders = np.log(np.array(error[:-1]) / error[1:]) / np.log(sizes[1:] / sizes[:-1])
    assert orders[1] > orders[0] > 3, f"observed orders {orders}, errors {error}"
    assert orders[1] > 7, f"observed orders {orders}, errors {error}"


# Another form of the same equation


def test_the_five_products_give_what_the_rotational_form_gives() -> None:
    """u × ω, projected (nine transforms), computed without aliases on a grid twice as fine."""
    grid, fine = cube(12), cube(24)
    problem = flow({**ISOTROPIC, "modes": 3}, mean_velocity=MEAN)
    modes, wide = Modes(grid), Modes(fine)
    out, rate = problem.nonlinear(modes, modes.forward(start(problem, grid)[None]), {})
    velocity = start(problem, fine)
    vorticity = wide.backward(curl(wide, wide.forward(velocity)))
    lamb = wide.forward(np.cross(velocity, vorticity, axis=0))
    k = np.stack(np.broadcast_arrays(*wide.wavenumbers[::-1]))
    lamb -= k * np.sum(k * lamb, axis=0) * wide.inverse_squared
    expected = Modes(grid).forward(resample(wide.backward(lamb), fine, grid)) * modes.kept
    assert np.abs(out[0] - expected).max() < 1e-14
    u = start(problem, grid)
    assert rate[0] == pytest.approx((np.abs(u).sum(axis=0) / grid.spacing[0]).max())


# Invariants


@pytest.mark.parametrize("engine", ["numpy", "fastest"])
def test_without_viscosity_energy_helicity_and_momentum_stay(engine: str) -> None:
    """The truncated equation keeps both exactly; what is lost is the time error, of order five in Δt here."""
    problem, grid = flow(ISOTROPIC, mean_velocity=MEAN), cube(16)
    before = problem.invariants(start(problem, grid), grid, {})
    lost = []
    for steps in (8, 16):
        after = problem.invariants(march(problem, grid, 0.5, 0.0, min_steps=steps, cfl=1.3, engine=engine), grid, {})
        lost.append([abs(after[name] - before[name]) for name in ("energy", "helicity")])
        assert all(after[f"momentum_{a}"] == pytest.approx(m, abs=1e-14) for a, m in zip("xyz", MEAN, strict=True))
    order = np.log2(np.divide(*lost))
    assert (order > 3.8).all(), f"observed orders of the loss: {order}"
    assert np.max(lost) < 1e-4 * before["energy"]


def test_the_energy_budget_closes() -> None:
    """dE/dt = −2νΩ, by Simpson's rule over two intervals of a flow that transfers energy."""
    problem, grid, viscosity, dt = flow(ISOTROPIC), cube(24), 0.02, 0.05
    solver = SpectralCard(cfl=0.25, precision="float64").build(problem, grid, grid, Serial())
    times = dt * np.arange(5)
    frames = np.stack(
        list(solver.trajectories(start(problem, grid)[None], {"viscosity": np.array([viscosity])}, times))
    )
    modes = Modes(grid)
    lost = dissipation(modes, modes.forward(frames[:, 0]), viscosity)
    energy = problem.invariants(frames[:, 0], grid, {})["energy"]
    simpson = dt / 3 * (lost[0] + 4 * lost[1] + 2 * lost[2] + 4 * lost[3] + lost[4])
    assert energy[0] - energy[-1] == pytest.approx(simpson, rel=1e-5)
    assert (np.diff(energy) < 0).all()


@pytest.mark.parametrize("engine", ["numpy", "fastest"])
@pytest.mark.parametrize("state", [ISOTROPIC, {"kind": "taylor_green"}])
def test_no_divergence_ever(state: dict[str, Any], engine: str) -> None:
    problem, grid = flow(state), cube(16)
    assert divergence(start(problem, grid), grid) < 1e-14
    assert divergence(march(problem, grid, 1.0, 0.01, engine=engine), grid) < 1e-14


def test_taylor_green_keeps_its_symmetries() -> None:
    """u(x) is odd in x and even in y and z; the flow is mirrored at x = 0 and turned by a quarter into itself."""
    found = march(flow({"kind": "taylor_green"}), cube(16), 2.0, 0.05)
    mirror = -np.arange(16) % 16
    np.testing.assert_allclose(found[0][:, :, mirror], -found[0], atol=1e-14)
    np.testing.assert_allclose(found[1][:, :, mirror], found[1], atol=1e-14)
    turned = found[:, :, :, (8 - np.arange(16)) % 16].swapaxes(2, 3)  # (x, y) -> (y, π − x)
    np.testing.assert_allclose(np.abs(turned[1]), np.abs(found[0]), atol=1e-14)
    assert np.abs(found[2]).max() > 0.05  # it is three-dimensional by now


# Initial states


def test_isotropic_energy_is_that_of_its_spectrum_in_every_shell() -> None:
    grid = cube(16, 5.0)
    modes = Modes(grid)
    velocity = modes.forward(start(flow(ISOTROPIC), grid))
    shell = np.round(np.sqrt(sum(n**2 for n in modes.numbers))).astype(int)
    found = np.bincount(shell.ravel(), (modes.weight * np.sum(np.abs(velocity) ** 2, axis=0)).ravel() / 2)
    s = np.arange(5.0)
    expected = s**4 * np.exp(-(s**2) / 2)
    np.testing.assert_allclose(found[:5], 0.5 * expected / expected.sum(), atol=1e-16)
    assert np.abs(found[5:]).max() < 1e-30


@pytest.mark.parametrize("state", [ISOTROPIC, {"kind": "taylor_green"}, BELTRAMI, {"kind": "plane_vortices"}])
def test_initial_states_are_functions_of_x(state: dict[str, Any]) -> None:
    problem = flow(state, mean_velocity=MEAN)
    fine, coarse = start(problem, cube(32), seed=3), start(problem, cube(16), seed=3)
    assert np.abs(fine[:, ::2, ::2, ::2] - coarse).max() < 1e-14


def test_isotropic_favours_no_axis() -> None:
    """Mean over 40 fields of ⟨u²⟩, ⟨v²⟩, ⟨w²⟩: a third each, ± 4 standard errors of what is seen."""
    fields = np.stack([start(flow(ISOTROPIC), cube(13), seed) for seed in range(40)])
    power = (fields**2).mean(axis=(2, 3, 4))
    error = power.std(axis=0) / np.sqrt(len(power))
    assert (np.abs(power.mean(axis=0) - 1 / 3) < 4 * error).all(), power.mean(axis=0)


def test_the_smallest_scale_is_that_of_a_beltrami_flow() -> None:
    """ε = ν k² ⟨|u|²⟩ = ν (A² + B² + C²) for k = 1, so η is known."""
    grid = cube(16)
    found = flow(BELTRAMI).smallest_scale(start(flow(BELTRAMI), grid), grid, {"viscosity": 0.1})
    assert found == pytest.approx((0.1**2 / (1 + 0.49 + 0.43**2)) ** 0.25)
    two = np.stack([start(flow(BELTRAMI), grid)] * 2)
    each = flow(BELTRAMI).smallest_scale(two, grid, {"viscosity": np.array([0.1, 0.2])})
    assert each == pytest.approx(found * np.array([1, 2**0.5]))


# Bad input


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        (Grid(shape=(16, 16), lengths=(TURN, TURN)), "lives in a cube"),
        (Grid(shape=(16, 16, 16), lengths=(TURN, TURN, 3.0)), "lives in a cube"),
        (cube(12), "use at least 13 points"),
    ],
)
def test_boxes_that_cannot_be_are_refused(grid: Grid, said: str) -> None:
    with pytest.raises(CardError, match=said):
        start(flow(ISOTROPIC), grid)


def test_an_odd_number_of_points_is_solved_too() -> None:
    problem, grid = flow(BELTRAMI, mean_velocity=MEAN), cube(15)
    found = march(problem, grid, 0.2, 0.05, min_steps=40)
    assert np.abs(found - problem.exact(grid, {"viscosity": 0.05}, 0.2)).max() < 1e-8


def test_a_state_that_is_not_finite_says_so() -> None:
    problem, grid = flow(ISOTROPIC), cube(16)
    states = np.stack([start(problem, grid, seed) for seed in range(2)])
    states[1, 2, 3, 4, 5] = np.nan
    solver = SpectralCard().build(problem, grid, grid, Serial())
    *_, frame = solver.trajectories(states, {"viscosity": np.full(2, 0.01)}, np.array([0.1]))
    assert np.isfinite(frame[0]).all()
    assert np.isnan(frame[1]).all()
    assert [bool(cost.reason) for cost in solver.costs()] == [False, True]
