"""Periodic semilinear equations in lanes: what `spectral.ifrk4` and `etdrk4` compute, for any `Polynomials`."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.spectral import etdrk4, ifrk4
from pdebench.solvers.spectral.fourier import Modes, largest_mode
from pdebench.solvers.spectral.polynomials import Pointwise
from pdebench.spec import Grid

from .tables import Tables, kept

Precision = Literal["float32", "float64", "mixed"]
Scheme = Literal["ifrk4", "etdrk4"]


def can_solve(grid: Grid) -> bool:
    """Whether the kernels take such a grid: 2ᵃ 3ᵇ 5ᶜ points along each axis, an even number along the fastest."""
    *slow, fast = grid.shape
    return fast % 2 == 0 and all(kernels.can_transform(n) for n in (*slow, fast // 2))


class Lanes:
    """One equation on one grid, by one scheme; modes that dealiasing drops are taken to be zero.

    `precision` defaults to that of `modes`; "mixed" keeps a float64 state and evaluates 𝒩 in float32: right for float32
    stores. Raises `ValueError` for a grid that `can_solve` denies.
    """

    def __init__(
        self,
        equation: Pointwise,
        modes: Modes,
        scheme: Scheme = "ifrk4",
        *,
        precision: Precision | None = None,
        threads: int = 1,
    ) -> None:
        self._equation, self._modes, self._scheme = equation, modes, scheme
        self._how: dict[str, Any] = {"precision": precision or modes.dtype.name, "threads": threads}
        self._tables = Tables(equation, modes, scheme)

    def advance(
        self, state: Complex, params: BatchParams, *, length: float, steps: Index, kernel: str = ""
    ) -> tuple[Complex, Array, Array]:
        """What `ifrk4.advance` or `etdrk4.advance` gives, to round-off, many times faster.

        `kernel` is one of `family_kernels`; without it the machine chooses, to the same bits.
        """
        if not kernels.available():
            kernels.warn_once()
            reference = etdrk4.advance if self._scheme == "etdrk4" else ifrk4.advance
            return reference(self._equation, self._modes, state, params, length=length, steps=steps)
        march: dict[str, Any] = {"length": length, "steps": steps, "scheme": self._scheme, "kernel": kernel}
        tables = self._tables.of(params, length=length, steps=steps)
        words = self.words(params, len(state))
        return kernels._compiled.family_advance(state, tables=tables, **march, **words, **self._how)

    def nonlinear(self, state: Complex, params: BatchParams, *, kernel: str = "") -> tuple[Complex, Array]:
        """What `equation.nonlinear` gives: 𝒩, `(b, field, *k)`, and its rate, `(b,)`."""
        if not kernels.available():
            kernels.warn_once()
            return self._equation.nonlinear(self._modes, state, params)
        return kernels._compiled.family_nonlinear(state, kernel=kernel, **self.words(params, len(state)), **self._how)

    def words(self, params: BatchParams, count: int) -> dict[str, Any]:
        """The equation in the words of the compiled module, for `count` members."""
        modes, fields = self._modes, len(self._equation.fields)
        declared = self._equation.polynomials(modes, params)
        targets = list(enumerate([*declared.values, *declared.rate]))
        terms = [(target, factors, value) for target, one in targets for factors, value in one.items()]
        inputs = list(dict.fromkeys(one for _, factors, _ in terms for one in factors))
        coefficients = np.empty((count, len(terms)))
        for column, (_, _, value) in zip(coefficients.T, terms, strict=True):
            column[:] = value
        return {
            "shape": modes.grid.shape,
            "lengths": modes.grid.lengths,
            "top": [largest_mode(n, modes.degree) for n in modes.grid.shape],
            "fields": fields,
            "rates": len(declared.rate),
            "inputs": inputs,
            "terms": [(target, [inputs.index(one) for one in factors]) for target, factors, _ in terms],
            "coefficients": coefficients,
            "symbol": np.broadcast_to(declared.symbol, (fields, *modes.squared.shape))[kept(modes)],
        }
