"""Incremental pressure correction: second order in time, all matrices constant but that of convection.

Rotational form (Timmermans, Minev & van de Vosse 1996; Guermond, Minev & Shen 2006, Comput. Methods Appl. Mech. Eng.
195, 6011, §3.6, never forming the projected velocity, §3.5). BDF2 with steps of changing length, the viscous term
implicit. Convection is linearly implicit, (w·∇)u with w extrapolated: explicit quadratic elements would be held to
Courant numbers of about 0.06.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from pdebench.arrays import Array
from pdebench.solvers.krylov import SolverSequence, System, methods

from .flow import Flow

Solver = tuple[str, dict[str, Any]]  # a name of krylov.methods and its options


@dataclass(frozen=True)
class Linear:
    """How the two kinds of systems are solved; `rtol` is relative to the increment of a step."""

    velocity: Solver = ("bicgstab", {"pc": "jacobi"})
    pressure: Solver = ("direct-cholesky", {})
    rtol: float = 1e-6
    guess: int = 2
    reuse: bool = True  # False: matrices and set-up are made again in each step, for comparison


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


class Projection:
    """Lives for one flow. `iterations` and `solves` count what the linear systems took."""

    def __init__(
        self, flow: Flow, linear: Linear | None = None, *, form: Literal["rotational", "standard"] = "rotational"
    ) -> None:
        self.flow, self._linear, self._form = flow, linear or Linear(), form
        self.iterations = self.solves = 0
        s, free1 = flow.space, flow.free1
        self._laplace = s.stiffness1[free1][:, free1].tocsr()
        self._velocities = self._sequence(self._linear.velocity, guess=0)  # the extrapolated velocity is the guess
        self._pressure = self._sequence(self._linear.pressure)
        self._held_rows = np.repeat(np.isin(np.arange(s.size), flow.fixed), np.diff(s.mass.indptr))
        rows = np.repeat(np.arange(s.size), np.diff(s.mass.indptr))
        self._diagonal = np.flatnonzero(rows == s.mass.indices)  # one entry per row, in order
        self._mass1 = self._sequence(("cg", {"pc": "jacobi"}))

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
        if state.before is None:
            alpha, now, past, ratio = 1.0, 1.0, 0.0, 0.0
            before = state.velocity
        else:
            ratio, before = dt / state.step, state.before
            alpha, now, past = (1 + 2 * ratio) / (1 + ratio), 1 + ratio, -(ratio**2) / (1 + ratio)
        carried = (1 + ratio) * state.velocity - ratio * before  # extrapolated to the new time
        pressure = state.pressure + self._carried(state, now, past, dt)
        inertia = (now * state.velocity + past * before) / dt
        rhs = flow.load(time)
        for axis in (0, 1):
            rhs[axis] += s.mass @ inertia[axis] + s.gradient[axis] @ pressure
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

    def _carried(self, state: State, now: float, past: float, dt: float) -> Array | float:
        """What the projection of the last two velocities would have added to the pressure's gradient."""
        out: Array | float = 0.0
        if state.correction is not None:
            out = out + now * state.weight / dt * state.correction
        if state.correction_before is not None:
            out = out + past * state.weight_before / dt * state.correction_before
        return out

    def _velocity(self, rate: float, rhs: Array, carried: Array, time: float) -> Array:
        """Both components of (rate M + ν K + C(w)) u = rhs, w = `carried`, solved for the difference to w."""
        flow, u = self.flow, carried.copy()
        u[:, flow.fixed] = flow.held(time)
        matrix = self._matrix(rate, carried)
        for axis in (0, 1):
            left = rhs[axis] - matrix @ u[axis]
            left[flow.fixed] = 0
            u[axis] += self._solve(self._velocities, System(matrix, left))
        return u

    def _matrix(self, rate: float, carried: Array) -> Any:
        """rate M + ν K + C(w), with rows of the identity where u is held."""
        s = self.flow.space
        if not self._linear.reuse:
            self._velocities = self._sequence(self._linear.velocity, guess=0)
        values = rate * s.mass.data + self.flow.viscosity * s.stiffness.data + s.transport(carried)
        values[self._diagonal] += self.flow.backflow(carried)
        values[self._held_rows] = 0
        values[self._diagonal[self.flow.fixed]] = 1
        return sparse.csr_matrix((values, s.mass.indices, s.mass.indptr), shape=s.mass.shape)

    def _correction(self, rhs: Array, last: Array | None) -> Array:
        """φ of ∇φ·∇q = −α/Δt (∇·u) q, zero at the outflow."""
        flow, out = self.flow, np.zeros(self.flow.space.size1)
        kind = "constant" if flow.closed else "none"
        if not self._linear.reuse:
            self._pressure = self._sequence(self._linear.pressure)
        system = System(self._laplace, rhs[flow.free1], symmetric=True, definite=True, nullspace=kind)  # type: ignore[arg-type]
        out[flow.free1] = self._solve(self._pressure, system)
        return out

    def _projected(self, source: Array) -> Array:
        """∇·u as a linear function: the mass matrix's inverse of ∫ q ∇·u."""
        system = System(self.flow.space.mass1, source, symmetric=True, definite=True)
        return self._solve(self._mass1, system)

    def _solve(self, sequence: SolverSequence, system: System) -> Array:
        x, solve = sequence.solve(system)
        self.iterations += solve.iterations
        self.solves += 1
        return x

    def _sequence(self, solver: Solver, guess: int | None = None) -> SolverSequence:
        name, options = solver
        depth = self._linear.guess if guess is None else guess
        return SolverSequence(methods[name](**options), rtol=self._linear.rtol, guess=depth)
