"""Values on one periodic grid -> values of the same function on another."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import Array, Complex
from .errors import CardError
from .spec import Grid


def resample(values: Array, source: Grid, target: Grid) -> Array:
    """The trigonometric interpolant of `values`, `(..., *source)` -> `(..., *target)`, sampled on `target`.

    Exact for band-limited functions; going coarser drops the modes that the target cannot hold.
    """
    if source.points != "nodes" or target.points != "nodes" or source.lengths != target.lengths:
        raise CardError(f"cannot resample {source} to {target}: both must be node grids of the same box")
    if source.shape == target.shape:
        return values
    from scipy import fft

    axes = tuple(range(-len(source.shape), 0))
    modes = fft.rfftn(values, axes=axes, norm="forward")
    out = fft.irfftn(resize(modes, source.shape, target.shape), s=target.shape, axes=axes, norm="forward")
    return np.asarray(out, dtype=values.dtype)


def resize(modes: Complex, source: tuple[int, ...], target: tuple[int, ...]) -> Complex:
    """Fourier coefficients of a real field laid out for `source`, laid out for `target`.

    Keeps the modes |n| < min(source, target)/2 of each axis; the Nyquist mode is dropped,
    because its phase is lost on the coarser grid.
    """
    lead = modes.shape[: modes.ndim - len(source)]
    out = np.zeros((*lead, *target[:-1], target[-1] // 2 + 1), modes.dtype)
    kept = [(min(s, t) + 1) // 2 for s, t in zip(source, target, strict=True)]
    last = slice(0, kept[-1])
    if len(source) == 1:
        out[..., last] = modes[..., last]
        return out
    rows = [np.r_[0:k, 1 - k : 0] for k in kept[:-1]]
    where: tuple[Any, ...] = (..., *np.ix_(*rows, np.arange(kept[-1])))
    out[where] = modes[where]
    return out
