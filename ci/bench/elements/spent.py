"""Where a run's time goes: CPU seconds by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import process_time
from typing import Any
from unittest.mock import patch

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers.finite_element import level_set, rows, sampling, two_phase, weighted
from pdebench.solvers.finite_element import space as spaces

PARTS = ("mesh", "assembly", "solve", "interface", "grid")
Timed = tuple[type, str, str]  # a class, one of its methods, the part that it belongs to
OURS: tuple[Timed, ...] = (
    (spaces.Space, "__init__", "mesh"),
    (sampling.Sampler, "__init__", "mesh"),
    (level_set.LevelSet, "__init__", "mesh"),
    (weighted.Weighted, "__init__", "mesh"),
    (rows.Momentum, "fill", "assembly"),
    *((weighted.Weighted, name, "assembly") for name in ("mass", "stiffness", "transport", "momentum", "poisson")),
    (rows.Momentum, "solved", "solve"),
    (rows.Constant, "solve", "solve"),
    (two_phase.TwoPhase, "_solve", "solve"),
    (level_set.LevelSet, "advance", "interface"),
    (sampling.Sampler, "__call__", "grid"),
)


@dataclass
class Spent:
    """CPU seconds of a run and of its parts, no part within another; what is not named is the rest."""

    whole: float = 0.0
    parts: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    steps: int = 0
    iterations: int = 0
    end: Array | None = None

    def off(self, other: Spent) -> float:
        """How far the end lies from that of another run, over the greatest value there."""
        assert self.end is not None and other.end is not None
        return float(np.abs(self.end - other.end).max() / np.abs(other.end).max())

    def shares(self, *names: str) -> list[str]:
        return [f"{100 * self.parts[name] / self.whole:.0f} %" for name in names]


@contextmanager
def clocked(out: Spent, parts: tuple[Timed, ...] = OURS) -> Iterator[None]:
    """Time what is done inside, by part, and the whole."""
    with ExitStack() as stack:
        for kind, name, part in parts:
            stack.enter_context(patch.object(kind, name, _timed(getattr(kind, name), out, part)))
        began = process_time()
        yield
        out.whole = process_time() - began


def _timed(call: Callable[..., Any], out: Spent, part: str) -> Callable[..., Any]:
    def timed(*args: Any, **more: Any) -> Any:
        began = process_time()
        try:
            return call(*args, **more)
        finally:
            out.parts[part] += process_time() - began

    return timed
