"""Initial states of scalar laws: waves that may be folded or cut, and noise; functions of x, the same on any grid."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.spec import Card, Count, Finite, Grid, Positive


class RandomSines(Card):
    """Σ Aᵢ sin(2π nᵢ x/L + φᵢ), Aᵢ uniform in 0 … 1, nᵢ in 1 … `modes`, φᵢ any (Takamoto et al. 2022, PDEBench, eq. 8).

    With the probability `folded` it is replaced by plus or minus its size, and with `windowed` it is zero outside a
    random part of the box, at least a tenth of it. `normalised` makes it |u| over the most that its waves could add
    up to.
    """

    kind: Literal["random_sines"]
    terms: Count = 2
    modes: Count = 8
    folded: float = 0.1
    windowed: float = 0.1
    normalised: bool = False

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 1:
            raise CardError(f"random_sines live on a 1D grid, not on {grid.shape}: use random_field")
        size, phase = rng.uniform(0, 1, self.terms), rng.uniform(0, 2 * np.pi, self.terms)
        number = rng.integers(1, self.modes, self.terms, endpoint=True)
        folds, cuts, sign = rng.random() < self.folded, rng.random() < self.windowed, rng.choice([-1.0, 1.0])
        low, high = sorted(rng.uniform(0, 1, 2))
        low = min(low, 0.9)
        x = grid.axes()[0] / grid.lengths[0]
        u = np.sin(np.multiply.outer(x, 2 * np.pi * number) + phase) @ size
        if folds:
            u = sign * np.abs(u)
        if cuts:
            u = np.where((x >= low) & (x <= max(high, low + 0.1)), u, 0)
        return np.asarray(np.abs(u) / size.sum() if self.normalised else u)


class Noise(Card):
    """Independent normal values of standard deviation `rms` in `shape` squares, the same on finer grids."""

    kind: Literal["noise"]
    shape: tuple[Count, ...]
    rms: Positive = 1.0
    mean: Finite = 0.0

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        if len(self.shape) != len(grid.shape):
            raise CardError(f"noise on a lattice {self.shape} does not fit a grid {grid.shape}")
        out = self.mean + self.rms * rng.standard_normal(self.shape)
        for axis, (n, squares) in enumerate(zip(grid.shape, self.shape, strict=True)):
            out = np.take(out, (2 * np.arange(n) + 1) * squares // (2 * n), axis=axis)
        return np.asarray(out)


class RandomLevel(Card):
    """One value throughout the box, uniform in `between`."""

    kind: Literal["random_level"]
    between: tuple[Finite, Finite]

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        return np.full(grid.shape, rng.uniform(*self.between))
