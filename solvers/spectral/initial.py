"""Random vorticity fields as functions of x: band-limited, so that every grid samples the same one."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy import fft

from pdebench.arrays import Array, Complex
from pdebench.spec import Card, Count, Grid, Positive

from .fourier import Modes


class GaussianRandomField(Card):
    """N(0, scale (−Δ + tau² I)^−exponent), mean zero (Li et al. 2021, Fourier neural operator, §5.3)."""

    kind: Literal["gaussian_random_field"]
    scale: Positive
    tau: Positive
    exponent: Positive
    modes: Count

    def vorticity(self, grid: Grid, rng: np.random.Generator) -> Array:
        box = _band(grid, self.modes)
        variance = self.scale * (box.squared + self.tau**2) ** -self.exponent / grid.volume
        return box.values(grid, np.sqrt(variance) * box.noise(rng))


class EnergySpectrum(Card):
    """Random phases under E(k) ∝ k [1 + (k/peak)⁴]⁻¹, scaled to the kinetic energy ½⟨|u|²⟩ (McWilliams 1984).

    k counts waves per box.
    """

    kind: Literal["energy_spectrum"]
    peak: Positive
    energy: Positive
    modes: Count

    def vorticity(self, grid: Grid, rng: np.random.Generator) -> Array:
        box = _band(grid, self.modes)
        # A shell holds ∝ k modes of energy |ω|²/k² each.
        vorticity = box.noise(rng) * np.sqrt(box.squared / (1 + (box.number / self.peak) ** 4))
        return box.values(grid, vorticity * np.sqrt(self.energy / box.energy(vorticity)))


class FilteredVelocity(Card):
    """A random solenoidal velocity with a log-normal E(k) whose mode is `peak`, scaled to the top speed.

    The variance of ln k is 1/4 (after the initial state of Kochkov et al. 2021, PNAS 118 e2101784118; ours in detail).
    k counts waves per box. The top speed is taken on a grid of 16 points per shortest wave.
    """

    kind: Literal["filtered_velocity"]
    peak: Positive
    max_speed: Positive
    modes: Count

    def vorticity(self, grid: Grid, rng: np.random.Generator) -> Array:
        box = _band(grid, self.modes)
        k = np.where(box.number > 0, box.number, 1.0)
        log_normal = np.exp(-2 * (np.log(k / self.peak) - 0.25) ** 2) / k
        vorticity = box.noise(rng) * np.sqrt(box.squared * log_normal / k)
        fine = grid.with_shape((16 * self.modes,) * 2)
        u, v = (box.values(fine, part) for part in box.velocity(vorticity))
        return box.values(grid, vorticity * (self.max_speed / np.sqrt(u**2 + v**2).max()))


class TaylorGreen(Card):
    """ω = 2k cos(kx) cos(ky) with k = 2π n/L: the vortices whose decay is known exactly (Taylor & Green 1937)."""

    kind: Literal["taylor_green"]
    modes: Count = 1

    def vorticity(self, grid: Grid, rng: np.random.Generator) -> Array:
        y, x = grid.coordinates()
        ky, kx = (2 * np.pi * self.modes / length for length in grid.lengths)
        return np.asarray((kx + ky) * np.cos(kx * x) * np.cos(ky * y))


InitialState = Annotated[
    GaussianRandomField | EnergySpectrum | FilteredVelocity | TaylorGreen, Field(discriminator="kind")
]


@lru_cache(maxsize=8)
def _band(grid: Grid, largest: int) -> _Band:
    """Every member of a card draws on the same one."""
    return _Band(grid, largest)


class _Band:
    """The square of modes |n| ≤ `largest` of a box, laid out as a small `rfft2`: `(2M+1, M+1)`."""

    def __init__(self, grid: Grid, largest: int) -> None:
        self._size = 2 * largest + 1
        modes = Modes(grid.with_shape((self._size, self._size)))
        self.squared, self._weight = modes.squared, modes.weight
        self._ky, self._kx = modes.wavenumbers
        self.number = np.hypot(*modes.numbers)

    def noise(self, rng: np.random.Generator) -> Complex:
        """Complex white noise of unit variance with the symmetry of a real field and no mean."""
        out = rng.standard_normal((self._size, self._size // 2 + 1, 2)).view(complex)[..., 0] / np.sqrt(2)
        m = self._size // 2
        out[-m:, 0] = out[m:0:-1, 0].conj()
        out[0, 0] = 0
        return np.asarray(out)

    def velocity(self, vorticity: Complex) -> tuple[Complex, Complex]:
        """u = ∂ψ/∂y, v = −∂ψ/∂x with −Δψ = ω."""
        psi = vorticity / np.where(self.squared > 0, self.squared, np.inf)
        return 1j * self._ky * psi, -1j * self._kx * psi

    def energy(self, vorticity: Complex) -> float:
        return float(sum(np.sum(self._weight * np.abs(part) ** 2) for part in self.velocity(vorticity)) / 2)

    def values(self, grid: Grid, modes: Complex) -> Array:
        """The field on `grid`, `(*shape)`; the grid must hold the band."""
        m = self._size // 2
        ny, nx = grid.shape
        spread = np.zeros((ny, nx // 2 + 1), complex)
        spread[: m + 1, : m + 1] = modes[: m + 1]
        spread[-m:, : m + 1] = modes[-m:]
        return np.asarray(fft.irfft2(spread, s=grid.shape, norm="forward"))
