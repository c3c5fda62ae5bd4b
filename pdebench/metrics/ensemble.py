"""Metrics of probabilistic models, from the members' values `(m, b, t, c, *space)`; x member, y truth.

A model without an ensemble is one of a single member: its CRPS is the mean absolute error, and what needs a spread is
undefined.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from .base import metric
from .pair import Pair, ratio


@metric("crps", units="field", tends_to="mean over the box of ∫(F(z) − 1{z ≥ y})² dz")
def crps(pair: Pair) -> Array:
    """⟨|x − y|⟩ − ⟨|x − x'|⟩/2 over points, pairs x ≠ x': fair, so that its mean does not depend on m (Ferro 2014)."""
    out = np.empty(pair.true.shape[:3])
    for sample, (members, true) in enumerate(_samples(pair)):
        m = len(members)
        near = np.abs(members - true).mean(axis=0)
        if m > 1:
            # Σ_{i<j} |x_i − x_j| = Σ_i (2i − m + 1) x_(i), i from 0.
            ranks = (2 * np.arange(m) - m + 1).reshape(-1, *[1] * true.ndim)
            near = near - (ranks * np.sort(members, axis=0)).sum(axis=0) / (m * (m - 1))
        out[sample] = _over_space(pair, near)
    return out


@metric("energy_score", units="field", tends_to="E‖x − y‖ − E‖x − x'‖/2, norms L² / √volume")
def energy_score(pair: Pair) -> Array:
    """The CRPS of whole fields (Gneiting & Raftery 2007, eq. 22), fair; it sees wrong correlations between points."""
    out = np.empty(pair.true.shape[:3])
    for sample, (members, true) in enumerate(_samples(pair)):
        m = len(members)
        near = np.mean([_norm(pair, x - true) for x in members], axis=0)
        apart = [_norm(pair, members[i] - members[j]) for i in range(m) for j in range(i)]
        out[sample] = near - (np.sum(apart, axis=0) / (m * (m - 1)) if m > 1 else 0)
    return out


@metric("spread_skill", units="1", tends_to="|ln(spread / error of the mean)|")
def spread_skill(pair: Pair) -> Array:
    """|ln √((m + 1)/m · ⟨var x⟩ / ⟨(x̄ − y)²⟩)|, var with m − 1 (Fortin et al. 2014, eq. 15): 0 where they agree."""
    out = np.full(pair.true.shape[:3], np.nan)
    for sample, (members, true) in enumerate(_samples(pair)):
        m = len(members)
        if m > 1:
            spread = _over_space(pair, members.var(axis=0, ddof=1)) * (m + 1) / m
            skill = _over_space(pair, (members.mean(axis=0) - true) ** 2)
            with np.errstate(divide="ignore"):
                out[sample] = np.abs(np.log(ratio(spread, skill))) / 2
    return out


@metric("coverage", units="1", tends_to="|share of points between least and greatest member − (m − 1)/(m + 1)|")
def coverage(pair: Pair) -> Array:
    """How far the members' range is from holding the share of truths that an honest ensemble's does; NaN for m = 1."""
    out = np.full(pair.true.shape[:3], np.nan)
    for sample, (members, true) in enumerate(_samples(pair)):
        m = len(members)
        if m > 1:
            inside = (members.min(axis=0) <= true) & (true <= members.max(axis=0))
            out[sample] = np.abs(_over_space(pair, inside.astype(float)) - (m - 1) / (m + 1))
    return out


@metric("rank_flatness", units="1", tends_to="mean of |(m + 1) p(rank) − 1|")
def rank_flatness(pair: Pair) -> Array:
    """How far the histogram of the truth's rank among the members is from flat; 0 flat, NaN for m = 1."""
    if pair.ensemble is None or len(pair.ensemble) < 2:
        return np.full(pair.true.shape[:3], np.nan)
    shares = rank_histogram(pair)
    return np.asarray(np.abs(shares * shares.shape[-1] - 1).mean(axis=-1))


def rank_histogram(pair: Pair) -> Array:
    """Share of points where the truth has each rank among the members, `(b, t, c, m + 1)`; ties count by halves."""
    rows = []
    for members, true in _samples(pair):
        below, equal = (members < true).sum(axis=0), (members == true).sum(axis=0)
        low, high = (
            [_over_space(pair, (rank == i).astype(float)) for i in range(len(members) + 1)]
            for rank in (below, below + equal)
        )
        rows.append((np.stack(low, axis=-1) + np.stack(high, axis=-1)) / 2)
    return np.stack(rows)


def _samples(pair: Pair) -> Iterator[tuple[Array, Array]]:
    """Members `(m, t, c, *space)` and truth `(t, c, *space)` of each sample: all at once would not fit in the cache.

    Frames that are not finite in any member are zero; `Metric` marks them.
    """
    whole = pair.pred[None] if pair.ensemble is None else pair.ensemble
    for sample in range(whole.shape[1]):
        members = whole[:, sample].astype(np.float64)
        fine = np.isfinite(members) & (np.abs(members) <= 1e100)
        yield np.where(fine, members, 0), pair.true[sample].astype(np.float64)


def _over_space(pair: Pair, values: Array) -> Array:
    """Mean over space of `(t, c, *space)`, weighted by the cells' volumes."""
    axes = tuple(range(2, values.ndim))
    volumes = pair.context.volumes
    if volumes is None:
        return np.asarray(values.mean(axis=axes))
    return np.asarray(np.where(volumes > 0, values * volumes, 0).sum(axis=axes) / volumes.sum(dtype=np.float64))


def _norm(pair: Pair, values: Array) -> Array:
    return np.asarray(np.sqrt(_over_space(pair, values**2)))
