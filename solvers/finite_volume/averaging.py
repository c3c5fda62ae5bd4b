"""Functions of x -> averages over cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.problem import Params
from pdebench.resample import resample
from pdebench.spec import Grid


def averaged(system: Any, grid: Grid, subcells: int, values: Callable[[Grid], Array]) -> Array:
    """Primitive variables `(variable, *grid)` of the conserved averages over the cells.

    `values` gives the primitive state at cell centres; averages are means over `subcells` centres per axis, which
    shows where inside a cell a jump lies. One subcell takes the value at the centre.
    """
    if subcells == 1:
        return values(grid)
    finer = grid.with_shape(tuple(n * subcells for n in grid.shape))
    q = resample(system.conserved(values(finer)[:, None]), finer, grid)
    return np.asarray(system.primitive(q)[:, 0])


def of_one(params: Params) -> dict[str, Array]:
    """Parameters of one member as a batch."""
    return {name: np.array([value]) for name, value in params.items()}
