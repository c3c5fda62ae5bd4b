"""What a task must name so that its board can be believed: classical solvers, several, at several resolutions."""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..spec import DatasetSpec
from ..task import Record, Task

METHODS, RESOLUTIONS = 2, 4  # solvers of different method or order, grids (or steps) of each
SIZE = frozenset({"shape", "cfl", "min_steps", "time_step"})  # options that set a cost, not a method


def classical_grids(task: Task, spec: DatasetSpec) -> dict[str, int]:
    """Method, in words -> at how many resolutions the task asks for it; what the card has anyway is no other one."""
    found: dict[str, set[str]] = {}
    for named in task.baselines:
        if named.name != "classical":
            continue
        own = {key: value for key, value in sorted(named.options.items()) if key not in SIZE}
        own = {key: value for key, value in own.items() if spec.solver.options.get(key) != value}
        words = ", ".join(f"{key} {value}" for key, value in own.items()) or "the card’s own"
        size = {key: value for key, value in named.options.items() if key in SIZE}
        found.setdefault(words, set()).add(json.dumps(size, sort_keys=True))
    return {words: len(sizes) for words, sizes in found.items()}


def wanting(task: Task, spec: DatasetSpec) -> str | None:
    """What the task's classical baselines lack, as a sentence; None where they suffice."""
    grids = classical_grids(task, spec)
    if sum(count >= RESOLUTIONS for count in grids.values()) >= METHODS:
        return None
    said = "; ".join(f"{words}: {count}" for words, count in grids.items()) or "none"
    return (
        f"Weak baselines: the task must name {METHODS} classical solvers of different method or order at {RESOLUTIONS} "
        f"or more resolutions each; it names {said}."
    )


def unanswered(task: Task, records: Iterable[Record]) -> str | None:
    """How many of the baselines that the task names have no record, as a sentence; None where all have."""
    known = {_said(record.model, record.options) for record in records}
    lacking = [named for named in task.baselines if _said(named.name, named.options) not in known]
    if not lacking:
        return None
    return (
        f"{len(lacking)} of the {len(task.baselines)} baselines that the task names have no record here: "
        f"pdebench baselines {task.name} makes them."
    )


def _said(name: str, options: dict[str, object]) -> str:
    return json.dumps([name, options], sort_keys=True)
