"""Coefficient fields to flux forms: cell-centred finite volumes and node-centred differences, both of second order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers.krylov.flux import FluxForm

Mean = Literal["harmonic", "arithmetic"]
Side = Literal["dirichlet", "neumann", "periodic"]
Sides = Sequence[tuple[Side, Side]]


def cell_centred(
    coefficient: Array,
    spacing: Sequence[float],
    sides: Sides,
    *,
    shift: Array | float = 0.0,
    mean: Mean = "harmonic",
) -> FluxForm:
    """Finite volumes: unknowns at cell centres, `coefficient` in the cells (so its shape is that of the unknowns).

    A boundary value is held half a cell from the first unknown: conductance 2a/h². Harmonic means of a keep the flux
    right where it jumps between cells (Patankar 1980, §4.2).
    """
    coefficient = _checked(coefficient, spacing, sides)
    faces = []
    for axis, (h, pair) in enumerate(zip(spacing, sides, strict=True)):
        inner = _means(coefficient, axis, mean)
        faces.append(_closed(inner / h**2, coefficient, axis, pair, h, mean))
    return FluxForm(tuple(faces), shift, tuple(pair[0] == "periodic" for pair in sides))


def node_centred(
    coefficient: Array,
    spacing: Sequence[float],
    sides: Sides,
    *,
    shift: Array | float = 0.0,
    mean: Mean = "harmonic",
) -> FluxForm:
    """Differences on nodes: `coefficient` at **all** nodes, boundary nodes included; unknowns where no value is given.

    A Dirichlet side's nodes are not unknowns; a Neumann side's are, with half a cell each: all of their row is
    multiplied by `node_weights`, which keeps the matrix symmetric, so multiply the right-hand side by them, too.
    """
    coefficient = _checked(coefficient, spacing, sides)
    inside = tuple(
        slice(pair[0] == "dirichlet", n - (pair[1] == "dirichlet"))
        for n, pair in zip(coefficient.shape, sides, strict=True)
    )
    shape = coefficient[inside].shape
    faces = []
    for axis, (h, pair) in enumerate(zip(spacing, sides, strict=True)):
        across = tuple(slice(None) if a == axis else cut for a, cut in enumerate(inside))
        inner = _means(coefficient[across], axis, mean) / h**2
        face = _closed(inner, coefficient[across], axis, pair, h, mean) if pair[0] == "periodic" else inner
        lower, upper = (int(side == "neumann") for side in pair)
        face = np.pad(face, [(lower, upper) if a == axis else (0, 0) for a in range(face.ndim)])
        flat = tuple(1 if a == axis else n for a, n in enumerate(shape))
        faces.append(face * node_weights(flat, [("periodic",) * 2 if a == axis else s for a, s in enumerate(sides)]))
    if np.ndim(shift) or shift:
        shift = np.asarray(shift) * node_weights(shape, sides)
    return FluxForm(tuple(faces), shift, tuple(pair[0] == "periodic" for pair in sides))


def node_weights(shape: Sequence[int], sides: Sides) -> Array:
    """The share of a full cell that each node stands for: ½ on a Neumann side, ¼ in its corners, 1 elsewhere."""
    weights = np.ones(tuple(shape))
    for axis, pair in enumerate(sides):
        for end, side in zip((0, -1), pair, strict=True):
            if side == "neumann":
                weights[(slice(None),) * axis + (end,)] *= 0.5
    return weights


def _closed(inner: Array, coefficient: Array, axis: int, pair: tuple[Side, Side], h: float, mean: Mean) -> Array:
    """Inner faces with those on the two sides of the axis: the one that wraps, or a wall, or half a cell off."""
    first, last = np.take(coefficient, [0], axis), np.take(coefficient, [-1], axis)
    if pair[0] == "periodic":
        wrap = _means(np.concatenate([last, first], axis), axis, mean)
        lower = upper = wrap / h**2
    else:
        lower, upper = (
            2 / h**2 * end if side == "dirichlet" else 0 * end for end, side in zip((first, last), pair, strict=True)
        )
    return np.concatenate([lower, inner, upper], axis)


def _means(coefficient: Array, axis: int, mean: Mean) -> Array:
    """The mean of each two neighbours along the axis."""
    size = coefficient.shape[axis]
    a, b = np.take(coefficient, range(size - 1), axis), np.take(coefficient, range(1, size), axis)
    if mean == "harmonic":
        return np.asarray(2 / (1 / a + 1 / b))
    if mean == "arithmetic":
        return np.asarray((a + b) / 2)
    raise ValueError(f"mean must be 'harmonic' or 'arithmetic', got {mean!r}")


def _checked(coefficient: Array, spacing: Sequence[float], sides: Sides) -> Array:
    coefficient = np.asarray(coefficient, dtype=float)
    if not len(spacing) == len(sides) == coefficient.ndim:
        raise ValueError(
            f"expected one spacing and one pair of sides for each of {coefficient.ndim} axes, "
            f"got {len(spacing)} and {len(sides)}"
        )
    for axis, pair in enumerate(sides):
        if any(side not in ("dirichlet", "neumann", "periodic") for side in pair):
            raise ValueError(f"sides are dirichlet, neumann or periodic; axis {axis} has {pair}")
        if (pair[0] == "periodic") != (pair[1] == "periodic"):
            raise ValueError(f"both sides of axis {axis} must be periodic, or neither: {pair}")
    worst = coefficient[~(np.isfinite(coefficient) & (coefficient > 0))]
    if worst.size:
        raise ValueError(f"the coefficient must be positive and finite everywhere; found {worst.flat[0]}")
    return coefficient
