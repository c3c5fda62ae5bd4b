"""An initial guess out of the last solutions: their best combination for the *new* matrix."""

from __future__ import annotations

from collections import deque

import numpy as np

from pdebench.arrays import Array

from .reduce import everywhere, norm, sum_over
from .system import System

KEPT = 1e-10  # a solution is left out when the others explain it to this fraction


class History:
    """The last `depth` solutions of a sequence. **Good values:** 4 to 8.

    The guess minimises the residual ‖b − A X y‖, or the error in the A-norm where A is positive definite, over y;
    A X is computed again for a new matrix, so that it holds for changing ones too. Columns are made orthonormal by
    classical Gram–Schmidt, twice, newest first, in one reduction each.

    Fischer (1998), Comput. Methods Appl. Mech. Eng. 163, 193 for a constant matrix.
    """

    def __init__(self, depth: int) -> None:
        self._solutions: deque[Array] = deque(maxlen=depth)

    def __len__(self) -> int:
        return len(self._solutions)

    def add(self, x: Array) -> None:
        """Remember a solution."""
        if self._solutions.maxlen and np.all(np.isfinite(x)):
            self._solutions.append(x.copy())

    def guess(self, system: System) -> Array | None:
        """x₀ with ‖b − A x₀‖ < ‖b‖, or None; `(n,)`. Costs as many products with A as there are solutions."""
        if not self._solutions:
            return None
        if not everywhere(system.comm, self._solutions[0].size == system.rhs.size):  # on any rank: all give up together
            self._solutions.clear()
            return None
        y, ay = self._orthonormal(system)
        if not len(y):
            return None
        against = y if system.definite else ay
        x = sum_over(system.comm, against @ system.consistent_rhs) @ y
        better = system.relative_residual(x) < 1
        return np.asarray(x) if better else None

    def _orthonormal(self, system: System) -> tuple[Array, Array]:
        """Y and A Y as rows: orthonormal in the A-product where A is positive definite, else with A Y orthonormal."""
        y, ay, count = np.empty((len(self), system.rhs.size)), np.empty((len(self), system.rhs.size)), 0
        for solution in reversed(self._solutions):
            size = norm(system.comm, solution)
            if size == 0:
                continue
            new = solution / size
            image = system.apply(new)
            left = y if system.definite else ay
            before = _square(system, new, image)
            for _ in range(2):
                part = sum_over(system.comm, left[:count] @ image)
                new, image = new - part @ y[:count], image - part @ ay[:count]
            after = _square(system, new, image)
            if not after > KEPT**2 * before:
                continue
            y[count], ay[count] = new / np.sqrt(after), image / np.sqrt(after)
            count += 1
        return y[:count], ay[:count]


def _square(system: System, x: Array, image: Array) -> float:
    left = x if system.definite else image
    return float(sum_over(system.comm, np.array([left @ image]))[0])
