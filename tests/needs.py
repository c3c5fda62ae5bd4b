"""Parts that not everybody has: their tests are skipped with the reason, and fail where everything must be there."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

import pytest


def needed(name: str) -> ModuleType:
    """The module; without it the test is skipped, and under CI fails."""
    try:
        return import_module(name)
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed: pip install {name.partition('.')[0]}")
        pytest.skip(f"needs {name}: pip install {name.partition('.')[0]}")
