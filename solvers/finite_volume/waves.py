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
    out = np.zeros((count, *grid.shape))
    turns = [np.multiply.outer(numbers[:, a], 2 * np.pi * x / grid.lengths[a]) for a, x in enumerate(grid.axes())]
    for index in range(len(numbers)):
        wave = np.exp(1j * turns[0][index])
        for turn in turns[1:]:
            wave = np.multiply.outer(wave, np.exp(1j * turn[index]))
        coefficient = size[index] * (cos[:, index] - 1j * sin[:, index])
        out += np.multiply.outer(coefficient, wave).real
    return out
