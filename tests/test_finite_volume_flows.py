"""Finite volumes against theory of flows: instabilities, turbulence, gravity, waves of water, shocks in a wavy gas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.linalg import eig
from volumes import AIR, OPEN, RING, RK2, WATER, WENO, cells, double_mach, march, order, sound

from pdebench import solve
from pdebench.arrays import Array
from pdebench.certify import certify
from pdebench.check import check
from pdebench.errors import CardError
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.boundary import Boundaries
from pdebench.solvers.finite_volume.engine import NumpyEngine
from pdebench.solvers.finite_volume.gas import CompressibleEuler, CompressibleNavierStokes
from pdebench.solvers.finite_volume.gravity import GravitySystem
from pdebench.solvers.finite_volume.residual import Space
from pdebench.solvers.finite_volume.riemann import flux_called
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.solvers.spectral.navier_stokes_3d import NavierStokes3D
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid, load_spec
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

STILL = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0, "mach": 0, "modes": 1}
WALL = ("reflecting", "reflecting")


def fastest_growth(mach: float, k: float, modes: int = 16) -> tuple[complex, Array, Array]:
    """Rate and shape of the fastest wave exp(ikx) on u = M sin 2πy of a gas with ρ = 1, c = 1.

    Linearised Euler equations in ρ, u, v, p, by Fourier modes |n| ≤ `modes` in y; shapes are those coefficients.
    """
    n = np.arange(-modes, modes + 1)
    size = len(n)
    flow = mach * (np.eye(size, k=-1) - np.eye(size, k=1)) / 2j
    shear = mach * np.pi * (np.eye(size, k=-1) + np.eye(size, k=1))
    one, none, dy = np.eye(size), np.zeros((size, size)), np.diag(2j * np.pi * n)
    matrix = -np.block(
        [
            [1j * k * flow, 1j * k * one, dy, none],
            [none, 1j * k * flow, shear, 1j * k * one],
            [none, none, 1j * k * flow, dy],
            [none, 1j * k * one, dy, 1j * k * flow],
        ]
    )
    rates, shapes = eig(matrix)
    best = int(np.argmax(rates.real))
    return complex(rates[best]), shapes[:, best].reshape(4, size), n


def test_a_shear_layer_grows_as_linear_theory_has_it() -> None:
    """Kelvin–Helmholtz at Mach 0.4 in a ring twice as long as it is high: the eigenmode's rate, to second order."""
    mach, k, errors = 0.4, np.pi, []
    rate, shape, modes = fastest_growth(mach, k)
    assert rate.real > 0.3
    assert fastest_growth(mach, k, 24)[0].real == pytest.approx(rate.real, abs=1e-6)
    for n in (64, 128):
        grid = Grid(shape=(n, 2 * n), lengths=(1.0, 2.0), points="centres")
        y, x = grid.coordinates()
        waves = np.exp(2j * np.pi * np.multiply.outer(y, modes))
        change = 1e-4 * (np.einsum("yxn,fn->fyx", waves, shape) * np.exp(1j * k * x)).real
        base = np.stack([np.ones(grid.shape), mach * np.sin(2 * np.pi * y), 0 * y, np.full(grid.shape, 1 / 1.4)])
        problem = CompressibleEuler(initial_state=STILL, boundaries={"x": RING, "y": RING})
        frames = sound(march(problem, grid, AIR, [0, 0.5, 1.5], states=(base + change)[None], limiter="none"))
        size = [np.abs(np.mean(frame[0, 2] * np.exp(-1j * k * x), axis=1)).max() for frame in frames]
        errors.append(abs(float(np.log(size[2] / size[1]) - rate.real)))
    assert order(errors) == pytest.approx(2.0, abs=0.15), errors


