"""A problem that is not Navier–Stokes: heat conduction of two fields, in any number of dimensions."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams, Field, Parameter, Params
from pdebench.solvers.spectral.fourier import Modes
from pdebench.spec import Card, Grid


class Heat(Card):
    """uₜ = κ Δu of a signed and a positive field; decoupled, so that mixing them up is seen."""

    fields: ClassVar[tuple[Field, ...]] = (
        Field("anomaly", "K", "temperature anomaly"),
        Field("temperature", "K", "absolute temperature"),
    )
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("diffusivity", "m2 s-1", "thermal diffusivity"),)

    def band(self) -> int:
        return 2

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        phases = rng.uniform(0, 2 * np.pi, (2, 2))
        angles = [2 * np.pi * x / length for x, length in zip(grid.coordinates(), grid.lengths, strict=True)]
        waves = [sum(np.cos(n * angle + phases[i, n - 1]) for angle in angles for n in (1, 2)) for i in (0, 1)]
        return np.stack([waves[0], 300 + waves[1]])

    def symbol(self, modes: Modes, params: BatchParams) -> Array:
        column = params["diffusivity"].reshape(-1, 1, *[1] * len(modes.grid.shape))
        return np.asarray(-column * modes.squared)

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        return np.zeros_like(state), np.zeros(len(state))


def heat_card(shape: tuple[int, ...]) -> dict[str, Any]:
    """Changes that make `tiny_spec` a heat equation on `shape`."""
    return {
        "units": "SI",
        "problem": {"name": f"{__file__}:Heat"},
        "grid": {"shape": list(shape), "lengths": [2.0, 1.0, 3.0][-len(shape) :]},
        "store": {"shape": list(shape), "dtype": "float64"},
        "parameters": {"diffusivity": {"value": 0.002}},
    }
