"""Scalar laws and reactions: exact solutions, observed orders, and known defects of published sets, which ours lack."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from volumes import RING, cells, march, order, sound

from pdebench import solve
from pdebench.arrays import Array
from pdebench.certify import certify, verify
from pdebench.check import check
from pdebench.errors import CardError, SolverError
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.sample import parameters
from pdebench.solvers.finite_volume.boundary import Boundaries
from pdebench.solvers.finite_volume.laws import InviscidBurgers, LinearAdvection, ViscousBurgers
from pdebench.solvers.finite_volume.reactions import FitzHughNagumo, ReactionDiffusion
from pdebench.solvers.finite_volume.residual import Space
from pdebench.solvers.finite_volume.riemann import rusanov
from pdebench.solvers.finite_volume.scalar_states import Noise, RandomSines
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.split import SplitEngine, diffused
from pdebench.spec import load_spec
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

SINES = {"kind": "random_sines"}
X = {"x": RING}
WALLS = ("reflecting", "reflecting")
HLL = {"flux": "hll"}
CARDS = ["advection1d", "burgers1d", "reaction_diffusion1d", "diffusion_reaction2d"]


@pytest.mark.parametrize("speed", [0.1, 0.4, 1.0, 7.0])
def test_advection_moves_by_speed_times_time_once(speed: float) -> None:
    """The published advection moves at the square of its speed, or at none that its name says."""
    problem = LinearAdvection(initial_state={"kind": "sine_series"}, boundaries=X)
    grid = cells(100)
    start = problem.initial(grid, {"speed": speed}, np.random.default_rng(1))
    found = sound(march(problem, grid, {"speed": speed}, [0, 0.5], states=start[None], cfl=1.0, **HLL))[-1, 0]
    errors = [np.abs(found - np.roll(start, cells_on, axis=-1)).max() for cells_on in range(100)]
    assert np.argmin(errors) == round(speed * 0.5 * 100) % 100
    assert min(errors) < 0.01 * np.abs(start).max()


def cole_hopf(x: Array, t: float, nu: float) -> Array:
    """u of uₜ + u uₓ = ν uₓₓ from u = sin 2πx, by quadrature over the heat kernel (Hopf 1950, Cole 1951)."""
    step = np.linspace(-2.5, 2.5, 20001)
    y = x[:, None] - step
    power = -(step**2) / (4 * nu * t) + np.cos(2 * np.pi * y) / (4 * np.pi * nu)
    weight = np.exp(power - power.max(axis=1, keepdims=True))
    return np.asarray((step / t * weight).sum(axis=1) / weight.sum(axis=1))


@pytest.mark.parametrize("nu", [0.01, 0.02])
def test_burgers_tends_to_the_solution_of_cole_and_hopf(nu: float) -> None:
    rate, errors = 2.0, []
    problem = ViscousBurgers(initial_state={"kind": "sine_series"}, boundaries=X)
    for n in (64, 128, 256):
        grid = cells(n)
        x, h = grid.axes()[0], 1 / n
        start = -np.diff(np.cos(2 * np.pi * np.append(x - h / 2, x[-1] + h / 2))) / (2 * np.pi * h)
        run = march(
            problem, grid, {"viscosity": np.pi * nu}, [0, 0.15], states=start[None, None], limiter="none", **HLL
        )
        errors.append(float(np.abs(sound(run)[-1, 0, 0] - cole_hopf(x, 0.15, nu)).max()))
    assert order(errors) == pytest.approx(rate, abs=0.15), f"observed order: {order(errors)}, errors {errors}"


def test_a_strong_viscosity_takes_no_small_steps() -> None:
    problem = ViscousBurgers(initial_state=SINES, boundaries=X)
    counts = []
    for nu in (0.001, 4.0):
        run = march(problem, cells(1024), {"viscosity": nu}, [0, 0.01], **HLL)
        assert np.abs(sound(run)).max() <= 2
        counts.append(run.solver.costs()[0].steps)
    assert counts[1] <= counts[0] < 40


def test_a_uniform_density_follows_the_logistic_curve() -> None:
    """The published set relaxes as diffusion alone would."""
    problem = ReactionDiffusion(initial_state=SINES, boundaries=X)
    times = np.array([0, 0.1, 0.5, 1.0])
    start = np.full((1, 1, 32), 0.2)
    frames = sound(march(problem, cells(32), {"diffusivity": 0.5, "growth": 5.0}, times, states=start, **HLL))
    grown = np.exp(5 * times)
    np.testing.assert_allclose(
        frames[:, 0, 0], np.tile((0.2 * grown / (1 + 0.2 * (grown - 1)))[:, None], 32), rtol=1e-12
    )


def test_a_density_below_zero_leaves_for_infinity_and_is_not_taken_back() -> None:
    """The logistic formula has a pole at t = ln((1 − u)/−u)/ρ and is positive beyond it: a solution that is none."""
    problem = ReactionDiffusion(initial_state=SINES, boundaries=X)
    start = np.stack([np.full((1, 32), 0.2), np.full((1, 32), -0.2)])
    run = march(problem, cells(32), {"diffusivity": 0.5, "growth": 5.0}, [0, 0.3, 0.4, 1.0], states=start, **HLL)
    good, bad = run.solver.costs()
    assert not good.reason
    assert re.match(r"at t = 0.3\d* density is nan in cell \(\d+,\) of \(32,\)", bad.reason)
    grown = np.exp(5 * 0.3)
    assert run.frames[1, 1, 0] == pytest.approx(-0.2 * grown / (1 - 0.2 * (grown - 1)))
    assert np.isnan(run.frames[2:, 1]).all()


def test_stiff_cards_take_no_small_steps() -> None:
    """A frame of each, at the largest coefficients; explicit steps of D Δt ≤ h²/2 would be 100 000 and 10."""
    fisher = {"diffusivity": 5.0, "growth": 10.0}
    nagumo = {"diffusivity_u": 0.001, "diffusivity_v": 0.005, "threshold": 0.005}
    for name, params in (("reaction_diffusion1d", fisher), ("diffusion_reaction2d", nagumo)):
        spec = load_spec(name)
        problem, card = solve.prepare(spec)
        start = problem.initial(spec.grid, params, np.random.default_rng(0))
        solver = card.build(problem, spec.grid, spec.output, Serial())
        own = {key: np.array([value]) for key, value in params.items()}
        list(solver.trajectories(start[None], own, np.array([spec.times.step])))
        assert 1 <= solver.costs()[0].steps <= 2, name


@pytest.mark.parametrize("law", ["fisher", "fitzhugh"])
def test_split_steps_are_of_second_order(law: str) -> None:
    problem: Any
    if law == "fisher":
        problem, own = ReactionDiffusion(initial_state=SINES, boundaries=X), {"diffusivity": 0.01, "growth": 5.0}
    else:
        problem = FitzHughNagumo(initial_state=SINES, boundaries={"x": WALLS})
        own = {"diffusivity_u": 0.02, "diffusivity_v": 0.1, "threshold": 0.005}
    grid = cells(64)
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * grid.axes()[0])
    start = np.stack([wave] * len(problem.fields))[None]
    runs = [march(problem, grid, own, [0, 0.4], states=start, cfl=cfl, **HLL) for cfl in (1.0, 0.5, 0.25, 0.125)]
    errors = [float(np.abs(a - b).max()) for a, b in pairwise(sound(run)[-1] for run in runs)]
    assert order(errors) == pytest.approx(2.0, abs=0.15), errors


@pytest.mark.parametrize("sides", [RING, WALLS])
def test_diffusion_is_exact_keeps_the_mean_and_makes_no_extrema(sides: Any) -> None:
    n, rng = 40, np.random.default_rng(0)
    boundaries = Boundaries(x=sides, y=sides)
    space = Space((1 / n, 1 / n), boundaries, "muscl", "mc", rusanov)
    x = (np.arange(n) + 0.5) / n
    turns = 2 if sides is RING else 1
    wave = np.cos(turns * np.pi * x) * np.ones((1, 1, n, 1))
    decay = (2 * np.sin(turns * np.pi / (2 * n)) * n) ** 2
    np.testing.assert_allclose(diffused(wave, np.array([[0.3]]), space), wave * np.exp(-0.3 * decay), atol=1e-14)
    q = rng.choice([0.0, 1.0], (1, 2, n, n))
    for exponent in (1e-5, 1e-3, 1.0):
        out = diffused(q, np.full((1, 2), exponent), space)
        np.testing.assert_allclose(out.mean(axis=(-1, -2)), q.mean(axis=(-1, -2)), rtol=1e-13)
        assert out.min() >= -1e-14
        assert out.max() <= 1 + 1e-14


@pytest.mark.parametrize("mixed", [{"x": RING, "y": WALLS}, {"x": ("no_slip", "reflecting")}])
def test_boxes_in_which_diffusion_is_not_known_are_refused(mixed: Any) -> None:
    with pytest.raises(ValueError, match="diffusion needs a box"):
        ReactionDiffusion(initial_state=SINES, boundaries=mixed)
    with pytest.raises(ValueError, match="needs a periodic box"):
        ViscousBurgers(initial_state=SINES, boundaries={"x": WALLS})


def test_a_box_that_ranks_share_is_refused() -> None:
    class Half:
        pass

    space = Space((0.1,), Boundaries(x=RING), "muscl", "mc", rusanov, part=Half())  # type: ignore[arg-type]
    with pytest.raises(SolverError, match="set ranks to 1"):
        SplitEngine(lambda own: None, space, "muscl_hancock", 0.8, 10)


# What the published sets are known to have wrong


@pytest.mark.parametrize("name", CARDS)
def test_no_cell_is_stored_twice(name: str) -> None:
    grid = load_spec(name).grid
    assert grid.points == "centres"
    for axis, length in zip(grid.axes(), grid.lengths, strict=True):
        assert axis[-1] - axis[0] == pytest.approx(length * (1 - 1 / len(axis)))


def test_no_two_draws_share_a_stream() -> None:
    """Speeds, amplitudes, phases and numbers of waves of many members are uncorrelated, and no two members alike."""
    state, grid = RandomSines(kind="random_sines", folded=0, windowed=0), cells(64)
    fields = np.array([state.values(grid, np.random.default_rng([7, i])) for i in range(400)])
    assert len(np.unique(fields.round(9), axis=0)) == 400
    spectrum = np.abs(np.fft.rfft(fields, norm="forward"))[:, 1:9] * 2
    two = np.sort(spectrum, axis=1)[:, -2:]
    assert np.abs(np.corrcoef(spectrum.argmax(axis=1), two[:, 1])[0, 1]) < 0.25
    spec = load_spec("reaction_diffusion1d")
    drawn = [parameters(spec, i) for i in range(400)]
    both = np.array([[own["diffusivity"], own["growth"]] for own in drawn])
    assert len(np.unique(both, axis=0)) == 16
    assert abs(np.corrcoef(both.T)[0, 1]) < 0.2


def test_random_sines_are_folded_cut_and_normalised_as_asked() -> None:
    grid = cells(200)
    both, norm = (
        RandomSines(kind="random_sines", folded=1, windowed=1),
        RandomSines(kind="random_sines", normalised=True),
    )
    draw = [both.values(grid, np.random.default_rng(i)) for i in range(20)]
    assert all((u >= 0).all() or (u <= 0).all() for u in draw)
    assert all(0 < np.count_nonzero(u) < 200 for u in draw)
    cut = RandomSines(kind="random_sines", folded=0, windowed=1)
    kept = [np.count_nonzero(cut.values(grid, np.random.default_rng(i))) for i in range(500)]  # five begin beyond 0.9
    assert min(kept) >= 0.1 * 200 - 1
    densities = [norm.values(grid, np.random.default_rng(i)) for i in range(20)]
    assert all(u.min() >= 0 and u.max() <= 1 for u in densities)
    with pytest.raises(CardError, match="1D"):
        RandomSines(kind="random_sines").values(cells(4, 4), np.random.default_rng(0))


def test_noise_keeps_its_squares_on_finer_grids() -> None:
    noise = Noise(kind="noise", shape=(8, 8), rms=2.0)
    coarse, fine = (noise.values(cells(n, n), np.random.default_rng(0)) for n in (8, 24))
    np.testing.assert_array_equal(fine, np.repeat(np.repeat(coarse, 3, 0), 3, 1))
    with pytest.raises(CardError, match="does not fit"):
        noise.values(cells(8), np.random.default_rng(0))


# The cards, end to end


def small(name: str) -> dict[str, Any]:
    axes = [16, 16] if name.endswith("2d") else [64]
    return {"grid.shape": axes, "store.shape": axes, "times.frames": 3, "solver.batch": 2}


@pytest.mark.parametrize("name", CARDS)
def test_the_solver_keeps_its_contract(name: str) -> None:
    spec = load_spec(name, small(name))
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec) == []


@pytest.mark.parametrize("name", CARDS)
def test_a_store_is_made_checked_and_certified(name: str, tmp_path: Path) -> None:
    few: dict[str, Any] = {"samples.count": 4, "samples.unit": 2, "splits": {"test": [0, 4]}}
    if name == "burgers1d":  # what is at rest within a frame, `check` would take for frozen
        few["parameters.viscosity"] = {"choice": [0.001, 0.1]}
    generate(load_spec(name, small(name) | few), tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    found = [finding.message for finding in check(store) if finding.severity != "ok"]
    assert not found, found
    assert not certify(store, [0, 3]).failed
    assert verify(store, 1).equal


def test_a_wave_on_a_coarse_grid_is_shown_on_a_fine_one_with_second_order() -> None:
    problem = LinearAdvection(initial_state={"kind": "sine_series", "terms": 1, "modes": 1}, boundaries=X)
    params, errors = {"speed": 1.0}, []
    for n in (32, 64):
        coarse, fine = cells(n), cells(8 * n)
        start = problem.initial(coarse, params, np.random.default_rng(0))[None]
        solver = FiniteVolumeCard(**HLL).build(problem, coarse, fine, Serial())
        (frame,) = solver.trajectories(start, {"speed": np.ones(1)}, np.zeros(1))
        errors.append(float(np.abs(frame[0] - problem.initial(fine, params, np.random.default_rng(0))).mean()))
    assert order(errors) > 1.85, errors


def test_what_is_left_of_a_wave_when_numbers_end_stands_still() -> None:
    """1/|u| of a subnormal u is infinite; strong viscosity leaves such numbers."""
    problem = InviscidBurgers(initial_state={"kind": "sine_series"}, boundaries=X)
    last = 5e-324 * np.arange(-4, 4).reshape(1, 1, 8)
    run = march(problem, cells(8), {}, [0.0, 1.0], states=last, engine="numpy", **HLL)
    assert np.abs(sound(run)).max() < 1e-300
