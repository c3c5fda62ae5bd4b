"""Whether two models differ on the same samples: a paired randomisation test, and Holm's correction for several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import Array

EXACT = 13  # up to so many differences every pattern of signs is tried
DRAWS = 9999  # patterns drawn beyond that


def sign_flip_test(one: Array, other: Array, *, seed: int = 0) -> float:
    """Two-sided p of "the mean difference is zero", from the samples' scores `(n,)` of two models, paired.

    If nothing tells the models apart, each difference is as likely with either sign: p is the share of patterns of
    signs whose mean is as far from zero as the one seen (Good 2005, Permutation, Parametric and Bootstrap Tests of
    Hypotheses, §3.6, matched pairs). All 2ⁿ patterns for n ≤ 13, of which p is never below 2/2ⁿ; else 9999 drawn ones
    and the one seen, p = (1 + exceeding)/10000 (Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39, eq. 2).
    Samples where either is not finite are left out; NaN where none is left.

    >>> sign_flip_test(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.0, 0.0]))
    0.25
    """
    with np.errstate(invalid="ignore"):
        gaps = one - other
    gaps = gaps[np.isfinite(gaps)]
    count = gaps.size
    if not count:
        return float("nan")
    if count <= EXACT:
        signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
    else:
        signs = 1 - 2 * np.random.default_rng(seed).integers(2, size=(DRAWS + 1, count))
        signs[0] = 1
    sums = np.abs(signs @ gaps)
    seen = abs(float(gaps.sum()))
    slack = 1e-12 * float(np.abs(gaps).sum())  # sums that only round-off parts are equal
    return float((sums >= seen - slack).mean())


def holm(values: Sequence[float]) -> list[float]:
    """p values adjusted for their number (Holm 1979, Scand. J. Stat. 6, 65–70), in the order given.

    The chance that any true null is rejected at level α stays at most α, whatever the dependence.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(values)), key=lambda i: values[i])
    adjusted = [0.0] * len(values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = largest
    return adjusted
