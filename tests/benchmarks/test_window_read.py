"""Random training batches from a store, beside the same reads from one plain memory-mapped array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import tiny_spec

from pdebench.data import Windows
from pdebench.problem import Cost, Frame, Outcome
from pdebench.store import TrajectoryStore

MEMBERS, FRAMES, SIDE, BATCH = 32, 41, 64, 16


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrajectoryStore:
    """32 trajectories of 41 frames at 64², 21 MB, filled with noise."""
    spec = tiny_spec(
        grid__shape=[SIDE, SIDE],
        store__shape=[SIDE, SIDE],
        times__frames=FRAMES,
        samples__count=MEMBERS,
        samples__unit=8,
        splits={"train": [0, MEMBERS]},
    )
    store = TrajectoryStore.create(tmp_path_factory.mktemp("read") / "noise.zarr", spec)
    rng = np.random.default_rng(0)
    for low in range(0, MEMBERS, 8):
        members = np.arange(low, low + 8)
        frames = (Frame(members, t, rng.standard_normal((8, 1, SIDE, SIDE), np.float32)) for t in range(FRAMES))
        store.write(members, [*frames, *(Outcome(int(m), Cost(1), 0.0) for m in members)])
    return store


@pytest.fixture(scope="module")
def plain(store: TrajectoryStore, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("plain") / "noise.dat"
    shape = (MEMBERS, FRAMES, 1, SIDE, SIDE)
    whole = np.memmap(path, np.float32, "w+", shape=shape)
    for member in range(MEMBERS):
        whole[member] = store.frames(member)
    whole.flush()
    return np.memmap(path, np.float32, "r", shape=shape)


@pytest.mark.parametrize("horizon", [1, 7])
def test_window_read_store(benchmark: Any, store: TrajectoryStore, horizon: int) -> None:
    windows = Windows(store, "train", horizon=horizon)
    rng = np.random.default_rng(1)
    _tell(benchmark, horizon)
    batch = benchmark(lambda: windows.batch(rng.integers(len(windows), size=BATCH)))
    assert batch.future.shape == (BATCH, horizon, 1, SIDE, SIDE)


@pytest.mark.parametrize("horizon", [1, 7])
def test_window_read_memmap(benchmark: Any, plain: Any, horizon: int) -> None:
    rng = np.random.default_rng(1)

    def read() -> Any:
        members = rng.integers(MEMBERS, size=BATCH)
        starts = rng.integers(FRAMES - horizon, size=BATCH)
        out = np.empty((BATCH, 1 + horizon, 1, SIDE, SIDE), np.float32)
        for row, (member, start) in enumerate(zip(members, starts, strict=True)):
            out[row] = plain[member, start : start + 1 + horizon]
        return out

    _tell(benchmark, horizon)
    assert benchmark(read).shape[0] == BATCH


def _tell(benchmark: Any, horizon: int) -> None:
    """What one call reads: divide by the time for windows/s and MB/s."""
    benchmark.extra_info["windows"] = BATCH
    benchmark.extra_info["megabytes"] = BATCH * (1 + horizon) * SIDE * SIDE * 4 / 1e6
