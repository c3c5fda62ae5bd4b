"""Initial states of gases that meet at curved interfaces, `(2 + axes, *grid)`."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Option

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.problem import Params
from pdebench.spec import Card, Count, Finite, Grid, Positive

from .waves import random_waves

PositiveRange = tuple[Positive, Positive]
NotNegative = Annotated[float, Option(ge=0, allow_inf_nan=False)]


class CurvedQuadrants(Card):
    """The periodic box in `parts` per axis, each with a uniformly random state, their borders bent.

    A border lies where x + `amplitude` · wave reaches a multiple of 1/`parts` of the box. `edges: curved` bends by
    random waves of x and y, so that a border may close on itself; `edges: lines` by waves along the border, which then
    stays a line (an uncertain interface). Waves have |n| ≤ `modes` and root mean square one.
    """

    kind: Literal["curved_quadrants"]
    density: PositiveRange
    velocity: tuple[Finite, Finite]
    pressure: PositiveRange
    parts: Count = 2
    edges: Literal["curved", "lines"]
    amplitude: NotNegative
    modes: Count
    subcells: Count = 4

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        shares = _shares(grid)
        states = [
            np.array([rng.uniform(*self.density), *rng.uniform(*self.velocity, 2), rng.uniform(*self.pressure)])
            for _ in range(self.parts**2)
        ]
        if self.edges == "curved":
            bent = random_waves(grid, rng, modes=self.modes, decay=1.0, count=2)
        else:
            bent = np.stack([_ripples(shares[1 - axis], rng, self.modes) for axis in range(2)])
        row, column = (
            (np.floor((s + self.amplitude * b) % 1 * self.parts)).astype(int) % self.parts
            for s, b in zip(shares, bent, strict=True)
        )
        return np.moveaxis(np.array(states)[row * self.parts + column], -1, 0)


class PlaneJump(Card):
    """Two states of a 2D gas on both sides of a line through `point`, at `angle` [degrees] to the x axis.

    Each gives density, velocities and pressure; `behind` lies on the side of smaller x.
    """

    kind: Literal["plane_jump"]
    behind: tuple[Finite, Finite, Finite, Finite]
    ahead: tuple[Finite, Finite, Finite, Finite]
    point: tuple[Finite, Finite]
    angle: float = Option(gt=0, lt=180)
    subcells: Count = 4

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 2:
            raise CardError(f"this state lives on a 2D grid, not on {grid.shape}")
        y, x = grid.coordinates()
        front = self.point[0] + (y - self.point[1]) / np.tan(np.radians(self.angle))
        return np.stack([np.where(x < front, a, b) for a, b in zip(self.behind, self.ahead, strict=True)])


class ImplodingShell(Card):
    """A round charge of high pressure in the middle of the box, inside a round, wavy border of heavier gas.

    Pressure is `pressure[0]` within `charge` of the middle, else `pressure[1]`; density is `density[0]` within the
    border and `density[1]` beyond. The border lies at `radius` + `amplitude` · Σⱼ aⱼ cos(jθ + bⱼ), j = 1 … `modes`, aⱼ
    uniform and summing to one. Lengths are shares of a square box. The shock meets the border: Richtmyer–Meshkov.
    """

    kind: Literal["imploding_shell"]
    density: tuple[Positive, Positive]
    pressure: tuple[Positive, Positive]
    charge: Positive
    radius: Positive
    amplitude: NotNegative
    modes: Count
    subcells: Count = 4

    def values(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        y, x = (s - 0.5 for s in _shares(grid))
        r, angle = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)
        border = self.radius + self.amplitude * _ripples(angle, rng, self.modes)
        rho = np.where(r < border, *self.density)
        return np.stack([rho, *(np.zeros(grid.shape),) * 2, np.where(r < self.charge, *self.pressure)])


def _shares(grid: Grid) -> list[Array]:
    """Coordinates over the lengths of the box, y then x."""
    if len(grid.shape) != 2:
        raise CardError(f"this state lives on a 2D grid, not on {grid.shape}")
    return [c / length for c, length in zip(grid.coordinates(), grid.lengths, strict=True)]


def _ripples(share: Array, rng: np.random.Generator, modes: int) -> Array:
    """Σⱼ aⱼ cos 2π(j·share + bⱼ), j = 1 … `modes`: aⱼ uniform, summing to one, bⱼ uniform."""
    size, phase = rng.uniform(size=(2, modes))
    waves = [
        a * np.cos(2 * np.pi * (j * share + b))
        for j, (a, b) in enumerate(zip(size / size.sum(), phase, strict=True), 1)
    ]
    return np.asarray(sum(waves))
