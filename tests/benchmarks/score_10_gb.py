"""Score 10 GB of logical data in bounded memory: `python tests/benchmarks/score_10_gb.py [GB] [MB of memory]`.

1000 samples × 100 frames × 64² float32 are 1.6 GB, so 10 GB are some 3000 samples of prediction and truth. The data is
made chunk by chunk by dask, so that only scoring is held in memory. Prints how often each value was read, the seconds
of the processor (the making of the data apart), and the peak resident size of the process, imports included.
"""

from __future__ import annotations

import resource
import sys
from time import process_time

import dask.array
import numpy as np

from pdebench.metrics import Context, score_chunks
from pdebench.spec import Grid

FRAMES, SIDE = 100, 64
NAMES = (
    *("rmse", "nrmse", "vrmse", "max_error", "relative_l1", "conserved_error", "correlation", "correlation_time"),
    *("spectral_error_low", "spectral_error_mid", "spectral_error_high", "energy_spectrum_error", "stability"),
)


def main(gigabytes: float = 10.0, megabytes: float = 256.0) -> None:
    samples = max(1, round(gigabytes * 1e9 / (2 * 4 * FRAMES * SIDE**2)))
    read, making = 0, 0.0
    base = np.random.default_rng(0).standard_normal((1, FRAMES, 1, SIDE, SIDE)).astype(np.float32)

    def made(scale: float) -> dask.array.Array:
        def block(block_info: dict) -> np.ndarray:
            nonlocal read, making
            since = process_time()
            low, _ = block_info[None]["array-location"][0]
            values = base * np.float32(scale + 1e-3 * low)
            read, making = read + values.nbytes, making + process_time() - since
            return values

        chunks = ((1,) * samples, (FRAMES,), (1,), (SIDE,), (SIDE,))
        return dask.array.map_blocks(block, chunks=chunks, dtype=np.float32, meta=base[:0])

    pred, true = made(1.1), made(1.0)
    grid, times = Grid(shape=(SIDE, SIDE), lengths=(1.0, 1.0)), np.arange(1.0, FRAMES + 1)

    def context(which: slice) -> Context:
        return Context(grid, times, np.ones((which.stop - which.start, 1, SIDE, SIDE), np.float32))

    began = process_time()
    values = score_chunks(NAMES, pred, true, context, memory=int(megabytes * 2**20))
    seconds = process_time() - began - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    logical = pred.nbytes + true.nbytes
    print(
        f"{logical / 1e9:.2f} GB scored by {len(NAMES)} metrics, each value read {read / logical:g} times, in "
        f"{seconds:.1f} s of the processor and {making:.1f} s to make it; peak {peak:.0f} MiB; "
        f"nrmse {np.nanmean(values['nrmse']):.4f}"
    )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
