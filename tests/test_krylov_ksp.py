"""`-ksp_type python -ksp_python_type pdebench.solvers.krylov.GCRODR` in programs that know nothing of us."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from linear_systems import darcy, difference, flux_form
from scipy import sparse

from pdebench.solvers.krylov import GCRODR
from pdebench.solvers.krylov.petsc import petsc

pytest.importorskip("petsc4py")


class Late:
    """PETSc when it is first asked for: collecting the tests must not start MPI."""

    def __getattr__(self, name):
        return getattr(petsc(), name)


PETSc = Late()
OURS = {"ksp_type": "python", "ksp_python_type": "pdebench.solvers.krylov.GCRODR"}


@pytest.fixture
def options():
    """PETSc's options, cleared again."""
    table, given = PETSc.Options(), []

    def give(**new):
        for name, value in new.items():
            table[name] = value
            given.append(name)

    yield give
    for name in given:
        table.delValue(name)


def mat(matrix):
    matrix.sort_indices()
    indptr, indices = (part.astype(PETSc.IntType) for part in (matrix.indptr, matrix.indices))
    made = PETSc.Mat().createAIJ(matrix.shape, csr=(indptr, indices, matrix.data), comm=PETSc.COMM_SELF)
    made.assemble()
    return made


def ksp_from_options(prefix=""):
    ksp = PETSc.KSP().create(PETSc.COMM_SELF)
    ksp.setOptionsPrefix(prefix)
    ksp.setFromOptions()
    return ksp


def vectors(matrix, values):
    b = matrix.createVecRight()
    b.setArray(values)
    return b, matrix.createVecLeft()


def test_a_ksp_recycles_from_one_matrix_to_the_next_and_keeps_its_promises(options):
    options(**{f"a_{name}": value for name, value in OURS.items()}, a_pc_type="ilu", a_ksp_rtol=1e-9)
    options(a_gcrodr_m=30, a_gcrodr_k=10, a_ksp_max_it=500)
    ksp, iterations, seen = ksp_from_options("a_"), [], []
    ksp.setMonitor(lambda _, its, norm: seen.append((its, norm)))
    for system in darcy((48, 48), 5, drift=0.02):
        a = mat(system.matrix)
        b, x = vectors(a, system.rhs)
        ksp.setOperators(a)
        seen.clear()
        ksp.solve(b, x)
        assert ksp.getConvergedReason() == PETSc.KSP.ConvergedReason.CONVERGED_RTOL
        assert system.relative_residual(x.getArray()) <= 1e-9
        assert [its for its, _ in seen] == list(range(ksp.getIterationNumber() + 1))
        iterations.append(ksp.getIterationNumber())
    assert max(iterations[2:]) < 0.7 * iterations[0], iterations


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"ksp_max_it": 7}, "DIVERGED_MAX_IT"),
        ({"ksp_rtol": 1e-3}, "CONVERGED_RTOL"),
        ({"ksp_atol": 1e3}, "CONVERGED_ATOL"),
    ],
)
def test_the_reason_is_the_one_that_petsc_would_give(options, given, reason):
    options(**{f"b_{name}": value for name, value in (OURS | {"pc_type": "jacobi"} | given).items()})
    system = next(darcy((24, 24), 1))
    a, ksp = mat(system.matrix), ksp_from_options("b_")
    b, x = vectors(a, system.rhs)
    ksp.setOperators(a)
    ksp.solve(b, x)
    assert ksp.getConvergedReason() == getattr(PETSc.KSP.ConvergedReason, reason)
    assert ksp.getIterationNumber() <= 7 or reason != "DIVERGED_MAX_IT"


