"""Finite volumes: what is kept, what members may learn of each other, what is refused, and how a run fails."""

from __future__ import annotations

import logging
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from pydantic import ValidationError
from volumes import AIR, OPEN, RING, RK2, WATER, WENO, cells, march, sound

from pdebench import solve
from pdebench.certify import certify, verify
from pdebench.check import check
from pdebench.errors import CardError, SolverError
from pdebench.generate import generate
from pdebench.layout import FAILED
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume import hancock
from pdebench.solvers.finite_volume.boundary import Boundaries, fill, padded
from pdebench.solvers.finite_volume.engine import NumpyEngine
from pdebench.solvers.finite_volume.gas import CompressibleEuler, CompressibleNavierStokes
from pdebench.solvers.finite_volume.laws import InviscidBurgers
from pdebench.solvers.finite_volume.reconstruction import LIMITERS
from pdebench.solvers.finite_volume.residual import Space
from pdebench.solvers.finite_volume.riemann import FluxName, flux_called
from pdebench.solvers.finite_volume.shallow_water import ShallowWaterSystem
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.solvers.finite_volume.waves import random_waves
from pdebench.spec import Grid, load_spec
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

WALL, STILL = ("reflecting", "reflecting"), ("no_slip", "no_slip")
VISCOUS = {**AIR, "shear_viscosity": 0.01, "bulk_viscosity": 0.02}
GAS = {
    "kind": "random_gas",
    "density": (0.5, 2),
    "pressure": (0.5, 2),
    "variation": 0.2,
    "mach": 0.5,
    "modes": 3,
}
SOD = {"kind": "tube", "left": (1, 0, 1), "right": (0.125, 0, 0.1)}
SEA = {"kind": "random_water", "mean": 1.0, "rms": 0.2, "speed": 0.3, "modes": 3}


def sides(pair: Any, dimensions: int) -> dict[str, Any]:
    return dict.fromkeys("xyz"[:dimensions], pair)


# What is kept


@pytest.mark.parametrize(
    ("dimensions", "how"),
    [
        *((1, how) for how in ({}, RK2, WENO, {**RK2, "flux": "roe"}, {"flux": "rusanov", "limiter": "minmod"})),
        (2, {}),
        (2, RK2),
        (2, {"engine": "numpy"}),
        (3, {}),
    ],
)
@pytest.mark.parametrize("pair", [RING, WALL, STILL])
def test_a_closed_box_loses_nothing(dimensions: int, pair: Any, how: dict[str, Any]) -> None:
    """Mass and energy to round-off, momentum too where there is no wall to push."""
    grid, box = cells(*(32, 12, 6)[:dimensions]), Boundaries(**sides(pair, dimensions))
    problems: list[tuple[Any, dict[str, float]]] = [(CompressibleEuler(initial_state=GAS, boundaries=box), AIR)]
    if dimensions < 3:
        problems.append((ShallowWater(initial_state=SEA, boundaries=box), WATER))
    for problem, params in problems:
        first, last = sound(march(problem, grid, params, [0, 0.3], **how))[:, 0]
        before, after = (problem.invariants(w, grid, params) for w in (first, last))
        for name, law in problem.laws().items():
            if law == "constant":
                assert after[name] == pytest.approx(before[name], rel=1e-13, abs=1e-13), name


def test_viscous_flow_keeps_mass_momentum_and_energy() -> None:
    grid, box = cells(12, 16), Boundaries(x=RING, y=RING)
    problem = CompressibleNavierStokes(initial_state=GAS, boundaries=box)
    first, last = sound(march(problem, grid, VISCOUS, [0, 0.2], **RK2))[:, 0]
    before, after = (problem.invariants(w, grid, VISCOUS) for w in (first, last))
    assert set(problem.laws()) == set(before)
    for name in before:
        assert after[name] == pytest.approx(before[name], abs=1e-13), name


@pytest.mark.parametrize("how", [RK2, {**RK2, "flux": "hll"}, {**RK2, "reconstruction": "constant"}])
def test_round_water_stays_as_symmetric_as_the_square(how: dict[str, Any]) -> None:
    state = {"kind": "radial_dam", "inside": 2, "outside": 1, "radius": (0.5, 0.5), "subcells": 4}
    problem = ShallowWater(initial_state=state, boundaries=sides(OPEN, 2))
    h, u, v = sound(march(problem, cells(40, 40, length=5.0), WATER, [0.8], **how))[0, 0]
    for other in (h[::-1], h[:, ::-1], h.T):
        assert np.abs(h - other).max() < 1e-13
    assert np.abs(u - v.T).max() < 1e-13
    assert np.abs(u + u[:, ::-1]).max() < 1e-13


