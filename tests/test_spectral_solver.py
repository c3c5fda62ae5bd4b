"""What the spectral solver promises about members that fail, output times and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from specs import tiny_spec

from pdebench import sample, solve
from pdebench.arrays import Array
from pdebench.errors import CardError, SolverError
from pdebench.parallel import Serial
from pdebench.problem import Cost, Frame, Outcome
from pdebench.resample import resample
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid

GRID = Grid(shape=(16, 16), lengths=(2 * np.pi, 2 * np.pi))
PROBLEM = NavierStokes2D(initial_state={"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 4})


def states(count: int = 5) -> Array:
    return np.stack([PROBLEM.initial(GRID, {}, np.random.default_rng(seed)) for seed in range(count)])


def march(initial: Array, **options: object) -> tuple[Array, list[Cost]]:
    solver = SpectralCard(**options).build(PROBLEM, GRID, GRID, Serial())
    params = {"viscosity": np.full(len(initial), 0.01), "drag": np.zeros(len(initial))}
    return np.stack(list(solver.trajectories(initial, params, np.array([0, 0.5, 1.0])))), solver.costs()


@pytest.mark.parametrize(
    ("planted", "said"),
    [(np.nan, "initial state is not finite"), (1e6, "needs more than 200 steps"), (1e200, "needs more than 200 steps")],
)
def test_a_member_that_fails_says_why_and_leaves_the_others_alone(planted: float, said: str) -> None:
    healthy = states()
    sick = healthy.copy()
    sick[2] *= planted
    expected, _ = march(healthy, max_steps=200)
    found, costs = march(sick, max_steps=200)
    assert said in costs[2].reason
    assert np.isnan(found[1:, 2]).all()
    others = [0, 1, 3, 4]
    assert np.array_equal(found[:, others], expected[:, others])
    assert not any(costs[i].reason for i in others)


@pytest.mark.parametrize("precision", ["mixed", "float64"])
def test_an_odd_batch_gives_each_member_the_bits_that_it_has_alone(precision: str) -> None:
    initial = states(7)
    together, costs = march(initial, precision=precision)
    for i in (0, 3, 6):
        alone, (cost,) = march(initial[[i]], precision=precision)
        np.testing.assert_array_equal(alone[:, 0], together[:, i])
        assert cost == costs[i]


def test_a_step_beyond_stability_is_refused_and_done_again_smaller() -> None:
    # Forced from rest: the first interval begins with no speed at all, so its first guess is one step.
    forced = NavierStokes2D(initial_state=PROBLEM.initial_state, forcing=({"kx": 1, "ky": 2, "cos": 40.0},))
    params = {"viscosity": np.array([0.01]), "drag": np.array([0.0])}
    found = []
    for cfl in (0.5, 0.05):
        solver = SpectralCard(cfl=cfl).build(forced, GRID, GRID, Serial())
        (frame,) = solver.trajectories(1e-9 * states(1), params, np.array([0.5]))
        (cost,) = solver.costs()
        assert not cost.reason
        assert cost.steps > 1
        found.append(frame)
    assert np.abs(found[0] - found[1]).max() < 0.02 * np.abs(found[1]).max()


@pytest.mark.parametrize("precision", ["mixed", "float64"])
def test_an_interval_far_too_long_for_its_first_step_is_done_again_in_more(precision: str) -> None:
    """Strong forcing: whatever the first steps end with, not finite or absurdly fast, says nothing of the flow."""
    forced = NavierStokes2D(initial_state=PROBLEM.initial_state, forcing=({"kx": 1, "ky": 2, "cos": 40.0},))
    params = {"viscosity": np.full(2, 0.1), "drag": np.zeros(2)}
    ends = []
    for intervals in (1, 40):
        solver = SpectralCard(precision=precision).build(forced, GRID, GRID, Serial())
        *_, end = solver.trajectories(states(2), params, np.linspace(0, 2, intervals + 1)[1:])
        assert [cost.reason for cost in solver.costs()] == ["", ""]
        ends.append(end)
    assert np.abs(ends[0] - ends[1]).max() < 1e-3 * np.abs(ends[1]).max()


@pytest.mark.parametrize("scheme", ["ifrk4", "etdrk4"])
def test_a_march_evaluates_the_equation_four_times_a_step_and_once_at_each_end(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    evaluated = []
    nonlinear = NavierStokes2D.nonlinear
    monkeypatch.setattr(NavierStokes2D, "nonlinear", lambda *args: evaluated.append(1) or nonlinear(*args))
    _, costs = march(states(1), engine="numpy", scheme=scheme)
    intervals = 2
    assert len(evaluated) == 1 + 4 * costs[0].steps + intervals


def test_courant_number_beyond_stability_is_refused() -> None:
    with pytest.raises(CardError, match=r"cfl: above 1\.35 .* unstable"):
        solve.prepare(tiny_spec(solver__cfl=1.4))


def test_unknown_solver_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(CardError, match=r"clf.*cfl"):
        solve.prepare(tiny_spec(solver__clf=0.4))


def test_cell_centres_are_refused() -> None:
    with pytest.raises(SolverError, match=r"grid\.points: nodes"):
        solve.build(tiny_spec(grid__points="centres"))


def test_output_times_are_met_after_a_warm_up() -> None:
    vortices = {"kind": "taylor_green"}
    times = {"start": 0.3, "step": 0.7, "frames": 3}
    spec = tiny_spec(times=times, problem__initial_state=vortices, solver__precision="float64")
    problem, _ = solve.prepare(spec)
    params = sample.parameters(spec, 0)
    frames = [event for event in solve.trajectories(spec, np.array([0])) if isinstance(event, Frame)]
    assert [frame.index for frame in frames] == [0, 1, 2]
    for frame, t in zip(frames, (0.3, 1.0, 1.7), strict=True):
        assert np.abs(frame.values[0] - problem.exact(spec.output, params, t)).max() < 1e-13


def test_a_trajectory_does_not_depend_on_where_it_is_stored() -> None:
    fine = tiny_spec(grid__shape=[24, 24], store__shape=[24, 24], times__frames=2)
    coarse = tiny_spec(grid__shape=[24, 24], store__shape=[16, 16], times__frames=2)
    members = np.array([3])
    *_, full, _ = solve.trajectories(fine, members)
    *_, less, outcome = solve.trajectories(coarse, members)
    assert isinstance(full, Frame)
    assert isinstance(less, Frame)
    assert isinstance(outcome, Outcome)
    assert np.abs(resample(full.values, fine.output, coarse.output) - less.values).max() < 1e-13


def test_the_state_is_double_whatever_the_store_and_the_certifiers_twin_is_double_throughout() -> None:
    assert SpectralCard().precision == "mixed"
    for precision in ("mixed", "float32", "float64"):
        assert SpectralCard(precision=precision).refined(2).precision == "float64"
    exact, mixed = (march(states(2), precision=precision)[0] for precision in ("float64", "mixed"))
    off = np.abs(mixed - exact).max() / np.abs(exact).max()
    assert 0 < off < 2e-6, f"float32 in the right-hand side alone changes {off:.1e}"


def test_refining_halves_the_spacing_and_the_step() -> None:
    spec = tiny_spec()
    costs = []
    for refine in (1, 2):
        *_, outcome = solve.trajectories(spec, np.array([0]), refine=refine)
        assert isinstance(outcome, Outcome)
        costs.append(outcome.cost.steps)
    assert costs[1] >= 3.3 * costs[0]


def test_refining_also_halves_the_step_of_a_flow_so_slow_that_one_does() -> None:
    slow = {"kind": "energy_spectrum", "peak": 2, "energy": 1e-6, "modes": 4}
    spec = tiny_spec(problem__initial_state=slow)
    costs = []
    for refine in (1, 2):
        *_, outcome = solve.trajectories(spec, np.array([0]), refine=refine)
        assert isinstance(outcome, Outcome)
        costs.append(outcome.cost.steps)
    assert costs[1] >= 2 * costs[0]
