"""A prediction beside the truth, and the sums over space that several metrics share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..arrays import Array, Complex, Index
from ..errors import PdebenchError
from ..spec import Grid

LARGEST = 1e100  # beyond it squares may overflow: such a prediction counts as infinite
CONSTANT = 1e-7  # std over max |u| below which float32 data cannot be told from a constant
BLOCK = 2**15  # values per block: its half a dozen float64 copies stay in the second-level cache


@dataclass(frozen=True, slots=True)
class Context:
    """What a metric may know besides the prediction and the truth of a batch.

    `times` `(t,)` of the predicted frames, counted from the last frame that the model was given: `start`
    `(b, c, *space)`. `invariants` maps states `(b, t, c, *space)` to `(b, t)` each.

    `volumes` `(*space)` are those of the cells: means over space are weighted by them, and points of volume 0 (solid
    bodies) take no part, whatever stands there. A mesh has no `grid`, and one axis of space. `periodic` False: the box
    has walls, and modes are cosines. `boundary` `(*space)` is true on boundary cells; of a grid, by default, its rim.
    `lyapunov` is the largest exponent, in the inverse of the unit of time.

    Of the card's own equation: `advance` takes states `(b, t, c, *space)` on by one interval between frames, or, where
    it is steady, `unsolved` says what they leave of it, `(b, t, 1)`. `walls` `(b, axis, 2, c)` are the values that the
    low and the high side of each axis hold, NaN where a field is free.
    """

    grid: Grid | None
    times: Array
    start: Array
    invariants: Callable[[Array], Mapping[str, Array]] | None = None
    volumes: Array | None = None
    periodic: bool = True
    boundary: NDArray[np.bool_] | None = None
    lyapunov: float | None = None
    advance: Callable[[Array], Array] | None = None
    unsolved: Callable[[Array], Array] | None = None
    walls: Array | None = None

    @property
    def space(self) -> tuple[int, ...]:
        """Shape of the points in space."""
        if self.grid is not None:
            return self.grid.shape
        if self.volumes is None:
            raise ValueError("give the volumes of a mesh's cells, or a grid")
        return self.volumes.shape

    def uniform(self, what: str) -> Grid:
        """The grid, for metrics that need one without holes. Raises `PdebenchError` naming `what`."""
        if self.grid is None or self.volumes is not None:
            raise PdebenchError(f"{what} needs a uniform grid without masked points: take it out of the task")
        return self.grid


@dataclass(frozen=True, slots=True)
class Moments:
    """Means over space of one frame and field, `(b, t, c)` each; e = p − u, ' the deviation from the mean."""

    error_square: Array  # ⟨e²⟩
    error_abs: Array  # ⟨|e|⟩
    error_max: Array  # max |e|
    pred_mean: Array
    true_mean: Array
    pred_variance: Array  # ⟨p'²⟩
    true_variance: Array  # ⟨u'²⟩
    covariance: Array  # ⟨p'u'⟩
    true_abs: Array  # ⟨|u|⟩
    pred_max: Array  # max |p|
    true_max: Array  # max |u|


@dataclass(frozen=True, slots=True)
class Spectra:
    """Mean squares by shell, `(b, t, c, shell)`; over all shells they add up to ⟨e²⟩, ⟨p²⟩, ⟨u²⟩ (Parseval)."""

    shells: Index  # shell s holds the modes s ≤ |k| < s + 1, k in waves per longest side of the box
    error: Array
    pred: Array
    true: Array


