"""Compressible Navier–Stokes: the ideal gas with shear and bulk viscosity, no heat conduction."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams

from .euler import EulerSystem
from .system import column


class NavierStokesSystem(EulerSystem):
    """(ρu)ₜ + … = ∇·σ, Eₜ + … = ∇·(σu), σ = η (∇u + ∇uᵀ) + (ζ − 2η/3)(∇·u) I; second order, central."""

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        super().__init__(params, dimensions, dtype)
        self.shear = column(params, "shear_viscosity", dimensions, dtype)
        self.bulk = column(params, "bulk_viscosity", dimensions, dtype)

    def viscous_flux(self, w: Array, axis: int, ghosts: int, spacing: tuple[float, ...]) -> Array:
        """−σ·n and −(σu)·n on the faces along `axis`, of a padded block; laid out as its inner cells and one more."""
        near = [slice(ghosts, -ghosts)] * self.dimensions
        near[axis] = slice(ghosts - 1, 1 - ghosts or None)
        u = w[1:-1]
        gradient = [self._on_faces(u, a, axis, near, ghosts, spacing) for a in range(self.dimensions)]
        divergence = sum(gradient[a][self.normal(a) - 1] for a in range(self.dimensions))
        n, cells = self.normal(axis) - 1, u[(slice(None), slice(None), *near)]
        mean = _mean(cells, axis + 2)
        stress = self.shear * gradient[axis]
        for a in range(self.dimensions):
            stress[self.normal(a) - 1] += self.shear * gradient[a][n]
        stress[n] += (self.bulk - 2 * self.shear / 3) * divergence
        out = np.zeros((len(w), *stress.shape[1:]), w.dtype)
        out[1:-1] = -stress
        out[-1] = -np.sum(stress * mean, axis=0)
        return out

    def _on_faces(
        self, u: Array, along: int, axis: int, near: list[slice], ghosts: int, spacing: tuple[float, ...]
    ) -> Array:
        """∂u/∂x along one axis, on the faces of another: across a face directly, along it as the mean of its cells'."""
        h = np.asarray(spacing[along], u.dtype)
        if along == axis:
            return np.diff(u[(slice(None), slice(None), *near)], axis=axis + 2) / h
        shifted = []
        for shift in (1, -1):
            cut = list(near)
            cut[along] = slice(ghosts + shift, -ghosts + shift or None)
            shifted.append(u[(slice(None), slice(None), *cut)])
        return _mean((shifted[0] - shifted[1]) / (2 * h), axis + 2)

    def viscous_rate(self, w: Array, spacing: tuple[float, ...]) -> Array:
        """Twice the decay rate of the fastest viscous mode that the grid holds, over two: joins the waves' rate."""
        return np.asarray((4 * self.shear / 3 + self.bulk) / w[0] * 2 * sum(1 / h**2 for h in spacing), w.dtype)


def _mean(values: Array, axis: int) -> Array:
    """Of neighbours along an axis."""
    lines = np.moveaxis(values, axis, -1)
    return np.moveaxis((lines[..., :-1] + lines[..., 1:]) / 2, -1, axis)
