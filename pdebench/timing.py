"""Cost measured fairly: a kernel that tells how fast the machine is just now, and the batch that suits a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Literal

import numpy as np

from .errors import ModelError, PdebenchError
from .registry import suggest
from .spec import Card, Positive

FFT, PRODUCT = 256, 384  # points per side of the transform, rows of the matrices
REPEATS = 7
Clock = Literal["wall", "cpu"]  # whose seconds: those of the processor are fair on a machine that others use too
GAIN = 0.95  # a larger batch must cost at most this share per trajectory to be worth its memory


class Calibration(Card):
    """What one machine needed for known work, in the run that a model was timed in; seconds are medians.

    Version 1: a complex 256² FFT by `numpy.fft` (one thread, float64), and the product of two 384² float64 matrices
    (as many threads as the linear algebra takes). Changing the work raises the version.
    """

    version: Literal[1] = 1
    fft_seconds: Positive
    product_seconds: Positive

    @property
    def unit(self) -> float:
        """Geometric mean of both: seconds divided by it compare better across machines than seconds do."""
        return float(np.sqrt(self.fft_seconds * self.product_seconds))


def clock_of(name: str) -> Callable[[], float]:
    """Seconds that have passed, or that this process has computed for, all its threads together."""
    clocks = {"wall": perf_counter, "cpu": process_time}
    if name not in clocks:
        raise PdebenchError(f"there is no clock {name!r}{suggest(name, clocks)}: wall or cpu")
    return clocks[name]


def calibrate(repeats: int = REPEATS, *, clock: Clock = "wall") -> Calibration:
    """Time the kernel: one warm-up each, then the median of interleaved repeats; some 50 ms in all."""
    rng = np.random.default_rng(0)
    waves = rng.standard_normal((FFT, FFT)) + 1j * rng.standard_normal((FFT, FFT))
    left, right = rng.standard_normal((2, PRODUCT, PRODUCT))
    work: tuple[Callable[[], object], ...] = (lambda: np.fft.fft2(waves), lambda: left @ right)
    seconds = np.array([[_timed(run, clock_of(clock)) for run in work] for _ in range(repeats + 1)])[1:]
    fft, product = np.maximum(np.median(seconds, axis=0), 1e-9)
    return Calibration(fft_seconds=float(f"{fft:.6g}"), product_seconds=float(f"{product:.6g}"))


def best_batch(trial: Callable[[int], float], most: int, single: float, *, patience: float = 2.0) -> int:
    """The batch of 1, 2, 4, … `most` of the cheapest trajectory, or a smaller one within some 5 % of it.

    `trial(b)` asks for b trajectories and returns its seconds; `single` is what one took. A doubling that saves nothing
    ends nothing, for trajectories may differ in cost: it ends where memory runs out, and before the next trial would
    pass `patience` seconds in all if its trajectories cost what those of the last one did.
    """
    best, cost, last, spent = 1, single, single, 0.0
    for size in sorted({*(2**k for k in range(1, most.bit_length())), most} - {1}):
        if spent + size * last > patience:
            break
        try:
            seconds = trial(size)
        except ModelError as error:
            if not isinstance(error.__cause__, MemoryError) and "out of memory" not in str(error):
                raise
            break
        spent, last = spent + seconds, seconds / size
        if last <= GAIN * cost:
            best, cost = size, last
    return best


def memory_available() -> int:
    """Bytes that this machine can still give; 1 GiB where it does not say."""
    info = Path("/proc/meminfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 2**30


def _timed(run: Callable[[], object], now: Callable[[], float]) -> float:
    began = now()
    run()
    return now() - began
