"""Scalar conservation laws as problems: advection at one speed, and Burgers' equation without and with viscosity."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field as Described
from pydantic import model_validator

from pdebench.arrays import Array
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.solvers.spectral.states import GaussianBlobs, RandomField, SineSeries
from pdebench.spec import Card, Grid

from .boundary import Boundaries
from .scalar import AdvectionSystem, BurgersSystem, ViscousBurgersSystem
from .scalar_states import RandomSines

InitialState = Annotated[SineSeries | RandomField | GaussianBlobs | RandomSines, Described(discriminator="kind")]


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


class ViscousBurgers(InviscidBurgers):
    """uₜ + ∂ᵢ(u²/2) = (ν/π) Δu in a periodic box: shocks are as thin as the viscosity or the grid lets them be."""

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("viscosity", "m2 s-1", "viscosity ν, of which a πth part acts", minimum=0.0),
    )

    @model_validator(mode="after")
    def _ring(self) -> Self:
        if not self.boundaries.periodic:
            raise ValueError("viscous Burgers needs a periodic box")
        return self

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> AdvectionSystem:
        return ViscousBurgersSystem(params, self.boundaries.dimensions, dtype)
