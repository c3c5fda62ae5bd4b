"""Multigrid for flux forms as a method of a sequence, and as a preconditioner of any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers.kernels import multigrid as kernel

from .flux import FluxForm, flux_form
from .method import Answer, methods
from .preconditioner import preconditioners
from .system import System, is_structured


@methods("multigrid-cg")
class MultigridCG:
    """Conjugate gradients around one V(1, 1)-cycle: iterations hardly grow with the grid; any size, 1D to 3D.

    For −∇·(a∇u) + c u with a > 0 and c ≥ 0 only. The cycle is computed in `precision`, all else in float64.
    """

    direct = False

    def __init__(self, *, precision: Literal["float32", "float64"] = "float32", limit: int = 500) -> None:
        self.name = "multigrid-cg"
        self.limit = limit
        self._solver = kernel.MultigridSolver(precision)

    def eligible(self, system: System) -> str:
        return unfit(system)

    def prepare(self, system: System) -> None:
        self._solver.build(flux_form(system.operator))

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        outcome = self._solver.solve(system.consistent_rhs, guess, rtol=rtol, limit=self.limit)
        return Answer(outcome.x, outcome.iterations, reason=outcome.reason(rtol))


@preconditioners("multigrid")
class MultigridCycle:
    """One V-cycle. For c < 0 (Helmholtz) the cycle is that of −∇·(a∇u) + |c| u (Erlangga, Vuik & Oosterlee 2004)."""

    name = "multigrid"

    def __init__(self, *, precision: Literal["float32", "float64"] = "float32") -> None:
        self._solver = kernel.MultigridSolver(precision)

    def eligible(self, system: System) -> str:
        if not is_structured(system.operator):
            return "multigrid needs a flux form on a uniform grid"
        return _unfit_form(_definite_part(flux_form(system.operator)))

    def prepare(self, system: System) -> None:
        self._solver.build(_definite_part(flux_form(system.operator)))

    def apply(self, residual: Array, out: Array) -> None:
        out[:] = self._solver.cycle(residual)


def unfit(system: System) -> str:
    """Empty, or why multigrid CG cannot take the system."""
    if not is_structured(system.operator):
        return "multigrid needs a flux form on a uniform grid"
    form = flux_form(system.operator)
    if form.singular and system.nullspace != "constant":
        return "the flux form is singular (no boundary value, no shift), but the system names no null space"
    return _unfit_form(form)


def _unfit_form(form: FluxForm) -> str:
    if not form.semidefinite:
        return "multigrid needs conductances and a shift that are finite and not negative (no Helmholtz problems)"
    if not np.all(form.diagonal() > 0):
        return "an unknown is connected to nothing: its row of the matrix is zero"
    return ""


def _definite_part(form: FluxForm) -> FluxForm:
    return replace(form, shift=np.abs(form.shift))
