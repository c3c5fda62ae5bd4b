"""Conjugate gradients around a multigrid V-cycle, compiled: what `krylov.multigrid` and `krylov.conjugate` compute."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers import kernels
from pdebench.solvers.krylov import conjugate
from pdebench.solvers.krylov.conjugate import Outcome
from pdebench.solvers.krylov.flux import FluxForm
from pdebench.solvers.krylov.multigrid import Hierarchy

Precision = Literal["float32", "float64"]


class MultigridSolver:
    """Solves systems with one flux form after another; memory is kept between forms of one shape.

    `precision` is that of the cycle. Raises nothing on divergence: the outcome holds the true residual.
    """

    def __init__(self, precision: Precision = "float32", *, kernel: str = "") -> None:
        self._compiled = None
        if kernels.available():
            self._compiled = kernels._compiled.MultigridSolver(precision, kernel)
        else:
            kernels.warn_once()

    def build(self, form: FluxForm) -> None:
        """The levels of a new matrix."""
        self._form = form
        if self._compiled is None:
            self._hierarchy = Hierarchy(form)
            return
        faces = [np.ascontiguousarray(face, dtype=float) for face in form.faces]
        shift = np.ascontiguousarray(np.broadcast_to(np.asarray(form.shift, dtype=float), form.shape))
        self._compiled.build(faces, shift, list(form.periodic), form.singular)

    def cycle(self, rhs: Array) -> Array:
        """One V-cycle from zero, `(n,)`."""
        if self._compiled is None:
            return self._hierarchy.cycle(rhs.reshape(self._form.shape)).ravel()
        return self._compiled.cycle(rhs)

    def solve(self, rhs: Array, guess: Array | None, *, rtol: float, limit: int = 500) -> Outcome:
        """x, `(n,)`, with ‖b − A x‖ ≤ `rtol` ‖b‖, from `guess` (None: zero)."""
        if self._compiled is None:
            if self._form.singular:
                rhs = rhs - rhs.mean()
            return conjugate.solve(self._form.apply, self.cycle, rhs, guess, rtol=rtol, limit=limit)
        start = np.zeros_like(rhs) if guess is None else guess
        return Outcome(*self._compiled.solve(rhs, start, rtol, limit))
