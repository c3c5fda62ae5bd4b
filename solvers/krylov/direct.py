"""Sparse direct solvers through PETSc: the pattern is analysed once, a matrix that stays is factorised once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from pdebench.arrays import Array

from .blas import blas_in_use
from .method import Answer, methods
from .petsc import Assembly, missing, petsc
from .reduce import norm
from .system import System, Watch

REFINEMENTS = 3


@dataclass(frozen=True, slots=True)
class Package:
    """A library behind PETSc's factorisations."""

    name: str
    cholesky: bool = False
    spread: bool = False  # over several ranks


# Best first for 2D problems; which are there depends on how PETSc was built.
PACKAGES = {
    "direct-klu": Package("klu"),
    "direct-umfpack": Package("umfpack"),
    "direct-mumps": Package("mumps", spread=True),
    "direct-superlu": Package("superlu"),
    "direct-cholmod": Package("cholmod", cholesky=True),
    "direct-mumps-cholesky": Package("mumps", cholesky=True, spread=True),
}
LU = ("direct-umfpack", "direct-mumps", "direct-klu", "direct-superlu")
CHOLESKY = ("direct-cholmod", "direct-mumps-cholesky")


@cache
def available(package: Package) -> bool:
    """Whether this PETSc can factorise with the package (tried on a matrix of order 1)."""
    if missing():
        return False
    PETSc = petsc()
    matrix = PETSc.Mat().createAIJWithArrays((1, 1), ([0, 1], [0], [1.0]), comm=PETSc.COMM_SELF)
    matrix.assemble()
    pc = PETSc.PC().create(comm=PETSc.COMM_SELF)
    try:
        pc.setOperators(matrix)
        pc.setType("cholesky" if package.cholesky else "lu")
        pc.setFactorSolverType(package.name)
        pc.setUp()
    except PETSc.Error:
        return False
    return True


class PetscDirect:
    """One package. A new matrix of the same pattern is factorised again without a new analysis.

    A singular system (constants) has its first equation pinned. Refined until the residual is small enough.
    """

    direct = True

    def __init__(self, kind: str) -> None:
        self.name, self._package = kind, PACKAGES[kind]
        self._assembly = Assembly()
        self._mat: Any = None
        self._pc: Any = None
        self._ends: tuple[Array, Array, list[Any]] | None = None  # b and x, as NumPy and as PETSc see them
        self._trouble = ""
        self._watch = Watch()
        self.factorisations = 0

    def eligible(self, system: System) -> str:
        if missing():
            return missing()
        if not available(self._package):
            return f"this PETSc was built without {self._package.name}"
        if system.comm.size > 1 and not self._package.spread:
            return f"{self._package.name} does not work over several ranks"
        if system.comm.size > 1 and system.nullspace == "constant":
            return "a singular system spread over ranks is not factorised here"
        if self._package.cholesky and not (system.symmetric and system.definite):
            return "Cholesky needs a symmetric positive definite matrix"
        return ""

    def prepare(self, system: System) -> None:
        if not self._watch.is_new(system) and self._pc is not None and not self._trouble:
            return
        blas_in_use()
        mat = self._assembly.mat(_pinned(system))
        if mat is not self._mat or self._pc is None:
            self._mat, self._ends = mat, None
            self._pc = petsc().PC().create(comm=mat.getComm())
            self._pc.setType("cholesky" if self._package.cholesky else "lu")
            self._pc.setFactorSolverType(self._package.name)
        if self._package.cholesky:
            mat.setOption(petsc().Mat.Option.SYMMETRIC, True)
        self._trouble = "" if system.comm.size > 1 or _finite(system) else "the matrix holds NaN or infinity"
        if self._trouble:
            return
        self._pc.setOperators(mat)
        try:
            self._pc.setUp()
            failed = self._pc.getFailedReason() if hasattr(self._pc, "getFailedReason") else 0
        except petsc().Error as error:
            failed = error.ierr
        self.factorisations += 1
        if failed:
            self._trouble = f"{self._package.name} could not factorise the matrix (PETSc reason {failed})"
            self._pc = None

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        if self._trouble:
            return Answer(np.zeros_like(system.rhs), reason=self._trouble)
        b = system.consistent_rhs
        target = rtol * norm(system.comm, b)
        x = self.inverse(b)
        for _ in range(REFINEMENTS):
            residual = system.residual(x)
            if not norm(system.comm, residual) > target:
                break
            x = x + self.inverse(residual)
        return Answer(x)

    def inverse(self, b: Array) -> Array:
        """A⁻¹ b by the factors of the matrix that was prepared for, as it is: neither refined nor looked at."""
        if self._ends is None:
            given, found = np.empty(len(b)), np.empty(len(b))
            vectors = [petsc().Vec().createWithArray(part, comm=self._mat.getComm()) for part in (given, found)]
            self._ends = given, found, vectors
        given, found, vectors = self._ends
        given[:] = b
        self._pc.apply(*vectors)
        return found.copy()


def _pinned(system: System) -> System:
    """A + α e eᵀ is regular where constants are A's null space, and solves with x₀ = 0 where b is consistent."""
    if system.nullspace != "constant":
        return system
    matrix = system.matrix.copy()
    matrix[0, 0] += np.abs(system.diagonal).max()
    return replace(system, operator=matrix, nullspace="none")


def _finite(system: System) -> bool:
    return bool(np.isfinite(system.matrix.data).all())


def _first(kinds: tuple[str, ...]) -> PetscDirect:
    return PetscDirect(next((kind for kind in kinds if available(PACKAGES[kind])), kinds[0]))


for _kind in PACKAGES:
    methods(_kind)(partial(PetscDirect, _kind))
methods("direct-lu")(partial(_first, LU))
methods("direct-cholesky")(partial(_first, CHOLESKY))
