"""Metrics of a whole trajectory, `(b, 1, c)`: how long it is right, whether it lives, and its long-time statistics."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import fft

from ..arrays import Array
from ..errors import PdebenchError
from .base import Metric, metric
from .pair import Pair, ratio
from .pointwise import correlation
from .spectral import log_gap

BOUND = 10.0  # times the truth's largest value: beyond it a roll-out counts as blown up


def _first_below(pair: Pair, threshold: float) -> Array:
    """Time from the last given frame (correlation 1) until the correlation first falls below the threshold.

    Linear between frames. Censored: the horizon where it never does. NaN where the truth is constant throughout.
    """
    values = correlation.of(pair)
    b, _, c = values.shape
    # A frame whose truth is constant has no correlation, and is passed over.
    curve = np.concatenate([np.ones((b, 1, c)), np.where(np.isnan(values), 1, values)], axis=1)
    times = np.concatenate([[0.0], pair.context.times])
    below = curve < threshold
    after = np.where(below.any(axis=1), below.argmax(axis=1), 1)[:, None]
    left, right = (np.take_along_axis(curve, at, axis=1) for at in (after - 1, after))
    share = np.divide(left - threshold, left - right, out=np.zeros_like(left), where=left > right)
    crossing = times[after - 1] + share * (times[after] - times[after - 1])
    out = np.where(below.any(axis=1, keepdims=True), crossing, times[-1])
    return np.where(np.isnan(values).all(axis=1, keepdims=True), np.nan, out)


def _lasting(name: str, threshold: float) -> Metric:
    meaning = f"first t with a correlation of {threshold}"
    add = metric(name, units="time", tends_to=meaning, better="higher", curve=False, diverged=None, typical="median")
    return add(partial(_first_below, threshold=threshold))


correlation_time = _lasting("correlation_time", 0.8)
correlation_time_90 = _lasting("correlation_time_90", 0.9)
correlation_time_95 = _lasting("correlation_time_95", 0.95)


@metric(
    "valid_time",
    units="1",
    tends_to="Lyapunov times with a correlation of 0.8",
    better="higher",
    curve=False,
    diverged=None,
    typical="median",
)
def valid_time(pair: Pair) -> Array:
    """`correlation_time` in units of 1/λ, λ the largest Lyapunov exponent that the card gives."""
    if pair.context.lyapunov is None:
        raise PdebenchError("valid_time needs a Lyapunov exponent: take it out of the task, or use correlation_time")
    return correlation_time.of(pair) * pair.context.lyapunov


@metric("stability", units="1", tends_to="share of roll-outs that live", better="higher", curve=False, diverged=0.0)
def stability(pair: Pair) -> Array:
    """1 where the whole roll-out is finite and each field stays within 10 times the truth's largest |u|, else 0.

    `(b, 1, 1)`: its mean over samples is the share of roll-outs that do.
    """
    pred, true = (m.max(axis=1, keepdims=True) for m in (pair.moments.pred_max, pair.moments.true_max))
    return np.asarray((pred <= BOUND * true).all(axis=2, keepdims=True), float)


@metric("wasserstein_histogram", units="1", tends_to="W₁ of the distributions of values / std(u)", curve=False)
def wasserstein_histogram(pair: Pair) -> Array:
    """Wasserstein-1 distance of the values met in the trajectory from the truth's, in standard deviations of the truth.

    Exact for the empirical distributions: the mean distance of the sorted values. Blind to where and when.
    """
    volumes = pair.context.volumes
    if volumes is not None and np.ptp(volumes[volumes > 0]) > 0:
        raise PdebenchError("wasserstein_histogram needs cells of equal volume: take it out of the task")
    there = slice(None) if volumes is None else volumes > 0
    pred, true = (np.sort(_per_trajectory(values[:, :, :, there]), axis=-1) for values in (pair.pred, pair.true))
    distance = np.abs(np.subtract(pred, true, dtype=np.float64)).mean(axis=-1)
    spread = true.std(axis=-1, dtype=np.float64)
    return ratio(distance, np.where(pair.constant.all(axis=1), 0, spread))[:, None]


@metric("structure_function", units="1", tends_to="mean of |ln S₂(r) − ln S₂*(r)| over r and axes", curve=False)
def structure_function(pair: Pair) -> Array:
    """⟨|ln S₂(r) − ln S₂*(r)|⟩ with S₂(r) = ⟨(u(x + r) − u(x))²⟩ over x and t; r up to half the box, along each axis.

    From the autocorrelation R: S₂(r) = 2(R(0) − R(r)) (Frisch 1995, Turbulence, §4.5).
    """
    if not pair.context.periodic:
        raise PdebenchError("structure_function needs a periodic box: take it out of the task")
    pair.context.uniform("structure_function")
    pred, true = (_increments(values) for values in (pair.pred, pair.true))
    return log_gap(pred, true, pair.constant.all(axis=1))[:, None]


def _per_trajectory(values: Array) -> Array:
    """`(b, t, c, *space)` -> `(b, c, t·points)`."""
    b, _, c = values.shape[:3]
    return np.moveaxis(values, 2, 1).reshape(b, c, -1)


def _increments(values: Array) -> Array:
    """S₂ of each separation and axis, `(b, c, separations)`."""
    rows = []
    for sample in values:  # one at a time: the transforms of a whole batch would not fit in the cache
        sample = sample.astype(np.float64)
        parts = []
        for axis in range(2, sample.ndim):
            n = sample.shape[axis]
            modes = np.moveaxis(fft.rfft(sample, axis=axis, norm="forward"), axis, -1)
            power = np.mean(modes.real**2 + modes.imag**2, axis=(0, *range(2, sample.ndim - 1)))
            correlated = fft.irfft(power, n=n, norm="forward")
            parts.append(2 * (correlated[:, :1] - correlated[:, 1 : n // 2 + 1]))
        rows.append(np.concatenate(parts, axis=-1))
    return np.stack(rows)
