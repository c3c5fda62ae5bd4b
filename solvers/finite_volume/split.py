"""Stiff diffusion beside flow or reaction: each by itself and exact, or nearly, in symmetric turns (Strang 1968)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import fft

from pdebench.arrays import Array
from pdebench.errors import SolverError

from . import hancock
from .engine import NumpyEngine
from .part import Whole
from .residual import Space


def diffused(q: Array, exponent: Array, space: Space) -> Array:
    """Averages `(variable, b, *space)` after diffusion alone; `exponent` `(variable, b)` is D·Δt.

    The exact exponential of the three-point Laplacian: it keeps the mean, makes no new extrema, and any step is stable.
    Fourier modes in a periodic box, cosines between walls through which nothing diffuses.
    """
    axes = tuple(range(2, q.ndim))
    ring = space.boundaries.periodic
    rate = np.zeros(())
    for axis, (n, h) in enumerate(zip(q.shape[2:], space.spacing, strict=True)):
        last = ring and axis == len(axes) - 1
        number = np.arange(n // 2 + 1 if last else n)
        turn = np.pi * number / n if ring else np.pi * number / (2 * n)
        rate = np.add.outer(rate, (2 * np.sin(turn) / h) ** 2)
    factor = np.exp(-np.multiply.outer(exponent, rate)).astype(q.dtype)
    if ring:
        return np.asarray(fft.irfftn(factor * fft.rfftn(q, axes=axes), q.shape[2:], axes=axes))
    return np.asarray(fft.idctn(factor * fft.dctn(q, axes=axes), axes=axes))


@dataclass(frozen=True, slots=True)
class SplitEngine(NumpyEngine):
    """Half a step of diffusion, a step of what else there is, half a step of diffusion.

    The system says `diffusivity`, `(variable, b)`. One with `reacted(q, dt)` reacts in each cell and does not flow; its
    `reaction_rate` `(b,)` is 1/Δt at Courant number one.
    """

    def __post_init__(self) -> None:
        if not isinstance(self.space.part, Whole):
            raise SolverError("diffusion by transforms needs the whole box on one rank: set ranks to 1")

    def rate(self, system: Any, q: Array) -> Array:
        found = NumpyEngine.rate(self, system, q)
        return found + np.asarray(system.reaction_rate, float) if hasattr(system, "reacted") else found

    def left(self, system: Any, dt: Array) -> Array:
        return np.zeros(len(dt))

    def step(
        self,
        system: Any,
        q: Array,
        dt: Array,
        *,
        bed: Array | None = None,
        count: int = 0,
        pending: Array | float = 0.0,
    ) -> tuple[Array, Array]:
        half = system.diffusivity * (dt / 2)
        q, limited = diffused(q, half, self.space), np.zeros(q.shape[1], int)
        if hasattr(system, "reacted"):
            q = system.reacted(q, dt)
        else:
            q, limited = NumpyEngine.step(self, system, q, dt, count=count)
            if (rest := NumpyEngine.left(self, system, dt)).any():
                q, acted = hancock.rest(system, q, rest, self.space)
                limited = limited + acted
        return diffused(q, half, self.space), limited
