"""Fast transforms as methods of a sequence, and as a preconditioner of any other."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from pdebench.arrays import Array

from .conjugate import solve
from .flux import flux_form
from .method import Answer, methods
from .multigrid_cg import unfit
from .preconditioner import preconditioners
from .recycling import GcroDr
from .system import System, is_structured
from .transforms import ScaledInverse


@preconditioners("transform")
class TransformPreconditioner:
    """The inverse with constant coefficients, scaled to the local ones; for Helmholtz the shift is the mean of −k².

    `floor`: eigenvalues closer to zero than this share of the Laplacian's smallest are pushed out (a resonance of the
    mean wave number is not one of the problem).
    """

    name = "transform"

    def __init__(self, *, floor: float = 0.1) -> None:
        self._floor = floor

    def eligible(self, system: System) -> str:
        if not is_structured(system.operator):
            return "a fast transform needs a flux form on a uniform grid"
        form = flux_form(system.operator)
        if not all(np.isfinite(face).all() and (face >= 0).all() for face in form.faces):
            return "a fast transform needs conductances that are finite and not negative"
        return ""

    def prepare(self, system: System) -> None:
        self.inverse = ScaledInverse(flux_form(system.operator), floor=self._floor)

    def apply(self, residual: Array, out: Array) -> None:
        out[:] = self.inverse(residual)


@methods("transform-cg")
class TransformCG:
    """Conjugate gradients with that preconditioner; one or two iterations where coefficients are constant."""

    direct = False

    def __init__(self, *, limit: int = 2000) -> None:
        self.name = "transform-cg"
        self.limit = limit
        self._pc = TransformPreconditioner()

    def eligible(self, system: System) -> str:
        return unfit(system)

    def prepare(self, system: System) -> None:
        self._pc.prepare(system)

    def solve(self, system: System, guess: Array | None, rtol: float) -> Answer:
        b = system.consistent_rhs
        outcome = solve(system.apply, self._pc.inverse, b, guess, rtol=rtol, limit=self.limit)
        return Answer(outcome.x, outcome.iterations, reason=outcome.reason(rtol))


def _gcrodr(*, recycle: bool, **options: Any) -> GcroDr:
    return GcroDr(pc="transform", recycle=recycle, **options)


methods("transform-gcrodr")(partial(_gcrodr, recycle=True))
methods("transform-gmres")(partial(_gcrodr, recycle=False))
