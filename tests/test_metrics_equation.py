"""What is left of the card's equation, and what walls hold: by hand, and of solutions that obey."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from steady import toy_spec

import pdebench
from pdebench.arrays import Array
from pdebench.baselines.blocks import padding_of
from pdebench.errors import CardError, PdebenchError
from pdebench.evaluate import evaluate
from pdebench.metrics import Context, metrics
from pdebench.problem import problem_of
from pdebench.spec import Grid, load_spec
from pdebench.store import TrajectoryStore
from pdebench.task import Record, Task

WAVE = np.array([1.0, -1.0, 1.0, -1.0])


def halving(start: float, **more: Any) -> Context:
    """An equation whose states halve from one frame to the next."""
    grid = Grid(shape=(4,), lengths=(1.0,))
    known = {"advance": lambda u: u / 2} | more
    return Context(grid, np.array([0.5, 1.0]), start * WAVE[None, None], **known)


def frames(*sizes: float) -> Array:
    return np.array(sizes)[None, :, None, None] * WAVE


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((2.0, 1.0), (0.0, 0.0)),
        ((2.0, 1.5), (0.0, 0.5)),  # |1.5 − 2/2| over |1 − 2|
        ((3.0, 1.5), (0.5, 0.0)),  # |3 − 4/2| over |2 − 4|; then it obeys, from where it is
        ((4.0, 4.0), (1.0, 2.0)),  # stands still
        ((np.nan, 1.0), (inf, inf)),  # what follows from nothing is not known
    ],
)
def test_residual_by_hand(sizes: tuple[float, float], expected: tuple[float, float]) -> None:
    found = metrics["residual"](frames(*sizes), frames(2.0, 1.0), halving(4.0))
    np.testing.assert_allclose(found[0, :, 0], expected)


def test_nothing_follows_for_any_field_from_a_frame_that_lacks_one() -> None:
    """Each field halves what the other was."""
    start, true, pred = (np.repeat(frames(*sizes), 2, axis=2) for sizes in ((4.0,), (2.0, 1.0), (2.0, 1.0)))
    pred[0, 0, 0, 1] = np.nan
    context = halving(0.0, advance=lambda u: u[:, :, ::-1] / 2)
    found = metrics["residual"](pred, true, replace(context, start=start[:, 0]))
    np.testing.assert_array_equal(found[0], [[inf, 0.0], [inf, inf]])


def test_residual_is_infinite_where_the_solver_cannot_go_on() -> None:
    context = Context(
        Grid(shape=(4,), lengths=(1.0,)), np.array([0.5, 1.0]), 4 * WAVE[None, None],
        advance=lambda u: np.where(np.abs(u) > 2.5, np.nan, u / 2),
    )  # fmt: skip
    found = metrics["residual"](frames(2.0, 1.0), frames(2.0, 1.0), context)
    np.testing.assert_allclose(found[0, :, 0], [inf, 0.0])


def test_residual_is_over_the_fluid() -> None:
    volumes = np.array([1.0, 1.0, 0.0, 2.0])
    pred = frames(2.0, 1.0)
    pred[0, 0, 0, 2] = 99.0  # in a body
    pred[0, 0, 0, 3] += 1.0  # half of the volume: √(½·1²) over the change √4
    context = halving(4.0, volumes=volumes, advance=lambda u: np.where(volumes > 0, u / 2, np.nan))
    found = metrics["residual"](pred, frames(2.0, 1.0), context)
    np.testing.assert_allclose(found[0, 0, 0], np.sqrt(0.5) / 2)


def test_residual_needs_an_equation() -> None:
    context = Context(Grid(shape=(4,), lengths=(1.0,)), np.ones(1), WAVE[None, None])
    with pytest.raises(PdebenchError, match="take it out of the task"):
        metrics["residual"](frames(1.0), frames(1.0), context)


def scored(store: TrajectoryStore, model: str, *names: str, **options: Any) -> Record:
    horizon = 1 if store.steady else len(store.times) - 1
    task = Task(
        name="t", version=1, title="t", description="t", dataset=store.spec.name, horizon=horizon, metrics=names,
        primary=names[0],
    )  # fmt: skip
    return evaluate(model, store, task, card=store.spec, options=options)


def made(spec: Any, path: Path) -> TrajectoryStore:
    pdebench.generate(spec, path / "s.zarr")
    return TrajectoryStore.open(path / "s.zarr")


def test_the_cards_own_solver_leaves_nothing_and_standing_still_leaves_the_change(tmp_path: Path) -> None:
    """uₜ = f + s − a u with coefficients of each member's own; frames are stored in single precision."""
    store = made(toy_spec(steady=False), tmp_path)
    own = np.array(scored(store, "classical", "residual").values["residual"])
    assert own.shape == (3, 3, 1)
    assert own.max() < 1e-6
    still = np.array(scored(store, "persistence", "residual").values["residual"])
    np.testing.assert_allclose(still[:, 0], 1.0, rtol=1e-5)
    assert (still[:, 1:] > 1.0).all()  # the truth slows down, and what stands still is no nearer to rest


def test_a_steady_equation_is_left_by_nothing_at_all(tmp_path: Path) -> None:
    spec = load_spec(
        "poisson2d_gauss",
        {
            "grid": {"shape": [17, 17], "lengths": [1.0, 1.0], "points": "ends"},
            "store.shape": [17, 17],
            "solver.linear_solver": "direct-cholesky",
            "samples": {"count": 4, "seed": 1, "unit": 2},
            "splits": {"train": [0, 1], "valid": [1, 2], "test": [2, 4]},
        },
    )
    store = made(spec, tmp_path)
    asked = ("residual", "boundary_violation")
    own, nothing = scored(store, "classical", *asked), scored(store, "zero", *asked)
    assert np.array(own.values["residual"]).max() < 1e-4  # the tolerance asked of the linear solver
    np.testing.assert_allclose(np.ravel(nothing.values["residual"]), 1.0)
    assert own.scores["boundary_violation"] == nothing.scores["boundary_violation"] == 0.0