def test_taylor_green_at_low_mach_decays_as_incompressible_flow_does() -> None:
    """3D, Re 10, Mach 0.2, against the spectral solver at the same time: kinetic energy, to second order at least."""
    viscosity, time, lost = 0.1, 0.5, []
    fine = Grid(shape=(16,) * 3, lengths=(2 * np.pi,) * 3)
    truth = NavierStokes3D(initial_state={"kind": "taylor_green"})
    solver = SpectralCard(precision="float64").build(truth, fine, fine, Serial())
    start = truth.initial(fine, {"viscosity": viscosity}, np.random.default_rng(0))
    (end,) = solver.trajectories(start[None], {"viscosity": np.array([viscosity])}, np.array([time]))
    kept = float((end**2).sum() / (start**2).sum())
    for n in (8, 16):
        grid = Grid(shape=(n,) * 3, lengths=(2 * np.pi,) * 3, points="centres")
        z, y, x = grid.coordinates()
        u = np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0 * x
        pressure = 25 / 1.4 + (np.cos(2 * x) + np.cos(2 * y)) * (np.cos(2 * z) + 2) / 16
        problem = CompressibleNavierStokes(initial_state=STILL, boundaries=dict.fromkeys("xyz", RING))
        params = {**AIR, "shear_viscosity": viscosity, "bulk_viscosity": 0.0}
        w = np.stack([np.ones(grid.shape), *u, pressure])[None]
        last = sound(march(problem, grid, params, [time], states=w, limiter="none", flux="roe", **RK2))[0, 0]
        lost.append(abs(float((last[0] * last[1:4] ** 2).sum() / (w[0, 1:4] ** 2).sum()) - kept))
    assert order(lost) > 1.85, (kept, lost)


def test_couette_flow_starts_as_diffusion_has_it() -> None:
    """One wall moves at 0.01: u = U(y − Σ 2/(πn) (−1)ⁿ⁺¹ sin(nπy) exp(−n²π²νt)), to second order."""
    viscosity, time, errors = 0.5, 0.1, []
    params = {**AIR, "shear_viscosity": viscosity, "bulk_viscosity": 0.0}
    walls = ("no_slip", {"wall": (0.01, 0.0)})
    problem = CompressibleNavierStokes(initial_state=STILL, boundaries={"x": RING, "y": walls})
    for n in (8, 16):
        grid = cells(n, 4)
        y, k = grid.axes()[0], np.pi * np.arange(1, 60)
        w = np.stack([np.ones(grid.shape), *(np.zeros(grid.shape),) * 2, np.full(grid.shape, 4.0)])[None]
        found = sound(march(problem, grid, params, [time], states=w, **RK2))[0, 0, 1]
        waves = np.sin(np.multiply.outer(y, k)) * np.exp(-(k**2) * viscosity * time)
        true = 0.01 * (y - (2 / k * (-1) ** np.arange(59) * waves).sum(axis=1))
        errors.append(float(np.abs(found - true[:, None]).max()))
    assert order(errors) > 1.85, errors
    with pytest.raises(ValidationError, match="a wall moves along itself"):
        Boundaries(x=RING, y=("no_slip", {"wall": (0.0, 1.0)}))


def test_waves_in_a_gas_that_a_shock_has_crossed() -> None:
    """Shu & Osher (1989), J. Comput. Phys. 83, 32, example 8, 400 cells: the more accurate keep more of the waves."""

    def run(n: int, **how: Any) -> Array:
        grid = cells(n, length=10.0)
        x = grid.axes()[0]
        left = x < 1
        rho = np.where(left, 3.857143, 1 + 0.2 * np.sin(5 * (x - 5)))
        w = np.stack([rho, np.where(left, 2.629369, 0.0), np.where(left, 10.33333, 1.0)])[None]
        problem = CompressibleEuler(initial_state=STILL, boundaries={"x": OPEN})
        return np.asarray(sound(march(problem, grid, AIR, [1.8], states=w, **how))[0, 0, 0])

    fine = run(3200)
    errors = {}
    for name, how in (("weno", WENO), ("muscl", {}), ("minmod", {"limiter": "minmod"})):
        errors[name] = float(np.abs(run(400, **how) - fine.reshape(400, -1).mean(axis=1)).mean())
    assert errors["weno"] < errors["muscl"] < errors["minmod"], errors


