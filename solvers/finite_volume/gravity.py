"""Gas in a given potential φ: (ρu)ₜ + … = −ρ∇φ, Eₜ + … = −ρu·∇φ; what is hydrostatic stays so.

Second order, after Käppeli & Mishra (2016), Astron. Astrophys. 587, A94: pressure is reconstructed as what it differs
from the balance of each cell. Fluxes of mass do the work of gravity, so E + ρφ is conserved.
"""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array

from .euler import EulerSystem
from .reconstruction import LIMITERS, Limiter, slopes
from .residual import guarded
from .riemann import Flux


class GravitySystem(EulerSystem):
    """The Euler equations; `flux_and_source` takes the potential where shallow water takes its bed."""

    def flux_and_source(
        self, w: Array, potential: Array, axis: int, *, flux: Flux, limiter: Limiter
    ) -> tuple[Array, Array, Array]:
        """Fluxes through n + 1 faces, forces on n cells (times the spacing), and cells limited `(b,)`, of n + 4 cells.

        Balance is p' = −(ρ + ρ')/2 · (φ' − φ) between neighbours.
        """
        rise, middle = np.diff(potential[0], axis=-1), w[..., 1:-1]
        half = slopes(w, limiter) / 2
        fall = (w[0][..., :-1] + w[0][..., 1:]) / 2 * rise
        off = np.diff(w[-1], axis=-1) + fall  # what the pressure's steps differ from balance
        half[-1] = LIMITERS[limiter](off[..., :-1], off[..., 1:]) / 2
        low, high = middle - half, middle + half
        low[-1] += middle[0] * rise[..., :-1] / 2
        high[-1] -= middle[0] * rise[..., 1:] / 2
        low, high, bad = guarded(self, middle, low, high)
        through = flux(self, high[..., :-1], low[..., 1:], axis)
        own, climb = w[0][..., 2:-2], rise[..., 1:-1]
        force = np.zeros_like(w[..., 2:-2])
        force[self.normal(axis)] = -own * (climb[..., :-1] + climb[..., 1:]) / 2
        force[-1] = -(through[0][..., :-1] * climb[..., :-1] + through[0][..., 1:] * climb[..., 1:]) / 2
        return through, force, bad[..., 1:-1].reshape(len(bad), -1).sum(axis=1)
