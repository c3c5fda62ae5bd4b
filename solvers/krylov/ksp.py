"""GCRO-DR inside anyone's PETSc program: a `KSP` of type python."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.parallel import Comm, Serial

from .gcrodr import Recycler
from .operators import PetscOperators
from .petsc import petsc

MAX_IT, BREAKDOWN, NAN_OR_INF = -3, -5, -9  # KSPConvergedReason


class GCRODR:
    """`-ksp_type python -ksp_python_type pdebench.solvers.krylov.GCRODR`; works under SNES and TS too.

    The space is carried from each solve of the KSP to the next. Options, behind the KSP's prefix: `gcrodr_m` (40) and
    `gcrodr_k` (20). Preconditions from the right, so the residual is the true one; the preconditioner may vary.
    Tolerances, monitors, convergence tests and null spaces are those of the KSP.

    A KSP of *any* python type that is still there when Python ends crashes in petsc4py 3.18, which destroys it after
    the interpreter: call `ksp.destroy()`, or keep it in a function.
    """

    def __init__(self) -> None:
        self._m, self._k = 40, 20
        self._recycler: Recycler | None = None
        self._seen: tuple[object, ...] | None = None
        self._kept: object = None  # so that a handle in `_seen` is not given to another matrix

    def create(self, ksp: Any) -> None:
        ksp.setPCSide(petsc().PC.Side.RIGHT)
        ksp.setNormType(petsc().KSP.NormType.UNPRECONDITIONED)

    def setFromOptions(self, ksp: Any) -> None:
        options = petsc().Options(ksp.getOptionsPrefix() or "")
        sizes = options.getInt("gcrodr_m", self._m), options.getInt("gcrodr_k", self._k)
        _only_right(options.getString("ksp_pc_side", "right") == "right")  # `create` comes after PETSc has read it
        if sizes != (self._m, self._k):
            (self._m, self._k), self._recycler = sizes, None

    def setUp(self, ksp: Any) -> None:
        _only_right(ksp.getPCSide() == petsc().PC.Side.RIGHT)

    def view(self, ksp: Any, viewer: Any) -> None:
        held = self._recycler.held if self._recycler else 0
        viewer.printfASCII(f"  GCRO-DR({self._m}, {self._k}), {held} vectors held\n")

    def solve(self, ksp: Any, b: Any, x: Any) -> None:
        recycler = self._attached(ksp, b.getLocalSize())
        found = np.array(x.getArray(readonly=True)) if ksp.getInitialGuessNonzero() else np.zeros(b.getLocalSize())
        test = _Test(ksp)
        outcome = recycler.solve(np.array(b.getArray(readonly=True)), found, test)
        x.setArray(found)
        reason = test.reason
        if not reason:
            reason = NAN_OR_INF if not np.isfinite(outcome.residual) or "NaN" in outcome.reason else BREAKDOWN
        ksp.setConvergedReason(reason)

    def _attached(self, ksp: Any, n: int) -> Recycler:
        mat, pmat = ksp.getOperators()
        if self._recycler is None:
            self._recycler, self._seen = Recycler(self._m, self._k), None
        state = (mat.handle, mat.stateGet(), pmat.handle, pmat.stateGet(), ksp.getPC().handle, n)
        if state != self._seen or "aij" not in mat.getType():  # others may change without a word
            self._recycler.attach(PetscOperators(mat, ksp.getPC(), _comm(ksp), pmat), n)
            self._seen, self._kept = state, (mat, pmat)
        return self._recycler


class _Test:
    """The KSP's own convergence test, asked once per iteration and again for the residual computed from x."""

    def __init__(self, ksp: Any) -> None:
        self._ksp, self._last = ksp, -1
        self.reason = 0

    def __call__(self, iteration: int, size: float) -> bool:
        ksp = self._ksp
        ksp.setIterationNumber(iteration)
        ksp.setResidualNorm(size)
        if iteration != self._last:
            ksp.logConvergenceHistory(size)
            ksp.monitor(iteration, size)
            self._last = iteration
        self.reason = ksp.callConvergenceTest(iteration, size)
        if not self.reason and iteration >= ksp.getTolerances()[3]:
            self.reason = MAX_IT
        return bool(self.reason)


def _only_right(right: bool) -> None:
    if not right:
        raise ValueError("GCRODR preconditions from the right: drop -ksp_pc_side, or set it to right")


def _comm(ksp: Any) -> Comm:
    if ksp.getComm().getSize() == 1:
        return Serial()
    ranks: Comm = ksp.getComm().tompi4py()
    return ranks
