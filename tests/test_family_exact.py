"""The periodic family against exact solutions and linear theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from family import LINEAR, SINES, Case, field, march, start
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.problem import problems
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.propagator import PropagatorCard
from pdebench.spec import Grid

STIFF: dict[str, Any] = {"scheme": "etdrk4"}


def equation(name: str, **options: Any) -> Any:
    return problems[name](initial_state=SINES, **options)


def line(points: int, length: float = 2 * np.pi) -> Grid:
    return Grid(shape=(points,), lengths=(length,))


# Burgers: u = −2ν ∇φ/φ with φₜ = ν Δφ (Hopf 1950; Cole 1951)


def test_burgers_is_the_heat_equation_in_disguise() -> None:
    grid, nu, t = line(128), 0.05, 2.0
    (x,) = grid.coordinates()

    def exact(t: float) -> Array:
        first, second = 0.6 * np.exp(-nu * t), 0.2 * np.exp(-4 * nu * t)
        phi = 1 + first * np.cos(x) + second * np.sin(2 * x)
        return -2 * nu * (-first * np.sin(x) + 2 * second * np.cos(2 * x)) / phi

    frames, _ = march(equation("burgers_1d"), grid, exact(0)[None, None], {"viscosity": nu}, [t], cfl=0.05)
    assert np.abs(frames[0, 0, 0] - exact(t)).max() < 1e-10 * np.abs(exact(t)).max()


def test_burgers_in_the_plane_is_too() -> None:
    grid, nu, t = Grid(shape=(96, 128), lengths=(2 * np.pi, 4 * np.pi)), 0.1, 1.0
    y, x = grid.coordinates()

    def exact(t: float) -> Array:
        """φ = 1 + a cos(x/2 + y) + b sin y."""
        a, b, angle = 0.4 * np.exp(-1.25 * nu * t), 0.3 * np.exp(-nu * t), x / 2 + y
        phi = 1 + a * np.cos(angle) + b * np.sin(y)
        return np.stack([a / 2 * np.sin(angle), a * np.sin(angle) - b * np.cos(y)]) * 2 * nu / phi

    frames, _ = march(equation("burgers_2d"), grid, exact(0)[None], {"viscosity": nu}, [t], cfl=0.05)
    assert np.abs(frames[0, 0] - exact(t)).max() < 1e-10 * np.abs(exact(t)).max()


# Korteweg–de Vries


def soliton(grid: Grid, speed: float, delta: float, centre: float) -> Array:
    x = (grid.axes()[0] - centre + grid.lengths[0] / 2) % grid.lengths[0] - grid.lengths[0] / 2
    return 3 * speed / np.cosh(np.sqrt(speed / delta) / 2 * x) ** 2


@pytest.mark.parametrize("scheme", ["ifrk4", "etdrk4"])
def test_a_soliton_keeps_its_shape_and_speed(scheme: str) -> None:
    grid, speed, delta = line(192, 40.0), 2.0, 0.7
    problem, params = equation("korteweg_de_vries"), {"dispersion": delta}
    state = soliton(grid, speed, delta, 10.0)[None, None]
    frames, _ = march(problem, grid, state, params, [0, 30.0], scheme=scheme, cfl=0.05)
    expected = soliton(grid, speed, delta, 10.0 + 30 * speed)  # one and a half times round the box
    assert np.abs(frames[1, 0, 0] - expected).max() < 1e-5 * 3 * speed
    kept = problem.invariants(frames[:, 0], grid, params)
    for name, values in kept.items():
        assert values[1] == pytest.approx(values[0], rel=1e-7), name


def test_a_fast_soliton_overtakes_a_slow_one_and_both_go_on_shifted() -> None:
    """The phase shifts 2/κ log((κ₁+κ₂)/(κ₁−κ₂)) with κ = √(c/δ) (Zabusky & Kruskal 1965; Hirota 1971)."""
    grid, fast, slow, t = line(256, 80.0), 1.5, 0.5, 34.0
    state = soliton(grid, fast, 1.0, 15.0) + soliton(grid, slow, 1.0, 35.0)
    frames, _ = march(
        equation("korteweg_de_vries"), grid, state[None, None], {"dispersion": 1.0}, [t], cfl=0.1, **STIFF
    )
    k1, k2 = np.sqrt(fast), np.sqrt(slow)
    shift = 2 * np.log((k1 + k2) / (k1 - k2))
    expected = soliton(grid, fast, 1.0, 15 + fast * t + shift / k1) + soliton(
        grid, slow, 1.0, 35 + slow * t - shift / k2
    )
    # Their tails overlapped a little at the start.
    assert np.abs(frames[0, 0, 0] - expected).max() < 2e-3 * 3 * fast


# Fronts and walls


def test_a_fisher_front_runs_as_its_formula_says() -> None:
    """u = (1 + e^{z/√6})⁻², z = x − 5t/√6: the one front with a closed form (Ablowitz & Zeppetella 1979)."""
    grid, t = line(1024, 240.0), 8.0
    x = np.abs(grid.axes()[0] - 120)

    def exact(t: float) -> Array:
        return (1 + np.exp((x - 60 - 5 * t / np.sqrt(6)) / np.sqrt(6))) ** -2.0

    params = {"diffusivity": 1.0, "growth": 1.0}
    frames, _ = march(equation("fisher_kpp"), grid, exact(0)[None, None], params, [t], cfl=0.02, **STIFF)
    assert np.abs(frames[0, 0, 0] - exact(t)).max() < 1e-8


def test_a_fisher_front_from_a_seed_runs_at_twice_the_root_of_growth_times_diffusivity() -> None:
    """It creeps up on that speed as 2 − 3/2t in units of r and D (Bramson 1983)."""
    grid, diffusivity, growth = line(1024, 240.0), 2.0, 0.5
    state = np.exp(-((grid.axes()[0] - 120) ** 2) / 8)[None, None]
    params = {"diffusivity": diffusivity, "growth": growth}
    frames, _ = march(equation("fisher_kpp"), grid, state, params, [30.0, 50.0], cfl=0.2, **STIFF)
    width = frames[:, 0, 0].sum(axis=1) * grid.spacing[0] / 2
    early, late = 15.0, 25.0
    travelled = 2 * (late - early) - 1.5 * np.log(late / early)
    assert width[1] - width[0] == pytest.approx(travelled * np.sqrt(diffusivity / growth), rel=0.01)


@pytest.mark.parametrize(("name", "more"), [("allen_cahn", {}), ("cahn_hilliard", {"mobility": 1.0})])
def test_a_wall_is_a_hyperbolic_tangent_and_stands_still(name: str, more: dict[str, float]) -> None:
    grid, gamma = line(384, 20.0), 0.1
    x = grid.axes()[0]
    wall = (np.tanh((x - 5) / np.sqrt(2 * gamma)) - np.tanh((x - 15) / np.sqrt(2 * gamma)) - 1)[None, None]
    params = {"gradient_energy": gamma, **more}
    frames, _ = march(equation(name), grid, wall, params, [1.0], **STIFF)
    assert np.abs(frames[0] - wall).max() < 1e-7


def test_an_even_mixture_of_phases_follows_the_logistic_law() -> None:
    grid, t, u = Grid(shape=(8, 8), lengths=(1.0, 1.0)), 1.5, 0.2
    state = np.full((1, 1, 8, 8), u)
    frames, _ = march(equation("allen_cahn"), grid, state, {"gradient_energy": 0.1}, [t], cfl=0.02)
    assert frames[0] == pytest.approx(u * np.exp(t) / np.sqrt(1 + u**2 * np.expm1(2 * t)), rel=1e-7)


# Linear growth


@pytest.mark.parametrize(
    ("name", "params", "base", "expected"),
    [
        ("kuramoto_sivashinsky_1d", {"length_scale": 1.0, "time_scale": 1.0}, 0.0, lambda k: k**2 - k**4),
        (
            "kuramoto_sivashinsky_1d",
            {"length_scale": 1.1, "time_scale": 0.9},
            0.0,
            lambda k: 0.9 * ((k / 1.1) ** 2 - (k / 1.1) ** 4),
        ),
        ("kuramoto_sivashinsky", {"stiffness": 0.5}, 0.0, lambda k: k**2 - k**4 / 2),
        ("cahn_hilliard", {"mobility": 2.0, "gradient_energy": 0.4}, 0.3, lambda k: 2 * k**2 * (1 - 0.27 - 0.4 * k**2)),
        ("swift_hohenberg", {"forcing": 0.1, "asymmetry": 0.5}, 0.0, lambda k: 0.1 - (1 - k**2) ** 2),
        ("fisher_kpp", {"diffusivity": 0.3, "growth": 0.7}, 1.0, lambda k: -0.7 - 0.3 * k**2),
    ],
)
def test_a_ripple_grows_as_linear_theory_says(name: str, params: Any, base: float, expected: Any) -> None:
    grid, t = line(32, 20.0), 1.0
    x = grid.axes()[0]
    waves = (1, 2, 3, 4)
    ripple = sum(np.cos(2 * np.pi * n * x / 20 + n) for n in waves)
    frames, _ = march(equation(name), grid, (base + 1e-7 * ripple)[None, None], params, [0, t], cfl=0.05, **STIFF)
    size = np.abs(Modes(grid).forward(frames[:, 0, 0]))
    for n in waves:
        found = np.log(size[1, n] / size[0, n]) / t
        assert found == pytest.approx(expected(2 * np.pi * n / 20), abs=1e-5), f"wave {n}"


def test_the_slope_of_a_kuramoto_sivashinsky_front_obeys_the_conservative_form() -> None:
    grid = line(96, 32.0)
    modes = Modes(grid)
    height = start(Case("kuramoto_sivashinsky", (96,), 32.0, {}, 1.0, SINES))

    def slope(values: Array) -> Array:
        return modes.backward(1j * modes.wavenumbers[0] * modes.forward(values))

    how = {"cfl": 0.05, **STIFF}
    front, _ = march(equation("kuramoto_sivashinsky"), grid, height, {"stiffness": 1.0}, [20.0], **how)
    scales = {"length_scale": 1.0, "time_scale": 1.0}
    conservative, _ = march(equation("kuramoto_sivashinsky_1d"), grid, slope(height), scales, [20.0], **how)
    assert np.abs(slope(front[0]) - conservative[0]).max() < 1e-6 * np.abs(conservative).max()
    assert np.abs(conservative).max() > 1.5, "chaos has set in"


def test_scales_of_length_and_time_are_those_of_the_equation() -> None:
    """Solved in a box of s L until τ t without scales, or in L until t with them: one and the same."""
    state = start(Case("kuramoto_sivashinsky_1d", (96,), 32.0, {}, 1.0, SINES))
    problem, how = equation("kuramoto_sivashinsky_1d"), {"cfl": 0.05, **STIFF}
    scaled, _ = march(problem, line(96, 32.0), state, {"length_scale": 1.1, "time_scale": 0.9}, [10.0], **how)
    plain, _ = march(problem, line(96, 35.2), state, {"length_scale": 1.0, "time_scale": 1.0}, [9.0], **how)
    assert np.abs(scaled - plain).max() < 1e-9 * np.abs(plain).max()


# Gray–Scott


def test_a_well_stirred_reactor_follows_its_ordinary_equations() -> None:
    feed, kill, t = 0.04, 0.06, 60.0
    state = np.broadcast_to(np.array([0.5, 0.4])[:, None, None], (2, 8, 8))[None].copy()
    params = {"diffusivity_u": 2e-5, "diffusivity_v": 1e-5, "feed": feed, "kill": kill}
    frames, _ = march(equation("gray_scott"), Grid(shape=(8, 8), lengths=(1.0, 1.0)), state, params, [t], cfl=0.02)

    def rates(_: float, uv: Array) -> list[float]:
        u, v = uv
        return [-u * v * v + feed * (1 - u), u * v * v - (feed + kill) * v]

    expected = solve_ivp(rates, (0, t), [0.5, 0.4], rtol=1e-12, atol=1e-14).y[:, -1]
    assert frames[0, 0, :, 3, 5] == pytest.approx(expected, rel=1e-8)


# Linear equations, exactly


def propagate(case: Case, times: list[float], grid: Grid | None = None) -> Array:
    grid = grid or case.grid
    solver = PropagatorCard().build(case.problem, grid, grid, Serial())
    params = {name: np.full(2, value) for name, value in case.params.items()}
    return np.stack(list(solver.trajectories(start(case, grid, 2), params, np.array(times))))


def test_a_tracer_is_carried_and_spread_exactly_in_one_step() -> None:
    case = LINEAR[1]
    y, x = case.grid.coordinates()
    k, (cx, cy), kappa = 2 * np.pi / 3, (2.0, -1.0), 0.01

    def exact(t: float) -> Array:
        return np.exp(-5 * k**2 * kappa * t) * np.cos(k * (2 * (x - cx * t) + (y - cy * t)))

    frames, taken = march(case.problem, case.grid, exact(0)[None, None], case.params, [3.7])
    assert taken == 1
    assert np.abs(frames[0, 0, 0] - exact(3.7)).max() < 1e-13
    solver = PropagatorCard().build(case.problem, case.grid, case.grid, Serial())
    own = {name: np.array([value]) for name, value in case.params.items()}
    (again,) = solver.trajectories(exact(0)[None, None], own, np.array([3.7]))
    assert np.abs(again - frames[0]).max() < 1e-13


def test_waves_run_both_ways_as_dalembert_says() -> None:
    case = Case("wave", (64,), 3.0, {"speed": 2.0}, 1.0, SINES)
    (k,) = Modes(case.grid).wavenumbers
    modes = Modes(case.grid)
    state, t = start(case, count=2), 0.83

    def moved(by: float) -> Array:
        return modes.backward(modes.forward(state[:, 0]) * np.exp(-1j * k * by))

    (frame,) = propagate(case, [t])
    assert np.abs(frame[:, 0] - (moved(2 * t) + moved(-2 * t)) / 2).max() < 1e-13


def test_the_propagator_of_waves_is_the_exponential_of_their_operator() -> None:
    problem, grid, t = LINEAR[2].problem, Grid(shape=(6, 5), lengths=(2.0, 1.0)), 0.3
    modes = Modes(grid)
    found = problem.propagator(modes, {"speed": np.array([1.5])}, t)[0]
    for where in np.ndindex(modes.squared.shape):
        operator = np.array([[0, 1], [-(1.5**2) * modes.squared[where], 0]])
        assert found[(slice(None), slice(None), *where)] == pytest.approx(expm(operator * t), rel=1e-11, abs=1e-12)


def test_waves_keep_their_energy_to_round_off() -> None:
    case = LINEAR[2]
    frames = propagate(case, [0.0, 1.0, 100.0])
    values = case.problem.invariants(frames, case.grid, case.params)
    assert values["energy"] == pytest.approx(np.broadcast_to(values["energy"][0], (3, 2)), rel=1e-12)
    assert np.abs(values["momentum"]).max() < 1e-13


def test_what_is_not_linear_has_no_propagator() -> None:
    grid = line(32)
    with pytest.raises(Exception, match="has no propagator: use spectral"):
        PropagatorCard().build(equation("burgers_1d"), grid, grid, Serial())
    with pytest.raises(Exception, match="has no symbol"):
        march(problems["wave"](initial_state=field(1.0)), grid, np.zeros((1, 2, 32)), {"speed": 1.0}, [1.0])
