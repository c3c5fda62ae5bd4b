"""What a prediction leaves of the card's own equation and of what its walls hold; no truth is needed to be wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import PdebenchError
from .base import metric
from .pair import Pair, ratio


@metric("residual", units="1", tends_to="∫(∂ₜp − F(p)) dt between frames / change of u; steady: ‖Ap − f‖ / ‖f‖")
def residual(pair: Pair) -> Array:
    """What is left of the card's own equation: 0 obeys it; standing still scores 1 at first (steady: zero scores 1).

    In time: √⟨(pₙ₊₁ − S(pₙ))²⟩ / √⟨(uₙ₊₁ − uₙ)²⟩, S the card's own solver over the interval between two frames, which
    begins at the stored frame, so that what the stored grid has lost is in it; the first pₙ is the last frame given. A
    prediction may be far from the truth and obey the equation. Infinite where the solver cannot go on from pₙ.

    Steady: ‖Ap − f‖ / ‖f‖ of the solver's linear system on the stored grid, `(b, t, 1)`; that of the truth itself is
    not 0 where it was solved on a finer one.
    """
    context = pair.context
    if context.unsolved is not None:
        return np.asarray(context.unsolved(pair.pred))
    if context.advance is None:
        raise PdebenchError("residual needs an equation that the card's solver can take up: take it out of the task")
    before, true_before = (_before(context.start, values) for values in (pair.pred, pair.true))
    expected = context.advance(before)
    left = _rms(pair, pair.pred - expected)
    lost = ~np.isfinite(left)
    # Where a field is lost it is zero in `pred`: nothing follows for any from such a frame.
    lost[:, 1:] |= (~pair.finite[:, :-1]).any(axis=2, keepdims=True)
    return np.where(lost, np.inf, ratio(np.where(lost, 0, left), _rms(pair, pair.true - true_before)))


@metric("boundary_violation", units="field", tends_to="L² norm of p − g on the walls where g is held / √area")
def boundary_violation(pair: Pair) -> Array:
    """Root mean square of p − g over the walls that hold a field at g; NaN for a field that none holds.

    At the points of a wall, without edges, where the grid has some there (`ends`); else extrapolated to the wall along
    a line through the two cells beside it, which leaves a truth of cell means some violation of its own.
    """
    walls, grid = pair.context.walls, pair.context.grid
    if walls is None or grid is None or grid.points == "nodes":
        raise PdebenchError(
            "boundary_violation needs a problem that tells what its walls hold: take it out of the task"
        )
    volumes, axes = pair.context.volumes, len(grid.shape)
    total, count = np.zeros(pair.pred.shape[:3]), np.zeros(pair.pred.shape[:3])
    for axis in range(axes):
        for side in (0, 1):
            at, beside = (0, 1) if side == 0 else (-1, -2)
            values = np.moveaxis(pair.pred, 3 + axis, 3).astype(np.float64)
            there = np.ones(values.shape[4:], bool)
            if grid.points == "ends":
                inner: Any = (..., *[slice(1, -1)] * (axes - 1))
                wall, there = values[:, :, :, at][inner], there[inner]
            else:
                wall = 1.5 * values[:, :, :, at] - 0.5 * values[:, :, :, beside]
                if volumes is not None:
                    fluid = np.moveaxis(volumes, axis, 0) > 0
                    there = fluid[at] & fluid[beside]
            held = walls[:, None, axis, side]  # (b, 1, c)
            off = (wall - held[(..., *[None] * (axes - 1))])[..., there]
            known = np.broadcast_to(~np.isnan(held), total.shape)
            total += np.where(known, (np.where(np.isnan(off), 0, off) ** 2).sum(axis=-1), 0)
            count += known * there.sum()
    return np.sqrt(ratio(total, count))


def _before(start: Array, values: Array) -> Array:
    """The frame before each, `(b, t, c, *space)`."""
    return np.concatenate([start[:, None].astype(values.dtype), values[:, :-1]], axis=1)


def _rms(pair: Pair, values: Array) -> Array:
    """√⟨v²⟩ over the points that take part, `(b, t, c)`."""
    volumes = pair.context.volumes
    if volumes is None:
        return np.asarray(np.sqrt(np.mean(values.astype(np.float64) ** 2, axis=tuple(range(3, values.ndim)))))
    there = volumes > 0
    share = volumes[there] / volumes[there].sum(dtype=np.float64)
    return np.asarray(np.sqrt(values[..., there].astype(np.float64) ** 2 @ share))
