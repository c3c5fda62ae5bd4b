"""What a scheme needs to know of ℒ and the step: numbers for each mode, kept from one interval to the next."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams
from pdebench.solvers.spectral import etdrk4
from pdebench.solvers.spectral.fourier import Modes, largest_mode
from pdebench.solvers.spectral.polynomials import Pointwise

LIMIT = 64 << 20  # bytes


class Tables:
    """Of each member `(table, field, *kept)` in double precision: E = e^{ℒh/2}, or E, q, f₁, 2f₂, f₃ of etdrk4.

    Real, or complex where ℒ is. A member's depend on its parameters and step only; the last used stay, up to `LIMIT`.
    """

    def __init__(self, equation: Pointwise, modes: Modes, scheme: str) -> None:
        self._equation, self._modes, self._scheme = equation, modes, scheme
        self._known: OrderedDict[tuple[float, ...], Array | Complex] = OrderedDict()

    def of(self, params: BatchParams, *, length: float, steps: Index) -> list[Array | Complex | None]:
        """None for a member that takes no steps."""
        rows = np.column_stack([*params.values(), steps]).astype(float)
        keys = [(*row[:-1], length / row[-1]) if row[-1] else None for row in rows.tolist()]
        missing = {key: i for i, key in enumerate(keys) if key and key not in self._known}
        if missing:
            own = {name: np.asarray(values)[list(missing.values())] for name, values in params.items()}
            self._known.update(zip(missing, self._made(own, np.array([key[-1] for key in missing])), strict=True))
        out = [self._known[key] if key else None for key in keys]
        for key in filter(None, keys):
            self._known.move_to_end(key)
        while sum(one.nbytes for one in self._known.values()) > LIMIT:
            self._known.popitem(last=False)
        return out

    def _made(self, params: BatchParams, steps: Array) -> Array | Complex:
        full = self._equation.symbol(self._modes, params)
        shape = (len(steps), len(self._equation.fields), *self._modes.squared.shape)
        symbol: Any = np.broadcast_to(full, shape)[(slice(None), *kept(self._modes))]
        h = steps.reshape(-1, *[1] * (symbol.ndim - 1))
        if self._scheme == "ifrk4":
            return np.asarray(np.exp(symbol * (h / 2))[:, None])
        w = etdrk4.weights(symbol, h)
        return np.asarray(np.stack([w.half, w.q, w.f1, 2 * w.f2, w.f3], axis=1))


def kept(modes: Modes) -> tuple[Any, ...]:
    """Where the modes that dealiasing keeps lie in `(field, *k)`."""
    *slow, fast = ((n, largest_mode(n, modes.degree)) for n in modes.grid.shape)
    lines = [np.r_[0 : top + 1, n - top : n] for n, top in slow] + [np.arange(fast[1] + 1)]
    return (slice(None), *np.ix_(*lines))
