"""The 3D Navier–Stokes step that one writes with an FFT library: the yardstick of the lanes, on one core.

Rotational form, nine real transforms per right-hand side, the 2/3 rule by a mask, work arrays kept, as in Mortensen &
Langtangen (2016, Comput. Phys. Commun. 203, 53); the same integrating-factor Runge–Kutta as ours.
"""

from __future__ import annotations

import numpy as np

try:
    import pyfftw
except ImportError:
    pyfftw = None


class Textbook:
    """`step(u)` advances `(3, n, n, n//2 + 1)` modes ("forward" normalisation) in place."""

    def __init__(self, n, viscosity, h, precision, effort="FFTW_MEASURE"):
        real = np.dtype(precision)
        kind = np.result_type(real, np.complex64)
        make = pyfftw.zeros_aligned if pyfftw else np.zeros
        self.u, self.curl, self.lamb = (make((3, n, n, n), real) for _ in range(3))
        self.stage, self.rhs, self.next, self.sum = (make((3, n, n, n // 2 + 1), kind) for _ in range(4))
        self.work, self.one = make((3, n, n, n // 2 + 1), kind), make((n, n, n // 2 + 1), kind)
        lines = [np.fft.fftfreq(n, 1 / n), np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)]
        kz, ky, kx = (k.astype(real) for k in np.meshgrid(*lines, indexing="ij", sparse=True))
        self.k = kx, ky, kz
        squared = kx**2 + ky**2 + kz**2
        kept = (abs(kx) <= (n - 1) // 3) & (abs(ky) <= (n - 1) // 3) & (abs(kz) <= (n - 1) // 3)
        self.mask = kept.astype(real)
        self.unit = [k / np.where(squared > 0, squared, 1) for k in self.k]
        self.half = np.exp(-viscosity * squared * h / 2).astype(real)
        self.whole = self.half**2
        self.h = real.type(h)
        if pyfftw:
            axes = {"axes": (0, 1, 2), "flags": (effort,)}
            self.to_grid = [
                (pyfftw.FFTW(self.work[i], out[i], direction="FFTW_BACKWARD", **axes), out)
                for out in (self.u, self.curl)
                for i in range(3)
            ]
            self.to_modes = [pyfftw.FFTW(self.lamb[i], self.rhs[i], **axes) for i in range(3)]

    def _backward(self, which):
        for i in range(3):
            if pyfftw:
                self.to_grid[3 * which + i][0].execute()
            else:
                from scipy import fft

                (self.u, self.curl)[which][i] = fft.irfftn(self.work[i], s=self.u.shape[1:], norm="forward")

    def right_hand_side(self, modes):
        """𝒩 of `modes` into `self.rhs`."""
        kx, ky, kz = self.k
        np.copyto(self.work, modes)
        self._backward(0)
        for i, (a, b, j, m) in enumerate([(ky, kz, 2, 1), (kz, kx, 0, 2), (kx, ky, 1, 0)]):
            np.multiply(modes[j], a, out=self.work[i])
            np.multiply(modes[m], b, out=self.one)
            self.work[i] -= self.one
            self.work[i] *= 1j
        self._backward(1)
        for i, (j, m) in enumerate([(1, 2), (2, 0), (0, 1)]):
            np.multiply(self.u[j], self.curl[m], out=self.lamb[i])
            self.lamb[i] -= self.u[m] * self.curl[j]
        for i in range(3):
            if pyfftw:
                self.to_modes[i].execute()
            else:
                from scipy import fft

                self.rhs[i] = fft.rfftn(self.lamb[i])
        self.rhs *= self.mask * (1 / self.u[0].size)
        np.multiply(self.rhs[0], kx, out=self.one)
        self.one += self.rhs[1] * ky
        self.one += self.rhs[2] * kz
        for i in range(3):
            self.rhs[i] -= self.one * self.unit[i]

    def step(self, u):
        h, half, whole = self.h, self.half, self.whole
        self.right_hand_side(u)
        np.multiply(u + (h / 6) * self.rhs, whole, out=self.sum)
        np.multiply(u + (h / 2) * self.rhs, half, out=self.stage)
        self.right_hand_side(self.stage)
        self.sum += half * (h / 3) * self.rhs
        u *= half
        np.add(u, (h / 2) * self.rhs, out=self.stage)
        self.right_hand_side(self.stage)
        self.sum += half * (h / 3) * self.rhs
        np.multiply(u + h * self.rhs, half, out=self.stage)
        self.right_hand_side(self.stage)
        np.add(self.sum, (h / 6) * self.rhs, out=u)