def behind_a_shock(mach: float, gamma: float) -> tuple[Array, float, float, float]:
    """State behind a shock in gas with ρ = p = 1, its speed, and what a small wave of ρ before it leaves there.

    Of a density wave of height one: the height of the wave that the gas carries, and of the sound, in density. The jump
    conditions of Rankine and Hugoniot, linearised; sound that runs with the shock does not start from it
    (McKenzie & Westphal 1968, Phys. Fluids 11, 2350).
    """

    def jump(rho: float, s: float) -> Array:
        square = s**2 * rho / gamma
        dense = rho * (gamma + 1) * square / ((gamma - 1) * square + 2)
        return np.array([dense, s * (1 - rho / dense), 1 + 2 * gamma / (gamma + 1) * (square - 1)])

    s, e = mach * np.sqrt(gamma), 1e-6
    state = jump(1, s)
    by_density, by_speed = (jump(1 + e, s) - jump(1 - e, s)) / (2 * e), (jump(1, s + e) - jump(1, s - e)) / (2 * e)
    sound_speed = np.sqrt(gamma * state[2] / state[0])
    with_it = np.array([0, state[0] * sound_speed, 1])  # δp + ρc δu
    change = by_density - by_speed * (with_it @ by_density) / (with_it @ by_speed)
    heard = change[2] / sound_speed**2
    return state, float(s), float(change[0] - heard), float(heard)


def test_a_shock_makes_of_small_waves_what_linear_theory_says() -> None:
    """Mach 3 into ρ = 1 ± 0.01 sin 5x/2: half the difference of both, beyond the shock, is the linear response."""
    time, k, (state, s, carried, heard) = 1.8, 2.5, behind_a_shock(3.0, 1.4)
    assert state == pytest.approx([3.857143, 2.629369, 10.33333], rel=1e-6)  # as Shu & Osher have it
    speeds = (state[1], state[1] - np.sqrt(1.4 * state[2] / state[0]))
    problem, errors = CompressibleEuler(initial_state=STILL, boundaries={"x": OPEN}), []
    for n in (400, 800):
        grid = cells(n, length=10.0)
        x = grid.axes()[0]
        left, ends = x < 1, []
        for height in (0.01, -0.01):
            rho = np.where(left, state[0], 1 + height * np.sin(k * x))
            w = np.stack([rho, np.where(left, state[1], 0), np.where(left, state[2], 1)])[None]
            ends.append(sound(march(problem, grid, AIR, [time], states=w))[0, 0, 0])
        response = (ends[0] - ends[1]) / 0.02
        # When the shock was where each wave that is now at x began.
        begun = [(x - 1 - v * time) / (s - v) for v in speeds]
        true = sum(a * np.sin(k * (1 + s * t)) for a, t in zip((carried, heard), begun, strict=True))
        inside = (x > 1 + state[1] * time + 0.5) & (x < 1 + s * time - 0.5)
        errors.append(float(np.linalg.norm((response - true)[inside]) / np.linalg.norm(true[inside])))
    assert order(errors) > 0.9, errors  # what a captured shock allows: it lies within a cell


def test_an_oblique_shock_crosses_the_box_unhindered_by_sides_that_it_moves_along() -> None:
    """Between two sides along which the jump moves: it stays a straight front, where it must be, to first order."""
    errors = []
    for n in (15, 30):
        (found,) = double_mach.density(n, (0.1,), wall=False)
        y, x = cells(8 * n, 32 * n).coordinates()  # subcells of a box of 4 by 1
        true = np.where(4 * x < 1 / 6 + (y + 2.0) / np.sqrt(3), 8.0, 1.4)
        errors.append(float(np.abs(found - true.reshape(n, 8, 4 * n, 8).mean(axis=(1, 3))).mean()))
        assert found.min() > 1.4 - 1e-9
    assert order(errors) > 0.85, errors


