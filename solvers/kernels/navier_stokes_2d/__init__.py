"""2D Navier–Stokes in lanes: what `spectral.ifrk4`, `spectral.ifab4` and `NavierStokes2D` compute, compiled."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import BatchParams
from pdebench.solvers import kernels
from pdebench.solvers.spectral import ifab4, ifrk4
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D, Wave

Precision = Literal["float32", "float64", "mixed"]


def advance(  # noqa: PLR0913  what, how far, and on what machine
    equation: NavierStokes2D,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    length: float,
    steps: Index,
    precision: Precision | None = None,
    bashforth: bool = False,
    threads: int = 1,
    held: Any = None,
    packed: bool = False,
) -> tuple[Complex, Array, Array]:
    """What `ifrk4.advance` gives, or with `bashforth` `ifab4.advance`: to round-off, many times faster.

    Modes that the 2/3 rule drops are taken to be zero. `precision` defaults to that of `modes`; "mixed" keeps a float64
    state and evaluates 𝒩 in float32: right for float32 stores. Raises `ValueError` for a grid whose size has a prime
    factor above 5. `held`, a `NavierStokes2DHeld`, keeps the batch in the lanes for the next call; with `packed` the
    caller says that `state` is what the last call with it gave, unchanged, and it is not read again. The same bits.
    """
    if not kernels.available():
        kernels.warn_once()
        serve = ifab4.advance if bashforth else ifrk4.advance
        return serve(equation, modes, state, params, length=length, steps=steps)
    return kernels._compiled.navier_stokes_2d_advance(
        state,
        length=length,
        steps=steps,
        bashforth=bashforth,
        threads=threads,
        held=held,
        packed=packed,
        hyper_power=equation.hyperviscosity_power,
        **_coefficients(equation, params, len(state)),
        **_surroundings(equation, modes, precision),
    )


def nonlinear(
    equation: NavierStokes2D,
    modes: Modes,
    state: Complex,
    params: BatchParams,
    *,
    precision: Precision | None = None,
) -> tuple[Complex, Array]:
    """What `equation.nonlinear` gives: 𝒩, `(b, field, *k)`, and the advection rate, `(b,)`."""
    if not kernels.available():
        kernels.warn_once()
        return equation.nonlinear(modes, state, params)
    return kernels._compiled.navier_stokes_2d_nonlinear(state, **_surroundings(equation, modes, precision))


def _coefficients(equation: NavierStokes2D, params: BatchParams, count: int) -> dict[str, Any]:
    """What each member has of its own: `(b,)`, and of tracers `(b, tracer)`."""
    diffusivity = [params[tracer.diffusivity] for tracer in equation.tracers]
    return {
        "viscosity": params["viscosity"],
        "drag": params["drag"],
        "hyperviscosity": params.get("hyperviscosity", np.zeros(count)),
        "diffusivity": np.reshape(diffusivity, (len(diffusivity), count)).T,
    }


def _surroundings(equation: NavierStokes2D, modes: Modes, precision: Precision | None) -> dict[str, Any]:
    """What all members share, in the words of the compiled module."""
    ny, nx = modes.grid.shape
    length_y, length_x = modes.grid.lengths
    return {
        "shape": (ny, nx),
        "lengths": (length_y, length_x),
        "forcing": [(ky, kx, value) for wave in equation.forcing for ky, kx, value in _half_plane(wave)],
        "mean_velocity": equation.mean_velocity,
        "gradients": [tracer.mean_gradient for tracer in equation.tracers],
        "precision": precision or modes.dtype.name,
    }


def _half_plane(wave: Wave) -> list[tuple[int, int, complex]]:
    """A real wave as coefficients with kx ≥ 0: one of the pair ±k, or both where kx = 0."""
    coefficient = complex(wave.cos, -wave.sin) / 2
    pair = [(wave.ky, wave.kx, coefficient), (-wave.ky, -wave.kx, coefficient.conjugate())]
    return [entry for entry in pair if entry[1] >= 0]
