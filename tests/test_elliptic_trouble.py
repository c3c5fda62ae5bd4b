"""Elliptic problems at the edge of float64: solved, or said to have failed, and never in silence."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from pdebench.parallel import Serial
from pdebench.solvers.elliptic.equation import Darcy
from pdebench.solvers.elliptic.solver import EllipticCard
from pdebench.solvers.krylov.sequence import Solve
from pdebench.spec import Grid


def test_a_jump_of_1e12_is_solved_or_said_to_have_failed():
    grid = Grid(shape=(32, 32), lengths=(1.0, 1.0), points="centres")
    problem = Darcy(coefficient={"kind": "thresholded", "high": 1e6, "low": 1e-6})
    state = problem.initial(grid, {}, np.random.default_rng(0))[None]
    solver = EllipticCard(tolerance=1e-8).build(problem, grid, grid, Serial())
    (frame,) = solver.trajectories(state, {"source": np.ones(1)}, np.zeros(1))
    cost = solver.costs()[0]
    assert np.isnan(frame).all() == bool(cost.reason)
    if not cost.reason:
        system = problem.assembled(grid, state[0], {"source": 1.0}, "harmonic").system
        allowed = max(1e-8, system.roundoff(frame.ravel()))
        assert system.relative_residual(frame.ravel()) <= allowed


def test_a_tolerance_that_round_off_lifts_is_a_failure_with_its_reason():
    grid = Grid(shape=(4, 4), lengths=(1.0, 1.0), points="centres")
    solver = EllipticCard(tolerance=1e-11).build(Darcy(), grid, grid, Serial())
    clipped = Solve("lu", 0, 2e-4, 0.0, 0.0, clipped=1e-3)
    solver._sequence = SimpleNamespace(solve=lambda system: (np.ones(16), clipped))
    (frame,) = solver.trajectories(np.ones((1, 1, 4, 4)), {"source": np.ones(1)}, np.zeros(1))
    assert np.isnan(frame).all()
    assert "residual is 2.0e-04: with coefficients of this range round-off allows no less than 1.0e-03" in (
        solver.costs()[0].reason
    )


def test_a_store_says_what_decides_its_last_bits():
    said = EllipticCard().provenance()["linear algebra"]
    assert said.startswith("multigrid on ")
    assert "petsc4py" in said
