"""What driver and workers say to each other: an order for one unit of work, and what came of it or of its worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec import DatasetSpec

NOTES = "pdebench"  # Dask's topic under which a worker says what it is about to solve


@dataclass(frozen=True, slots=True)
class Order:
    """One unit of work for one worker."""

    spec: DatasetSpec
    store: str
    unit: int
    attempt: int = 1
    settled: Mapping[str, Any] = field(default_factory=dict)
    alone: frozenset[int] = frozenset()  # members to be solved in no batch with others
    aside: Mapping[int, str] = field(default_factory=dict)  # members to be left, and why
    beat: float = 5.0  # [s] between two signs of life

    @property
    def key(self) -> str:
        """Dask's name for it; never the same twice."""
        return f"unit-{self.unit}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A unit that is committed."""

    unit: int
    worker: str
    seconds: float  # from the order's arrival to the commit


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a cluster's jobs, by name."""

    lost: Mapping[Any, str]  # those that have ended, or never began, and what is known of why
    suspended: frozenset[Any] | None = frozenset()  # those that wait, and will go on; None: nobody knows now
