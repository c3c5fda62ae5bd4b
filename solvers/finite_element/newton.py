"""The steady flow, all equations at once: Newton's method, a sparse factorisation in each step."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm, Serial
from pdebench.solvers.krylov import System

from .flow import Flow
from .rows import Rows
from .space import Space

RTOL = 1e-9  # of each linear system; Newton's own accuracy does not depend on it


def steady(
    flow: Flow,
    velocity: Array,
    pressure: Array | None = None,
    *,
    tolerance: float = 1e-9,
    limit: int = 25,
    comm: Comm | None = None,
) -> tuple[Array, Array, int]:
    """Velocity `(2, n)`, pressure `(m,)` and the iterations it took, from a first guess near enough.

    Accepted when the momentum and mass left over fall to `tolerance` of what the held velocities put in. A guess too
    far away is halved in its step until the residual falls; where none does, a `SolverError` says so: come nearer by
    a flow of larger viscosity.
    """
    newton = _Newton(flow, comm or Serial())
    x = newton.packed(velocity, pressure)
    left = newton.residual(x)
    scale = max(float(np.linalg.norm(newton.residual(newton.packed(np.zeros_like(velocity), None)))), 1e-300)
    for count in range(limit):
        if float(np.linalg.norm(left)) <= tolerance * scale:
            return *newton.unpacked(x), count
        change = newton.change(x, left)
        for damping in (1.0, 0.5, 0.25, 0.125, 0.0625):
            tried = x + damping * change
            after = newton.residual(tried)
            if (
                np.linalg.norm(after) < (1 - damping / 4) * np.linalg.norm(left)
                or np.linalg.norm(after) <= tolerance * scale
            ):
                break
        else:
            raise SolverError(
                f"Newton's method is stuck at a residual of {np.linalg.norm(left) / scale:.1e} after {count} steps"
            )
        x, left = tried, after
    raise SolverError(f"Newton's method left a residual of {np.linalg.norm(left) / scale:.1e} after {limit} steps")


def tangent(space: Space, velocity: Array) -> list[list[Any]]:
    """Derivatives of `Space.convection` by the velocities, 2 × 2 matrices `(n, n)`."""
    s = space
    at = [s.at @ part for part in velocity]
    by = [[d @ part for d in s.derivatives] for part in velocity]
    dx, dy = s.derivatives
    own = s.at_transposed @ (sparse.diags(at[0]) @ dx + sparse.diags(at[1]) @ dy)
    out = [[s.at_transposed @ (sparse.diags(by[i][j]) @ s.at) for j in (0, 1)] for i in (0, 1)]
    out[0][0], out[1][1] = out[0][0] + own, out[1][1] + own
    return out


class _Newton:
    """Unknowns are packed as u, v and p of all places; rows of held ones are taken out where a system is solved."""

    def __init__(self, flow: Flow, comm: Comm) -> None:
        self._flow, self._n = flow, flow.space.size
        s = flow.space
        zero = None
        gx, gy = s.gradient
        nuk = flow.viscosity * s.stiffness
        self._linear = sparse.bmat([[nuk, zero, -gx], [zero, nuk, -gy], [gx.T, gy.T, zero]], format="csr")
        pressures = np.arange(1 if flow.closed else 0, s.size1)  # of an enclosed flow one pressure is 0
        self._free = np.concatenate([flow.free, flow.free + self._n, pressures + 2 * self._n])
        self._load = np.concatenate([*flow.load(0.0), np.zeros(s.size1)])
        self._rows = Rows(comm, len(self._free))
        self._sequence = self._rows.sequence(("direct-lu", {}), rtol=RTOL, guess=0)

    def packed(self, velocity: Array, pressure: Array | None) -> Array:
        u = np.array(velocity, float)
        u[:, self._flow.fixed] = self._flow.held(0.0)
        p = (
            np.zeros(self._flow.space.size1)
            if pressure is None
            else pressure - (pressure[0] if self._flow.closed else 0)
        )
        return np.concatenate([u[0], u[1], p])

    def unpacked(self, x: Array) -> tuple[Array, Array]:
        return x[: 2 * self._n].reshape(2, -1).copy(), self._flow.mean_free(x[2 * self._n :])

    def residual(self, x: Array) -> Array:
        u = x[: 2 * self._n].reshape(2, -1)
        whole = self._linear @ x - self._load
        whole[: 2 * self._n] += self._flow.space.convection(u).ravel()
        return np.asarray(whole[self._free])

    def change(self, x: Array, left: Array) -> Array:
        """−J⁻¹ of what is left."""
        blocks = tangent(self._flow.space, x[: 2 * self._n].reshape(2, -1))
        m = self._flow.space.size1
        extra = sparse.bmat([[*blocks[0], None], [*blocks[1], None], [None, None, sparse.csr_matrix((m, m))]])
        matrix = (self._linear + extra.tocsr())[self._free][:, self._free].tocsr()
        own, out = self._rows.own, np.zeros_like(x)
        change, _ = self._sequence.solve(System(self._rows.mat(matrix[own]), -left[own], comm=self._rows.comm))
        out[self._free] = self._rows.whole(change)
        return out
