from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Waves = list[tuple[int, int, complex]]
States = NDArray[np.complexfloating[Any, Any]]

Doubles = NDArray[np.floating[Any]]

def can_transform(size: int) -> bool: ...
def krylov_project(q: Doubles, count: int, found: Doubles, isa: str = "") -> None: ...
def krylov_subtract(q: Doubles, count: int, part: Doubles, found: Doubles, isa: str = "") -> None: ...
def krylov_orthogonalise(q: Doubles, count: int, components: Doubles, loss: float, passes: int) -> float: ...
def elements_transport(
    velocity: Doubles,
    cells: NDArray[np.integer[Any]],
    slopes: Doubles,
    reference: Doubles,
    places: NDArray[np.integer[Any]],
    values: Doubles,
    isa: str = "",
) -> None: ...
def elements_courant(velocity: Doubles, cells: NDArray[np.integer[Any]], slopes: Doubles, isa: str = "") -> float: ...
def elements_multiply(
    starts: NDArray[np.integer[Any]], columns: NDArray[np.integer[Any]], values: Doubles, x: Doubles, isa: str = ""
) -> NDArray[np.float64]: ...
def elements_bicgstab(
    starts: NDArray[np.integer[Any]],
    columns: NDArray[np.integer[Any]],
    values: Doubles,
    rhs: Doubles,
    rtol: float,
    limit: int,
    isa: str = "",
) -> tuple[NDArray[np.float64], tuple[int, int], tuple[float, float]]: ...
def finite_volume_instruction_sets() -> list[str]: ...
def finite_volume_advance(
    states: ArrayLike,
    *,
    system: str,
    parameters: ArrayLike,
    spacing: Sequence[float],
    sides: Sequence[tuple[Any, Any]],
    limiter: str,
    flux: str,
    dry: float,
    length: float,
    cfl: float,
    max_steps: int,
    threads: int = 1,
    isa: str = "",
    layout: str = "",
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]: ...
def finite_volume_memory(
    system: str,
    cells: Sequence[int],
    *,
    layout: str,
    uneven: bool = False,
    viscous: bool = False,
    single: bool = False,
    isa: str = "",
) -> int: ...
def finite_volume_stages(
    states: ArrayLike,
    height: ArrayLike | None,
    *,
    system: str,
    parameters: ArrayLike,
    spacing: Sequence[float],
    sides: Sequence[tuple[Any, Any]],
    limiter: str,
    flux: str,
    dry: float,
    length: float,
    cfl: float,
    max_steps: int,
    stages: int,
    viscous: bool = False,
    threads: int = 1,
    isa: str = "",
    exchange: Callable[[NDArray[Any], int], None] | None = None,
    largest: Callable[[float], float] | None = None,
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]: ...
def finite_volume_sweep(
    block: NDArray[Any],
    *,
    system: str,
    parameters: ArrayLike,
    spacing: Sequence[float],
    sides: Sequence[tuple[Any, Any]],
    limiter: str,
    flux: str,
    dry: float,
    ghosts: int,
    axis: int,
    step: float,
    last: bool,
    isa: str = "",
) -> tuple[float, int, bool]: ...

class NavierStokes2DHeld:
    def __init__(self) -> None: ...
    @property
    def memory(self) -> int: ...

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
    held: NavierStokes2DHeld | None = None,
    packed: bool = False,
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
) -> tuple[States, NDArray[np.float64], NDArray[np.float64]]: ...
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
def multigrid_kernels() -> list[str]: ...

class MultigridSolver:
    def __init__(self, precision: str, kernel: str = "") -> None: ...
    def build(self, faces: Sequence[ArrayLike], shift: ArrayLike, periodic: Sequence[bool], singular: bool) -> None: ...
    def solve(
        self, rhs: ArrayLike, guess: ArrayLike, tolerance: float, limit: int
    ) -> tuple[NDArray[np.float64], int, float, bool]: ...
    def cycle(self, rhs: ArrayLike) -> NDArray[np.float64]: ...
    @property
    def levels(self) -> int: ...

def navier_stokes_3d_kernels(precision: str) -> list[str]: ...

class NavierStokes3DSweeps:
    def __init__(
        self,
        shape: tuple[int, ...],
        lengths: tuple[float, ...],
        precision: str,
        *,
        planes: int,
        first_row: list[int],
        own: int,
        kernel: str = "",
    ) -> None: ...
    @property
    def lanes(self) -> int: ...
    def planes(self, velocity: NDArray[Any], products: NDArray[Any], *, measured: bool, threads: int = 1) -> float: ...
    def lines(
        self,
        stage: int,
        velocity: NDArray[Any],
        products: NDArray[Any],
        state: NDArray[Any],
        sum: NDArray[Any],
        *,
        onward: bool,
        viscosity: float,
        step: float,
        threads: int = 1,
    ) -> None: ...
