"""Force of the flow on a body, from what momentum's equation leaves over at its boundary."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array, Index

from .flow import Flow
from .projection import State


def force(flow: Flow, body: Index, velocity: Array, pressure: Array, *, rate: Array | None = None) -> Array:
    """Force over density and unit depth on the body, `(2,)` [m³ s⁻²]; `rate` is ∂u/∂t `(2, n)` where it is not 0.

    −Σ over the body's unknowns of the weak momentum equation: converges twice as fast as stresses integrated along
    the surface (John & Matthies 2001, Int. J. Numer. Meth. Fluids 37, 885, eq. 10).
    """
    s = flow.space
    left = s.convection(velocity) - flow.load(0.0)
    for axis in (0, 1):
        left[axis] += flow.viscosity * (s.stiffness @ velocity[axis]) - s.gradient[axis] @ pressure
        if rate is not None:
            left[axis] += s.mass @ rate[axis]
    return np.asarray(-left[:, body].sum(axis=1))


def force_at(flow: Flow, body: Index, now: State) -> Array:
    """The same of a state of the projection, with ∂u/∂t from its last two velocities."""
    rate = None if now.before is None else (now.velocity - now.before) / now.step
    return force(flow, body, now.velocity, now.pressure, rate=rate)