def test_a_round_dam_break_tends_to_the_radial_solution() -> None:
    """Against r-dependent shallow water on a fine line: (rh)ₜ + (rhu)ᵣ = 0, by first-order steps of its own."""
    n, time = 4000, 0.6
    dr = 2.5 / n
    r = (np.arange(n) + 0.5) * dr
    h, m, now = np.where(r < 0.5, 2.0, 1.0), np.zeros(n), 0.0
    while now < time:
        u, c = m / h, np.sqrt(h)
        dt = min(0.9 * dr / float((np.abs(u) + c).max()), time - now)
        q = np.stack([h, m])
        f = np.stack([m, m * u + h**2 / 2])
        q, f = (np.concatenate([a[:, :1] * [[1], [s]], a, a[:, -1:]], axis=1) for a, s in ((q, -1), (f, 1)))
        f[0, 0] = -f[0, 1]
        top = np.concatenate([(np.abs(u) + c)[:1], np.abs(u) + c, (np.abs(u) + c)[-1:]])
        flux = (f[:, :-1] + f[:, 1:] - np.maximum(top[:-1], top[1:]) * (q[:, 1:] - q[:, :-1])) / 2
        change = np.diff(flux, axis=1) / dr + np.stack([m, m * u]) / r
        h, m, now = h - dt * change[0], m - dt * change[1], now + dt
    state = {"kind": "radial_dam", "inside": 2, "outside": 1, "radius": (0.5, 0.5), "subcells": 4}
    problem, errors = ShallowWater(initial_state=state, boundaries=sides(OPEN, 2)), []
    for count in (32, 64, 128):
        grid = cells(count, count, length=5.0)
        found = sound(march(problem, grid, WATER, [time]))[0, 0, 0]
        y, x = grid.coordinates()
        true = np.interp(np.hypot(x - 2.5, y - 2.5), r, h)
        errors.append(float(np.abs(found - true).mean()))
    assert np.log2(errors[1] / errors[2]) > 0.85, errors


@pytest.mark.parametrize("engine", ["fastest", "numpy"])
@pytest.mark.parametrize("wall", [WALL, STILL])
def test_a_wall_reflects(wall: Any, engine: str) -> None:
    """Water in half a symmetric box, with a wall in the middle, is half of the water in the whole."""
    whole = ShallowWater(initial_state=SEA, boundaries={"x": OPEN})
    half = ShallowWater(initial_state=SEA, boundaries={"x": (wall[0], "outflow")})
    x = cells(64, length=2.0).axes()[0] - 1
    w = np.stack([1 + 0.3 * np.exp(-20 * x**2), np.sin(np.pi * x) / 10])[None]
    both = sound(march(whole, cells(64, length=2.0), WATER, [0.5], states=w, engine=engine))[0, 0]
    right = sound(march(half, cells(32), WATER, [0.5], states=w[..., 32:], engine=engine))[0, 0]
    assert np.abs(both[:, 32:] - right).max() < 1e-13


def test_friction_slows_a_stream_as_manning_has_it() -> None:
    """A uniform stream between periodic ends: u decays as u₀/(1 + g n² u₀ t/h^(4/3)), exactly, in any steps."""
    params = {"gravity": 9.81, "roughness": 0.05}
    problem = ShallowWater(initial_state=SEA, boundaries={"x": RING})
    w = np.stack([np.full(8, 2.0), np.full(8, 3.0)])[None]
    end = sound(march(problem, cells(8, length=100.0), params, [50.0], states=w))[0, 0]
    assert end[1] == pytest.approx(3 / (1 + 9.81 * 0.05**2 * 3 * 50 / 2 ** (4 / 3)), rel=1e-12)
    assert end[0] == pytest.approx(2.0)


