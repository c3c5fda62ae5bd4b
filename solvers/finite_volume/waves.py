"""Random smooth functions of x, the same on any grid: a few periodic waves."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array
from pdebench.spec import Grid


def random_waves(grid: Grid, rng: np.random.Generator, *, modes: int, decay: float, count: int = 1) -> Array:
    """`count` periodic fields `(count, *grid)` of mean square one: all waves |nᵢ| ≤ `modes`, amplitudes ∝ |n|^−decay.

    What is drawn does not depend on the grid.
    """
    axes = len(grid.shape)
    numbers = np.stack(np.meshgrid(*(np.arange(-modes, modes + 1),) * axes, indexing="ij"), -1).reshape(-1, axes)
    numbers = numbers[len(numbers) // 2 + 1 :]  # one of each pair ±n, without n = 0
    size = np.linalg.norm(numbers, axis=1) ** -decay
    size /= np.sqrt(np.sum(size**2))
    cos, sin = rng.standard_normal((2, count, len(numbers)))
    out = np.zeros((count, *(2 * modes + 1,) * axes), complex)
    out[:, *(numbers + modes).T] = size * (cos - 1j * sin)
    for x, length in zip(grid.axes(), grid.lengths, strict=True):  # one axis of waves after the other becomes one of x
        turns = np.exp(2j * np.pi / length * np.multiply.outer(np.arange(-modes, modes + 1), x))
        out = np.tensordot(out, turns, axes=(1, 0))
    return np.ascontiguousarray(out.real)
