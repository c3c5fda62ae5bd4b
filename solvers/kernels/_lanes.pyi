from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Waves = list[tuple[int, int, complex]]
States = NDArray[np.complexfloating[Any, Any]]

def kernels(precision: str) -> list[str]: ...
def can_transform(size: int) -> bool: ...
def memory(shape: tuple[int, int], precision: str, kernel: str) -> int: ...
def advance(
    states: ArrayLike,
    *,
    shape: tuple[int, int],
    lengths: tuple[float, float],
    viscosity: ArrayLike,
    drag: ArrayLike,
    length: float,
    steps: ArrayLike,
    forcing: Waves,
    mean_velocity: tuple[float, float],
    precision: str,
    threads: int = 1,
    kernel: str = "",
) -> tuple[States, NDArray[np.float64]]: ...
def nonlinear(
    states: ArrayLike,
    *,
    shape: tuple[int, int],
    lengths: tuple[float, float],
    forcing: Waves,
    mean_velocity: tuple[float, float],
    precision: str,
    threads: int = 1,
    kernel: str = "",
) -> tuple[States, NDArray[np.float64]]: ...
