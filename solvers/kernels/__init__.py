"""The hot loops, compiled (README.md). Where they are missing, the NumPy reference beside each of them serves."""

from __future__ import annotations

import logging
from functools import cache

try:
    from . import _compiled
except ImportError:  # built without a compiler
    _compiled = None  # type: ignore[assignment]

log = logging.getLogger(__name__)


def available() -> bool:
    """Whether the compiled kernels are there."""
    return _compiled is not None


def can_transform(size: int) -> bool:
    """Whether the kernels take so many points along an axis: 2ᵃ 3ᵇ 5ᶜ."""
    return _compiled is not None and _compiled.can_transform(size)


@cache
def warn_once() -> None:
    """Say that NumPy serves, the first time that it does."""
    log.warning("the compiled kernels are missing, so NumPy serves, many times slower; install with a C++ compiler")
