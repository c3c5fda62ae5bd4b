"""What other projects mean by their metrics, so that a number from their papers can be compared with one of ours.

Each function gives one project's headline numbers under the project's own names, from arrays `(b, t, c, *space)` of the
predicted frames alone (never the frames given as input). They mix samples, times and fields in ways that ours
(`metrics.metrics`) do not: use them to compare with a published number, and ours for everything else.

>>> import numpy as np
>>> from pdebench.metrics import compat
>>> truth = np.ones((2, 3, 1, 8))
>>> compat["fno"](1.5 * truth, truth)
{'relative_l2': 0.5}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import pairwise
from math import inf, prod

import numpy as np

from ..arrays import Array
from ..registry import Registry
from .pair import ratio

Scores = dict[str, float]
compat: Registry[Callable[..., Scores]] = Registry("compat")


def _checked(function: Callable[..., Scores]) -> Callable[..., Scores]:
    """The function on float64 copies of equal shape `(b, t, c, *space)`; raises `ValueError` for others."""

    @wraps(function)
    def call(pred: Array, true: Array, **options: object) -> Scores:
        if pred.shape != true.shape or pred.ndim < 4:
            raise ValueError(f"prediction {pred.shape} and truth {true.shape} must both be (b, t, c, *space)")
        return function(np.asarray(pred, np.float64), np.asarray(true, np.float64), **options)

    return call


def _project(name: str) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    return lambda function: compat(name)(_checked(function))


def _space(values: Array) -> tuple[int, ...]:
    return tuple(range(3, values.ndim))


@_project("pdebench")
def pdebench(pred: Array, true: Array, *, lengths: Sequence[float] | None = None, batch: int | None = None) -> Scores:
    """Takamoto et al. 2022, PDEBench: RMSE, nRMSE, CSV (cRMSE), BD (bRMSE) and fRMSE in three bands.

    Means over fields and times, then over batches of `batch` samples (default: all in one), a short last batch
    weighing as much as a full one. `lengths` of the box default to 1. A band that the grid does not reach is left out.
    In 2D and 3D the bands hold the first quadrant or octant of the error's modes only, so that an error
    cos(5x − 5y) scores zero, and the corners count twice in bRMSE.
    """
    size = batch or len(pred)
    box = (1.0,) * (pred.ndim - 3) if lengths is None else tuple(lengths)
    parts = [_pdebench_batch(pred[i : i + size], true[i : i + size], box) for i in range(0, len(pred), size)]
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def _pdebench_batch(pred: Array, true: Array, lengths: tuple[float, ...]) -> dict[str, Array]:
    error, space, points = pred - true, _space(pred), prod(pred.shape[3:])
    square = np.mean(error**2, axis=space)
    total = error.sum(axis=space)
    bands = np.sqrt(_pdebench_shells(error).mean(axis=0)) / points * prod(lengths)  # (t, c, shell)
    scores = {
        "RMSE": np.sqrt(square).mean(),
        "nRMSE": np.sqrt(square / np.mean(true**2, axis=space)).mean(),
        "CSV": np.sqrt(np.mean(total**2, axis=0)).mean() / points,
        "BD": _pdebench_boundary(error).mean(),
    }
    cuts = {"low": bands[..., :4], "mid": bands[..., 4:12], "high": bands[..., 12:]}
    return scores | {f"fRMSE_{name}": band.mean() for name, band in cuts.items() if band.size}


def _pdebench_boundary(error: Array) -> Array:
    """√ of the mean square over the sides; corners belong to each side they touch, and in 3D fields are pooled."""
    sides = [np.take(error, end, axis=axis) ** 2 for axis in _space(error) for end in (0, -1)]
    flat = [side.reshape(*side.shape[:3], -1) for side in sides]
    together = np.concatenate(flat, axis=-1)
    if error.ndim == 6:
        together = np.moveaxis(together, 2, 3).reshape(*together.shape[:2], 1, -1)
    return np.asarray(np.sqrt(together.mean(axis=-1)))


def _pdebench_shells(error: Array) -> Array:
    """|FFT|² by shell ⌊|k|⌋, `(b, t, c, shell)`; beyond 1D over the modes 0 ≤ kᵢ < nᵢ/2, shells below min nᵢ/2."""
    shape = error.shape[3:]
    if len(shape) == 1:
        return np.asarray(np.abs(np.fft.rfft(error)) ** 2)
    half = [n // 2 for n in shape]
    quadrant = np.abs(np.fft.fftn(error, axes=_space(error))) ** 2
    for axis, n in zip(_space(error), half, strict=True):
        quadrant = quadrant.take(range(n), axis=axis)
    number = np.floor(np.sqrt(sum(k**2 for k in np.indices(half)))).astype(int)
    return np.stack([quadrant[..., number == shell].sum(axis=-1) for shell in range(min(half))], axis=-1)


@_project("the_well")
def the_well(pred: Array, true: Array) -> Scores:
    """Ohana et al. 2024, The Well: VRMSE with the unbiased variance and + 1e-7; frames 6…11 and 13…29 apart (from 0).

    A window that the roll-out does not reach is left out. The binned spectral MSE adds up to the MSE; relative to the
    truth's own, with + 1e-7, it is called NMSE.
    """
    space = _space(pred)
    spread = true.std(axis=space, ddof=1) ** 2
    values = np.sqrt(np.mean((pred - true) ** 2, axis=space) / (spread + 1e-7))
    scores = {"VRMSE": float(values.mean())} | _well_bins(pred - true, true)
    for low, high in ((6, 12), (13, 30)):
        if values.shape[1] >= high:
            scores[f"VRMSE_{low}:{high}"] = float(values[:, low:high].mean())
    return scores


def _well_bins(error: Array, true: Array) -> Scores:
    """Mean squares of the modes in three bins of |k|, in radians per grid spacing, whatever the box.

    Edges from the longest side's first mode, 2π/n, to the corner π√d, equal in log; the first bin begins at 0.
    """
    shape, space = error.shape[3:], _space(error)
    waves = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n) for n in shape), indexing="ij")
    size = np.sqrt(sum(wave**2 for wave in waves))
    edges = np.geomspace(2 * np.pi / max(shape), np.pi * np.sqrt(len(shape)) + 1e-6, 4)
    edges[0] = 0
    scores = {}
    powers = [np.abs(np.fft.fftn(values, axes=space, norm="forward")) ** 2 for values in (error, true)]
    for index, (low, high) in enumerate(pairwise(edges)):
        mine, whole = (power[..., (size >= low) & (size < high)].sum(axis=-1) for power in powers)
        scores[f"spectral_MSE_{index}"] = float(mine.mean())
        scores[f"spectral_NMSE_{index}"] = float((mine / (whole + 1e-7)).mean())
    return scores


@_project("apebench")
def apebench(pred: Array, true: Array) -> Scores:
    """Koehler et al. 2024, APEBench: nRMSE summed over fields, geometric mean over (at most 100) steps; last cosine."""
    space = _space(pred)
    own, size = (np.sqrt(np.sum(values**2, axis=space)) for values in (pred, true))
    per_step = (np.sqrt(np.sum((pred - true) ** 2, axis=space)) / size).sum(axis=2).mean(axis=0)
    cosine = (np.sum(pred * true, axis=space) / (own * size)).mean(axis=(0, 2))
    with np.errstate(divide="ignore"):  # a step without error makes the geometric mean 0
        geometric = np.exp(np.log(per_step[:100]).mean())
    return {"nRMSE_gmean": float(geometric), "correlation_last": float(cosine[-1])}


@_project("pdearena")
def pdearena(pred: Array, true: Array) -> Scores:
    """Gupta & Brandstetter 2023, PDEArena: scaled L2 over (t, c, x); MSE summed over t, c; Pearson over (c, x)."""
    error, whole = pred - true, tuple(range(1, pred.ndim))
    scaled = np.sqrt(np.sum(error**2, axis=whole) / np.sum(true**2, axis=whole))
    return {
        "scaled_l2": float(scaled.mean()),
        "mse_sum": float(np.mean(error**2, axis=_space(pred)).sum(axis=(1, 2)).mean()),
        "correlation": float(_pearson(pred, true, tuple(range(2, pred.ndim))).mean()),
    }


@_project("sinenet")
def sinenet(pred: Array, true: Array) -> Scores:
    """Zhang et al. 2024, SineNet: ‖e‖ / ‖u‖ of each sample, time and field, then their mean."""
    space = _space(pred)
    return {"relative_l2": float(np.sqrt(np.sum((pred - true) ** 2, space) / np.sum(true**2, space)).mean())}


@_project("pde_refiner")
def pde_refiner(pred: Array, true: Array, *, step: float = 1.0, threshold: float = 0.8) -> Scores:
    """Lippe et al. 2023, PDE-Refiner: frames × `step` whose mean Pearson correlation is above the threshold.

    A count of frames, wherever they are: not the first crossing that `correlation_time` gives.
    """
    curve = _pearson(pred, true, _space(pred)).mean(axis=(0, 2))
    return {"high_correlation_time": float((curve > threshold).sum() * step)}


@_project("tsm")
def tsm(pred: Array, true: Array, *, step: float = 1.0, threshold: float = 0.95) -> Scores:
    """Sun, Yang & Yoo 2023, temporal stencil modelling: frames × `step` whose mean cosine is above the threshold."""
    space = _space(pred)
    inner = np.sum(pred * true, axis=space)
    size = np.sqrt(np.sum(pred**2, axis=space) * np.sum(true**2, axis=space))
    return {"decorrelation_time": float(((inner / size).mean(axis=(0, 2)) > threshold).sum() * step)}


@_project("fno")
def fno(pred: Array, true: Array) -> Scores:
    """Li et al. 2021, FNO, and the Neural-Solver-Library: mean of ‖e‖₂/‖u‖₂ over points, fields and times jointly."""
    whole = tuple(range(1, pred.ndim))
    return {"relative_l2": float(np.sqrt(np.sum((pred - true) ** 2, axis=whole) / np.sum(true**2, axis=whole)).mean())}


@_project("poseidon")
def poseidon(pred: Array, true: Array) -> Scores:
    """Herde et al. 2024, Poseidon: relative L¹ error of a sample in per cent, median over samples."""
    whole = tuple(range(1, pred.ndim))
    errors = np.abs(pred - true).sum(axis=whole) / np.abs(true).sum(axis=whole)
    return {"median_relative_l1_percent": float(100 * np.median(errors))}


def poseidon_gains(
    reference: Mapping[int, float], model: Mapping[int, float], *, accuracy_at: int = 128, efficiency_at: int = 1024
) -> Scores:
    """Herde et al. 2024, Poseidon: accuracy gain AG and efficiency gain EG, from learning curves {samples: error}.

    AG = reference error / model error, both trained on `accuracy_at` samples. EG = `efficiency_at` / s, with s the
    samples at which the model is as good as the reference on `efficiency_at`; linear in log–log between points of the
    model's curve. Beyond its ends nothing is extrapolated: inf and 0 stand for better than its first point and worse
    than its last.
    """
    if accuracy_at not in reference or accuracy_at not in model or efficiency_at not in reference:
        raise ValueError(f"both curves need the error at {accuracy_at} samples, the reference that at {efficiency_at}")
    goal = reference[efficiency_at]
    samples = np.array(sorted(model), float)
    errors = np.minimum.accumulate([model[int(n)] for n in samples])  # more data never counts as worse
    if goal >= errors[0]:
        gain = inf if goal > errors[0] else efficiency_at / samples[0]
    elif goal < errors[-1]:
        gain = 0.0
    else:
        gain = efficiency_at / np.exp(np.interp(np.log(goal), np.log(errors[::-1]), np.log(samples[::-1])))
    return {f"AG_{accuracy_at}": reference[accuracy_at] / model[accuracy_at], f"EG_{efficiency_at}": float(gain)}


@_project("cfdbench")
def cfdbench(pred: Array, true: Array, *, fluid: Array | None = None) -> Scores:
    """Luo et al. 2023, CFDBench: NMSE = ⟨e²⟩/⟨u²⟩ of the batch; solid cells count, with zero error.

    `fluid` `(*space)` or `(b, *space)` is 1 in the fluid and 0 in the solid.
    """
    error = pred - true
    if fluid is not None:
        mask = np.asarray(fluid, np.float64)
        error = error * (mask[:, None, None] if mask.ndim > pred.ndim - 3 else mask)
    return {"NMSE": float(np.mean(error**2) / np.mean(true**2))}


@_project("pinnacle")
def pinnacle(pred: Array, true: Array) -> Scores:
    """Hao et al. 2023, PINNacle: relative L¹ and L² errors over everything at once."""
    error = pred - true
    return {
        "relative_l1": float(np.abs(error).sum() / np.abs(true).sum()),
        "relative_l2": float(np.sqrt(np.sum(error**2) / np.sum(true**2))),
    }


@_project("probconserv")
def probconserv(pred: Array, true: Array, *, volume: float = 1.0) -> Scores:
    """Hansen et al. 2023, ProbConserv: mass of the prediction less the truth's at the last time, mean of samples."""
    mass = (pred - true).mean(axis=_space(pred)) * volume
    return {"conservation_error": float(mass[:, -1].mean())}


def _pearson(pred: Array, true: Array, axes: tuple[int, ...]) -> Array:
    """Correlation coefficient over `axes`; NaN for constants."""
    p, u = (values - values.mean(axis=axes, keepdims=True) for values in (pred, true))
    return ratio(np.sum(p * u, axis=axes), np.sqrt(np.sum(p**2, axis=axes) * np.sum(u**2, axis=axes)))
