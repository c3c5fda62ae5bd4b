"""What members of one geometry share, and what all cards of these solvers refuse."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.spatial import KDTree

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError
from pdebench.solvers.krylov import methods
from pdebench.spec import Grid

from .projection import Linear, Systems
from .sampling import Sampler
from .space import Space

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FASTEST = 100.0  # times the speed of lid or inlet: beyond it, a blow-up


@dataclass(frozen=True)
class Setting:
    """The spaces on a mesh, and the way from there to the stored grid and to the nodes of a store's mesh."""

    space: Space
    sampler: Sampler
    systems: Systems | None = None  # of all its flows

    @cached_property
    def nodes(self) -> Index:
        """Which quadratic unknown lies at each node of the mesh that is stored, `(node,)`."""
        wanted = self.space.triangulation.halved().points
        _, found = KDTree(self.space.points).query(wanted)  # dolfinx has numbered them anew
        return np.asarray(found)

    def at_nodes(self, velocity: Array, *linear: Array) -> Array:
        """`(2 + k, node)`, what the mesh's group in a store holds: both velocities, then linear functions."""
        return np.stack([part.take(self.nodes) for part in (*velocity, *(self.space.raised(one) for one in linear))])


def fitting(name: str, grid: Grid, linear: Linear) -> None:
    """Raises a `SolverError` where the solver `name` cannot be had on this grid, with these linear solvers."""
    if grid.points != "centres" or len(grid.shape) != 2:
        raise SolverError(f"{name} needs a grid of centres in 2D, not {grid.points} in {len(grid.shape)}D")
    if min(grid.shape) < 4:
        raise SolverError(f"{name} needs at least 4 cells along each axis, not {grid.shape}")
    for which, (method, options) in (("velocity", linear.velocity), ("pressure", linear.pressure)):
        try:
            methods[method](**options)
        except (TypeError, ValueError) as error:
            raise SolverError(f"solver.{which}_options do not fit {method}: {error}") from error
