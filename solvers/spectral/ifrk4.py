"""Integrating-factor Runge–Kutta of fourth order, each sample of a batch with its own step.

u = e^{ℒt} v removes ℒ exactly; v is advanced by the classical method (Canuto, Hussaini, Quarteroni & Zang 2006,
Spectral Methods: Fundamentals in Single Domains, §D.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams

from .fourier import Modes

# |λ|Δt ≤ 2√2 on the imaginary axis; with |k| ≤ (2π/h)/3 this bounds Δt Σ|uᵢ|/hᵢ.
COURANT_LIMIT = 2 * np.sqrt(2) * 3 / (2 * np.pi)


class Sides(Protocol):
    """The two sides of uₜ = ℒu + 𝒩(u); see `Semilinear`."""

    def symbol(self, modes: Modes, params: BatchParams) -> Array | Complex: ...
    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]: ...


# One step of the samples of a group: state `(b, field, *k)` and parameters -> new state, rate `(b,)`.
Step = Callable[[Complex, BatchParams], tuple[Complex, Array]]


def advance(
    equation: Sides, modes: Modes, state: Complex, params: BatchParams, *, length: float, steps: Index
) -> tuple[Complex, Array, Array]:
    """The state one interval later; the largest rate of 𝒩 met at the steps' starts, and that at the end, `(b,)` each.

    `state` `(b, field, *k)` is left as it was; sample b takes `steps[b]` equal steps.
    Four evaluations of 𝒩 a step, and one at the end; two state copies besides the stages.
    """

    def prepare(symbol: Array | Complex, h: float) -> Step:
        half = np.exp(symbol * (h / 2)).astype(state.dtype if np.iscomplexobj(symbol) else modes.dtype)
        return lambda u, own: _step(equation, modes, u, own, half, modes.dtype.type(h))

    return in_groups(prepare, equation, modes, state, params, length=length, steps=steps)


def in_groups(
    prepare: Callable[[Array | Complex, float], Step],
    equation: Sides,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    length: float,
    steps: Index,
) -> tuple[Complex, Array, Array]:
    """What `advance` gives, by the step that `prepare` makes of a group's symbol and step size."""
    out, peak, last = state.copy(), np.zeros(len(state)), np.zeros(len(state))
    symbol = equation.symbol(modes, params)
    for count in np.unique(steps):  # samples of one step size march together
        group = np.flatnonzero(steps == count)
        own = {name: values[group] for name, values in params.items()}
        step = prepare(symbol[group], length / max(count, 1))
        u = out[group]
        for _ in range(count):
            u, rate = step(u, own)
            peak[group] = np.fmax(peak[group], rate)
        out[group], last[group] = u, equation.nonlinear(modes, u, own)[1]
    return out, peak, last


def _step(
    equation: Sides, modes: Modes, u: Complex, params: BatchParams, half: Array | Complex, h: np.floating[Any]
) -> tuple[Complex, Array]:
    k1, rate = equation.nonlinear(modes, u, params)
    return stages(equation, modes, u, k1, params, half, h), rate


def stages(
    equation: Sides,
    modes: Modes,
    u: Complex,
    now: Complex,
    params: BatchParams,
    half: Array | Complex,
    h: np.floating[Any],
) -> Complex:
    """The state one step later, `now` being 𝒩(u) and `half` exp(ℒh/2)."""
    k1, decayed = half * now, half * u
    k2, _ = equation.nonlinear(modes, decayed + (h / 2) * k1, params)
    k3, _ = equation.nonlinear(modes, decayed + (h / 2) * k2, params)
    k4, _ = equation.nonlinear(modes, half * (decayed + h * k3), params)
    k2 += k3
    k2 *= 2
    k2 += k1
    decayed += (h / 6) * k2
    decayed *= half
    k4 *= h / 6
    return np.asarray(decayed + k4)
