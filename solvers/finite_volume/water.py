"""Shallow water as a problem: water that falls from dams or starts rough, over a flat or an uneven bed."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Option

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Card, Count, Finite, Grid, Positive

from . import exact
from .averaging import averaged, of_one
from .boundary import Boundaries
from .friction import RoughSystem
from .shallow_water import ShallowWaterSystem
from .waves import random_waves

NotNegative = Annotated[float, Option(ge=0, allow_inf_nan=False)]


class RadialDam(Card):
    """Water at rest, deeper inside a circle about the middle of the box, its radius uniform in `radius`."""

    kind: Literal["radial_dam"]
    inside: NotNegative
    outside: NotNegative
    radius: tuple[Positive, Positive]
    subcells: Count = 4  # per axis and cell, of which the average is taken

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        radius = rng.uniform(*self.radius)
        square = sum((x - length / 2) ** 2 for x, length in zip(grid.coordinates(), grid.lengths, strict=True))
        depth = np.where(square < radius**2, self.inside, self.outside)
        return np.stack([depth, *(np.zeros(grid.shape),) * len(grid.shape)])


class Dam(Card):
    """A dam across x that breaks: depth and velocity left and right of `position` (a share of the box)."""

    kind: Literal["dam"]
    left: tuple[NotNegative, Finite]
    right: tuple[NotNegative, Finite]
    position: Positive = 0.5
    subcells: Count = 1

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        ahead = grid.coordinates()[-1] < self.position * grid.lengths[-1]
        depth, speed = (np.where(ahead, a, b) for a, b in zip(self.left, self.right, strict=True))
        return np.stack([depth, speed, *(np.zeros(grid.shape),) * (len(grid.shape) - 1)])


class RandomWater(Card):
    """Depth `mean` and a random relative change of it, of root mean square `rms`, and velocities of root mean square
    `speed`, in waves |n| ≤ `modes` of amplitude ∝ |n|^−decay."""

    kind: Literal["random_water"]
    mean: Positive
    rms: NotNegative
    speed: NotNegative
    modes: Count
    decay: Finite = 2.0
    subcells: Count = 1

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        axes = len(grid.shape)
        waves = random_waves(grid, rng, modes=self.modes, decay=self.decay, count=1 + axes)
        return np.stack([self.mean * np.exp(self.rms * waves[0]), *self.speed * waves[1:] / np.sqrt(axes)])


class RandomBed(Card):
    """Height `mean` and periodic random waves of root mean square `rms`, |n| ≤ `modes`, amplitudes ∝ |n|^−decay."""

    mean: Finite
    rms: NotNegative
    modes: Count
    decay: Finite = 2.0

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        return self.mean + self.rms * random_waves(grid, rng, modes=self.modes, decay=self.decay)


WaterState = Annotated[RadialDam | Dam | RandomWater, Option(discriminator="kind")]


class ShallowWater(Card):
    """Depth and velocities, in 1D or 2D. `dry`: depth below which water stands still.

    Over a `bed` the initial state's depth is the height of the surface: land that lies above it is dry.
    """

    initial_state: WaterState
    boundaries: Boundaries
    bed: RandomBed | None = None
    dry: NotNegative = 1e-8

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("gravity", "m s-2", "acceleration of gravity", minimum=0.0),
        Parameter("roughness", "s m-1/3", "Manning's roughness of the bed", minimum=0.0),
    )

    @property
    def fields(self) -> tuple[Field, ...]:
        axes = self.boundaries.dimensions
        return (
            Field("depth", "m", "depth of the water"),
            *(Field(f"velocity_{x}", "m s-1", f"velocity along {x}") for x in "xy"[:axes]),
        )

    @property
    def inputs(self) -> tuple[Field, ...]:
        return (Field("bed", "m", "height of the bed"),) if self.bed else ()

    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> ShallowWaterSystem:
        smooth = not np.any(params["roughness"])
        return (ShallowWaterSystem if smooth else RoughSystem)(params, self.boundaries.dimensions, dtype, self.dry)

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        self.boundaries.expect(grid)
        system = self.system(of_one(params), np.dtype(float))
        seed = rng.integers(2**63)  # the finer grid of the averages must see the same state
        state = self.initial_state
        if self.bed is None:
            return averaged(system, grid, state.subcells, lambda g: state.values(g, np.random.default_rng(seed)))
        bed, water = self.bed.values(grid, rng), state.values(grid, np.random.default_rng(seed))
        water[0] = np.maximum(water[0] - bed[0], 0)  # at the centres, so that a lake at rest is one
        water[1:, water[0] <= self.dry] = 0
        return np.concatenate([water, bed])

    def exact(self, grid: Grid, params: Params, t: float) -> Array:
        """The state at cell centres: known for a dam across a 1D box before a wave reaches a side."""
        dam = self.initial_state
        if not isinstance(dam, Dam) or len(grid.shape) != 1 or self.bed:
            raise CardError("the exact solution is known for a dam in 1D on a flat bed only")
        x = grid.axes()[0] - dam.position * grid.lengths[0]
        speed = x / t if t > 0 else np.where(x < 0, -np.inf, np.inf)
        if t == 0:
            return dam.values(grid, np.random.default_rng(0))
        return exact.water(dam.left, dam.right, params["gravity"], speed)

    def walls(self, grid: Grid, params: Params) -> Array:
        return self.boundaries.walls(self.fields)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Means over the box, `(..., field, *space)` -> `(...)` each: depth, and energy per unit of mass density."""
        axes = tuple(range(-len(grid.shape), 0))
        lead = states.ndim - len(grid.shape) - 1
        h, *u = np.moveaxis(states, lead, 0)
        energy = h * sum(v**2 for v in u) / 2 + params["gravity"] * h**2 / 2
        return {"volume": h.mean(axis=axes), "energy": energy.mean(axis=axes)}

    def laws(self) -> dict[str, str]:
        """Bores dissipate energy; walls and periodic boxes keep the water."""
        if self.bed:
            return {"volume": "constant"} if self.boundaries.closed else {}
        return {"volume": "constant", "energy": "falling"} if self.boundaries.closed else {}
