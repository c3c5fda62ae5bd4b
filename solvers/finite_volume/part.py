"""The part of a box that one rank holds: the whole, or a block of PETSc's DMDA with the neighbours' cells around it."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, Protocol

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.parallel import Comm

from .boundary import Boundaries, padded
from .sides import Pair


class Part(Protocol):
    """What a block of cells must know of the rest of the box. Every rank calls each of these, in the same order."""

    def spread(self, q: Array, ghosts: int) -> Array:
        """`(variable, b, *own)` with room around it, where neighbours' cells already lie; the rest is not filled."""
        ...

    def outer(self, axis: int, high: bool) -> bool:
        """Whether this side is left to the boundary conditions."""
        ...

    def sides(self, axis: int, pair: Pair) -> tuple[Any, Any]:
        """Both sides along an axis as a kernel is to make them: a neighbour's cells ("inner"), or a side of the box."""
        ...

    def largest(self, values: Any) -> Array:
        """Elementwise, over the ranks."""
        ...

    def total(self, values: Any) -> Any: ...
    def own(self, values: Array) -> Array:
        """This rank's cells of an array over the whole box."""
        ...

    def gathered(self, values: Array) -> Array | None:
        """The array over the whole box, on rank 0."""
        ...


class Whole:
    """The whole box on one rank: nobody to ask."""

    def spread(self, q: Array, ghosts: int) -> Array:
        return padded(q, ghosts)

    def outer(self, axis: int, high: bool) -> bool:
        return True

    def sides(self, axis: int, pair: Pair) -> tuple[Any, Any]:
        return pair

    def largest(self, values: Any) -> Array:
        return np.asarray(values)

    def total(self, values: Any) -> Any:
        return values

    def own(self, values: Array) -> Array:
        return values

    def gathered(self, values: Array) -> Array | None:
        return values


