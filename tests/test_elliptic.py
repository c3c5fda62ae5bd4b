"""Elliptic problems and heat conduction: manufactured solutions, then the line from the card to the certificate."""

from __future__ import annotations

import numpy as np
import pytest

from pdebench import solve
from pdebench.certify import certify, verify
from pdebench.check import check
from pdebench.errors import SolverError
from pdebench.generate import generate
from pdebench.model import build_model
from pdebench.parallel import Serial
from pdebench.problem import Frame, Outcome
from pdebench.solvers.elliptic.absorbing import AbsorbingHelmholtz
from pdebench.solvers.elliptic.discretise import discrete
from pdebench.solvers.elliptic.equation import Darcy, Helmholtz, Poisson, Thermal
from pdebench.solvers.elliptic.functions import LogNormal, Thresholded
from pdebench.solvers.elliptic.heat import Conduction
from pdebench.solvers.elliptic.solver import EllipticCard
from pdebench.solvers.krylov import SolverSequence, methods
from pdebench.spec import DatasetSpec, Grid, load_spec, parse
from pdebench.store import TrajectoryStore
from pdebench.testing import check_model, check_solver

TIGHT = EllipticCard(tolerance=1e-11)
WALL_TEMPERATURES = {
    "west_temperature": 1.0,
    "east_temperature": 2.0,
    "south_temperature": 0.5,
    "north_temperature": 3.0,
}


def grids(points, lengths, coarsest=16, count=3):
    """Each with half the spacing of the last."""
    last = 1 if points == "ends" else 0
    first = Grid(shape=tuple(round(coarsest * length) + last for length in lengths), lengths=lengths, points=points)
    return [first.refined(2**n) for n in range(count)]


def relative(values, true):
    return np.linalg.norm(values - true) / np.linalg.norm(true)


def solved(found, method="direct-lu"):
    return found.expanded(SolverSequence(method, rtol=1e-11).solve(found.system)[0])


# -- order of convergence, observed ------------------------------------------------------------------------------------


def manufactured(grid):
    """u = sin 2x cos y + x with a = 1.5 + sin(2x + y) and shift 3: source, walls and u."""
    y, x = grid.coordinates()
    a, (ax, ay) = 1.5 + np.sin(2 * x + y), (2 * np.cos(2 * x + y), np.cos(2 * x + y))

    def u(y, x):
        return np.sin(2 * x) * np.cos(y) + x

    ux, uy, laplacian = 2 * np.cos(2 * x) * np.cos(y) + 1, -np.sin(2 * x) * np.sin(y), -5 * np.sin(2 * x) * np.cos(y)
    source = -(ax * ux + ay * uy + a * laplacian) + 3 * u(y, x)
    (rows, columns), (height, width) = grid.axes(), grid.lengths
    walls = [(u(0.0, columns), u(height, columns)), (u(rows, 0.0), u(rows, width))]
    return a, source, walls, u(y, x)


@pytest.mark.parametrize("mean", ["harmonic", "arithmetic"])
@pytest.mark.parametrize("points", ["centres", "ends"])
def test_second_order_with_a_coefficient_walls_and_a_shift(points, mean):
    errors = []
    for grid in grids(points, (1.0, 1.5), coarsest=24):
        a, source, walls, u = manufactured(grid)
        found = discrete(grid, a, source, walls=walls, shift=3.0, mean=mean)
        errors.append(relative(solved(found, "multigrid-cg")[0], u))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert abs(orders[-1] - 2) < 0.1, f"{points}, {mean}: errors {errors}, orders {orders}"


def test_second_order_in_three_dimensions():
    errors = []
    for grid in grids("centres", (1.0, 1.0, 1.0), coarsest=8):
        z, y, x = grid.coordinates()
        waves = [np.sin(np.pi * each) for each in (z, y, x)]
        u, a = np.prod(waves, axis=0), 1 + x / 2
        source = 3 * np.pi**2 * a * u - np.pi / 2 * np.cos(np.pi * x) * waves[0] * waves[1]
        errors.append(relative(solved(discrete(grid, a, source), "multigrid-cg")[0], u))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert abs(orders[-1] - 2) < 0.1, f"errors {errors}, orders {orders}"


