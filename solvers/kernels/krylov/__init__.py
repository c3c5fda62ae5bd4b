"""Gram–Schmidt over rows, in as few sweeps through memory as it takes: what `krylov.basis` computes, compiled."""

from __future__ import annotations

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers import kernels


def project(q: Array, count: int, found: Array) -> None:
    """`found` = inner products of row `count` of q, `(rows, n)`, with the rows before it and with itself."""
    if not kernels.available():
        kernels.warn_once()
        rows, w = q[:count], q[count]
        np.dot(rows, w, out=found[:count])
        found[count] = w @ w
        return
    kernels._compiled.krylov_project(q, count, found)


def subtract(q: Array, count: int, part: Array, found: Array) -> None:
    """Row `count` less `part` times the rows before it, in place, and then what `project` finds; one sweep."""
    if not kernels.available():
        q[count] -= part[:count] @ q[:count]
        project(q, count, found)
        return
    kernels._compiled.krylov_subtract(q, count, part, found)
