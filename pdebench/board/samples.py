"""Sample fields as pictures: truth, prediction and error of one trajectory, one strip of frames each."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..arrays import Array
from ..picture import decode
from ..task import Record

FRAMES = 4  # at most, of those in the record
BUDGET = 1_500_000  # pixels on one page, a byte each before compression
MAGNIFIED = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0)  # of the error; a step of the record is then 1 % of the scale

# Palette: 0 … 253 the colour scale, then what is not finite, then the gap between frames.
COLOURS, LOST, GAP = 254, 254, 255


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of frames as WebP without loss, and by how much its colours are magnified."""

    image: bytes
    magnified: float = 1.0


@dataclass(frozen=True, slots=True)
class Gallery:
    """One field of one trajectory: the truth, and prediction and error of each model that shows it."""

    field: str
    member: int
    times: tuple[float, ...]
    scale: tuple[float, float]
    bar: bytes
    truth: Strip
    models: tuple[tuple[Record, Strip, Strip], ...]


def galleries(
    records: Iterable[Record], *, most: int = FRAMES, apart: bool = True, budget: int = BUDGET
) -> list[Gallery]:
    """One gallery per trajectory and field shown in the records, models in the order given.

    A strip has at most `most` frames, with a gap between them if they are to be `apart`; all together have at most
    `budget` pixels.
    """
    groups: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        if (picture := record.picture) is not None:
            key = (picture.member, tuple(picture.times), picture.shape, picture.truth)
            groups.setdefault(key, []).append(record)
    images = sum(
        (1 + 2 * len(group)) * min(len(group[0].picture.times), most) * len(group[0].fields)
        for group in groups.values()
        if group[0].picture
    )
    side = min(128, isqrt(budget // max(images, 1)))
    return [
        _gallery(group, index, side, most, apart) for group in groups.values() for index in range(len(group[0].fields))
    ]


def _gallery(group: list[Record], index: int, side: int, most: int, apart: bool) -> Gallery:
    pictures = [record.picture for record in group if record.picture is not None]
    frames = _spread(len(pictures[0].times), most)
    arrays = [[_plane(half[frames, index], side) for half in decode(picture)] for picture in pictures]
    truth = arrays[0][0]
    low, high = _scale(truth)
    signed = low < 0 < high
    models = []
    for record, (_, prediction) in zip(group, arrays, strict=True):
        with np.errstate(invalid="ignore"):  # inf - inf
            error = prediction - truth
        reach = (high - low) / 2
        factor = _magnification(error, reach)
        models.append(
            (
                record,
                Strip(_strip(prediction, low, high, signed, apart)),
                Strip(_strip(error * factor, -reach, reach, True, apart), factor),
            )
        )
    times = tuple(pictures[0].times[i] for i in frames)
    bar = _painted(np.arange(COLOURS, dtype=np.uint8)[None].repeat(8, axis=0), diverging=signed)
    strip = Strip(_strip(truth, low, high, signed, apart))
    return Gallery(group[0].fields[index], pictures[0].member, times, (low, high), bar, strip, tuple(models))


def _spread(count: int, most: int) -> list[int]:
    """At most `most` of `count` frames, evenly spread, the last among them."""
    shown = min(count, most)
    return [round((i + 1) * count / shown) - 1 for i in range(shown)]


def _plane(frames: Array, side: int) -> Array:
    """`(time, *space)` -> `(time, y, x)`: a line becomes a band, a volume its middle slice; at most `side` points."""
    while frames.ndim > 3:
        frames = frames[:, frames.shape[1] // 2]
    if frames.ndim == 2:
        frames = frames[:, None].repeat(max(frames.shape[1] // 4, 1), axis=1)
    stride = -(-max(frames.shape[1:]) // side)
    return frames[:, ::stride, ::stride]


def _scale(truth: Array) -> tuple[float, float]:
    """Least and greatest colour: symmetric for a field that changes sign, from 0.5 % to 99.5 % of the values."""
    finite = truth[np.isfinite(truth)]
    if not finite.size:
        return -1.0, 1.0
    low, high = (float(v) for v in np.quantile(finite, [0.005, 0.995]))
    if low < 0 < high:
        low, high = -max(-low, high), max(-low, high)
    return (low, high) if high > low else (low - 1.0, low + 1.0)


def _magnification(error: Array, reach: float) -> float:
    """The greatest factor by which the error still fits the colour scale."""
    finite = np.abs(error[np.isfinite(error)])
    largest = float(np.quantile(finite, 0.995)) if finite.size else 0.0
    return next((factor for factor in MAGNIFIED if 0 < factor * largest <= reach), 1.0)


def _strip(frames: Array, low: float, high: float, diverging: bool, apart: bool) -> bytes:
    """Frames side by side, y upwards, a narrow gap between them if `apart`."""
    with np.errstate(invalid="ignore"):
        levels = np.clip((frames - low) / (high - low), 0, 1) * (COLOURS - 1)
    index = np.where(np.isfinite(frames), np.nan_to_num(levels).round(), LOST).astype(np.uint8)[:, ::-1]
    gap = np.full((index.shape[1], max(index.shape[2] // 24, 1) if apart else 0), GAP, dtype=np.uint8)
    parts = [part for frame in index for part in (gap, frame)][1:]
    return _painted(np.concatenate(parts, axis=1), diverging=diverging)


def _painted(index: NDArray[np.uint8], *, diverging: bool) -> bytes:
    """The image in WebP, which takes two thirds of what PNG takes for small frames."""
    colours = matplotlib.colormaps["RdBu_r" if diverging else "viridis"](np.linspace(0, 1, COLOURS))
    palette = np.concatenate([colours, [[0.5, 0.5, 0.5, 1.0], [0.5, 0.5, 0.5, 0.0]]])  # LOST is grey, GAP is clear
    out = io.BytesIO()
    Image.fromarray((palette * 255).round().astype(np.uint8)[index]).save(out, "WEBP", lossless=True, method=4)
    return out.getvalue()
