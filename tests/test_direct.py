"""Direct solvers through PETSc: every package, factorised once, singular and broken matrices; which BLAS is behind."""

import logging

import numpy as np
import pytest
from flux_forms import DIRICHLET, NEUMANN, PERIODIC, darcy_form, system_of
from scipy import sparse

pytest.importorskip("petsc4py")

from pdebench.solvers.krylov import SolverSequence, System, blas, methods
from pdebench.solvers.krylov.direct import PACKAGES, available
from pdebench.solvers.krylov.discretise import cell_centred

HERE = [kind for kind, package in PACKAGES.items() if available(package)]


@pytest.mark.parametrize("kind", [*HERE, "direct-lu", "direct-cholesky"])
@pytest.mark.parametrize("sides", [DIRICHLET, NEUMANN, PERIODIC])
def test_solves_to_round_off(kind, sides):
    system = system_of(darcy_form((17, 13), sides=sides))
    x, solve = SolverSequence(kind, rtol=1e-13, chain=()).solve(system)
    assert system.relative_residual(x) <= 1e-13
    assert solve.iterations == 0


@pytest.mark.parametrize("kind", HERE)
def test_an_exact_zero_pivot_is_met_by_the_null_space(kind):
    """Small whole numbers: elimination ends in exactly 0."""
    system = system_of(cell_centred(np.ones(4), [1.0], [NEUMANN]))
    x, _ = SolverSequence(kind, rtol=1e-13, chain=()).solve(system)
    assert system.relative_residual(x) <= 1e-13


@pytest.mark.parametrize("kind", HERE)
def test_one_matrix_is_factorised_once(kind):
    method = methods[kind]()
    sequence = SolverSequence(method, rtol=1e-10, chain=())
    form = darcy_form((12, 12))
    for seed in range(4):
        sequence.solve(system_of(form, seed=seed))
    assert method.factorisations == 1
    for seed in range(3):
        system = system_of(darcy_form((12, 12), seed=10 + seed))
        x, _ = sequence.solve(system)
        assert system.relative_residual(x) <= 1e-10
    assert method.factorisations == 4


@pytest.mark.parametrize("kind", ["direct-umfpack", "direct-klu", "direct-cholmod"])
def test_the_pattern_is_analysed_once(kind):
    """PETSc keeps the Mat and with it the symbolic factor: the same object serves every matrix of the pattern."""
    method = methods[kind]()
    if method.eligible(system_of(darcy_form((6, 6)))):
        pytest.skip("not in this PETSc")
    factors = set()
    for seed in range(3):
        method.prepare(system_of(darcy_form((12, 12), seed=seed)))
        factors.add(method._pc.getFactorMatrix().handle)
    assert len(factors) == 1


def test_another_size_in_between():
    sequence = SolverSequence("direct-lu", rtol=1e-10, chain=())
    for n in (8, 11, 8):
        system = system_of(darcy_form((n, n)))
        x, _ = sequence.solve(system)
        assert system.relative_residual(x) <= 1e-10


def test_an_indefinite_matrix():
    system = system_of(darcy_form((16, 16), shift=-300.0))
    assert "positive definite" in methods["direct-cholesky"]().eligible(system)
    x, _ = SolverSequence("direct-lu", rtol=1e-10, chain=()).solve(system)
    assert system.relative_residual(x) <= 1e-10


@pytest.mark.parametrize("kind", HERE)
def test_what_cannot_be_factorised_is_said(kind):
    method = methods[kind]()
    good = system_of(darcy_form((4, 4)))
    matrix = good.matrix.copy()
    matrix.data[3] = np.nan
    symmetric = PACKAGES[kind].cholesky
    broken = System(matrix, good.rhs, symmetric=symmetric, definite=symmetric)
    method.prepare(broken)
    assert "NaN" in method.solve(broken, None, 1e-8).reason
    method.prepare(good)  # and it goes on
    assert good.relative_residual(method.solve(good, None, 1e-8).x) <= 1e-8


@pytest.mark.parametrize("kind", [kind for kind in HERE if not PACKAGES[kind].cholesky])
def test_a_singular_matrix_has_no_converged_solution(kind):
    matrix = sparse.csr_matrix(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    system = System(matrix, np.array([1.0, 2.0, 3.0]))
    method = methods[kind]()
    method.prepare(system)
    with np.errstate(all="ignore"):
        answer = method.solve(system, None, 1e-8)
        assert answer.reason or not system.relative_residual(answer.x) <= 1e-8


OPENBLAS = "7f0-7f1 r-xp 0 08:01 12   /usr/lib/x86_64-linux-gnu/openblas-serial/libblas.so.3\n"
REFERENCE = "7f0-7f1 r-xp 0 08:01 12   /usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0\n"
NUMPYS = "7f0-7f1 r-xp 0 08:01 12   /usr/lib/python3/site-packages/numpy.libs/libopenblas64_p-r0.so\n"
OTHER = "7f0-7f1 r-xp 0 08:01 12   /usr/lib/libc.so.6\n7f2-7f3 rw-p 0 00:00 0\n"


@pytest.mark.parametrize(
    ("maps", "name"),
    [
        (OPENBLAS + OTHER, "openblas"),
        (REFERENCE + NUMPYS + OTHER, "reference"),  # NumPy's own does not help PETSc
        (NUMPYS + OTHER, "unknown"),
        (OTHER, "unknown"),
    ],
)
def test_which_blas(maps, name):
    assert blas.name_of(blas.libraries(maps)) == name


def test_a_slow_blas_is_told_once(monkeypatch, tmp_path, caplog):
    maps = tmp_path / "maps"
    maps.write_text(REFERENCE)
    monkeypatch.setattr(blas, "Path", lambda _: maps)
    blas.blas_in_use.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert blas.blas_in_use()["blas"] == "reference"
        blas.blas_in_use()
    blas.blas_in_use.cache_clear()
    assert caplog.text.count("apt-get install libopenblas0-serial") == 1


def test_this_process_knows_its_blas():
    assert blas.blas_in_use().keys() == {"blas", "blas_path"}
