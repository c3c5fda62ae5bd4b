"""Differences of fourth order: manufactured solutions, the same answer another way, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from pdebench import solve
from pdebench.certify import certify
from pdebench.check import check
from pdebench.errors import SolverError
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.solvers.elliptic.compact import compact
from pdebench.solvers.elliptic.discretise import discrete
from pdebench.solvers.elliptic.equation import Darcy, Helmholtz, Poisson
from pdebench.solvers.elliptic.heat import Conduction
from pdebench.solvers.elliptic.solver import EllipticCard
from pdebench.solvers.krylov import SolverSequence
from pdebench.spec import DatasetSpec, Grid, parse
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

NUMBERS = (2.0, 1.3, 0.7)


def relative(values, true):
    return np.linalg.norm(values - true) / np.linalg.norm(true)


def solved(found):
    return found.expanded(SolverSequence("direct-lu", rtol=1e-12).solve(found.system)[0])[0]


@pytest.mark.parametrize("wavy", [False, True])
@pytest.mark.parametrize(
    ("lengths", "points", "rate"), [((1.0,), (16, 32, 64), 4), ((1.0, 1.5), (16, 32, 64), 4), ((1, 1, 1), (10, 20), 4)]
)
def test_fourth_order_with_walls_and_a_shift(lengths, points, rate, wavy):
    """u = sin(k·x + 0.3), unequal along the axes, held at its values; c = 3, or 3 + cos x₀."""
    errors = []
    for n in points:
        grid = Grid(shape=tuple(round(n * length) + 1 for length in lengths), lengths=lengths, points="ends")
        places = grid.coordinates()
        u = np.sin(sum(k * x for k, x in zip(NUMBERS, places, strict=False)) + 0.3)
        shift = 3.0 + np.cos(places[0]) if wavy else 3.0
        source = sum(k**2 for k in NUMBERS[: len(lengths)]) * u + shift * u
        walls = [tuple(np.moveaxis(u, axis, 0)[at] for at in (0, -1)) for axis in range(len(lengths))]
        errors.append(relative(solved(compact(grid, source, walls=walls, shift=shift)), u))
    observed = np.log2(errors[-2] / errors[-1])
    assert abs(observed - rate) < 0.15, f"errors {errors}, order {observed}"


def test_it_is_symmetric_where_it_says_so():
    grid = Grid(shape=(9, 12), lengths=(1.0, 1.5), points="ends")
    for shift, symmetric, definite in ((0.0, True, True), (-9.0, True, False), (np.ones(grid.shape), False, False)):
        system = compact(grid, np.ones(grid.shape), shift=shift).system
        assert (system.symmetric, system.definite) == (symmetric, definite)
        if symmetric:
            assert abs(system.matrix - system.matrix.T).max() < 1e-12
        if definite:
            assert np.linalg.eigvalsh(system.matrix.toarray()).min() > 0


@pytest.mark.parametrize("problem", [Poisson(width=(0.1, 0.1)), Helmholtz()])
def test_both_orders_tend_to_one_solution_and_the_higher_is_nearer(problem):
    """Distances to a solution of order 4 on a much finer grid, at the points that all share."""
    params, errors = {"wave_number": 5.0, "boundary": 0.3}, {2: [], 4: []}
    fine = Grid(shape=(257, 257), lengths=(1.0, 1.0), points="ends")
    true = solved(problem.compact(fine, problem.initial(fine, params, np.random.default_rng(1)), params))
    for n in (32, 64):
        grid = Grid(shape=(n + 1, n + 1), lengths=(1.0, 1.0), points="ends")
        inputs = problem.initial(grid, params, np.random.default_rng(1))
        for order, found in (
            (2, problem.assembled(grid, inputs, params, "harmonic")),
            (4, problem.compact(grid, inputs, params)),
        ):
            errors[order].append(relative(solved(found), true[:: 256 // n, :: 256 // n]))
    assert abs(np.log2(errors[2][0] / errors[2][1]) - 2) < 0.15, errors
    assert np.log2(errors[4][0] / errors[4][1]) > 3.7, errors  # 3.8 to 4: sources are cut off by the walls
    assert errors[4][1] < 0.05 * errors[2][1]


def card(problem, parameters, **solver) -> DatasetSpec:
    points = {"shape": [33, 33], "lengths": [1.0, 1.0], "points": "ends"}
    card = {
        "name": "compact",
        "version": 1,
        "title": "Compact",
        "description": "Compact.",
        "source": "ours",
        "problem": problem,
        "grid": points,
        "parameters": parameters,
        "times": {"step": 1.0, "frames": 1},
        "solver": {"name": "elliptic", "order": 4, **solver},
        "store": {"shape": [33, 33], "dtype": "float64"},
        "samples": {"count": 4, "seed": 1, "unit": 4},
        "splits": {"train": [0, 2], "test": [2, 4]},
    }
    return parse(DatasetSpec, card, where="compact")


POISSON = card({"name": "poisson", "width": [0.1, 0.2]}, {})
HELMHOLTZ = card(
    {"name": "helmholtz", "width": [0.15, 0.25]}, {"wave_number": {"uniform": [5.4, 5.6]}, "boundary": {"value": 0.3}}
)


@pytest.mark.parametrize("spec", [POISSON, HELMHOLTZ], ids=lambda spec: spec.problem.name)
def test_a_card_of_order_four_is_settled_generated_and_certified(tmp_path, spec):
    problem, solver = solve.prepare(spec)
    assert check_solver(solver, problem, spec, members=2) == []
    generate(spec, tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert not [f.message for f in check(store) if f.severity == "error"]
    error = certify(store, [0]).error[0, 0]
    assert 1e-9 < error < 1e-4
    evidence = dict(store._group.attrs["settled"])["evidence"]["members"][0]
    # of order 4: what the certificate finds is 15/16 of the error; the estimate comes from a grid twice as coarse
    assert 0.3 < evidence["discretisation_error"] / error < 3


def test_what_order_four_cannot_it_refuses():
    ends, centres = (Grid(shape=(17, 17), lengths=(1.0, 1.0), points=points) for points in ("ends", "centres"))
    four = EllipticCard(order=4, time_step=0.1)
    with pytest.raises(SolverError, match="needs a coefficient of 1, which Darcy has not"):
        four.build(Darcy(), ends, ends, Serial())
    with pytest.raises(SolverError, match="for steady problems"):
        four.build(Conduction(), ends, ends, Serial())
    with pytest.raises(SolverError, match="grid of ends, not of centres"):
        compact(centres, np.ones(centres.shape))
    with pytest.raises(SolverError, match="held walls, not neumann"):
        Poisson(boundary="neumann").compact(ends, np.ones((1, 17, 17)), {})
    with pytest.raises(SolverError, match="at least 3 points"):
        compact(Grid(shape=(2, 9), lengths=(1.0, 1.0), points="ends"), np.ones((2, 9)))
    coarse, fine = discrete(ends, np.ones(ends.shape), 1.0), compact(ends, np.ones(ends.shape))
    assert coarse.system.rows == fine.system.rows
