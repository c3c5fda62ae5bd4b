"""The metrics as plain functions of NumPy arrays or torch tensors, differentiable, for use as a loss.

Every function takes `(..., *space)` twice, the number of axes of space, and mostly the cells' `volumes` `(*space)`
(0: masked), and gives `(...)`. Nothing is copied to the host and nothing is changed in place; the array's own
library does the work, by the array API standard. Definitions are those of `metrics`, of which these are the second
implementation. Where a root is taken at 0, the gradient is 0.

>>> import numpy as np
>>> from pdebench.metrics import functional
>>> functional.nrmse(np.array([1.5, 3.0]), np.array([1.0, 2.0]), 1).round(6)
0.5
"""

from __future__ import annotations

from typing import Any

from ..errors import PdebenchError
from .spectral import FLOOR


def rmse(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """√⟨e²⟩."""
    return _root(_mean((pred - true) ** 2, space, volumes))


def nrmse(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """√⟨e²⟩ / √⟨u²⟩."""
    return rmse(pred, true, space, volumes) / _root(_mean(true**2, space, volumes))


def vrmse(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """√⟨e²⟩ / std(u)."""
    return rmse(pred, true, space, volumes) / _root(_mean(_centred(true, space, volumes) ** 2, space, volumes))


def max_error(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """max |e|; where several points share it, the gradient is shared as the library does."""
    xp = _library(pred)
    size = xp.abs(pred - true)
    if volumes is not None:
        size = xp.where(volumes > 0, size, xp.zeros_like(size))
    return xp.max(size, axis=_axes(space))


def relative_l1(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """Σ|e| / Σ|u|."""
    xp = _library(pred)
    return _mean(xp.abs(pred - true), space, volumes) / _mean(xp.abs(true), space, volumes)


def conserved_error(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """|⟨e⟩|."""
    return _library(pred).abs(_mean(pred - true, space, volumes))


def correlation(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """Pearson's coefficient over space; 1 is perfect: a loss is its negative."""
    return cosine(_centred(pred, space, volumes), _centred(true, space, volumes), space, volumes)


def cosine(pred: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """⟨pu⟩ / √(⟨p²⟩⟨u²⟩)."""
    below = _root(_mean(pred**2, space, volumes)) * _root(_mean(true**2, space, volumes))
    return _mean(pred * true, space, volumes) / below


def boundary_rmse(pred: Any, true: Any, space: int) -> Any:
    """rmse over the outermost layer of a box, each cell once."""
    xp = _library(pred)
    square, inner = (pred - true) ** 2, (..., *[slice(1, -1)] * space)
    whole, within = xp.sum(square, axis=_axes(space)), xp.sum(square[inner], axis=_axes(space))
    count = _count(square, space) - _count(square[inner], space)
    return _root((whole - within) / count)


def spectral_error(pred: Any, true: Any, space: int, *, low: float, high: float, periodic: bool = True) -> Any:
    """rmse of the error's modes low ≤ |k| < high, in waves per side of a cube; periodic boxes only."""
    if not periodic:
        raise PdebenchError("spectral_error as a loss is for periodic boxes")
    return _root(_total(_power(pred - true, space), _size(pred, space), low, high, space))


def energy_spectrum_error(pred: Any, true: Any, space: int) -> Any:
    """⟨|ln E(k) − ln E*(k)|⟩ over the shells k ≥ 1 where E* is above 1e-10 of its peak, of a periodic cube."""
    xp = _library(pred)
    size, powers = _size(pred, space), [_power(values, space) for values in (pred, true)]
    shells = range(1, int(float(xp.max(size))) + 1)
    mine, whole = (xp.stack([_total(p, size, k, k + 1, space) for k in shells], axis=-1) for p in powers)
    peak = xp.max(whole, axis=-1)
    floor = FLOOR * peak[..., None]
    used = whole > floor
    one = xp.ones_like(whole)
    kept = xp.where(mine > floor, mine, floor * one)
    gap = xp.abs(xp.log(xp.where(used, kept, one)) - xp.log(xp.where(used, whole, one)))
    return xp.sum(gap, axis=-1) / xp.sum(xp.astype(used, gap.dtype), axis=-1)


def crps(members: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """Fair CRPS of `(m, ..., *space)`, see `metrics.ensemble.crps`; all m² pairs are formed."""
    xp, m = _library(members), members.shape[0]
    near = xp.mean(xp.abs(members - true[None]), axis=0)
    if m > 1:
        near = near - xp.sum(xp.abs(members[:, None] - members[None]), axis=(0, 1)) / (2 * m * (m - 1))
    return _mean(near, space, volumes)


def energy_score(members: Any, true: Any, space: int, volumes: Any = None) -> Any:
    """Fair energy score of `(m, ..., *space)`, see `metrics.ensemble.energy_score`."""
    m = members.shape[0]
    near = sum(rmse(x, true, space, volumes) for x in members) / m
    if m == 1:
        return near
    pairs = [rmse(members[i], members[j], space, volumes) for i in range(m) for j in range(i)]
    return near - sum(pairs) / (m * (m - 1))


def _library(values: Any) -> Any:
    import array_api_compat

    return array_api_compat.array_namespace(values)


def _axes(space: int) -> tuple[int, ...]:
    return tuple(range(-space, 0))


def _count(values: Any, space: int) -> int:
    count = 1
    for n in values.shape[len(values.shape) - space :]:
        count *= int(n)
    return count


def _mean(values: Any, space: int, volumes: Any) -> Any:
    xp = _library(values)
    if volumes is None:
        return xp.mean(values, axis=_axes(space))
    kept = xp.where(volumes > 0, values, xp.zeros_like(values))  # NaN in a solid times 0 would be NaN
    return xp.sum(kept * volumes, axis=_axes(space)) / xp.sum(volumes)


def _centred(values: Any, space: int, volumes: Any) -> Any:
    return values - _mean(values, space, volumes)[(..., *[None] * space)]


def _root(values: Any) -> Any:
    xp = _library(values)
    positive = values > 0
    return xp.where(positive, xp.sqrt(xp.where(positive, values, xp.ones_like(values))), xp.zeros_like(values))


def _power(values: Any, space: int) -> Any:
    """|modes|² of the full transform; they add up to the mean square."""
    xp = _library(values)
    modes = xp.fft.fftn(values, axes=_axes(space), norm="forward")
    return xp.real(modes) ** 2 + xp.imag(modes) ** 2


def _size(values: Any, space: int) -> Any:
    """|k| of every mode."""
    xp, total = _library(values), 0.0
    device = {} if not hasattr(values, "device") or isinstance(values.device, str) else {"device": values.device}
    for axis, n in enumerate(values.shape[len(values.shape) - space :]):
        wave = xp.fft.fftfreq(n, d=1 / n, **device)
        total = total + xp.reshape(wave, [-1 if i == axis else 1 for i in range(space)]) ** 2
    return xp.sqrt(total)


def _total(power: Any, size: Any, low: float, high: float, space: int) -> Any:
    xp = _library(power)
    inside = (size + 1e-6 >= low) & (size + 1e-6 < high)
    return xp.sum(xp.where(inside, power, xp.zeros_like(power)), axis=_axes(space))
