from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Waves = list[tuple[int, int, complex]]
States = NDArray[np.complexfloating[Any, Any]]

def can_transform(size: int) -> bool: ...
def navier_stokes_2d_kernels(precision: str) -> list[str]: ...
def navier_stokes_2d_memory(
    shape: tuple[int, int], precision: str, kernel: str, tracers: int = 0, bashforth: bool = False
) -> int: ...
def navier_stokes_2d_advance(
    states: ArrayLike,
    *,
    shape: tuple[int, int],
    lengths: tuple[float, float],
    viscosity: ArrayLike,
    drag: ArrayLike,
    hyperviscosity: ArrayLike,
    diffusivity: ArrayLike,
    length: float,
    steps: ArrayLike,
    forcing: Waves,
    mean_velocity: tuple[float, float],
    gradients: list[tuple[float, float]],
    hyper_power: int,
    bashforth: bool,
    precision: str,
    threads: int = 1,
    kernel: str = "",
) -> tuple[States, NDArray[np.float64], NDArray[np.float64]]: ...
def navier_stokes_2d_nonlinear(
    states: ArrayLike,
    *,
    shape: tuple[int, int],
    lengths: tuple[float, float],
    forcing: Waves,
    mean_velocity: tuple[float, float],
    gradients: list[tuple[float, float]],
    precision: str,
    threads: int = 1,
    kernel: str = "",
) -> tuple[States, NDArray[np.float64]]: ...
def family_kernels(precision: str) -> list[str]: ...
def family_memory(
    *,
    shape: Sequence[int],
    lengths: Sequence[float],
    top: Sequence[int],
    fields: int,
    rates: int,
    inputs: Sequence[tuple[int, int]],
    terms: Sequence[tuple[int, Sequence[int]]],
    symbol: ArrayLike,
    scheme: str,
    precision: str,
    kernel: str,
) -> int: ...
def family_advance(
    states: ArrayLike,
    *,
    tables: Sequence[ArrayLike | None],
    coefficients: ArrayLike,
    length: float,
    steps: ArrayLike,
    shape: Sequence[int],
    lengths: Sequence[float],
    top: Sequence[int],
    fields: int,
    rates: int,
    inputs: Sequence[tuple[int, int]],
    terms: Sequence[tuple[int, Sequence[int]]],
    symbol: ArrayLike,
    scheme: str,
    precision: str,
    threads: int = 1,
    kernel: str = "",
) -> tuple[States, NDArray[np.float64]]: ...
def family_nonlinear(
    states: ArrayLike,
    *,
    coefficients: ArrayLike,
    shape: Sequence[int],
    lengths: Sequence[float],
    top: Sequence[int],
    fields: int,
    rates: int,
    inputs: Sequence[tuple[int, int]],
    terms: Sequence[tuple[int, Sequence[int]]],
    symbol: ArrayLike,
    precision: str,
    threads: int = 1,
    kernel: str = "",
) -> tuple[States, NDArray[np.float64]]: ...
