"""One cycle of flexible GMRES beside a deflated space: A [U Z] = [C V] G, and the least-squares solution in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pdebench.arrays import Array

from .basis import orthogonalise
from .operators import Operators

Stop = Callable[[int, float], bool]


@dataclass(slots=True)
class Blocks:
    """The vectors of a solver, as rows, with PETSc's handles to them."""

    q: Array  # C, V and one row to work in, (m + 2, n)
    w: Array  # U, Z and x, (m + 1, n)
    q_handles: list[Any] = field(default_factory=list)
    w_handles: list[Any] = field(default_factory=list)

    @classmethod
    def zeros(cls, m: int, n: int) -> Blocks:
        return cls(np.zeros((m + 2, n)), np.zeros((m + 1, n)))

    @property
    def x(self) -> Array:
        return np.asarray(self.w[-1])

    def attach(self, operators: Operators) -> None:
        self.q_handles, self.w_handles = operators.handles(self.q), operators.handles(self.w)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a cycle built: G, `(c + 1, c)`, over c = held + steps rows."""

    steps: int
    hessenberg: Array
    coefficients: Array  # of the correction to x, over the rows of W
    full: bool
    reason: str


def run(operators: Operators, blocks: Blocks, held: int, size: float, stop: Stop) -> Cycle:
    """Arnoldi from the residual in row `held` of q, whose length was `size`, until `stop` or the block is full.

    The residual's length is followed through the left null vector of the Hessenberg matrix (Ayachour 2003, J. Comput.
    Appl. Math. 159, 269): one short inner product per iteration.
    """
    m = len(blocks.w) - 1
    g = np.zeros((m + 1, m))
    g[:held, :held] = np.eye(held)
    null = np.zeros(m - held + 1)
    null[0], square, at, reason, full = 1.0, 1.0, held, "", True
    while at < m:
        operators.precondition(blocks.q_handles[at], blocks.w_handles[at])
        operators.product(blocks.w_handles[at], blocks.q_handles[at + 1])
        parts, length = orthogonalise(operators.comm, blocks.q, at + 1)
        if not np.isfinite(length):
            reason = "the matrix or its preconditioner gave NaN or infinity"
            break
        if length == 0 and not parts.any():
            reason = "the matrix or its preconditioner gave zero"
            break
        g[: at + 1, at], g[at + 1, at] = parts, length
        at += 1
        if length == 0:  # the space is complete: the solution lies in it, or nowhere
            break
        null[at - held] = -(null[: at - held] @ parts[held:]) / length
        square += null[at - held] ** 2
        if stop(at - held, size / np.sqrt(square)):
            full = at == m
            break
    g = g[: at + 1, :at]
    return Cycle(at - held, g, _least_squares(g, held, size), full, reason)


def _least_squares(g: Array, held: int, size: float) -> Array:
    """Coefficients over [U Z] that minimise ‖size e − G y‖, e the first vector after C."""
    hessenberg = g[held:, held:]
    target = np.zeros(len(hessenberg))
    target[0] = size
    q, r = np.linalg.qr(hessenberg)
    diagonal = np.abs(np.diag(r))
    if diagonal.size and diagonal.min() > 1e-14 * diagonal.max():
        y = np.linalg.solve(r, q[0] * size)
    else:
        y = np.linalg.lstsq(hessenberg, target, rcond=1e-14)[0]
    return np.concatenate([-(g[:held, held:] @ y), y])
