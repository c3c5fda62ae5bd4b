"""Polynomial 𝒩(u): reaction–diffusion, phase separation and patterns."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Grid

from .equation import Equation, coefficient, column, mean, mean_square, peak, pointwise
from .fourier import Modes
from .polynomials import Polynomial, Polynomials, U, V

_PHASE = Field("phase", "1", "order parameter, ±1 in the pure phases")


class FisherKPP(Equation):
    """uₜ = D Δu + r u (1 − u): fronts that run at 2√(rD) (Fisher 1937; Kolmogorov, Petrovsky & Piskunov 1937)."""

    fields: ClassVar[tuple[Field, ...]] = (Field("density", "1", "population density over its capacity"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("diffusivity", "m2 s-1", "diffusivity", minimum=0.0),
        Parameter("growth", "s-1", "growth rate of a thin population", minimum=0.0),
    )

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return -coefficient(params["diffusivity"], modes) * modes.squared

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        r = column(params["growth"], modes)
        return pointwise(modes, state, lambda u: (r * (u - u * u), r * np.abs(1 - 2 * u)))

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        r = params["growth"]
        return Polynomials([{(U,): r, (U, U): -r}], [{(): r, (U,): -2 * r}])


class AllenCahn(Equation):
    """uₜ = γ Δu + u − u³: walls u = tanh(x/√(2γ)) that move by their curvature (Allen & Cahn 1979)."""

    fields: ClassVar[tuple[Field, ...]] = (_PHASE,)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("gradient_energy", "m2 s-1", "γ", minimum=0.0),)
    degree: ClassVar[int] = 3

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return -coefficient(params["gradient_energy"], modes) * modes.squared

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return pointwise(modes, state, lambda u: (u - u**3, np.abs(1 - 3 * u**2)))

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        return Polynomials([{(U,): 1, (U, U, U): -1}], [{(): 1, (U, U): -3}])

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        return {"free_energy": double_well(states, grid, params["gradient_energy"])}

    def laws(self) -> dict[str, str]:
        return {"free_energy": "falling"}


class CahnHilliard(Equation):
    """uₜ = M Δ(u³ − u − γ Δu): phases separate, and nothing is lost (Cahn & Hilliard 1958).

    ℒ holds what is left of Δ(u³ − u) in a pure phase, 2Δu, so that 𝒩 = M Δ(u³ − 3u) drives no short waves.
    """

    fields: ClassVar[tuple[Field, ...]] = (_PHASE,)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("mobility", "m2 s-1", "mobility M", minimum=0.0),
        Parameter("gradient_energy", "m2", "γ", minimum=1e-12),
    )
    degree: ClassVar[int] = 3

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        gamma = coefficient(params["gradient_energy"], modes)
        return -coefficient(params["mobility"], modes) * (2 * modes.squared + gamma * modes.squared**2)

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """The rate is that of waves of length √γ, the shortest that ℒ leaves to 𝒩."""
        out, slope = pointwise(modes, state, lambda u: (u**3 - 3 * u, np.abs(3 * u**2 - 3)))
        out *= -column(params["mobility"], modes) * modes.squared.astype(modes.dtype)
        return out, slope * params["mobility"] / params["gradient_energy"]

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        m = params["mobility"]
        slope = 3 * m / params["gradient_energy"]
        return Polynomials([{(U, U, U): m, (U,): -3 * m}], [{(U, U): slope, (): -slope}], symbol=-modes.squared)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        return {"mass": mean(states, grid), "free_energy": double_well(states, grid, params["gradient_energy"])}

    def laws(self) -> dict[str, str]:
        return {"mass": "constant", "free_energy": "falling"}


class SwiftHohenberg(Equation):
    """uₜ = r u − (1 + Δ)² u + g u² − u³: patterns of wavelength 2π (Swift & Hohenberg 1977); g > 0 makes hexagons."""

    fields: ClassVar[tuple[Field, ...]] = (Field("amplitude", "1", "amplitude of the pattern"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("forcing", "1", "distance from onset r"),
        Parameter("asymmetry", "1", "coefficient g of the square"),
    )
    degree: ClassVar[int] = 3

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        return coefficient(params["forcing"], modes) - (1 - modes.squared) ** 2

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        g = column(params["asymmetry"], modes)
        return pointwise(modes, state, lambda u: (g * u**2 - u**3, np.abs(2 * g * u - 3 * u**2)))

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        g = params["asymmetry"]
        return Polynomials([{(U, U): g, (U, U, U): -1}], [{(U,): 2 * g, (U, U): -3}])

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Box mean of the potential whose gradient the flow descends."""
        modes, r, g = Modes(grid), params["forcing"], params["asymmetry"]
        bending = mean_square(modes, modes.forward(states), (1 - modes.squared) ** 2 - r)
        return {"potential": bending / 2 + mean(states**4, grid) / 4 - g * mean(states**3, grid) / 3}

    def laws(self) -> dict[str, str]:
        return {"potential": "falling"}


class GrayScott(Equation):
    """uₜ = Dᵤ Δu − u v² + F (1 − u), vₜ = Dᵥ Δv + u v² − (F + κ) v: spots that divide (Pearson 1993, Science 261, 189).

    v begins as `initial_state`, u as 1 − v.
    """

    fields: ClassVar[tuple[Field, ...]] = (
        Field("substrate", "1", "concentration of the substrate, u"),
        Field("catalyst", "1", "concentration of the catalyst, v"),
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("diffusivity_u", "m2 s-1", "diffusivity of the substrate", minimum=0.0),
        Parameter("diffusivity_v", "m2 s-1", "diffusivity of the catalyst", minimum=0.0),
        Parameter("feed", "s-1", "feed rate F", minimum=0.0),
        Parameter("kill", "s-1", "kill rate κ", minimum=0.0),
    )
    degree: ClassVar[int] = 3

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        v = self.drawn(grid, rng)
        return np.stack([1 - v, v])

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        both = [coefficient(params[name], modes) for name in ("diffusivity_u", "diffusivity_v")]
        return -np.concatenate(both, axis=1) * modes.squared

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        values = modes.backward(state.copy())
        u, v = values[:, :1], values[:, 1:]
        feed, kill = column(params["feed"], modes), column(params["kill"], modes)
        eaten = u * v * v
        out = modes.forward(np.concatenate([feed * (1 - u) - eaten, eaten - (feed + kill) * v], axis=1)) * modes.kept
        return out, peak(v**2 + 2 * np.abs(u * v) + feed + kill)

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials:
        feed, both = params["feed"], params["feed"] + params["kill"]
        values: list[Polynomial] = [{(): feed, (U,): -feed, (U, V, V): -1}, {(U, V, V): 1, (V,): -both}]
        return Polynomials(values, [{(): both, (V, V): 1}, {(U, V): 2}])


def double_well(states: Array, grid: Grid, gamma: float) -> Array:
    """Box mean of ½ γ |∇u|² + ¼ (1 − u²)², `(..., 1, *space)` -> `(...)`."""
    modes = Modes(grid)
    slope = mean_square(modes, modes.forward(states), modes.squared)
    return gamma * slope / 2 + mean((1 - states**2) ** 2, grid) / 4
