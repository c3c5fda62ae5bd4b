"""3D Navier–Stokes in lanes of neighbouring modes: what `spectral.ifrk4` and `NavierStokes3D` compute, compiled.

One sample may be shared by the ranks of a communicator; the answer has the same bits on any number of them.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pdebench.arrays import Array, Complex, Index
from pdebench.parallel import Comm, Serial
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.spectral.fourier import Modes, largest_mode

from .slabs import Slabs

Precision = Literal["float32", "float64", "mixed"]
BEGIN, COLLECT = 0, 5  # besides the four stages of a step; see kernel.hpp


class LaneSweeps:
    """Advances states `(b, 3, *k)`; modes that the 2/3 rule drops are taken to be zero.

    Works in six to seven copies of one state, shared by the ranks. "mixed" keeps a float64 state and evaluates 𝒩 in
    float32. Raises `ValueError` for a grid whose size has a prime factor above 5.
    """

    def __init__(
        self, modes: Modes, precision: Precision, comm: Comm | None = None, *, threads: int = 1, kernel: str = ""
    ) -> None:
        comm, nz = comm or Serial(), modes.grid.shape[0]
        self.modes, self._comm, self._threads = modes, comm, threads
        self._top = [largest_mode(n) for n in modes.grid.shape]
        depth, rows, across = 2 * self._top[0] + 1, 2 * self._top[1] + 1, self._top[2] + 1
        self._planes, self._rows = shares(nz, comm.size), shares(rows, comm.size)
        self._sweeps = kernels._compiled.NavierStokes3DSweeps(
            modes.grid.shape,
            modes.grid.lengths,
            precision,
            planes=int(np.diff(self._planes)[comm.rank]),
            first_row=self._rows.tolist(),
            own=comm.rank,
            kernel=kernel,
        )
        lanes, own = self._sweeps.lanes, int(np.diff(self._rows)[comm.rank])
        blocks = -(-across // lanes)
        coarse = np.dtype("float64" if precision == "float64" else "float32")
        fine = np.dtype("float32" if precision == "float32" else "float64")
        self._velocity = Slabs(comm, self._planes, self._rows, 3 * blocks * 2 * lanes, coarse)
        self._products = Slabs(comm, self._planes, self._rows, 5 * blocks * 2 * lanes, coarse)
        self._state, self._sum = (aligned((own, blocks, depth, 3, 2, lanes), fine) for _ in range(2))

    def advance(
        self, state: Complex, params: BatchParams, *, length: float, steps: Index
    ) -> tuple[Complex, Array, Array]:
        """What `ifrk4.advance` gives, to round-off."""
        own, peak, last = self.march(self.enter(state), params, length=length, steps=steps)
        return self.leave(own, self.modes.grid.shape), peak, last

    def rate(self, state: Complex, params: BatchParams) -> Array:
        """max Σ |uᵢ|/hᵢ, `(b,)`."""
        return self.speed(self.enter(state), params)

    def nonlinear(self, state: Complex) -> tuple[Complex, Array]:
        """What `NavierStokes3D.nonlinear` gives: 𝒩, `(b, 3, *k)`, and the advection rate, `(b,)`."""
        own, found = self.enter(state), np.zeros(len(state))
        for i, one in enumerate(own):
            found[i] = self._begin(one)
            self._lines(COLLECT)
            one[...] = self._sum
        return self.leave(own, self.modes.grid.shape), self._largest(found)

    # Between two intervals a rank keeps its own rows only.

    def enter(self, state: Complex) -> Array:
        """Modes `(b, 3, *k)` -> this rank's rows ky of them, `(b, row, block, kz, 3, re im, lane)`."""
        first, last = self._rows[self._comm.rank : self._comm.rank + 2]
        across, (rows, blocks, depth, _, _, lanes) = self._top[2] + 1, self._state.shape
        kz, ky = _kept(self._top[0]), _kept(self._top[1])[first:last]
        out = np.zeros((len(state), *self._state.shape), self._state.dtype)
        for one, whole in zip(out, state, strict=True):
            own = np.zeros((3, depth, rows, blocks * lanes), state.dtype)
            own[..., :across] = whole[:, kz[:, None], ky, :across]
            turned = own.reshape(3, depth, rows, blocks, lanes).transpose(2, 3, 1, 0, 4)
            one[..., 0, :], one[..., 1, :] = turned.real, turned.imag
        return out

    def leave(self, own: Array, shape: tuple[int, ...]) -> Complex:
        """Modes `(b, 3, *k)` laid out for a grid of `shape`, on every rank; only those that it holds are sent.

        Modes of which `resize` would say nothing on that grid are dropped, as there.
        """
        sizes = zip(self._top, self.modes.grid.shape, shape, strict=True)
        held = [min(top, (min(n, m) - 1) // 2) for top, n, m in sizes]
        first, last = self._rows[self._comm.rank : self._comm.rank + 2]
        mine = own[:, np.abs(_kept(self._top[1])[first:last]) <= held[1]]
        mine = mine[:, :, :, np.abs(_kept(self._top[0])) <= held[0]]
        count, rows, blocks, depth, _, _, lanes = mine.shape
        values: Complex = mine[..., 0, :] + 1j * mine[..., 1, :]
        part = values.transpose(0, 4, 3, 1, 2, 5).reshape(count, 3, depth, rows, blocks * lanes)[..., : held[2] + 1]
        out = np.zeros((count, 3, *shape[:2], shape[2] // 2 + 1), part.dtype)
        together = np.concatenate(self._comm.allgather(part), axis=3)
        out[:, :, _kept(held[0])[:, None], _kept(held[1]), : held[2] + 1] = together
        return out

    def finite(self, own: Array) -> NDArray[np.bool_]:
        """Whether a state is finite on all ranks, `(b,)`."""
        here = np.isfinite(own).all(axis=tuple(range(1, own.ndim)))
        return np.asarray(np.all(self._comm.allgather(here), axis=0))

    def march(self, own: Array, params: BatchParams, *, length: float, steps: Index) -> tuple[Array, Array, Array]:
        """`advance` from what this rank keeps to what it keeps then."""
        out, peak, last = np.empty_like(own), np.zeros(len(own)), np.zeros(len(own))
        for i, count in enumerate(steps):
            how = {"viscosity": float(params["viscosity"][i]), "step": length / max(int(count), 1)}
            rate = self._begin(own[i])
            for _ in range(count):
                peak[i] = max(peak[i], rate)
                for stage in (1, 2, 3, 4):
                    self._lines(stage, **how)
                    rate = self._grid(measured=stage == 4)
            out[i], last[i] = self._state, rate
        peak, last = self._largest(np.stack([peak, last]))
        return out, peak, last

    def speed(self, own: Array, params: BatchParams) -> Array:
        """`rate` of what this rank keeps."""
        return self._largest(np.array([self._begin(one) for one in own]))

    def memory(self) -> int:
        """Bytes that this rank's share works in."""
        return self._velocity.nbytes + self._products.nbytes + self._state.nbytes + self._sum.nbytes

    def _begin(self, own: Array) -> float:
        """The state to the grid and its products back; this rank's largest rate."""
        self._state[...] = own
        self._lines(BEGIN)
        return self._grid(measured=True)

    def _lines(self, stage: int, *, viscosity: float = 0.0, step: float = 0.0) -> None:
        buffers = self._velocity.lines, self._products.lines, self._state, self._sum
        onward = stage != COLLECT
        how: dict[str, Any] = {"viscosity": viscosity, "step": step, "threads": self._threads}
        self._sweeps.lines(stage, *buffers, onward=onward, **how)
        if onward:
            self._velocity.to_planes()

    def _grid(self, *, measured: bool) -> float:
        rate = self._sweeps.planes(
            self._velocity.planes, self._products.planes, measured=measured, threads=self._threads
        )
        self._products.to_lines()
        return rate

    def _largest(self, own: Array) -> Array:
        return np.asarray(np.max(self._comm.allgather(own), axis=0))


def shares(count: int, parts: int) -> Index:
    """Where each of `parts` contiguous, nearly equal parts of `range(count)` begins, and the end."""
    return np.array([count * part // parts for part in range(parts + 1)])


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros on a 64-byte boundary, as whole registers want them."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def _kept(largest: int) -> Index:
    """0 … K, −K … −1: as indices, too."""
    return np.array([*range(largest + 1), *range(-largest, 0)])
