"""A plain 3D Navier–Stokes solver on mpi4py-fft, as a rival: rotational form, nine real transforms, IFRK4.

After the method of Mortensen & Langtangen (2016), Comput. Phys. Commun. 203, 53-65: three inverse transforms for u,
three for ω, three forward for u × ω, projection in Fourier space, the 2/3 rule. Written from the equations.
"""

from __future__ import annotations

import numpy as np
from mpi4py import MPI
from mpi4py_fft import PFFT, newDistArray


def march(n: int, *, viscosity: float, dt: float, dtype: str):
    """`(start, steps) -> modes`: `start(velocity)` takes `(3, n, n, n)`, on a box of 2π, over MPI.COMM_WORLD."""
    fft = PFFT(MPI.COMM_WORLD, (n, n, n), dtype=np.dtype(dtype), axes=(0, 1, 2))
    k, inverse, kept, squared = _wavenumbers(fft, n)
    half = np.exp(-viscosity * squared * dt / 2).astype(k.dtype)
    u, w = (newDistArray(fft, False, rank=1) for _ in range(2))

    def start(velocity: np.ndarray) -> np.ndarray:
        modes = newDistArray(fft, True, rank=1)
        for component in range(3):
            u[component] = velocity[component][fft.local_slice(False)]
            fft.forward(u[component], modes[component])
        return np.asarray(modes) * kept

    work = newDistArray(fft, True)
    product = newDistArray(fft, False)

    def nonlinear(modes: np.ndarray) -> np.ndarray:
        """P(u × ω)."""
        out = np.empty_like(modes)
        for i in range(3):
            work[:] = modes[i]
            fft.backward(work, u[i])
            a, b = (i + 1) % 3, (i + 2) % 3
            work[:] = 1j * (k[a] * modes[b] - k[b] * modes[a])
            fft.backward(work, w[i])
        for i in range(3):
            a, b = (i + 1) % 3, (i + 2) % 3
            np.multiply(u[a], w[b], out=product)
            product[:] -= u[b] * w[a]
            fft.forward(product, work)
            np.multiply(work, kept, out=out[i])
        pressure = (k[0] * out[0] + k[1] * out[1] + k[2] * out[2]) * inverse
        for i in range(3):
            out[i] -= k[i] * pressure
        return out

    def step(modes: np.ndarray) -> np.ndarray:
        k1 = nonlinear(modes)
        decayed = half * modes
        k1 *= half
        k2 = nonlinear(decayed + dt / 2 * k1)
        k3 = nonlinear(decayed + dt / 2 * k2)
        k4 = nonlinear(half * (decayed + dt * k3))
        k2 += k3
        return half * (decayed + dt / 6 * (k1 + 2 * k2)) + dt / 6 * k4

    def run(modes: np.ndarray, steps: int) -> np.ndarray:
        for _ in range(steps):
            modes = step(modes)
        return modes

    def velocity(modes: np.ndarray) -> np.ndarray:
        """Of this rank."""
        for i in range(3):
            work[:] = modes[i]
            fft.backward(work, u[i])
        return np.array(u)

    return start, run, velocity


def _wavenumbers(fft: PFFT, n: int):
    """This rank's k `(3, *)`, 1/k² (0 for the mean), the 2/3 mask, k²."""
    real = np.dtype(fft.dtype(False))
    lines = [np.fft.fftfreq(n, 1 / n), np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)]
    own = [line[part] for line, part in zip(lines, fft.local_slice(True), strict=True)]
    k = np.array(np.meshgrid(*own, indexing="ij"), real)
    squared = np.sum(k.astype(float) ** 2, 0)
    inverse = np.divide(1, squared, out=np.zeros_like(squared), where=squared > 0).astype(real)
    return k, inverse, np.all(np.abs(k) <= (n - 1) // 3, 0).astype(real), squared