def test_poisson_against_its_sine_series():
    """The same answer another way: sine coefficients of the source, divided by their eigenvalues."""
    errors, problem = [], Poisson(width=(0.1, 0.1))
    for grid in grids("ends", (1.0, 1.0), coarsest=32):
        source = problem.initial(grid, {}, np.random.default_rng(4))[0]
        found = solved(problem.assembled(grid, source[None], {}, "harmonic"), "multigrid-cg")[0]
        errors.append(
            relative(found[:: (grid.shape[0] - 1) // 32, :: (grid.shape[0] - 1) // 32], _sine_series(problem))
        )
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert abs(orders[-1] - 2) < 0.15, f"errors {errors}, orders {orders}"


def _sine_series(problem):
    from scipy import fft

    fine = Grid(shape=(513, 513), lengths=(1.0, 1.0), points="ends")
    source = problem.initial(fine, {}, np.random.default_rng(4))[0][1:-1, 1:-1]
    k = np.pi * np.arange(1, 512)
    coefficients = fft.dstn(source, type=1) / (k[:, None] ** 2 + k**2)
    out = np.zeros((513, 513))
    out[1:-1, 1:-1] = fft.idstn(coefficients, type=1)
    return out[::16, ::16]


def test_poisson_without_flux_is_solved_up_to_its_mean():
    """u = cos πx cos 2πy has no flux through the walls; the constant added to f is left out."""
    errors = []
    for grid in grids("centres", (1.0, 1.0)):
        y, x = grid.coordinates()
        u = np.cos(np.pi * x) * np.cos(2 * np.pi * y)
        found = Poisson(boundary="neumann").assembled(grid, 5 * np.pi**2 * u[None] + 7, {}, "harmonic")
        assert found.system.nullspace == "constant"
        values = solved(found, "multigrid-cg")[0]
        assert abs(values.mean()) < 1e-12
        errors.append(relative(values, u))
    assert abs(np.log2(errors[-2] / errors[-1]) - 2) < 0.1, errors


@pytest.mark.parametrize("points", ["centres", "ends"])
def test_helmholtz_in_one_piece_is_second_order(points):
    """m = 1 with u = b on the walls: u/b = 1 + w, where −Δw − ω²w = ω² is a sine series."""
    omega, errors = 4.0, []
    for grid in grids(points, (1.0, 1.0), coarsest=16):
        y, x = grid.coordinates()
        n = np.arange(1, 400, 2) * np.pi
        # along y in closed form: for each sine n of x, w'' = (n² − ω²) w − 4ω²/n, w(0) = w(1) = 0
        rate = np.sqrt(n**2 - omega**2 + 0j)
        profile = np.cosh(rate * (y[:, :1] - 0.5)) / np.cosh(rate / 2)
        w = (np.sin(x[0][:, None] * n) @ (4 * omega**2 / (n * rate**2) * (1 - profile)).real.T).T
        params = {"wave_number": omega, "boundary": 0.3}
        found = Helmholtz().assembled(grid, np.ones((1, *grid.shape)), params, "harmonic")
        errors.append(relative(solved(found)[0], 0.3 * (1 + w)))
    assert abs(np.log2(errors[-2] / errors[-1]) - 2) < 0.15, errors


def test_absorbing_walls_let_a_wave_out():
    """A sheet of sources in the middle: u = i/(2κ) exp(iκ|x − ½|) · const in one dimension, no wave comes back."""
    errors, kappa = [], 12.0
    for n in (64, 128, 256):
        grid = Grid(shape=(n,), lengths=(1.0,), points="centres")
        (x,) = grid.axes()
        sigma = 0.03
        source = np.exp(-((x - 0.5) ** 2) / (2 * sigma**2))
        inputs = np.stack([np.ones(n), source])
        found = AbsorbingHelmholtz().assembled(grid, inputs, {"wave_number": kappa}, "harmonic")
        re, im = solved(found)
        fine = (np.arange(20000) + 0.5) / 20000
        green = 0.5j / kappa * np.exp(1j * kappa * np.abs(x[:, None] - fine))
        true = green @ np.exp(-((fine - 0.5) ** 2) / (2 * sigma**2)) / 20000
        errors.append(relative(re + 1j * im, true))
    assert abs(np.log2(errors[-2] / errors[-1]) - 2) < 0.1, errors


def heat_frames(n, step, times, points="centres", **walls):
    params = {"diffusivity": np.array([0.5]), **{name: np.array([value]) for name, value in walls.items()}}
    grid = Grid(shape=(n + (points == "ends"),) * 2, lengths=(1.0, 1.0), points=points)
    card = EllipticCard(linear_solver="transform-cg", tolerance=1e-12, time_step=step)
    solver = card.build(Conduction(), grid, grid, Serial())
    y, x = grid.coordinates()
    state = 2 + np.sin(np.pi * x) * np.sin(2 * np.pi * y)
    return state, [frame[0, 0] for frame in solver.trajectories(state[None, None], params, times)], solver.costs()[0]


@pytest.mark.parametrize("points", ["centres", "ends"])
def test_heat_decays_as_its_eigenfunction_second_order_in_time(points):
    """sin πx sin 2πy over equal walls is an eigenvector of the grid, too: what is left is the error of time."""
    n, times = 16, np.array([0.0, 0.05, 0.1])
    walls = {f"{wall}_temperature": 2.0 for wall in ("west", "east", "south", "north")}
    rate = 0.5 * sum((2 * n * np.sin(k * np.pi / (2 * n))) ** 2 for k in (1, 2))
    errors = []
    for steps in (4, 8, 16):
        state, frames, cost = heat_frames(n, 0.05 / steps, times, points, **walls)
        assert cost.steps == 2 * steps
        errors.append(relative(frames[-1] - 2, (state - 2) * np.exp(-rate * 0.1)))
        np.testing.assert_array_equal(frames[0], state)
    assert abs(np.log2(errors[-2] / errors[-1]) - 2) < 0.1, errors


def test_heat_tends_to_the_steady_plate_and_keeps_between_its_walls():
    """A long while after the start it is what the steady solver gives with a conductivity of 1: no ringing."""
    _, frames, _ = heat_frames(32, 0.25, np.array([0.001, 0.002, 5.0]), **WALL_TEMPERATURES)
    grid = Grid(shape=(32, 32), lengths=(1.0, 1.0), points="centres")
    steady = solved(Thermal().assembled(grid, np.ones((1, 32, 32)), WALL_TEMPERATURES, "harmonic"), "multigrid-cg")[0]
    assert 0.5 < steady.min() < steady.max() < 3.0  # the maximum principle
    assert relative(frames[-1], steady) < 1e-6
    assert frames[0].min() > 0.5 - 0.05


# -- coefficients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Thresholded(), LogNormal(std=0.7)])
def test_a_finer_grid_samples_the_same_coefficient(kind):
    coarse, fine = (Grid(shape=(n, n), lengths=(1.0, 1.0), points="ends") for n in (33, 65))
    a, b = (kind.sample(grid, np.random.default_rng(2)) for grid in (coarse, fine))
    np.testing.assert_allclose(a, b[::2, ::2], rtol=1e-12)
    assert a.min() > 0


def test_the_log_normal_field_has_the_spread_it_is_asked_for():
    grid = Grid(shape=(32, 32), lengths=(1.0, 1.0), points="centres")
    logs = np.stack([np.log(LogNormal(std=0.7).sample(grid, np.random.default_rng(s))) for s in range(400)])
    assert np.sqrt(np.mean(logs**2)) == pytest.approx(0.7, rel=0.05)  # 400 members, few modes: ± 3 %
    assert set(np.unique(Thresholded().sample(grid, np.random.default_rng(0)))) == {3.0, 12.0}


# -- from the card to the store ----------------------------------------------------------------------------------------


def small(problem, parameters=None, shape=(16, 16), frames=1, points="centres", **solver) -> DatasetSpec:
    card = {
        "name": "small",
        "version": 1,
        "title": "Small",
        "description": "Small.",
        "source": "ours",
        "problem": problem,
        "grid": {"shape": list(shape), "lengths": [1.0] * len(shape), "points": points},
        "parameters": parameters or {},
        "times": {"step": 0.01, "frames": frames},
        "solver": {"name": "elliptic", "tolerance": 1e-9, **solver},
        "store": {"shape": list(shape), "dtype": "float64"},
        "samples": {"count": 6, "seed": 1, "unit": 3},
        "splits": {"train": [0, 3], "test": [3, 6]},
    }
    return parse(DatasetSpec, card, where="small")


TEMPERATURES = {f"{wall}_temperature": {"uniform": [1.0, 2.0]} for wall in ("west", "east", "south", "north")}
CASES = {
    "darcy": small({"name": "darcy"}, {"source": {"value": 1.0}}),
    "darcy3d": small(
        {"name": "darcy", "coefficient": {"kind": "log_normal", "modes": 4}},
        {"source": {"value": 1.0}},
        shape=(8, 8, 8),
    ),
    "poisson": small({"name": "poisson"}, points="ends", linear_solver="transform-cg"),
    "neumann": small({"name": "poisson", "boundary": "neumann"}),
    "helmholtz": small({"name": "helmholtz"}, {"wave_number": {"uniform": [5.0, 6.0]}, "boundary": {"value": 0.3}}),
    "thermal": small({"name": "thermal"}, TEMPERATURES),
    "absorbing": small(
        {"name": "absorbing_helmholtz"}, {"wave_number": {"uniform": [5.0, 6.0]}}, linear_solver="gcrodr"
    ),
    "heat": small(
        {"name": "heat"},
        TEMPERATURES | {"diffusivity": {"value": 1.0}, "initial_temperature": {"value": 1.5}},
        frames=4,
        time_step=0.0025,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_problem_passes_the_trials_of_a_solver(name):
    spec = CASES[name]
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec, members=2) == []


@pytest.mark.parametrize("name", CASES)
def test_a_store_is_sound_and_certified(tmp_path, name):
    generate(CASES[name], tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert not [f.message for f in check(store) if f.severity == "error"]
    assert verify(store, 4).equal
    certificate = certify(store, [0, 3])
    # darcy3d: modes of number 4 on 8 points, (4π/8)²/12 of themselves
    assert 1e-5 < certificate.error[-1, 0] < (0.21 if name == "darcy3d" else 0.1)
    axes = len(store.grid.shape)
    coarse = [9] * axes if name == "poisson" else [4 if axes == 3 else 8] * axes
    assert check_model(build_model("classical", store.spec, shape=coarse), store.spec) == []


def test_the_tolerance_follows_from_the_error_of_the_grid(tmp_path):
    spec = small(
        {"name": "darcy", "coefficient": {"kind": "log_normal", "modes": 4}},
        {"source": {"value": 1.0}},
        tolerance="discretisation",
        linear_solver="multigrid-cg",
    )
    generate(spec, tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    evidence = dict(store._group.attrs["settled"])["evidence"]
    finer = certify(store, [0]).error[0, 0] * 4 / 3  # of order 2: the difference to twice the resolution is ¾ of it
    assert evidence["members"][0]["discretisation_error"] == pytest.approx(finer, rel=0.5)
    assert store.settled["tolerance"] <= 0.1 * min(row["tolerance"] for row in evidence["members"])
    tight = next(
        e for e in solve.trajectories(spec, np.arange(3), settled={"tolerance": 1e-11}) if isinstance(e, Frame)
    )
    assert relative(store.frames(0), tight.values) < 0.01 * evidence["members"][0]["discretisation_error"]
    assert solve.settle(spec) == solve.settle(spec)


@pytest.mark.parametrize(
    ("problem", "parameters", "pc"),
    [
        (
            {"name": "helmholtz", "width": [0.15, 0.25]},
            {"wave_number": {"uniform": [5.0, 6.0]}, "boundary": {"value": 0.3}},
            "diagonal",
        ),
        ({"name": "poisson", "width": [0.1, 0.2]}, {}, "icc"),
    ],
)
def test_the_tolerance_serves_whoever_solves(problem, parameters, pc):
    """A residual says little of an indefinite system's error, and multigrid's more than that of others."""
    spec = small(problem, parameters, shape=(64, 64), tolerance="discretisation")
    verdict = solve.settle(spec)
    row = verdict.evidence["members"][0]
    iterating = {"linear_solver": "gcrodr", "linear_options": {"pc": pc}, "guess": 0}
    found, tight = (
        next(e for e in solve.trajectories(spec, np.arange(1), settled=iterating | more) if isinstance(e, Frame)).values
        for more in ({"tolerance": verdict.options["tolerance"]}, {"tolerance": 1e-11})
    )
    assert 0 < relative(found, tight) < 0.01 * row["discretisation_error"]


def test_the_demo_is_the_small_sister_of_the_published_card():
    demo, published = load_spec("darcy2d_demo"), load_spec("darcy2d_fno")
    assert demo.problem == published.problem
    assert (published.grid.shape, published.store.shape) == ((421, 421), (85, 85))
    assert published.grid.spacing[0] * 5 == pytest.approx(published.output.spacing[0])


# -- bad input ---------------------------------------------------------------------------------------------------------


class Punctured(Darcy):
    """Every second member's coefficient has a hole."""

    hole: float = 0.0

    def initial(self, grid, params, rng):
        out = super().initial(grid, params, rng)
        if rng.bytes(1)[0] % 2:
            out[0, 3, 3] = self.hole
        return out


@pytest.mark.parametrize(("hole", "words"), [(0.0, "falls to 0"), (-1.0, "falls to -1"), (np.nan, "NaN")])
def test_a_coefficient_that_is_not_positive_fails_its_member_alone(hole, words):
    spec = small({"name": f"{__file__}:Punctured", "hole": hole}, {"source": {"value": 1.0}})
    outcomes = [e for e in solve.trajectories(spec, np.arange(6)) if isinstance(e, Outcome)]
    reasons = {e.cost.reason for e in outcomes}
    assert len(reasons) == 2
    assert "" in reasons
    assert any(words in reason for reason in reasons)


def test_a_resonance_is_a_recorded_failure():
    grid = Grid(shape=(16, 16), lengths=(1.0, 1.0), points="centres")
    eigenvalue = 2 * (32 * np.sin(np.pi / 32)) ** 2  # of the discrete Laplacian with walls half a cell away
    solver = TIGHT.build(Helmholtz(contrast=0.0), grid, grid, Serial())
    for off, fails in ((1e-7, True), (0.1, False)):
        params = {"wave_number": np.array([np.sqrt(eigenvalue + off)]), "boundary": np.array([0.3])}
        (frame,) = solver.trajectories(np.ones((1, 1, 16, 16)), params, np.zeros(1))
        assert np.isnan(frame).all() == fails
        assert ("resonance" in solver.costs()[0].reason) == fails


def test_what_the_solver_cannot_do_it_refuses():
    nodes, ends = (Grid(shape=(17, 17), lengths=(1.0, 1.0), points=points) for points in ("nodes", "ends"))
    for grid, problem, words in (
        (nodes, Darcy(), "need a grid of centres or ends, not of nodes"),
        (ends, Poisson(boundary="neumann"), "need a grid of centres, not of ends"),
        (ends, AbsorbingHelmholtz(), "grid of centres, not of ends"),
    ):
        inputs = sample_inputs(problem, grid)
        with pytest.raises(SolverError, match=words):
            problem.assembled(grid, inputs, {"source": 1.0, "wave_number": 1.0}, "harmonic")
    with pytest.raises(SolverError, match="no `assembled` system"):
        TIGHT.build(object(), ends, ends, Serial())
    for options, words in (
        ({"linear_options": {"limit": 9}}, "name it in solver.linear_solver"),
        ({"linear_solver": "transform-cg", "linear_options": {"limits": 9}}, "do not fit transform-cg.*limits"),
    ):
        with pytest.raises(SolverError, match=words):
            EllipticCard(**options).build(Darcy(), ends, ends, Serial())


def sample_inputs(problem, grid):
    return problem.initial(grid, {}, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["darcy", "helmholtz", "heat"])
def test_auto_measures_once_and_the_store_is_solved_with_what_it_chose(tmp_path, name):
    spec = CASES[name]
    assert spec.solver.options.get("linear_solver", "auto") == "auto"
    generate(spec, tmp_path / "s.zarr", members=range(1))
    settled = TrajectoryStore.open(tmp_path / "s.zarr").settled
    assert settled["linear_solver"] in methods
    generate(spec, tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert store.settled == settled
    evidence = dict(store._group.attrs["settled"])["evidence"]["choice"]
    assert any(row["options"] == settled["linear_options"] and not row["dropped"] for row in evidence["methods"])
    assert all(verify(store, member).equal for member in (0, 5))
    for event in solve.trajectories(spec, np.arange(3), settled=settled):
        if isinstance(event, Frame):
            for member, values in zip(event.members, event.values, strict=True):
                np.testing.assert_array_equal(values, store.frames(int(member))[event.index])


def test_auto_for_heat_is_tried_on_the_systems_of_its_own_steps():
    spec = CASES["heat"]
    evidence = solve.settle(spec).evidence["choice"]
    assert evidence["same_matrix"]
    assert evidence["rtol"] == spec.solver.options["tolerance"]
    rows = [row for row in evidence["methods"] if not row["dropped"]]
    assert max(row["systems"] for row in rows) > 1
    best = min(rows, key=lambda row: row["predicted_seconds"])
    assert best["iterations"][0] <= 1  # a factorisation, or a transform that is exact


def test_auto_with_nothing_sound_to_measure_chooses_nothing():
    spec = CASES["darcy"]
    problem, card = solve.prepare(spec)
    states = np.full((2, 1, *spec.grid.shape), -1.0)
    verdict = card.settle(problem, spec.grid, spec.output, Serial(), states, {"source": np.ones(2)})
    assert "linear_solver" not in verdict.options
