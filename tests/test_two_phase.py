"""Two fluids: exact solutions and orders, rest, one fluid as the limit, conservation, cost; tanks; what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import needs_dolfinx
from scipy import sparse
from scipy.spatial import KDTree
from volumes import order as observed

from pdebench import sample, solve
from pdebench.arrays import Array
from pdebench.check import check
from pdebench.errors import SolverError
from pdebench.generate import generate
from pdebench.problem import Frame, OnMesh, Outcome
from pdebench.solvers.finite_element.flow import Flow
from pdebench.solvers.finite_element.level_set import LevelSet
from pdebench.solvers.finite_element.meshing import box
from pdebench.solvers.finite_element.projection import Linear, Projection
from pdebench.solvers.finite_element.scene import Scene
from pdebench.solvers.finite_element.space import CORNERS, Space
from pdebench.solvers.finite_element.tank import Barrier, Tank
from pdebench.solvers.finite_element.two_phase import PRESSURE, Fluids, State, TwoPhase
from pdebench.solvers.finite_element.two_phase_solver import Run, TwoPhaseCard
from pdebench.solvers.finite_element.weighted import Weighted
from pdebench.solvers.krylov.lu import SparseLU
from pdebench.spec import DatasetSpec, Grid, load_spec
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

needs_dolfinx()

NONE = np.zeros(0, int)
TIGHT = Linear(pressure=PRESSURE, rtol=1e-10)
WATER = Fluids((1000.0, 1.2), (1e-3, 1.8e-5))
STEP = Tank(1.5, 0.4, Fluids((100.0, 1.225), (0.1, 1.79e-5)), 1.0, 0.1, (0.5, 0.12), Barrier(0.5, 0.05, 0.12), True)


def square(cells: int, low: float = 0.0, high: float = 1.0) -> Space:
    places = np.linspace(low, high, cells + 1)
    return Space(box(places, places))


def closed(space: Space) -> Flow:
    return Flow(space, 0.0, lambda points, time: np.zeros((2, len(points))), NONE, NONE)


def no_entry(space: Space) -> Callable[[float], Array]:
    return lambda time: np.zeros(space.size1)


# -- matrices -------------------------------------------------------------------------------------------------------


def test_weighted_matrices_are_dolfinx_s_where_weights_are_1_and_integrals_where_they_are_not() -> None:
    space = square(5)
    w = Weighted(space, np.arange(space.size1), np.zeros((2, space.size), bool))
    ones = np.ones(len(space.cells))
    np.testing.assert_allclose(w.mass(np.ones((len(ones), 7))), space.mass.data, atol=1e-15)
    np.testing.assert_allclose(w.stiffness(np.ones((len(ones), 3))), space.stiffness.data, atol=1e-12)
    assert abs(w.poisson(ones) - space.stiffness1).max() < 1e-12
    x, y = space.points.T
    weight = 1 + space.points1[:, 0]
    mass = sparse.csr_matrix((w.mass(weight[space.cells1] @ CORNERS.T), space.mass.indices, space.mass.indptr))
    assert y @ mass @ y == pytest.approx(1.5 / 3)  # ∫∫ (1 + x) y²
    values = np.arange(len(ones), dtype=float)
    assert x @ w.tested(values) == pytest.approx(values @ (space.areas * space.points1[space.cells1, 0].mean(1)))


def test_a_body_in_rigid_rotation_has_no_viscous_stress_however_viscosity_varies() -> None:
    space = square(6)
    w = Weighted(space, np.arange(space.size1), np.zeros((2, space.size), bool))
    mu = 1 + np.random.default_rng(1).uniform(size=space.size1)
    x, y = space.points.T
    matrix, _ = w.momentum(w.stiffness(mu[space.cells1]), w.slope(mu))
    inner = np.setdiff1d(np.arange(space.size), space.boundary)
    left = (matrix @ np.concatenate([-y, x])).reshape(2, -1)[:, inner]
    np.testing.assert_allclose(left, 0, atol=1e-13)


# -- exact solutions ------------------------------------------------------------------------------------------------


class Rotating:
    """Density and velocity of Guermond & Salgado (2009, §4.1) with a linear pressure: all lies in the spaces."""

    fluids = Fluids((3.0, 1.0), (1.0, 1.0), gravity=0.0)

    def velocity(self, points: Array, time: float) -> Array:
        x, y = points.T
        return np.stack([-y * np.cos(time), x * np.cos(time)])

    def phi(self, points: Array, time: float) -> Array:
        x, y = points.T
        return np.asarray((1 + x * np.cos(np.sin(time)) + y * np.sin(np.sin(time))) / 2)

    def pressure(self, points: Array, time: float) -> Array:
        return np.asarray((points[:, 0] + points[:, 1]) * np.sin(time))

    def force(self, points: Array, time: float) -> Array:
        x, y = points.T
        density = self.fluids.density(self.phi(points, time))
        pull = np.stack([y * np.sin(time) - x * np.cos(time) ** 2, -x * np.sin(time) - y * np.cos(time) ** 2])
        return density * pull + np.sin(time)


def rotated(space: Space, count: int, end: float) -> tuple[Array, Array, float]:
    """Errors of velocity and φ at the end."""
    exact = Rotating()
    flow = Flow(space, 1.0, exact.velocity, NONE, NONE, exact.force)
    level_set = LevelSet(space, sharpening=0.0)
    flow2 = TwoPhase(flow, exact.fluids, level_set, entering=lambda t: exact.phi(space.points1, t), linear=TIGHT)
    state = flow2.start(exact.velocity(space.points, 0), exact.phi(space.points1, 0), exact.pressure(space.points1, 0))
    for _ in range(count):
        state = flow2.step(state, end / count)
    off = state.velocity - exact.velocity(space.points, end)
    return off, state.phi - exact.phi(space.points1, end), state.time


def test_velocity_and_density_are_of_second_order_in_time() -> None:
    space = square(8, -0.5, 0.5)
    errors = []
    for count in (10, 20, 40):
        u, phi, _ = rotated(space, count, 1.0)
        errors.append([np.sqrt(sum(row @ (space.mass @ row) for row in u)), np.sqrt(phi @ (space.mass1 @ phi))])
    for which in (0, 1):
        assert observed([row[which] for row in errors]) == pytest.approx(2.0, abs=0.2), errors


def layered(points: Array) -> tuple[Array, Array, Array, Array]:
    """ψ = sin πx sin πy and its derivatives: a stream function whose lines are lines of equal density too."""
    x, y = np.pi * points.T
    return np.sin(x) * np.sin(y), np.cos(x) * np.sin(y), np.sin(x) * np.cos(y), np.cos(x) * np.cos(y)


MU = Fluids((2.0, 1.0), (0.2, 0.1), gravity=0.0)


def steady_velocity(points: Array, time: float) -> Array:
    _, along, across, _ = layered(points)
    return np.stack([across, -along])


def steady_force(points: Array, time: float) -> Array:
    """ρ (u·∇)u − ∇·(2μ ε(u)) with ρ = 1 + φ, μ = ρ/10, φ = ¼ + ½ψ²; the pressure is 0.

    2ε(u) is 2π diag(cos cos, −cos cos): what is off the diagonal cancels.
    """
    psi, along, across, both = layered(points)
    rho, pi = 1.25 + psi**2 / 2, np.pi
    mu = rho / 10
    inertia = rho * pi * np.stack([across * both + along * psi, across * psi + along * both])
    slope = 0.1 * psi * pi * np.stack([along, across])  # ∇μ
    stress = np.stack([2 * pi * both, -2 * pi * both])
    bent = 2 * pi**2 * np.stack([-across, along])  # ∂ₓ of the first, ∂ᵧ of the second
    return np.asarray(inertia - slope * stress - mu * bent)


def test_variable_density_and_viscosity_converge_in_space() -> None:
    """Density is linear in a cell, so order 2 is what velocities can have."""
    errors = []
    for cells in (6, 12):
        space = square(cells)
        flow = Flow(space, 0.1, steady_velocity, NONE, NONE, steady_force)
        phi = 0.25 + layered(space.points1)[0] ** 2 / 2
        level_set = LevelSet(space, sharpening=0.0)
        flow2 = TwoPhase(flow, MU, level_set, entering=no_entry(space))
        state = flow2.start(steady_velocity(space.points, 0), phi)
        for _ in range(8):
            state = flow2.step(state, 0.02)
        off = np.stack([space.at @ part for part in state.velocity]) - steady_velocity(space.quadrature, 0)
        errors.append(
            [
                np.sqrt(space.integral((off**2).sum(0))),
                np.sqrt((state.phi - phi) @ (space.mass1 @ (state.phi - phi))),
            ]
        )
    for which in (0, 1):
        assert observed([row[which] for row in errors]) > 1.8, errors


def test_one_fluid_is_what_the_projection_for_one_fluid_finds() -> None:
    scene = Scene("lid", 1.0, 1.0, 2.0, 0.02, 1.0)
    space = Space(scene.mesh((8, 8), 1.0))
    flow = scene.flow(space)
    direct = Linear(rtol=1e-12)
    one = Projection(flow, direct, form="standard")
    fluids = Fluids((2.0, 2.0), (0.02, 0.02))
    two = TwoPhase(flow, fluids, LevelSet(space), entering=no_entry(space), linear=direct)
    phi = (space.points1[:, 1] < 0.5).astype(float)
    a, b = one.start(np.zeros((2, space.size))), two.start(np.zeros((2, space.size)), phi)
    for _ in range(5):
        a, b = one.step(a, 0.05), two.step(b, 0.05)
    np.testing.assert_allclose(b.velocity, a.velocity, atol=1e-10)
    np.testing.assert_allclose(b.pressure, 2 * a.pressure, atol=1e-9)


def test_water_under_air_at_rest_stays_at_rest() -> None:
    """To the tolerance of the solvers, with a ratio of densities of 800 and an interface within a row of cells."""
    space = Space(box(np.linspace(0, 1, 9), np.linspace(0, 1, 13)))
    phi = 1 / (1 + np.exp((space.points1[:, 1] - 0.43) * 12 / 0.6))
    speeds = []
    for rtol in (1e-6, 1e-10):
        linear = Linear(pressure=PRESSURE, rtol=rtol)
        flow2 = TwoPhase(closed(space), WATER, LevelSet(space), entering=no_entry(space), linear=linear)
        state = flow2.start(np.zeros((2, space.size)), phi)
        for _ in range(5):
            state = flow2.step(state, 0.02)
        speeds.append(np.abs(state.velocity).max())
    assert speeds[0] < 1e-5 and speeds[1] < 1e-9, speeds  # [m s⁻¹]; a wave of the tank's depth runs at 2
    np.testing.assert_allclose(state.phi, phi, atol=1e-9)
    y = space.points1[:, 1]
    depth = state.pressure[y < 1e-9] - state.pressure[y > 1 - 1e-9].mean()
    np.testing.assert_allclose(depth, 9.81 * (1000 - 1.2) * space.mass1.dot(phi).sum(), rtol=1e-3)


# -- tanks ----------------------------------------------------------------------------------------------------------


def test_a_tank_s_mesh_leaves_out_the_barrier_and_has_no_cell_between_two_walls() -> None:
    mesh = STEP.mesh((16, 40)).checked(0.1)
    assert mesh.areas().sum() == pytest.approx(1.5 * 0.4 - 0.05 * 0.12, rel=1e-12)
    space = Space(mesh)
    flow = STEP.flow(space)
    held = np.zeros(space.size, bool)
    held[flow.fixed] = True
    assert not held[space.cells].all(axis=1).any()
    grid = Grid(shape=(40, 150), lengths=(1.0, 1.0), points="centres")
    assert STEP.solid(grid).sum() * 0.01**2 == pytest.approx(0.05 * 0.12)
    assert STEP.fraction(grid).sum() * 0.01**2 == pytest.approx(0.5 * 0.12)


TINY: dict[str, Any] = {"grid.shape": [8, 16], "store.shape": [12, 12], "times.frames": 4, "times.step": 0.04}


def tiny(card: str, **changes: Any) -> DatasetSpec:
    return load_spec(card, TINY | {key.replace("__", "."): value for key, value in changes.items()})


def run(spec: DatasetSpec, member: int = 0) -> tuple[Array, Outcome]:
    events = list(solve.trajectories(spec, np.array([member])))
    frames = np.stack([event.values[0] for event in events if isinstance(event, Frame)])
    outcome = events[-1]
    assert isinstance(outcome, Outcome)
    return frames, outcome


def marched(end: float, shape: tuple[int, int] = (10, 30), **card: Any) -> tuple[list[State], Run]:
    """States of `STEP` on a coarse mesh, from its pool at rest."""
    space = Space(STEP.mesh(shape))
    grid = Grid(shape=shape, lengths=(1.0, 1.0), points="centres")
    state = np.zeros((5, *shape))
    state[3] = STEP.fraction(grid)
    own = Run(TwoPhaseCard(**card), STEP, space, LevelSet(space))
    begun = own.begun(state, grid)
    return [begun, *own.march(begun, np.arange(1, round(end / 0.1) + 1) * 0.1)], own


def test_the_inlet_brings_what_its_speed_says() -> None:
    states, own = marched(0.0)
    left = own.two_phase.flow.space.points1[:, 0] == 0
    assert -states[0].carrier.out[left].sum() == pytest.approx(0.1, rel=0.06)


def test_water_that_enters_the_dam_is_there_until_it_leaves() -> None:
    states, own = marched(0.6)
    volumes = np.array([own.two_phase.level_set.volume(state.phi) - state.entered for state in states])
    np.testing.assert_allclose(
        volumes, volumes[0], rtol=1e-6
    )  # far below 0.1 %, with water over the step and on the floor
    assert states[-1].entered == pytest.approx(0.06, rel=0.06)
    assert max(state.phi.max() for state in states) <= 1 + 1e-7 and min(state.phi.min() for state in states) >= -1e-7
    beyond = own.two_phase.flow.space.points1[:, 0] > 0.6
    assert states[-1].phi[beyond].max() > 0.5 > 0.01 > states[0].phi[beyond].max()


def test_recycled_pressures_take_fewer_iterations() -> None:
    """Though the matrix is another in every step: the modes that converge last change little."""
    counts = []
    for recycle in (False, True):
        options = {"pc": "icc", "m": 30, "k": 10, "recycle": recycle}
        own = marched(0.1, (16, 48), pressure_solver="gcrodr", pressure_options=options, guess=0)[1]
        counts.append(own.two_phase.iterations["pressure"])
    assert counts[1] < 0.8 * counts[0], counts


@pytest.mark.parametrize("card", ["cfd_dam_demo", "cfd_tube_two_phase"])
def test_the_solver_keeps_its_contract(card: str) -> None:
    spec = tiny(card, grid__shape=[6, 12], times__step=0.02)
    problem, solver = solve.prepare(spec)
    found = check_solver(solver, problem, spec, members=2)
    # A step a hundred times shorter than the last moves the pressure of a projection by more than the time that passes.
    assert [line for line in found if not line.startswith("does not land")] == []


def test_where_the_mesh_is_too_coarse_and_viscosity_was_added_is_counted_and_kept(tmp_path: Path) -> None:
    counts = [marched(0.1, (8, 16), stiffened=bound)[1].two_phase for bound in (1e-9, 1e9)]
    assert (counts[0].thickened > 0.8 * counts[0].passed).all() and (counts[0].passed > 0).all()
    assert not counts[1].thickened.any()
    few = {"samples__count": 1, "samples__unit": 1, "splits": {"test": [0, 1]}, "times__frames": 2}
    case = [{"name": "one", "values": {"speed": [1.0]}}]
    spec = tiny("cfd_dam_demo", **few, cases=case, grid__shape=[6, 12], store__mesh=1, solver__stiffened=30.0)
    generate(spec, tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    kept = {name: float(values[0]) for name, values in store.effort().items()}
    assert kept["cell_reynolds"] > 30 and 0 < kept["thickened"] < 1 and 0 < kept["thickened_light"] <= 1
    said = {f.check: f.message for f in check(store) if f.check in ("told", "conservation")}
    assert "thickened" in said["told"] and "divergence" in said["conservation"] and "flux" not in said["conservation"]


def test_frames_on_the_mesh_are_those_of_the_grid() -> None:
    spec = tiny("cfd_dam_demo", store__mesh=1, times__frames=3)
    events = list(solve.trajectories(spec, np.array([0])))
    nodes = [event.values for event in events if isinstance(event, OnMesh)]
    frames = [event.values[0] for event in events if isinstance(event, Frame)]
    problem, card = solve.prepare(spec)
    tank = problem.tank(sample.parameters(spec, 0))  # type: ignore[attr-defined]
    mesh = card.mesh(problem, spec.grid, sample.parameters(spec, 0))  # type: ignore[attr-defined]
    assert len(nodes) == len(frames) == 3 and nodes[0].shape == (4, len(mesh.nodes))
    grid = spec.output
    y, x = (place.ravel() for place in grid.coordinates())
    at = np.stack([x / grid.lengths[1] * tank.width, y / grid.lengths[0] * tank.height], axis=1)
    whole = (1 - tank.solid(grid)).ravel() > 0
    for on_mesh, on_grid in zip(nodes[1:], frames[1:], strict=True):  # at first only the inlet moves
        nearest = KDTree(mesh.nodes).query(at[whole])[1]
        off = on_mesh[:, nearest] - on_grid.reshape(4, -1)[:, whole]
        usual = np.abs(on_grid.reshape(4, -1)[:, whole]).mean(axis=1)
        # The nearest node is half a cell off; zeros, or values of other nodes or fields, are off by all that there is.
        assert (np.abs(off).mean(axis=1) <= 0.5 * usual + 1e-12).all()
    closed = sample.parameters(spec, 0) | {"barrier_height": 0.5}
    assert card.mesh(problem, spec.grid, closed) is None  # type: ignore[attr-defined]


def test_a_pressure_that_does_not_converge_is_rescued(monkeypatch: pytest.MonkeyPatch) -> None:
    rescued, solved = [], SparseLU.solve
    monkeypatch.setattr(SparseLU, "solve", lambda *args: rescued.append(1) or solved(*args))
    weak = tiny("cfd_dam_demo", times__frames=2, solver__pressure_options={"pc": "icc", "limit": 1})
    found, outcome = run(weak)
    assert not outcome.cost.reason
    assert len(rescued) >= outcome.cost.steps
    usual = run(tiny("cfd_dam_demo", times__frames=2))[0]
    np.testing.assert_allclose(found[-1], usual[-1], atol=1e-3 * np.abs(usual[-1]).max())


def test_one_flux_goes_through_all_columns_under_a_lid_and_is_not_asked_of_an_open_box() -> None:
    grid = Grid(shape=(8, 10), lengths=(1.0, 1.0), points="centres")
    even, fluid = np.zeros((2, 4, 8, 10)), np.ones((1, 8, 10))
    even[:, 0] = 1.0
    for card, names in (("cfd_tube_two_phase", {"divergence", "flux"}), ("cfd_dam", {"divergence"})):
        spec = load_spec(card)
        errors = solve.problem_of(spec).grid_errors(even, fluid, grid, sample.parameters(spec, 0))  # type: ignore[attr-defined]
        assert errors.keys() == names and all((values == 0).all() for values in errors.values())
    leaking = even * np.linspace(1, 2, 10)
    spec = load_spec("cfd_tube_two_phase")
    params = sample.parameters(spec, 0) | {"speed": 1.0}
    assert solve.problem_of(spec).grid_errors(leaking, fluid, grid, params)["flux"] == pytest.approx(1.0)  # type: ignore[attr-defined]


BAD = {
    "closes the channel": {"parameters__barrier_height__value": 0.5},
    r"remain 0.02, below 0.2": {"parameters__barrier_height__value": 0.38},
    "does not stand inside the box": {"parameters__barrier_width__value": 1.2},
    "differ by more than solver.most_density_ratio": {"parameters__density__value": 1e4},
    "above solver.most_cell_reynolds": {"parameters__viscosity__value": 1e-6},
    r"taken 3 steps \(solver.max_steps\)": {"solver__max_steps": 3},
    "below solver.least_quality": {"solver__least_quality": 0.99},
}


@pytest.mark.parametrize("reason", list(BAD))
def test_what_cannot_be_solved_is_a_failed_member_with_its_reason(reason: str) -> None:
    frames, outcome = run(tiny("cfd_dam_demo", **BAD[reason]))
    assert np.isnan(frames[-1]).all()
    assert re.search(reason, outcome.cost.reason), outcome.cost.reason


def test_what_no_member_could_have_is_refused_before_the_first() -> None:
    with pytest.raises(SolverError, match="needs a grid of centres"):
        TwoPhaseCard().build(*_parts("cfd_dam_demo", grid__points="nodes"))
    with pytest.raises(SolverError, match="pressure_options do not fit cg"):
        TwoPhaseCard(pressure_options={"knobs": 1}).build(*_parts("cfd_dam_demo"))
    with pytest.raises(SolverError, match="has no `tank`"):
        TwoPhaseCard().build(*_parts("cfd_tube_demo"))


def _parts(card: str, **changes: Any) -> Any:
    from pdebench.parallel import Serial

    spec = load_spec(card, {key.replace("__", "."): value for key, value in changes.items()})
    return solve.problem_of(spec), spec.grid, spec.output, Serial()


def test_frames_after_a_flow_has_come_to_rest_are_the_same() -> None:
    spec = tiny("cfd_tube_two_phase", solver__still=10.0)
    frames, _ = run(spec)
    np.testing.assert_array_equal(frames[2], frames[3])
    assert not np.array_equal(frames[0], frames[1])
    assert replace(STEP, inlet=0.5).defect(0.2, 2000.0).startswith("the inlet's height 0.5")


def test_frames_go_on_while_the_interface_moves_in_a_flow_that_does_not_change() -> None:
    """Two fluids that differ in nothing: the channel's flow is steady long before the first has filled it."""
    tank = Tank(2.0, 1.0, Fluids((1.0, 1.0), (1.0, 1.0), gravity=0.0), 1.0, 1.0)
    shape = (6, 12)
    space = Space(tank.mesh(shape))
    own = Run(TwoPhaseCard(still=0.01), tank, space, LevelSet(space))
    begun = own.begun(np.zeros((5, *shape)), Grid(shape=shape, lengths=(1.0, 1.0), points="centres"))
    states = list(own.march(begun, np.arange(1, 8) * 0.2))
    assert np.abs(states[-1].velocity - states[-2].velocity).max() < 0.01
    volumes = [own.two_phase.level_set.volume(state.phi) for state in states]
    assert np.diff(volumes).min() > 0.1, volumes  # 0.2 enters from frame to frame
