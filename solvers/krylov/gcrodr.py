"""GCRO-DR(m, k): restarted GMRES that carries the slowest directions over restarts, and from system to system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pdebench.arrays import Array

from .basis import cholesky_qr
from .cycle import Blocks, Cycle, Stop, run
from .operators import Operators
from .reduce import everywhere, norm, sum_over
from .ritz import harmonic
from .space import Ledger

STALLED = 10  # cycles in a row that together must halve the residual


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a solve ended; the solution is in the array that was given."""

    iterations: int
    residual: float  # ‖b − A x‖, computed from x
    recycled: int  # vectors carried over from earlier systems
    reason: str = ""  # why it gave up


class Recycler:
    """Solves one system after another and keeps U, k vectors in solution space, between them.

    Parks, de Sturler, Mackey, Johnson & Maiti (2006), SIAM J. Sci. Comput. 28, 1651, in the flexible form of
    Carvalho, Gratton, Lago & Vasseur (2011), SIAM J. Sci. Comput. 33, 2604: A [U Z] = [C V] G with C = A U and V
    orthonormal; the preconditioner may vary. C = A U is computed anew for a new matrix (k products), so that nothing
    depends on an earlier preconditioner. Without `recycle`, U lives for one solve. **Good values:** m = 40, k = 20.
    """

    def __init__(self, m: int = 40, k: int = 20, *, recycle: bool = True, limit: int = 10_000) -> None:
        if not 0 <= k < m:
            raise ValueError(f"GCRO-DR({m}, {k}): k must be at least 0 and less than m")
        self.m, self.k, self.limit = m, k, limit
        self.held = 0  # vectors kept for the next cycle or system
        self._recycle = recycle
        self._images = False  # whether C = A U holds for the present matrix
        self._blocks = Blocks.zeros(m, 0)
        self._ledger = Ledger()

    def attach(self, operators: Operators, n: int) -> None:
        """Work with a new matrix, or another preconditioner, from now on."""
        if not everywhere(operators.comm, self._blocks.q.shape[1] == n):
            self._blocks, self.held = Blocks.zeros(self.m, n), 0
        self._operators, self._images = operators, False
        self._blocks.attach(operators)

    def saved(self) -> dict[str, Array]:
        """What a later process needs to go on as this one would."""
        return {"vectors": self._blocks.w[: self.held].copy(), "ledger": self._ledger.saved()}

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Take over what `saved` gave; before `attach`."""
        vectors = saved["vectors"]
        if len(vectors) > self.k:
            raise ValueError(f"the saved space has {len(vectors)} vectors; GCRO-DR({self.m}, {self.k}) keeps {self.k}")
        self._blocks, self.held, self._images = Blocks.zeros(self.m, vectors.shape[1]), len(vectors), False
        self._blocks.w[: self.held] = vectors
        self._ledger = Ledger.restored(saved["ledger"])

    def solve(self, b: Array, x: Array, stop: Stop) -> Outcome:
        """Improves x, `(n,)`, in place until `stop(iterations, ‖r‖)` says so, which is asked after every iteration.

        A recurrence may end a cycle, but only a residual computed from x ends the solve.
        """
        self._blocks.x[:] = x
        residual, size = self._residual(b)
        done, recycled, products, renewed, cycle, reason = 0, 0, 0, False, None, ""
        sizes = [size]

        def halt(count: int, left: float) -> bool:
            return count >= self.limit or stop(count, left)

        if self.held and np.isfinite(size) and not stop(0, size):
            products = 0 if self._images else self.held
            recycled = self._carry_over()
            residual, size = self._project(residual)
        while not (reason := reason or self._gives_up(done, sizes)) and not stop(done, size):
            self._blocks.q[self.held] = residual / size
            before = done
            cycle = run(self._operators, self._blocks, self.held, size, lambda j, s: halt(before + j, s))  # noqa: B023
            self._blocks.x[:] += cycle.coefficients @ self._blocks.w[: len(cycle.coefficients)]
            done, reason = done + cycle.steps, cycle.reason
            residual, size = self._residual(b)
            sizes.append(size)
            hard = self._ledger.hard(done, recycled, self.m - self.held)
            if cycle.full and hard and self.k and not reason and not stop(done, size):
                self._renew(cycle, images=True)
                residual, size = self._project(residual)
                renewed = True
        spent = done >= self.limit and np.isfinite(size)  # no failure of the space, which stays as it is
        if not (spent and self._recycle):
            self._close(cycle, done, recycled, products, renewed=renewed, failed=bool(reason))
        x[:] = self._blocks.x
        return Outcome(done, size, recycled, reason)

    def _gives_up(self, done: int, sizes: list[float]) -> str:
        if not np.isfinite(sizes[-1]):
            return "the residual is not finite"
        if done >= self.limit:
            return f"no convergence in {self.limit} iterations"
        if len(sizes) > STALLED and sizes[-1] > 0.5 * sizes[-1 - STALLED]:
            return f"stagnation: {STALLED} cycles did not halve the residual"
        return ""

    def _residual(self, b: Array) -> tuple[Array, float]:
        self._operators.product(self._blocks.w_handles[-1], self._blocks.q_handles[-1])
        residual = b - self._blocks.q[-1]
        return residual, norm(self._operators.comm, residual)

    def _carry_over(self) -> int:
        """C = A U for the present matrix, made orthonormal; gives how many directions are left."""
        q, w = self._blocks.q, self._blocks.w
        if not self._images:
            for i in range(self.held):
                self._operators.product(self._blocks.w_handles[i], self._blocks.q_handles[i])
        self.held = cholesky_qr(self._operators.comm, q[: self.held], w[: self.held])
        self._images = True
        return self.held

    def _project(self, residual: Array) -> tuple[Array, float]:
        """The part of the residual that C explains is solved for; twice, since once leaves round-off behind."""
        comm, c, u = self._operators.comm, self._blocks.q[: self.held], self._blocks.w[: self.held]
        for _ in range(2):
            parts = sum_over(comm, c @ residual)
            self._blocks.x[:] += parts @ u
            residual = residual - parts @ c
        return residual, norm(comm, residual)

    def _renew(self, cycle: Cycle, *, images: bool) -> None:
        """U from the space of the cycle, and C with it if `images`; left as it is where no direction stands out."""
        comm, g, c = self._operators.comm, cycle.hessenberg, len(cycle.coefficients)
        q, w = self._blocks.q[: c + 1], self._blocks.w[:c]
        weighted = sum_over(comm, q @ (w * self._operators.weights()).T)
        chosen = comm.bcast(harmonic(g, weighted, self.k))  # LAPACK may differ among the ranks' processors
        turn, scale = np.linalg.qr(g @ chosen)
        if chosen.shape[1] == 0 or np.abs(np.diag(scale)).min() == 0:
            return
        self.held, self._images = chosen.shape[1], images
        new = np.linalg.solve(scale.T, chosen.T) @ w
        if images:
            q[: self.held] = turn.T @ q
        w[: self.held] = new
        if images:
            self._carry_over()

    def _close(
        self, cycle: Cycle | None, done: int, recycled: int, products: int, *, renewed: bool, failed: bool
    ) -> None:
        """What is kept for the next system, after a solve."""
        if cycle is not None and self._recycle and not failed:
            if self._ledger.renew(done, recycled) and cycle.steps:
                self._renew(cycle, images=False)
                renewed = True
            drop = self._ledger.enter(done, recycled, products, renewed=renewed)
            if not drop and not self._ledger.rest:
                return
        elif not failed and self._recycle:
            return
        self.held, self._images = 0, False
