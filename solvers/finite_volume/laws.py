"""Scalar conservation laws as problems: advection at one speed, and Burgers' equation without viscosity."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.solvers.spectral.states import InitialState
from pdebench.spec import Card, Grid

from .boundary import Boundaries
from .scalar import AdvectionSystem, BurgersSystem


class InviscidBurgers(Card):
    """uₜ + ∂ᵢ(u²/2) = 0, summed over the axes: shocks form and merge."""

    initial_state: InitialState
    boundaries: Boundaries

    fields: ClassVar[tuple[Field, ...]] = (Field("velocity", "m s-1", "velocity"),)
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> AdvectionSystem:
        return BurgersSystem(params, self.boundaries.dimensions, dtype)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        self.boundaries.expect(grid)
        return self.initial_state.values(grid, rng)[None]

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """The mean, and the mean square that shocks dissipate."""
        axes = tuple(range(-len(grid.shape), 0))
        u = np.take(states, 0, axis=states.ndim - len(grid.shape) - 1)
        return {"mean": u.mean(axis=axes), "mean_square": (u**2).mean(axis=axes)}

    def laws(self) -> dict[str, str]:
        return {"mean": "constant", "mean_square": "falling"} if self.boundaries.periodic else {}


class LinearAdvection(InviscidBurgers):
    """uₜ + a Σ∂ᵢu = 0: everything moves by a·t, once."""

    fields: ClassVar[tuple[Field, ...]] = (Field("concentration", "1", "concentration"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("speed", "m s-1", "speed along every axis"),)

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> AdvectionSystem:
        return AdvectionSystem(params, self.boundaries.dimensions, dtype)
