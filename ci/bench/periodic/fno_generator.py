"""The scheme of the FNO paper's data: vorticity, Crank–Nicolson for diffusion, explicit Euler for advection.

Written from the description in Li et al. (2021), Fourier neural operator for parametric partial differential
equations, appendix A.3.3 (a stream function, real transforms of the four factors, the 2/3 rule), in torch.
"""

from __future__ import annotations

import numpy as np
import torch


def march(states: np.ndarray, *, viscosity: float, length: float, dtype: torch.dtype):
    """`steps -> vorticity (b, n, n)` after `length`, of an unforced flow in a box of 2π."""
    n = states.shape[-1]
    ky = torch.fft.fftfreq(n, 1 / n, dtype=dtype)[:, None]
    kx = torch.fft.rfftfreq(n, 1 / n, dtype=dtype)[None]
    squared = kx**2 + ky**2
    inverse = torch.where(squared > 0, 1 / squared.clamp(min=1), 0)
    kept = ((kx.abs() <= (n - 1) // 3) & (ky.abs() <= (n - 1) // 3)).to(dtype)
    start = torch.fft.rfft2(torch.as_tensor(states, dtype=dtype)) * kept

    def values(modes: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft2(modes, s=(n, n))

    @torch.inference_mode()
    def run(steps: int) -> np.ndarray:
        dt, modes = length / steps, start
        damped, solved = 1 - 0.5 * dt * viscosity * squared, 1 / (1 + 0.5 * dt * viscosity * squared)
        for _ in range(steps):
            stream = modes * inverse
            u, v = values(1j * ky * stream), values(-1j * kx * stream)
            wx, wy = values(1j * kx * modes), values(1j * ky * modes)
            advection = torch.fft.rfft2(u * wx + v * wy) * kept
            modes = solved * (damped * modes - dt * advection)
        return values(modes).numpy()

    return run
