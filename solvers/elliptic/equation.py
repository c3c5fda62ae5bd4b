"""What the solver asks of a steady problem, and the scalar problems: Darcy, Poisson, Helmholtz, heat conduction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Protocol, runtime_checkable

import numpy as np
from pydantic import Field as Limits

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.problem import Field, Parameter, Params
from pdebench.solvers.krylov.discretise import Mean
from pdebench.spec import Card, Count, Grid, Positive

from .compact import compact
from .discretise import Boundary, Discrete, Walls, discrete
from .functions import Coefficient, Thresholded, gaussian_bumps


@runtime_checkable
class Elliptic(Protocol):
    """A steady problem that is one linear system."""

    def assembled(self, grid: Grid, inputs: Array, params: Mapping[str, float], mean: Mean) -> Discrete:
        """The system for sound inputs `(input, *grid)`; `mean` is that of the coefficient between two points."""
        ...

    def unsound(self, inputs: Array) -> str:
        """Empty, or why there is nothing to solve."""
        ...


@runtime_checkable
class Compact(Protocol):
    """A steady problem with a coefficient of 1, for differences of fourth order."""

    def compact(self, grid: Grid, inputs: Array, params: Mapping[str, float]) -> Discrete: ...


class Darcy(Card):
    """−∇·(a∇u) = f with u = 0 on the walls: flow through a porous block. f is one number."""

    coefficient: Coefficient = Thresholded()

    fields: ClassVar[tuple[Field, ...]] = (Field("pressure", "Pa", "pressure"),)
    inputs: ClassVar[tuple[Field, ...]] = (Field("permeability", "m2 Pa-1 s-1", "permeability over viscosity"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("source", "s-1", "source f, the same everywhere"),)
    steady: ClassVar[bool] = True

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        return self.coefficient.sample(grid, rng)[None]

    def assembled(self, grid: Grid, inputs: Array, params: Params, mean: Mean) -> Discrete:
        return discrete(grid, inputs[0], params["source"], mean=mean)

    def unsound(self, inputs: Array) -> str:
        return not_positive("permeability", inputs[0])

    def walls(self, grid: Grid, params: Params) -> Array:
        return held([(0.0, 0.0)] * len(grid.shape))


class Poisson(Card):
    """−Δu = f with u = 0 on the walls, or (`neumann`) no flux through them; f a sum of Gaussians of height 1.

    Their number is geometric with the given mean, centres are uniform in the box, widths uniform in `width`. Without
    flux, u is the solution of zero mean for f less its mean.
    """

    mean_count: Annotated[float, Limits(ge=1)] = 2.5
    width: tuple[Positive, Positive] = (0.025, 0.1)
    boundary: Boundary = "dirichlet"

    fields: ClassVar[tuple[Field, ...]] = (Field("solution", "1", "solution"),)
    inputs: ClassVar[tuple[Field, ...]] = (Field("source", "m-2", "source f"),)
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    steady: ClassVar[bool] = True

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        count = int(rng.geometric(1 / self.mean_count))
        return gaussian_bumps(grid, rng, count=count, width=self.width)[None]

    def assembled(self, grid: Grid, inputs: Array, params: Params, mean: Mean) -> Discrete:
        return discrete(grid, np.ones(grid.shape), inputs[0], boundary=self.boundary, mean=mean)

    def compact(self, grid: Grid, inputs: Array, params: Params) -> Discrete:
        if self.boundary == "neumann":
            raise SolverError("differences of order 4 need held walls, not neumann ones")
        return compact(grid, inputs[0])

    def unsound(self, inputs: Array) -> str:
        return "" if np.isfinite(inputs).all() else "the source holds NaN or infinity"

    def walls(self, grid: Grid, params: Params) -> Array:
        return held([(0.0, 0.0) if self.boundary == "dirichlet" else (np.nan, np.nan)] * len(grid.shape))


class Helmholtz(Card):
    """−Δu − ω² m(x) u = 0 with one value on the walls: a standing wave in a medium m = 1 + `contrast` Σ ± Gaussians.

    Solutions exist but for resonances; near one, round-off and the grid decide. A member amplified more than
    `amplification` times the boundary value has failed.
    """

    count: Count = 8
    width: tuple[Positive, Positive] = (0.05, 0.15)
    contrast: Annotated[float, Limits(ge=0)] = 0.3
    amplification: Positive = 1e3

    fields: ClassVar[tuple[Field, ...]] = (Field("solution", "1", "amplitude"),)
    inputs: ClassVar[tuple[Field, ...]] = (Field("medium", "1", "squared slowness m"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("wave_number", "m-1", "wave number ω where m = 1", minimum=0.0),
        Parameter("boundary", "1", "value on the walls"),
    )
    steady: ClassVar[bool] = True

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        return 1 + self.contrast * gaussian_bumps(grid, rng, count=self.count, width=self.width, signed=True)[None]

    def assembled(self, grid: Grid, inputs: Array, params: Params, mean: Mean) -> Discrete:
        walls = [(params["boundary"],) * 2] * len(grid.shape)
        shift = -(params["wave_number"] ** 2) * inputs[0]
        return discrete(grid, np.ones(grid.shape), 0.0, walls=walls, shift=shift, mean=mean)

    def compact(self, grid: Grid, inputs: Array, params: Params) -> Discrete:
        walls = [(params["boundary"],) * 2] * len(grid.shape)
        return compact(grid, np.zeros(grid.shape), walls=walls, shift=-(params["wave_number"] ** 2) * inputs[0])

    def unsound(self, inputs: Array) -> str:
        return "" if np.isfinite(inputs).all() else "the medium holds NaN or infinity"

    def walls(self, grid: Grid, params: Params) -> Array:
        return held([(params["boundary"],) * 2] * len(grid.shape))

    def doubtful(self, solution: Array, params: Params) -> str:
        """Empty, or why a solution is not to be trusted."""
        size, wall = float(np.abs(solution).max()), abs(params["boundary"])
        if size <= self.amplification * wall:
            return ""
        return f"the wave number lies at a resonance: amplified {size / wall:.1e} times (limit {self.amplification:g})"


WALLS = ("west", "east", "south", "north")


class Thermal(Card):
    """−∇·(k∇T) = 0 in a plate with walls of four temperatures and a random conductivity k(x)."""

    conductivity: Coefficient = Thresholded()

    fields: ClassVar[tuple[Field, ...]] = (Field("temperature", "K", "temperature"),)
    inputs: ClassVar[tuple[Field, ...]] = (Field("conductivity", "W m-1 K-1", "thermal conductivity"),)
    parameters: ClassVar[tuple[Parameter, ...]] = tuple(
        Parameter(f"{wall}_temperature", "K", f"temperature of the {wall} wall") for wall in WALLS
    )
    steady: ClassVar[bool] = True

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        return self.conductivity.sample(grid, rng)[None]

    def assembled(self, grid: Grid, inputs: Array, params: Params, mean: Mean) -> Discrete:
        return discrete(grid, inputs[0], 0.0, walls=plate(params), mean=mean)

    def walls(self, grid: Grid, params: Params) -> Array:
        return held(plate(params))

    def unsound(self, inputs: Array) -> str:
        return not_positive("conductivity", inputs[0])


def held(walls: Walls) -> Array:
    """The values on the sides of a scalar, `(axis, 2, 1)`; NaN where it is free."""
    return np.array(walls, float)[..., None]


def plate(params: Params) -> Walls:
    """Values on the sides of the axes (y, x), from the temperatures of four walls."""
    west, east, south, north = (float(params[f"{wall}_temperature"]) for wall in WALLS)
    return [(south, north), (west, east)]


def not_positive(name: str, values: Array) -> str:
    """Empty, or what is wrong with a coefficient that must be positive."""
    if not np.isfinite(values).all():
        return f"the {name} holds NaN or infinity"
    return "" if values.min() > 0 else f"the {name} falls to {values.min():.3g}; it must be positive everywhere"