def test_a_film_of_water_that_numbers_hardly_tell_rubs_no_holes() -> None:
    """No depth is dry: h^(−4/3) has no number there, and what stands has nothing to lose."""
    params = {"gravity": 9.81, "roughness": 0.05}
    problem, film = ShallowWater(initial_state=SEA, boundaries={"x": RING}, dry=0.0), np.zeros((1, 2, 8))
    film[:, 0] = 1e-300
    for how in ({}, {"engine": "numpy"}, RK2):
        np.testing.assert_array_equal(sound(march(problem, cells(8), params, [1.0], states=film, **how))[0], film)


# Uneven beds


def lake(dimensions: int, flux: FluxName = "hllc", **how: Any) -> tuple[NumpyEngine, dict[str, Any]]:
    params = {"gravity": np.array([9.81])}
    box = Boundaries(**sides(WALL, dimensions))
    system = ShallowWaterSystem(params, dimensions, np.dtype(float), dry=1e-6)
    space = Space((0.1,) * dimensions, box, "muscl", "mc", flux_called(flux, system))
    return NumpyEngine(
        lambda p: ShallowWaterSystem(p, dimensions, np.dtype(float), 1e-6), space, "ssp_rk2", 0.4, 10_000
    ), params


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("level", [3.0, 0.5])
@pytest.mark.parametrize("flux", ["hllc", "hll", "rusanov"])
def test_a_lake_at_rest_stays_at_rest(dimensions: int, level: float, flux: FluxName) -> None:
    """Over a rough bed, with dry islands where the level is low."""
    engine, params = lake(dimensions, flux)
    bed = np.random.default_rng(0).uniform(0, 1, (1, 1, *(16,) * dimensions))
    depth = np.maximum(level - bed, 0)
    assert (depth == 0).any() == (level < 1)
    q = np.concatenate([depth, *(np.zeros_like(depth),) * dimensions])
    done = engine.advance(q, params, length=0.5, bed=bed)
    assert done.time == 0.5
    assert done.steps > 25
    assert np.abs(done.q - q).max() < 1e-13


def test_thackers_basin_sloshes_with_its_period() -> None:
    """A plane surface in a parabolic bowl (Thacker 1981, J. Fluid Mech. 107, 499): exact, wet and dry."""
    errors = []
    for n in (30, 60, 120):
        x = (np.arange(n) + 0.5) * 4 / n - 2
        omega, slope = np.sqrt(2 * 9.81), 0.5
        system = {"gravity": np.array([9.81])}
        bowl = (x**2 - 1)[None, None]
        period = 2 * np.pi / omega
        engine, _ = lake(1)
        space = Space((4 / n,), engine.space.boundaries, "muscl", "minmod", engine.space.flux)
        engine = NumpyEngine(engine.system, space, "ssp_rk2", 0.4, 100_000)
        surface = slope * (2 * x - slope)  # h = 1 − (x − a)², at rest at its turning point
        depth = np.maximum(surface - bowl, 0)
        done = engine.advance(np.concatenate([depth, 0 * depth]), system, length=period, bed=bowl)
        assert done.time == period
        assert done.q[0].min() >= 0
        assert done.q[0].sum() == pytest.approx(depth.sum(), rel=1e-12)
        errors.append(float(np.abs(done.q[0] - depth).mean()))
    assert np.log2(errors[1] / errors[2]) > 0.85, errors


# Members


@pytest.mark.parametrize("how", [{}, {"engine": "numpy"}, RK2, {**WENO, "precision": "float32"}])
def test_a_member_knows_nothing_of_the_others(how: dict[str, Any]) -> None:
    problem, grid = CompressibleEuler(initial_state=GAS, boundaries=sides(RING, 2)), cells(12, 10)
    states = np.stack([problem.initial(grid, AIR, np.random.default_rng(i)) for i in range(5)])
    together = march(problem, grid, AIR, [0.1, 0.3], states=states, **how)
    for i in (0, 4):
        alone = march(problem, grid, AIR, [0.1, 0.3], states=states[i : i + 1], **how)
        np.testing.assert_array_equal(alone.frames[:, 0], together.frames[:, i])
        assert alone.solver.costs()[0] == together.solver.costs()[i]
    steps = {cost.steps for cost in together.solver.costs()}
    assert len(steps) > 1, "each has steps of its own"


