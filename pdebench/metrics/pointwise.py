"""Metrics of one frame from means over its points: ⟨·⟩ over space, e = prediction − truth, u = truth."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from ..errors import PdebenchError
from .base import metric
from .pair import CONSTANT, Pair, ratio


@metric("rmse", units="field", tends_to="L² norm of the error / √volume")
def rmse(pair: Pair) -> Array:
    """√⟨e²⟩."""
    return np.asarray(np.sqrt(pair.moments.error_square))


@metric("nrmse", units="1", tends_to="relative L² error")
def nrmse(pair: Pair) -> Array:
    """√⟨e²⟩ / √⟨u²⟩. 1 is what predicting zero scores."""
    m = pair.moments
    return ratio(np.sqrt(m.error_square), np.sqrt(m.true_variance + m.true_mean**2))


@metric("vrmse", units="1", tends_to="L² error relative to the L² norm of u − ⟨u⟩")
def vrmse(pair: Pair) -> Array:
    """√⟨e²⟩ / std(u). 1 is what predicting the mean scores; NaN where the truth is constant."""
    m = pair.moments
    return ratio(np.sqrt(m.error_square), np.where(pair.constant, 0, np.sqrt(m.true_variance)))


@metric("max_error", units="field", tends_to="L∞ norm of the error")
def max_error(pair: Pair) -> Array:
    """max |e|."""
    return pair.moments.error_max


@metric("relative_l1", units="1", tends_to="relative L¹ error")
def relative_l1(pair: Pair) -> Array:
    """Σ|e| / Σ|u|."""
    return ratio(pair.moments.error_abs, pair.moments.true_abs)


@metric("conserved_error", units="field", tends_to="|∫e| / volume")
def conserved_error(pair: Pair) -> Array:
    """|⟨e⟩|: by how much the box's total is wrong."""
    return np.asarray(np.abs(pair.moments.pred_mean - pair.moments.true_mean))


@metric("relative_conserved_error", units="1", tends_to="|∫e| / ∫|u₀|")
def relative_conserved_error(pair: Pair) -> Array:
    """|⟨e⟩| / ⟨|u₀|⟩, with u₀ the last frame that the model was given."""
    start = pair.context.start
    space, volumes = tuple(range(2, start.ndim)), pair.context.volumes
    if volumes is None:
        total = np.abs(start).mean(axis=space, dtype=np.float64)
    else:
        size = np.where(volumes > 0, np.abs(start), 0).astype(np.float64)
        total = (size * volumes).sum(axis=space) / volumes.sum(dtype=np.float64)
    return ratio(conserved_error.function(pair), total[:, None])


@metric("boundary_rmse", units="field", tends_to="L² norm of the error's trace / √area")
def boundary_rmse(pair: Pair) -> Array:
    """rmse over boundary cells, each once: of a grid its outermost layer, or where `Context.boundary` is true."""
    rim = pair.context.boundary
    if rim is None:
        shape = pair.context.uniform("boundary_rmse without a boundary in its context").shape
        rim = np.ones(shape, bool)
        rim[tuple(slice(1, -1) for _ in shape)] = False
    error = np.subtract(pair.pred[..., rim], pair.true[..., rim], dtype=np.float64)
    return np.asarray(np.sqrt(np.mean(error**2, axis=-1)))


@metric("correlation", units="1", tends_to="correlation coefficient over the box", better="higher", diverged=-1.0)
def correlation(pair: Pair) -> Array:
    """Pearson's, over space. 0 for a constant prediction, NaN for a constant truth, -1 for what is not finite."""
    m = pair.moments
    pred, true = np.sqrt(m.pred_variance), np.where(pair.constant, 0, np.sqrt(m.true_variance))
    flat = pred <= CONSTANT * m.pred_max
    return np.clip(ratio(np.where(flat, 0, m.covariance), np.where(flat, 1, pred) * true), -1, 1)


@metric("cosine", units="1", tends_to="∫pu / (‖p‖ ‖u‖)", better="higher", diverged=-1.0)
def cosine(pair: Pair) -> Array:
    """⟨pu⟩ / √(⟨p²⟩⟨u²⟩): a correlation that keeps the mean. 0 for a prediction of zero."""
    m = pair.moments
    pred, true = (np.sqrt(v + mean**2) for v, mean in ((m.pred_variance, m.pred_mean), (m.true_variance, m.true_mean)))
    inner = m.covariance + m.pred_mean * m.true_mean
    return np.clip(ratio(inner, np.where(pred > 0, pred, 1) * true), -1, 1)


@metric("invariant_drift", units="1", tends_to="|I(p) − I(u)| / I-scale of u₀")
def invariant_drift(pair: Pair) -> Array:
    """The worst over the problem's invariants I of |I(p) − I(u)| at equal times, relative to u₀; `(b, t, 1)`.

    An invariant may vanish by cancellation, as a total vorticity does: it is measured against the larger of |I(u₀)|
    and |I(|u₀|)|, u₀ being the last frame that the model was given.
    """
    invariants = pair.context.invariants
    if invariants is None:
        raise PdebenchError("invariant_drift needs a problem that declares invariants: take it out of the task")
    start = pair.context.start[:, None]
    pred, true, first, size = (invariants(states) for states in (pair.pred, pair.true, start, np.abs(start)))
    drifts = [
        ratio(np.abs(pred[name] - true[name]), np.maximum(np.abs(first[name]), np.abs(size[name]))) for name in true
    ]
    return np.asarray(np.max(drifts, axis=0))[..., None]
