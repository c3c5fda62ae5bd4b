"""𝒩 in the words of the lane kernels: polynomials of fields and slopes at each point, times a symbol.

An equation that says so beside its `nonlinear` is solved in lanes; `nonlinear` stays what it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeGuard

from pdebench.arrays import Array, Complex
from pdebench.problem import BatchParams

from .fourier import Modes
from .semilinear import Semilinear


class Input(NamedTuple):
    """A field on the grid, or its derivative along an axis, counted as in an array: 0 is the slowest."""

    field: int
    axis: int = -1  # the field itself


U, V = Input(0), Input(1)

# Factors of each term (three at most) -> its coefficient, a number or one for each sample `(b,)`.
Polynomial = Mapping[tuple[Input, ...], Array | float]


@dataclass(frozen=True, slots=True)
class Polynomials:
    """𝒩 = symbol · (transform of `values`), and its rate, max over x of Σ |parts|.

    u − u³ of the first field is `{(U,): 1, (U, U, U): -1}`.
    """

    values: Sequence[Polynomial]  # of each field
    rate: Sequence[Polynomial]
    symbol: Array | Complex | float = 1.0  # broadcasts to `(field, *k)`; has no parameters in it


class Pointwise(Semilinear, Protocol):
    """An equation that knows its `Polynomials`."""

    def polynomials(self, modes: Modes, params: BatchParams) -> Polynomials: ...


def is_pointwise(equation: object) -> TypeGuard[Pointwise]:
    """Whether the equation declares its 𝒩, and no subclass has changed `nonlinear` since."""
    kinds = type(equation).__mro__
    declared = [i for i, kind in enumerate(kinds) if "polynomials" in vars(kind)]
    defined = [i for i, kind in enumerate(kinds) if "nonlinear" in vars(kind)]
    return bool(declared) and bool(defined) and declared[0] <= defined[0] and "nonlinear" not in vars(equation)
