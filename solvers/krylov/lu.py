"""The method of last resort: a sparse LU factorisation, SciPy's or, over several ranks, PETSc's MUMPS."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from pdebench.arrays import Array

from .method import Answer, methods
from .petsc import missing, petsc
from .reduce import norm
from .system import System

REFINEMENTS = 3


@methods("lu")
class SparseLU:
    """LU with partial pivoting and iterative refinement; one equation of a singular Neumann system is pinned."""

    name, direct = "lu", True

    def eligible(self, system: System) -> str:
        return missing() if system.comm.size > 1 else ""

    def prepare(self, system: System) -> None:
        self._inverse = _spread(system) if system.comm.size > 1 else _serial(system)

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        if isinstance(self._inverse, str):
            return Answer(np.zeros_like(system.rhs), reason=self._inverse)
        b = system.consistent_rhs
        target = rtol * norm(system.comm, b)
        x = self._inverse(b)
        for _ in range(REFINEMENTS):
            residual = system.residual(x)
            if not norm(system.comm, residual) > target:
                break
            x = x + self._inverse(residual)
        return Answer(x)


def _serial(system: System) -> Any:
    """A⁻¹ as a function, or why there is none."""
    matrix = sparse.csc_matrix(system.matrix)
    if system.nullspace == "constant":  # A + α e eᵀ is regular, and solves with x₀ = 0 where b is consistent
        pin = sparse.csc_matrix(([np.abs(system.diagonal).max()], ([0], [0])), shape=matrix.shape)
        matrix = matrix + pin
    if not np.isfinite(matrix.data).all():
        return "the matrix holds NaN or infinity"
    with warnings.catch_warnings():
        warnings.simplefilter("error", linalg.MatrixRankWarning)
        try:
            return linalg.splu(matrix).solve
        except (RuntimeError, linalg.MatrixRankWarning) as error:
            return f"the matrix cannot be factorised: {error}"


def _spread(system: System) -> Any:
    PETSc = petsc()
    mat = system.mat
    if system.nullspace == "constant":
        mat = mat.duplicate(copy=True)
        diagonal = mat.getDiagonal()
        pinned = diagonal.max()[1]
        if system.comm.rank == 0:
            mat.setValue(0, 0, diagonal.getArray()[0] + pinned)
        mat.assemble()
    pc = PETSc.PC().create(comm=mat.getComm())
    pc.setType("lu")
    pc.setFactorSolverType("mumps")
    pc.setOperators(mat)
    try:
        pc.setUp()
    except PETSc.Error as error:
        return f"MUMPS failed: PETSc error {error.ierr}"

    def inverse(b: Array) -> Array:
        result = mat.createVecLeft()
        pc.apply(PETSc.Vec().createWithArray(b, comm=mat.getComm()), result)
        return np.array(result.getArray())

    return inverse