class Pair:
    """`pred` and `true`, `(b, t, c, *space)` each, in any precision; sums are taken in float64.

    Frames of the prediction that are not finite are set to zero here and are marked in `finite`, `(b, t, c)`.
    """

    def __init__(self, pred: Array, true: Array, context: Context, ensemble: Array | None = None) -> None:
        if pred.shape != true.shape or pred.shape[3:] != context.space:
            raise ValueError(f"prediction {pred.shape} and truth {true.shape} must match, on grid {context.space}")
        if ensemble is not None and ensemble.shape[1:] != true.shape:
            raise ValueError(f"ensemble {ensemble.shape} must be the truth's shape {true.shape} behind its members")
        if context.volumes is not None and context.volumes.shape != context.space:
            raise ValueError(f"volumes {context.volumes.shape} must have the shape of space, {context.space}")
        space = tuple(range(3, pred.ndim))
        if context.volumes is not None and not context.volumes.all():
            pred, true = (np.where(context.volumes > 0, values, 0) for values in (pred, true))
        limit = min(LARGEST, float(np.finfo(pred.dtype).max)) if pred.dtype.kind == "f" else LARGEST
        self.finite = (pred.max(axis=space) <= limit) & (pred.min(axis=space) >= -limit)  # NaN is neither
        self.pred = pred if self.finite.all() else np.where(np.expand_dims(self.finite, space), pred, 0)
        self.true, self.context, self.ensemble = true, context, ensemble

    @cached_property
    def moments(self) -> Moments:
        """One pass over the data, block by block."""
        points, volumes = prod(self.context.space), self.context.volumes
        table = np.empty((11, prod(self.true.shape[:3])))
        share = None if volumes is None else volumes.ravel()[volumes.ravel() > 0] / volumes.sum(dtype=np.float64)
        for rows, p, u in self._blocks(points):
            if volumes is not None:
                p, u = (np.compress(volumes.ravel() > 0, values, axis=1) for values in (p, u))
            e = p - u
            size_e, size_p, size_u = np.abs(e), np.abs(p), np.abs(u)
            mean_p, mean_u = _mean(p, share), _mean(u, share)
            p -= mean_p[:, None]
            u -= mean_u[:, None]
            table[:, rows] = (
                *(_dot(e, e, share), _mean(size_e, share), size_e.max(axis=1)),
                *(mean_p, mean_u),
                *(_dot(p, p, share), _dot(u, u, share), _dot(p, u, share)),
                *(_mean(size_u, share), size_p.max(axis=1), size_u.max(axis=1)),
            )
        return Moments(*table.reshape(11, *self.true.shape[:3]))

    @cached_property
    def spectra(self) -> Spectra:
        """One pass, with two transforms per frame and field: of the truth and of the error; p = u + e.

        Fourier modes of a periodic box, cosines (DCT-II, whose even extension has no jump) between walls.
        """
        grid = self.context.uniform("a spectrum")
        shape = grid.shape
        shells, order, starts, weight = _shells(grid, self.context.periodic)
        table = np.empty((3, prod(self.true.shape[:3]), len(shells)))
        axes = tuple(range(1, 1 + len(shape)))

        def modes_of(values: Array) -> Array | Complex:
            boxes = values.reshape(-1, *shape)
            if self.context.periodic:
                return cast(Complex, fft.rfftn(boxes, axes=axes, norm="forward"))
            return cast(Array, fft.dctn(boxes, axes=axes, norm="ortho") / np.sqrt(prod(shape)))

        def by_shell(modes: Array | Complex) -> Array:
            power = (modes.real**2 + modes.imag**2).reshape(len(modes), -1) * weight
            return np.add.reduceat(power[:, order], starts, axis=1)

        for rows, p, u in self._blocks(prod(shape)):
            error, true = modes_of(p - u), modes_of(u)
            table[0, rows], table[2, rows] = by_shell(error), by_shell(true)
            true += error
            table[1, rows] = by_shell(true)
        return Spectra(shells, *table.reshape(3, *self.true.shape[:3], len(shells)))

    @cached_property
    def constant(self) -> Array:
        """Frames `(b, t, c)` where the truth's std is below `CONSTANT` of its largest value in the trajectory."""
        peak = self.moments.true_max.max(axis=1, keepdims=True)
        return np.asarray(np.sqrt(self.moments.true_variance) <= CONSTANT * peak)

    def _blocks(self, points: int) -> Iterator[tuple[slice, Array, Array]]:
        """Rows (one frame and field each) of both, `(rows, points)`, as float64 copies."""
        pred, true = self.pred.reshape(-1, points), self.true.reshape(-1, points)
        size = max(1, BLOCK // points)
        for low in range(0, len(true), size):
            rows = slice(low, low + size)
            yield rows, pred[rows].astype(np.float64), true[rows].astype(np.float64)


def ratio(above: Array, below: Array) -> Array:
    """`above / below`, and NaN (undefined) where `below` is 0."""
    out = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    np.divide(above, below, out=out, where=below != 0)
    return out


def _dot(a: Array, b: Array, share: Array | None) -> Array:
    if share is None:
        return np.asarray(np.einsum("ij,ij->i", a, b) / a.shape[1])
    return np.asarray(np.einsum("ij,ij,j->i", a, b, share))


def _mean(values: Array, share: Array | None) -> Array:
    """Mean over points, weighted by their share of the volume where they differ."""
    return np.asarray(values.mean(axis=1) if share is None else values @ share)


def _shells(grid: Grid, periodic: bool = True) -> tuple[Index, Index, Index, Array]:
    """Shell numbers, the order that sorts modes into shells, each shell's start, and Parseval's weights.

    Modes of `rfftn`; between walls, of a cosine transform, whose mode k has k/2 waves.
    """
    *slow, fast = grid.shape
    lines = [np.fft.fftfreq(n, 1 / n) for n in slow] + [np.fft.rfftfreq(fast, 1 / fast)]
    if not periodic:
        lines = [np.arange(n) / 2 for n in grid.shape]
    longest = max(grid.lengths)
    waves = np.meshgrid(*(k * longest / h for k, h in zip(lines, grid.lengths, strict=True)), indexing="ij")
    # The nudge keeps |k| = 4 in the shell 4 whatever the rounding.
    number = np.floor(np.sqrt(sum(k**2 for k in waves)) + 1e-9).astype(int).ravel()
    order = np.argsort(number, kind="stable")
    shells, starts = np.unique(number[order], return_index=True)
    if not periodic:
        return shells, order, starts, np.ones(number.size)
    twice = np.where((lines[-1] == 0) | (2 * lines[-1] == fast), 1.0, 2.0)
    weight = np.broadcast_to(twice, waves[0].shape).ravel()
    return shells, order, starts, weight
