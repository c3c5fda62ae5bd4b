"""Gradient-norm 𝒩(u) = −½ |∇u|²: Kuramoto–Sivashinsky as a front or a film, in any number of dimensions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Field, Parameter

from .equation import Equation, coefficient, column, peak
from .fourier import Modes
from .polynomials import Input, Polynomial, Polynomials


class KuramotoSivashinsky(Equation):
    """uₜ = −Δu − ν Δ²u − ½ |∇u|². The mean height drifts; in 1D the slope uₓ obeys the conservative form."""

    fields: ClassVar[tuple[Field, ...]] = (Field("height", "m", "height of the front"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("stiffness", "m4 s-1", "coefficient of the fourth derivative", minimum=0.0),
    )

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return modes.squared - coefficient(params["stiffness"], modes) * modes.squared**2

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return steepness(modes, state)

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        slopes = [Input(0, axis) for axis in range(len(modes.grid.shape))]
        rate: list[Polynomial] = [{(slope,): 1 / h} for slope, h in zip(slopes, modes.grid.spacing, strict=True)]
        return Polynomials([{(slope, slope): -0.5 for slope in slopes}], rate)


def steepness(modes: Modes, state: Complex) -> tuple[Complex, Array]:
    """−½ |∇u|² in Fourier space, and max Σ |∂ᵢu|/hᵢ: the slopes are advected by themselves."""
    slopes = modes.backward(np.stack([1j * k * state for k in modes.wavenumbers], axis=1))
    out = modes.forward(np.square(slopes).sum(axis=1)) * column(np.array([-0.5]), modes) * modes.kept
    rate = sum(np.abs(slopes[:, i]) / h for i, h in enumerate(modes.grid.spacing))
    return out, peak(np.asarray(rate))
