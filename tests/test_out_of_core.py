"""Stores larger than memory: same bits as in memory, each byte read once, memory bounded."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from test_metrics import energy

from pdebench.errors import PdebenchError
from pdebench.metrics import Context, score, score_chunks
from pdebench.spec import Grid

NAMES = (
    *("rmse", "nrmse", "vrmse", "max_error", "relative_l1", "conserved_error", "correlation", "correlation_time"),
    *("spectral_error_low", "spectral_error_mid", "spectral_error_high", "energy_spectrum_error", "stability"),
)
WHOLE = ("structure_function", "wasserstein_histogram", "invariant_drift")


class Made:
    """An array that is computed where it is asked for, and counts the bytes it gave."""

    dtype = np.dtype(np.float32)

    def __init__(self, shape, chunks, seed):
        self.shape, self.chunks, self.ndim, self.seed, self.read = shape, chunks, len(shape), seed, 0

    def __getitem__(self, where):
        b, t, *rest = (range(*place.indices(n)) for place, n in zip(where, self.shape, strict=True))
        phase = np.add.outer(np.array(b), 0.1 * np.array(t))[(..., *[None] * len(rest))]
        points = sum(np.ix_(*(np.array(r) * (i + 1 + self.seed) for i, r in enumerate(rest))))
        values = (np.sin(0.3 * points + phase) + 0.1 * self.seed).astype(np.float32)
        self.read += values.nbytes
        return values


def pair(shape, chunks):
    return [Made(shape, chunks, seed) for seed in (1, 0)]


def known(shape):
    times = np.arange(1.0, shape[1] + 1)
    first = np.asarray(Made(shape, None, 0)[(slice(None), slice(0, 1), *[slice(None)] * (len(shape) - 2))])[:, 0]
    return lambda samples: Context(
        Grid(shape=shape[3:], lengths=(1.0,) * len(shape[3:])), times, first[samples], invariants=energy
    )


@pytest.mark.parametrize("memory", [2**30, 2**20, 2**17, 1])
@pytest.mark.parametrize("shape", [(5, 7, 2, 40), (3, 6, 1, 16, 16), (2, 4, 2, 8, 6, 4)])
def test_scores_do_not_depend_on_the_memory_and_every_byte_is_read_once(shape, memory):
    pred, true = pair(shape, (1, 1, *shape[2:]))
    found = score_chunks(NAMES, pred, true, known(shape), memory=memory)
    assert (pred.read, true.read) == (4 * np.prod(shape),) * 2
    everything = tuple(slice(None) for _ in shape)
    expected = score(NAMES, pred[everything], true[everything], known(shape)(slice(None)))
    for name in NAMES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-13, err_msg=name)


def test_what_needs_a_trajectory_gets_it_or_says_how_much_it_needs():
    shape = (3, 6, 1, 16, 16)
    pred, true = pair(shape, (1, 1, *shape[2:]))
    everything = tuple(slice(None) for _ in shape)
    found = score_chunks(WHOLE, pred, true, known(shape), memory=6 * 8 * 6 * 256)
    expected = score(WHOLE, pred[everything], true[everything], known(shape)(slice(None)))
    for name in WHOLE:
        np.testing.assert_array_equal(found[name], expected[name])
    for name in WHOLE:
        with pytest.raises(PdebenchError, match="needs whole trajectories in memory"):
            score_chunks([name], pred, true, known(shape), memory=1000)


def test_memory_is_bounded_for_data_many_times_as_large():
    """64 MB of logical data under 8 MB; a chunk of it is 0.5 MB. (The 10 GB are in tests/benchmarks/score_10_gb.py.)"""
    shape = (64, 8, 1, 128, 128)
    context = known((1, 8, 1, 128, 128))
    pred, true = pair(shape, (1, 1, 1, 128, 128))
    score_chunks(NAMES, *pair((1, 8, 1, 128, 128), (1, 1, 1, 128, 128)), context)  # imports and caches
    tracemalloc.start()
    score_chunks(NAMES, pred, true, lambda samples: context(slice(0, 1)), memory=2**22)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pred.read + true.read == 2 * 4 * np.prod(shape)
    assert peak < 2**23


def test_dask_arrays_and_numpy_arrays_do_as_well():
    import dask.array

    shape = (2, 3, 1, 16)
    pred, true = (made[tuple(slice(None) for _ in shape)] for made in pair(shape, None))
    lazy = [dask.array.from_array(values, chunks=(1, 2, 1, 16)) for values in (pred, true)]
    expected = score(NAMES, pred, true, known(shape)(slice(None)))
    for values in ((pred, true), lazy):
        found = score_chunks(NAMES, *values, known(shape))
        for name in NAMES:
            np.testing.assert_array_equal(found[name], expected[name])
