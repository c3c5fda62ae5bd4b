"""Writing a shard beside zarr-python and beside a plain file of the same bytes."""

from __future__ import annotations

import itertools
import os

import numpy as np
import zarr

from pdebench.shard import Form, ShardWriter

SAMPLES, FRAMES, SPACE = 16, 100, (64, 64)
VALUES = np.random.default_rng(0).standard_normal((SAMPLES, FRAMES, *SPACE)).astype("<f4")


def test_write_shard(benchmark, tmp_path):
    benchmark.group = f"write {VALUES.nbytes / 1e6:.0f} MB"
    names = map(str, itertools.count())

    def write():
        with ShardWriter(tmp_path / next(names), Form(SAMPLES, SAMPLES, FRAMES, SPACE, VALUES.dtype)) as writer:
            for frame in range(FRAMES):  # as a solver yields them: all samples, time by time
                for sample in range(SAMPLES):
                    writer.put(sample, frame, VALUES[sample, frame])
            writer.commit()

    benchmark(write)
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written <= 1.02 * VALUES.nbytes * len(list(tmp_path.iterdir()))


def test_write_with_zarr_python(benchmark, tmp_path):
    benchmark.group = f"write {VALUES.nbytes / 1e6:.0f} MB"
    array = zarr.create_array(
        tmp_path / "a", shape=VALUES.shape, chunks=(1, 1, *SPACE), shards=VALUES.shape, compressors=None, dtype="<f4"
    )
    benchmark(array.__setitem__, slice(None), VALUES)


def test_write_plain_file(benchmark, tmp_path):
    benchmark.group = f"write {VALUES.nbytes / 1e6:.0f} MB"

    def write():
        with (tmp_path / "plain").open("wb") as file:
            file.write(VALUES.data)
            file.flush()
            os.fsync(file.fileno())

    benchmark(write)
