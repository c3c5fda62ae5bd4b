"""A solute that diffuses through a porous column and sticks to its grains: diffusion and sorption after Freundlich."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field as Option

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Grid

from .implicit import Bands
from .scalar_states import RandomLevel

NotNegative = Annotated[float, Option(ge=0, allow_inf_nan=False)]


class DiffusionSorption(Card):
    """R(u) uₜ = D uₓₓ, R = 1 + (1−φ)/φ ρₛ k n uⁿ⁻¹: the concentration u of what is dissolved (Freundlich's isotherm).

    Solved as m(u)ₜ = D uₓₓ with all that a cell holds, m = u + (1−φ)/φ ρₛ k uⁿ: R has no bound where u is zero, m has.
    At x = 0 the concentration is `inlet`; at the far end a stream of speed `outlet` [m/s] carries away what
    arrives, −D uₓ = `outlet`·u (Nowak & Guthke 2016, Entropy 18, 409). Both hold at the ends themselves; the generator
    of PDEBench has the same values half a cell beyond them, which makes a difference of first order in the spacing.
    """

    initial_state: RandomLevel
    inlet: NotNegative = 1.0
    outlet: NotNegative = 1.0

    variables: ClassVar[tuple[str, ...]] = ("concentration",)
    fields: ClassVar[tuple[Field, ...]] = (Field("concentration", "1", "concentration of what is dissolved"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("diffusivity", "m2 s-1", "effective diffusivity D", minimum=0.0),
        Parameter("porosity", "1", "share of the pores φ", minimum=0.0),
        Parameter("grain_density", "kg m-3", "density of the grains ρₛ", minimum=0.0),
        Parameter("freundlich_factor", "m3 kg-1", "Freundlich's factor k", minimum=0.0),
        Parameter("freundlich_exponent", "1", "Freundlich's exponent n, at most 1", minimum=0.0),
    )

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 1:
            raise CardError(f"a column of grains is a line, but the grid is {grid.shape}")
        for name in ("porosity", "freundlich_exponent"):
            if not 0 < params[name] <= 1:
                raise CardError(f"{name} lies above 0 and not above 1, not at {params[name]:g}")
        return self.initial_state.values(grid, rng)[None]

    def given_at_sides(self) -> dict[str, float]:
        return {"concentration": self.inlet}

    def law(self, params: BatchParams, grid: Grid) -> SorptionLaw:
        return SorptionLaw(params, grid.spacing[0], inlet=self.inlet, outlet=self.outlet)


class SorptionLaw:
    """The unknown is v = uⁿ: m = v^(1/n) + a v and D uₓₓ are smooth in it where u is zero, and convex.

    Convex functions with a matrix of this kind (no positive entry off the diagonal) bring Newton's method from above,
    round by round, to the one solution, which is not negative where what the cells held is not.
    """

    def __init__(self, params: BatchParams, spacing: float, *, inlet: float, outlet: float) -> None:
        d, exponent = (np.asarray(params[name], float)[:, None] for name in ("diffusivity", "freundlich_exponent"))
        share = np.asarray(params["porosity"], float)[:, None]
        factor = np.asarray(params["grain_density"] * params["freundlich_factor"], float)[:, None]
        self.sorbed = (1 - share) / share * factor  # per concentration^n
        self.exponent = np.where(self.sorbed > 0, exponent, 1)  # where nothing sticks, m is not smooth but in u itself
        self._inlet, half = inlet, 2 * d / spacing  # speeds at which half a cell lets through
        self._link, self._entry = d / spacing**2, half / spacing
        self._exit = half * outlet / np.where(half + outlet > 0, half + outlet, 1) / spacing

    def unknown(self, field: Array) -> Array:
        return np.asarray(field**self.exponent)

    def field(self, v: Array) -> Array:
        return np.asarray(v ** (1 / self.exponent))

    def field_slope(self, v: Array) -> Array:
        return np.asarray(v ** (1 / self.exponent - 1) / self.exponent)

    def stored(self, v: Array) -> Array:
        return np.asarray(self.field(v) + self.sorbed * v)

    def stored_slope(self, v: Array) -> Array:
        return np.asarray(self.field_slope(v) + self.sorbed)

    def rate(self, v: Array, time: Array) -> Array:
        u = self.field(v)
        flows = np.empty((len(u), u.shape[1] + 1))  # to the right, over the spacing
        flows[:, 1:-1] = self._link * (u[:, :-1] - u[:, 1:])
        flows[:, :1] = self._entry * (self._inlet - u[:, :1])
        flows[:, -1:] = self._exit * u[:, -1:]
        return np.asarray(flows[:, :-1] - flows[:, 1:])

    def rate_slopes(self, v: Array) -> Bands:
        slope = self.field_slope(v)
        before, own, after = np.zeros_like(v), -2 * self._link * slope, np.zeros_like(v)
        own[:, :1] -= (self._entry - self._link) * slope[:, :1]
        own[:, -1:] -= (self._exit - self._link) * slope[:, -1:]
        before[:, 1:], after[:, :-1] = self._link * slope[:, :-1], self._link * slope[:, 1:]
        return before, own, after
