"""The round dam break as a problem of one dimension, the distance r from its middle, on a fine grid."""

from __future__ import annotations

import numpy as np

from pdebench.solvers.finite_volume.boundary import Boundaries
from pdebench.solvers.finite_volume.hancock import sweep
from pdebench.solvers.finite_volume.residual import Space
from pdebench.solvers.finite_volume.riemann import hll
from pdebench.solvers.finite_volume.shallow_water import ShallowWaterSystem


def depth(time, *, cells=4000, reach=3.6, radius=0.5):
    """r and the depth there: hₜ + (hu)ᵣ = −hu/r, (hu)ₜ + (hu² + gh²/2)ᵣ = −hu²/r, the sources in symmetric turns."""
    h = reach / cells
    r = (np.arange(cells) + 0.5) * h
    system = ShallowWaterSystem({"gravity": np.ones(1)}, 1, np.dtype(float))
    space = Space((h,), Boundaries(x=("reflecting", "outflow")), "muscl", "mc", hll)
    q = np.stack([np.where(r < radius, 2.0, 1.0), np.zeros(cells)])[:, None]

    def spread(q, dt):
        def rate(q):
            return np.stack([-q[1] / r, -(q[1] ** 2) / q[0] / r])

        return q + dt * rate(q + dt / 2 * rate(q))

    now = 0.0
    while now < time:
        slow, fast = system.speeds(system.primitive(q), 0)
        steps = max(np.ceil((time - now) * max(-slow.min(), fast.max()) / h / 0.9), 1)
        dt = (time - now) / steps
        q, _ = sweep(system, spread(q, dt / 2), np.array([dt]), space, 0)
        q = spread(q, dt / 2)
        now = time if steps == 1 else now + dt
    return r, q[0, 0]


def averages(r, h, n, length, *, subcells=8):
    """Means over the cells of an n × n grid of a square about the middle."""
    x = (np.arange(n * subcells) + 0.5) * length / (n * subcells) - length / 2
    fine = np.interp(np.hypot(x[:, None], x), r, h)
    return fine.reshape(n, subcells, n, subcells).mean(axis=(1, 3))
