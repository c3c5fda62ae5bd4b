"""Metrics: pure functions of prediction and truth that reduce space only; aggregates made once from their values.

>>> import numpy as np
>>> from pdebench.metrics import Context, score
>>> from pdebench.spec import Grid
>>> truth = np.sin(np.linspace(0, 2 * np.pi, 8, endpoint=False)).reshape(1, 1, 1, 8)  # (b, t, c, x)
>>> context = Context(Grid(shape=(8,), lengths=(1.0,)), times=np.ones(1), start=truth[:, 0])
>>> score(["nrmse", "max_error"], 1.5 * truth, truth, context)["nrmse"].round(6)
array([[[0.5]]])
"""

from . import ensemble, equation, pointwise, spectral, trajectory
from .aggregate import (
    bootstrap_interval,
    difference_interval,
    geometric_mean,
    middle,
    over_starts,
    per_sample,
    step_curve,
    undefined,
)
from .base import Metric, metric, metrics, score
from .compat import compat
from .out_of_core import score_chunks
from .pair import Context, Pair
from .paired import holm, sign_flip_test

__all__ = [
    "Context",
    "Metric",
    "Pair",
    "bootstrap_interval",
    "compat",
    "difference_interval",
    "ensemble",
    "equation",
    "geometric_mean",
    "holm",
    "metric",
    "metrics",
    "middle",
    "over_starts",
    "per_sample",
    "pointwise",
    "score",
    "score_chunks",
    "sign_flip_test",
    "spectral",
    "step_curve",
    "trajectory",
    "undefined",
]
