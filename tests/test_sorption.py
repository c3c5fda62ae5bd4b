"""Diffusion and sorption: exact fronts, manufactured solutions, what is kept, how few steps it takes, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import simpson, solve_ivp
from scipy.optimize import brentq
from volumes import cells, order

from pdebench import solve
from pdebench.arrays import Array
from pdebench.certify import certify, verify
from pdebench.check import check
from pdebench.errors import CardError, SolverError
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.implicit import step, tridiagonal
from pdebench.solvers.finite_volume.implicit_solver import ImplicitCard, ImplicitSolver
from pdebench.solvers.finite_volume.sorption import DiffusionSorption, SorptionLaw
from pdebench.spec import Grid, load_spec
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

LEVEL = {"kind": "random_level", "between": (0.0, 0.2)}
COLUMN = {
    "diffusivity": 5e-4,
    "porosity": 0.29,
    "grain_density": 2880.0,
    "freundlich_factor": 3.5e-4,
    "freundlich_exponent": 0.874,
}
SORBED = 0.71 / 0.29 * 2880 * 3.5e-4


def column(
    n: int, times: Any, starts: Any = (0.0,), *, params: dict[str, float] = COLUMN, outlet: float = 1.0, **how: Any
) -> tuple[Array, ImplicitSolver]:
    """Frames `(t, b, n)` of members that begin at one concentration each, and the solver."""
    problem, grid = DiffusionSorption(initial_state=LEVEL, outlet=outlet), cells(n)
    states = np.array([np.broadcast_to(u, n) for u in starts], float)[:, None]
    solver = ImplicitCard(**how).build(problem, grid, grid, Serial())
    own = {name: np.full(len(states), value) for name, value in params.items()}
    return np.stack(list(solver.trajectories(states, own, np.asarray(times, float))))[:, :, 0], solver


def self_similar(share: float, exponent: float, d: float) -> Any:
    """u(x/√t) of m(u)ₜ = d uₓₓ, m = u + `share` u^`exponent`, from an empty column beside u = 1; and where it ends.

    With η = x/√t, y = u^(1−n) and g = −d u'/uⁿ: y' = −(1−n) g/d, g' = n g (g − aη/2)/(d y) − ηg/(2d), from the front
    at which y = 0, g = aη/2, back to η = 0, where y is 1 for one place of the front.
    """
    n, a, near = exponent, share, 1e-4

    def back(front: float) -> Any:
        g0 = a * front / 2
        s = near * front
        start = [(1 - n) * g0 / d * s, g0 + (-n * a / 2 + (1 - n) * front * g0 / (2 * d)) * s]

        def slopes(eta: float, w: Array) -> list[float]:
            y, g = w
            return [-(1 - n) * g / d, n * g * (g - a * eta / 2) / (d * y) - eta * g / (2 * d)]

        return solve_ivp(slopes, (front - s, 0), start, method="LSODA", rtol=1e-9, atol=1e-11, dense_output=True)

    front = float(brentq(lambda f: back(f).y[0, -1] - 1, 1e-3, 1.0, xtol=1e-9))
    found = back(front).sol

    def u(eta: Array) -> Array:
        inside = eta < front * (1 - near)
        return np.where(inside, found(np.where(inside, eta, 0))[0], 0) ** (1 / (1 - n))

    return u, front


def test_a_front_runs_into_an_empty_column_as_the_exact_one() -> None:
    """Where u is zero R has no bound: the front ends at a point, and has moved with √t."""
    true, front = self_similar(SORBED, 0.874, 5e-4)
    time, errors = (0.6 / front) ** 2, []
    for n in (32, 64, 128):
        frames, solver = column(n, [time])
        x = cells(n).axes()[0]
        assert not solver.costs()[0].reason
        assert frames[0, 0, x > 0.75].max() < 1e-8
        errors.append(float(np.abs(frames[0, 0] - true(x / np.sqrt(time))).mean()))
    assert order(errors) == pytest.approx(2.0, abs=0.15), errors


class Manufactured(SorptionLaw):
    """D = 0.1 and a source that makes u = 1 + a x + c x² + sin²(πx) cos(t)/5, a = 0.3 sin t − 1, c for the outlet."""

    d = 0.1

    def exact(self, x: Array, t: Any) -> tuple[Array, Array, Array]:
        """u, uₜ and uₓₓ."""
        a, da = 0.3 * np.sin(t) - 1, 0.3 * np.cos(t)
        c, dc = (-(extra + f * (1 + self.d)) / (1 + 2 * self.d) for f, extra in ((a, 1), (da, 0)))
        hump = np.sin(np.pi * x) ** 2 / 5
        u = 1 + a * x + c * x**2 + hump * np.cos(t)
        bend = 2 * c + 2 * np.pi**2 * np.cos(2 * np.pi * x) / 5 * np.cos(t)
        return u, da * x + dc * x**2 - hump * np.sin(t), bend

    def rate(self, v: Array, time: Array) -> Array:
        x = (np.arange(v.shape[1]) + 0.5) / v.shape[1]
        u, change, bend = self.exact(x, time)
        capacity = 1 + self.sorbed * self.exponent * u ** (self.exponent - 1)
        return super().rate(v, time) + capacity * change - self.d * bend


def test_the_scheme_is_of_second_order_in_space_and_time() -> None:
    params = {name: np.array([value]) for name, value in (COLUMN | {"diffusivity": 0.1}).items()}
    errors = []
    for n in (16, 32, 64):
        law, x = Manufactured(params, 1 / n, inlet=1.0, outlet=1.0), (np.arange(n) + 0.5) / n
        v, h = law.unknown(law.exact(x, 0.0)[0][None]), np.full(1, 2.0 / n)
        for i in range(n):
            v = step(law, v, i * h, h).v
        errors.append(float(np.abs(law.field(v)[0] - law.exact(x, 2.0)[0]).max()))
    assert order(errors) == pytest.approx(2.0, abs=0.15), errors


def test_the_error_that_a_step_is_held_to_is_its_own() -> None:
    """The estimate against a step in fifty parts: both are of third order, and within a factor of two."""
    params = {name: np.array([value]) for name, value in (COLUMN | {"diffusivity": 0.1}).items()}
    law = Manufactured(params, 1 / 32, inlet=1.0, outlet=1.0)
    v = law.unknown(law.exact((np.arange(32) + 0.5) / 32, 0.0)[0][None])
    for i in range(20):  # away from what the grid makes of the exact state
        v = step(law, v, np.full(1, i * 0.05), np.full(1, 0.05)).v
    for length in (0.2, 0.1):
        one, many = step(law, v, np.ones(1), np.full(1, length)), v
        for i in range(50):
            many = step(law, many, np.full(1, 1 + i * length / 50), np.full(1, length / 50)).v
        true = float(np.sqrt(np.mean((law.field(one.v) - law.field(many)) ** 2)))
        assert true / 2 < one.error[0] < 2 * true, (one.error[0], true)


def test_linear_sorption_is_diffusion_that_is_late() -> None:
    """n = 1: u of D/R, by eigenfunctions sin kx with k cos k D = −sin k `outlet`, about the straight steady line."""
    params, starts, time = COLUMN | {"freundlich_exponent": 1.0, "diffusivity": 0.05}, (0.0, 0.5), 2.0
    d, late = 0.05, 1 + SORBED
    k = np.array(
        [brentq(lambda q: d * q * np.cos(q) + np.sin(q), (i + 0.5) * np.pi, (i + 1) * np.pi) for i in range(40)]
    )
    size = (1 - np.sin(2 * k) / (2 * k)) / 2
    bend = -1 / (1 + d)
    errors = []
    for n in (16, 32):
        frames, _ = column(n, [time], starts, params=params, tolerance=1e-7)
        x, gaps = cells(n).axes()[0], []
        for found, start in zip(frames[0], starts, strict=True):
            weight = ((start - 1) * (1 - np.cos(k)) / k - bend * (np.sin(k) / k**2 - np.cos(k) / k)) / size
            true = 1 + bend * x + np.sin(np.outer(x, k)) @ (weight * np.exp(-d / late * k**2 * time))
            gaps.append(np.abs(found - true).max())
        errors.append(float(max(gaps)))
    assert order(errors) == pytest.approx(2.0, abs=0.15), errors


def test_what_the_column_holds_is_what_came_through_its_ends() -> None:
    """By Simpson's rule over frames 1 s apart, whose own error is below 1e-8 of what came after the first 20 s."""
    n, half = 32, 2 * 32 * 5e-4
    frames, _ = column(n, np.arange(20, 41.0), [0.1], tolerance=1e-9)
    u = frames[:, 0]
    held = (u + SORBED * u**0.874).mean(axis=1)
    came = half * (1 - u[:, 0]) - half / (half + 1) * u[:, -1]
    assert held[-1] - held[0] == pytest.approx(simpson(came), rel=1e-6)
    law = SorptionLaw({k: np.array([v]) for k, v in COLUMN.items()}, 1 / n, inlet=1.0, outlet=1.0)
    v = np.random.default_rng(0).random((1, n))  # faces within give one cell what they take from the other
    w = law.field(v)[0]
    brought = half * (1 - w[0]) - half / (half + 1) * w[-1]
    assert law.rate(v, np.zeros((1, 1))).mean() == pytest.approx(brought, rel=1e-12)


