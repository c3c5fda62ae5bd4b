"""A conservative level set on the pressures' triangles: bounded, conservative transport and the sharpening of its profile.

φ is the volume fraction of the heavier fluid, 1/(1 + exp(−d/ε)) at distance d from the interface once sharpened (Olsson
& Kreiss 2005, J. Comput. Phys. 210, 225; Olsson, Kreiss & Zahedi 2007, J. Comput. Phys. 225, 785, eq. 10: only along the
normal). Sharpening acts within each step, with a rate of the local speed, and not by steps of its own in between
(Chiu & Lin 2011, J. Comput. Phys. 230, 185; Mirjalili, Ivey & Mani 2020, J. Comput. Phys. 401, 109006).

Linear elements with their consistent mass, made positive by algebraic flux correction (Kuzmin 2009, J. Comput. Phys. 228,
2517; Zalesak 1979, J. Comput. Phys. 31, 335): what crosses an edge is limited so that 0 ≤ φ ≤ 1 holds to round-off. As
φ and the pressure share their test functions, a velocity that the projection has made free of divergence keeps φ = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError

from .space import CORNERS, WEIGHTS, Space, quadratic

SWEEPS = 8  # Chebyshev's, of the consistent mass: an error of 2/3⁸ = 3e-4, and conservation does not depend on it
STABLE = 0.5  # of the longest step that keeps the low-order scheme positive
FLOOR = 1e-4  # of φ and 1 − φ where the normal is made
MOST_SUBSTEPS = 1000
SMOOTHINGS = 4  # of the curvature
EDGES = ((0, 1), (1, 2), (2, 0))


@dataclass(frozen=True, slots=True)
class Carrier:
    """A velocity as transport sees it: ∫ φⱼ u·∇φᵢ for both ways along each edge `(2, edge)`, and its rows' sums `(m,)`.

    A row's sum is the flow out through the boundary that belongs to the unknown: 0 inside.
    """

    along: Array
    out: Array
    speed: Array  # (cell,) [m s⁻¹], of the fluid's mean velocity in a cell

    def mixed(self, other: Carrier, part: float) -> Carrier:
        """`1 − part` of this and `part` of the other: extrapolates where part > 1."""
        a, b = 1 - part, part
        return Carrier(a * self.along + b * other.along, a * self.out + b * other.out, np.abs(a * self.speed + b * other.speed))


class LevelSet:
    """Lives for one mesh. `thickness` is ε over the cell's width along the normal; `sharpening` 0 leaves φ to transport.

    **Good values:** thickness 0.6, sharpening 1.
    """

    def __init__(self, space: Space, *, thickness: float = 0.6, sharpening: float = 1.0) -> None:
        self._space, self._thickness, self._sharpening = space, thickness, sharpening
        c = space.cells1
        pairs = np.sort(np.stack([c[:, list(e)] for e in EDGES], axis=1), axis=2).reshape(-1, 2)
        keys, self._edge_of = np.unique(pairs[:, 0] * space.size1 + pairs[:, 1], return_inverse=True)
        self._edge_of = self._edge_of.reshape(-1, 3)
        self._a, self._b = np.divmod(keys, space.size1)
        self._turned = np.stack([c[:, i] > c[:, j] for i, j in EDGES], axis=1)  # against the edge's direction
        self._areas = space.areas
        self.volumes: Array = np.bincount(c.ravel(), weights=np.repeat(self._areas / 3, 3), minlength=space.size1)
        self._mass = self._per_edge(np.repeat(self._areas[:, None] / 12, 3, axis=1))
        self._boundary = np.zeros(space.size1, bool)
        self._boundary[space.boundary1] = True

    # -- what carries ---------------------------------------------------------------------------------------------

    def carrier(self, velocity: Array, correction: Array | None = None) -> Carrier:
        """Of a quadratic velocity `(2, n)` less a constant vector per cell, `(cell, 2)`."""
        s = self._space
        u = np.einsum("ja,kca->cjk", _MOMENTS, velocity[:, s.cells]) * self._areas[:, None, None]  # ∫ λⱼ u
        if correction is not None:
            u -= (self._areas / 3)[:, None, None] * correction[:, None, :]
        local = np.einsum("cik,cjk->cij", s.slopes, u)
        forth, back = (np.stack([local[:, i, j] for i, j in pairs], axis=1) for pairs in (EDGES, [(j, i) for i, j in EDGES]))
        along = np.stack([self._per_edge(np.where(self._turned, *pair)) for pair in ((back, forth), (forth, back))])
        out = np.bincount(s.cells1.ravel(), weights=local.sum(axis=2).ravel(), minlength=s.size1)
        return Carrier(along, out, np.linalg.norm(u.sum(axis=1), axis=1) / self._areas)

    def _per_edge(self, values: Array) -> Array:
        """Sums over the cells on both sides of an edge, `(cell, 3)` -> `(edge,)`."""
        return np.bincount(self._edge_of.ravel(), weights=values.ravel(), minlength=len(self._a))

    def _gathered(self, into_a: Array, into_b: Array) -> Array:
        """Sums over the edges at each unknown, `(edge,)` twice -> `(m,)`."""
        size = self._space.size1
        return np.bincount(self._a, into_a, size) + np.bincount(self._b, into_b, size)

    # -- one step -------------------------------------------------------------------------------------------------

    def advance(self, phi: Array, before: Carrier, after: Carrier, dt: float, *, entering: Array) -> tuple[Array, float]:
        """φ after `dt`, and the volume that has come in through the boundary.

        `before` and `after` carry at the step's two ends. Where fluid comes in, its φ is `entering` `(m,)`. Heun's
        method, which keeps bounds (Shu & Osher 1988), in as many equal parts as stability asks for.
        """
        rate = max(self._rate(before), self._rate(after))
        count = max(1, math.ceil(dt * rate / STABLE))
        if count > MOST_SUBSTEPS:
            raise SolverError(f"the interface would need {count} steps within one of {dt:.3g} s")
        came = 0.0
        for i in range(count):
            first, in1 = self._euler(phi, before.mixed(after, i / count), dt / count, entering)
            second, in2 = self._euler(first, before.mixed(after, (i + 1) / count), dt / count, entering)
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
        steep = np.linalg.norm(self._space.slopes, axis=2).max(axis=1)
        return float((steep * (self._thickness + 0.5)).max())

    def _upwind(self, carrier: Carrier) -> Array:
        """Diffusion per edge that leaves no negative entry: discrete upwinding."""
        return np.maximum(0, np.maximum(-carrier.along[0], -carrier.along[1]))

    def _euler(self, phi: Array, carrier: Carrier, dt: float, entering: Array) -> tuple[Array, float]:
        a, b = self._a, self._b
        jump = phi[b] - phi[a]
        given = np.where(self._boundary & (carrier.out < 0), entering, phi)
        across = carrier.out * (phi - given)  # what is not yet told by rows' sums
        galerkin = self._gathered(carrier.along[0] * jump, -carrier.along[1] * jump) + across
        d = self._upwind(carrier)
        low = phi + dt / self.volumes * (galerkin + self._gathered(d * jump, -d * jump))
        rates = self._solved(galerkin)
        flux = self._mass * (rates[a] - rates[b]) - d * jump  # into a
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
        s, at = self._space, phi[self._space.cells1]
        normal = self.normals(phi)
        along = np.einsum("cik,ck->ci", s.slopes, normal)
        width = 2 / np.maximum(np.abs(along).sum(axis=1), 1e-300)  # of the cell along the normal
        total = at.sum(axis=1)
        product = total / 3 - ((at**2).sum(axis=1) + total**2) / 12  # the mean of φ(1 − φ), exact
        steep = (at * along).sum(axis=1)
        pressed = self._sharpening * carrier.speed * (product - self._thickness * width * steep)
        into = (self._areas * pressed)[:, None] * along
        moved = np.stack([into[:, i] - into[:, j] for i, j in EDGES], axis=1) / 3
        return self._per_edge(np.where(self._turned, -moved, moved))

    def normals(self, phi: Array) -> Array:
        """∇φ/|∇φ| per cell `(cell, 2)`, smooth: of log φ/(1 − φ), which is straight across the interface."""
        s, c = self._space, self._space.cells1
        inside = np.clip(phi, FLOOR, 1 - FLOOR)
        straight = np.log(inside / (1 - inside))
        slope = np.einsum("ci,cik->ck", straight[c], s.slopes) * self._areas[:, None]
        nodal = np.stack([np.bincount(c.ravel(), np.repeat(part, 3), s.size1) for part in slope.T], axis=1)
        mean = nodal[c].sum(axis=1)
        size = np.linalg.norm(mean, axis=1)
        return np.asarray(mean / np.maximum(size, 1e-300)[:, None])

    def curvature(self, phi: Array) -> Array:
        """−∇·(∇φ/|∇φ|) `(m,)` [m⁻¹], positive where the heavier fluid is convex; the interface meets walls at 90°.

        Averaged over neighbours by φ(1 − φ), so that where the interface is counts and not its surroundings.
        """
        s, c = self._space, self._space.cells1
        into = np.einsum("cik,ck->ci", s.slopes, self.normals(phi)) * self._areas[:, None]
        curved = np.bincount(c.ravel(), into.ravel(), s.size1) / self.volumes
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


_MOMENTS = np.einsum("q,qj,qa->ja", WEIGHTS, CORNERS, quadratic(CORNERS))  # ∫ λⱼ Nₐ over a cell's area
