"""A store beside zarr-python and plain files, interleaved in one run: `python tests/benchmarks/store_peers.py`.

Writing: a shard of frames as a solver yields them (all samples, time by time), durable and with a checksum, beside
zarr-python's own sharded array that gets everything at once, and beside a plain file, written in one go or frame by
frame in the same order; each is synchronised to the disk. Reading: random batches of windows, beside zarr's `oindex`
and beside `preadv` of the same bytes into one array; all from the page cache. Wall and CPU seconds, the best of several
rounds; `of ours` is the time of a rival over ours, so more is better.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import zarr

sys.path.insert(0, str(Path(__file__).parents[1]))

from specs import tiny_spec

from pdebench.data import Windows
from pdebench.problem import Cost, Frame, Outcome
from pdebench.shard import Form, ShardWriter
from pdebench.store import TrajectoryStore

SAMPLES, FRAMES, SPACE = 16, 100, (64, 64)  # 26 MB
MEMBERS, UNIT, BATCH, ROUNDS, REPEATS = 32, 8, 16, 7, 20


def writing(folder: Path, values: np.ndarray) -> dict[str, Callable[[], Path]]:
    """Ways to get `values` `(sample, frame, *space)` onto the disk; each says where it has put them."""

    def ours() -> Path:
        with ShardWriter(folder / "ours", Form(SAMPLES, SAMPLES, FRAMES, SPACE, values.dtype)) as writer:
            for frame in range(FRAMES):
                for sample in range(SAMPLES):
                    writer.put(sample, frame, values[sample, frame])
            writer.commit()
        return folder / "ours"

    def by_zarr() -> Path:
        path = folder / "zarr"
        array = zarr.create_array(
            path,
            shape=values.shape,
            chunks=(1, 1, *SPACE),
            shards=values.shape,
            compressors=None,
            dtype="<f4",
            overwrite=True,
        )
        array[:] = values
        for file in path.rglob("*"):
            if file.is_file():
                _synchronise(file)
        return path

    def plain() -> Path:
        with (folder / "plain").open("wb") as file:
            file.write(values.data)
            file.flush()
            os.fsync(file.fileno())
        return folder / "plain"

    def by_frame() -> Path:
        handle = os.open(folder / "by_frame", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.posix_fallocate(handle, 0, values.nbytes)
        for frame in range(FRAMES):
            for sample in range(SAMPLES):
                one = values[sample, frame]
                os.pwrite(handle, one.data, (sample * FRAMES + frame) * one.nbytes)
        os.fsync(handle)
        os.close(handle)
        return folder / "by_frame"

    return {"ours": ours, "zarr-python": by_zarr, "plain file, at once": plain, "plain file, by frames": by_frame}


def reading(folder: Path, horizon: int) -> dict[str, Callable[[], np.ndarray]]:
    """Ways to read a random batch of windows; each draws the same ones."""
    store = _store(folder / "read.zarr")
    windows = Windows(store, "train", horizon=horizon)
    array = zarr.open_array(folder / "read.zarr" / "vorticity", mode="r")
    files = [os.open(folder / "read.zarr" / "vorticity" / f"c.{u}.0.0.0", os.O_RDONLY) for u in range(MEMBERS // UNIT)]
    span, size = 1 + horizon, 4 * SPACE[0] * SPACE[1]

    def drawn() -> np.ndarray:
        return np.random.default_rng(next(seeds)).integers(len(windows), size=BATCH)

    def places() -> list[tuple[int, int]]:
        return [divmod(int(index), FRAMES - horizon) for index in drawn()]

    def ours() -> np.ndarray:
        return windows.batch(drawn()).future

    def oindex() -> np.ndarray:
        return np.stack([array.oindex[[member], slice(start, start + span)][0] for member, start in places()])

    def preadv() -> np.ndarray:
        out = np.empty((BATCH, span, *SPACE), np.float32)
        for row, (member, start) in zip(out, places(), strict=True):
            unit, place = divmod(member, UNIT)
            os.preadv(files[unit], [row.data.cast("B")], (place * FRAMES + start) * size)
        return out

    seeds = iter(range(10**9))
    return {"ours": ours, "zarr oindex": oindex, "preadv": preadv}


def _store(path: Path) -> TrajectoryStore:
    spec = tiny_spec(
        grid__shape=SPACE,
        store__shape=SPACE,
        times__frames=FRAMES,
        samples__count=MEMBERS,
        samples__unit=UNIT,
        splits={"train": [0, MEMBERS]},
    )
    store, rng = TrajectoryStore.create(path, spec), np.random.default_rng(0)
    for low in range(0, MEMBERS, UNIT):
        members = np.arange(low, low + UNIT)
        frames = (Frame(members, t, rng.standard_normal((UNIT, 1, *SPACE), np.float32)) for t in range(FRAMES))
        store.write(members, [*frames, *(Outcome(int(m), Cost(1), 0.0) for m in members)])
    return store


def _synchronise(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def raced(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of a call of each, the best of interleaved rounds."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(ROUNDS):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                way()
            found[name].append(((time.perf_counter() - wall) / repeats, (time.process_time() - cpu) / repeats))
    return {name: (min(w for w, _ in runs), min(c for _, c in runs)) for name, runs in found.items()}


def table(title: str, size: float, best: dict[str, tuple[float, float]]) -> None:
    print(f"\n| {title} | MB/s | of ours | CPU ms | of ours |\n|---|---|---|---|---|")
    for name, (wall, cpu) in best.items():
        ours = best["ours"]
        print(f"| {name} | {size / wall / 1e6:.0f} | {wall / ours[0]:.2f} | {1e3 * cpu:.2f} | {cpu / ours[1]:.2f} |")


def main() -> None:
    values = np.random.default_rng(0).standard_normal((SAMPLES, FRAMES, *SPACE)).astype("<f4")
    with tempfile.TemporaryDirectory() as name:
        ways = writing(Path(name), values)
        table(f"write {values.nbytes / 1e6:.0f} MB", values.nbytes, raced(ways, 1))
        print(f"\nbytes on the disk over bytes of frames: {ways['ours']().stat().st_size / values.nbytes:.5f}")
        for horizon in (1, 7):
            size = BATCH * (1 + horizon) * 4 * SPACE[0] * SPACE[1]
            best = raced(reading(Path(name) / str(horizon), horizon), REPEATS)
            table(f"read {BATCH} windows of {1 + horizon} frames", size, best)


if __name__ == "__main__":
    main()
