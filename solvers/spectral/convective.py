"""Convective 𝒩(u) = −(u·∇)u of a vector field: Burgers in two dimensions."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Field, Parameter

from .equation import Equation, coefficient, peak
from .fourier import Modes
from .polynomials import Input, Polynomial, Polynomials


class Burgers2D(Equation):
    """uₜ + (u·∇)u = ν Δu, without pressure. From a gradient it stays one (Cole–Hopf)."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("velocity_x", "m s-1", "velocity along x"),
        Field("velocity_y", "m s-1", "velocity along y"),
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("viscosity", "m2 s-1", "viscosity", minimum=0.0),)
    dimensions: ClassVar[tuple[int, ...]] = (2,)

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        decay = -coefficient(params["viscosity"], modes) * modes.squared
        return np.repeat(decay, len(self.fields), axis=1)

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return convection(modes, state)

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        return convected(modes)


def convection(modes: Modes, state: Complex) -> tuple[Complex, Array]:
    """−(u·∇)u in Fourier space, and max Σ |uᵢ|/hᵢ; the components of u are ordered x, y (, z)."""
    values = modes.backward(np.stack([state, *(1j * k * state for k in modes.wavenumbers[::-1])], axis=1))
    u, gradients = values[:, 0], values[:, 1:]  # (b, i, *x); ∂ⱼuᵢ as (b, j, i, *x)
    out = modes.forward(np.einsum("bj...,bji...->bi...", u, gradients)) * -modes.kept
    rate = sum(np.abs(u[:, i]) / h for i, h in enumerate(modes.grid.spacing[::-1]))
    return out, peak(np.asarray(rate))


def convected(modes: Modes) -> Polynomials:
    """`convection`: −Σ uⱼ ∂ⱼuᵢ."""
    spacing = modes.grid.spacing
    along = {len(spacing) - 1 - i: Input(i) for i in range(len(spacing))}  # axis -> the velocity along it
    values: list[Polynomial] = [{(u, Input(i, axis)): -1.0 for axis, u in along.items()} for i in range(len(spacing))]
    rate: list[Polynomial] = [{(u,): 1 / spacing[axis]} for axis, u in along.items()]
    return Polynomials(values, rate)
