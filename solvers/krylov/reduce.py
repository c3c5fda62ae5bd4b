"""Sums over the ranks that share a system; each rank holds its own rows of every vector."""

from __future__ import annotations

from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm


def sum_over(comm: Comm, own: Array) -> Array:
    """`own` summed over the ranks, in one reduction; the same bits on every rank. Overwrites `own`."""
    if comm.size > 1:
        from mpi4py import MPI

        ranks: Any = comm
        ranks.Allreduce(MPI.IN_PLACE, own)
    return own


def dot(comm: Comm, x: Array, y: Array) -> float:
    """xᵀy over all ranks."""
    return float(sum_over(comm, np.array([x @ y]))[0])


def norm(comm: Comm, x: Array) -> float:
    """Euclidean norm over all ranks."""
    return float(np.sqrt(dot(comm, x, x)))


def everywhere(comm: Comm, own: bool) -> bool:
    """Whether it is true on every rank."""
    return own if comm.size == 1 else bool(sum_over(comm, np.array([float(not own)]))[0] == 0)


def without_mean(comm: Comm, x: Array) -> Array:
    """`x` less its mean over all ranks: what is left beside the null space of constants."""
    total, count = sum_over(comm, np.array([x.sum(), float(x.size)]))
    return np.asarray(x - total / count)