def test_double_mach_reflection_grows_in_proportion_to_time() -> None:
    """Woodward & Colella's wedge has no length of its own: the stem's foot runs from its edge at one speed.

    Their figures show it at x = 2.8 ± 0.05 at t = 0.2; the front of an unreflected shock would be at 2.48.
    """
    n = 30
    frames = double_mach.density(n, (0.1, 0.2))
    foot = [(np.flatnonzero(rho[0] > 5).max() + 1) / n for rho in frames]
    assert foot[1] - double_mach.EDGE == pytest.approx(2 * (foot[0] - double_mach.EDGE), abs=2 / n)
    assert foot[1] == pytest.approx(2.8, abs=0.05 + 1 / n)
    top = [(np.flatnonzero(rho[-1] > 5).max() + 1) / n for rho in frames]  # the incident shock, undisturbed
    assert top == pytest.approx([1 / 6 + (1 + 20 * t) / np.sqrt(3) for t in (0.1, 0.2)], abs=1.5 / n)


def test_sides_in_parts_are_what_their_parts_are() -> None:
    """Two parts of one kind are that kind, to the bit; parts that differ act where they are."""
    gas = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0.2, "mach": 0.5, "modes": 2}
    whole, parts, half = (
        CompressibleEuler(initial_state=gas, boundaries={"x": OPEN, "y": (low, "reflecting")})
        for low in (
            "reflecting",
            {"parts": [[0.4, "reflecting"], [1.0, "reflecting"]]},
            {"parts": [[0.5, "reflecting"], [1.0, "outflow"]]},
        )
    )
    grid = cells(16, 16)
    start = whole.initial(grid, AIR, np.random.default_rng(0))[None]
    one, two, three = (sound(march(p, grid, AIR, [0.02], states=start, engine="numpy")) for p in (whole, parts, half))
    np.testing.assert_array_equal(one, two)
    changed = np.abs(three - one)[0, 0].max(axis=0) > 1e-12
    assert changed[0, 8:].all()
    assert not changed[:, :4].any()  # two cells a step, two steps: news has not come so far
    assert not changed[8:].any()


