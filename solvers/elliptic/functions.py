"""Random functions of x: coefficients and sources, drawn as series or sums, so that every grid samples the same one."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from pdebench.arrays import Array
from pdebench.spec import Card, Count, Grid, Positive


class Thresholded(Card):
    """`high` where a Gaussian random field is positive, `low` elsewhere: two materials with a rough border.

    The field is N(0, (−Δ + τ²)^−α) with no flux at the walls, on the unit box, without its constant mode, cut off at
    `modes` per axis. Li et al. 2021 (ICLR, arXiv 2010.08895), §5.2: 12 and 3, τ = 3, α = 2. As the border falls between
    points, solutions converge with order one only (observed: 0.8 to 1.9, from 32² to 256² points).
    """

    kind: Literal["thresholded"] = "thresholded"
    high: Positive = 12.0
    low: Positive = 3.0
    tau: Positive = 3.0
    alpha: Positive = 2.0
    modes: Count = 64

    def sample(self, grid: Grid, rng: np.random.Generator) -> Array:
        """`(*space)`."""
        field = gaussian_field(grid, rng, tau=self.tau, alpha=self.alpha, modes=self.modes)
        return np.where(field >= 0, self.high, self.low)


class LogNormal(Card):
    """exp of such a field, scaled so that the logarithm has a standard deviation of `std` in the mean over the box."""

    kind: Literal["log_normal"] = "log_normal"
    std: Positive = 1.0
    tau: Positive = 3.0
    alpha: Positive = 2.0
    modes: Count = 32

    def sample(self, grid: Grid, rng: np.random.Generator) -> Array:
        """`(*space)`."""
        size = float(np.sqrt(np.sum(np.square(_amplitudes(len(grid.shape), self.tau, self.alpha, self.modes)))))
        field = gaussian_field(grid, rng, tau=self.tau, alpha=self.alpha, modes=self.modes)
        return np.asarray(np.exp(self.std / size * field))


class Uniform(Card):
    """The same everywhere."""

    kind: Literal["uniform"] = "uniform"
    value: Positive = 1.0

    def sample(self, grid: Grid, rng: np.random.Generator) -> Array:
        """`(*space)`."""
        return np.full(grid.shape, self.value)


Coefficient = Annotated[Thresholded | LogNormal | Uniform, Field(discriminator="kind")]


def gaussian_field(grid: Grid, rng: np.random.Generator, *, tau: float, alpha: float, modes: int) -> Array:
    """N(0, (−Δ + τ²)^−α) with no flux at the walls and no constant mode, `(*space)`; lengths in units of the box.

    Σ ξ_k (π²|k|² + τ²)^(−α/2) Π √2 cos(π kᵢ xᵢ / Lᵢ), the ξ independent and standard normal.
    """
    deviations = _amplitudes(len(grid.shape), tau, alpha, modes)
    out = deviations * rng.standard_normal(deviations.shape)
    numbers = np.arange(modes)
    for x, length in zip(grid.axes(), grid.lengths, strict=True):  # each turn takes the first axis, puts space last
        waves = np.where(numbers > 0, np.sqrt(2), 1.0) * np.cos(np.pi * np.outer(x / length, numbers))
        out = np.tensordot(out, waves, axes=(0, 1))
    return np.asarray(out)


def _amplitudes(axes: int, tau: float, alpha: float, modes: int) -> Array:
    """Standard deviation of each coefficient, `(modes, …)`; zero for the constant."""
    squares = sum(np.meshgrid(*[np.arange(modes) ** 2.0] * axes, indexing="ij"))
    deviations = (np.pi**2 * squares + tau**2) ** (-alpha / 2)
    deviations[(0,) * axes] = 0
    return np.asarray(deviations)


def gaussian_bumps(
    grid: Grid, rng: np.random.Generator, *, count: int, width: tuple[float, float], signed: bool = False
) -> Array:
    """Σ ± exp(−|x − c|² / 2σ²), c uniform in the box, σ uniform in `width` (of the shortest side), `(*space)`."""
    places, shortest = grid.coordinates(), min(grid.lengths)
    out = np.zeros(grid.shape)
    for _ in range(count):
        centre = [rng.uniform(0, length) for length in grid.lengths]
        sigma, sign = shortest * rng.uniform(*width), rng.choice([-1.0, 1.0]) if signed else 1.0
        square = sum((x - c) ** 2 for x, c in zip(places, centre, strict=True))
        out += sign * np.exp(-square / (2 * sigma**2))
    return out
