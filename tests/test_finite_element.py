"""Taylor–Hood on triangles: exact solutions, orders, invariants, grids and masks; and what is refused."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import needs_dolfinx
from scipy import sparse
from volumes import order as observed

import pdebench
from pdebench import solve
from pdebench.arrays import Array
from pdebench.check import check
from pdebench.errors import SolverError
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.problem import Frame, Outcome
from pdebench.solvers.finite_element.flow import Flow
from pdebench.solvers.finite_element.meshing import Triangulation, box, graded
from pdebench.solvers.finite_element.newton import steady, tangent
from pdebench.solvers.finite_element.projection import Linear, Projection
from pdebench.solvers.finite_element.rows import Constant, Rows
from pdebench.solvers.finite_element.sampling import Sampler, divergence_error, flux_error, onto
from pdebench.solvers.finite_element.scene import Circle, Scene
from pdebench.solvers.finite_element.solver import FiniteElementCard
from pdebench.solvers.finite_element.space import Space
from pdebench.solvers.finite_element.transport import Transport
from pdebench.solvers.krylov.direct import PetscDirect
from pdebench.solvers.krylov.lu import SparseLU
from pdebench.spec import DatasetSpec, Grid, load_spec
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

needs_dolfinx()

NONE = np.zeros(0, int)
ROUND = Scene("channel", 0.22, 0.12, 10.0, 1e-3, 1.0, body=Circle(0.06, 0.055, 0.01))


def square(cells: int, low: float = 0.0, high: float = 1.0) -> Space:
    places = np.linspace(low, high, cells + 1)
    return Space(box(places, places))


def l2(space: Space, values: Array) -> float:
    """L² norm of quadratic functions `(k, n)`, or of linear ones `(m,)`."""
    if values.ndim == 1:
        return float(np.sqrt(values @ (space.mass1 @ values)))
    return float(np.sqrt(sum(row @ (space.mass @ row) for row in values)))


# -- meshes ---------------------------------------------------------------------------------------------------------


def test_graded_places_begin_and_end_at_the_walls_and_shrink_towards_those_asked_for() -> None:
    both, lower = graded(10, 2.0, 1.5), graded(10, 2.0, 1.5, high=False)
    assert both[0] == lower[0] == 0 and both[-1] == lower[-1] == 2
    np.testing.assert_allclose(both, 2 - both[::-1])
    assert np.all(np.diff(lower, 2) > 0)
    np.testing.assert_allclose(graded(4, 1.0, 0.0), [0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize("shape", [(4, 4), (5, 8), (9, 7)])
def test_no_triangle_of_a_box_has_all_its_corners_on_two_sides(shape: tuple[int, int]) -> None:
    """Its pressure would be undetermined."""
    mesh = box(np.linspace(0, 1, shape[1] + 1), np.linspace(0, 1, shape[0] + 1)).checked(0.1)
    x, y = mesh.points[mesh.cells].transpose(2, 0, 1)
    on_wall = (x == 0) | (x == 1) | (y == 0) | (y == 1)
    assert not on_wall.all(axis=1).any()
    np.testing.assert_allclose(mesh.areas().sum(), 1)


def test_a_mesh_round_a_body_leaves_out_the_area_of_the_circle() -> None:
    mesh = ROUND.mesh((32, 48), 1.0).checked(0.3)
    np.testing.assert_allclose(mesh.areas().sum(), 0.22 * 0.12 - np.pi * 0.01**2, rtol=1e-12)


def test_a_bad_cell_is_refused_with_its_place() -> None:
    flat = Triangulation(np.array([[0, 0], [1, 0], [0.5, 1e-3]]), np.array([[0, 1, 2]]))
    with pytest.raises(SolverError, match=r"worst cell, at \(0.5, 0.0003333\), has quality 0.000"):
        flat.checked(0.02)
    with pytest.raises(SolverError, match="turned over"):
        Triangulation(flat.points, np.array([[0, 2, 1]])).checked(0.02)
    right = Triangulation(np.array([[0.0, 0], [1, 0], [0, 1]]), np.array([[0, 1, 2]]))
    np.testing.assert_allclose(right.quality(), 2 * np.sqrt(2) - 2)  # 2 r / R of the right isosceles triangle


# -- operators ------------------------------------------------------------------------------------------------------


def test_quadrature_gives_the_matrices_that_dolfinx_assembles() -> None:
    """The same integrals another way: both are exact."""
    space = Space(ROUND.mesh((24, 24), 1.0))
    dx, dy = space.derivatives
    weights = space.weights[:, None]
    assert abs(space.at_transposed @ space.at - space.mass).max() < 1e-12 * abs(space.mass).max()
    stiffness = dx.T @ dx.multiply(weights) + dy.T @ dy.multiply(weights)
    assert abs(stiffness - space.stiffness).max() < 1e-12 * abs(space.stiffness).max()
    x, y = space.points.T
    np.testing.assert_allclose(space.divergence(np.stack([x * y, y])).sum(), space.integral(space.quadrature[:, 1] + 1))


def test_convection_is_its_matrix_and_has_the_derivative_it_claims() -> None:
    space, rng = square(5), np.random.default_rng(1)
    u, change = rng.standard_normal((2, 2, space.size))
    matrix = sparse.csr_matrix(
        (Transport(space, slice(None))(u), space.mass.indices, space.mass.indptr), shape=space.mass.shape
    )
    np.testing.assert_allclose(np.stack([matrix @ part for part in u]), space.convection(u), atol=1e-13)
    blocks = tangent(space, u)
    linear = np.stack([blocks[i][0] @ change[0] + blocks[i][1] @ change[1] for i in (0, 1)])
    exact = (space.convection(u + change) - space.convection(u - change)) / 2  # of a quadratic function
    np.testing.assert_allclose(linear, exact, atol=1e-12 * np.abs(exact).max())


# -- exact solutions ------------------------------------------------------------------------------------------------

NU = 1 / 40
LAMBDA = 0.5 / NU - np.sqrt(0.25 / NU**2 + 4 * np.pi**2)


def kovasznay(points: Array, time: float = 0.0) -> Array:
    """The flow behind a grid (Kovasznay 1948, Proc. Camb. Phil. Soc. 44, 58), exact for ν = 1/40."""
    x, y = points.T
    wave = np.exp(LAMBDA * x)
    return np.stack([1 - wave * np.cos(2 * np.pi * y), LAMBDA / (2 * np.pi) * wave * np.sin(2 * np.pi * y)])


def test_steady_flow_converges_at_order_3_and_its_pressure_at_order_2() -> None:
    errors = []
    for cells in (8, 16, 32):
        space = square(cells, -0.5, 0.5)
        flow = Flow(space, NU, kovasznay, NONE, NONE)
        u, p, _ = steady(flow, np.zeros((2, space.size)))
        off = np.stack([space.at @ part for part in u]) - kovasznay(space.quadrature)
        true = flow.mean_free(-np.exp(2 * LAMBDA * space.points1[:, 0]) / 2)
        errors.append([np.sqrt(space.integral((off**2).sum(0))), l2(space, p - true)])
    for which, rate in enumerate((3.0, 2.0)):
        assert observed([row[which] for row in errors]) == pytest.approx(rate, abs=0.15), errors


def vortex(points: Array, time: float) -> Array:
    """Taylor–Green's decaying vortices, ν = 0.05, which are no boundary layer's friend: held on the walls."""
    a, b = 2 * np.pi * points.T
    return np.stack([np.sin(a) * np.cos(b), -np.cos(a) * np.sin(b)]) * np.exp(-8 * np.pi**2 * 0.05 * time)


def vortex_pressure(points: Array, time: float) -> Array:
    a, b = 4 * np.pi * points.T
    return np.asarray((np.cos(a) + np.cos(b)) / 4 * np.exp(-16 * np.pi**2 * 0.05 * time))


@pytest.mark.parametrize("uneven", [False, True])
def test_projection_is_of_second_order_in_time_also_with_steps_that_change(uneven: bool) -> None:
    space = square(20, 0.1, 1.1)
    flow = Flow(space, 0.05, vortex, NONE, NONE)
    errors = []
    for count in (6, 12, 24):
        projection = Projection(flow)
        state = projection.start(vortex(space.points, 0), vortex_pressure(space.points1, 0))
        pattern = (4 / 3, 2 / 3) if uneven else (1.0, 1.0)
        for i in range(count):
            state = projection.step(state, 0.2 / count * pattern[i % 2])
        errors.append(l2(space, state.velocity - vortex(space.points, 0.2)))
    assert observed(errors) == pytest.approx(2.0, abs=0.15), errors


@pytest.mark.parametrize("way", ["newton", "march"])
def test_poiseuille_is_exact(way: str) -> None:
    """A parabola and a straight line lie in the spaces."""
    scene = Scene("channel", 2.0, 1.0, 1.0, 0.1, 1.0, profile="parabolic")
    space = Space(scene.mesh((6, 8), 1.0))
    flow = scene.flow(space)
    if way == "newton":
        u, p, _ = steady(flow, np.zeros((2, space.size)))
    else:
        projection = Projection(flow)
        state = projection.start(np.zeros((2, space.size)))
        for _ in range(200):
            state = projection.step(state, 0.1)
        u, p = state.velocity, state.pressure
    y = space.points[:, 1]
    np.testing.assert_allclose(u, np.stack([6 * y * (1 - y), 0 * y]), atol=1e-7)
    np.testing.assert_allclose(p, 12 * 0.1 * (2 - space.points1[:, 0]), atol=1e-6)


def test_the_scheme_of_the_benchmark_made_afresh_in_each_step_gives_the_same_flow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """dolfinx's own matrices, GMRES and ILU: the same flow another way, for more iterations."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "ci" / "bench"))
    afresh = importlib.import_module("elements.afresh").Afresh
    for scene in (Scene("lid", 1.0, 1.0, 1.0, 0.01, 1.0), replace(ROUND, viscosity=1e-2)):
        flow = scene.flow(Space(scene.mesh((8, 8), 1.0)))
        ends = []
        for scheme, linear in ((Projection, Linear(rtol=1e-9)), (afresh, Linear(rtol=1e-10))):
            projection = scheme(flow, linear)
            state = projection.start(np.zeros((2, flow.space.size)))
            for _ in range(6):
                state = projection.step(state, 0.02 * scene.height)
            ends.append((state.velocity, state.pressure, projection.iterations))
        np.testing.assert_allclose(ends[0][0], ends[1][0], atol=1e-6 * np.abs(ends[1][0]).max())
        np.testing.assert_allclose(ends[0][1], ends[1][1], atol=1e-6 * np.abs(ends[1][1]).max())
        assert ends[0][2] < ends[1][2]