def test_a_fine_grid_is_what_coarse_ones_tend_to() -> None:
    """The card's numbers from u = 0.1: second order against 512 cells, at two times, in every cell."""
    times = [100.0, 500.0]
    fine = column(512, times, [0.1])[0][:, 0]
    errors = [
        float(np.abs(column(n, times, [0.1])[0][:, 0] - fine.reshape(2, n, -1).mean(axis=2)).max()) for n in (32, 64)
    ]
    assert order(errors) == pytest.approx(2.0, abs=0.2), errors
    assert ((fine >= 0) & (fine <= 1)).all()


def published(n: int, time: float, start: float) -> Array:
    """u on n cells as PDEBench's generator has it, `sim_diff_sorp.py` read at its commit 3c5de689.

    A ghost cell half a cell beyond each end: of 1 at x = 0, and of −D uₓ at x = 1, taken from the last two cells. So
    the solute leaves, where u = D uₓ, as the paper is quoted, would bring it.
    """
    d, half = COLUMN["diffusivity"], SORBED * COLUMN["freundlich_exponent"]

    def change(_: float, u: Array) -> Array:
        around = np.concatenate([[1.0], u, [d * (u[-2] - u[-1]) * n]])
        late = 1 + half * (u + 1e-6) ** (COLUMN["freundlich_exponent"] - 1)
        return np.diff(around, 2) * n**2 * d / late

    found = solve_ivp(change, (0, time), np.full(n, start), method="LSODA", rtol=1e-8, atol=1e-10)
    return np.asarray(found.y[:, -1])


