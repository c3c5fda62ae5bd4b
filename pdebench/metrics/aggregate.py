"""Aggregates, made once, from the stored values `(sample, time, field)` of a metric; never from means of batches.

NaN marks what the truth leaves undefined and is left out; inf marks a prediction that diverged and stays inf.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array


def per_sample(values: Array) -> Array:
    """Mean over time and fields, `(sample,)`."""
    return _mean(values.reshape(len(values), -1))


def over_starts(values: Array, starts: int) -> Array:
    """Mean over the starts of each sample, `(sample · start, time, field)` -> `(sample, time, field)`."""
    if starts == 1:
        return values
    rows = np.moveaxis(values.reshape(-1, starts, *values.shape[1:]), 1, -1)
    return _mean(rows.reshape(-1, starts)).reshape(rows.shape[:-1])


def mean_score(values: Array) -> float:
    """Mean over samples of the mean over time and fields."""
    return float(_mean(per_sample(values)[None])[0])


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
    samples: Array, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `samples` `(n,)` (Efron & Tibshirani 1993, §13.3), repeatable."""
    samples = samples[~np.isnan(samples)]
    if not samples.size:
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).integers(samples.size, size=(resamples, samples.size))
    means = samples[draws].mean(axis=1)
    tail = (1 - level) / 2
    # An order statistic: interpolating between inf and inf would give NaN.
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def difference_interval(
    one: Array, other: Array, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of mean(one) − mean(other), two independent sets of samples `(n,)` and `(m,)`."""
    rng = np.random.default_rng(seed)
    means = []
    for samples in (one, other):
        there = samples[np.isfinite(samples)]
        if not there.size:
            return float("nan"), float("nan")
        means.append(there[rng.integers(there.size, size=(resamples, there.size))].mean(axis=1))
    low, high = np.quantile(means[0] - means[1], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def undefined(values: Array) -> int:
    """How many values the truth leaves undefined."""
    return int(np.isnan(values).sum())


def _mean(rows: Array) -> Array:
    """Mean of each row over what is not NaN; NaN for a row of nothing else."""
    there = ~np.isnan(rows)
    count = there.sum(axis=1)
    total = np.where(there, rows, 0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0)