# -- the grid -------------------------------------------------------------------------------------------------------


def test_cells_of_the_grid_hold_means_and_bodies_are_where_their_centres_say() -> None:
    space = Space(ROUND.mesh((32, 48), 1.0))
    grid = Grid(shape=(64, 64), lengths=(1.0, 1.0), points="centres")
    solid = ROUND.solid(grid)
    y, x = grid.coordinates()
    inside = (x * 0.22 - 0.06) ** 2 + (y * 0.12 - 0.055) ** 2 <= 0.01**2
    np.testing.assert_array_equal(solid, inside)
    sampler = Sampler(space, (64, 64), (0.12, 0.22), solid)
    xs, ys = space.points.T
    u, v, p = sampler(np.stack([3 * xs - ys, xs * ys]), space.points1[:, 0])
    whole = np.hypot(x * 0.22 - 0.06, y * 0.12 - 0.055) > 0.015  # cells that the body does not touch
    np.testing.assert_allclose(u[whole], (3 * x * 0.22 - y * 0.12)[whole], atol=1e-12)
    np.testing.assert_allclose(v[whole], (x * 0.22 * y * 0.12)[whole], atol=1e-12)
    np.testing.assert_allclose(p[whole], (x * 0.22)[whole], atol=1e-12)
    assert not u[inside].any() and not p[inside].any()


