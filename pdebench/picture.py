"""One predicted sample to look at, small enough for a record: 16-bit steps between two ends of each field."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from math import prod
from typing import Annotated

import numpy as np
from pydantic import Field

from .arrays import Array
from .errors import RecordError
from .spec import Card, Finite

STEPS = 2**16 - 2  # between the ends of a field's scale; the code above them says "not finite"
LOST = 2**16 - 1


class Picture(Card):
    """Truth and prediction as little-endian uint16 arrays `(time, field, y, x)`, base64.

    Code n of a field is low + (high − low)·n/65534, with the field's ends in `scale`; 65535 is not finite. Without
    `scale`, as in records before version 4, the arrays are float16.
    """

    member: int
    times: list[Finite]
    shape: tuple[int, ...]
    truth: str
    prediction: str
    scale: list[Annotated[list[Finite], Field(min_length=2, max_length=2)]] | None = None  # [low, high] of each field


def take(member: int, times: list[float], truth: Array, prediction: Array) -> Picture:
    """The picture of `(time, field, *space)` twice. The scale reaches beyond the truth by its own width, both ways.

    What a prediction has beyond that is clipped: no colour scale shows it.
    """
    space = tuple(range(2, truth.ndim))
    low, high = truth.min(axis=(0, *space)), truth.max(axis=(0, *space))
    width = np.where(high > low, high - low, np.maximum(np.abs(high), 1.0))
    low, high = (low - width).astype(np.float64), (high + width).astype(np.float64)
    return Picture(
        member=member,
        times=times,
        shape=truth.shape,
        truth=_coded(truth, low, high),
        prediction=_coded(prediction, low, high),
        scale=np.stack([low, high], axis=1).tolist(),
    )


def decode(picture: Picture) -> tuple[Array, Array]:
    """Truth and prediction, `(time, field, *space)`. Raises `RecordError` if the bytes do not fit the shape."""
    shape = picture.shape
    if len(shape) < 3 or min(shape) < 1 or len(picture.times) != shape[0]:
        raise RecordError(f"picture has {len(picture.times)} times for shape {list(shape)} (time, field, *space)")
    if picture.scale is not None and len(picture.scale) != shape[1]:
        raise RecordError(f"picture.scale has {len(picture.scale)} fields, shape {list(shape)} has {shape[1]}")
    pair = []
    for name, text in (("truth", picture.truth), ("prediction", picture.prediction)):
        try:
            content = b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise RecordError(f"picture.{name} is not base64: {error}") from error
        if len(content) != 2 * prod(shape):
            raise RecordError(f"picture.{name} holds {len(content)} bytes, shape {list(shape)} needs {2 * prod(shape)}")
        pair.append(_values(content, shape, picture.scale))
    return pair[0], pair[1]


def _coded(values: Array, low: Array, high: Array) -> str:
    ends = (len(low), *[1] * (values.ndim - 2))
    share = (values - low.reshape(ends)) / (high - low).reshape(ends)
    codes = np.where(np.isfinite(values), np.rint(STEPS * np.clip(np.nan_to_num(share), 0, 1)), LOST)
    return b64encode(codes.astype("<u2").tobytes()).decode()


def _values(content: bytes, shape: tuple[int, ...], scale: list[list[float]] | None) -> Array:
    if scale is None:
        return np.frombuffer(content, "<f2").reshape(shape).astype(np.float64)
    codes = np.frombuffer(content, "<u2").reshape(shape)
    low, high = np.array(scale).T.reshape(2, len(scale), *[1] * (len(shape) - 2))
    values: Array = np.where(codes == LOST, np.nan, low + (high - low) * (codes / STEPS))
    return values
