"""The transforms alone of the best FFT libraries: a packed complex pair, there and back, for a batch of samples.

The least that any pseudo-spectral right-hand side in vorticity must do. Every library is given its best: planned by
measurement (FFTW_MEASURE, FFTW_PATIENT), aligned, in place or not, sample by sample (which stays in cache) or all at
once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyfftw
import torch
from scipy import fft


def rivals(n: int, batch: int, double: bool) -> dict[str, Callable[[], object]]:
    """Calls that transform `batch` fields of n² complex numbers back and forth."""
    kind = "complex128" if double else "complex64"
    return {
        **_pyfftw(n, batch, kind),
        **_torch(n, batch, getattr(torch, kind)),
        "scipy": _scipy(n, batch, kind),
    }


def _pyfftw(n: int, batch: int, kind: str) -> dict[str, Callable[[], object]]:
    def pair(shape: tuple[int, ...], in_place: bool, effort: str) -> tuple[pyfftw.FFTW, pyfftw.FFTW]:
        here = pyfftw.zeros_aligned(shape, kind)
        there = here if in_place else pyfftw.zeros_aligned(shape, kind)
        how = {"axes": (-2, -1), "flags": (effort,), "threads": 1}
        return pyfftw.FFTW(here, there, direction="FFTW_BACKWARD", **how), pyfftw.FFTW(there, here, **how)

    def one_by_one(in_place: bool, effort: str = "FFTW_MEASURE") -> Callable[[], object]:
        back, forth = pair((n, n), in_place, effort)

        def call() -> None:
            for _ in range(batch):
                back.execute()
                forth.execute()

        return call

    def together() -> Callable[[], object]:
        back, forth = pair((batch, n, n), False, "FFTW_MEASURE")
        return lambda: (back.execute(), forth.execute())

    return {
        "pyFFTW, one by one": one_by_one(False),
        "pyFFTW, in place": one_by_one(True),
        "pyFFTW, patient": one_by_one(False, "FFTW_PATIENT"),
        "pyFFTW, batch": together(),
    }


def _torch(n: int, batch: int, kind: torch.dtype) -> dict[str, Callable[[], object]]:
    samples = torch.zeros(batch, n, n, dtype=kind)
    values = samples.clone()
    here, there = samples[0].clone(), samples[0].clone()

    @torch.inference_mode()
    def one_by_one() -> None:
        for _ in range(batch):
            torch.fft.ifft2(here, out=there)
            torch.fft.fft2(there, out=here)

    @torch.inference_mode()
    def together() -> object:
        return torch.fft.fft2(torch.fft.ifft2(samples, out=values), out=samples)

    return {"torch, one by one": one_by_one, "torch, batch": together}


def _scipy(n: int, batch: int, kind: str) -> Callable[[], object]:
    sample = np.zeros((n, n), kind)

    def call() -> None:
        for _ in range(batch):
            fft.fft2(fft.ifft2(sample, overwrite_x=False), overwrite_x=True)

    return call