def test_a_mesh_that_leaves_out_cells_of_the_fluid_is_refused() -> None:
    with pytest.raises(SolverError, match="32 cells of the stored grid lie in the fluid"):
        Sampler(square(4), (8, 8), (2.0, 1.0), np.zeros((8, 8)))


def test_from_the_grid_to_places_is_exact_for_linear_fields() -> None:
    grid = Grid(shape=(8, 10), lengths=(1.0, 1.0), points="centres")
    y, x = grid.coordinates()
    points = np.random.default_rng(1).uniform([0.1, 0.2], [1.9, 2.8], (50, 2))
    values = onto(points, np.stack([2 * x - y, x + 1]), (3.0, 2.0), np.ones(grid.shape))
    np.testing.assert_allclose(values, [points[:, 0] - points[:, 1] / 3, points[:, 0] / 2 + 1])


def test_errors_of_divergence_and_flux_see_what_they_should() -> None:
    y, x = Grid(shape=(20, 20), lengths=(1.0, 1.0), points="centres").coordinates()
    fluid = np.ones((20, 20))
    assert divergence_error(np.stack([x, -y]), fluid, (1.0, 1.0)) < 1e-12
    assert divergence_error(np.stack([x, y]), fluid, (1.0, 1.0)) == pytest.approx(np.sqrt(2))
    rising = np.stack([1 + 0.1 * x, 0 * x])
    assert flux_error(rising, fluid, (1.0, 1.0), 1.0) == pytest.approx(0.095)
    fluid[5, 10:] = 0  # what lies from column 9 on is cut, or may be
    assert flux_error(rising, fluid, (1.0, 1.0), 2.0) == pytest.approx(0.04 / 2)
    assert flux_error(rising, 0 * fluid, (1.0, 1.0), 1.0) == 0


