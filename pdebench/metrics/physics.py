"""What a prediction must obey whatever the truth: symmetries of the equation, and fields without sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from scipy import fft

from ..arrays import Array
from ..errors import PdebenchError
from ..spec import Grid
from .pair import ratio

Action = Callable[[Array], Array]  # on the last axes of any array


def shift(*points: int) -> Action:
    """Translation by so many points along each axis of space, of a periodic box."""
    return lambda values: np.roll(values, points, axis=tuple(range(-len(points), 0)))


def reflection(axis: int, space: int, signs: Sequence[float] = ()) -> Action:
    """Mirror image along one axis of `space`, at nodes: the point 0 stays. `signs` multiply the fields, `(field,)`.

    A vorticity changes its sign, and so does the component of a velocity along the axis.
    """

    def mirror(values: Array) -> Array:
        turned = np.roll(np.flip(values, axis=axis - space), 1, axis=axis - space)
        return turned * np.reshape(signs, (-1, *[1] * space)) if len(signs) else turned

    return mirror


def equivariance_error(
    predict: Callable[[Array, Array, Array], Array], history: Array, params: Array, times: Array, action: Action
) -> Array:
    """‖M(g·u) − g·M(u)‖ / ‖M(u)‖ over space, `(b, t, c)`: 0 for a model that knows the symmetry `action` = g.

    `action` must be one of the equation's; it acts on `(..., field, *space)`, and leaves the parameters alone.
    """
    plain = predict(history, params, times)
    turned = predict(np.ascontiguousarray(action(history)), params, times)
    space = tuple(range(3, plain.ndim))
    above, below = (np.mean(np.square(v, dtype=np.float64), axis=space) for v in (turned - action(plain), plain))
    return ratio(np.sqrt(above), np.sqrt(below))


def divergence(velocity: Array, grid: Grid) -> Array:
    """√⟨(∇·u)²⟩ / √⟨|∇u|²⟩ of `(..., component, *space)` on a periodic box, `(...)`; 0 solenoidal, NaN for a constant.

    Components stand in the order of the grid's axes. Spectral derivatives; the Nyquist modes, which have none, are 0.
    """
    shape = grid.shape
    if velocity.shape[-len(shape) - 1 :] != (len(shape), *shape):
        raise PdebenchError(f"a velocity on {shape} ends in {(len(shape), *shape)}, not in {velocity.shape}")
    axes = tuple(range(-len(shape), 0))
    modes = fft.fftn(velocity.astype(np.float64), axes=axes) / prod(shape)
    lines = [2 * np.pi * np.fft.fftfreq(n, length / n) for n, length in zip(shape, grid.lengths, strict=True)]
    for line, n in zip(lines, shape, strict=True):
        line[n // 2] *= n % 2  # Nyquist
    waves = np.stack(np.meshgrid(*lines, indexing="ij"))
    source = (waves * modes).sum(axis=-len(shape) - 1)
    slopes = (waves**2).sum(axis=0) * (np.abs(modes) ** 2).sum(axis=-len(shape) - 1)
    return ratio(np.sqrt((np.abs(source) ** 2).sum(axis=axes)), np.sqrt(slopes.sum(axis=axes)))