@pytest.mark.parametrize("how", [{}, {"engine": "numpy"}, RK2])
def test_bad_initial_states_are_refused_by_name_and_leave_the_others_alone(how: dict[str, Any]) -> None:
    problem, grid = CompressibleEuler(initial_state=GAS, boundaries=sides(RING, 2)), cells(8, 8)
    states = np.stack([problem.initial(grid, AIR, np.random.default_rng(i)) for i in range(4)])
    expected = march(problem, grid, AIR, [0.0, 0.2], states=states, **how).frames
    states[0, 0, 2, 3] = -0.1
    states[1, 3, 0, 5] = 0.0
    states[2, 1, 0, 0] = np.nan
    frames, solver = march(problem, grid, AIR, [0.0, 0.2], states=states, **how)
    reasons = [cost.reason for cost in solver.costs()]
    assert reasons[0] == "initially density is -0.1 in cell (2, 3) of (8, 8)"
    assert reasons[1] == "initially pressure is 0 in cell (0, 5) of (8, 8)"
    assert "not finite" in reasons[2]
    assert not reasons[3]
    assert np.isnan(frames[:, :3]).all()
    np.testing.assert_array_equal(frames[:, 3], expected[:, 3])


@pytest.mark.parametrize("how", [{}, {"engine": "numpy"}])
def test_a_run_that_leaves_physics_says_when_and_where(how: dict[str, Any]) -> None:
    """Two streams that part faster than gas can follow, at a Courant number without reserve and unlimited slopes."""
    state = {"kind": "tube", "left": (1, -40, 0.4), "right": (1, 40, 0.4)}
    problem, grid = CompressibleEuler(initial_state=state, boundaries={"x": OPEN}), cells(64)
    frames, solver = march(problem, grid, AIR, [0, 0.002, 0.01, 0.02], cfl=1.0, limiter="none", flux="hll", **how)
    (cost,) = solver.costs()
    assert cost.reason.startswith("at t = 0.0"), cost
    assert "in cell (" in cost.reason
    assert np.isnan(frames[-1]).all()
    assert np.isfinite(frames[0]).all()


@pytest.mark.parametrize("how", [{}, {"engine": "numpy"}, RK2])
def test_too_many_steps_are_a_reason(how: dict[str, Any]) -> None:
    problem = CompressibleEuler(initial_state=GAS, boundaries=sides(RING, 1))
    frames, solver = march(problem, cells(64), AIR, [0, 1.0], max_steps=5, **how)
    assert "more than 5 steps" in solver.costs()[0].reason
    assert solver.costs()[0].steps == 5
    assert np.isnan(frames[1]).all()


