"""What may lie beyond a side of the box, as a card says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import model_validator

from pdebench.errors import CardError
from pdebench.spec import Card, Finite

from .system import System

SideName = Literal["periodic", "outflow", "reflecting", "no_slip"]


class Inflow(Card):
    """A steady primitive state outside, e.g. depth and velocities."""

    inflow: tuple[Finite, ...]


class MovingWall(Card):
    """A wall that holds the gas or water beside it, and moves along itself: its velocities along x, y, z."""

    wall: tuple[Finite, ...]


class MovingJump(Card):
    """Two steady primitive states outside a side of a 2D box, which meet at the point `at` + `speed`·t of it."""

    behind: tuple[Finite, ...]  # before the point
    ahead: tuple[Finite, ...]
    at: Finite
    speed: Finite


Plain = SideName | Inflow | MovingWall | MovingJump


class Parted(Card):
    """Parts of a side of a 2D box, each with its end along the side: `{parts: [[0.5, outflow], [4.0, reflecting]]}`."""

    parts: tuple[tuple[Finite, Plain], ...]

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        ends = [end for end, _ in self.parts]
        if len(ends) < 2 or ends != sorted(set(ends)) or ends[0] <= 0:
            raise ValueError(f"a side in parts has two at least, each ending beyond the one before, not at {ends}")
        if any(side == "periodic" for _, side in self.parts):
            raise ValueError("a part of a side cannot be periodic: what leaves there has no part to come back through")
        return self


Side = Plain | Parted
Pair = tuple[Side, Side]


def plain_sides(pair: tuple[Side, ...]) -> Iterator[Plain]:
    """Sides, and the parts of those that have some."""
    for side in pair:
        yield from (part for _, part in side.parts) if isinstance(side, Parted) else (side,)


def outside(side: Plain) -> tuple[tuple[float, ...], ...]:
    """The states that a side holds outside the box."""
    if isinstance(side, MovingJump):
        return side.behind, side.ahead
    return (side.inflow,) if isinstance(side, Inflow) else ()


def expect_state(state: tuple[float, ...], system: System, name: str) -> None:
    """Raises `CardError` where a state outside the sides of axis `name` is none of the system's."""
    if len(state) != len(system.variables):
        wanted = ", ".join(system.variables)
        raise CardError(f"{name}: the inflow {state} must give {wanted}, {len(system.variables)} numbers")
    for what, value in ((system.variables[v], state[v]) for v in system.positive):
        if value <= 0:
            why = ": what brings nothing is a wall, reflecting or no_slip" if value == 0 and what == "depth" else ""
            raise CardError(f"{name}: {what} of the inflow is {value:g}: it must be positive{why}")
