"""What lies beyond each side of the box: ghost cells around a block of cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import model_validator

from pdebench.arrays import Array
from pdebench.errors import CardError, SolverError
from pdebench.problem import Field
from pdebench.spec import Card, Grid

from .sides import Inflow, MovingJump, MovingWall, Pair, Parted, Side, expect_state, outside, plain_sides
from .system import System


class Boundaries(Card):
    """The low and the high side of each axis that the box has.

    `outflow` repeats the last cell; `reflecting` is a wall that only the normal velocity feels, `no_slip` one that
    holds all of it, `{wall: [...]}` one that moves along itself; `{inflow: [...]}` gives the primitive state outside.
    A side of a 2D box may be of several `parts`, or have two states outside that meet where a jump moves along it.
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
            for side in plain_sides(pair or ()):
                if isinstance(side, MovingWall) and (len(side.wall) != self.dimensions or side.wall[place]):
                    raise ValueError(
                        f"{name}: a wall moves along itself, {self.dimensions} numbers, not by {side.wall}"
                    )
        if self.uneven and self.dimensions != 2:
            raise ValueError(f"a side in parts, or with a jump that moves, needs a 2D box, not {self.dimensions}D")
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
    def uneven(self) -> bool:
        """Whether a side differs along itself."""
        return any(isinstance(side, Parted | MovingJump) for pair in self.pairs() for side in pair)

    @property
    def moving(self) -> bool:
        """Whether a side changes in time."""
        return any(isinstance(side, MovingJump) for pair in self.pairs() for side in plain_sides(pair))

    @property
    def closed(self) -> bool:
        """Whether nothing can leave the box."""
        return all(side in {"periodic", "reflecting", "no_slip"} for pair in self.pairs() for side in pair)

    @property
    def periodic(self) -> bool:
        return all(side == "periodic" for pair in self.pairs() for side in pair)

    def walls(self, fields: Sequence[Field]) -> Array:
        """What the sides hold of these fields, `(axis, 2, field)`: the velocities at their walls; NaN elsewhere."""
        names, letters = [field.name for field in fields], "xyz"[: self.dimensions]
        out = np.full((self.dimensions, 2, len(names)), np.nan)
        for axis, pair in enumerate(self.pairs()):
            for high, side in enumerate(pair):
                for letter, speed in _held(side, letters[::-1][axis], letters).items():
                    out[axis, high, names.index(f"velocity_{letter}")] = speed
        return out

    def expect(self, grid: Grid) -> None:
        """Raises `CardError` where the grid has other axes."""
        if len(grid.shape) != self.dimensions:
            raise CardError(
                f"boundaries are given along {', '.join('xyz'[: self.dimensions])}, but the grid has "
                f"{len(grid.shape)} axes {grid.shape}"
            )
        for pair, length in zip(self.pairs(), grid.lengths[::-1], strict=True):
            for side in pair:
                if isinstance(side, Parted) and side.parts[-1][0] != length:
                    raise CardError(f"the parts of a side of length {length:g} end at {side.parts[-1][0]:g}")

    def expect_states(self, system: System) -> None:
        """Raises `CardError` where a side says what the system has no use for, or what cannot be."""
        for name, pair in (("x", self.x), ("y", self.y), ("z", self.z)):
            for side in plain_sides(pair or ()):
                if isinstance(side, MovingWall) and system.normal(0) is None:
                    raise CardError(f"{name}: a wall that moves holds gas or water, not {system.variables[0]} alone")
                for state in outside(side):
                    expect_state(state, system, name)


def _held(side: Side, normal: str, letters: str) -> dict[str, float]:
    """The velocities that a side holds, by the letter of their axis."""
    if isinstance(side, MovingWall):
        return dict(zip(letters, side.wall, strict=True))
    return {"reflecting": {normal: 0.0}, "no_slip": dict.fromkeys(letters, 0.0)}.get(str(side), {})


@dataclass(frozen=True, slots=True)
class Moment:
    """Where and when ghost cells are wanted, for sides that differ along themselves or in time."""

    spacing: tuple[float, ...]  # per axis, slowest first
    time: Array | None = None  # (b,)


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
    moment: Moment | None = None,
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
            if isinstance(side, Parted | MovingJump):
                if moment is None:
                    raise SolverError("a side that differs along itself must be told where and when it is")
                _fill_uneven(view, side, ghosts, system, normal, Along(moment, 1 - axis, ghosts))
            else:
                _fill_low(view, side, ghosts, system, normal)


class Along:
    """Positions `(n, 1)` of the cells along a side, ghosts included, and the time `(b,)`."""

    def __init__(self, moment: Moment, axis: int, ghosts: int) -> None:
        self.spacing, self.time, self._ghosts = moment.spacing[axis], moment.time, ghosts

    def cells(self, count: int) -> Array:
        return ((np.arange(count) - self._ghosts + 0.5) * self.spacing)[:, None]


def _fill_uneven(
    view: Array, side: Parted | MovingJump, g: int, system: System | None, normal: int | None, along: Along
) -> None:
    """Ghost cells beyond a side `(variable, b, n, across)` that differs along n."""
    if isinstance(side, MovingJump):
        view[..., :g] = _around_jump(view[..., g : g + 1], side, system, along)
        return
    x, start = along.cells(view.shape[2]), -np.inf
    for end, part in side.parts:
        here = (x >= start) & ((x < end) | (end == side.parts[-1][0]))
        near, start = view[..., : 2 * g].copy(), end
        if isinstance(part, MovingJump):
            _fill_uneven(near, part, g, system, normal, along)
        else:
            _fill_low(near, part, g, system, normal)
        view[..., :g] = np.where(here, near[..., :g], view[..., :g])


def _around_jump(inner: Array, side: MovingJump, system: System | None, along: Along) -> Array:
    """Both states, by the share of each cell that the jump has passed; what lies within, where nothing flows."""
    if system is None or along.time is None:
        return inner
    passed = ((side.at + side.speed * along.time)[:, None, None] - along.cells(inner.shape[2])) / along.spacing
    share = np.clip(passed + 0.5, 0, 1).astype(inner.dtype)
    behind, ahead = (
        system.conserved(np.array(np.broadcast_to(np.reshape(state, (-1, 1, 1, 1)), inner.shape), inner.dtype))
        for state in (side.behind, side.ahead)
    )
    return np.asarray(share * behind + (1 - share) * ahead)


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
