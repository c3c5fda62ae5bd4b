"""What flows: a space, a viscosity, and what is held on the boundary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pdebench.arrays import Array, Index

from .space import Space

Velocity = Callable[[Array, float], Array]  # places (n, 2), time [s] -> (2, n)


@dataclass(frozen=True)
class Lasting:
    """A `Velocity` that is the same at all times, so that it need be asked but once."""

    at: Velocity

    def __call__(self, places: Array, time: float) -> Array:
        return self.at(places, 0.0)


@dataclass(frozen=True)
class Flow:
    """∂u/∂t + (u·∇)u = −∇p + ν Δu + f, ∇·u = 0, p the pressure over the density.

    u = `velocity` on the boundary, but for `outflow`, unknowns where the stress ν ∂u/∂n − p n vanishes. Without an
    outflow the pressure is known up to a constant, and the one of zero mean is meant; the flow through the boundary
    must then add up to nothing.
    """

    space: Space
    viscosity: float  # kinematic, ν [m² s⁻¹]
    velocity: Velocity
    outflow: Index  # of quadratic unknowns on the boundary, without those that also lie on walls
    outflow1: Index  # of linear ones; all that lie there
    force: Velocity | None = None  # f [m s⁻²], everywhere

    @cached_property
    def fixed(self) -> Index:
        """Quadratic unknowns that are held."""
        return np.setdiff1d(self.space.boundary, self.outflow)

    @cached_property
    def free(self) -> Index:
        return np.setdiff1d(np.arange(self.space.size), self.fixed)

    @cached_property
    def free1(self) -> Index:
        """Pressures that the projection solves for."""
        return np.setdiff1d(np.arange(self.space.size1), self.outflow1)

    @property
    def closed(self) -> bool:
        """Whether the pressure is known up to a constant only."""
        return len(self.outflow1) == 0

    def held(self, time: float) -> Array:
        """Velocities at `fixed`, `(2, fixed)`."""
        return self._always if isinstance(self.velocity, Lasting) else self._held(time)

    @cached_property
    def _always(self) -> Array:
        return self._held(0.0)

    def _held(self, time: float) -> Array:
        return np.asarray(self.velocity(self._border, time), float)

    @cached_property
    def _border(self) -> Array:
        return np.asarray(self.space.points[self.fixed])

    def load(self, time: float) -> Array:
        """∫ f·v, `(2, n)`."""
        if self.force is None:
            return np.zeros((2, self.space.size))
        values = self.force(self.space.quadrature, time)
        return np.stack([self.space.at_transposed @ part for part in values])

    def backflow(self, velocity: Array) -> Array:
        """½ ∫ max(−w·n, 0) v over the outflow, `(2, n)` -> `(n,)`: what must hold back fluid that comes in there.

        Lumped, so a diagonal. With it no energy enters through an outflow (Bruneau & Fabrie 1994; Braack & Mucha
        2014, J. Comput. Math. 32, 507, the directional do-nothing condition).
        """
        out = np.zeros(self.space.size)
        (x, y), (u, v) = self._normals, velocity
        across = x * u[self.outflow] + y * v[self.outflow]
        out[self.outflow] = np.maximum(-across, 0) / 2
        return out

    @cached_property
    def _normals(self) -> tuple[Array, Array]:
        """∫ n v over the boundary, which is ∫ ∇v, for the outflow's unknowns."""
        x, y = ((d.T @ self.space.weights)[self.outflow] for d in self.space.derivatives)
        return x, y

    def mean_free(self, pressure: Array) -> Array:
        """The pressure, of zero mean where only differences of it are known."""
        if not self.closed:
            return pressure
        share: Any = self._volumes
        return np.asarray(pressure - share @ pressure / share.sum())

    @cached_property
    def _volumes(self) -> Array:
        return np.asarray(self.space.mass1 @ np.ones(self.space.size1))
