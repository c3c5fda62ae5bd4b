"""Exponential time differencing of fourth order, each sample of a batch with its own step.

∫ e^{ℒ(h−s)} 𝒩 ds by a Runge–Kutta rule (Cox & Matthews 2002, J. Comput. Phys. 176, 430, eqs. 26–29): unlike an
integrating factor it keeps a steady state of ℒu + 𝒩(u) = 0 as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams

from .fourier import Modes
from .ifrk4 import Sides, Step, in_groups

POINTS = 32  # on the contour
NEAR = 0.5  # |z| from where the formulas are as good as the contour, which passes 0 there as closely


class Weights(NamedTuple):
    """Of one step size, `(b, field, *k)` each; names as in Kassam & Trefethen."""

    whole: Any  # e^z
    half: Any  # e^{z/2}
    q: Any
    f1: Any
    f2: Any
    f3: Any


def weights(symbol: Array | Complex, h: Array | float) -> Weights:
    """The weights of a step h, a number or shaped to broadcast, where z = h ℒ.

    Near 0 means over a circle about z, where the formulas themselves lose all digits
    (Kassam & Trefethen 2005, SIAM J. Sci. Comput. 26, 1214, §2.1).
    """
    z = np.asarray(symbol * h)
    angles = 2 * np.pi * (np.arange(POINTS) + 0.5) / POINTS
    if not np.iscomplexobj(z):
        angles = angles[: POINTS // 2]  # the lower half is the conjugate of the upper
    near = np.abs(z) < NEAR
    means = np.empty((4, *z.shape), z.dtype)
    means[:, ~near] = _formulas(z[~near])
    round_it = np.mean([_formulas(z[near] + point) for point in np.exp(1j * angles)], axis=0)
    means[:, near] = round_it if np.iscomplexobj(z) else round_it.real
    return Weights(np.exp(z), np.exp(z / 2), *(h * means))


def _formulas(z: Array | Complex) -> Array | Complex:
    """q, f₁, f₂, f₃ of a step 1, `(4, *z)`."""
    half = np.exp(z / 2)
    e, cube = half * half, 1 / (z * z * z)
    parts = [
        (half - 1) / z,
        (-4 - z + e * (4 - 3 * z + z * z)) * cube,
        (2 + z + e * (z - 2)) * cube,
        (-4 - 3 * z - z * z + e * (4 - z)) * cube,
    ]
    return np.asarray(parts)


def advance(
    equation: Sides, modes: Modes, state: Complex, params: BatchParams, *, length: float, steps: Index
) -> tuple[Complex, Array, Array]:
    """See `ifrk4.advance`. Four evaluations of 𝒩 a step; weights anew each interval, some 16 exponentials per mode."""

    def prepare(symbol: Array | Complex, h: float) -> Step:
        kind = state.dtype if np.iscomplexobj(symbol) else modes.dtype
        w = Weights(*(part.astype(kind) for part in weights(symbol, h)))
        return lambda u, own: _step(equation, modes, u, own, w)

    return in_groups(prepare, equation, modes, state, params, length=length, steps=steps)


def _step(equation: Sides, modes: Modes, u: Complex, params: BatchParams, w: Weights) -> tuple[Complex, Array]:
    start, rate = equation.nonlinear(modes, u, params)
    decayed = w.half * u
    a = decayed + w.q * start
    first, _ = equation.nonlinear(modes, a, params)
    second, _ = equation.nonlinear(modes, decayed + w.q * first, params)
    third, _ = equation.nonlinear(modes, w.half * a + w.q * (2 * second - start), params)
    return w.whole * u + w.f1 * start + 2 * w.f2 * (first + second) + w.f3 * third, rate