def test_positivity_is_helped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Gas that is torn apart nearly to vacuum, by WENO, which knows no bounds of its own."""
    state = {"kind": "tube", "left": (1, -4, 0.4), "right": (1, 4, 0.4)}
    problem = CompressibleEuler(initial_state=state, boundaries={"x": OPEN})
    with caplog.at_level(logging.INFO):
        frames, solver = march(problem, cells(200), AIR, [0.05], **WENO)
    assert "positivity was helped" in caplog.text
    assert not solver.costs()[0].reason
    assert frames[:, :, [0, 2]].min() > 0
    assert solver.limited[0] > 0
    smooth = CompressibleEuler(initial_state=GAS, boundaries={"x": RING})
    assert march(smooth, cells(64), AIR, [0.1], **WENO).solver.limited[0] == 0


@pytest.mark.parametrize("how", [{}, {"engine": "numpy"}])
def test_the_store_knows_how_often_positivity_was_helped_and_check_says_so(tmp_path: Path, how: dict[str, Any]) -> None:
    """Gas torn apart, in the compiled and in the NumPy steps: counted per member, through the store to `check`."""
    torn: dict[str, Any] = {
        "problem.initial_state": {"kind": "tube", "left": [1, -8, 0.4], "right": [1, 8, 0.4]},
        "parameters.heat_capacity_ratio": {"value": 1.4},
        "grid": {"shape": [100], "lengths": [1.0], "points": "centres"},
        "store.shape": [100],
        "times": {"start": 0.0, "step": 0.01, "frames": 4},
        "samples": {"count": 1, "seed": 1, "unit": 1},
        "splits": {"test": [0, 1]},
        **{f"solver.{name}": value for name, value in how.items()},
    }
    spec = load_spec("cns1d_shock", torn)
    generate(spec, tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    (count,) = store.effort()["limited"]
    assert count > 0
    with xarray.open_zarr(tmp_path / "s.zarr") as seen:
        assert seen["limited"].values.tolist() == [count]
    said = [f for f in check(store) if f.check == "limited"]
    assert [f.severity for f in said] == ["warning" if count > 1e-3 * store.effort()["steps"][0] * 100 else "ok"]
    assert f"kept physical by force {count} times in {store.effort()['steps'][0]} steps" in said[0].message


def test_a_member_that_leaves_physics_is_kept_with_its_reason_and_the_campaign_goes_on(tmp_path: Path) -> None:
    """Members 1 and 3 start with streams that part faster than gas can follow, without limits; the others do not."""
    hard: dict[str, Any] = {
        "problem.initial_state": {
            "kind": "random_tube",
            "density": [1.0, 1.0],
            "velocity": [-60.0, 60.0],
            "pressure": [0.4, 0.4],
            "subcells": 1,
        },
        "grid": {"shape": [64], "lengths": [2.0], "points": "centres"},
        "store.shape": [64],
        "times": {"start": 0.0, "step": 0.01, "frames": 3},
        "samples": {"count": 12, "seed": 3, "unit": 2},
        "splits": {"test": [0, 12]},
        "solver.cfl": 1.0,
        "solver.limiter": "none",
    }
    summary = generate(load_spec("cns1d_shock", hard), tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert 0 < summary.failed < 12
    assert summary.done + summary.failed == 12
    for status, why in zip(store.status(), store.reasons(), strict=True):
        told = re.fullmatch(r"at t = 0\.0[0-9.e-]* (density|pressure) is \S+ in cell \(\d+,\) of \(64,\)", why)
        assert bool(told) == (status == FAILED), why


@pytest.mark.parametrize("cfl", [0.8, 1.0])
def test_half_a_step_that_was_left_keeps_the_courant_number(cfl: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """x goes half a step of before and half of now: by the waves as the step begins, which Sod's tube makes faster."""
    problem, grid = CompressibleEuler(initial_state=SOD, boundaries=sides(OPEN, 2)), cells(4, 100)
    rates, numbers, measure, sweep = [], [], NumpyEngine.rate, hancock.sweep

    def rate(*given: Any) -> Any:
        rates.append(measure(*given))
        return rates[-1]

    def counted(system: Any, q: Any, dt: Any, *rest: Any) -> Any:
        numbers.append(float((dt * rates[-1]).max()))
        return sweep(system, q, dt, *rest)

    monkeypatch.setattr(NumpyEngine, "rate", rate)
    monkeypatch.setattr(hancock, "sweep", counted)
    sound(march(problem, grid, AIR, [0.05], engine="numpy", cfl=cfl))
    growth = np.ravel(rates)[1:] / np.ravel(rates)[:-1]
    assert growth.max() > 1.2
    assert max(numbers) <= cfl * (1 + 1e-12)


# The parts


@pytest.mark.parametrize("limiter", ["minmod", "van_leer", "mc"])
def test_limited_slopes_overshoot_no_neighbour(limiter: str) -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 1000))
    slope = LIMITERS[limiter](a, b)  # type: ignore[index]
    assert (slope[a * b <= 0] == 0).all()
    assert (np.abs(slope) <= 2 * np.minimum(np.abs(a), np.abs(b)) + 1e-15).all()
    assert LIMITERS[limiter](a, a) == pytest.approx(a)  # type: ignore[index]


def test_quasilinear_forms_are_derivatives_of_the_fluxes() -> None:
    """∂f/∂w·d = ∂q/∂w·A d, by differences, for every system and axis."""
    rng, eps = np.random.default_rng(1), 1e-6
    for dimensions in (1, 2, 3):
        problems: list[Any] = [CompressibleEuler(initial_state=GAS, boundaries=sides(RING, dimensions))]
        if dimensions < 3:
            problems.append(ShallowWater(initial_state=SEA, boundaries=sides(RING, dimensions)))
        problems.append(InviscidBurgers(initial_state={"kind": "sine_series"}, boundaries=sides(RING, dimensions)))
        for problem in problems:
            system = problem.system({k: np.array([v]) for k, v in {**AIR, **WATER}.items()}, np.dtype(float))
            shape = (len(system.variables), 1, *(4,) * dimensions)
            w, d = rng.uniform(0.5, 2, shape), rng.standard_normal(shape)
            for axis in range(dimensions):
                moved = system.quasilinear(w, d, axis)
                left = (system.flux(w + eps * d, axis) - system.flux(w - eps * d, axis)) / (2 * eps)
                right = (system.conserved(w + eps * moved) - system.conserved(w - eps * moved)) / (2 * eps)
                assert left == pytest.approx(right, abs=1e-7)
            assert system.primitive(system.conserved(w)) == pytest.approx(w)


