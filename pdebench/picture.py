"""One predicted sample to look at, small enough for a record: bytes between two ends of each field."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from math import prod
from typing import Annotated

import numpy as np
from pydantic import Field

from .arrays import Array, evenly
from .errors import RecordError
from .spec import Card, Finite

FRAMES = 4  # of a picture, at most
LOST = 255  # the code that says "not finite"
STEPS, SIDE = 254, 31  # between the ends of the truth; from no error to the largest
MOST = 2**24  # values that a picture may hold
OLD_LOST = 2**16 - 1  # as LOST, in records before version 5


class Picture(Card):
    """Truth and error (prediction − truth) as arrays of bytes `(time, field, y, x)`, deflated, in base64.

    Code n of a field is low + (high − low)·n/254 in the truth, its ends in `scale`, and reach·(n − 31)/31 in the error;
    255 is not finite. The error is that of the whole numbers: one that is small is as well resolved as one that is
    large. Of the truth, which is smooth, each byte stands for the step from the one before it in its line, modulo 256.

    Without `reach`, as in records before version 5, `prediction` is the prediction itself, and both are uint16 in
    steps of (high − low)/65534, 65535 not finite; without `scale`, too, as before version 4, both are float16.
    """

    member: int
    times: list[Finite]
    shape: tuple[int, ...]
    truth: str
    prediction: str
    scale: list[Annotated[list[Finite], Field(min_length=2, max_length=2)]] | None = None  # [low, high] of each field
    reach: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] | None = None  # largest error of each field


def spread(count: int) -> list[int]:
    """Which of `count` frames a picture shows: evenly spread, both ends among them."""
    return [int(i) for i in evenly(count, FRAMES)]


def take(member: int, times: list[float], truth: Array, prediction: Array) -> Picture:
    """The picture of `(time, field, *space)` twice.

    A prediction beyond the truth's own range by more than its width is clipped: no colour scale shows it.
    """
    truth, prediction = truth.astype(np.float64), np.asarray(prediction, np.float64)
    space = tuple(range(2, truth.ndim))
    low, high = truth.min(axis=(0, *space)), truth.max(axis=(0, *space))
    width = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    high = low + width  # of a constant truth, too, a scale has two ends
    ends = (len(low), *[1] * len(space))
    coded = np.rint(STEPS * (truth - low.reshape(ends)) / width.reshape(ends))
    finite = np.isfinite(prediction)
    near = np.clip(np.where(finite, prediction, 0), (low - width).reshape(ends), (high + width).reshape(ends))
    error = np.where(finite, near - truth, 0)
    reach = np.maximum(np.abs(error).max(axis=(0, *space)), 1e-9 * width)
    codes = np.where(finite, SIDE + np.rint(SIDE * error / reach.reshape(ends)), LOST)
    return Picture(
        member=member,
        times=times,
        shape=truth.shape,
        truth=_packed(np.diff(coded, axis=-1, prepend=0)),
        prediction=_packed(codes),
        scale=np.stack([low, high], axis=1).tolist(),
        reach=reach.tolist(),
    )


def decode(picture: Picture) -> tuple[Array, Array]:
    """Truth and prediction, `(time, field, *space)`. Raises `RecordError` if the bytes do not fit the shape."""
    shape = picture.shape
    if len(shape) < 3 or min(shape) < 1 or len(picture.times) != shape[0]:
        raise RecordError(f"picture has {len(picture.times)} times for shape {list(shape)} (time, field, *space)")
    if prod(shape) > MOST:
        raise RecordError(f"picture has shape {list(shape)}: at most {MOST} values")
    for name, ends in (("scale", picture.scale), ("reach", picture.reach)):
        if ends is not None and len(ends) != shape[1]:
            raise RecordError(f"picture.{name} has {len(ends)} fields, shape {list(shape)} has {shape[1]}")
    truth, other = (_bytes(picture, name) for name in ("truth", "prediction"))
    if picture.reach is not None and picture.scale is None:
        raise RecordError("picture has a reach but no scale")
    with np.errstate(over="ignore", invalid="ignore"):  # of ends that are too far apart
        values, predicted = (_old_values if picture.reach is None else _values)(truth, other, picture)
    if not np.isfinite(values).all():
        raise RecordError("picture.truth is not finite: evaluate again, on members that have not failed")
    return values, predicted


def _values(truth: bytes, other: bytes, picture: Picture) -> tuple[Array, Array]:
    shape = picture.shape
    column = (shape[1], *[1] * (len(shape) - 2))
    low, high = (end.reshape(column) for end in np.array(picture.scale).T)
    codes, error = (np.frombuffer(content, np.uint8).reshape(shape).astype(np.float64) for content in (truth, other))
    values: Array = low + (high - low) * (np.cumsum(codes, axis=-1) % 256) / STEPS
    off = np.where(error == LOST, np.nan, np.array(picture.reach).reshape(column) * (error - SIDE) / SIDE)
    return values, values + off


def _packed(codes: Array) -> str:
    return b64encode(zlib.compress((codes.astype(int) % 256).astype(np.uint8).tobytes(), 9)).decode()


def _bytes(picture: Picture, name: str) -> bytes:
    """The codes of one half; never more of them than its shape asks for."""
    text, size = getattr(picture, name), prod(picture.shape) * (1 if picture.reach is not None else 2)
    try:
        content = b64decode(text, validate=True)
        if picture.reach is not None:
            stream = zlib.decompressobj()
            content = stream.decompress(content, size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        kind = "base64" if picture.reach is None else "deflated bytes in base64"
        raise RecordError(f"picture.{name} is not {kind}: {error}") from error
    if len(content) != size:
        held = f"more than {size}" if len(content) > size else str(len(content))
        raise RecordError(f"picture.{name} holds {held} bytes, shape {list(picture.shape)} needs {size}")
    if picture.reach is not None and (stream.unused_data or not stream.eof):
        raise RecordError(f"picture.{name} is not one whole deflate stream")
    return content


def _old_values(truth: bytes, other: bytes, picture: Picture) -> tuple[Array, Array]:
    return _old_half(truth, picture), _old_half(other, picture)


def _old_half(content: bytes, picture: Picture) -> Array:
    if picture.scale is None:
        return np.frombuffer(content, "<f2").reshape(picture.shape).astype(np.float64)
    codes = np.frombuffer(content, "<u2").reshape(picture.shape)
    low, high = np.array(picture.scale).T.reshape(2, picture.shape[1], *[1] * (len(picture.shape) - 2))
    values: Array = np.where(codes == OLD_LOST, np.nan, low + (high - low) * (codes / (OLD_LOST - 1)))
    return values