def arrangement(shape: tuple[int, ...], ranks: int, least: int) -> tuple[int, ...]:
    """Ranks per axis, of which the parts touch each other least and hold at least `least` cells along each axis.

    >>> arrangement((64, 32), 2, 2)
    (2, 1)
    >>> arrangement((9, 9, 9), 12, 2)
    (3, 2, 2)
    """
    ways = [way for way in product(range(1, ranks + 1), repeat=len(shape)) if prod(way) == ranks]
    fits = [way for way in ways if all(n // k >= (least if k > 1 else 1) for n, k in zip(shape, way, strict=True))]
    if not fits:
        most = max(prod(max(n // least, 1) for n in shape), 1)
        raise SolverError(
            f"{ranks} ranks cannot share a box of {shape} cells: each needs {least} along every axis that is cut "
            f"(room for {most} ranks at most)"
        )
    return min(fits, key=lambda way: (sum((k - 1) / n for n, k in zip(shape, way, strict=True)), *(-k for k in way)))


class Shared:
    """A block of the box, cut by a DMDA of one unknown per cell; each variable travels by itself, so none is packed."""

    def __init__(self, comm: Comm, shape: tuple[int, ...], boundaries: Boundaries, least: int) -> None:
        from mpi4py import MPI

        from pdebench.solvers.krylov.petsc import petsc

        self._comm: Any = comm
        self._max, self._nobody, self._wait = MPI.MAX, MPI.PROC_NULL, MPI.Request.Waitall
        self._PETSc = petsc()
        self._shape, self._ways = shape, arrangement(shape, comm.size, least)
        self._periodic = [pair[0] == "periodic" for pair in boundaries.pairs()]
        self._plans: dict[int, tuple[Any, Any, Any]] = {}
        self._letters: dict[Any, Array] = {}  # what goes to both neighbours, and what comes
        ranges = self._plan(1)[0].getRanges()[::-1]
        self._range = tuple(slice(low, high) for low, high in ranges)
        self._ranges: list[tuple[slice, ...]] = comm.allgather(self._range)
        self._neighbours = [self._beside(axis) for axis in range(len(shape))]

    def _plan(self, ghosts: int) -> tuple[Any, Any, Any]:
        """The DMDA of so many ghost cells, and a vector of own cells and one of the cells with their ghosts."""
        if ghosts not in self._plans:
            ends = self._PETSc.DM.BoundaryType
            da = self._PETSc.DMDA().create(
                dim=len(self._shape),
                dof=1,
                sizes=self._shape[::-1],
                proc_sizes=self._ways[::-1],
                boundary_type=[ends.PERIODIC if ring else ends.GHOSTED for ring in self._periodic[::-1]],
                stencil_type=self._PETSc.DMDA.StencilType.BOX,
                stencil_width=ghosts,
                comm=self._comm,
            )
            self._plans[ghosts] = (da, da.createGlobalVec(), da.createLocalVec())
        return self._plans[ghosts]

    def spread(self, q: Array, ghosts: int) -> Array:
        da, inner, outer = self._plan(ghosts)
        block = np.zeros((*q.shape[:2], *(n + 2 * ghosts for n in q.shape[2:])), q.dtype)
        for variable, member in product(range(q.shape[0]), range(q.shape[1])):
            cells = np.ascontiguousarray(q[variable, member], float)
            around = block[variable, member] if q.dtype == float else np.zeros(block.shape[2:])
            inner.placeArray(cells.ravel())
            outer.placeArray(around.reshape(-1))
            da.globalToLocal(inner, outer)
            outer.resetArray()
            inner.resetArray()
            if around.dtype != q.dtype:
                block[variable, member] = around
        return block

    def cut(self, axis: int) -> bool:
        """Whether the box is cut along an axis."""
        return self._ways[axis] > 1

    def refresh(self, block: Array, ghosts: int, axis: int, *, corners: bool = False) -> None:
        """Neighbours' cells beyond both sides along a cut axis of `(variable, b, *padded)`, in place.

        All variables travel in one message each way, and both ways at once. The ghosts of other axes are sent along as
        `corners`.
        """
        inner = [slice(None) if corners else slice(ghosts, -ghosts)] * len(self._shape)
        inner[axis] = slice(None)
        lines = np.moveaxis(block[(slice(None), slice(None), *inner)], axis + 2, 0)
        low, high = self._neighbours[axis]
        ways = (
            (high, low, slice(-2 * ghosts, -ghosts), slice(0, ghosts)),
            (low, high, slice(ghosts, 2 * ghosts), slice(-ghosts, None)),
        )
        # Kept from step to step: memory that is new each time takes longer to come by than to fill.
        key = (axis, ghosts, lines.shape, lines.dtype)
        if key not in self._letters:
            self._letters[key] = np.empty((2, 2, ghosts, *lines.shape[1:]), lines.dtype)
        out, back = self._letters[key]
        waiting = [self._comm.Irecv(back[tag], way[1], tag) for tag, way in enumerate(ways)]
        for tag, (to, _, sent, _) in enumerate(ways):
            np.copyto(out[tag], lines[sent])
            waiting.append(self._comm.Isend(out[tag], to, tag))
        self._wait(waiting)
        for tag, (_, source, _, got) in enumerate(ways):
            if source >= 0:
                lines[got] = back[tag]

    def _beside(self, axis: int) -> tuple[int, int]:
        """The ranks on the low and the high side along an axis; negative where there is none."""
        low, high = self._range[axis].start, self._range[axis].stop
        if self._periodic[axis]:
            low, high = low or self._shape[axis], high % self._shape[axis]
        found = []
        for name, place in (("stop", low), ("start", high)):
            there = [place if a == axis else s.start for a, s in enumerate(self._range)]
            matches = [
                rank
                for rank, where in enumerate(self._ranges)
                if [getattr(s, name) if a == axis else s.start for a, s in enumerate(where)] == there
            ]
            found.append(matches[0] if matches else self._nobody)
        return found[0], found[1]

    def sides(self, axis: int, pair: Pair) -> tuple[Any, Any]:
        if not self.cut(axis):
            return pair
        low, high = (pair[side] if self.outer(axis, bool(side)) else "inner" for side in (0, 1))
        return low, high

    def outer(self, axis: int, high: bool) -> bool:
        here = self._range[axis]
        return not self._periodic[axis] and (here.stop == self._shape[axis] if high else here.start == 0)

    def largest(self, values: Any) -> Array:
        out = np.empty(np.shape(values))
        self._comm.Allreduce(np.asarray(values, float), out, op=self._max)
        return out

    def total(self, values: Any) -> Any:
        return np.sum(self._comm.allgather(values), axis=0)

    def own(self, values: Array) -> Array:
        return np.ascontiguousarray(values[_cut(self._range)])

    def gathered(self, values: Array) -> Array | None:
        lead = values.shape[: values.ndim - len(self._shape)]
        counts = [prod(lead) * prod(s.stop - s.start for s in where) for where in self._ranges]
        sent = np.ascontiguousarray(values)
        got = np.empty(sum(counts), values.dtype) if self._comm.rank == 0 else None
        self._comm.Gatherv(sent, [got, counts] if got is not None else None, root=0)
        if got is None:
            return None
        out = np.empty((*lead, *self._shape), values.dtype)
        for piece, where in zip(np.split(got, np.cumsum(counts)[:-1]), self._ranges, strict=True):
            out[_cut(where)] = piece.reshape(*lead, *(s.stop - s.start for s in where))
        return out


def _cut(where: tuple[slice, ...]) -> Any:
    return (..., *where)
