"""Linear equations, whose modes are known at any time: advection–diffusion and waves."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.errors import CardError
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.spec import Finite, Grid

from .equation import Equation, coefficient, mean, mean_square
from .fourier import Modes


class AdvectionDiffusion(Equation):
    """uₜ + c d·∇u = κ Δu, where `direction` d is ordered x, y, z."""

    direction: tuple[Finite, ...] = (1.0,)

    fields: ClassVar[tuple[Field, ...]] = (Field("concentration", "1", "concentration of a tracer"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("speed", "m s-1", "speed of the wind"),
        Parameter("diffusivity", "m2 s-1", "diffusivity", minimum=0.0),
    )
    degree: ClassVar[int] = 1

    def drawn(self, grid: Grid, rng: np.random.Generator) -> Array:
        if len(self.direction) != len(grid.shape):
            raise CardError(
                f"direction {self.direction} has other axes than the grid {grid.shape}: one for each, x first"
            )
        return super().drawn(grid, rng)

    def symbol(self, modes: Modes, params: BatchParams) -> Complex:
        along = sum(d * k for d, k in zip(self.direction, Modes(modes.grid).wavenumbers[::-1], strict=True))
        speed, kappa = (coefficient(params[name], modes) for name in ("speed", "diffusivity"))
        return np.asarray(-1j * speed * along - kappa * modes.squared)

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return np.zeros_like(state), np.zeros(len(state))

    def propagator(self, modes: Modes, params: BatchParams, t: float) -> Complex:
        return np.asarray(np.exp(self.symbol(modes, params) * t)[:, None])

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        return {"mass": mean(states, grid), "variance": mean(states**2, grid)}

    def laws(self) -> dict[str, str]:
        return {"mass": "constant", "variance": "falling"}


class Wave(Equation):
    """uₜₜ = c² Δu, as uₜ = w, wₜ = c² Δu. Begins at rest: w = 0."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("displacement", "m", "displacement"),
        Field("velocity", "m s-1", "rate of change of the displacement"),
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("speed", "m s-1", "speed of the waves", minimum=0.0),)
    degree: ClassVar[int] = 1

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        u = self.drawn(grid, rng)
        return np.stack([u, np.zeros_like(u)])

    def propagator(self, modes: Modes, params: BatchParams, t: float) -> Array:
        """cos ωt, sin(ωt)/ω and −ω sin ωt, with ω = c|k|."""
        omega = coefficient(params["speed"], modes)[:, 0] * np.sqrt(modes.squared)
        turn, swing = np.cos(omega * t), t * np.sinc(omega * t / np.pi)
        return np.stack([np.stack([turn, swing], axis=1), np.stack([-(omega**2) * swing, turn], axis=1)], axis=1)

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Box means of the momentum w and of the energy ½w² + ½c²|∇u|²."""
        modes, axis = Modes(grid), -len(grid.shape) - 1
        u, w = (np.take(states, [i], axis) for i in (0, 1))
        tension = params["speed"] ** 2 * mean_square(modes, modes.forward(u), modes.squared)
        return {"momentum": mean(w, grid), "energy": (mean(w**2, grid) + tension) / 2}

    def laws(self) -> dict[str, str]:
        return {"momentum": "constant", "energy": "constant"}
