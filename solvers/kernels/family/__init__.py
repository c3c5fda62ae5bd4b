"""Periodic semilinear equations in lanes: what `spectral.ifrk4` and `etdrk4` compute, compiled, for any `Polynomials`."""

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


def advance(
    equation: Pointwise,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    length: float,
    steps: Index,
    scheme: Scheme = "ifrk4",
    precision: Precision | None = None,
    threads: int = 1,
    tables: Tables | None = None,
) -> tuple[Complex, Array]:
    """What `ifrk4.advance` or `etdrk4.advance` gives, to round-off; modes that dealiasing drops are taken to be zero.

    `precision` defaults to that of `modes`; "mixed" keeps a float64 state and evaluates 𝒩 in float32. `tables`, made
    for the same equation, modes and scheme, spares those of earlier intervals.
    """
    if not kernels.available():
        kernels.warn_once()
        reference = etdrk4.advance if scheme == "etdrk4" else ifrk4.advance
        return reference(equation, modes, state, params, length=length, steps=steps)
    tables = tables or Tables(equation, modes, scheme)
    return kernels._compiled.family_advance(
        state,
        tables=tables.of(params, length=length, steps=steps),
        length=length,
        steps=steps,
        scheme=scheme,
        threads=threads,
        **_words(equation, modes, params, len(state), precision),
    )


def nonlinear(
    equation: Pointwise,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    precision: Precision | None = None,
    threads: int = 1,
) -> tuple[Complex, Array]:
    """What `equation.nonlinear` gives: 𝒩, `(b, field, *k)`, and its rate, `(b,)`."""
    if not kernels.available():
        kernels.warn_once()
        return equation.nonlinear(modes, state, params)
    words = _words(equation, modes, params, len(state), precision)
    return kernels._compiled.family_nonlinear(state, threads=threads, **words)


def _words(
    equation: Pointwise, modes: Modes, params: BatchParams, count: int, precision: Precision | None
) -> dict[str, Any]:
    """The equation in the words of the compiled module."""
    grid, fields = modes.grid, len(equation.fields)
    declared = equation.polynomials(modes, params)
    targets = list(enumerate([*declared.values, *declared.rate]))
    inputs = list(dict.fromkeys(one for _, polynomial in targets for factors in polynomial for one in factors))
    terms = [(target, factors, value) for target, one in targets for factors, value in one.items()]
    coefficients = np.empty((count, len(terms)))
    for column, (_, _, value) in zip(coefficients.T, terms, strict=True):
        column[:] = value
    symbol = np.broadcast_to(declared.symbol, (fields, *modes.squared.shape))
    return {
        "shape": grid.shape,
        "lengths": grid.lengths,
        "top": [largest_mode(n, modes.degree) for n in grid.shape],
        "fields": fields,
        "rates": len(declared.rate),
        "inputs": inputs,
        "terms": [(target, [inputs.index(one) for one in factors]) for target, factors, _ in terms],
        "coefficients": coefficients,
        "symbol": symbol[kept(modes)],
        "precision": precision or modes.dtype.name,
    }
