"""spec -> units of work: what is solved together, fixed by the card and never by the rank count."""

from __future__ import annotations

import numpy as np

from .arrays import Index
from .spec import DatasetSpec


def units(spec: DatasetSpec) -> list[Index]:
    """Members of each unit, in the order in which its solver meets them.

    A unit is a contiguous range of members, because it is also one shard of the store.
    """
    size, count = spec.samples.unit, spec.samples.count
    return [np.arange(low, min(low + size, count)) for low in range(0, count, size)]