@pytest.mark.parametrize("flux", ["rusanov", "hll", "hllc", "roe"])
def test_every_flux_of_equal_states_is_the_flux(flux: FluxName) -> None:
    rng = np.random.default_rng(2)
    for problem in (
        CompressibleEuler(initial_state=GAS, boundaries=sides(RING, 2)),
        ShallowWater(initial_state=SEA, boundaries=sides(RING, 2)),
    ):
        system: Any = problem.system({k: np.array([v]) for k, v in {**AIR, **WATER}.items()}, np.dtype(float))
        w = rng.uniform(0.5, 2, (len(system.variables), 1, 3, 5))
        w[1:3] -= 1.2
        for axis in range(2):
            assert flux_called(flux, system)(system, w, w, axis) == pytest.approx(system.flux(w, axis), abs=1e-13)


def test_ghost_cells() -> None:
    q = np.arange(1.0, 9.0).reshape(1, 1, 2, 4)
    block = padded(q, 2)
    fill(block, Boundaries(x=("periodic", "periodic"), y=("outflow", "reflecting")), 2)
    assert block[0, 0, 2].tolist() == [3, 4, 1, 2, 3, 4, 1, 2]
    assert block[0, 0, :, 2].tolist() == [1, 1, 1, 5, 5, 1]


def test_random_waves_are_a_sum_of_cosines() -> None:
    """On three axes of unlike sizes and lengths; amplitudes fall as |n|^−3/2, the mean square is one."""
    grid, count = Grid(shape=(5, 8, 6), lengths=(0.5, 1.0, 1.7), points="centres"), 3
    numbers = np.array([n for n in product(range(-2, 3), repeat=3) if n > (0, 0, 0)])
    a, b = np.random.default_rng(4).standard_normal((2, count, len(numbers)))
    size = np.linalg.norm(numbers, axis=1) ** -1.5
    size /= np.linalg.norm(size)
    x = np.stack(np.meshgrid(*grid.axes(), indexing="ij"), -1) / grid.lengths
    expected = np.zeros((count, *grid.shape))
    for k, n in enumerate(numbers):
        for i in range(count):
            height, phase = np.hypot(a[i, k], b[i, k]), np.arctan2(b[i, k], a[i, k])
            expected[i] += size[k] * height * np.cos(2 * np.pi * (x @ n) - phase)
    found = random_waves(grid, np.random.default_rng(4), modes=2, decay=1.5, count=count)
    assert found == pytest.approx(expected, abs=1e-12)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cfl": 1.2}, "above 1, where muscl_hancock is unstable"),
        ({"scheme": "ssp_rk2", "cfl": 1.1}, "ssp_rk2 is unstable"),
        ({"reconstruction": "weno5"}, "use ssp_rk2 or ssp_rk3"),
        ({"limiter": "superb"}, "limiter"),
    ],
)
def test_contradictory_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FiniteVolumeCard(**options)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (
            ShallowWater(initial_state=SEA, boundaries={"x": ({"inflow": (1.0,)}, "outflow")}),
            "give depth, velocity_x, 2",
        ),
        (
            ShallowWater(initial_state=SEA, boundaries={"x": ({"inflow": (-1, 0)}, "outflow")}),
            "depth of the inflow is -1",
        ),
        (
            ShallowWater(initial_state=SEA, boundaries={"x": ({"inflow": (0, 0)}, "outflow")}),
            "depth of the inflow is 0: it must be positive: what brings nothing is a wall",
        ),
        (
            CompressibleEuler(initial_state=GAS, boundaries={"x": ("outflow", {"inflow": (1, 0, 0)})}),
            "pressure of the inflow is 0: it must be positive",
        ),
        (
            InviscidBurgers(initial_state={"kind": "sine_series"}, boundaries={"x": (STILL[0], {"wall": (0.0,)})}),
            "holds gas or water, not velocity alone",
        ),
    ],
)
def test_sides_that_do_not_fit_what_flows_are_refused(problem: Any, message: str) -> None:
    with pytest.raises(CardError, match=message):
        FiniteVolumeCard(flux="hll").build(problem, cells(16), cells(16), Serial())


