"""Taylor–Hood on one mesh: the constant matrices, assembled once by dolfinx, and values at points of quadrature."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from pdebench.arrays import Array, Index
from pdebench.solvers.kernels import elements

from .compat import assembled, spaces
from .meshing import Triangulation
from .quadrature import CORNERS, WEIGHTS, quadratic, quadratic_slopes


class Space:
    """Quadratic velocities, `(n,)` unknowns per component, and linear pressures, `(m,)`.

    Matrices are SciPy's CSR. `gradient` are ∫ q ∂v/∂x and ∫ q ∂v/∂y, `(n, m)`, v a velocity, q a pressure.
    """

    def __init__(self, mesh: Triangulation) -> None:
        import ufl

        self.triangulation = mesh
        self._spaces = spaces(mesh.points, mesh.cells)
        s = self._spaces
        self.points, self.points1 = s.points2, s.points1
        self.cells, self.cells1 = s.cells2, s.cells1
        self.boundary, self.boundary1 = s.boundary2, s.boundary1
        u, v = ufl.TrialFunction(s.quadratic), ufl.TestFunction(s.quadratic)
        p, q = ufl.TrialFunction(s.linear), ufl.TestFunction(s.linear)
        self.mass = assembled(u * v * ufl.dx)
        self.stiffness = assembled(ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx)  # in the pattern of `mass`
        self.mass1 = assembled(p * q * ufl.dx)
        self.stiffness1 = assembled(ufl.inner(ufl.grad(p), ufl.grad(q)) * ufl.dx)
        self.gradient = tuple(assembled(p * v.dx(axis) * ufl.dx) for axis in (0, 1))

    @property
    def size(self) -> int:
        return len(self.points)

    @property
    def size1(self) -> int:
        return len(self.points1)

    @cached_property
    def slopes(self) -> Array:
        """Gradients of the barycentric coordinates, `(cell, 3, 2)`; constant, as cells have straight sides."""
        p = self.points[self.cells[:, :3]]
        area2 = self._areas2
        turned = np.roll(p, -1, axis=1) - np.roll(p, -2, axis=1)  # p₁ − p₂ for corner 0
        return np.asarray(np.stack([turned[..., 1], -turned[..., 0]], axis=2) / area2[:, None, None])

    @cached_property
    def _areas2(self) -> Array:
        p = self.points[self.cells[:, :3]]
        a, b = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
        return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])  # negative where dolfinx turned a cell round

    @property
    def areas(self) -> Array:
        """Of the cells, `(cell,)` [m²]."""
        return np.asarray(np.abs(self._areas2) / 2)

    @cached_property
    def weights(self) -> Array:
        """Weights of the points of quadrature, `(cell × 7,)` [m²]."""
        return np.asarray((np.abs(self._areas2)[:, None] / 2 * WEIGHTS).ravel())

    @cached_property
    def quadrature(self) -> Array:
        """Places of the points of quadrature, `(cell × 7, 2)`."""
        p = self.points[self.cells[:, :3]]
        return np.asarray(np.einsum("qi,cix->cqx", CORNERS, p).reshape(-1, 2))

    @cached_property
    def at(self) -> Any:
        """Quadratic functions at the points of quadrature, `(cell × 7, n)`."""
        return self._operator(np.broadcast_to(quadratic(CORNERS), (len(self.cells), 7, 6)))

    @cached_property
    def derivatives(self) -> tuple[Any, Any]:
        """∂/∂x and ∂/∂y of quadratic functions at the points of quadrature, `(cell × 7, n)` each."""
        by_corner = quadratic_slopes(CORNERS)
        x, y = (self._operator(np.einsum("qai,ci->cqa", by_corner, self.slopes[:, :, k])) for k in (0, 1))
        return x, y

    @cached_property
    def at_transposed(self) -> Any:
        """∫ f v from values f at the points of quadrature, weights included: `(n, cell × 7)`."""
        return sparse.csr_matrix((self.at.multiply(self.weights[:, None])).T)

    def _operator(self, values: Array) -> Any:
        cells, points, _ = values.shape
        values = np.ascontiguousarray(values)
        columns = np.repeat(self.cells[:, None, :], points, axis=1)
        starts = np.arange(0, values.size + 1, 6)
        return sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(cells * points, self.size))

    def raised(self, pressure: Array) -> Array:
        """A linear function at the places of the quadratic unknowns, `(m,)` -> `(n,)`."""
        return np.asarray((pressure[self._ends[0]] + pressure[self._ends[1]]) / 2)

    @cached_property
    def _ends(self) -> Index:
        """The linear unknowns at both ends of a quadratic one's side, `(2, n)`; of a corner's, its own twice."""
        out = np.empty((2, self.size), np.int64)
        for end in (0, 1):
            out[end, self.cells[:, :3]] = self.cells1
            out[end, self.cells[:, 3:]] = np.roll(self.cells1, 1 + end, axis=1)
        return out

    def divergence(self, velocity: Array) -> Array:
        """∫ q ∇·u for each pressure's test function, `(2, n)` -> `(m,)`."""
        return elements.multiply(self._divergence, velocity.ravel())

    def pushed(self, pressure: Array) -> Array:
        """∫ p ∂v/∂x and ∫ p ∂v/∂y, `(m,)` -> `(2, n)`."""
        return elements.multiply(self._gradient, pressure).reshape(2, -1)

    @cached_property
    def _gradient(self) -> Any:
        return sparse.vstack(self.gradient, format="csr")

    @cached_property
    def _divergence(self) -> Any:
        return self._gradient.T.tocsr()

    def convection(self, velocity: Array) -> Array:
        """∫ (u·∇)u · v, `(2, n)` -> `(2, n)`; exact for quadratic velocities.

        Without ½ (∇·u) u, the usual help against energy made by convection: here the velocity is that before its
        projection, whose divergence is not zero enough, and that term then drives it (seen in a plane channel).
        """
        u, v = (self.at @ part for part in velocity)
        dx, dy = self.derivatives
        return np.stack([self.at_transposed @ (u * (dx @ part) + v * (dy @ part)) for part in velocity])

    def integral(self, values: Array) -> float:
        """∫ f of values at the points of quadrature."""
        return float(self.weights @ values)

    def courant(self, velocity: Array) -> float:
        """Greatest |u·∇λ| [s⁻¹]: crossings of a cell per second; times a step, the Courant number."""
        return elements.courant(np.ascontiguousarray(velocity), *self._corners)

    @cached_property
    def _corners(self) -> tuple[Index, Array]:
        """Cells and slopes as the compiled kernels take them."""
        return np.ascontiguousarray(self.cells, np.int32), np.ascontiguousarray(self.slopes.transpose(2, 0, 1))

    def cell_reynolds(self, velocity: Array, nu: float) -> float:
        """Greatest |u| h / ν over the cells, h the side of a square of the cell's area over the order, √(2A) / 2."""
        u, v = velocity
        return float(np.sqrt(((u * u + v * v) * self._widest**2).max(initial=0.0)) / nu)

    @cached_property
    def _widest(self) -> Array:
        """The same h of the largest cell at each unknown, `(n,)` [m]."""
        out = np.zeros(self.size)
        np.maximum.at(out, self.cells, (np.sqrt(np.abs(self._areas2)) / 2)[:, None])
        return out
