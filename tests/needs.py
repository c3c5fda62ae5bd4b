"""Parts that not everybody has: their tests are skipped with the reason, and fail where everything must be there.

Asked for in a test, or at the top of a module for all of its tests.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

import pytest

from pdebench.errors import SolverError
from pdebench.solvers.finite_element import compat


def needed(name: str) -> ModuleType:
    """The module; without it the tests are skipped, and under CI fail."""
    try:
        return import_module(name)
    except ImportError:
        _lacking(f"needs {name}: pip install {name.partition('.')[0]}")
        raise


def needs_dolfinx() -> None:
    """Finite elements can be used; otherwise the tests are skipped, and under CI fail."""
    try:
        compat.dolfinx()
    except SolverError as why:
        _lacking(str(why))


def _lacking(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why, allow_module_level=True)
