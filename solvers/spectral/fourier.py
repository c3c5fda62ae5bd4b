"""Fourier modes of a periodic box, and the way between them and values on the grid."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import fft

from pdebench.arrays import Array, Complex
from pdebench.spec import Grid


class Modes:
    """Modes of real fields on `grid`, laid out as `rfftn` does: `(*shape[:-1], shape[-1]//2 + 1)`.

    Coefficients are the true Fourier coefficients ("forward" normalisation), whatever the resolution. `degree` is that
    of the highest product that must stay free of aliases.
    """

    def __init__(self, grid: Grid, dtype: str = "float64", *, degree: int = 2) -> None:
        self.grid = grid
        self.degree = degree
        self.dtype = np.dtype(dtype)
        self._axes = tuple(range(-len(grid.shape), 0))

    @cached_property
    def numbers(self) -> tuple[Array, ...]:
        """Integer wavenumbers of each axis, slowest first, shaped to broadcast."""
        *slow, fast = self.grid.shape
        lines = [np.fft.fftfreq(n, 1 / n) for n in slow] + [np.fft.rfftfreq(fast, 1 / fast)]
        return tuple(np.meshgrid(*lines, indexing="ij", sparse=True))

    @cached_property
    def wavenumbers(self) -> tuple[Array, ...]:
        """Angular wavenumbers 2πn/L of each axis, in the solver's precision."""
        pairs = zip(self.numbers, self.grid.lengths, strict=True)
        return tuple(np.asarray(2 * np.pi * n / length, self.dtype) for n, length in pairs)

    @cached_property
    def squared(self) -> Array:
        """|k|², in double precision."""
        pairs = zip(self.numbers, self.grid.lengths, strict=True)
        return np.asarray(sum((2 * np.pi * n / length) ** 2 for n, length in pairs))

    @cached_property
    def inverse_squared(self) -> Array:
        """1/|k|², and 0 for the mean."""
        out = np.zeros_like(self.squared)
        np.divide(1.0, self.squared, out=out, where=self.squared > 0)
        return out.astype(self.dtype)

    @cached_property
    def kept(self) -> Array:
        """1 for the modes |n| < N/(degree + 1) that products leave free of aliases (Orszag 1971), else 0."""
        sizes = zip(self.numbers, self.grid.shape, strict=True)
        inside = [np.abs(n) <= largest_mode(size, self.degree) for n, size in sizes]
        return np.asarray(np.logical_and.reduce(np.broadcast_arrays(*inside)), self.dtype)

    @cached_property
    def weight(self) -> Array:
        """How many modes of the full plane each stored one stands for: 1 or 2. Parseval's weights."""
        fast = self.grid.shape[-1]
        return np.where((self.numbers[-1] == 0) | (2 * self.numbers[-1] == fast), 1.0, 2.0)

    def forward(self, values: Array) -> Complex:
        """`(..., *grid)` -> modes."""
        return np.asarray(fft.rfftn(values, axes=self._axes, norm="forward"))

    def backward(self, modes: Complex) -> Array:
        """Modes -> `(..., *grid)`. Overwrites its argument."""
        out = fft.irfftn(modes, s=self.grid.shape, axes=self._axes, norm="forward", overwrite_x=True)
        return np.asarray(out)


def largest_mode(points: int, degree: int = 2) -> int:
    """Largest wavenumber kept on so many points: N/3 (the 2/3 rule) under squares, N/4 under cubes, all under none.

    A product of `degree` modes |n| ≤ K reaches degree·K, which N points take for degree·K − N: beyond −K if K is this.
    """
    return (points - 1) // (degree + 1)
