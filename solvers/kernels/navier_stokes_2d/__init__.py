"""2D Navier–Stokes in lanes: what `spectral.ifrk4` and `NavierStokes2D` compute, compiled."""

from __future__ import annotations

from typing import Any, Literal

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.spectral import ifrk4
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D, Wave

Precision = Literal["float32", "float64", "mixed"]


def advance(
    equation: NavierStokes2D,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    length: float,
    steps: Index,
    precision: Precision | None = None,
    threads: int = 1,
) -> tuple[Complex, Array, Array]:
    """What `ifrk4.advance` gives, to round-off, many times faster; modes that the 2/3 rule drops are taken to be zero.

    `precision` defaults to that of `modes`. "mixed" keeps a float64 state and evaluates 𝒩 in float32: right for
    float32 stores. Raises `ValueError` for a grid whose size has a prime factor above 5.
    """
    if not kernels.available():
        kernels.warn_once()
        return ifrk4.advance(equation, modes, state, params, length=length, steps=steps)
    new, peak, rate = kernels._compiled.navier_stokes_2d_advance(
        state[:, 0],
        viscosity=params["viscosity"],
        drag=params["drag"],
        length=length,
        steps=steps,
        threads=threads,
        **_surroundings(equation, modes, precision),
    )
    return new[:, None], peak, rate


def nonlinear(
    equation: NavierStokes2D,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    precision: Precision | None = None,
    threads: int = 1,
) -> tuple[Complex, Array]:
    """What `equation.nonlinear` gives: 𝒩, `(b, 1, *k)`, and the advection rate, `(b,)`."""
    if not kernels.available():
        kernels.warn_once()
        return equation.nonlinear(modes, state, params)
    out, rate = kernels._compiled.navier_stokes_2d_nonlinear(
        state[:, 0], threads=threads, **_surroundings(equation, modes, precision)
    )
    return out[:, None], rate


def _surroundings(equation: NavierStokes2D, modes: Modes, precision: Precision | None) -> dict[str, Any]:
    """What all members share, in the words of the compiled module."""
    ny, nx = modes.grid.shape
    length_y, length_x = modes.grid.lengths
    return {
        "shape": (ny, nx),
        "lengths": (length_y, length_x),
        "forcing": [(ky, kx, value) for wave in equation.forcing for ky, kx, value in _half_plane(wave)],
        "mean_velocity": equation.mean_velocity,
        "precision": precision or modes.dtype.name,
    }


def _half_plane(wave: Wave) -> list[tuple[int, int, complex]]:
    """A real wave as coefficients with kx ≥ 0: one of the pair ±k, or both where kx = 0."""
    coefficient = complex(wave.cos, -wave.sin) / 2
    pair = [(wave.ky, wave.kx, coefficient), (-wave.ky, -wave.kx, coefficient.conjugate())]
    return [entry for entry in pair if entry[1] >= 0]
