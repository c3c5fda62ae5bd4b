"""The family of equations that the spectral solver takes: uₜ = ℒu + 𝒩(u), periodic, ℒ diagonal in Fourier space."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Problem

from .fourier import Modes


@runtime_checkable
class Semilinear(Problem, Protocol):
    """A problem becomes solvable here by writing down its two sides; everything else is shared."""

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        """ℒ(k), real, `(b, field, *k)`; growing modes are positive."""
        ...

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """𝒩 in Fourier space without aliases, `(b, field, *k)`, and the advection rate `(b,)`.

        The rate is max over x of Σ |uᵢ|/hᵢ: times the step it is the Courant number. 0 where nothing is advected.
        """
        ...

    def band(self) -> int:
        """Largest wavenumber (per axis) of the forcing, in waves per box: what every grid must hold."""
        ...
