"""A conservative level set on the pressures' triangles: bounded, conservative transport, and a profile kept sharp.

φ is the volume fraction of the heavier fluid, 1/(1 + exp(−d/ε)) at distance d from the interface once sharpened
(Olsson & Kreiss 2005, J. Comput. Phys. 210, 225; only along the normal: Olsson, Kreiss & Zahedi 2007, J. Comput. Phys.
225, 785). Sharpening acts within each step, at the local speed's rate, and not by steps of its own in between (Chiu &
Lin 2011, J. Comput. Phys. 230, 185; Mirjalili, Ivey & Mani 2020, J. Comput. Phys. 401, 109006).

Linear elements with their consistent mass, made positive by algebraic flux correction (Kuzmin 2009, J. Comput. Phys.
228, 2517; Zalesak 1979, J. Comput. Phys. 31, 335): what crosses an edge is limited so that 0 ≤ φ ≤ 1 holds to
round-off. As φ and the pressure share their test functions, a velocity that the projection has made free of divergence
keeps φ = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError

from .quadrature import CORNERS, WEIGHTS, quadratic
from .space import Space

SWEEPS = 8  # Chebyshev's, of the consistent mass: an error of 2/3⁸ = 3e-4, and conservation does not depend on it
STABLE = 0.9  # of the longest step that keeps the low-order scheme positive
FLOOR = 1e-4  # of φ and 1 − φ where the normal is made
MOST_SUBSTEPS = 1000
SMOOTHINGS = 4  # of the curvature
EDGES = ((0, 1), (1, 2), (2, 0))


@dataclass(frozen=True, slots=True)
class Carrier:
    """A velocity as transport sees it: ∫ φⱼ u·∇φᵢ for both ways along each edge `(2, edge)`, and its rows' sums `(m,)`.

    A row's sum is the flow out through the boundary that belongs to the unknown: 0 inside. `rim` is ∫ φᵢφⱼ u·n of the
    edges on the boundary `(edge,)`.
    """

    along: Array
    out: Array
    rim: Array
    speed: Array  # (cell,) [m s⁻¹], of the fluid's mean velocity in a cell

    def mixed(self, other: Carrier, part: float) -> Carrier:
        """`1 − part` of this and `part` of the other: extrapolates where part > 1."""
        a, b = 1 - part, part
        return Carrier(
            a * self.along + b * other.along,
            a * self.out + b * other.out,
            a * self.rim + b * other.rim,
            np.abs(a * self.speed + b * other.speed),
        )


class LevelSet:
    """Lives for one mesh. `thickness` is ε over a cell's width along the normal; `sharpening` 0 leaves φ to transport.

    **Good values:** thickness 0.6, sharpening 1.
    """

    def __init__(self, space: Space, *, thickness: float = 0.6, sharpening: float = 1.0) -> None:
        self._space, self._thickness, self._sharpening = space, thickness, sharpening
        self._cells: Index = np.ascontiguousarray(space.cells1.T)  # corners first: sums over them are then fast
        self._slopes = np.ascontiguousarray(space.slopes.transpose(2, 1, 0))  # (2, 3, cell)
        self._areas = space.areas
        ends = np.stack([self._cells[list(e)] for e in EDGES])  # (3, 2, cell)
        self._turned = ends[:, 0] > ends[:, 1]  # against the edge's direction
        keys, edge_of = np.unique(ends.min(axis=1) * space.size1 + ends.max(axis=1), return_inverse=True)
        self._edge_of = edge_of.ravel()
        self._a, self._b = np.divmod(keys, space.size1)
        self.volumes: Array = self._per_corner(np.broadcast_to(self._areas / 3, self._cells.shape))
        self._mass = self._per_edge(np.broadcast_to(self._areas / 12, self._cells.shape))
        self._rim = np.flatnonzero(np.bincount(self._edge_of)[self._edge_of] == 1)  # of the cells' edges, flat
        self._boundary = np.zeros(space.size1, bool)
        self._boundary[space.boundary1] = True

    # -- what carries ---------------------------------------------------------------------------------------------

    def carrier(self, velocity: Array, correction: Array | None = None) -> Carrier:
        """Of a quadratic velocity `(2, n)` less a constant vector per cell, `(cell, 2)`."""
        at = velocity[:, self._space.cells].transpose(0, 2, 1)
        u = np.matmul(_MOMENTS, at) * self._areas  # ∫ λⱼ u, (2, 3, cell)
        if correction is not None:
            u -= (correction.T * self._areas / 3)[:, None]
        local = (self._slopes[:, :, None] * u[:, None]).sum(axis=0)  # (3, 3, cell)
        forth, back = (np.stack([local[i, j] for i, j in pairs]) for pairs in (EDGES, [(j, i) for i, j in EDGES]))
        along = np.stack([self._per_edge(np.where(self._turned, *pair)) for pair in ((back, forth), (forth, back))])
        out, speed = self._per_corner(local.sum(axis=1)), np.hypot(*u.sum(axis=1)) / self._areas
        return Carrier(along, out, self._across(velocity), speed)

    def _across(self, velocity: Array) -> Array:
        """∫ φᵢφⱼ u·n of the boundary's edges, `(edge,)`: Simpson-like, exact for a quadratic u."""
        (which, cell), unknowns = np.divmod(self._rim, len(self._areas)), self._space.cells
        opposite = (which + 2) % 3
        ends = sum(velocity[:, unknowns[cell, corner]] for corner in np.array(EDGES)[which].T)
        middle = velocity[:, unknowns[cell, 3 + opposite]]
        normal = -2 * self._areas[cell] * self._slopes[:, opposite, cell]  # n times the edge's length
        values = ((ends / 60 + 2 * middle / 15) * normal).sum(axis=0)
        return np.asarray(np.bincount(self._edge_of[self._rim], values, len(self._a)), float)

    def _per_edge(self, values: Array) -> Array:
        """Sums over the cells on both sides of an edge, `(3, cell)` -> `(edge,)`."""
        return np.asarray(np.bincount(self._edge_of, values.ravel(), len(self._a)), float)

    def _per_corner(self, values: Array) -> Array:
        """Sums over the cells at each unknown, `(3, cell)` -> `(m,)`."""
        return np.asarray(np.bincount(self._cells.ravel(), values.ravel(), self._space.size1), float)

    def _gathered(self, into_a: Array, into_b: Array) -> Array:
        """Sums over the edges at each unknown, `(edge,)` twice -> `(m,)`."""
        size = self._space.size1
        return np.asarray(np.bincount(self._a, into_a, size) + np.bincount(self._b, into_b, size), float)

    # -- one step -------------------------------------------------------------------------------------------------

    def advance(
        self, phi: Array, before: Carrier, after: Carrier, dt: float, *, entering: tuple[Array, Array]
    ) -> tuple[Array, float]:
        """φ after `dt`, and the volume that has come in through the boundary.

        `before` and `after` carry at the step's two ends, and `entering`, `(m,)` each, is then φ of what comes in.
        Heun's method, which keeps bounds (Shu & Osher 1988), in as many equal parts as stability asks for.
        """
        rate = max(self._rate(before), self._rate(after))
        count = max(1, math.ceil(dt * rate / STABLE))
        if count > MOST_SUBSTEPS:
            raise SolverError(f"the interface would need {count} steps within one of {dt:.3g} s")
        came = 0.0
        for i in range(count):
            now, then = i / count, (i + 1) / count
            first, in1 = self._euler(phi, before.mixed(after, now), dt / count, _between(entering, now))
            second, in2 = self._euler(first, before.mixed(after, then), dt / count, _between(entering, then))
            phi, came = (phi + second) / 2, came + (in1 + in2) / 2
        return phi, came

    def _rate(self, carrier: Carrier) -> float:
        """1 over the longest step that keeps the low-order scheme positive, sharpening added [s⁻¹]."""
        d = self._upwind(carrier)
        leaving = self._gathered(carrier.along[0] + d, carrier.along[1] + d) - np.minimum(carrier.out, 0)
        sharp = self._sharpening * self._stiff * carrier.speed.max(initial=0.0)
        return float((leaving / self.volumes).max(initial=0.0) + sharp)

    @cached_property
    def _stiff(self) -> float:
        """What a speed of 1 makes of the sharpening's rate: ε |∇λ|² + |∇λ|, the greatest of the mesh [m⁻¹]."""
        return float(np.hypot(*self._slopes).max() * (self._thickness + 0.5))

    def _upwind(self, carrier: Carrier) -> Array:
        """Diffusion per edge that leaves no negative entry: discrete upwinding."""
        return np.asarray(np.maximum(0, -carrier.along.min(axis=0)))

    def _euler(self, phi: Array, carrier: Carrier, dt: float, entering: Array) -> tuple[Array, float]:
        a, b = self._a, self._b
        jump = phi[b] - phi[a]
        given = np.where(self._boundary & (carrier.out < 0), entering, phi)
        across = carrier.out * (phi - given)  # what is not yet told by rows' sums
        galerkin = self._gathered(carrier.along[0] * jump, -carrier.along[1] * jump) + across
        d = self._upwind(carrier)
        low = phi + dt / self.volumes * (galerkin + self._gathered(d * jump, -d * jump))
        rim = -carrier.rim * np.where(carrier.rim < 0, given[b] - given[a], jump)  # what lumping left out there
        rates = self._solved(galerkin + self._gathered(rim, -rim))
        flux = self._mass * (rates[a] - rates[b]) - d * jump + rim  # into a
        if self._sharpening:
            flux += self._sharpened(phi, carrier)
        passed = float(-(carrier.out * given)[self._boundary].sum() * dt)
        return self._limited(low, flux, dt), passed

    def _solved(self, load: Array) -> Array:
        """The consistent mass's inverse of a load, nearly: Chebyshev on its spectrum over the lumped one, [¼, 1]."""
        centre, half = 5 / 8, 3 / 8
        factor = half / centre
        left = load / self.volumes
        change, x = left / centre, np.zeros_like(load)
        for _ in range(SWEEPS):
            x = x + change
            slope = self._mass * (change[self._b] - change[self._a])
            left = left - change - self._gathered(slope, -slope) / self.volumes
            following = 1 / (2 * centre / half - factor)
            change = following * factor * change + 2 * following / half * left
            factor = following
        return x

    def _sharpened(self, phi: Array, carrier: Carrier) -> Array:
        """What γ (φ(1 − φ) − ε ∇φ·n) n moves along each edge into its first end [m³ s⁻¹], γ the local speed."""
        at, normal = phi[self._cells], self.normals(phi)
        along = self._slopes[0] * normal[0] + self._slopes[1] * normal[1]
        width = 2 / np.maximum(np.abs(along).sum(axis=0), 1e-300)  # of the cell along the normal
        total = at.sum(axis=0)
        product = total / 3 - ((at**2).sum(axis=0) + total**2) / 12  # the mean of φ(1 − φ), exact
        steep = (at * along).sum(axis=0)
        pressed = self._sharpening * carrier.speed * (product - self._thickness * width * steep)
        into = self._areas * pressed * along
        moved = np.stack([into[i] - into[j] for i, j in EDGES]) / 3
        return self._per_edge(np.where(self._turned, -moved, moved))

    def normals(self, phi: Array) -> Array:
        """∇φ/|∇φ| per cell `(2, cell)`, smooth: of log φ/(1 − φ), which is straight across the interface."""
        inside = np.clip(phi, FLOOR, 1 - FLOOR)
        straight = np.log(inside / (1 - inside))[self._cells]
        slope = (self._slopes * straight).sum(axis=1) * self._areas
        nodal = [self._per_corner(np.broadcast_to(part, self._cells.shape)) for part in slope]
        mean = np.stack([part[self._cells].sum(axis=0) for part in nodal])
        return np.asarray(mean / np.maximum(np.hypot(*mean), 1e-300))

    def curvature(self, phi: Array) -> Array:
        """−∇·(∇φ/|∇φ|) `(m,)` [m⁻¹], positive where the heavier fluid is convex; the interface meets walls at 90°.

        Averaged over neighbours by φ(1 − φ), so that where the interface is counts and not its surroundings.
        """
        normal = self.normals(phi)
        into = (self._slopes[0] * normal[0] + self._slopes[1] * normal[1]) * self._areas
        curved = self._per_corner(into) / self.volumes
        weight = np.maximum(phi * (1 - phi), FLOOR**2)
        for _ in range(SMOOTHINGS):
            own, total = self.volumes * weight * curved, self.volumes * weight
            own = own + self._gathered((weight * curved)[self._b] * self._mass, (weight * curved)[self._a] * self._mass)
            total = total + self._gathered(weight[self._b] * self._mass, weight[self._a] * self._mass)
            curved = own / total
        return np.asarray(curved)

    def _limited(self, low: Array, flux: Array, dt: float) -> Array:
        """`low` and as much of what crosses the edges (into their first end) as 0 ≤ φ ≤ 1 admits."""
        a, b, room = self._a, self._b, self.volumes / dt
        rise, fall = np.maximum(flux, 0), np.minimum(flux, 0)
        gain, loss = self._gathered(rise, -fall), self._gathered(fall, -rise)
        up = np.minimum(1, np.maximum(1 - low, 0) * room / np.maximum(gain, 1e-300))
        down = np.minimum(1, np.maximum(low, 0) * room / np.maximum(-loss, 1e-300))
        flux = flux * np.where(flux > 0, np.minimum(up[a], down[b]), np.minimum(down[a], up[b]))
        return np.asarray(low + self._gathered(flux, -flux) / room)

    def volume(self, phi: Array) -> float:
        """∫ φ [m²]."""
        return float(self.volumes @ phi)


def _between(ends: tuple[Array, Array], part: float) -> Array:
    return np.asarray((1 - part) * ends[0] + part * ends[1])


_MOMENTS = np.einsum("q,qj,qa->ja", WEIGHTS, CORNERS, quadratic(CORNERS))  # ∫ λⱼ Nₐ over a cell's area
