"""−∇·(a∇u) + c u = f on a grid: finite volumes on `centres`, differences on `ends`, both of second order.

The flux between two points is a's harmonic (or arithmetic) mean times the difference of u (Patankar 1980, §4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.solvers.krylov import System
from pdebench.solvers.krylov.discretise import Mean, Sides, cell_centred, node_centred
from pdebench.solvers.krylov.flux import End, FluxForm
from pdebench.spec import Grid

Wall = Array | float
Walls = Sequence[tuple[Wall, Wall]]  # the values of u on the lower and the upper side of each axis
Boundary = Literal["dirichlet", "neumann"]
ENDS: tuple[End, End] = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Discrete:
    """A linear system, and how its unknowns lie on the grid."""

    system: System
    grid: Grid
    walls: Walls | None = None  # of a grid whose boundary points are no unknowns
    fields: int = 1

    def unknowns(self, state: Array) -> Array:
        """What of a state `(field, *grid)` the system knows, as `expanded` takes it."""
        if self.walls is None:
            return state.reshape(self.fields, -1).T.ravel()
        return np.ravel(state[0][(slice(1, -1),) * len(self.grid.shape)])

    def expanded(self, x: Array) -> Array:
        """Unknowns `(point × field,)` -> `(field, *grid)`, boundary values put back."""
        if self.walls is None:
            return x.reshape(-1, self.fields).T.reshape(self.fields, *self.grid.shape)
        return with_walls(x, self.grid, self.walls)[None]


def with_walls(x: Array, grid: Grid, walls: Walls) -> Array:
    """Values at the inner points `(n,)` and on the walls of a grid of ends, `(*grid)`."""
    out = np.empty(grid.shape)
    out[(slice(1, -1),) * len(grid.shape)] = x.reshape([n - 2 for n in grid.shape])
    for axis, pair in enumerate(walls):
        for at, value in zip((0, -1), pair, strict=True):
            np.moveaxis(out, axis, 0)[at] = value
    return out


def discrete(
    grid: Grid,
    coefficient: Array,
    source: Array | float,
    *,
    walls: Walls | None = None,
    boundary: Boundary = "dirichlet",
    shift: Array | float = 0.0,
    mean: Mean = "harmonic",
) -> Discrete:
    """The system of −∇·(a∇u) + c u = f, with `walls` (default: 0) held or, for "neumann", no flux through them.

    `coefficient`, `source` and `shift` are samples on the grid, `(*space)`. Without a shift, "neumann" leaves u known
    up to a constant: the solution is the one of zero mean, of the part of f that has zero mean. On an `ends` grid the
    values on the boundary (of the axis that comes last, in corners) are part of the solution.
    """
    if grid.points == "nodes" or (grid.points == "ends" and boundary == "neumann"):
        fit = "centres" if boundary == "neumann" else "centres or ends"
        raise SolverError(f"elliptic problems with {boundary} walls need a grid of {fit}, not of {grid.points}")
    walls = walls or [(0.0, 0.0)] * len(grid.shape)
    sides: Sides = [(boundary, boundary)] * len(grid.shape)
    inside = (slice(1, -1),) * len(grid.shape) if grid.points == "ends" else ()
    shift = shift[inside] if isinstance(shift, np.ndarray) else shift
    build = node_centred if grid.points == "ends" else cell_centred
    form = build(coefficient, grid.spacing, sides, shift=shift, mean=mean)
    rhs = np.broadcast_to(np.asarray(source, float), grid.shape)[inside].copy()
    if boundary == "dirichlet":
        for axis, pair in enumerate(walls):
            for end, value in zip(ENDS, pair, strict=True):
                if np.any(value):
                    rhs += form.source(axis, end, _within(value, grid))
    return Discrete(_system(form, rhs), grid, walls if grid.points == "ends" else None)


def _within(value: Wall, grid: Grid) -> Wall:
    """Values on a side at the unknowns beside it: without the corners, where the boundary points are no unknowns."""
    if np.ndim(value) and grid.points == "ends":
        return np.asarray(value)[(slice(1, -1),) * np.ndim(value)]
    return value


def _system(form: FluxForm, rhs: Array) -> System:
    nullspace: Any = "constant" if form.singular else "none"
    return System(form, rhs.ravel(), symmetric=True, definite=form.semidefinite, nullspace=nullspace)