def test_a_negative_depth_is_refused_by_name() -> None:
    problem, grid = ShallowWater(initial_state=SEA, boundaries=sides(RING, 2)), cells(8, 8)
    state = problem.initial(grid, WATER, np.random.default_rng(0))[None]
    state[0, 0, 4, 1] = -0.02
    _, solver = march(problem, grid, WATER, [0.0, 0.1], states=state)
    assert solver.costs()[0].reason == "initially depth is -0.02 in cell (4, 1) of (8, 8)"


def test_water_on_a_coarse_grid_is_shown_on_a_fine_one_within_its_neighbours() -> None:
    """At the edge of a dry bed, and at a jump: linear depths and momenta would divide to any velocity."""
    depth, momentum = np.array([0, 0, 0.1, 0.5, 1, 1, 1, 1]), np.array([0, 0, 0.1, 0.1, 0.1, 0, 0, 0])
    velocity = np.divide(momentum, depth, out=np.zeros(8), where=depth > 0)
    problem = ShallowWater(initial_state={"kind": "dam", "left": (1, 0), "right": (0, 0)}, boundaries={"x": OPEN})
    for n in (16, 64, 12):
        solver = FiniteVolumeCard().build(problem, cells(8), cells(n), Serial())
        start = np.stack([depth, velocity])[None]
        (frame,) = solver.trajectories(start, {name: np.full(1, value) for name, value in WATER.items()}, np.zeros(1))
        assert 0 <= frame[0, 0].min() <= frame[0, 0].max() <= 1
        assert 0 <= frame[0, 1].min() <= frame[0, 1].max() <= velocity.max()
        assert frame[0, 0].mean() == pytest.approx(depth.mean(), rel=1e-14)


def test_contradictory_sides_are_refused() -> None:
    with pytest.raises(ValidationError, match="periodic beside outflow: a box is periodic on both sides or on none"):
        Boundaries(x=("periodic", "outflow"))
    with pytest.raises(ValidationError, match="z needs y"):
        Boundaries(x=RING, z=RING)


def test_what_cannot_be_solved_is_refused_with_its_reason() -> None:
    problem = CompressibleEuler(initial_state=GAS, boundaries=sides(RING, 2))
    box = {"shape": (8, 8), "lengths": (1.0, 1.0)}
    with pytest.raises(SolverError, match=r"points: centres, not nodes"):
        FiniteVolumeCard().build(problem, Grid(**box), Grid(**box), Serial())
    with pytest.raises(CardError, match="along x, y, but the grid has 1 axes"):
        FiniteVolumeCard().build(problem, cells(8), cells(8), Serial())
    with pytest.raises(SolverError, match="needs 6 cells"):
        FiniteVolumeCard(**WENO).build(problem, cells(8, 4), cells(8, 4), Serial())
    viscous = CompressibleNavierStokes(initial_state=GAS, boundaries=sides(RING, 1))
    with pytest.raises(SolverError, match="knows no viscosity"):
        FiniteVolumeCard().build(viscous, cells(8), cells(8), Serial())
    burgers = InviscidBurgers(initial_state={"kind": "sine_series"}, boundaries=sides(RING, 1))
    with pytest.raises(SolverError, match="has no hllc flux"):
        FiniteVolumeCard().build(burgers, cells(8), cells(8), Serial())


def test_inflow_fills_an_empty_channel() -> None:
    """A stream that enters at depth 1 and speed 2 (supercritical) drives out what was there."""
    problem = ShallowWater(initial_state=SEA, boundaries={"x": ({"inflow": (1.0, 2.0)}, "outflow")})
    w = np.stack([np.full(32, 0.1), np.zeros(32)])[None]
    end = sound(march(problem, cells(32), WATER, [3.0], states=w))[0, 0]
    assert end[0] == pytest.approx(1.0, abs=1e-6)
    assert end[1] == pytest.approx(2.0, abs=1e-6)


# A bed as the input of a problem

BED = {"mean": 0.5, "rms": 0.4, "modes": 4}


