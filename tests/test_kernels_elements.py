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


@pytest.mark.parametrize("shape", [(1, 1), (9, 4), (4, 9), (30, 50)])
def test_products_are_those_of_scipy(shape: tuple[int, int], isa: str) -> None:
    matrix = sparse.random(*shape, 0.5, random_state=1, format="csr")
    x = np.random.default_rng(1).standard_normal((2, shape[1]))
    for given in (x, x[0]):
        np.testing.assert_allclose(elements.multiply(matrix, given), (matrix @ given.T).T, rtol=0, atol=1e-13)


@pytest.mark.parametrize("limit", [0, 1, 4])
def test_no_system_takes_more_iterations_than_the_limit(limit: int, isa: str) -> None:
    """Nor does what the other has not used."""
    matrix, b = system(200)
    _, iterations, residuals = elements.bicgstab(matrix, b, rtol=1e-12, limit=limit)
    assert iterations == (limit, limit)
    assert 1e-12 < min(residuals) <= max(residuals) <= 1
    b[1] = 0
    assert elements.bicgstab(matrix, b, rtol=1e-12, limit=limit)[1] == (limit, 0)


def test_an_iteration_multiplies_twice(isa: str) -> None:
    """As PETSc counts: the residuals after as many iterations are those of its BiCGStab, from the right."""
    PETSc = pytest.importorskip("petsc4py.PETSc")
    matrix, b = system(200)
    mat = PETSc.Mat().createAIJWithArrays(matrix.shape, (matrix.indptr, matrix.indices, matrix.data))
    for limit in (1, 2, 3):
        ksp = PETSc.KSP().create()
        ksp.setOperators(mat)
        ksp.setType("bcgs")
        ksp.getPC().setType("jacobi")
        ksp.setPCSide(PETSc.PC.Side.RIGHT)
        ksp.setTolerances(rtol=1e-14, max_it=limit)
        x, right = mat.createVecs()
        right.setArray(b[0])
        ksp.solve(right, x)
        found, iterations, _ = elements.bicgstab(matrix, b, rtol=1e-14, limit=limit)
        assert iterations[0] == ksp.getIterationNumber() == limit
        np.testing.assert_allclose(found[0], x.getArray(), rtol=1e-9)


def test_what_is_not_solved_says_so(isa: str) -> None:
    matrix, b = system(200)
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


@pytest.mark.parametrize("wrong", [-1, 9])
def test_numbers_that_lie_beyond_their_arrays_are_refused(wrong: int, isa: str) -> None:
    matrix, b = system(9)
    for part, place in (("indices", 3), ("indptr", 0), ("indptr", 4), ("indptr", -1)):
        broken = matrix.copy()
        getattr(broken, part)[place] = wrong if part == "indices" else 1000 * wrong
        with pytest.raises(ValueError, match=r"columns must be|parts do not fit"):
            elements.multiply(broken, b)
        with pytest.raises(ValueError, match=r"columns must be|parts do not fit"):
            elements.bicgstab(broken, b, rtol=1e-6, limit=5)
    slopes, table, values = np.zeros((2, 2, 3)), np.zeros((18, 36)), np.zeros(8)
    for cells, places in ((wrong, 0), (0, wrong), (0, wrong - 1)):
        given, into = np.full((2, 6), cells, np.int32), np.full((2, 36), places, np.int32)
        if cells:
            with pytest.raises(ValueError, match="cells must hold"):
                elements.courant(b, given, slopes)
        if places == -1:
            continue  # goes nowhere
        with pytest.raises(ValueError, match=r"cells must hold|places must be"):
            elements.transport(b, given, slopes, reference=table, places=into, values=values)
