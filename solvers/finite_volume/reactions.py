"""Reaction and diffusion: Fisher's equation, and the pair of FitzHugh and Nagumo."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field as Described
from pydantic import model_validator

from pdebench.arrays import Array
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.solvers.spectral.states import RandomField, SineSeries
from pdebench.spec import Card, Grid

from .boundary import Boundaries
from .scalar import AdvectionSystem
from .scalar_states import Noise, RandomSines
from .system import column

State = Annotated[RandomSines | Noise | SineSeries | RandomField, Described(discriminator="kind")]


class FisherSystem(AdvectionSystem):
    """uₜ = ν Δu + ρ u(1 − u)."""

    variables = ("density",)

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        self.dimensions, self._speed = dimensions, np.zeros((), dtype)
        self.diffusivity = np.asarray(params["diffusivity"]).astype(dtype)[None]
        self.reaction_rate = 10 * np.asarray(params["growth"])
        self._growth = column(params, "growth", dimensions, dtype)

    def reacted(self, q: Array, dt: Array) -> Array:
        """The logistic curve through each cell's value; NaN where it has left for −∞, as it does from below zero."""
        more = np.expm1(self._growth * dt.astype(q.dtype).reshape(-1, *(1,) * self.dimensions))
        left = 1 + q * more
        return np.where(left > 0, q * (1 + more) / np.where(left > 0, left, 1), np.nan).astype(q.dtype)


class FitzHughNagumoSystem(AdvectionSystem):
    """uₜ = D_u Δu + u − u³ − k − v, vₜ = D_v Δv + u − v."""

    variables: tuple[str, ...] = ("activator", "inhibitor")
    reaction_rate = 20.0  # a time scale of 1/20, below those of u − v; steep u³ only falls

    def __init__(self, params: BatchParams, dimensions: int, dtype: np.dtype[Any]) -> None:
        self.dimensions, self._speed = dimensions, np.zeros((), dtype)
        self.diffusivity = np.stack([params["diffusivity_u"], params["diffusivity_v"]]).astype(dtype)
        self._threshold = column(params, "threshold", dimensions, dtype)

    def reacted(self, q: Array, dt: Array) -> Array:
        """Two steps of the classical Runge–Kutta method, each cell by itself."""
        h = (dt / 2).astype(q.dtype).reshape(-1, *(1,) * self.dimensions)
        for _ in range(2):
            one = self._rates(q)
            two = self._rates(q + h / 2 * one)
            three = self._rates(q + h / 2 * two)
            four = self._rates(q + h * three)
            q = q + h / 6 * (one + 2 * two + 2 * three + four)
        return q

    def _rates(self, q: Array) -> Array:
        u, v = q
        return np.stack([u - u * u * u - self._threshold - v, u - v])


class ReactionDiffusion(Card):
    """Fisher's equation uₜ = ν Δu + ρ u(1 − u), in a periodic box or between walls."""

    initial_state: State
    boundaries: Boundaries

    fields: ClassVar[tuple[Field, ...]] = (Field("density", "1", "density"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("diffusivity", "m2 s-1", "diffusivity ν", minimum=0.0),
        Parameter("growth", "s-1", "growth rate ρ", minimum=0.0),
    )

    @model_validator(mode="after")
    def _even(self) -> Self:
        closed = all(side in {"reflecting", "outflow"} for pair in self.boundaries.pairs() for side in pair)
        if not self.boundaries.periodic and not closed:
            raise ValueError("diffusion needs a box that is periodic throughout, or has walls (reflecting) throughout")
        return self

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> AdvectionSystem:
        return FisherSystem(params, self.boundaries.dimensions, dtype)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        self.boundaries.expect(grid)
        return np.stack([self.initial_state.values(grid, rng) for _ in self.fields])


class FitzHughNagumo(ReactionDiffusion):
    """An activator and an inhibitor: uₜ = D_u Δu + u − u³ − k − v, vₜ = D_v Δv + u − v."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("activator", "1", "activator u"),
        Field("inhibitor", "1", "inhibitor v"),
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("diffusivity_u", "m2 s-1", "diffusivity of the activator", minimum=0.0),
        Parameter("diffusivity_v", "m2 s-1", "diffusivity of the inhibitor", minimum=0.0),
        Parameter("threshold", "1", "threshold k"),
    )

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> AdvectionSystem:
        return FitzHughNagumoSystem(params, self.boundaries.dimensions, dtype)
