"""Where the entries of a 3-, 5- or 7-point matrix stand in compressed rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pdebench.arrays import Index


@lru_cache(maxsize=16)
def five_points(shape: tuple[int, ...], periodic: tuple[bool, ...]) -> tuple[Index, Index, Index]:
    """Row starts, sorted columns, and where entries stand in (diagonal, lower and upper neighbour per axis), stacked.

    A periodic axis needs at least 3 unknowns, so that an unknown's two neighbours differ.
    """
    numbers = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    columns = [numbers]
    for axis, wraps in enumerate(periodic):
        if wraps and shape[axis] < 3:
            raise ValueError(f"a periodic axis needs at least 3 unknowns, axis {axis} has {shape[axis]}")
        for step in (1, -1):
            neighbour = np.roll(numbers, step, axis)
            if not wraps:
                neighbour[(slice(None),) * axis + (0 if step == 1 else -1,)] = -1
            columns.append(neighbour)
    stacked = np.stack([column.ravel() for column in columns])
    # Positions by row, each row's by column; absent neighbours come first, and go.
    order = np.argsort(stacked, axis=0, kind="stable")
    places = (order * numbers.size + numbers.ravel()).T
    there = np.take_along_axis(stacked, order, axis=0).T >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    positions = places[there]
    return indptr, stacked.ravel()[positions], positions
