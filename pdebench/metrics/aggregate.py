"""Aggregates, made once, from the stored values `(sample, time, field)` of a metric; never from means of batches.

NaN marks what the truth leaves undefined and is left out; inf marks a prediction that diverged and stays inf.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..arrays import Array

Middle = Literal["mean", "median"]


def per_sample(values: Array) -> Array:
    """Mean over time and fields, `(sample,)`."""
    return _mean(values.reshape(len(values), -1))


def over_starts(values: Array, starts: int) -> Array:
    """Mean over the starts of each sample, `(sample · start, time, field)` -> `(sample, time, field)`."""
    if starts == 1:
        return values
    rows = np.moveaxis(values.reshape(-1, starts, *values.shape[1:]), 1, -1)
    return _mean(rows.reshape(-1, starts)).reshape(rows.shape[:-1])


def middle(samples: Array, typical: Middle = "mean") -> float:
    """Mean or median of scores per sample `(n,)`.

    The median is for values that the horizon cuts off: it is right as long as fewer than half of them are.
    """
    there = samples[~np.isnan(samples)]
    return float(_over(there, typical, axis=0)) if there.size else float("nan")


def step_curve(values: Array) -> Array:
    """Mean over samples and fields at each step, `(time,)`."""
    return _mean(np.moveaxis(values, 1, 0).reshape(values.shape[1], -1))


def geometric_mean(curve: Array) -> float:
    """Geometric mean over steps of a curve `(time,)` of errors: 0 if one is 0, inf if one is inf."""
    curve = curve[~np.isnan(curve)]
    if not curve.size:
        return float("nan")
    if np.isinf(curve).any():
        return float("inf")
    with np.errstate(divide="ignore"):  # ln 0 = −inf is right here
        return float(np.exp(np.log(curve).mean()))


def bootstrap_interval(
    samples: Array, *, level: float = 0.95, resamples: int = 2000, seed: int = 0, typical: Middle = "mean"
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (or median) of `samples` `(n,)`, repeatable.

    Efron & Tibshirani 1993, An Introduction to the Bootstrap, §13.3.
    """
    samples = samples[~np.isnan(samples)]
    if not samples.size:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(samples.size, size=(resamples, samples.size))
    means = _over(samples[draws], typical, axis=1)
    tail = (1 - level) / 2
    # An order statistic: interpolating between inf and inf would give NaN.
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def difference_interval(
    one: Array, other: Array, *, level: float = 0.95, resamples: int = 2000, seed: int = 0, typical: Middle = "mean"
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(one) − mean(other), two independent sets of samples `(n,)` and `(m,)`.

    Of the medians' difference where `typical` says so.
    """
    rng = np.random.default_rng(seed)
    means = []
    for samples in (one, other):
        there = samples[np.isfinite(samples)]
        if not there.size:
            return float("nan"), float("nan")
        draws = rng.integers(there.size, size=(resamples, there.size))
        means.append(_over(there[draws], typical, axis=1))
    low, high = np.quantile(means[0] - means[1], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def undefined(values: Array) -> int:
    """How many values the truth leaves undefined."""
    return int(np.isnan(values).sum())


def _over(samples: Array, typical: Middle, axis: int) -> Array:
    if typical == "mean":
        return np.asarray(samples.mean(axis=axis))
    # The mean of the two middle ones of an even number, as np.median; but of inf and inf that is inf, not NaN.
    ordered, last = np.sort(samples, axis=axis), samples.shape[axis] - 1
    low, high = (np.take(ordered, at, axis=axis) for at in (last // 2, (last + 1) // 2))
    return np.asarray(np.where(low == high, low, (low + high) / 2))


def _mean(rows: Array) -> Array:
    """Mean of each row over what is not NaN; NaN for a row of nothing else."""
    there = ~np.isnan(rows)
    count = there.sum(axis=1)
    total = np.where(there, rows, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0)
