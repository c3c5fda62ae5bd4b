"""What the equations of the family share: a card with an initial state, and words to write the two sides with."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.errors import CardError
from pdebench.problem import Field, Parameter, Params
from pdebench.spec import Card, Grid

from .fourier import Modes, largest_mode
from .states import InitialState


class Equation(Card):
    """A periodic equation whose fields begin as `initial_state`, each with its own draw.

    A subclass is the equation: `fields`, `parameters`, `symbol`, `nonlinear`, where 𝒩 holds powers up to `degree`.
    """

    initial_state: InitialState

    fields: ClassVar[tuple[Field, ...]]
    parameters: ClassVar[tuple[Parameter, ...]]
    degree: ClassVar[int] = 2
    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 3)

    def band(self) -> int:
        return 0

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        return np.stack([self.drawn(grid, rng) for _ in self.fields])

    def drawn(self, grid: Grid, rng: np.random.Generator) -> Array:
        """One initial field `(*space)` on a grid that can hold it."""
        name = type(self).__name__
        if len(grid.shape) not in self.dimensions:
            raise CardError(f"{name} lives in {' or '.join(f'{d}D' for d in self.dimensions)}, not on {grid.shape}")
        if (held := largest_mode(min(grid.shape), self.degree)) < (reached := self.initial_state.modes):
            raise CardError(
                f"a grid of {grid.shape} keeps wavenumbers up to {held} after dealiasing, but the initial state "
                f"reaches {reached}: use at least {(self.degree + 1) * reached + 1} points, or fewer modes"
            )
        return self.initial_state.values(grid, rng)


def column(values: Array, modes: Modes) -> Array:
    """`(b,)` shaped to broadcast over `(b, field, *k)`, in the solver's precision."""
    return np.asarray(values, modes.dtype).reshape(-1, 1, *[1] * len(modes.grid.shape))


def coefficient(values: Array, modes: Modes) -> Array:
    """`(b,)` shaped to broadcast over `(b, field, *k)`, in double precision: for symbols."""
    return np.asarray(values, float).reshape(-1, 1, *[1] * len(modes.grid.shape))


def peak(values: Array) -> Array:
    """Greatest value of each sample, `(b, ...)` -> `(b,)`."""
    return np.asarray(values.max(axis=tuple(range(1, values.ndim))), float)


def pointwise(modes: Modes, state: Complex, reaction: Callable[[Array], tuple[Array, Array]]) -> tuple[Complex, Array]:
    """Modes of a polynomial reaction without aliases, and its rate; `reaction` gives the values of 𝒩 and |∂𝒩/∂u|."""
    values, slope = reaction(modes.backward(state.copy()))
    return modes.forward(values) * modes.kept, peak(slope)


def mean_square(modes: Modes, state: Complex, factor: Array | float = 1.0) -> Array:
    """Box mean of Σ factor(k) |û|², summed over fields, `(..., field, *k)` -> `(...)`."""
    axes = tuple(range(-len(modes.grid.shape) - 1, 0))
    return np.asarray(np.sum(modes.weight * factor * np.abs(state) ** 2, axis=axes))


def mean(values: Array, grid: Grid) -> Array:
    """Box mean over space and fields, `(..., field, *space)` -> `(...)`."""
    return np.asarray(values.sum(axis=-len(grid.shape) - 1).mean(axis=tuple(range(-len(grid.shape), 0))))
