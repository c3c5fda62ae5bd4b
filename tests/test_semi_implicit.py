"""Shallow water with implicit gravity waves: exact flows, what is kept, steps beyond the waves' Courant number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from volumes import OPEN, RING, cells, march, order, sound

from pdebench import solve
from pdebench.errors import SolverError
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.low_froude import SemiImplicitCard
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.spec import Named, load_spec
from pdebench.testing import check_solver

WALL = ("reflecting", "reflecting")
SEA = {"kind": "random_water", "mean": 1.0, "rms": 0.02, "speed": 0.02, "modes": 3}
DEEP = {"gravity": 9.81, "roughness": 0.0}
SWIFT = {"gravity": 160.0, "roughness": 0.0}


def sea(*pairs: Any, **more: Any) -> ShallowWater:
    return ShallowWater(initial_state=SEA, boundaries=dict(zip("xy", pairs, strict=False)), **more)


def sail(problem: ShallowWater, grid: Any, times: Any, states: Any = None, *, params: Any = DEEP, **how: Any) -> Any:
    """Frames `(t, field, *space)` of one member, and its cost."""
    if states is None:
        states = problem.initial(grid, params, np.random.default_rng(0))
    solver = SemiImplicitCard(**how).build(problem, grid, grid, Serial())
    own = {name: np.array([value]) for name, value in params.items()}
    frames = np.stack(list(solver.trajectories(states[None], own, np.asarray(times, float))))[:, 0]
    return frames, solver.costs()[0]


@pytest.mark.parametrize(("theta", "rate"), [(0.5, 2.0), (1.0, 1.0)])
def test_a_standing_wave_swings_as_linear_theory_has_it(theta: float, rate: float) -> None:
    """Between walls, one wave high as 1e-6 of the depth, Courant number 4: η ∝ cos(πx) cos(π√(gh) t)."""
    errors = []
    for n in (64, 128):
        grid = cells(n)
        x, c = grid.axes()[0], np.sqrt(9.81)
        start = np.stack([1 + 1e-6 * np.cos(np.pi * x), np.zeros(n)])
        time = 0.75 / c
        frames, cost = sail(sea(WALL), grid, [time], start, step=4 / n / c, theta=theta)
        assert cost.steps == round(0.75 * n / 4)
        true = 1e-6 * np.cos(np.pi * x) * np.cos(np.pi * c * time)
        errors.append(float(np.abs(frames[0, 0] - 1 - true).max() / 1e-6))
    assert order(errors) == pytest.approx(rate, abs=0.15), errors


def eddy(n: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """A round vortex, g h' = u²/r, in a wind of Froude number 0.03, on a ring of ten; and where it is after t = 5."""
    grid, out = cells(n, n, length=10.0), []
    for shift in (0.0, 5.0):
        y, x = grid.coordinates()
        x = (x - 5 - 0.16 * shift + 5) % 10 - 5
        y = (y - 5 - 0.08 * shift + 5) % 10 - 5
        turn = 0.15 * np.exp((1 - x**2 - y**2) / 2)
        depth = 1 - turn**2 / (2 * SWIFT["gravity"])
        out.append(np.stack([depth, 0.16 - y * turn, 0.08 + x * turn]))
    return grid, out[0], out[1]


def test_an_eddy_is_carried_with_second_order_far_beyond_the_waves_courant_number() -> None:
    errors, costs = [], []
    for n in (48, 96):
        grid, start, true = eddy(n)
        frames, cost = sail(sea(RING, RING), grid, [5.0], start, params=SWIFT, step=10.0)
        errors.append(float(np.sqrt(np.mean((frames[0, 1:] - true[1:]) ** 2))))
        costs.append(cost)
        assert np.sqrt(SWIFT["gravity"]) * (5.0 / cost.steps) * n / 10 > 5  # cells that a wave moves in a step
        assert 0 < cost.iterations <= 12 * cost.steps
    assert order(errors) > 1.85, errors


def test_both_solvers_tend_to_one_flow() -> None:
    """At a Courant number that resolves the waves, too, the implicit scheme solves the same equations."""
    gaps = []
    for n in (32, 64):
        grid = cells(n, n)
        start = sea(RING, RING).initial(grid, DEEP, np.random.default_rng(1))
        free = sound(march(sea(RING, RING), grid, DEEP, [0.1], states=start[None], limiter="none"))[0, 0]
        frames, _ = sail(sea(RING, RING), grid, [0.1], start, step=0.25 / n)
        gaps.append(float(np.sqrt(np.mean((frames[0, 0] - free[0]) ** 2))))
    assert order(gaps) > 1.85, gaps


def test_a_lake_over_hills_rests_and_a_rough_one_keeps_its_water() -> None:
    bed = {"mean": 0.3, "rms": 0.1, "modes": 3}
    lake = ShallowWater(initial_state=SEA | {"rms": 0.0, "speed": 0.0}, boundaries={"x": WALL, "y": RING}, bed=bed)
    grid = cells(16, 12)
    start = lake.initial(grid, DEEP, np.random.default_rng(2))
    frames, _ = sail(lake, grid, [0, 1.0], start, step=0.1)
    assert np.abs(frames - start[:3]).max() < 1e-13
    stormy = sea(WALL, RING, bed=bed)
    frames, _ = sail(stormy, grid, [0, 1.0], step=0.05, params={**DEEP, "roughness": 0.05})
    volumes = frames[:, 0].mean(axis=(1, 2))
    assert np.abs(frames[1] - frames[0]).max() > 1e-3
    assert volumes[1] == pytest.approx(volumes[0], rel=1e-14)


def test_what_it_cannot_solve_is_refused_or_failed_with_the_reason() -> None:
    grid = cells(8, 8)
    for problem, message in (
        (sea(OPEN, RING), "knows periodic and reflecting sides, not outflow"),
        (
            CompressibleEuler(
                initial_state={
                    "kind": "random_gas",
                    "density": (1, 1),
                    "pressure": (1, 1),
                    "variation": 0,
                    "mach": 0,
                    "modes": 1,
                },
                boundaries={"x": RING, "y": RING},
            ),
            "not Compress",
        ),
    ):
        with pytest.raises(SolverError, match=message):
            SemiImplicitCard(step=0.1).build(problem, grid, grid, Serial())
    with pytest.raises(SolverError, match="no linear solver 'magic'"):
        SemiImplicitCard(step=0.1, linear_solver="magic").build(sea(RING, RING), grid, grid, Serial())
    start = sea(RING, RING).initial(grid, DEEP, np.random.default_rng(0))
    start[0, 2, 5] = 0.0
    frames, cost = sail(sea(RING, RING), grid, [0, 0.1], start, step=0.1)
    assert "depth is 0 in cell (2, 5) of (8, 8)" in cost.reason
    assert np.isnan(frames).all()
    _, cost = sail(sea(RING, RING), grid, [1.0], step=0.01, max_steps=5)
    assert "more than 5 steps" in cost.reason


def test_the_solver_keeps_its_contract() -> None:
    small = {"grid.shape": [16, 16], "store.shape": [8, 8], "times.frames": 3, "times.step": 0.2}
    calm = {"problem.initial_state.rms": 0.02, "problem.bed.rms": 0.05, "samples.unit": 2}
    spec = load_spec("swe2d_random", small | calm)
    spec = spec.model_copy(update={"solver": Named(name="swe_semi_implicit", options={"step": 0.1})})
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec, members=3) == []
