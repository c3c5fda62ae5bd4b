"""Metrics of one frame by wavenumber. |k| counts waves per longest side of the box; all modes take part."""

from __future__ import annotations

from math import inf

import numpy as np

from ..arrays import Array
from .base import metric
from .pair import Pair, ratio

FLOOR = 1e-10  # of the truth's strongest shell: below it a spectrum is round-off and float32 storage


def _band(pair: Pair, low: float, high: float) -> Array:
    spectra = pair.spectra
    inside = (spectra.shells >= low) & (spectra.shells < high)
    return np.asarray(np.sqrt(spectra.error[..., inside].sum(axis=-1)))


@metric("spectral_error_low", units="field", tends_to="L² norm of the error's modes |k| < 4 / √volume")
def spectral_error_low(pair: Pair) -> Array:
    """rmse of the error's modes 0 ≤ |k| < 4; the squares of the three bands add up to rmse²."""
    return _band(pair, 0, 4)


@metric("spectral_error_mid", units="field", tends_to="L² norm of the error's modes 4 ≤ |k| < 12 / √volume")
def spectral_error_mid(pair: Pair) -> Array:
    """rmse of the error's modes 4 ≤ |k| < 12."""
    return _band(pair, 4, 12)


@metric("spectral_error_high", units="field", tends_to="L² norm of the error's modes |k| ≥ 12 / √volume")
def spectral_error_high(pair: Pair) -> Array:
    """rmse of the error's modes |k| ≥ 12, the corners of the spectrum included."""
    return _band(pair, 12, inf)


@metric("energy_spectrum_error", units="1", tends_to="mean of |log E(k) − log E*(k)| over shells of width 1")
def energy_spectrum_error(pair: Pair) -> Array:
    """⟨|ln E(k) − ln E*(k)|⟩ over the shells k ≥ 1 where E*, the truth's, is above 1e-10 of its peak.

    E is the spectrum of the field itself (of a vorticity: the enstrophy spectrum). A predicted E below that floor
    counts as the floor, so a model that removes the smallest scales is charged 23 per shell at most.
    The mean of the field, k = 0, is left to `conserved_error`. ln 2 = 0.69: wrong by a factor of two everywhere.
    """
    waves = pair.spectra.shells >= 1
    pred, true = pair.spectra.pred[..., waves], pair.spectra.true[..., waves]
    return log_gap(pred, true, pair.constant)


def log_gap(pred: Array, true: Array, undefined: Array) -> Array:
    """⟨|ln pred − ln true|⟩ over the last axis, where `true` is above `FLOOR` of its peak; NaN where `undefined`."""
    floor = FLOOR * true.max(axis=-1, keepdims=True, initial=0)
    used = true > floor
    quotient = np.divide(np.maximum(pred, floor), true, out=np.ones_like(true), where=used)
    return ratio(np.abs(np.log(quotient)).sum(axis=-1), np.where(undefined, 0, used.sum(axis=-1)))
