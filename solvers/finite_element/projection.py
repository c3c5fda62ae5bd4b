"""Incremental pressure correction: second order in time, all matrices constant but that of convection.

Rotational form (Timmermans, Minev & van de Vosse 1996; Guermond, Minev & Shen 2006, Comput. Methods Appl. Mech. Eng.
195, 6011, §3.6, never forming the projected velocity, §3.5). BDF2 with steps of changing length, the viscous term
implicit. Convection is linearly implicit, (w·∇)u with w extrapolated: explicit quadratic elements would be held to
Courant numbers of about 0.06.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm, Serial
from pdebench.solvers.kernels import elements

from .flow import Flow
from .rows import Constant, Momentum, Rows, Solver


@dataclass(frozen=True)
class Linear:
    """How the two kinds of systems are solved; `rtol` is relative to the increment of a step."""

    velocity: Solver = ("bicgstab", {"pc": "jacobi"})
    pressure: Solver = ("direct-cholesky", {})
    rtol: float = 1e-6
    guess: int = 2


@dataclass(frozen=True)
class State:
    """Velocity `(2, n)`, pressure `(m,)`, both at `time`; what the next step needs of the last one beside them."""

    time: float
    velocity: Array
    pressure: Array
    before: Array | None = None  # velocity a step earlier
    step: float = 0.0  # that led here
    correction: Array | None = None  # φ of that step, and its weight Δt/α
    weight: float = 0.0
    correction_before: Array | None = None
    weight_before: float = 0.0


class Stepped(Protocol):
    """What both schemes' states say of the steps before: see `State`."""

    @property
    def before(self) -> Array | None: ...
    @property
    def step(self) -> float: ...
    @property
    def correction(self) -> Array | None: ...
    @property
    def weight(self) -> float: ...
    @property
    def correction_before(self) -> Array | None: ...
    @property
    def weight_before(self) -> float: ...


def bdf2(state: Stepped, dt: float) -> tuple[float, float, float, float]:
    """dt over the last step, and α, a, b of ∂u/∂t ≈ (α u′ − a u − b u₋) / dt; BDF1's of a state without a past."""
    ratio = 0.0 if state.before is None else dt / state.step
    return ratio, (1 + 2 * ratio) / (1 + ratio), 1 + ratio, -(ratio**2) / (1 + ratio)


def carried_over(state: Stepped, now: float, past: float, dt: float) -> Array | float:
    """What the projection of the last two velocities would have added to the pressure's gradient."""
    out: Array | float = 0.0
    if state.correction is not None:
        out = out + now * state.weight / dt * state.correction
    if state.correction_before is not None:
        out = out + past * state.weight_before / dt * state.correction_before
    return out


class Systems:
    """The linear systems of all flows on one space with one outflow, whatever their viscosity and held velocities.

    Ranks of `comm` share their rows, and the work of making them. An iterative pressure solver's guesses are carried
    from flow to flow, so its bits and iteration counts depend on the order of a unit's members.
    """

    def __init__(self, flow: Flow, linear: Linear, comm: Comm) -> None:
        s = flow.space
        self.velocities = Momentum(flow, Rows(comm, s.size), linear.velocity, linear.rtol)
        known = {"symmetric": True, "definite": True}
        null = {"nullspace": "constant" if flow.closed else "none"}
        accuracy = (linear.rtol, linear.guess)

        def constant(matrix: Any, said: dict[str, Any]) -> Constant:
            return Constant(Rows(comm, matrix.shape[0]), matrix, linear.pressure, accuracy, said)

        self.pressure = constant(s.stiffness1[flow.free1][:, flow.free1].tocsr(), known | null)
        self.mass1 = constant(s.mass1, known)


class Projection:
    """Lives for one flow. `iterations` and `solves` count what the linear systems took.

    Ranks of `comm` share the rows of the linear systems; states are whole on each. `systems` are another flow's, on the
    same space with the same outflow, `linear` and `comm`: they need not be made again.
    """

    def __init__(
        self,
        flow: Flow,
        linear: Linear | None = None,
        *,
        form: Literal["rotational", "standard"] = "rotational",
        comm: Comm | None = None,
        systems: Systems | None = None,
    ) -> None:
        self.flow, self._linear, self._form = flow, linear or Linear(), form
        self.iterations = self.solves = 0
        self.systems = systems or Systems(flow, self._linear, comm or Serial())

    def start(self, velocity: Array, pressure: Array | None = None, time: float = 0.0) -> State:
        """A state to begin from; boundary values are put in. Without a pressure, zero."""
        u = np.array(velocity, float)
        u[:, self.flow.fixed] = self.flow.held(time)
        p = np.zeros(self.flow.space.size1) if pressure is None else self.flow.mean_free(np.array(pressure, float))
        return State(time, u, p)

    def step(self, state: State, dt: float) -> State:
        """The state `dt` later. The first step is BDF1's; so begin with a short one where the start matters."""
        flow, s = self.flow, self.flow.space
        time = state.time + dt
        ratio, alpha, now, past = bdf2(state, dt)
        before = state.velocity if state.before is None else state.before
        carried = (1 + ratio) * state.velocity - ratio * before  # extrapolated to the new time
        pressure = state.pressure + carried_over(state, now, past, dt)
        inertia = (now * state.velocity + past * before) / dt
        rhs = elements.multiply(s.mass, inertia) + s.pushed(pressure)
        if flow.force is not None:
            rhs += flow.load(time)
        u = self._velocity(alpha / dt, rhs, carried, time)
        source = s.divergence(u)
        phi = self._correction(-alpha / dt * source, state.correction)
        p = state.pressure + phi
        if self._form == "rotational":
            p = p - flow.viscosity * self._projected(source)
        return State(
            time,
            u,
            flow.mean_free(p),
            before=state.velocity,
            step=dt,
            correction=phi,
            weight=dt / alpha,
            correction_before=state.correction,
            weight_before=state.weight,
        )

    def _velocity(self, rate: float, rhs: Array, carried: Array, time: float) -> Array:
        """Both components of (rate M + ν K + C(w)) u = rhs, w = `carried`, solved for the difference to w."""
        u = carried.copy()
        u[:, self.flow.fixed] = self.flow.held(time)
        changes, iterations = self.systems.velocities.changes((rate, self.flow.viscosity), rhs, carried, u)
        self.iterations, self.solves = self.iterations + iterations, self.solves + 2
        return u + changes

    def _correction(self, rhs: Array, last: Array | None) -> Array:
        """φ of ∇φ·∇q = −α/Δt (∇·u) q, zero at the outflow."""
        out = np.zeros(self.flow.space.size1)
        out[self.flow.free1] = self._solve(self.systems.pressure, rhs[self.flow.free1])
        return out

    def _projected(self, source: Array) -> Array:
        """∇·u as a linear function: the mass matrix's inverse of ∫ q ∇·u."""
        return self._solve(self.systems.mass1, source)

    def _solve(self, systems: Constant, rhs: Array) -> Array:
        x, iterations = systems.solve(rhs)
        self.iterations, self.solves = self.iterations + iterations, self.solves + 1
        return x
