"""What a metric is, and the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from ..arrays import Array
from ..registry import Registry
from .aggregate import Middle, middle
from .pair import Context, Pair

Function = Callable[[Pair], Array]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and all there is to know about it.

    `units`: "1", "field" (the field's own) or "time". `curve`: one value per predicted frame, `(b, t, c)`; else one
    per trajectory, `(b, 1, c)`. What belongs to the whole state and not to a field has c = 1.
    NaN says that the truth leaves the metric undefined there, whatever was predicted.
    """

    function: Function
    units: str
    tends_to: str
    better: Literal["lower", "higher"] = "lower"
    curve: bool = True
    diverged: float | None = inf  # the value where the prediction is not finite; None: the function knows itself
    typical: Middle = "mean"  # how samples are summed up: "median" where the horizon cuts values off

    def __call__(self, pred: Array, true: Array, context: Context) -> Array:
        """`(b, t, c, *space)` twice -> `(b, t, c)`."""
        return self.of(Pair(pred, true, context))

    def of(self, pair: Pair) -> Array:
        """The metric of a pair, which computes what several metrics share only once."""
        values = self.function(pair)
        if self.diverged is None or pair.finite.all():
            return values
        lost = ~pair.finite
        if not self.curve:
            lost = lost.any(axis=1, keepdims=True)
        if values.shape[2] != lost.shape[2]:
            lost = lost.any(axis=2, keepdims=True)
        return np.where(lost, self.diverged, values)

    def score(self, samples: Array) -> float:
        """The one number of a model, from its score on each sample `(n,)`; undefined ones are left out."""
        return middle(samples, self.typical)


metrics: Registry[Metric] = Registry("metric")


def metric(
    name: str,
    *,
    units: str,
    tends_to: str,
    better: Literal["lower", "higher"] = "lower",
    curve: bool = True,
    diverged: float | None = inf,
    typical: Middle = "mean",
) -> Callable[[Function], Metric]:
    """Decorator: the function becomes the registered metric `name`."""

    def add(function: Function) -> Metric:
        return metrics(name)(Metric(function, units, tends_to, better, curve, diverged, typical))

    return add


def score(
    names: Iterable[str], pred: Array, true: Array, context: Context, *, ensemble: Array | None = None
) -> dict[str, Array]:
    """Several metrics of one batch, each `(b, t or 1, c or 1)`, in one pass over the data per family.

    `ensemble` `(m, b, t, c, *space)` are the members of a probabilistic model, `pred` their mean.
    """
    pair = Pair(pred, true, context, ensemble)
    return {name: metrics[name].of(pair) for name in names}