# -- as a solver ----------------------------------------------------------------------------------------------------

TINY: dict[str, Any] = {
    "grid.shape": [8, 8],
    "store.shape": [12, 12],
    "times.frames": 4,
    "times.start": 0.0,
    "solver.grading": 0.5,
}


def tiny(card: str, **changes: Any) -> DatasetSpec:
    return load_spec(card, TINY | {key.replace("__", "."): value for key, value in changes.items()})


def run(spec: DatasetSpec, member: int = 0) -> tuple[Array, Outcome]:
    events = list(solve.trajectories(spec, np.array([member])))
    frames = np.stack([event.values[0] for event in events if isinstance(event, Frame)])
    outcome = events[-1]
    assert isinstance(outcome, Outcome)
    return frames, outcome


@pytest.mark.parametrize("card", ["cfd_cavity_demo", "cfd_tube_demo", "cfd_cylinder_demo"])
def test_the_solver_keeps_its_contract(card: str) -> None:
    spec = tiny(card, **({"grid__shape": [16, 16], "times__step": 0.002} if "cylinder" in card else {}))
    problem, solver = solve.prepare(spec)
    found = check_solver(solver, problem, spec, members=2)
    # A step a hundred times shorter than the last moves the pressure of a projection by more than the time that passes.
    assert [line for line in found if not line.startswith("does not land")] == []


def test_a_cavity_comes_to_the_rest_that_newton_finds() -> None:
    changes = {"parameters__viscosity__value": 2e-3, "solver__still": 1e-5, "times__frames": 40}
    march, outcome = run(tiny("cfd_cavity_demo", **changes))
    spec = tiny("cfd_cavity_demo", **changes | {"problem__steady": True, "times__frames": 1})
    still, told = run(spec)
    assert told.cost.iterations <= 12
    assert told.cost.told["cell_reynolds"] == pytest.approx(outcome.cost.told["cell_reynolds"], rel=0.02)
    np.testing.assert_allclose(march[-1], still[0], atol=2e-3 * np.abs(still[0]).max(axis=(1, 2)).max())
    np.testing.assert_array_equal(march[-1], march[-2])
    assert outcome.cost.steps > 0


def test_what_flows_in_flows_out_the_better_the_finer_the_mesh() -> None:
    errors = []
    for cells in (8, 16):
        frames, _ = run(tiny("cfd_tube_demo", grid__shape=[cells, cells]))
        errors.append(flux_error(frames[-1, :2], np.ones((12, 12)), (1.0, 1.0), frames[-1, 0].sum(axis=0)[-1] / 12))
    assert errors[1] < errors[0] / 2 and errors[1] < 0.05, errors


BAD = {
    "closes the channel": ("cfd_cylinder_demo", {"parameters__radius__value": 0.06}),
    "lies outside the box": ("cfd_cylinder_demo", {"parameters__upstream__value": 0.0}),
    "too narrow to mesh": ("cfd_cylinder_demo", {"parameters__below__value": 0.011}),
    "above solver.most_cell_reynolds": ("cfd_cavity_demo", {"solver__most_cell_reynolds": 2.0}),
    "below solver.least_quality": ("cfd_cavity_demo", {"solver__least_quality": 0.9}),
    r"taken 3 steps \(solver.max_steps\)": ("cfd_cavity_demo", {"solver__max_steps": 3}),
}


@pytest.mark.parametrize("reason", list(BAD))
def test_what_cannot_be_solved_is_a_failed_member_with_its_reason(reason: str) -> None:
    card, changes = BAD[reason]
    frames, outcome = run(tiny(card, **changes), member=29 if "cavity" in card else 0)
    assert np.isnan(frames[-1]).all()
    assert re.search(reason, outcome.cost.reason), outcome.cost.reason


