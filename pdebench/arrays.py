"""The array types that cross module borders, and what several modules ask of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Complex = NDArray[np.complexfloating[Any, Any]]
Index = NDArray[np.integer[Any]]


def evenly(count: int, most: int) -> Index:
    """Up to `most` indices of `count`, evenly spread, both ends among them."""
    return np.asarray(np.unique(np.linspace(0, count - 1, most).round().astype(int)))


def significant(values: Array | float, digits: int = 6) -> Array:
    """To so many significant digits: all that a record keeps."""
    out = np.array([float(f"{v:.{digits}g}") for v in np.ravel(values)])
    return out.reshape(np.shape(values))
