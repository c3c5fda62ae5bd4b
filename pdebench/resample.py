"""Values on one grid -> values of the same function on another grid of the same box."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from .arrays import Array, Complex
from .errors import CardError
from .spec import Grid


def resample(values: Array, source: Grid, target: Grid) -> Array:
    """`(..., *source)` -> `(..., *target)`, according to what the points are.

    `nodes` (periodic): the trigonometric interpolant; exact for band-limited functions, and going coarser drops the
    modes that the target cannot hold. `centres`: means over the target's cells of the function that is constant in
    the source's cells; conserves the integral. `ends`: linear interpolation, exact at points that both grids have.
    """
    if source.points != target.points or source.lengths != target.lengths:
        raise CardError(f"cannot resample {source} to {target}: both must have the same box and kind of points")
    if source.shape == target.shape:
        return values
    if source.points == "nodes":
        return _periodic(values, source, target)
    weights = _overlaps if source.points == "centres" else _interpolation
    out = values
    for axis, (n, m) in enumerate(zip(source.shape, target.shape, strict=True), values.ndim - len(source.shape)):
        if n != m:
            lines = np.moveaxis(out, axis, 0)
            means = weights(n, m) @ lines.reshape(n, -1)
            out = np.moveaxis(means.reshape(m, *lines.shape[1:]), 0, axis)
    return np.ascontiguousarray(out, dtype=values.dtype)


def finer(values: Array, source: Grid, target: Grid, *, periodic: Sequence[bool]) -> Array:
    """As `resample` of cells, but along axes that get more of them of a function that is linear in the source's cells.

    Of second order. Slopes are limited (MC, van Leer 1977), so nothing leaves the range of the neighbours; integrals
    are kept. Beyond a side that is not `periodic` lies what lies within.
    """
    if source.shape == target.shape:
        return values
    out = values
    for axis, (n, m, ring) in enumerate(
        zip(source.shape, target.shape, periodic, strict=True), values.ndim - len(source.shape)
    ):
        if n == m:
            continue
        lines = np.moveaxis(out, axis, -1)
        slopes = _slopes(lines, ring=ring) if m > n else np.zeros((1, n))
        if m % n:
            flat, leaning = lines.reshape(-1, n).T, np.broadcast_to(slopes, lines.shape).reshape(-1, n).T
            means = _overlaps(n, m) @ flat + _overlaps(n, m, leaning=True) @ leaning
            out = np.moveaxis(means.T.reshape(*lines.shape[:-1], m), -1, axis)
        else:  # no table, nothing moved
            parts = m // n
            out = np.empty((*out.shape[:axis], m, *out.shape[axis + 1 :]), slopes.dtype)
            for part in range(parts):
                np.moveaxis(out, axis, -1)[..., part::parts] = lines + ((part + 0.5) / parts - 0.5) * slopes
    return np.ascontiguousarray(out, dtype=values.dtype)


def _slopes(lines: Array, *, ring: bool) -> Array:
    """What changes across each cell along the last axis, at most twice what changes to either neighbour."""
    ends = (lines[..., -1:], lines[..., :1]) if ring else (lines[..., :1], lines[..., -1:])
    steps = np.diff(np.concatenate([ends[0], lines, ends[1]], axis=-1), axis=-1)
    low, high = steps[..., :-1], steps[..., 1:]
    least = 2 * np.maximum(np.minimum(low, high), 0)  # one of them is zero
    most = 2 * np.minimum(np.maximum(low, high), 0)
    return np.asarray(np.maximum(np.minimum((low + high) / 2, least), most))


def _overlaps(source: int, target: int, *, leaning: bool = False) -> Any:
    """Share of each source cell in each target cell, sparse, `(target, source)`; rows add up to 1.

    `leaning`: the share times how far its middle lies from that of the source cell, in source cells.
    """
    from scipy.sparse import csr_array

    borders = np.union1d(np.arange(source + 1) * target, np.arange(target + 1) * source)  # in whole numbers
    low, size = borders[:-1], np.diff(borders)
    share = size / source
    if leaning:
        share = share * ((low % target + size / 2) / target - 0.5)
    return csr_array((share, (low // source, low // target)), shape=(target, source))


def _interpolation(source: int, target: int) -> Any:
    """Weights of the two source points beside each target point, sparse; both ends are points of both."""
    from scipy.sparse import csr_array

    row = np.arange(target)
    places = row * (source - 1)  # in units of the source's spacing over (target - 1)
    left = np.minimum(places // (target - 1), source - 2)
    right = places / (target - 1) - left
    where = np.concatenate([row, row]), np.concatenate([left, left + 1])
    return csr_array((np.concatenate([1 - right, right]), where), shape=(target, source))


def _periodic(values: Array, source: Grid, target: Grid) -> Array:
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
    halves = [[slice(0, k), slice(1 - k, None)][: min(k, 2)] for k in kept[:-1]]  # a lone mode 0 has one half
    for rows in product(*halves):
        where: tuple[Any, ...] = (..., *rows, last)
        out[where] = modes[where]
    return out
