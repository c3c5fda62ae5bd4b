"""Classical solvers make certified PDE trajectories; a harness scores neural solvers against them.

Importing this loads nothing heavy: each name below arrives with its module when it is first used.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .certify import certify as certify
    from .check import check as check
    from .data import Windows as Windows
    from .evaluate import evaluate as evaluate
    from .generate import generate as generate
    from .online import Stream as stream
    from .spec import load_spec as load_card
    from .store import TrajectoryStore as TrajectoryStore
    from .store import open_store as open
    from .train import train as train

__version__ = "0.1.0"

# Named above as well, for type checkers.
_EXPORTS = {
    "TrajectoryStore": "pdebench.store:TrajectoryStore",
    "Windows": "pdebench.data:Windows",
    "certify": "pdebench.certify:certify",
    "check": "pdebench.check:check",
    "evaluate": "pdebench.evaluate:evaluate",
    "generate": "pdebench.generate:generate",
    "load_card": "pdebench.spec:load_spec",
    "open": "pdebench.store:open_store",
    "stream": "pdebench.online:Stream",
    "train": "pdebench.train:train",
}
__all__ = [
    "TrajectoryStore",
    "Windows",
    "certify",
    "check",
    "evaluate",
    "generate",
    "load_card",
    "open",
    "stream",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})


class _Package(ModuleType):
    """Lets `pdebench.generate` stay the function when the module of that name is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _EXPORTS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


def _refuse_namesake() -> None:
    """Raise when the older distribution `pdebench` is installed too: its files mix with ours."""
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:  # a zip file, or gone
            continue
        for name in names:
            if name.startswith("pdebench-") and name.endswith((".dist-info", ".egg-info")):
                raise ImportError(
                    f"the older distribution 'pdebench' ({name} in {folder}) installs an import package of the same "
                    "name as 'pdebench-foundry'. Keep one: pip uninstall pdebench, then reinstall pdebench-foundry"
                )


sys.modules[__name__].__class__ = _Package
_refuse_namesake()
