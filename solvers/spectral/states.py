"""Initial states in 1D to 3D, as functions of x: band-limited, so that every grid samples the same one."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.resample import resize
from pdebench.spec import Card, Count, Finite, Grid, Positive

from .fourier import Modes


class SineSeries(Card):
    """mean + Σ Aᵢ sin(2π nᵢ x/L + φᵢ): `terms` waves, Aᵢ uniform in ± `amplitude`, nᵢ in 1 … `modes`, φᵢ any.

    One-dimensional (Bar-Sinai et al. 2019, PNAS 116, 15344).
    """

    kind: Literal["sine_series"]
    terms: Count = 10
    amplitude: Positive = 0.5
    modes: Count = 3
    mean: Finite = 0.0

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        if len(grid.shape) != 1:
            raise CardError(f"a sine series lives on a 1D grid, not on {grid.shape}: use random_field")
        size, phase = rng.uniform(-self.amplitude, self.amplitude, self.terms), rng.uniform(0, 2 * np.pi, self.terms)
        number = rng.integers(1, self.modes, self.terms, endpoint=True)
        angles = np.multiply.outer(grid.axes()[0], 2 * np.pi * number / grid.lengths[0]) + phase
        return np.asarray(self.mean + np.sin(angles) @ size)


class RandomField(Card):
    """mean + a Gaussian field of standard deviation `rms` and covariance ∝ exp(−r²/2 length²), modes |n| ≤ `modes`."""

    kind: Literal["random_field"]
    rms: Positive
    length: Positive
    modes: Count
    mean: Finite = 0.0

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        small = Modes(grid.with_shape((2 * self.modes + 1,) * len(grid.shape)))
        size = np.exp(-small.squared * self.length**2 / 4)
        size.flat[0] = 0
        size *= self.rms / np.sqrt(np.sum(small.weight * size**2))
        noise = np.fft.rfftn(rng.standard_normal(small.grid.shape), norm="ortho")
        spread = resize(size * noise, small.grid.shape, grid.shape)
        return self.mean + Modes(grid).backward(spread)


class GaussianBlobs(Card):
    """mean + Σ Aᵢ exp(−|x − cᵢ|²/2 width²), anywhere in the periodic box, Aᵢ uniform in `amplitude`.

    Its modes |n| ≤ `modes`; 2π modes width/L ≥ 5 leaves out less than a millionth.
    """

    kind: Literal["gaussian_blobs"]
    count: Count
    amplitude: tuple[Finite, Finite]
    width: Positive
    modes: Count
    mean: Finite = 0.0

    def values(self, grid: Grid, rng: np.random.Generator) -> Array:
        out = np.full(grid.shape, self.mean)
        for _ in range(self.count):
            blob = np.asarray(rng.uniform(*self.amplitude))
            for x, length in zip(grid.axes(), grid.lengths, strict=True):
                blob = np.multiply.outer(blob, self._bump(x - rng.uniform(0, length), length))
            out += blob
        return out

    def _bump(self, x: Array, length: float) -> Array:
        """Σ over images of exp(−x²/2 width²), as its Fourier series."""
        k = 2 * np.pi * np.arange(1, self.modes + 1) / length
        series = 1 + 2 * np.cos(np.multiply.outer(x, k)) @ np.exp(-((k * self.width) ** 2) / 2)
        return np.asarray(np.sqrt(2 * np.pi) * self.width / length * series)


InitialState = Annotated[SineSeries | RandomField | GaussianBlobs, Field(discriminator="kind")]
