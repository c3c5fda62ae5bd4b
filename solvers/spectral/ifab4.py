"""Integrating-factor Adams–Bashforth steps of fourth order, each sample of a batch with its own step.

One evaluation of 𝒩 a step, from its values at four times (Hairer, Nørsett & Wanner 1993, Solving Ordinary Differential
Equations I, §III.1), ℒ treated exactly. Each interval begins anew, with three Runge–Kutta steps.
"""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams

from . import ifrk4
from .fourier import Modes
from .ifrk4 import Sides, Step

# |λ|Δt ≤ 0.43 on the imaginary axis; with |k| ≤ (2π/h)/3 this bounds Δt Σ|uᵢ|/hᵢ.
COURANT_LIMIT = 0.43 * 3 / (2 * np.pi)


def advance(
    equation: Sides, modes: Modes, state: Complex, params: BatchParams, *, length: float, steps: Index
) -> tuple[Complex, Array, Array]:
    """See `ifrk4.advance`. One evaluation of 𝒩 a step, but four in the first three; three more state copies."""

    def prepare(symbol: Array | Complex, h: float) -> Step:
        half = np.exp(symbol * (h / 2)).astype(state.dtype if np.iscomplexobj(symbol) else modes.dtype)
        size = modes.dtype.type(h)
        past: list[Complex] = []  # Eʲ 𝒩 of j steps ago, E = exp(ℒh)

        def step(u: Complex, own: BatchParams) -> tuple[Complex, Array]:
            now, rate = equation.nonlinear(modes, u, own)
            if len(past) < 3:
                new = ifrk4.stages(equation, modes, u, now, own, half, size)
            else:
                slope = 55 * now - 59 * past[0] + 37 * past[1] - 9 * past[2]
                new = half**2 * (u + (size / 24) * slope)
            past[:] = [half**2 * one for one in (now, *past[:2])]
            return new, rate

        return step

    return ifrk4.in_groups(prepare, equation, modes, state, params, length=length, steps=steps)