def test_what_was_published_tends_to_it_with_the_half_cells_at_its_ends() -> None:
    """The ghost cells lie beyond the ends, so to first order; at the end that is left as at the one that is fed."""
    time, near, far = 400.0, [], []
    for n in (64, 128, 256):
        gap = np.abs(published(n, time, 0.1) - column(n, [time], [0.1])[0][0, 0])
        near.append(float(gap[: n // 2].max()))
        far.append(float(gap[-n // 8 :].max()))
    assert order(near) == pytest.approx(1.0, abs=0.15), near
    assert order(far) == pytest.approx(1.0, abs=0.15), far


def test_the_unit_of_concentration_does_not_matter() -> None:
    """Linear sorption in units a thousand million times as small: what Newton's method calls close goes with them."""
    params = {name: np.array([v]) for name, v in (COLUMN | {"freundlich_exponent": 1.0}).items()}
    ends, unit, grid = [], 1e9, cells(24)
    for size in (1.0, unit):
        problem = DiffusionSorption(initial_state=LEVEL, inlet=size)
        solver = ImplicitCard(tolerance=1e-6 * size).build(problem, grid, grid, Serial())
        ends.append(next(iter(solver.trajectories(np.full((1, 1, 24), 0.1 * size), params, np.array([5.0])))))
        assert [cost.reason for cost in solver.costs()] == [""]
    assert ends[1] / unit == pytest.approx(ends[0], abs=1e-9)


def test_a_column_that_is_washed_out_ends_as_quickly_as_others() -> None:
    """What is left becomes nothing, so that changes are never small beside it: the tolerance bounds them, too."""
    params = {name: np.array([v]) for name, v in (COLUMN | {"freundlich_exponent": 1.0}).items()}
    problem, grid = DiffusionSorption(initial_state=LEVEL, inlet=0.0), cells(24)
    solver = ImplicitCard(max_steps=3000).build(problem, grid, grid, Serial())
    *_, end = solver.trajectories(np.full((1, 1, 24), 0.1), params, np.array([5e4, 5e5]))
    (cost,) = solver.costs()
    assert not cost.reason
    assert np.abs(end).max() < 1e-6
    assert cost.iterations < 7 * cost.steps


def test_steps_are_as_long_as_the_solution_allows() -> None:
    """Explicit ones would be as short as h²/2D · R, some hundred thousand of them."""
    frames, solver = column(1024, np.arange(0, 501, 5.0), [0.1])
    (cost,) = solver.costs()
    assert 100 <= cost.steps < 350
    assert cost.iterations < 7 * cost.steps
    assert np.isfinite(frames).all()


def test_members_have_steps_and_bits_of_their_own() -> None:
    starts, times = (0.0, 0.05, 0.2), [1.0, 7.0]
    together, solver = column(96, times, starts)
    assert len({cost.steps for cost in solver.costs()}) > 1
    for i, start in enumerate(starts):
        alone, one = column(96, times, [start])
        np.testing.assert_array_equal(alone[:, 0], together[:, i])
        assert one.costs()[0] == solver.costs()[i]


def test_systems_of_three_diagonals() -> None:
    rng = np.random.default_rng(0)
    before, after, rhs = rng.standard_normal((3, 6, 9))
    own = 3 + rng.random((6, 9))
    own[2, 4] = np.nan  # a member that is lost takes nobody along
    own[0, 3] = before[0, 3] = after[0, 3] = own[5, 8] = before[5, 8] = 0  # nor one whose matrix is singular
    found = tridiagonal((before, own, after), rhs)
    for i in (1, 3, 4):
        matrix = np.diag(own[i]) + np.diag(before[i, 1:], -1) + np.diag(after[i, :-1], 1)
        assert matrix @ found[i] == pytest.approx(rhs[i], abs=1e-13)
    assert np.isnan(found[[0, 2, 5]]).all()


def test_where_nothing_sticks_an_empty_column_fills_by_diffusion_alone() -> None:
    """No pores' walls to stick to (porosity 1), or no will to: the exponent, of nothing, does not count."""
    problem, grid, times = DiffusionSorption(initial_state=LEVEL), cells(24), np.array([1.0, 7.0])
    own = {name: np.full(3, value) for name, value in COLUMN.items()}
    own["porosity"][1], own["freundlich_factor"][2] = 1, 0
    solver = ImplicitCard().build(problem, grid, grid, Serial())
    frames = np.stack(list(solver.trajectories(np.zeros((3, 1, 24)), own, times)))[:, :, 0]
    assert [cost.reason for cost in solver.costs()] == [""] * 3
    np.testing.assert_array_equal(frames[:, 0], column(24, times)[0][:, 0])
    plain = column(24, times, params=COLUMN | {"freundlich_exponent": 1.0, "porosity": 1.0})[0]
    np.testing.assert_array_equal(frames[:, 1], plain[:, 0])
    np.testing.assert_array_equal(frames[:, 2], plain[:, 0])


# Bad input


def test_bad_states_are_failures_of_their_members_alone() -> None:
    good, _ = column(16, [0, 1.0], [0.1])
    bad = np.full(16, 0.1)
    bad[3] = -0.1
    frames, solver = column(16, [0, 1.0], [0.1, bad, np.where(np.arange(16) == 5, np.nan, 0.1)])
    assert [cost.reason for cost in solver.costs()] == [
        "",
        "initially concentration is -0.1 in cell (3,) of (16,)",
        "initially concentration is nan in cell (5,) of (16,)",
    ]
    np.testing.assert_array_equal(frames[:, 0], good[:, 0])
    assert np.isnan(frames[:, 1:]).all()


def test_too_many_steps_are_a_reason() -> None:
    frames, solver = column(64, [0, 5.0, 10.0], max_steps=4)
    assert "t = 0 … 5 needs more than 4 steps" in solver.costs()[0].reason
    assert np.isnan(frames[1:]).all()


def test_what_it_cannot_solve_is_refused_with_the_reason() -> None:
    problem, grid = DiffusionSorption(initial_state=LEVEL), cells(8)
    tube = {"kind": "tube", "left": (1, 0, 1), "right": (1, 0, 1)}
    gas = CompressibleEuler(initial_state=tube, boundaries={"x": ("outflow", "outflow")})
    nodes = Grid(shape=(8,), lengths=(1.0,))
    for what, where, message in (
        (gas, grid, "CompressibleEuler has none"),
        (problem, nodes, "points: centres, not nodes"),
        (problem, cells(4, 4), "needs a line"),
        (problem, cells(2), "needs 3 cells"),
    ):
        with pytest.raises(SolverError, match=message):
            ImplicitCard().build(what, where, where, Serial())
    with pytest.raises(CardError, match="porosity lies above 0 and not above 1, not at 1.2"):
        problem.initial(grid, COLUMN | {"porosity": 1.2}, np.random.default_rng(0))
    with pytest.raises(CardError, match="a column of grains is a line"):
        problem.initial(cells(4, 4), COLUMN, np.random.default_rng(0))


# The card


SMALL = {"grid.shape": [32], "store.shape": [16], "times.frames": 3, "times.step": 20.0}


def test_the_solver_keeps_its_contract() -> None:
    spec = load_spec("diffusion_sorption1d", SMALL)
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec) == []


def test_a_store_is_made_checked_and_certified(tmp_path: Path) -> None:
    few: dict[str, Any] = {"samples.count": 2, "samples.unit": 2, "splits": {"test": [0, 2]}}
    generate(load_spec("diffusion_sorption1d", SMALL | few), tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    found = [finding.message for finding in check(store) if finding.severity != "ok"]
    assert not found, found
    certificate = certify(store, [1])
    assert not certificate.failed
    assert 0 < certificate.error[-1, 0] < 0.02
    assert verify(store, 1).equal


def test_the_numbers_are_those_published() -> None:
    spec = load_spec("diffusion_sorption1d")
    assert {name: law.value for name, law in spec.parameters.items()} == COLUMN
    assert (spec.grid.shape, spec.times.frames, spec.times.values()[-1]) == ((1024,), 101, 500.0)
