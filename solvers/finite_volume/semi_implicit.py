"""Shallow water whose gravity waves are implicit: one Helmholtz solve per step, and steps as long as the flow allows.

With η the surface, m = hu, and face values halfway between cells (after Casulli 1990, J. Comput. Phys. 86, 56, there on
staggered grids):
    m* = mⁿ − Δt ∇·(m⊗u) extrapolated to the middle of the step
    ηⁿ⁺¹ − θ²Δt² g∇·(h∇ηⁿ⁺¹) = ηⁿ − Δt∇·(θm* + (1 − θ)mⁿ) + θ(1 − θ)Δt² g∇·(h∇ηⁿ)
    mⁿ⁺¹ = m* − Δt g h∇(θηⁿ⁺¹ + (1 − θ)ηⁿ)
Of second order for θ = ½. The surface moves by what flows through faces, so water is conserved to round-off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers.krylov import SolverSequence, System
from pdebench.solvers.krylov.discretise import Sides, cell_centred

from .boundary import Boundaries
from .reconstruction import mc


@dataclass(frozen=True, slots=True)
class Flow:
    """One member between steps: surface `(*space)`, momentum `(axes, *space)`, and what the last step knew."""

    surface: Array
    momentum: Array
    tendency: Array | None = None  # −∇·(m⊗u) of the last step
    depth: Array | None = None  # at the last step's start
    length: float = 0.0  # of the last step


@dataclass(frozen=True, slots=True)
class Scheme:
    """A box with its bed; `momentum[i]` is along x, y for i = 0, 1, and grid axes run the other way."""

    spacing: tuple[float, ...]
    boundaries: Boundaries
    gravity: float
    theta: float
    bed: Array  # (*space)

    @property
    def _sides(self) -> Sides:
        return [
            ("periodic", "periodic") if pair[0] == "periodic" else ("neumann", "neumann")
            for pair in self.boundaries.pairs()
        ]

    def rate(self, flow: Flow) -> float:
        """Courant number of the flow alone, per unit of time: Σ |u|/h at its largest."""
        u = np.abs(flow.momentum) / (flow.surface - self.bed)
        return float(sum(u[self._variable(axis)] / h for axis, h in enumerate(self.spacing)).max())

    def step(self, flow: Flow, dt: float, sequence: SolverSequence) -> tuple[Flow, int]:
        """The flow after `dt`, and the iterations of its linear solve."""
        depth, theta = flow.surface - self.bed, self.theta
        tendency = self._advected(flow.momentum, depth)
        ratio = 0.0 if flow.tendency is None else dt / (2 * flow.length)
        middle = depth if flow.depth is None else depth + ratio * (depth - flow.depth)
        push = tendency if flow.tendency is None else tendency + ratio * (tendency - flow.tendency)
        star = flow.momentum + dt * push
        carried = [theta * s + (1 - theta) * m for s, m in zip(star, flow.momentum, strict=True)]
        shift = 1 / (self.gravity * (theta * dt) ** 2)
        form = cell_centred(middle, self.spacing, self._sides, shift=shift, mean="arithmetic")
        moved = sum(self._difference(self._face(carried[self._variable(a)], a), a) for a in range(len(self.spacing)))
        still = cell_centred(middle, self.spacing, self._sides, mean="arithmetic").apply(flow.surface)
        rhs = -shift * dt * moved - still / theta  # for the change of the surface: a lake at rest asks for none
        found, solve = sequence.solve(System(form, np.ascontiguousarray(rhs.ravel()), symmetric=True, definite=True))
        level = flow.surface + theta * found.reshape(depth.shape)
        momentum, surface = star.copy(), flow.surface.copy()
        for axis in range(len(self.spacing)):
            variable = self._variable(axis)
            force = -self.gravity * self._face(middle, axis) * self._slope(level, axis)
            flux = self._face(carried[variable], axis) + theta * dt * force
            surface -= dt * self._difference(flux, axis)
            momentum[variable] += dt * self._mean(force, axis)
        return Flow(surface, momentum, tendency, depth, dt), solve.iterations

    def _variable(self, axis: int) -> int:
        return len(self.spacing) - 1 - axis

    def _periodic(self, axis: int) -> bool:
        return self.boundaries.pairs()[axis][0] == "periodic"

    def _beside(self, values: Array, axis: int, ghosts: int = 1) -> Array:
        """Lines along the last axis with ghost cells, mirrored at walls."""
        pad = [(0, 0)] * (values.ndim - 1) + [(ghosts, ghosts)]
        return np.pad(np.moveaxis(values, axis, -1), pad, mode="wrap" if self._periodic(axis) else "symmetric")

    def _face(self, values: Array, axis: int) -> Array:
        """Means of neighbours along an axis, put last; no flux goes through a wall, whatever its own value."""
        lines = self._beside(values, axis)
        return np.asarray((lines[..., :-1] + lines[..., 1:]) / 2) * self._open(axis, values.shape[axis])

    def _open(self, axis: int, count: int) -> Array:
        through = np.ones(count + 1)
        if not self._periodic(axis):
            through[[0, -1]] = 0
        return through

    def _slope(self, values: Array, axis: int) -> Array:
        return np.asarray(np.diff(self._beside(values, axis), axis=-1) / self.spacing[axis])

    def _difference(self, faces: Array, axis: int) -> Array:
        return np.asarray(np.moveaxis(np.diff(faces, axis=-1), -1, axis) / self.spacing[axis])

    def _mean(self, faces: Array, axis: int) -> Array:
        return np.asarray(np.moveaxis((faces[..., :-1] + faces[..., 1:]) / 2, -1, axis))

    def _advected(self, momentum: Array, depth: Array) -> Array:
        """−∇·(m⊗u): what flows through a face carries the upwind cell's velocity, extrapolated to the face."""
        out, velocity = np.zeros_like(momentum), momentum / depth
        for axis in range(len(self.spacing)):
            flux = self._face(momentum[self._variable(axis)], axis)
            for i, u in enumerate(velocity):
                lines = self._beside(u, axis, 2)
                steps = np.diff(lines, axis=-1)
                half, middle = mc(steps[..., :-1], steps[..., 1:]) / 2, lines[..., 1:-1]
                upwind = np.where(flux > 0, (middle + half)[..., :-1], (middle - half)[..., 1:])
                out[i] -= self._difference(flux * upwind, axis)
        return out
