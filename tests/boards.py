"""Records with known scores, and a tree to put them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from specs import tiny_card, tiny_spec

from pdebench.board import board
from pdebench.picture import Picture, take
from pdebench.task import Expense, Record

TASK: dict[str, Any] = {
    "name": "tiny_rollout",
    "version": 2,
    "title": "Four frames from one",
    "description": "Predict four frames of a tiny data set.",
    "dataset": "tiny",
    "history": 1,
    "horizon": 4,
    "metrics": ["nrmse", "correlation", "correlation_time"],
    "primary": "nrmse",
}
HOSTILE = "<script>alert(1)</script> | $\\frac{1}{0}$ \" onload='x' `a` &amp;"


def tree(folder: Path) -> Path:
    """`folder` with one data set, one task and no record: 6 members, of which 3 to train on and 2 to test."""
    for kind, name, content in (("datasets", "card", tiny_card()), ("leaderboards", "task", TASK)):
        path = folder / kind / str(content["name"]) / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(content))
    return folder


def picture(prediction: Any = None) -> Picture:
    """Two frames of 8 × 8 in which the truth is sin x, and the prediction too unless another is given."""
    wave = np.broadcast_to(np.sin(np.arange(8) * np.pi / 4), (2, 1, 8, 8))
    return take(4, [0.5, 1.0], wave, wave if prediction is None else np.broadcast_to(prediction, wave.shape))


def record(label: str, error: float = 0.1, *, seconds: float = 1.0, kind: str = "neural", **changes: Any) -> Record:
    """A fitting record whose error is `error` in one test member and thrice that in the other: 2·error on average."""
    shares = np.array([1.0, 3.0])[:, None, None]
    values = {
        "nrmse": error * shares * np.ones((2, 4, 1)),
        "correlation": np.full((2, 4, 1), 1 - min(error, 1) / 2),
        "correlation_time": np.full((2, 1, 1), 0.5),
    }
    content: dict[str, Any] = {
        "task": "tiny_rollout",
        "task_version": 2,
        "dataset": "tiny",
        "dataset_version": 1,
        "dataset_digest": changes.pop("digest", None) or tiny_spec().digest,
        "model": f"zoo:{label}",
        "label": label,
        "kind": kind,
        "fields": ["vorticity"],
        "times": [0.25, 0.5, 0.75, 1.0],
        "members": [4, 5],
        "values": {name: array.tolist() for name, array in values.items()},
        "scores": {"nrmse": 2 * error, "correlation": 1 - min(error, 1) / 2, "correlation_time": 0.5},
        "generation_seconds": 2.0,
        "expense": Expense(
            training_seconds=changes.pop("training_seconds", 94.0),
            inference_seconds=2 * seconds,
            inference_seconds_batched=seconds,
            batch=2,
        ),
        "hardware": "abacus",
        "versions": {"pdebench": "0"},
        "commit": "0",
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(**(content | changes))


def put(root: Path, *records: Record) -> None:
    for i, each in enumerate(records):
        each.save(root / "leaderboards" / "tiny_rollout" / "records" / f"{i}.json")


def page_of(root: Path, *records: Record) -> str:
    put(root, *records)
    _, page = board(root)
    return page.read_text()


def change_task(root: Path, **changes: Any) -> None:
    (root / "leaderboards" / "tiny_rollout" / "task.yaml").write_text(yaml.safe_dump(TASK | changes))
