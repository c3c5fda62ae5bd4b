"""Quadratic conservative 𝒩(u) = −½ ∂ₓ(u²) in one dimension: Burgers, Korteweg–de Vries, Kuramoto–Sivashinsky."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Grid

from .equation import Equation, coefficient, column, mean, mean_square, peak
from .fourier import Modes
from .polynomials import Polynomials, U

_VELOCITY = (Field("velocity", "m s-1", "velocity"),)


class Burgers1D(Equation):
    """uₜ + u uₓ = ν uₓₓ, resolved: shocks have the width that viscosity gives them."""

    fields: ClassVar[tuple[Field, ...]] = _VELOCITY
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("viscosity", "m2 s-1", "viscosity", minimum=0.0),)
    dimensions: ClassVar[tuple[int, ...]] = (1,)

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return -coefficient(params["viscosity"], modes) * modes.squared

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return self_advection(modes, state)

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        return self_advected(modes)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        return {"momentum": mean(states, grid), "energy": mean(states**2, grid) / 2}

    def laws(self) -> dict[str, str]:
        return {"momentum": "constant", "energy": "falling"}


class KortewegDeVries(Equation):
    """uₜ + u uₓ + δ uₓₓₓ = 0. A soliton of speed c is u = 3c sech²(½ √(c/δ) (x − ct))."""

    fields: ClassVar[tuple[Field, ...]] = (Field("elevation", "m s-1", "surface elevation, scaled to a speed"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("dispersion", "m3 s-1", "dispersion", minimum=0.0),)
    dimensions: ClassVar[tuple[int, ...]] = (1,)

    def symbol(self, modes: Modes, params: BatchParams) -> Complex:
        (k,) = Modes(modes.grid).wavenumbers
        return 1j * coefficient(params["dispersion"], modes) * k**3

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return self_advection(modes, state)

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        return self_advected(modes)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Box means of u, ½u² and the Hamiltonian ½δuₓ² − u³/6; there are infinitely many others."""
        modes = Modes(grid)
        slope = mean_square(modes, modes.forward(states), modes.squared)
        return {
            "mass": mean(states, grid),
            "momentum": mean(states**2, grid) / 2,
            "energy": params["dispersion"] * slope / 2 - mean(states**3, grid) / 6,
        }

    def laws(self) -> dict[str, str]:
        return {"mass": "constant", "momentum": "constant", "energy": "constant"}


class KuramotoSivashinsky1D(Equation):
    """uₜ = −τ (u uₓ/s + uₓₓ/s² + uₓₓₓₓ/s⁴): chaos in a box of length s L, told in time units of τ.

    The scales let members differ in length and time step while sharing the card's grid and output times.
    """

    fields: ClassVar[tuple[Field, ...]] = _VELOCITY
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("length_scale", "1", "true length of the box over the card's, s", minimum=1e-3),
        Parameter("time_scale", "1", "true time over the card's, τ", minimum=0.0),
    )
    dimensions: ClassVar[tuple[int, ...]] = (1,)

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        squared = modes.squared / coefficient(params["length_scale"], modes) ** 2
        return np.asarray(coefficient(params["time_scale"], modes) * (squared - squared**2))

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        out, rate = self_advection(modes, state)
        speed = params["time_scale"] / params["length_scale"]
        return out * column(speed, modes), rate * speed

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        return self_advected(modes, params["time_scale"] / params["length_scale"])

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        return {"momentum": mean(states, grid)}

    def laws(self) -> dict[str, str]:
        return {"momentum": "constant"}


def self_advection(modes: Modes, state: Complex) -> tuple[Complex, Array]:
    """−½ ∂ₓ(u²) in Fourier space, and max |u|/h."""
    u = modes.backward(state.copy())
    (k,), (h,) = modes.wavenumbers, modes.grid.spacing
    return modes.forward(u * u) * (-0.5j * k * modes.kept), peak(np.abs(u)) / h


def self_advected(modes: Modes, speed: Array | float = 1.0) -> Polynomials:
    """`self_advection`, times the speed of each sample."""
    (k,), (h,) = modes.wavenumbers, modes.grid.spacing
    return Polynomials([{(U, U): -0.5 * speed}], [{(U,): speed / h}], symbol=1j * k)
