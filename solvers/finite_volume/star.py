"""Gas in its own hydrostatic balance round a centre, as a problem: a heavy layer on a light one falls through it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Option

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Count, Grid, Positive

from .averaging import averaged, of_one
from .boundary import Boundaries
from .gas import GAMMA
from .gravity import GravitySystem

NotNegative = Annotated[float, Option(ge=0, allow_inf_nan=False)]


class GravitatingEuler(Card):
    """The Euler equations in the potential φ = −2 sin(αr)/(αr) of a polytrope p = ρ², ρ = sin(αr)/(αr), of index one.

    Beyond a wavy radius the gas is `density_jump` times as heavy, p = (ρ/jump)² · constant, in balance with the same φ
    (after the test of Käppeli & Mishra 2014, J. Comput. Phys. 259, 199). The radius is `radius` + `amplitude` ·
    Σⱼ aⱼ cos(jθ + bⱼ), j = `modes`[0] … `modes`[1], aⱼ uniform and summing to one, in shares of the box; α is
    `steepness` over the box.
    """

    boundaries: Boundaries
    steepness: Positive
    radius: Positive
    amplitude: NotNegative
    modes: tuple[Count, Count]
    subcells: Count = 4

    parameters: ClassVar[tuple[Parameter, ...]] = (
        GAMMA,
        Parameter("density_jump", "1", "density beyond the border over that within", minimum=1.0),
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field("density", "kg m-3", "density"),
        Field("velocity_x", "m s-1", "velocity along x"),
        Field("velocity_y", "m s-1", "velocity along y"),
        Field("pressure", "Pa", "pressure"),
    )
    inputs: ClassVar[tuple[Field, ...]] = (Field("potential", "m2 s-2", "gravitational potential"),)

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> GravitySystem:
        return GravitySystem(params, 2, dtype)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        self.boundaries.expect(grid)
        if len(grid.shape) != 2:
            raise CardError(f"this star lives on a 2D grid, not on {grid.shape}")
        first, last = self.modes
        size, phase = rng.uniform(size=(2, last - first + 1))
        waves = list(zip(range(first, last + 1), self.amplitude * size / size.sum(), phase, strict=True))
        system = GravitySystem(of_one(params), 2, np.dtype(float))
        gas = averaged(system, grid, self.subcells, lambda g: self._gas(g, params["density_jump"], waves))
        return np.concatenate([gas, -2 * self._polytrope(grid)[0][None]])

    def _polytrope(self, grid: Grid) -> tuple[Array, Array, Array]:
        """sin(αr)/(αr), r and θ/2π."""
        y, x = (c / length - 0.5 for c, length in zip(grid.coordinates(), grid.lengths, strict=True))
        r = np.hypot(x, y)
        return np.sinc(self.steepness * r / np.pi), r, np.arctan2(y, x) / (2 * np.pi)

    def _gas(self, grid: Grid, jump: float, waves: list[tuple[int, float, float]]) -> Array:
        inner, r, angle = self._polytrope(grid)
        border = self.radius + sum(a * np.cos(2 * np.pi * (j * angle + b)) for j, a, b in waves)
        there = np.sinc(self.steepness * self.radius / np.pi)
        outer = jump * there - jump**2 * (there - inner)  # p = (ρ/jump)² meets ρ² at the mean border, and p' = −ρφ'
        if (outer[r >= border] <= 0).any():
            raise CardError(f"a layer {jump:g} times as heavy ends within the box: lower steepness or density_jump")
        within, still = r < border, np.zeros(grid.shape)
        rho = np.where(within, inner, outer)
        return np.stack([rho, still, still, np.where(within, rho, rho / jump) ** 2])

    def walls(self, grid: Grid, params: Params) -> Array:
        return self.boundaries.walls(self.fields)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Means over the box, `(..., field, *space)` -> `(...)`: mass, and energy with that of position."""
        axes = (-2, -1)
        rho, u, v, p = np.moveaxis(states, states.ndim - 3, 0)
        energy = p / (params["heat_capacity_ratio"] - 1) + rho * (u**2 + v**2) / 2 - 2 * rho * self._polytrope(grid)[0]
        return {"mass": rho.mean(axis=axes), "total_energy": energy.mean(axis=axes)}

    def laws(self) -> dict[str, str]:
        """Of the energy averages over coarser cells know too little for a law."""
        return {"mass": "constant"} if self.boundaries.closed else {}