WEAK = {
    "velocity": {"solver__velocity_options": {"pc": "jacobi", "limit": 1}},
    "pressure": {"solver__pressure_solver": "cg", "solver__pressure_options": {"pc": "jacobi", "limit": 1}},
}


@pytest.mark.parametrize("which", list(WEAK))
def test_a_system_that_no_method_solves_is_a_failed_member_with_its_reason(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that gives up is rescued by a factorisation; here that fails, too, once the first frames are out."""
    spec = tiny("cfd_cavity_demo", **WEAK[which])
    frames, rescued = run(spec)
    assert not rescued.cost.reason
    np.testing.assert_allclose(frames, run(tiny("cfd_cavity_demo"))[0], atol=1e-4 * np.abs(frames).max())
    solved, calls = SparseLU.solve, iter(range(10**6))

    def lost(self: SparseLU, system: Any, guess: Any, rtol: float) -> Any:
        answer = solved(self, system, guess, rtol)
        return replace(answer, x=np.full_like(answer.x, np.nan)) if next(calls) > 20 else answer

    monkeypatch.setattr(SparseLU, "solve", lost)
    frames, outcome = run(spec)
    assert "no method solved the system" in outcome.cost.reason
    good = np.isfinite(frames).all(axis=(1, 2, 3))
    assert good[0] and not good[-1] and np.isnan(frames[~good]).all()


def test_a_flow_is_bounded_in_each_step_and_the_greatest_cell_reynolds_number_is_kept(tmp_path: Path) -> None:
    """Not at the frames alone: of the second frame's many steps the first is enough."""
    few = {"cases": [{"name": "all", "values": {"viscosity": [1e-4, 1e-3]}}], "samples__count": 2, "times__frames": 2}
    spec = tiny("cfd_cavity_demo", **few, samples__unit=1, splits={"test": [0, 2]}, solver__most_cell_reynolds=10.0)
    frames, outcome = run(spec)
    assert np.isnan(frames[-1]).all() and outcome.cost.steps < run(spec, member=1)[1].cost.steps
    generate(spec, tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    kept = store.effort()["cell_reynolds"]
    assert kept[0] > 10.0 > kept[1] > 0
    u = store.frames(1)[-1, :2].astype(float)
    assert kept[1] > np.hypot(*u).max() * 0.01 / 64 / 1e-3  # a cell of the mesh is larger than a sixty-fourth
    with pdebench.open(tmp_path / "store") as seen:
        assert seen["cell_reynolds"].attrs["long_name"].startswith("greatest |u| h")
    said = [f.message for f in check(store) if f.check == "told"]
    assert said == [f"member 1: cell_reynolds {kept[1]:.3g} (greatest |u| h / ν of a mesh cell)"]


@pytest.mark.parametrize("order", [[13, 10, 12], [10, 12, 13]])
def test_a_member_has_the_same_bits_beside_others_of_its_geometry_as_alone(order: list[int]) -> None:
    """They share their systems; neither another viscosity nor a member that failed leaves anything behind."""
    spec = tiny("cfd_cavity_demo", solver__most_cell_reynolds=20.0)  # 12 and 18 of members 10 and 12
    events = list(solve.trajectories(spec, np.array(order)))
    for member in order:
        frames, outcome = run(spec, member)
        own = [event.values[0] for event in events if isinstance(event, Frame) and event.members[0] == member]
        assert np.stack(own).tobytes() == frames.tobytes()
        assert ("cell Reynolds number" in outcome.cost.reason) == (member == 13) == bool(np.isnan(frames).any())


def test_a_step_is_at_most_twice_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variable BDF2 is stable below 1 + √2 only; here a short interval comes before a long one."""
    taken, step = [], Projection.step

    def seen(self: Projection, state: Any, dt: float) -> Any:
        taken.append(dt)
        return step(self, state, dt)

    monkeypatch.setattr(Projection, "step", seen)
    problem, grid, output, comm = _parts("cfd_cavity_demo", **{key.replace(".", "__"): v for key, v in TINY.items()})
    solver = FiniteElementCard().build(problem, grid, output, comm)
    params = {"density": 1.0, "viscosity": 0.1, "speed": 0.01, "width": 1.0, "height": 1.0}
    own = {name: np.array([value]) for name, value in params.items()}
    list(solver.trajectories(np.zeros((1, 4, 8, 8)), own, np.array([0.0, 0.1, 2.1, 4.1])))
    growth = np.array(taken[1:]) / taken[:-1]
    assert growth.max() == pytest.approx(2.0) and taken[-1] > 3 * taken[0], taken


@pytest.mark.parametrize("null", ["none", "constant"])
def test_factors_that_have_become_inexact_are_refined(null: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant system is solved by its factors alone, but only as long as the residual is small."""
    space, rng = square(6), np.random.default_rng(3)
    matrix = space.stiffness1 if null == "constant" else space.mass1
    known = {"symmetric": True, "definite": True, "nullspace": null}
    systems = Constant(Rows(Serial(), space.size1), matrix, ("direct-cholesky", {}), (1e-9, 0), known)
    whole, calls = PetscDirect.inverse, []

    def inexact(self: PetscDirect, b: Array) -> Array:
        calls.append(len(b))
        return whole(self, b) * 1.001

    for spoilt in (False, False, True):
        if spoilt:
            monkeypatch.setattr(PetscDirect, "inverse", inexact)
        b = rng.standard_normal(space.size1)
        x, _ = systems.solve(b)
        given = b - b.mean() if null == "constant" else b
        assert np.linalg.norm(given - matrix @ x) <= 1e-9 * np.linalg.norm(given)
    assert len(calls) >= 4  # once alone, then in the sequence, with refinement


def test_an_inflow_that_swells_takes_the_place_of_one_that_lasts() -> None:
    space = Space(Scene("lid", 1.0, 1.0, 1.0, 1.0, 1.0).mesh((4, 4), 1.0))
    steady_flow = Scene("lid", 1.0, 1.0, 1.0, 1.0, 2.0).flow(space)
    still = steady_flow.held(0.0)
    assert still.max() == 2.0 and np.array_equal(steady_flow.held(3.0), still)
    swelling = replace(steady_flow, velocity=lambda places, time: time * steady_flow.velocity(places, time))
    assert np.array_equal(swelling.held(0.0), 0 * still) and np.array_equal(swelling.held(3.0), 3 * still)


def test_systems_that_begin_with_nothing_are_solved_when_there_is_something() -> None:
    """Flow from rest whose inflow swells from zero: its first pressure is zero, and nothing is factorised."""
    space = Space(Scene("lid", 1.0, 1.0, 1.0, 1.0, 1.0).mesh((4, 4), 1.0))
    known = {"symmetric": True, "definite": True}
    systems = Constant(Rows(Serial(), space.size1), space.mass1, ("direct-cholesky", {}), (1e-9, 0), known)
    assert not systems.solve(np.zeros(space.size1))[0].any()
    found, _ = systems.solve(np.ones(space.size1))
    assert np.abs(space.mass1 @ found - 1).max() < 1e-9


def test_a_bad_case_fails_also_where_its_mesh_is_there() -> None:
    spec = tiny("cfd_cavity_demo")
    _, solver = solve.build(spec)
    states = np.zeros((1, 4, 8, 8))
    params = {name: np.array([law.value]) for name, law in spec.parameters.items()}
    for speed, reason in ((2.0, ""), (-1.0, "it must be positive"), (2.0, "")):
        own = params | {"speed": np.array([speed])}
        frames = list(solver.trajectories(states, own, spec.times.values()[:2]))
        assert reason in solver.costs()[0].reason
        assert np.isfinite(frames[-1]).all() == (not reason)


def test_what_no_member_could_have_is_refused_before_the_first() -> None:
    with pytest.raises(SolverError, match="needs a grid of centres"):
        FiniteElementCard().build(*_parts("cfd_cavity_demo", grid__points="nodes"))
    with pytest.raises(SolverError, match="velocity_options do not fit cg"):
        FiniteElementCard(velocity_solver="cg", velocity_options={"knobs": 1}).build(*_parts("cfd_cavity_demo"))
    with pytest.raises(SolverError, match="has no `scene`"):
        FiniteElementCard().build(*_parts("darcy2d_demo"))


def _parts(card: str, **changes: Any) -> Any:
    from pdebench.parallel import Serial

    spec = load_spec(card, {key.replace("__", "."): value for key, value in changes.items()})
    return solve.problem_of(spec), spec.grid, spec.output, Serial()
