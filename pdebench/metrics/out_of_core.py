"""Scores of predictions larger than memory: chunk by chunk through dask, every value read once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from math import prod
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import PdebenchError
from .base import metrics
from .pair import Context, Moments, Pair, Spectra

COPIES = 6  # float64 copies of a chunk that its metrics may hold at once, at most
MEMORY = 2**28  # bytes


def score_chunks(
    names: Iterable[str],
    pred: Any,
    true: Any,
    context: Callable[[slice], Context],
    *,
    memory: int = MEMORY,
) -> dict[str, Array]:
    """Several metrics of `(b, t, c, *space)` arrays that need not fit in memory, each `(b, t or 1, c or 1)`.

    `pred` and `true` are dask, Zarr or NumPy arrays, or any that slice; `context(samples)` gives the `Context` of some
    samples. About `memory` bytes are held at a time. Where a trajectory fits, each value is read once for all
    metrics together. Where it does not, its frames come in pieces, still once: then metrics that need a trajectory as a
    whole (`structure_function`, `wasserstein_histogram`, `invariant_drift`) are refused.
    """
    asked = list(names)
    lazy = [_dask(values) for values in (pred, true)]
    if lazy[0].shape != lazy[1].shape:
        raise ValueError(f"prediction {lazy[0].shape} and truth {lazy[1].shape} must match")
    b, t = lazy[1].shape[:2]
    frame = COPIES * 8 * prod(lazy[1].shape[2:])
    rows, frames = max(1, memory // (frame * t)), max(1, min(t, memory // frame))
    parts: list[dict[str, Array]] = []
    for low in range(0, b, rows):
        samples = slice(low, min(low + rows, b))
        known = context(samples)
        if frames >= t:
            pair = Pair(*_load(lazy, samples, slice(0, t)), known)
        else:
            spectral = any(_spectral(name) for name in asked)
            pair = _Pieces(_pieces(lazy, samples, frames, known), known, (1, *lazy[1].shape[1:]), spectral=spectral)
        parts.append({name: metrics[name].of(pair) for name in asked})
    return {name: np.concatenate([part[name] for part in parts]) for name in asked}


class _Pieces(Pair):
    """A pair of trajectories known only by the sums over space of its frames, gathered piece by piece."""

    def __init__(self, pieces: Iterator[Pair], context: Context, shape: tuple[int, ...], *, spectral: bool) -> None:
        self.context, self.ensemble, self._shape = context, None, shape
        finite, moments, spectra = [], [], []
        for piece in pieces:
            finite.append(piece.finite)
            moments.append(piece.moments)
            if spectral:
                spectra.append(piece.spectra)
        self.finite = np.concatenate(finite, axis=1)
        self.__dict__["moments"] = Moments(*(_joined(moments, f.name) for f in fields(Moments)))
        if spectra:
            self.__dict__["spectra"] = Spectra(
                spectra[0].shells, *(_joined(spectra, name) for name in ("error", "pred", "true"))
            )

    def __getattr__(self, name: str) -> Any:
        if name in ("pred", "true"):
            size = 8 * COPIES * prod(self._shape)
            raise PdebenchError(f"a metric needs whole trajectories in memory, {size / 2**30:.2g} GiB: allow as much")
        raise AttributeError(name)


def _pieces(lazy: list[Any], samples: slice, frames: int, context: Context) -> Iterator[Pair]:
    t = lazy[1].shape[1]
    for first in range(0, t, frames):
        when = slice(first, min(first + frames, t))
        yield Pair(*_load(lazy, samples, when), replace(context, times=context.times[when]))


def _load(lazy: list[Any], samples: slice, frames: slice) -> tuple[Array, Array]:
    from dask.base import compute

    blocks = [values[samples, frames] for values in lazy]
    pred, true = compute(*blocks, scheduler="single-threaded")  # type: ignore[no-untyped-call]  # dask has few types
    return np.asarray(pred), np.asarray(true)


def _dask(values: Any) -> Any:
    """The array as it is chunked, or in chunks of one frame."""
    import dask.array

    if isinstance(values, dask.array.Array):
        return values
    chunks = getattr(values, "chunks", None) or (1, 1, *values.shape[2:])
    meta = np.empty(0, values.dtype)
    return dask.array.from_array(values, chunks=chunks, meta=meta)  # type: ignore[no-untyped-call]


def _joined(parts: list[Any], name: str) -> Array:
    return np.concatenate([getattr(part, name) for part in parts], axis=1)


def _spectral(name: str) -> bool:
    return name.startswith("spectral_error") or name == "energy_spectrum_error"
