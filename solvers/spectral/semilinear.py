"""The family of equations that the spectral solver takes: uₜ = ℒu + 𝒩(u), periodic, ℒ diagonal in Fourier space."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Problem

from .fourier import Modes


@runtime_checkable
class Semilinear(Problem, Protocol):
    """A problem becomes solvable here by writing down its two sides; everything else is shared.

    Optional: `degree`, the highest power in 𝒩 (2 without it), which decides how many modes are kept.
    """

    def symbol(self, modes: Modes, params: BatchParams) -> Array | Complex:
        """ℒ(k), `(b, field, *k)`: real, or complex where waves disperse; growing modes have a positive real part."""
        ...

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """𝒩 in Fourier space without aliases, `(b, field, *k)`, and its rate `(b,)`, which times the step is `cfl`.

        Of advection it is max over x of Σ |uᵢ|/hᵢ; of a reaction a bound of |∂𝒩/∂u|; 0 where there is no 𝒩.
        """
        ...

    def band(self) -> int:
        """Largest wavenumber (per axis) of the forcing, in waves per box: what every grid must hold."""
        ...


def degree(equation: Problem) -> int:
    """The highest power in 𝒩: 1 linear, 2 products, 3 cubes."""
    return int(getattr(equation, "degree", 2))