def test_a_solver_that_knows_no_residual_says_so(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="no residual of a steady problem"):
        scored(made(toy_spec(), tmp_path), "classical", "residual")


# Walls


def walled(points: Any, shape: tuple[int, ...], walls: Array, **more: Any) -> Context:
    grid = Grid(shape=shape, lengths=(1.0,) * len(shape), points=points)
    return Context(grid, np.ones(1), np.zeros((1, walls.shape[-1], *shape)), walls=walls[None], periodic=False, **more)


@pytest.mark.parametrize("points", ["ends", "centres"])
def test_a_line_meets_its_walls(points: Any) -> None:
    """u = 1 + 3x is 1 on the left and 4 on the right; cells are extrapolated along a line, so that it stays exact."""
    context = walled(points, (5,), np.array([[[1.0], [4.0]]]))
    assert context.grid is not None
    line = (1 + 3 * context.grid.axes()[0])[None, None, None]
    assert metrics["boundary_violation"](line, line, context)[0, 0, 0] == pytest.approx(0, abs=1e-15)
    assert metrics["boundary_violation"](line + 0.5, line, context)[0, 0, 0] == pytest.approx(0.5)
    turned = metrics["boundary_violation"](line[..., ::-1], line, context)[0, 0, 0]
    assert turned == pytest.approx(3.0)


def test_points_of_walls_count_once_and_edges_not_at_all() -> None:
    """On 4 × 5 points: 2 · 3 + 2 · 2 = 10 of them; the lower side is off by 2 at its 3: √(3 · 4 / 10)."""
    context = walled("ends", (4, 5), np.zeros((2, 2, 1)))
    pred = np.zeros((1, 1, 1, 4, 5))
    pred[..., 0, :] = 2.0
    pred[..., -1, -1] = 9.0
    found = metrics["boundary_violation"](pred, pred, context)
    assert found[0, 0, 0] == pytest.approx(np.sqrt(1.2))


def test_free_fields_have_none_and_free_sides_do_not_count() -> None:
    walls = np.array([[[0.0, np.nan], [np.nan, np.nan]]])
    context = walled("ends", (3,), walls)
    pred = np.array([[1.0, 0.0, 5.0], [7.0, 7.0, 7.0]])[None, None]
    np.testing.assert_array_equal(metrics["boundary_violation"](pred, pred, context)[0, 0], [1.0, np.nan])


def test_walls_beside_a_body_are_not_asked() -> None:
    volumes = np.ones((2, 4))
    volumes[0, 1] = volumes[1, 3] = 0  # a wall within the body, and a wall with the body behind its first cell
    walls = np.full((2, 2, 1), np.nan)
    walls[0, 0] = 0.0
    pred = np.array([[1.0, 9.0, 3.0, 9.0], [1.0, 9.0, 3.0, 9.0]])[None, None, None]
    found = metrics["boundary_violation"](pred, pred, walled("centres", (2, 4), walls, volumes=volumes))
    assert found[0, 0, 0] == pytest.approx(np.sqrt((1 + 9) / 2))


@pytest.mark.parametrize("points", ["nodes", "ends"])
def test_boundary_violation_needs_walls(points: Any) -> None:
    grid = Grid(shape=(4,), lengths=(1.0,), points=points)
    with pytest.raises(PdebenchError, match="what its walls hold"):
        metrics["boundary_violation"](frames(1.0), frames(1.0), Context(grid, np.ones(1), WAVE[None, None]))


def test_walls_of_water_hold_its_velocity() -> None:
    """Axes are y, x; fields are depth, velocity x, velocity y. Only what crosses a reflecting wall is held."""
    sides = {"x": ["reflecting", "outflow"], "y": ["no_slip", {"wall": [2.0, 0.0]}]}
    problem: Any = problem_of(load_spec("swe2d_radial_dam_break", {"problem.boundaries": sides}))
    free = [np.nan] * 3
    expected = [[[np.nan, 0.0, 0.0], [np.nan, 2.0, 0.0]], [[np.nan, 0.0, np.nan], free]]
    np.testing.assert_array_equal(problem.walls(Grid(shape=(4, 4), lengths=(1.0, 1.0)), {}), expected)


@pytest.mark.parametrize("profile", ["uniform", "parabolic"])
def test_walls_of_a_channel_hold_what_is_the_same_along_them(profile: str) -> None:
    problem: Any = problem_of(load_spec("cfd_tube_demo", {"problem.profile": profile}))
    numbers = {"width": 2.0, "height": 1.0, "density": 1.0, "viscosity": 0.1, "speed": 3.0}
    walls = problem.walls(Grid(shape=(4, 4), lengths=(1.0, 1.0), points="centres"), numbers)
    still, along = [0.0, 0.0, np.nan], 3.0 if profile == "uniform" else np.nan
    np.testing.assert_array_equal(walls, [[still, still], [[along, 0.0, np.nan], [np.nan] * 3]])


@pytest.mark.parametrize(
    ("card", "padding"),
    [
        ("euler2d_kh_demo", "circular"),  # cells, and no walls
        ("swe2d_radial_dam_break", "replicate"),
        ("ns2d_mini", "circular"),
        ("darcy2d_demo", "zeros"),
    ],
)
def test_networks_know_which_boxes_close_on_themselves(card: str, padding: str) -> None:
    assert padding_of(load_spec(card)) == padding
