"""Initial velocities without divergence in a cube, as functions of x: band-limited, the same on every grid."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from pdebench.arrays import Array
from pdebench.resample import resize
from pdebench.spec import Card, Count, Finite, Grid, Positive

from .fourier import Modes


class Isotropic(Card):
    """Random solenoidal modes; the shell s − ½ ≤ |k| < s + ½ holds E(s) ∝ s⁴ exp(−2 (s/peak)²), ½⟨|u|²⟩ = energy.

    The spectrum of Rogallo (1981, NASA TM 81315) has its maximum at `peak`, k in waves per box, here up to `modes`.
    """

    kind: Literal["isotropic"]
    peak: Positive
    energy: Positive
    modes: Count

    def velocity(self, grid: Grid, rng: np.random.Generator) -> Array:
        small = Modes(grid.with_shape((2 * self.modes + 1,) * 3))
        noise = np.fft.rfftn(rng.standard_normal((3, *small.grid.shape)), axes=(1, 2, 3), norm="ortho")
        k = np.stack(np.broadcast_arrays(*small.numbers[::-1]))
        squared = np.sum(k**2, axis=0)
        solenoidal = noise - k * np.sum(k * noise, axis=0) / np.where(squared > 0, squared, 1)
        shell = np.round(np.sqrt(squared)).astype(int)
        found = np.bincount(shell.ravel(), (small.weight * np.sum(np.abs(solenoidal) ** 2, axis=0)).ravel() / 2)
        numbers = np.arange(len(found), dtype=float)
        wanted = numbers**4 * np.exp(-2 * (numbers / self.peak) ** 2) * (numbers <= self.modes)
        size = np.sqrt(self.energy * wanted / wanted.sum() / found)
        return Modes(grid).backward(resize(size[shell] * solenoidal, small.grid.shape, grid.shape))


class TaylorGreen(Card):
    """u = (sin x cos y cos z, −cos x sin y cos z, 0), x in units of L/2πn (Brachet et al. 1983, J. Fluid Mech. 130)."""

    kind: Literal["taylor_green"]
    modes: Count = 1

    def velocity(self, grid: Grid, rng: np.random.Generator) -> Array:
        z, y, x = _angles(grid, self.modes)
        return np.stack([np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), 0 * (x + y + z)])


class PlaneVortices(Card):
    """u = (sin x cos y, −cos x sin y, 0): the vortices of the plane, whose decay is known (Taylor & Green 1937)."""

    kind: Literal["plane_vortices"]
    modes: Count = 1

    def velocity(self, grid: Grid, rng: np.random.Generator) -> Array:
        return self.sampled(grid)

    def sampled(self, grid: Grid, shift: Array | tuple[float, ...] = (0.0, 0.0, 0.0)) -> Array:
        z, y, x = _angles(grid, self.modes, shift)
        return np.stack(np.broadcast_arrays(np.sin(x) * np.cos(y) + 0 * z, -np.cos(x) * np.sin(y), 0 * z))

    def squared(self, grid: Grid) -> float:
        """|k|² of all its modes."""
        return 2 * (2 * np.pi * self.modes / grid.lengths[-1]) ** 2


class Beltrami(Card):
    """u = (A sin z + C cos y, B sin x + A cos z, C sin y + B cos x): ω = k u, so u × ω = 0 (Arnold 1965)."""

    kind: Literal["beltrami"]
    a: Finite = 1.0
    b: Finite = 1.0
    c: Finite = 1.0
    modes: Count = 1

    def velocity(self, grid: Grid, rng: np.random.Generator) -> Array:
        return self.sampled(grid)

    def sampled(self, grid: Grid, shift: Array | tuple[float, ...] = (0.0, 0.0, 0.0)) -> Array:
        z, y, x = _angles(grid, self.modes, shift)
        u = self.a * np.sin(z) + self.c * np.cos(y) + 0 * x
        v = self.b * np.sin(x) + self.a * np.cos(z) + 0 * y
        w = self.c * np.sin(y) + self.b * np.cos(x) + 0 * z
        return np.stack([u, v, w])

    def squared(self, grid: Grid) -> float:
        """|k|² of all its modes."""
        return float((2 * np.pi * self.modes / grid.lengths[-1]) ** 2)


InitialState = Annotated[Isotropic | TaylorGreen | PlaneVortices | Beltrami, Field(discriminator="kind")]


def _angles(grid: Grid, waves: int, shift: Array | tuple[float, ...] = (0.0, 0.0, 0.0)) -> list[Array]:
    """2π n (x − shift)/L of each axis, slowest first, shaped to broadcast; `shift` is ordered x, y, z."""
    moved = [
        2 * np.pi * waves * (x - s) / length
        for x, s, length in zip(grid.axes(), tuple(shift)[::-1], grid.lengths, strict=True)
    ]
    return list(np.meshgrid(*moved, indexing="ij", sparse=True))
