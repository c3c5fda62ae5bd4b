"""The spectral solver against exact solutions, conservation laws, symmetries and linear theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import integrate

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.resample import resample
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D, Wave
from pdebench.solvers.spectral.solver import SpectralCard, SpectralSolver
from pdebench.spec import Grid

VORTICES = {"kind": "taylor_green"}
RANDOM = {"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 4}


def box(ny: int, nx: int | None = None, *, ly: float = 2 * np.pi, lx: float = 2 * np.pi) -> Grid:
    return Grid(shape=(ny, nx or ny), lengths=(ly, lx))


def start(problem: NavierStokes2D, grid: Grid, count: int = 1) -> Array:
    return np.stack([problem.initial(grid, {}, np.random.default_rng(seed)) for seed in range(count)])


def march(problem: NavierStokes2D, grid: Grid, states: Array, times: Any, **how: Any) -> tuple[Array, int]:
    """Frames `(t, b, field, y, x)` and the steps taken by the first sample."""
    how = {"viscosity": 0.01, "drag": 0.0, "precision": "float64", **how}
    params = {p.name: np.full(len(states), how.pop(p.name)) for p in problem.parameters}
    solver: SpectralSolver = SpectralCard(**how).build(problem, grid, grid, Serial())
    frames = np.stack(list(solver.trajectories(states, params, np.asarray(times, float))))
    assert not any(cost.reason for cost in solver.costs())
    return frames, solver.costs()[0].steps


def rates(errors: list[float], steps: list[int]) -> Array:
    """Observed orders between neighbours."""
    return -np.diff(np.log(errors)) / np.diff(np.log(steps))


# Exact solutions


def test_taylor_green_vortices_decay_to_round_off() -> None:
    problem, grid = NavierStokes2D(initial_state=VORTICES), box(32, 24, ly=3.0)
    params = {"viscosity": 0.05, "drag": 0.1}
    frames, _ = march(problem, grid, start(problem, grid), [0, 0.5, 2], **params)
    for values, t in zip(frames[:, 0], (0, 0.5, 2), strict=True):
        exact = problem.exact(grid, params, t)
        assert np.abs(values - exact).max() < 1e-13 * np.abs(exact).max()


@pytest.mark.parametrize("engine", ["fastest", "numpy"])
@pytest.mark.parametrize("power", [2, 4, 8])
def test_hyperviscosity_lets_vortices_decay_to_round_off(power: int, engine: str) -> None:
    grid = box(32, 24, ly=3.0)
    problem = NavierStokes2D(initial_state=VORTICES, hyperviscosity_power=power)
    squared = 1 + (2 * np.pi / 3) ** 2
    params = {"viscosity": 0.01, "drag": 0.1, "hyperviscosity": 0.5 / squared**power}
    frames, _ = march(problem, grid, start(problem, grid), [0, 1.5], **params, engine=engine)
    plain = 2 * np.pi / 3 * np.cos(0) + 1  # the amplitude of the vorticity at t = 0
    expected = plain * np.exp(-(0.01 * squared + 0.1 + 0.5) * 1.5)
    assert np.abs(frames[1]).max() == pytest.approx(expected, rel=1e-12)
    assert np.abs(frames[1, 0] - problem.exact(grid, params, 1.5)).max() < 1e-13 * expected


def test_hyperviscosity_takes_energy_at_the_rate_that_it_must() -> None:
    """dE/dt = −2νZ − νₕ Σ k^(2p − 2) |ω̂|², order four in time."""
    problem, grid = NavierStokes2D(initial_state=RANDOM, hyperviscosity_power=3), box(32)
    params = {"viscosity": 0.005, "drag": 0.0, "hyperviscosity": 1e-6}
    times = np.linspace(0, 1, 201)
    frames, _ = march(problem, grid, start(problem, grid), times, **params)
    modes = Modes(grid)
    power = modes.weight * np.abs(modes.forward(frames[:, 0, 0])) ** 2
    lost = np.sum(power * (0.005 + 1e-6 * modes.squared**2), axis=(1, 2))
    hyper = np.sum(power * 1e-6 * modes.squared**2, axis=(1, 2))
    energy = problem.invariants(frames[:, 0], grid, params)["energy"]
    assert integrate.simpson(hyper, x=times) > 1e-4 * energy[0]
    defect = abs(energy[-1] - energy[0] + integrate.simpson(lost, x=times)) / energy[0]
    assert defect < 1e-9, f"relative defect of the budget: {defect:.1e}"
    assert [p.name for p in problem.parameters] == ["viscosity", "drag", "hyperviscosity"]


def test_vortices_in_a_mean_wind_converge_with_order_four() -> None:
    problem = NavierStokes2D(initial_state={"kind": "taylor_green", "modes": 2}, mean_velocity=(1.0, -0.5))
    grid = box(16)
    params = {"viscosity": 0.02, "drag": 0.05}
    exact, errors, steps = problem.exact(grid, params, 1.0), [], []
    for cfl in (0.4, 0.2, 0.1, 0.05):
        frames, taken = march(problem, grid, start(problem, grid), [1.0], cfl=cfl, **params)
        errors.append(np.abs(frames[-1, 0] - exact).max())
        steps.append(taken)
    order = rates(errors, steps)[-1]
    assert order == pytest.approx(4, abs=0.1), f"observed order in time: {order:.3f}"


def test_vortices_in_a_mean_wind_have_no_error_in_space() -> None:
    problem = NavierStokes2D(initial_state=VORTICES, mean_velocity=(1.0, -0.5))
    found = []
    for n in (8, 32):
        # The Courant number follows the spacing, so both take the same steps.
        grid = box(n)
        frames, taken = march(problem, grid, start(problem, grid), [0.5], cfl=n / 80)
        found.append((frames[-1, 0, 0, :: n // 8, :: n // 8], taken))
    (coarse, few), (fine, same) = found
    assert few == same
    assert np.abs(coarse - fine).max() < 1e-14 * few


def steady_flow(viscosity: float, drag: float, grid: Grid) -> tuple[NavierStokes2D, Array]:
    """ω* = Σ aᵢ cos(kᵢ·x) of two waves that do act on each other, and the forcing that holds it.

    u·∇ω* = a₁a₂ (k₁ʸk₂ˣ − k₁ˣk₂ʸ) (|k₁|⁻² − |k₂|⁻²) sin θ₁ sin θ₂.
    """
    scale = 2 * np.pi / np.array(grid.lengths[::-1])
    n1, n2, a1, a2 = np.array([2, 1]), np.array([0, 3]), 1.5, -0.8
    k1, k2 = n1 * scale, n2 * scale
    product = a1 * a2 * (k1[1] * k2[0] - k1[0] * k2[1]) * (1 / (k1 @ k1) - 1 / (k2 @ k2))
    terms = [
        (n1, a1 * (viscosity * (k1 @ k1) + drag)),
        (n2, a2 * (viscosity * (k2 @ k2) + drag)),
        (n1 - n2, product / 2),
        (n1 + n2, -product / 2),
    ]
    y, x = grid.coordinates()
    state = a1 * np.cos(k1[0] * x + k1[1] * y) + a2 * np.cos(k2[0] * x + k2[1] * y)
    waves = tuple(Wave(kx=n[0], ky=n[1], cos=value) for n, value in terms)
    return NavierStokes2D(initial_state=RANDOM, forcing=waves), state[None, None]


def test_manufactured_flow_is_steady_to_round_off() -> None:
    grid, params = box(16, 24, ly=3.0), {"viscosity": np.array([0.02]), "drag": np.array([0.1])}
    problem, state = steady_flow(0.02, 0.1, grid)
    modes = Modes(grid)
    coefficients = modes.forward(state)
    forced, _ = problem.nonlinear(modes, coefficients, params)
    rate = problem.symbol(modes, params) * coefficients + forced
    unforced, _ = NavierStokes2D(initial_state=RANDOM).nonlinear(modes, coefficients, params)
    assert np.abs(unforced).max() > 0.1, "the two waves must act on each other"
    assert np.abs(rate).max() < 1e-14


def test_manufactured_flow_is_held_with_order_four() -> None:
    # An integrating factor does not keep a steady state exactly (Cox & Matthews 2002): its error is one of time.
    grid = box(16)
    problem, state = steady_flow(0.2, 0.1, grid)
    errors, steps = [], []
    for cfl in (0.4, 0.2, 0.1):
        frames, taken = march(problem, grid, state, [1.0], cfl=cfl, viscosity=0.2, drag=0.1)
        errors.append(np.abs(frames[-1] - state).max())
        steps.append(taken)
    order = rates(errors, steps)[-1]
    assert order == pytest.approx(4, abs=0.1), f"observed order in time: {order:.3f}"
    assert errors[-1] < 1e-7


def test_sine_waves_force_as_written() -> None:
    grid, modes = box(12, 16, lx=3.0), Modes(box(12, 16, lx=3.0))
    waves = (Wave(kx=-1, ky=2, cos=0.3, sin=-0.7), Wave(kx=0, ky=-3, sin=0.4))
    problem = NavierStokes2D(initial_state=RANDOM, forcing=waves)
    y, x = grid.coordinates()
    first, second = -2 * np.pi / 3 * x + 2 * y, -3 * y
    forcing, _ = problem.nonlinear(modes, np.zeros((1, 1, 12, 9), complex), {})
    expected = 0.3 * np.cos(first) - 0.7 * np.sin(first) + 0.4 * np.sin(second)
    assert np.abs(modes.backward(forcing)[0, 0] - expected).max() < 1e-14


# Convergence on a flow without a formula


def random_flow() -> tuple[NavierStokes2D, Grid, Array]:
    problem, grid = NavierStokes2D(initial_state=RANDOM, forcing=(Wave(kx=1, ky=2, cos=0.5),)), box(32)
    return problem, grid, start(problem, grid)


def test_time_converges_with_order_four_and_single_precision_has_a_floor() -> None:
    problem, grid, state = random_flow()
    reference, _ = march(problem, grid, state, [1.0], cfl=0.01, viscosity=0.005)
    errors, steps, single = [], [], []
    for cfl in (0.2, 0.1, 0.05):
        frames, taken = march(problem, grid, state, [1.0], cfl=cfl, viscosity=0.005)
        errors.append(np.abs(frames - reference).max())
        steps.append(taken)
        rough, _ = march(problem, grid, state, [1.0], cfl=cfl, viscosity=0.005, precision="float32")
        single.append(np.abs(rough - reference).max() / np.abs(reference).max())
    order = rates(errors, steps)[-1]
    assert order == pytest.approx(4, abs=0.1), f"observed order in time: {order:.3f}"
    assert single[-1] > 0.5 * single[-2], "below the floor smaller steps gain nothing"
    assert 1e-6 < single[-1] < 1e-4, f"error floor of float32: {single[-1]:.1e}"


def test_space_converges_faster_than_any_power() -> None:
    problem, fine = NavierStokes2D(initial_state=RANDOM), box(96)
    # Almost equal steps on all grids leave the error of space alone.
    reference, _ = march(problem, fine, start(problem, fine), [1.0], cfl=0.3, viscosity=0.1)
    sizes, errors = [16, 24, 32, 48, 64], []
    for n in sizes:
        grid = box(n)
        frames, _ = march(problem, grid, start(problem, grid), [1.0], cfl=0.3 * n / 96, viscosity=0.1)
        errors.append(float(np.abs(frames[-1, 0] - resample(reference[-1, 0], fine, grid)).max()))
    found = rates(errors, sizes)
    assert np.all(np.diff(found) > 0), f"observed orders in space must grow: {np.round(found, 1)}"
    assert found[-1] > 10, f"observed order in space at 64 points: {found[-1]:.1f}"


# Conservation


def budget(problem: NavierStokes2D, grid: Grid, omega: Array, *, viscosity: float, drag: float) -> tuple[Array, ...]:
    """E, Z and their rates of change from the equation, `(t,)` each, by quadrature in x."""
    modes = Modes(grid)
    hat = modes.forward(omega)
    psi = modes.backward(hat * modes.inverse_squared)
    palinstrophy = np.mean(omega * modes.backward(hat * modes.squared), axis=(1, 2)) / 2
    still, _ = problem.nonlinear(modes, np.zeros((1, 1, *hat.shape[1:]), complex), {})
    force = modes.backward(still)[0, 0]
    energy, enstrophy = np.mean(psi * omega, axis=(1, 2)) / 2, np.mean(omega**2, axis=(1, 2)) / 2
    losing = -2 * viscosity * enstrophy - 2 * drag * energy + np.mean(force * psi, axis=(1, 2))
    straining = -2 * viscosity * palinstrophy - 2 * drag * enstrophy + np.mean(force * omega, axis=(1, 2))
    return energy, enstrophy, losing, straining


def test_energy_and_enstrophy_budgets_close() -> None:
    problem, grid, state = random_flow()
    params = {"viscosity": 0.02, "drag": 0.1}
    times = np.linspace(0, 1, 401)
    frames, _ = march(problem, grid, state, times, **params)
    energy, enstrophy, losing, straining = budget(problem, grid, frames[:, 0, 0], **params)
    for quantity, rate in ((energy, losing), (enstrophy, straining)):
        change = integrate.simpson(rate, x=times)
        assert abs(change) > 0.01 * quantity[0]
        defect = abs(quantity[-1] - quantity[0] - change) / quantity[0]
        assert defect < 1e-9, f"relative defect of the budget: {defect:.1e}"


def test_inviscid_flow_keeps_energy_and_enstrophy_to_the_order_of_the_step() -> None:
    problem, grid = NavierStokes2D(initial_state=RANDOM), box(24)
    state = start(problem, grid)
    drifts: dict[str, list[float]] = {"energy": [], "enstrophy": []}
    steps = []
    for cfl in (0.5, 0.25, 0.125):
        frames, taken = march(problem, grid, state, [0, 2.0], cfl=cfl, viscosity=0.0)
        steps.append(taken)
        kept = problem.invariants(frames[:, 0], grid, {})
        assert np.abs(kept["circulation"]).max() < 1e-14
        for name, drift in drifts.items():
            drift.append(abs(kept[name][1] / kept[name][0] - 1))
    for name, drift in drifts.items():
        order = rates(drift, steps)[-1]
        # An RK4 step changes a quadratic invariant of a linear skew system by O(Δt⁶): one order more than the state.
        assert order > 4.8, f"observed order of the drift of {name}: {order:.2f}"
        assert drift[-1] < 1e-7


# Symmetries


def test_a_mean_wind_only_carries_the_flow_along() -> None:
    grid = box(32)
    still = NavierStokes2D(initial_state=RANDOM)
    # In t = 1 the wind blows 4 cells along x and 2 down along y.
    hy, hx = grid.spacing
    windy = NavierStokes2D(initial_state=RANDOM, mean_velocity=(4 * hx, -2 * hy))
    state = start(still, grid)
    expected, _ = march(still, grid, state, [1.0], cfl=0.05)
    found, _ = march(windy, grid, state, [1.0], cfl=0.05)
    assert np.abs(found - np.roll(expected, (-2, 4), axis=(-2, -1))).max() < 1e-7 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("move", "sign"),
    [
        (lambda w: np.roll(w, (3, 5), axis=(-2, -1)), 1),
        (lambda w: np.roll(w[..., ::-1], 1, axis=-1), -1),
        (lambda w: np.roll(w.swapaxes(-1, -2)[..., ::-1], 1, axis=-1), 1),
    ],
    ids=["shift", "reflection", "quarter turn"],
)
def test_the_flow_does_not_know_where_it_is(move: Any, sign: int) -> None:
    problem, grid = NavierStokes2D(initial_state=RANDOM), box(32)
    state = start(problem, grid)
    moved = sign * move(state)
    here, _ = march(problem, grid, state, [0.5])
    there, _ = march(problem, grid, moved, [0.5])
    assert np.abs(there - sign * move(here)).max() < 1e-12 * np.abs(here).max()


# Linear theory


def growth_rate(reynolds: float, slope: float, waves: int = 20) -> tuple[float, Array]:
    """Largest growth rate of ω = e^{iαx} Σ wₙ e^{iny} on u = sin y with ν = 1/Re, and its wₙ, |n| ≤ `waves`.

    ωₜ = −sin y ∂ₓ(ω − ψ) + ν Δω with −Δψ = ω; a long wave grows where Re > √2
    (Meshalkin & Sinai 1961, J. Appl. Math. Mech. 25, 1700).
    """
    n = np.arange(-waves, waves + 1)
    squared = slope**2 + n**2
    # sin y = (e^{iy} − e^{−iy}) / 2i, and e^{iy} moves wₙ to n + 1.
    advected = np.diag(1 - 1 / squared)
    shift = np.eye(len(n), k=-1) - np.eye(len(n), k=1)
    operator = -1j * slope * (shift / 2j) @ advected - np.diag(squared) / reynolds
    values, vectors = np.linalg.eig(operator)
    best = np.argmax(values.real)
    return float(values[best].real), vectors[:, best]


@pytest.mark.parametrize("reynolds", [1.3, 1.5, 4.0])
def test_long_waves_on_kolmogorov_flow_grow_above_the_square_root_of_two(reynolds: float) -> None:
    slope, viscosity = 0.1, 1 / reynolds
    grid = box(24, 8, lx=2 * np.pi / slope)
    problem = NavierStokes2D(initial_state=RANDOM, forcing=(Wave(kx=0, ky=1, cos=-viscosity),))
    expected, vector = growth_rate(reynolds, slope)
    assert (expected > 0) == (reynolds > np.sqrt(2))
    y, x = grid.coordinates()
    n = np.arange(len(vector)) - len(vector) // 2
    ripple = sum((w * np.exp(1j * (slope * x + m * y))).real for w, m in zip(vector, n, strict=True))
    state = (-np.cos(y) + 1e-6 * ripple)[None, None]
    # The cells are long in x, so the Courant number alone would allow steps that viscosity and forcing do not.
    frames, _ = march(problem, grid, state, [0, 20.0], viscosity=viscosity, cfl=0.01)
    size = np.abs(Modes(grid).forward(frames[:, 0, 0])[:, :, 1]).max(axis=1)
    found = np.log(size[1] / size[0]) / 20
    assert found == pytest.approx(expected, rel=1e-3), f"growth rate {found:.6f}, linear theory {expected:.6f}"
