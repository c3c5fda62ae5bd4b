"""Preconditioned conjugate gradients in NumPy, judged by the true residual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pdebench.arrays import Array

Apply = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a solve ended."""

    x: Array
    iterations: int
    residual: float  # ‖b − A x‖ / ‖b‖, computed from x
    breakdown: bool = False  # A or the preconditioner was found not to be positive definite

    def reason(self, rtol: float) -> str:
        """Empty where the tolerance is met."""
        if self.residual <= rtol:
            return ""
        if self.breakdown:
            return f"breakdown: not positive definite to working precision (residual {self.residual:.2g})"
        return f"no convergence in {self.iterations} iterations (residual {self.residual:.2g})"


def solve(a: Apply, inverse: Apply, rhs: Array, guess: Array | None, *, rtol: float, limit: int) -> Outcome:
    """x with ‖b − A x‖ ≤ `rtol` ‖b‖; begins again from the true residual while that falls by half.

    β is Polak and Ribière's, which bears a preconditioner that varies a little (Golub & Ye 1999, SIAM J. Sci. Comput.
    21, 1305).
    """
    x = np.zeros_like(rhs) if guess is None else guess.astype(float)
    r = rhs - a(x)
    size = float(np.linalg.norm(rhs))
    residual, before, count, breakdown = float(np.linalg.norm(r)), np.inf, 0, False
    while rtol * size < residual < before / 2 and count < limit and not breakdown:
        before = residual
        p, q, rz, alpha = np.zeros_like(r), np.zeros_like(r), 1.0, 0.0
        while count < limit and np.linalg.norm(r) > 0.95 * rtol * size:
            z = inverse(r)
            beta = -alpha * np.vdot(z, q) / rz
            rz = float(np.vdot(r, z))
            p = z + beta * p
            q = a(p)
            pq = float(np.vdot(p, q))
            count += 1
            if not (rz > 0 and pq > 0):
                breakdown = True
                break
            alpha = rz / pq
            x = x + alpha * p
            r = r - alpha * q
        r = rhs - a(x)
        residual = float(np.linalg.norm(r))
    return Outcome(x, count, residual / size if size > 0 else residual, breakdown)
