"""Units of work, fixed by the card and never by the rank count, and the order in which a unit's members are solved."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .arrays import Array, Index
from .spec import DatasetSpec

WAVES = 8  # cosine modes per axis that describe a field; half as many in three dimensions
WINDOW = 256  # members among which the greedy order looks for the nearest
BITS = 16  # of a coordinate on the space-filling curve


def units(spec: DatasetSpec) -> list[Index]:
    """Members of each unit. A unit is a contiguous range of members, because it is also one shard of the store."""
    size, count = spec.samples.unit, spec.samples.count
    return [np.arange(low, min(low + size, count)) for low in range(0, count, size)]


def number(spec: DatasetSpec, unit: Index) -> int:
    """Which unit these members are."""
    return int(unit.min()) // spec.samples.unit


def waves(state: Array) -> Array:
    """The low cosine modes of each field, `(field, *space)` -> `(field, mode)`: what two alike members have in common.

    Of a field that is positive everywhere, those of its logarithm. Costs a few passes over the field.
    """
    count = WAVES if state.ndim < 4 else WAVES // 2
    rows = []
    for values in state:
        modes = np.log(values) if np.all(values > 0) else values
        for n in values.shape:  # each turn takes the first axis and puts its modes last
            modes = np.tensordot(modes, _cosines(n, min(count, n)), axes=(0, 1))
        rows.append(modes.ravel())
    return np.stack(rows)


def arranged(kind: Literal["greedy", "hilbert"], modes: Array, params: Array) -> Index:
    """Positions of members in an order where neighbours are alike, `(member,)`.

    From `waves` of each member, `(member, field, mode)`, and parameters, `(member, p)`; every field and every
    parameter counts alike. Both orders begin at the first member's end of things and depend on nothing but the input.
    """
    vectors = _vectors(modes, params)
    return _greedy(vectors) if kind == "greedy" else _along_curve(vectors)


def _vectors(modes: Array, params: Array) -> Array:
    """Feature vectors `(member, feature)`: each field's and each parameter's deviations scaled to the same sum."""
    blocks = [*np.moveaxis(modes, 1, 0), *params.T[:, :, None]]
    centred = [block - block.mean(axis=0) for block in blocks]
    sizes = [float(np.linalg.norm(block)) for block in centred]
    scaled = [block / size for block, size in zip(centred, sizes, strict=True) if 0 < size < np.inf]
    return np.concatenate(scaled, axis=1) if scaled else np.zeros((len(modes), 1))


def _greedy(vectors: Array) -> Index:
    """Always the nearest of the next `WINDOW` members that are left; O(n · window)."""
    count = len(vectors)
    order = np.empty(count, int)
    pool = np.arange(min(WINDOW, count))
    now = 0  # the place in the pool of the member that is next
    for step in range(count):
        order[step] = member = pool[now]
        arriving = step + WINDOW
        pool = np.delete(pool, now) if arriving >= count else np.append(np.delete(pool, now), arriving)
        if len(pool):
            now = int(np.square(vectors[pool] - vectors[member]).sum(axis=1).argmin())
    return order


def _along_curve(vectors: Array) -> Index:
    """Along a Hilbert curve through the first three principal components; O(n log n)."""
    _, _, axes = np.linalg.svd(vectors, full_matrices=False)
    axes = axes[:3] * np.sign(np.take_along_axis(axes[:3], np.abs(axes[:3]).argmax(axis=1)[:, None], axis=1))
    places = vectors @ axes.T
    places -= places.min(axis=0)
    top = places.max()
    whole = (places * ((2**BITS - 1) / top if top > 0 else 0)).astype(np.int64)
    return np.argsort(hilbert(whole), kind="stable")


def hilbert(places: Index) -> Index:
    """How far along the Hilbert curve each point lies, `(point, axis)` of whole numbers below 2^16 -> `(point,)`.

    Skilling (2004), "Programming the Hilbert curve", AIP Conf. Proc. 707, 381: at most three axes here.
    """
    x = places.T.copy()
    for q in (1 << bit for bit in range(BITS - 1, 0, -1)):  # undo the turns, from the coarsest on
        for i in range(len(x)):
            turned, swap = x[i] & q > 0, (x[0] ^ x[i]) & (q - 1)
            x[0] = np.where(turned, x[0] ^ (q - 1), x[0] ^ swap)
            x[i] = np.where(turned | (i == 0), x[i], x[i] ^ swap)
    for i in range(1, len(x)):  # Gray code
        x[i] ^= x[i - 1]
    flips = np.zeros_like(x[0])
    for q in (1 << bit for bit in range(BITS - 1, 0, -1)):
        flips = np.where(x[-1] & q > 0, flips ^ (q - 1), flips)
    x = x ^ flips
    key = np.zeros_like(x[0])
    for bit in range(BITS - 1, -1, -1):
        for row in x:
            key = (key << 1) | ((row >> bit) & 1)
    return np.asarray(key)


def _cosines(n: int, count: int) -> Array:
    """The first cosine modes on n points, `(count, n)`, as means over them."""
    return np.asarray(np.cos(np.pi * np.outer(np.arange(count), np.arange(n) + 0.5) / n) / n)
