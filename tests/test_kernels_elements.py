"""What finite elements repeat in each step, compiled, against NumPy and SciPy, in every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from pdebench.solvers import kernels
from pdebench.solvers.kernels import elements

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", exc_type=ImportError)


def sets() -> list[str]:
    found = []
    for name in ("baseline", "avx2", "avx512"):
        try:
            compiled.elements_courant(np.zeros((2, 6)), np.zeros((0, 6), np.int32), np.zeros((2, 0, 3)), isa=name)
            found.append(name)
        except ValueError:
            pass
    return found


def called(name: str, isa: str) -> Any:
    def call(*args: Any, **more: Any) -> Any:
        return getattr(compiled, f"elements_{name}")(*args, **more, isa=isa)

    return call


@pytest.fixture(params=["", *sets()])
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The wrappers call this instruction set."""

    class Chosen:
        def __getattr__(self, name: str) -> Any:
            return called(name.removeprefix("elements_"), request.param)

    monkeypatch.setattr(kernels, "_compiled", Chosen())
    return str(request.param)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_matrix_of_convection_and_courants_number_are_those_of_numpy(
    count: int, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells whose entries go nowhere, and some that meet in one place."""
    rng = np.random.default_rng(count)
    velocity, slopes = rng.standard_normal((2, 20)), rng.standard_normal((2, count, 3))
    cells, places = (
        rng.integers(low, high, (count, width)).astype(np.int32) for low, high, width in ((0, 20, 6), (-1, 50, 36))
    )
    reference, start = rng.standard_normal((18, 36)), rng.standard_normal(50)
    found = []
    for there in (True, False):
        monkeypatch.setattr(kernels, "available", lambda there=there: there)
        values = start.copy()
        elements.transport(velocity, cells, slopes, reference=reference, places=places, values=values)
        found.append((values, elements.courant(velocity, cells, slopes)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=0, atol=1e-12)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-14)
    if count:
        assert not np.array_equal(found[0][0], start)
        along = np.einsum("kca,kci->cai", velocity[:, cells], slopes)
        assert found[1][1] == pytest.approx(np.abs(along).max(), rel=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("lost", [0, 3, 19])
def test_courants_number_of_a_velocity_that_is_lost_is_that_of_numpy(
    lost: int, bad: float, isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(lost)
    velocity, slopes = rng.standard_normal((2, 20)), rng.standard_normal((2, 9, 3))
    cells = np.concatenate([np.arange(20), rng.integers(0, 20, 34)]).reshape(9, 6).astype(np.int32)
    velocity[lost % 2, lost] = bad
    found = []
    for there in (True, False):
        monkeypatch.setattr(kernels, "available", lambda there=there: there)
        found.append(elements.courant(velocity, cells, slopes))
    np.testing.assert_equal(found, [bad, bad])


def system(n: int) -> Any:
    """A matrix like that of a velocity: near symmetric, with a strong diagonal; rows of the identity."""
    rng = np.random.default_rng(n)
    matrix = sparse.random(n, n, min(1.0, 8 / n), random_state=1, format="csr") + sparse.diags(3 + rng.random(n))
    matrix = matrix.tolil()
    matrix[n // 2] = 0
    matrix[n // 2, n // 2] = 1
    return matrix.tocsr().astype(float), rng.standard_normal((2, n))


@pytest.mark.parametrize("n", [1, 2, 3, 9, 200])
def test_both_systems_are_solved_to_the_tolerance(n: int, isa: str) -> None:
    matrix, b = system(n)
    np.testing.assert_allclose(elements.multiply(matrix, b), (matrix @ b.T).T, rtol=0, atol=1e-12)
    b[1] *= 1e-9  # each has a tolerance of its own
    x, iterations, residuals = elements.bicgstab(matrix, b, rtol=1e-10, limit=100)
    left = np.linalg.norm(b - (matrix @ x.T).T, axis=1) / np.linalg.norm(b, axis=1)
    assert max(left) <= 1.01e-10
    np.testing.assert_allclose(left, residuals, atol=1e-15)
    assert 0 < min(iterations) <= max(iterations) <= 40
    np.testing.assert_allclose(x, np.stack([spsolve(matrix.tocsc(), one) for one in b]), rtol=1e-6, atol=1e-18)
    alone = elements.bicgstab(matrix, np.stack([b[0], np.zeros(n)]), rtol=1e-10, limit=100)
    np.testing.assert_array_equal(alone[0], [x[0], np.zeros(n)])  # neither knows of the other
    assert alone[1] == (iterations[0], 0) and alone[2][1] == 0


def test_what_is_not_solved_says_so(isa: str) -> None:
    matrix, b = system(200)
    _, iterations, residuals = elements.bicgstab(matrix, b, rtol=1e-12, limit=1)
    assert max(iterations) <= 5 and 1e-12 < min(residuals) < max(residuals) < 1
    singular = sparse.csr_matrix(np.ones((2, 2)))
    assert min(elements.bicgstab(singular, np.eye(2), rtol=1e-10, limit=50)[2]) > 0.1
    matrix.data[0] = np.nan
    assert np.isnan(elements.bicgstab(matrix, b, rtol=1e-10, limit=50)[2]).all()


def test_arrays_that_do_not_fit_are_refused() -> None:
    matrix, b = system(9)
    with pytest.raises(ValueError, match="rhs must be"):
        elements.bicgstab(matrix, b[:, :8], rtol=1e-6, limit=5)
    with pytest.raises(ValueError, match="x must be"):
        elements.multiply(matrix, b[:, :8])
    with pytest.raises(ValueError, match="slopes must be"):
        elements.courant(b, np.zeros((2, 6), np.int32), np.zeros((2, 3, 3)))
