"""A dataset small enough to be made many times in a test."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from pdebench.generate import generate
from pdebench.spec import DatasetSpec, parse
from pdebench.store import TrajectoryStore

TINY: dict[str, Any] = {
    "name": "tiny",
    "version": 1,
    "title": "Tiny decaying turbulence",
    "description": "Two-dimensional decaying turbulence on 16 by 16 points, for tests.",
    "source": "ours",
    "problem": {
        "name": "navier_stokes_2d",
        "initial_state": {"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 4},
    },
    "grid": {"shape": [16, 16], "lengths": [6.283185307179586, 6.283185307179586]},
    "parameters": {"viscosity": {"value": 0.01}, "drag": {"value": 0.0}},
    "times": {"step": 0.25, "frames": 5},
    "solver": {"name": "spectral"},
    "store": {"shape": [16, 16]},
    "samples": {"count": 6, "seed": 1, "unit": 2},
    "splits": {"train": [0, 3], "valid": [3, 4], "test": [4, 6]},
}


def tiny_card(**changes: Any) -> dict[str, Any]:
    """The card as a mapping; `grid__shape=[32, 32]` sets the key `grid.shape`."""
    card = deepcopy(TINY)
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        node = card
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = value
    return card


def tiny_spec(**changes: Any) -> DatasetSpec:
    """The dataset of `tiny_card(**changes)`."""
    return parse(DatasetSpec, tiny_card(**changes), where="tiny")


def tiny_store(path: Path, **changes: Any) -> TrajectoryStore:
    """A finished store of `tiny_spec(**changes)`."""
    generate(tiny_spec(**changes), path)
    return TrajectoryStore.open(path)


def shard_path(store: TrajectoryStore, member: int) -> Path:
    """The file that holds the first field of a member."""
    unit = member // store.spec.samples.unit
    return store.path / store.fields[0] / ".".join(["c", str(unit), "0", *["0"] * len(store.grid.shape)])


def exposed(store: TrajectoryStore, member: int) -> Any:
    """Frames `(t, *space)` of a member's first field, writable behind the store's back."""
    unit, row = divmod(member, store.spec.samples.unit)
    present = min(store.spec.samples.unit, store.spec.samples.count - unit * store.spec.samples.unit)
    shape = (present, len(store.times), *store.grid.shape)
    return np.memmap(shard_path(store, member), store.spec.store.dtype, "r+", shape=shape)[row]
