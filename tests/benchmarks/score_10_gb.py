"""Score 10 GB of logical data in bounded memory: `python tests/benchmarks/score_10_gb.py [GB] [MB of memory]`.

1000 samples × 100 frames × 64² float32 are 1.6 GB, so 10 GB are some 3000 samples of prediction and truth. The data is
made chunk by chunk by dask, so that only scoring is held in memory. Prints the seconds, the share that making the data
takes, and the peak resident size of the process, which begins at about 150 MB of imports.
"""

from __future__ import annotations

import resource
import sys
from time import perf_counter

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
    base = np.random.default_rng(0).standard_normal((1, FRAMES, 1, SIDE, SIDE)).astype(np.float32)

    def made(scale: float) -> dask.array.Array:
        def block(block_info: dict) -> np.ndarray:
            low, _ = block_info[None]["array-location"][0]
            return base * np.float32(scale + 1e-3 * low)

        chunks = ((1,) * samples, (FRAMES,), (1,), (SIDE,), (SIDE,))
        return dask.array.map_blocks(block, chunks=chunks, dtype=np.float32, meta=base[:0])

    pred, true = made(1.1), made(1.0)
    grid, times = Grid(shape=(SIDE, SIDE), lengths=(1.0, 1.0)), np.arange(1.0, FRAMES + 1)

    def context(which: slice) -> Context:
        return Context(grid, times, np.ones((which.stop - which.start, 1, SIDE, SIDE), np.float32))

    began = perf_counter()
    values = score_chunks(NAMES, pred, true, context, memory=int(megabytes * 2**20))
    seconds = perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{(pred.nbytes + true.nbytes) / 1e9:.2f} GB scored by {len(NAMES)} metrics in {seconds:.1f} s, "
        f"peak {peak:.0f} MiB; nrmse {np.nanmean(values['nrmse']):.4f}"
    )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