@pytest.mark.parametrize(
    ("low", "message"),
    [
        ({"parts": [[1.0, "outflow"]]}, "has two at least"),
        ({"parts": [[0.5, "outflow"], [0.4, "reflecting"]]}, "each ending beyond the one before"),
        ({"parts": [[0.5, "periodic"], [1.0, "reflecting"]]}, "a part of a side cannot be periodic"),
    ],
)
def test_parts_that_contradict_are_refused(low: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Boundaries(x=RING, y=(low, "outflow"))


def test_uneven_sides_that_do_not_fit_are_refused() -> None:
    jump = {"behind": (1, 0, 1), "ahead": (1, 0, 1), "at": 0, "speed": 1}
    with pytest.raises(ValidationError, match="needs a 2D box, not 1D"):
        Boundaries(x=(jump, "outflow"))
    parts = {"parts": [[0.5, "outflow"], [2.0, "reflecting"]]}
    problem = CompressibleEuler(initial_state=STILL, boundaries={"x": OPEN, "y": (parts, "outflow")})
    with pytest.raises(CardError, match="the parts of a side of length 1 end at 2"):
        FiniteVolumeCard().build(problem, cells(8, 8), cells(8, 8), Serial())
    problem = CompressibleEuler(initial_state=STILL, boundaries={"x": OPEN, "y": (jump, "outflow")})
    with pytest.raises(CardError, match="must give density, velocity_x, velocity_y, pressure, 4 numbers"):
        FiniteVolumeCard().build(problem, cells(8, 8), cells(8, 8), Serial())


# Water, smooth


def test_a_simple_wave_of_water_steepens_with_second_order() -> None:
    """u + 2√(gh) carries c = √(gh) along x' = u + c: c(x, t) solves c = f(x − (3c − 2c₀)t), exact until it breaks."""

    def speed(x: Array, t: float) -> Array:
        c = np.ones_like(x)
        for _ in range(200):
            c = 1 + 0.1 * np.sin(2 * np.pi * (x - (3 * c - 2) * t))
        return c

    errors, time = [], 0.2
    for n in (64, 128, 256):
        grid = cells(n)
        points = ((np.arange(8 * n) + 0.5) / (8 * n)).reshape(n, 8)
        start, true = (
            np.stack([(c**2).mean(axis=1), (c**2 * 2 * (c - 1)).mean(axis=1)])
            for c in (speed(points, t) for t in (0.0, time))
        )
        problem = ShallowWater(initial_state={"kind": "dam", "left": (1, 0), "right": (1, 0)}, boundaries={"x": RING})
        w = np.stack([start[0], start[1] / start[0]])[None]
        end = sound(march(problem, grid, WATER, [time], states=w, limiter="none"))[0, 0]
        errors.append(float(np.sqrt(np.mean((end[0] - true[0]) ** 2))))
    assert order(errors) > 1.85, errors


def test_an_eddy_of_water_is_carried_with_second_order() -> None:
    """A round vortex, g h' = u²/r, in a wind, in two dimensions: it moves, and does not change."""
    errors = []
    for n in (40, 80):
        grid = cells(n, n, length=10.0)
        y, x = (c - 5 for c in grid.coordinates())
        turn = 0.3 * np.exp((1 - x**2 - y**2) / 2)
        start = np.stack([1 - turn**2 / 2, 1 - y * turn, 0.5 + x * turn])[None]
        problem = ShallowWater(
            initial_state={"kind": "random_water", "mean": 1.0, "rms": 0, "speed": 0, "modes": 1},
            boundaries={"x": RING, "y": RING},
        )
        end = sound(march(problem, grid, WATER, [2.5], states=start, limiter="none"))[0]
        errors.append(float(np.sqrt(np.mean((end - np.roll(start, (n // 8, n // 4), axis=(-2, -1))) ** 2))))
    assert order(errors) > 1.85, errors


# Gravity


def star(shape: tuple[int, ...], spacing: float, **how: Any) -> tuple[NumpyEngine, dict[str, Array]]:
    params, dimensions = {"heat_capacity_ratio": np.array([1.4])}, len(shape)
    box = Boundaries(**dict.fromkeys("xyz"[:dimensions], WALL))
    system = GravitySystem(params, dimensions, np.dtype(float))
    space = Space((spacing,) * dimensions, box, "muscl", "mc", flux_called("hllc", system))
    return NumpyEngine(lambda p: GravitySystem(p, dimensions, np.dtype(float)), space, "ssp_rk2", 0.4, 10_000), params


@pytest.mark.parametrize("axis", [0, 1])
def test_layers_of_gas_that_balance_gravity_rest(axis: int) -> None:
    """Rough layers of random density, in discrete balance with a rough potential, stay there to round-off."""
    rng, n = np.random.default_rng(0), 24
    rho, potential = rng.uniform(0.5, 2, n), np.cumsum(rng.uniform(0, 0.1, n))
    pressure = 5 - np.concatenate([[0], np.cumsum((rho[1:] + rho[:-1]) / 2 * np.diff(potential))])
    engine, params = star((n, n), 0.1)
    system: Any = engine.system(params)
    lay = (lambda a: np.tile(a[:, None], (1, n))) if axis == 0 else (lambda a: np.tile(a, (n, 1)))
    w = np.stack([lay(rho), np.zeros((n, n)), np.zeros((n, n)), lay(pressure)])[:, None]
    q = system.conserved(w)
    done = engine.advance(q, params, length=1.0, bed=lay(potential)[None, None])
    assert done.steps > 20
    assert np.abs(done.q - q).max() < 1e-12


def test_gas_that_falls_keeps_its_energy_with_that_of_position() -> None:
    engine, params = star((20, 20), 0.05)
    system: Any = engine.system(params)
    y, x = np.meshgrid(*((np.arange(20) + 0.5) / 20,) * 2, indexing="ij")
    w = np.stack([1 + 0.5 * np.sin(5 * x * y), 0.1 * x, 0 * y, 2 + x])[:, None]
    potential = (y + 0.3 * x**2)[None, None]
    q = system.conserved(w)
    end = engine.advance(q, params, length=0.5, bed=potential).q
    total = [float((a[-1] + a[0] * potential[0]).mean()) for a in (q, end)]
    assert np.abs(end - q).max() > 0.1
    assert end[0].mean() == pytest.approx(q[0].mean(), rel=1e-14)
    assert total[1] == pytest.approx(total[0], rel=1e-13)


@pytest.mark.parametrize("limiter", ["mc", "none"])
def test_a_star_without_a_jump_hardly_moves(limiter: str) -> None:
    """The polytrope is hydrostatic, but not of the discrete balance in 2D: what moves is of second order.

    With the card's limiter and without one, although a limiter cuts the maximum in the middle.
    """
    speeds = []
    for n in (32, 64):
        size = {"grid.shape": [n, n], "store.shape": [n, n]}
        spec = load_spec("euler2d_poseidon_rt", {**size, "problem.amplitude": 0.0, "solver.limiter": limiter})
        problem, card = solve.prepare(spec)
        params = {"heat_capacity_ratio": 2.0, "density_jump": 1.0}
        start = problem.initial(spec.grid, params, np.random.default_rng(0))
        solver = card.build(problem, spec.grid, spec.grid, Serial())
        own = {name: np.array([value]) for name, value in params.items()}
        (end,) = solver.trajectories(start[None], own, np.array([0.3]))
        speeds.append(float(np.sqrt(np.mean(end[0, 1:3] ** 2))))
    assert order(speeds) > 1.85, speeds


# The cards, from end to end

SMALL = {"samples.count": 2, "samples.unit": 2, "splits": {"test": [0, 2]}, "times.frames": 3}
FLAT = {"grid.shape": [16, 16], "store.shape": [8, 8]}
CUBE = {"grid.shape": [8, 8, 8], "store.shape": [4, 4, 4]}
CARDS = {
    "cns1d_random": {"grid.shape": [64], "store.shape": [32]},
    "cns1d_shock": {"grid.shape": [64], "store.shape": [32]},
    **dict.fromkeys(["cns2d_random", "cns2d_random_m1", "cns2d_turbulent"], FLAT),
    "cns3d_random": CUBE,
    "cns3d_turbulent": CUBE,
    **dict.fromkeys([f"euler2d_poseidon_{name}" for name in ("rp", "crp", "rpui", "kh", "gauss", "rm", "rt")], FLAT),
    "swe2d_random": FLAT,
}


@pytest.mark.parametrize("name", CARDS)
def test_each_card_is_generated_checked_and_certified(name: str, tmp_path: Any) -> None:
    spec = load_spec(name, SMALL | CARDS[name])
    summary = generate(spec, tmp_path / "s.zarr")
    assert (summary.done, summary.failed) == (2, 0), summary.reasons
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert [finding for finding in check(store) if finding.severity == "error"] == []
    certify(store)
    assert np.isfinite(store.truth_error()).all()


@pytest.mark.parametrize("name", ["euler2d_poseidon_rt", "cns2d_random"])
def test_new_systems_keep_the_solvers_contract(name: str) -> None:
    spec = load_spec(name, SMALL | {"samples.count": 4, "splits": {"test": [0, 4]}} | FLAT)
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec) == []
