"""PETSc's own Krylov methods by name, judged by the true residual as far as each can."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from pdebench.arrays import Array

from .method import Answer, methods
from .petsc import petsc
from .preconditioner import preconditioners
from .system import System


class PetscKrylov:
    """CG, BiCGStab or restarted GMRES (preconditioned from the right) with a preconditioner of PETSc."""

    direct = False

    def __init__(self, kind: str, *, pc: str = "ilu", restart: int = 30, limit: int = 10_000, **options: Any) -> None:
        self._kind, self._restart, self.limit = kind, restart, limit
        self._pc: Any = preconditioners[pc](**options)
        self.name = f"{kind}({restart})+{self._pc.name}" if kind == "gmres" else f"{kind}+{self._pc.name}"
        self._ksp: Any = None

    def eligible(self, system: System) -> str:
        if self._kind == "cg" and not (system.symmetric and system.definite):
            return "cg needs a symmetric positive definite matrix"
        why: str = self._pc.eligible(system)
        return why

    def prepare(self, system: System) -> None:
        self._pc.prepare(system)
        if self._ksp is None or self._ksp.getPC() != self._pc.pc:
            self._ksp = self._configured()
        self._ksp.setOperators(self._pc.mat)

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        PETSc, comm = petsc(), self._pc.mat.getComm()
        b = system.consistent_rhs
        x = np.zeros_like(b) if guess is None else guess.copy()
        self._ksp.setTolerances(rtol=rtol, atol=0.0, divtol=1e10, max_it=self.limit)
        self._ksp.setInitialGuessNonzero(guess is not None)
        given, found = (PETSc.Vec().createWithArray(part, comm=comm) for part in (b, x))
        try:
            self._ksp.solve(given, found)
        except PETSc.Error as error:
            return Answer(x, self._ksp.getIterationNumber(), reason=f"PETSc error {error.ierr}")
        reason = self._ksp.getConvergedReason()
        why = "" if reason > 0 else f"PETSc gave up: {_name(reason)}"
        return Answer(x, self._ksp.getIterationNumber(), reason=why)

    def _configured(self) -> Any:
        PETSc = petsc()
        ksp = PETSc.KSP().create(comm=self._pc.mat.getComm())
        ksp.setPC(self._pc.pc)
        ksp.setType({"cg": "cg", "bicgstab": "bcgs", "gmres": "gmres"}[self._kind])
        if self._kind == "gmres":
            ksp.setGMRESRestart(self._restart)
        if self._kind != "cg":
            ksp.setPCSide(PETSc.PC.Side.RIGHT)
        ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        return ksp


def _name(reason: int) -> str:
    """PETSc's word for a reason."""
    known = petsc().KSP.ConvergedReason
    return next((name for name in dir(known) if getattr(known, name) == reason), str(reason)).lower()


for _kind in ("cg", "bicgstab", "gmres"):
    methods(_kind)(partial(PetscKrylov, _kind))