def over_a_bed(rms: float) -> ShallowWater:
    return ShallowWater(initial_state={**SEA, "rms": rms, "speed": 0.0}, boundaries=sides(WALL, 2), bed=BED, dry=1e-6)


def test_a_drawn_lake_with_islands_stays_at_rest_for_every_frame() -> None:
    problem, grid = over_a_bed(0.0), cells(24, 24, length=3.0)
    start = problem.initial(grid, WATER, np.random.default_rng(3))
    assert (start[0] == 0).any()
    frames = sound(march(problem, grid, WATER, [0, 0.5, 1.0], states=start[None], **RK2))[:, 0]
    assert np.abs(frames - start[:3]).max() < 1e-13


@pytest.mark.parametrize("roughness", [0.0, 0.05])
def test_a_stormy_lake_keeps_its_water(roughness: float) -> None:
    problem, grid, params = over_a_bed(0.2), cells(24, 24, length=3.0), {**WATER, "roughness": roughness}
    frames = sound(march(problem, grid, params, [0, 1.0, 2.0], **{**RK2, "limiter": "minmod"}))[:, 0]
    assert frames[:, 0].min() >= 0
    assert (frames[:, 0] <= 1e-6).any()
    assert frames[:, 0].mean(axis=(1, 2)) == pytest.approx(frames[0, 0].mean(), rel=1e-12)


def test_a_bed_with_holes_in_its_data_is_a_reason() -> None:
    problem, grid = over_a_bed(0.1), cells(8, 8)
    states = np.stack([problem.initial(grid, WATER, np.random.default_rng(i)) for i in range(2)])
    states[1, 3, 2, 2] = np.nan
    frames, solver = march(problem, grid, WATER, [0.1], states=states, **RK2)
    assert [cost.reason for cost in solver.costs()] == ["", "the bed is not finite"]
    assert np.isfinite(frames[:, 0]).all()


def test_a_bed_of_another_shape_is_refused() -> None:
    problem, grid = over_a_bed(0.1), cells(8, 8)
    states = problem.initial(cells(8, 10), WATER, np.random.default_rng(0))[None]
    with pytest.raises(
        SolverError, match=r"states are \(1, 4, 8, 10\), but depth, velocity_x, velocity_y, bed on \(8, 8\)"
    ):
        march(problem, grid, WATER, [0.1], states=states, **RK2)


def test_a_bed_asks_for_a_scheme_that_knows_it() -> None:
    with pytest.raises(SolverError, match="an uneven bed takes scheme ssp_rk2"):
        FiniteVolumeCard().build(over_a_bed(0.1), cells(8, 8), cells(8, 8), Serial())


# As a plug-in


@pytest.mark.parametrize("name", ["swe2d_radial_dam_break", "swe2d_random", "euler2d_poseidon_rp"])
def test_the_solver_keeps_its_contract(name: str) -> None:
    small = {"grid.shape": [24, 24], "store.shape": [12, 12], "times.frames": 4, "solver.batch": 4, "times.step": 0.2}
    spec = load_spec(name, small)
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec) == []


def test_a_store_of_water_is_made_checked_and_certified(tmp_path: Path) -> None:
    small = {"grid.shape": [32, 32], "store.shape": [16, 16], "times.frames": 4, "times.step": 0.05}
    few = {"samples.count": 4, "samples.unit": 2, "splits": {"test": [0, 4]}}
    generate(load_spec("swe2d_radial_dam_break", small | few), tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    assert [finding for finding in check(store) if finding.severity != "ok"] == []
    certificate = certify(store, [0, 3])
    assert not certificate.failed
    assert 0 < certificate.error[-1, 0] < 0.05
    assert verify(store, 1).equal


def test_averages_of_a_finer_solution_keep_what_is_conserved() -> None:
    problem, fine, coarse = CompressibleEuler(initial_state=GAS, boundaries=sides(RING, 2)), cells(24, 16), cells(6, 8)
    state = problem.initial(fine, AIR, np.random.default_rng(0))
    solver = FiniteVolumeCard().build(problem, fine, coarse, Serial())
    (frame,) = solver.trajectories(state[None], {"heat_capacity_ratio": np.array([1.4])}, np.array([0.0]))
    before, after = problem.invariants(state, fine, AIR), problem.invariants(frame[0], coarse, AIR)
    for name in before:
        assert after[name] == pytest.approx(before[name], abs=1e-14), name