def test_a_guess_is_used_and_preconditioning_from_the_left_is_refused(options):
    options(**{f"c_{name}": value for name, value in OURS.items()}, c_ksp_initial_guess_nonzero=True)
    system = next(darcy((16, 16), 1))
    a, ksp = mat(system.matrix), ksp_from_options("c_")
    b, x = vectors(a, system.rhs)
    ksp.setOperators(a)
    ksp.solve(b, x)
    ksp.solve(b, x)
    assert ksp.getIterationNumber() == 0
    options(d_ksp_type="python", d_ksp_python_type=OURS["ksp_python_type"], d_ksp_pc_side="left")
    with pytest.raises(ValueError, match="from the right"):
        ksp_from_options("d_")
    ksp = PETSc.KSP().createPython(GCRODR(), comm=PETSc.COMM_SELF)
    ksp.setPCSide(PETSc.PC.Side.LEFT)
    ksp.setOperators(a)
    with pytest.raises(ValueError, match="from the right"):
        ksp.solve(b, x)


def test_snes_solves_the_bratu_problem(options):
    """−Δu = λ eᵘ in the unit square, λ = 6: below the fold at 6.81; the largest u is 0.94… from Newton with LU."""
    n, strength = 24, 6.0
    laplacian = flux_form(np.ones((n, n)))

    def residual(_, x, f):
        u = x.getArray(readonly=True)
        f.setArray(laplacian @ u - strength * np.exp(u))

    def jacobian(_, x, a, p):
        new = mat((laplacian - sparse.diags(strength * np.exp(x.getArray(readonly=True)))).tocsr())
        new.copy(p)
        p.assemble()

    peaks, counts = [], []
    for prefix, how in (("e_", OURS | {"pc_type": "ilu"}), ("f_", {"ksp_type": "preonly", "pc_type": "lu"})):
        options(**{prefix + name: value for name, value in (how | {"ksp_rtol": 1e-10, "snes_rtol": 1e-12}).items()})
        a = mat(laplacian)
        f, x = vectors(a, np.zeros(n * n))
        snes = PETSc.SNES().create(PETSc.COMM_SELF)
        snes.setOptionsPrefix(prefix)
        snes.setFunction(residual, f)
        snes.setJacobian(jacobian, a)
        snes.setFromOptions()
        snes.solve(None, x)
        assert snes.getConvergedReason() > 0
        peaks.append(x.getArray().max())
        counts.append(snes.getIterationNumber())
    np.testing.assert_allclose(peaks[0], peaks[1], rtol=1e-9)
    assert counts[0] == counts[1]


def test_ts_cools_a_rod_as_backward_euler_must(options):
    """uₜ = uₓₓ with insulated ends: the cosine mode shrinks by 1/(1 + dt μ) in each step, μ its discrete eigenvalue."""
    options(**{f"g_{name}": value for name, value in (OURS | {"pc_type": "jacobi", "ksp_rtol": 1e-12}).items()})
    n, dt, steps = 40, 1e-3, 8
    d = difference(n)[1:-1] * n
    a = mat((d.T @ d).tocsr())
    mode = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    mu = (2 * n * np.sin(np.pi / (2 * n))) ** 2
    u, f = vectors(a, mode)
    system = a.copy()
    ts = PETSc.TS().create(PETSc.COMM_SELF)
    ts.setOptionsPrefix("g_")
    ts.setType("beuler")

    def implicit(_, t, u, udot, f):
        a.mult(u, f)
        f.axpy(1.0, udot)

    def jacobian(_, t, u, udot, shift, j, p):
        a.copy(p)
        p.shift(shift)
        p.assemble()

    ts.setIFunction(implicit, f)
    ts.setIJacobian(jacobian, system)
    ts.setTimeStep(dt)
    ts.setMaxSteps(steps)
    ts.setMaxTime(1.0)
    ts.setExactFinalTime(PETSc.TS.ExactFinalTime.STEPOVER)
    ts.setFromOptions()
    ts.solve(u)
    assert ts.getStepNumber() == steps
    np.testing.assert_allclose(u.getArray(), mode / (1 + dt * mu) ** steps, rtol=0, atol=1e-9)


def test_children_of_a_process_that_uses_petsc_are_no_ranks():
    script = (
        "import subprocess; from pdebench.solvers.krylov.petsc import petsc; petsc(); "
        "print(subprocess.run('env', capture_output=True, text=True).stdout)"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PMIX", "OMPI", "PMI"))}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean, check=True).stdout
    assert "PATH=" in found
    assert "PMIX" not in found
