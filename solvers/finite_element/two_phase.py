"""Two fluids that do not mix: the incremental projection with a density and a viscosity that move with a level set.

ρ (∂u/∂t + (u·∇)u) = −∇p + ∇·(2μ ε(u)) + (ρ − ρ_light) g + σκ∇φ + f,  ∇·u = 0,  ∂φ/∂t + ∇·(φu) = 0

Standard form of the pressure correction with BDF2, the pressure extrapolated by the last two corrections (Guermond &
Salgado 2009, J. Comput. Phys. 228, 2834), but ∇·(ρ⁻¹∇ψ) for the correction instead of a constant matrix.
Pressure is counted from that of the lighter fluid at rest. With one fluid it is `projection.py`'s standard form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pdebench.arrays import Array, Index
from pdebench.solvers.krylov import SolverSequence, System, methods

from .flow import Flow
from .level_set import Carrier, LevelSet
from .projection import Linear, bdf2, carried_over
from .quadrature import CORNERS, WEIGHTS
from .rows import Solver
from .weighted import Weighted

Entering = Callable[[float], Array]  # time [s] -> φ of what comes in through the boundary, (m,)
INSIDE = 0.9  # of φ: a cell whose corners have more lies in the heavier fluid
PRESSURE: Solver = ("cg", {"pc": "icc"})


@dataclass(frozen=True, slots=True)
class Fluids:
    """The heavier fluid, where φ = 1, and the lighter one."""

    densities: tuple[float, float]  # [kg m⁻³], heavy first
    viscosities: tuple[float, float]  # dynamic [Pa s]
    gravity: float = 9.81  # [m s⁻²], against y
    tension: float = 0.0  # σ [N m⁻¹]

    def density(self, phi: Array) -> Array:
        """ρ [kg m⁻³]; linear in φ, so that conserved volume is conserved mass."""
        heavy, light = self.densities
        return light + (heavy - light) * phi

    def viscosity(self, phi: Array) -> Array:
        heavy, light = self.viscosities
        return light + (heavy - light) * phi


@dataclass(frozen=True)
class State:
    """Velocity `(2, n)`, pressure `(m,)` and φ `(m,)` at `time`, and what the next step needs beside them."""

    time: float
    velocity: Array
    pressure: Array  # [Pa]
    phi: Array
    carrier: Carrier  # of the projected velocity
    entered: float = 0.0  # [m²] of the heavy fluid through the boundary so far
    before: Array | None = None  # velocity a step earlier
    carrier_before: Carrier | None = None
    step: float = 0.0  # that led here
    correction: Array | None = None  # ψ of that step, and its weight Δt/α
    weight: float = 0.0
    correction_before: Array | None = None
    weight_before: float = 0.0


class TwoPhase:
    """Lives for one flow, whose `force` is one per volume here. `iterations`, `solves` count the linear systems.

    `slip`: unknowns of the walls that are free along x, and along y.
    `stiffened`: cells are given the viscosity that keeps ρ |u| h / μ below it, 0 for none; `thickened` counts them in
    all steps, of the `passed` that lay within one fluid.
    """

    def __init__(
        self,
        flow: Flow,
        fluids: Fluids,
        level_set: LevelSet,
        *,
        entering: Entering,
        linear: Linear | None = None,
        slip: tuple[Index, Index] | None = None,
        stiffened: float = 0.0,
    ) -> None:
        self.flow, self.fluids, self.level_set = flow, fluids, level_set
        self._entering, self._stiffened = entering, stiffened
        self._linear = linear or Linear(pressure=PRESSURE)
        self.iterations = {"velocity": 0, "pressure": 0}
        self.solves = {"velocity": 0, "pressure": 0}
        self.thickened, self.passed = np.zeros(2, int), np.zeros(2, int)  # heavy first
        n = flow.space.size
        free = slip or (np.zeros(0, int), np.zeros(0, int))
        self._held = np.zeros((2, n), bool)
        for axis in (0, 1):
            self._held[axis, np.setdiff1d(flow.fixed, free[axis])] = True
        self.weighted = Weighted(flow.space, flow.free1, self._held)
        self._velocities = self._sequence(self._linear.velocity, guess=0)  # the extrapolated velocity is the guess
        self._pressures = self._sequence(self._linear.pressure)

    # -- a step ---------------------------------------------------------------------------------------------------

    def start(self, velocity: Array, phi: Array, pressure: Array | None = None, time: float = 0.0) -> State:
        """A state to begin from; boundary values are put in, and what carries φ is made free of divergence.

        Without a pressure, the one that bears weight and surface tension.
        """
        flow, u = self.flow, np.array(velocity, float)
        self._hold(u, time)
        lightness = self._lightness(phi)
        if pressure is None:
            pressure = self._correction(lightness, self.weighted.tested_slope(lightness[:, None] * self._pull(phi)))
        psi = self._correction(lightness, -flow.space.divergence(u))
        carrier = self.level_set.carrier(u, lightness[:, None] * self.weighted.slope(psi))
        return State(time, u, flow.mean_free(np.array(pressure, float)), np.array(phi, float), carrier)

    def step(self, state: State, dt: float) -> State:
        """The state `dt` later. The first step is BDF1's; so begin with a short one where the start matters."""
        time, s = state.time + dt, self.flow.space
        ratio, alpha, now, past = bdf2(state, dt)
        before = state.velocity if state.before is None else state.before
        phi, came = self._advanced(state, ratio, dt)
        carried = (1 + ratio) * state.velocity - ratio * before  # extrapolated to the new time
        inertia = (now * state.velocity + past * before) / dt
        pressure = state.pressure + carried_over(state, now, past, dt)
        u = self._velocity(phi, alpha / dt, inertia, pressure, carried, time)
        lightness = self._lightness(phi)
        psi = self._correction(lightness, -alpha / dt * s.divergence(u))
        carrier = self.level_set.carrier(u, dt / alpha * lightness[:, None] * self.weighted.slope(psi))
        return State(
            time,
            u,
            self.flow.mean_free(state.pressure + psi),
            phi,
            carrier,
            entered=state.entered + came,
            before=state.velocity,
            carrier_before=state.carrier,
            step=dt,
            correction=psi,
            weight=dt / alpha,
            correction_before=state.correction,
            weight_before=state.weight,
        )

    def _advanced(self, state: State, ratio: float, dt: float) -> tuple[Array, float]:
        """φ at the step's end, carried by the projected velocity and by its extrapolation."""
        first, last = state.carrier, state.carrier
        if state.carrier_before is not None:
            last = state.carrier_before.mixed(state.carrier, 1 + ratio)
        entering = (self._entering(state.time), self._entering(state.time + dt))
        return self.level_set.advance(state.phi, first, last, dt, entering=entering)

    def rate(self, state: State) -> float:
        """Crossings of a cell per second, by the flow or a wave between the fluids [s⁻¹]; by a step, Courant's number.

        Waves of the cell's size h under gravity, √(g/h), and under tension, √(2πσ/ρ̄h³) (Brackbill, Kothe & Zemach
        1992, J. Comput. Phys. 100, 335).
        """
        s, fluids, u = self.flow.space, self.fluids, state.velocity
        if state.before is None:
            u = u.copy()
            self._hold(u, state.time)
        h = float(np.sqrt(2 * s.areas.min()))
        waves = fluids.gravity / h + 4 * np.pi * fluids.tension / (sum(fluids.densities) * h**3)
        return max(s.courant(u), float(np.sqrt(waves)), 1e-300)

    def cell_reynolds(self, state: State) -> float:
        """Greatest ρ |u| h / μ of the heavier fluid, where there is little else; h as in `Space.cell_reynolds`."""
        s = self.flow.space
        heavy = state.phi[s.cells1].min(axis=1) > INSIDE
        if not heavy.any():
            return 0.0
        speed = np.hypot(*state.velocity)[s.cells[heavy]].max(axis=1)
        size = np.sqrt(s.areas[heavy] / 2)
        return float((speed * size).max() * self.fluids.densities[0] / self.fluids.viscosities[0])

    # -- momentum -------------------------------------------------------------------------------------------------

    def _velocity(self, phi: Array, rate: float, inertia: Array, pressure: Array, carried: Array, time: float) -> Array:
        """Both components at once, solved for the difference to `carried`, each row over its diagonal."""
        s, w = self.flow.space, self.weighted
        density = self.fluids.density(phi[s.cells1] @ CORNERS.T)  # at the points of quadrature, (cell, 7)
        mass = w.mass(density)
        weight = sparse.csr_matrix((mass, s.mass.indices, s.mass.indptr), shape=s.mass.shape)
        rhs = self._forces(phi, time)
        for axis in (0, 1):
            rhs[axis] += weight @ inertia[axis] + s.gradient[axis] @ pressure
        viscosity = self._viscosity(phi, carried)
        diagonal = rate * mass + w.transport(carried, density) + w.stiffness(viscosity)
        diagonal[w.diagonal] += self.flow.backflow(carried) * self._at_quadratic(self.fluids.density(phi))
        matrix, scale = w.momentum(diagonal, w.slope(self.fluids.viscosity(phi)))
        u = carried.copy()
        self._hold(u, time)
        left = rhs.ravel() - matrix @ u.ravel()
        left[self._held.ravel()] = 0
        scaled = sparse.csr_matrix(
            (matrix.data * np.repeat(scale, np.diff(matrix.indptr)), matrix.indices, matrix.indptr)
        )
        return u + self._solve("velocity", self._velocities, System(scaled, left * scale)).reshape(2, -1)

    def _hold(self, u: Array, time: float) -> None:
        """Put boundary values in."""
        given = np.zeros_like(u)
        given[:, self.flow.fixed] = self.flow.held(time)
        u[self._held] = given[self._held]

    def _forces(self, phi: Array, time: float) -> Array:
        """Forces per volume, tested: `(2, n)`."""
        out = self.flow.load(time)
        for axis, pull in enumerate(self._pull(phi).T):
            out[axis] += self.weighted.tested(pull)
        return out

    def _pull(self, phi: Array) -> Array:
        """Weight, less that of the lighter fluid, and surface tension, `(cell, 2)` [N m⁻³]."""
        s, w, fluids = self.flow.space, self.weighted, self.fluids
        heavier = fluids.density(phi) - min(fluids.densities)
        out = np.zeros((len(s.cells), 2))
        out[:, 1] = -fluids.gravity * (heavier[s.cells1].mean(axis=1) + w.offset * w.slope(heavier)[:, 1])
        if fluids.tension:
            pull = fluids.tension * self.level_set.curvature(phi)[s.cells1].mean(axis=1)
            out += pull[:, None] * w.slope(phi)
        return out

    def _viscosity(self, phi: Array, velocity: Array) -> Array:
        """μ at the cells' corners, `(cell, 3)`, and as much more as cells too coarse for the flow need."""
        s, at = self.flow.space, phi[self.flow.space.cells1]
        out = self.fluids.viscosity(at)
        if self._stiffened:
            speed = np.hypot(*velocity)[s.cells].max(axis=1)
            least = self.fluids.density(at.mean(axis=1)) * speed * np.sqrt(s.areas / 2) / self._stiffened
            lacking = np.maximum(least - out.mean(axis=1), 0)
            out += lacking[:, None]
            for fluid, inside in enumerate((at.min(axis=1) > INSIDE, at.max(axis=1) < 1 - INSIDE)):
                self.passed[fluid] += inside.sum()
                self.thickened[fluid] += (lacking[inside] > 0).sum()
        return out

    def _at_quadratic(self, values: Array) -> Array:
        """Linear functions at quadratic unknowns."""
        s = self.flow.space
        out = np.zeros(s.size)
        out[s.cells] = values[s.cells1] @ _ENDS.T
        return out

    # -- pressure -------------------------------------------------------------------------------------------------

    def _lightness(self, phi: Array) -> Array:
        """The mean of 1/ρ per cell."""
        return np.asarray((1 / self.fluids.density(phi[self.flow.space.cells1] @ CORNERS.T)) @ WEIGHTS)

    def _correction(self, lightness: Array, rhs: Array) -> Array:
        """ψ of (ρ⁻¹∇ψ)·∇q = rhs, zero at the outflow."""
        flow, out = self.flow, np.zeros(self.flow.space.size1)
        kind = "constant" if flow.closed else "none"
        matrix = self.weighted.poisson(lightness)
        system = System(matrix, rhs[flow.free1], symmetric=True, definite=True, nullspace=kind)  # type: ignore[arg-type]
        out[flow.free1] = self._solve("pressure", self._pressures, system)
        return out

    def _solve(self, which: str, sequence: SolverSequence, system: System) -> Array:
        x, solve = sequence.solve(system)
        self.iterations[which] += solve.iterations
        self.solves[which] += 1
        return x

    def _sequence(self, solver: Solver, guess: int | None = None) -> SolverSequence:
        name, options = solver
        depth = self._linear.guess if guess is None else guess
        return SolverSequence(methods[name](**options), rtol=self._linear.rtol, guess=depth)


_ENDS = np.concatenate([np.eye(3), (1 - np.eye(3)) / 2])  # barycentric places of the six quadratic unknowns
