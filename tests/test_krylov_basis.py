"""The small parts of GCRO-DR, each against what it should be in exact arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import linalg

from pdebench.parallel import Serial
from pdebench.solvers import kernels
from pdebench.solvers.krylov.basis import cholesky_qr, orthogonalise
from pdebench.solvers.krylov.ritz import harmonic
from pdebench.solvers.krylov.space import PATIENCE, PAUSE, Ledger

ENGINES = ["numpy", "compiled"]


@pytest.fixture(params=ENGINES)
def engine(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(kernels, "available", lambda: False)
        monkeypatch.setattr(kernels, "warn_once", lambda: None)
    elif not kernels.available():
        pytest.skip("not compiled")


def test_gram_schmidt_holds_where_a_single_pass_does_not(engine):
    """Rows that differ by 1e-6 from each other: one pass would leave a loss of 1e-10, two sweeps leave none."""
    rng = np.random.default_rng(0)
    given = rng.standard_normal(300) + 1e-6 * rng.standard_normal((20, 300))
    q = given.copy()
    triangle = np.zeros((20, 20))
    for i in range(20):
        parts, length = orthogonalise(Serial(), q, i)
        triangle[i, :i], triangle[i, i] = parts, length
    assert np.abs(q @ q.T - np.eye(20)).max() < 1e-12
    np.testing.assert_allclose(triangle @ q, given, rtol=0, atol=1e-13 * np.abs(given).max() * 20)


def test_a_vector_in_the_span_has_no_length_and_nan_is_told(engine):
    rng = np.random.default_rng(1)
    q = rng.standard_normal((6, 50))
    for i in range(5):
        orthogonalise(Serial(), q, i)
    q[5] = q[:5].T @ np.arange(1, 6)
    parts, length = orthogonalise(Serial(), q, 5)
    np.testing.assert_allclose(parts, np.arange(1, 6), rtol=1e-13)
    assert length == 0
    q[5] = 0
    assert orthogonalise(Serial(), q, 5)[1] == 0
    q[5, 7] = np.nan
    assert np.isnan(orthogonalise(Serial(), q, 5)[1])
    q[5], q[5, 7] = 0, np.inf
    assert np.isnan(orthogonalise(Serial(), q, 5)[1])


@pytest.mark.parametrize("condition", [1e2, 1e7, 1e11])
def test_images_are_made_orthonormal_and_the_vectors_go_with_them(condition):
    rng = np.random.default_rng(2)
    a = rng.standard_normal((80, 80))
    u = np.linalg.qr(rng.standard_normal((80, 10)))[0].T * np.geomspace(1, 1 / condition, 10)[:, None]
    u[3] += 1e3 * u[4]
    c = u @ a.T
    assert cholesky_qr(Serial(), c, u) == 10
    assert np.abs(c @ c.T - np.eye(10)).max() <= 1e-12
    np.testing.assert_allclose(u @ a.T, c, rtol=0, atol=1e-9)


def test_directions_that_depend_on_each_other_are_dropped():
    rng = np.random.default_rng(3)
    a, u = rng.standard_normal((40, 40)), rng.standard_normal((6, 40))
    u[4], u[5] = u[0] + u[1], 0
    c = u @ a.T
    left = cholesky_qr(Serial(), c, u)
    assert left == 4
    np.testing.assert_allclose(c[:4] @ c[:4].T, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(u[:4] @ a.T, c[:4], atol=1e-10)
    c[0, 0] = np.nan
    assert cholesky_qr(Serial(), c, u) == 0


def _space(a, weights, rng):
    """An orthonormal Q with A W = Q G for a random W, and Qᵀ D W."""
    w = rng.standard_normal((len(a), 12))
    q, g = np.linalg.qr(np.column_stack([a @ w, rng.standard_normal(len(a))]))
    return w, g[:, :12], q.T @ (weights[:, None] * w)


def test_harmonic_ritz_vectors_are_those_of_the_definition():
    """The k smallest θ of (A W)ᵀ (A W) z = θ (A W)ᵀ D W z, whichever way they are computed."""
    rng = np.random.default_rng(4)
    a, weights = rng.standard_normal((30, 30)) + 4 * np.eye(30), rng.uniform(1, 2, 30)
    w, g, weighted = _space(a, weights, rng)
    chosen = harmonic(g, weighted, 5)
    left, right = (a @ w).T @ (a @ w), (a @ w).T @ (weights[:, None] * w)
    theta, z = linalg.eig(left, right)
    order = np.argsort(np.abs(theta))[: chosen.shape[1]]
    # the same space: each expected vector lies in the span of those chosen
    basis = np.linalg.qr(chosen)[0]
    for vector in z[:, order].T:
        for part in (vector.real, vector.imag):
            assert np.linalg.norm(part - basis @ (basis.T @ part)) < 1e-8 * max(np.linalg.norm(vector), 1)
    assert chosen.shape[1] in (4, 5)


def test_a_complex_pair_is_kept_whole():
    """A turns a plane by 90°: its pair of eigenvalues is the smallest, so one vector alone is not to be had."""
    turn = np.diag([3.0, 4.0, 5.0, 6.0])
    turn[:2, :2] = [[0, 0.1], [-0.1, 0]]
    g = np.vstack([turn, np.zeros(4)])
    weighted = np.vstack([np.eye(4), np.zeros(4)])
    assert harmonic(g, weighted, 1).shape == (4, 0)
    assert harmonic(g, weighted, 2).shape == (4, 2)
    assert np.abs(harmonic(g, weighted, 2)[2:]).max() < 1e-12
    assert harmonic(np.zeros((5, 4)), weighted, 2).shape == (4, 0)


def test_the_ledger_renews_when_iterations_grow_and_drops_what_does_not_pay():
    ledger = Ledger()
    assert ledger.renew(100, 0)
    assert not ledger.enter(100, 0, 0, renewed=True)
    assert ledger.renew(60, 20), "a first renewal that gained much is followed by another"
    ledger.enter(60, 20, 20, renewed=True)
    assert not ledger.renew(58, 20)
    ledger.enter(58, 20, 20, renewed=False)
    assert not ledger.renew(66, 20)
    assert ledger.renew(67, 20), "1.15 × 58 = 66.7"
    assert ledger.hard(68, 20, 20), "longer than the last ones"
    assert ledger.hard(37, 20, 20), "more than another cycle is to come"
    assert not ledger.hard(38, 20, 20), "nearly done"
    assert ledger.hard(20, 0, 40), "nothing was recycled"
    assert Ledger.restored(ledger.saved()) == ledger
    for expected_rest in (0, PAUSE, 2 * PAUSE):  # a space is dropped; twice in a row, for longer and longer
        assert not ledger.enter(100, 0, 0, renewed=True)
        dropped = [ledger.enter(95, 20, 20, renewed=False) for _ in range(PATIENCE)]
        assert dropped == [False] * (PATIENCE - 1) + [True]
        assert ledger.rest == expected_rest
        assert ledger.renew(100, 0) == (expected_rest == 0)
        while ledger.rest:
            ledger.enter(100, 0, 0, renewed=False)
