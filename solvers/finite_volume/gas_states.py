"""Initial states of gases: density, velocities, pressure as functions of x, `(2 + axes, *grid)`."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Option

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import Params
from pdebench.spec import Card, Count, Finite, Grid, Positive

from .gas_interfaces import CurvedQuadrants, ImplodingShell, PlaneJump
from .waves import random_waves

Range = tuple[Finite, Finite]
PositiveRange = tuple[Positive, Positive]
NotNegative = Annotated[float, Option(ge=0, allow_inf_nan=False)]


class Tube(Card):
    """A shock tube along x: density, velocity and pressure left and right of `position` (a share of the box)."""

    kind: Literal["tube"]
    left: tuple[Positive, Finite, Positive]
    right: tuple[Positive, Finite, Positive]
    position: Positive = 0.5
    subcells: Count = 1

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        return _tube(grid, self.left, self.right, self.position)


class RandomTube(Card):
    """Shock tubes of random states: density and pressure log-uniform, velocity uniform, the jump uniform in `position`.

    Both sides are drawn from the same ranges (after PDEBench's 1D shock tubes).
    """

    kind: Literal["random_tube"]
    density: PositiveRange
    velocity: Range
    pressure: PositiveRange
    position: PositiveRange = (0.25, 0.75)
    subcells: Count = 4

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        left, right = (
            (
                float(np.exp(rng.uniform(*np.log(self.density)))),
                float(rng.uniform(*self.velocity)),
                float(np.exp(rng.uniform(*np.log(self.pressure)))),
            )
            for _ in "ab"
        )
        return _tube(grid, left, right, float(rng.uniform(*self.position)))


def _tube(grid: Grid, left: tuple[float, float, float], right: tuple[float, float, float], position: float) -> Array:
    ahead = grid.coordinates()[-1] < position * grid.lengths[-1]
    rho, u, p = (np.where(ahead, a, b) for a, b in zip(left, right, strict=True))
    return np.stack([rho, u, *(np.zeros(grid.shape),) * (len(grid.shape) - 1), p])


class RandomGas(Card):
    """Random waves |n| ≤ `modes`, amplitudes ∝ |n|^−decay, in every variable (after PDEBench's random fields).

    Density and pressure are their mean times exp(`variation` · wave); the root mean square velocity is `mach` times
    the sound speed of the mean state.
    """

    kind: Literal["random_gas"]
    density: PositiveRange
    pressure: PositiveRange
    variation: NotNegative
    mach: NotNegative
    modes: Count
    decay: Finite = 1.0
    subcells: Count = 1

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        axes = len(grid.shape)
        rho, p = rng.uniform(*self.density), rng.uniform(*self.pressure)
        waves = random_waves(grid, rng, modes=self.modes, decay=self.decay, count=2 + axes)
        speed = self.mach * np.sqrt(params["heat_capacity_ratio"] * p / rho / axes)
        return np.stack(
            [rho * np.exp(self.variation * waves[0]), *speed * waves[1:-1], p * np.exp(self.variation * waves[-1])]
        )


class RandomQuadrants(Card):
    """The box in `parts` per axis, each with a uniformly random state (Riemann problems in two dimensions)."""

    kind: Literal["random_quadrants"]
    density: PositiveRange
    velocity: Range
    pressure: PositiveRange
    parts: Count = 2
    subcells: Count = 1

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        axes = len(grid.shape)
        out = np.zeros((2 + axes, *grid.shape))
        where = [
            np.minimum((x / length * self.parts).astype(int), self.parts - 1)
            for x, length in zip(grid.axes(), grid.lengths, strict=True)
        ]
        for part in product(range(self.parts), repeat=axes):
            state = [
                rng.uniform(*self.density),
                *(rng.uniform(*self.velocity) for _ in range(axes)),
                rng.uniform(*self.pressure),
            ]
            inside = np.ix_(*(np.flatnonzero(w == i) for w, i in zip(where, part, strict=True)))
            for variable, value in enumerate(state):
                out[variable][inside] = value
        return out


class KelvinHelmholtz(Card):
    """A band of another density that flows the other way, between wavy edges at a quarter and three quarters of y.

    The edges are `amplitude` Σⱼ aⱼ cos 2πj(x + bⱼ), j = 1 … `modes`, aⱼ uniform and summing to one, bⱼ uniform.
    """

    kind: Literal["kelvin_helmholtz"]
    density: tuple[Positive, Positive]  # outside, inside
    velocity: tuple[Finite, Finite]
    pressure: Positive
    amplitude: NotNegative
    modes: Count
    subcells: Count = 4

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 2:
            raise CardError(f"this state lives on a 2D grid, not on {grid.shape}")
        y, x = (c / length for c, length in zip(grid.coordinates(), grid.lengths, strict=True))
        low, high = (self._edge(x, rng) for _ in "ab")
        inside = (y >= 0.25 + low) & (y <= 0.75 + high)
        rho, u = (np.where(inside, b, a) for a, b in (self.density, self.velocity))
        return np.stack([rho, u, np.zeros(grid.shape), np.full(grid.shape, self.pressure)])

    def _edge(self, x: Array, rng: np.random.Generator) -> Array:
        size, phase = rng.uniform(size=self.modes), rng.uniform(size=self.modes)
        size = self.amplitude * size / size.sum()
        waves = [a * np.cos(2 * np.pi * j * (x + b)) for j, (a, b) in enumerate(zip(size, phase, strict=True), start=1)]
        return np.asarray(sum(waves))


class GaussVortices(Card):
    """`count` Gaussian vortices in gas of one density and pressure: ω = Σ aᵢ/sᵢ exp(−|x − cᵢ|²/2sᵢ²).

    aᵢ uniform in `strength`, sᵢ in `width` (of the box), anywhere in a square periodic box; the velocity is their
    solenoidal one.
    """

    kind: Literal["gauss_vortices"]
    density: Positive
    pressure: Positive
    count: Count
    strength: Range
    width: PositiveRange
    modes: Count = 64
    subcells: Count = 1

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 2 or grid.lengths[0] != grid.lengths[1]:
            raise CardError(f"this state lives in a square, not on {grid.shape} over {grid.lengths}")
        a, s = rng.uniform(*self.strength, self.count), rng.uniform(*self.width, self.count) * grid.lengths[0]
        centre = rng.uniform(size=(self.count, 2)) * grid.lengths[0]
        k = 2 * np.pi / grid.lengths[0] * np.arange(-self.modes, self.modes + 1)
        line = np.exp(-((k[:, None] * s) ** 2) / 2)
        phases = [line * np.exp(-1j * k[:, None] * centre[:, i]) for i in range(2)]
        vorticity = np.einsum("i,ai,bi->ab", 2 * np.pi * a * s / grid.volume, *phases)
        square = k[:, None] ** 2 + k**2
        stream = vorticity / np.where(square > 0, square, 1) * (square > 0)
        there = [np.exp(1j * np.multiply.outer(x, k)) for x in grid.axes()]
        u = (there[0] @ (1j * k[:, None] * stream) @ there[1].T).real
        v = (there[0] @ (-1j * k * stream) @ there[1].T).real
        return np.stack([np.full(grid.shape, self.density), u, v, np.full(grid.shape, self.pressure)])


GasState = Annotated[
    Tube
    | RandomTube
    | RandomGas
    | RandomQuadrants
    | CurvedQuadrants
    | KelvinHelmholtz
    | ImplodingShell
    | PlaneJump
    | GaussVortices,
    Option(discriminator="kind"),
]
