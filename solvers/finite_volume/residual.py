"""The method of lines: what flows through each face of a block, and the rate of change that is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import numpy as np

from pdebench.arrays import Array

from . import bed as beds
from .boundary import Boundaries, Moment, fill, interior
from .part import Part, Whole
from .reconstruction import GHOSTS, Limiter, Reconstruction, edges
from .riemann import Flux, rusanov

PIECE = 2**13  # cells that are worked on at a time, for the cache
FLOOR = 1e-6  # of the cell's average; a positive variable that is reconstructed below it is not reconstructed at all


@dataclass(frozen=True, slots=True)
class Space:
    """How a block is discretised: its spacing per axis (slowest first), its sides, and the scheme."""

    spacing: tuple[float, ...]
    boundaries: Boundaries
    reconstruction: Reconstruction
    limiter: Limiter
    flux: Flux
    part: Part = field(default_factory=Whole)
    time: Array | None = None  # (b,) now, where a side moves

    @property
    def ghosts(self) -> int:
        return GHOSTS[self.reconstruction]

    def around(self, q: Array, ghosts: int, system: Any = None) -> Array:
        """`(variable, b, *space)` with ghost cells: those of neighbours, and what the boundary conditions make."""
        block = self.part.spread(q, ghosts)
        fill(block, self.boundaries, ghosts, system, self.part.outer, Moment(self.spacing, self.time))
        return block

    def linked(self, values: Any, beyond: float) -> Array:
        """`(b, *space)` with one ghost cell, `(1, b, *padded)`: those of neighbours, and `beyond` outside the box."""
        block, periodic = self.part.spread(values[None], 1), [pair[0] == "periodic" for pair in self.boundaries.pairs()]
        fill(block, self.boundaries, 1, None, lambda axis, high: periodic[axis] and self.part.outer(axis, high))
        for axis, ring in enumerate(periodic):
            for high in (False, True):
                if not ring and self.part.outer(axis, high):
                    np.moveaxis(block, axis + 2, -1)[..., -1 if high else 0] = beyond
        return block

    def anywhere(self, flags: Any) -> bool:
        """Whether any cell of the box is flagged."""
        return bool(self.part.largest(np.array([flags.any()]))[0])


@dataclass(frozen=True, slots=True)
class Flows:
    """Per axis: fluxes `(variable, b, *space)`, one more along the axis; and sources, and cells that were limited."""

    fluxes: list[Array]
    source: Array
    limited: Array  # (b,)

    def change(self, spacing: tuple[float, ...]) -> Array:
        """Rate of change of the averages: what flows in less what flows out, and the source."""
        out = self.source
        for axis, (f, h) in enumerate(zip(self.fluxes, spacing, strict=True)):
            out = out - np.diff(f, axis=axis + 2) / np.asarray(h, f.dtype)
        return np.asarray(out)


def guarded(system: Any, middle: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
    """Edge values, replaced by the average where a positive variable would come near zero; and where that was so."""
    bad = np.zeros(middle.shape[1:], bool)
    for v in system.positive:
        bad |= np.minimum(low[v], high[v]) < FLOOR * middle[v]
    if bad.any():
        low, high = np.where(bad, middle, low), np.where(bad, middle, high)
    return low, high, bad


def flows(system: Any, q: Array, space: Space, *, bed: Array | None = None) -> Flows:
    """Everything that changes the averages `(variable, b, *space)`; `bed` `(1, b, *space)` may be a potential."""
    block = space.around(q, space.ghosts, system)
    around = None if bed is None else space.around(bed, space.ghosts)
    fluxes, source, limited = [], np.zeros_like(q), np.zeros(q.shape[1], int)
    for axis in range(system.dimensions):
        line = lines_of(block, axis, space.ghosts)
        if around is not None:
            f, force, acted = getattr(system, "flux_and_source", partial(beds.flux_and_source, system))(
                system.primitive(line),
                lines_of(around, axis, space.ghosts),
                axis,
                flux=space.flux,
                limiter=space.limiter,
            )
            source += np.moveaxis(force, -1, axis + 2) / np.asarray(space.spacing[axis], q.dtype)
        else:
            f, acted = _flux(system, line, axis, space)
        limited += acted
        fluxes.append(np.moveaxis(f, -1, axis + 2))
    if hasattr(system, "viscous_flux"):
        w = system.primitive(block)
        for axis in range(system.dimensions):
            fluxes[axis] = fluxes[axis] + system.viscous_flux(w, axis, space.ghosts, space.spacing)
    return Flows(fluxes, source, limited)


def first_order(system: Any, q: Array, space: Space) -> list[Array]:
    """The safest fluxes there are; see `safe_change`."""
    block = space.around(q, 1, system)
    out = []
    for axis in range(system.dimensions):
        w = system.primitive(lines_of(block, axis, 1))
        out.append(np.moveaxis(rusanov(system, w[..., :-1], w[..., 1:], axis), -1, axis + 2))
    return out


def safe_change(system: Any, q: Array, step: Array, space: Space, bed: Array | None = None) -> tuple[Array, Array]:
    """The rate of change over a step `(b,)`, and how often `(b,)` positivity had to be helped.

    Where a cell's average would become unphysical, its faces take first-order fluxes (as Clain, Diot & Loubère 2011,
    J. Comput. Phys. 230, 4028, do a posteriori): what one cell loses the other still gains.
    """
    found = flows(system, q, space, bed=bed)
    h = step.astype(q.dtype).reshape(-1, *(1,) * system.dimensions)
    if bed is not None and system.positive == (0,):
        fluxes, emptied = drained(q[0], found.fluxes, h, space)
        return Flows(fluxes, found.source, emptied).change(space.spacing), emptied
    change, limited = found.change(space.spacing), found.limited
    bad = ~system.admissible(q + h * change)
    if hasattr(system, "viscous_flux") or not space.anywhere(bad):
        return change, limited
    safe, fluxes = first_order(system, q, space), found.fluxes
    for _ in range(3):
        near = space.linked(bad, beyond=False)
        for axis, low in enumerate(safe):
            fluxes[axis] = np.where(_touched(near, axis), low, fluxes[axis])
        change = Flows(fluxes, found.source, limited).change(space.spacing)
        worse = ~system.admissible(q + h * change) & ~bad
        if not space.anywhere(worse):
            break
        bad |= worse
    return change, limited + bad.reshape(len(bad), -1).sum(axis=1)


def drained(depth: Array, fluxes: list[Array], step: Array, space: Space) -> tuple[list[Array], Array]:
    """Fluxes of which no cell gives more water than it has; and how many cells `(b,)` were asked for more.

    What leaves a cell through its faces within the step is scaled together (after the draining time of Bollermann,
    Noelle & Lukáčová-Medviďová 2011, Commun. Comput. Phys. 10, 371).
    """
    flow = [f[0] * step / h for f, h in zip(fluxes, space.spacing, strict=True)]
    asked = np.zeros_like(depth)
    for axis, f in enumerate(flow):
        lines = np.moveaxis(f, axis + 1, -1)
        asked += np.moveaxis(np.maximum(lines[..., 1:], 0) + np.maximum(-lines[..., :-1], 0), -1, axis + 1)
    empty = asked > depth
    emptied = empty.reshape(len(depth), -1).sum(axis=1)
    if not space.anywhere(empty):
        return fluxes, emptied
    share = np.where(empty, depth / np.where(empty, asked, 1), 1).astype(depth.dtype)
    near, out = space.linked(share, beyond=1), []
    for axis, (f, size) in enumerate(zip(fluxes, flow, strict=True)):
        lines = lines_of(near, axis, 1)[0]
        f = f.copy()
        f[0] *= np.where(size > 0, *(np.moveaxis(side, -1, axis + 1) for side in (lines[..., :-1], lines[..., 1:])))
        out.append(f)
    return out, emptied


def _touched(near: Array, axis: int) -> Array:
    """Faces of flagged cells along an axis, `(b, *space)` with one more along it; `near` as `Space.linked` gives it."""
    lines = lines_of(near, axis, 1)[0]
    return np.asarray(np.moveaxis(lines[..., :-1] | lines[..., 1:], -1, axis + 1))


def pieces(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Cuts of `(variable, b, *space)` along the first axis of space, about `PIECE` cells each; a line stays whole."""
    count = shape[2] if len(shape) > 3 else 1
    step = max(1, PIECE // max(prod(shape[1:]) // count, 1))
    for low in range(0, count, step):
        yield (slice(None), slice(None), slice(low, low + step)) if len(shape) > 3 else ()


def lines_of(block: Array, axis: int, ghosts: int) -> Array:
    """The block without the ghosts of other axes, its `axis` last."""
    cut = list(interior(block.ndim - 2, ghosts))
    cut[axis + 2] = slice(None)
    return np.moveaxis(block[tuple(cut)], axis + 2, -1)


def _flux(system: Any, line: Array, axis: int, space: Space) -> tuple[Array, Array]:
    """Fluxes through the faces along the last axis, and cells limited `(b,)`.

    WENO reconstructs conserved variables, of which averages are known to any order; MUSCL primitive ones, whose edge
    values then lie between those of the neighbours.
    """
    w = system.primitive(line)
    inner = slice(space.ghosts - 1, w.shape[-1] - space.ghosts + 1)
    if space.reconstruction == "weno5":
        low, high = (system.primitive(edge) for edge in edges(line, "weno5", space.limiter))
    else:
        low, high = edges(w, space.reconstruction, space.limiter)
    low, high, bad = guarded(system, w[..., inner], low, high)
    return space.flux(system, high[..., :-1], low[..., 1:], axis), bad[..., 1:-1].reshape(len(bad), -1).sum(axis=1)
