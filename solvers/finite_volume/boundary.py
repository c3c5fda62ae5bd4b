"""What lies beyond each side of the box: ghost cells around a block of cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.spec import Card, Finite, Grid

from .system import System

SideName = Literal["periodic", "outflow", "reflecting", "no_slip"]


class Inflow(Card):
    """A steady primitive state outside, e.g. depth and velocities."""

    inflow: tuple[Finite, ...]


class MovingWall(Card):
    """A wall that holds the gas or water beside it, and moves along itself: its velocities along x, y, z."""

    wall: tuple[Finite, ...]


Side = SideName | Inflow | MovingWall
Pair = tuple[Side, Side]


class Boundaries(Card):
    """The low and the high side of each axis that the box has.

    `outflow` repeats the last cell; `reflecting` is a wall that only the normal velocity feels, `no_slip` one that
    holds all of it, `{wall: [...]}` one that moves along itself; `{inflow: [...]}` gives the primitive state outside.
    """

    x: Pair
    y: Pair | None = None
    z: Pair | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name, pair in (("x", self.x), ("y", self.y), ("z", self.z)):
            if pair and (pair[0] == "periodic") != (pair[1] == "periodic"):
                raise ValueError(f"{name}: {pair[0]} beside {pair[1]}: a box is periodic on both sides or on none")
        for place, (name, pair) in enumerate((("x", self.x), ("y", self.y), ("z", self.z))):
            for side in pair or ():
                if isinstance(side, MovingWall) and (len(side.wall) != self.dimensions or side.wall[place]):
                    raise ValueError(
                        f"{name}: a wall moves along itself, {self.dimensions} numbers, not by {side.wall}"
                    )
        if self.z and not self.y:
            raise ValueError("z needs y: axes are x, or x and y, or all three")
        return self

    @property
    def dimensions(self) -> int:
        return 1 + (self.y is not None) + (self.z is not None)

    def pairs(self) -> tuple[Pair, ...]:
        """One per axis of the grid, slowest first."""
        return tuple(pair for pair in (self.z, self.y, self.x) if pair)

    @property
    def closed(self) -> bool:
        """Whether nothing can leave the box."""
        return all(side in {"periodic", "reflecting", "no_slip"} for pair in self.pairs() for side in pair)

    @property
    def periodic(self) -> bool:
        return all(side == "periodic" for pair in self.pairs() for side in pair)

    def expect(self, grid: Grid) -> None:
        """Raises `CardError` where the grid has other axes."""
        if len(grid.shape) != self.dimensions:
            raise CardError(
                f"boundaries are given along {', '.join('xyz'[: self.dimensions])}, but the grid has "
                f"{len(grid.shape)} axes {grid.shape}"
            )

    def expect_states(self, system: System) -> None:
        """Raises `CardError` where a side says what the system has no use for, or what cannot be."""
        for name, pair in (("x", self.x), ("y", self.y), ("z", self.z)):
            for side in pair or ():
                if isinstance(side, MovingWall) and system.normal(0) is None:
                    raise CardError(f"{name}: a wall that moves holds gas or water, not {system.variables[0]} alone")
                if not isinstance(side, Inflow):
                    continue
                if len(side.inflow) != len(system.variables):
                    wanted = ", ".join(system.variables)
                    raise CardError(
                        f"{name}: the inflow {side.inflow} must give {wanted}, {len(system.variables)} numbers"
                    )
                for what, value in ((system.variables[v], side.inflow[v]) for v in system.positive):
                    if value <= 0:
                        raise CardError(f"{name}: {what} of the inflow is {value:g}: it must be positive")


def padded(q: Array, ghosts: int) -> Array:
    """A block with room for `ghosts` cells beyond each side; the room is not filled."""
    block = np.zeros((*q.shape[:2], *(n + 2 * ghosts for n in q.shape[2:])), q.dtype)
    block[interior(q.ndim - 2, ghosts)] = q
    return block


def interior(dimensions: int, ghosts: int) -> tuple[slice, ...]:
    return (slice(None), slice(None), *(slice(ghosts, -ghosts),) * dimensions)


def fill(
    block: Array,
    boundaries: Boundaries,
    ghosts: int,
    system: System | None = None,
    outer: Callable[[int, bool], bool] = lambda axis, high: True,
) -> None:
    """Ghost cells of `(variable, b, *padded)`, axis by axis, corners included. Without a system: no signs, no inflow.

    Sides that are not `outer` are left as they are: a block that is a part of a larger box has its neighbours there.
    """
    for axis, pair in enumerate(boundaries.pairs()):
        normal = system.normal(axis) if system else None
        for high, side in enumerate(pair):
            if not outer(axis, bool(high)):
                continue
            view = np.moveaxis(block, axis + 2, -1)
            view = view[..., ::-1] if high else view
            _fill_low(view, side, ghosts, system, normal)


def _fill_low(view: Array, side: Side, g: int, system: System | None, normal: int | None) -> None:
    if side == "periodic":
        view[..., :g] = view[..., -2 * g : -g]
    elif isinstance(side, Inflow):
        if system is None:
            view[..., :g] = view[..., g : g + 1]
            return
        outside = np.asarray(side.inflow, view.dtype).reshape(-1, *(1,) * (view.ndim - 1))
        view[..., :g] = system.conserved(np.broadcast_to(outside, view[..., :g].shape).copy())
    elif side == "outflow":
        view[..., :g] = view[..., g : g + 1]
    elif isinstance(side, MovingWall) and system is not None:
        w = system.primitive(view[..., g : 2 * g][..., ::-1])
        for variable, speed in enumerate(side.wall, start=1):
            w[variable] = 2 * speed - w[variable]
        view[..., :g] = system.conserved(w)
    else:
        view[..., :g] = view[..., g : 2 * g][..., ::-1]
        if system is not None and normal is not None:
            flipped = [normal] if side == "reflecting" else list(range(1, 1 + system.dimensions))
            view[flipped, ..., :g] *= -1
