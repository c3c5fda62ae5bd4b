"""Who evaluates the equation: the compiled lane kernels where they know it, NumPy for every other one."""

from __future__ import annotations

import logging
from typing import Any, Literal, Protocol
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from pdebench.arrays import Array, Complex, Index
from pdebench.errors import SolverError
from pdebench.parallel import Comm, Serial
from pdebench.problem import BatchParams
from pdebench.resample import resize
from pdebench.solvers import kernels
from pdebench.solvers.kernels import family, navier_stokes_2d
from pdebench.solvers.kernels.navier_stokes_3d import LaneSweeps
from pdebench.spec import Grid

from . import etdrk4, ifab4, ifrk4
from .fourier import Modes, largest_mode
from .navier_stokes import NavierStokes2D
from .navier_stokes_3d import NavierStokes3D
from .polynomials import Pointwise, is_pointwise
from .semilinear import Semilinear, degree

log = logging.getLogger(__name__)

# "mixed": the state in float64, 𝒩 in float32.
Precision = Literal["float64", "float32", "mixed"]
Scheme = Literal["ifrk4", "etdrk4", "ifab4"]
SCHEMES = {"ifrk4": ifrk4.advance, "etdrk4": etdrk4.advance, "ifab4": ifab4.advance}


class Engine(Protocol):
    """Advances batches of modes `(b, field, *k)`, laid out by `modes`."""

    modes: Modes

    def advance(
        self, state: Complex, params: BatchParams, *, length: float, steps: Index
    ) -> tuple[Complex, Array, Array]:
        """See `ifrk4.advance`."""
        ...

    def rate(self, state: Complex, params: BatchParams) -> Array:
        """The rate of 𝒩 `(b,)`; see `Semilinear.nonlinear`."""
        ...


class Keeper(Protocol):
    """What a solver marches: states as an engine keeps them between two output times, `(b, …)`."""

    def enter(self, state: Complex) -> Array | Complex: ...
    def leave(self, own: Any, shape: tuple[int, ...]) -> Complex:
        """Modes laid out for a grid of `shape`, as `resize` gives them."""
        ...

    def finite(self, own: Any) -> NDArray[np.bool_]: ...
    def march(self, own: Any, params: BatchParams, *, length: float, steps: Index) -> tuple[Any, Array, Array]: ...
    def speed(self, own: Any, params: BatchParams) -> Array: ...


class Whole:
    """Keeps the modes as they are."""

    def __init__(self, engine: Engine) -> None:
        self._shape, self.march, self.speed = engine.modes.grid.shape, engine.advance, engine.rate

    def enter(self, state: Complex) -> Complex:
        return state

    def leave(self, own: Complex, shape: tuple[int, ...]) -> Complex:
        return own.copy() if shape == self._shape else resize(own, self._shape, shape)

    def finite(self, own: Complex) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(own).all(axis=tuple(range(1, own.ndim))))


class NumpyEngine:
    """Any semilinear equation, by the reference code."""

    def __init__(self, equation: Semilinear, grid: Grid, precision: Precision, scheme: Scheme = "ifrk4") -> None:
        self._equation = equation
        self._advance = SCHEMES[scheme]
        self.modes = Modes(grid, "float64" if precision == "mixed" else precision, degree=degree(equation))
        self._inner = Modes(grid, "float32", degree=degree(equation)) if precision == "mixed" else self.modes

    def advance(
        self, state: Complex, params: BatchParams, *, length: float, steps: Index
    ) -> tuple[Complex, Array, Array]:
        return self._advance(self, self.modes, state, params, length=length, steps=steps)

    def rate(self, state: Complex, params: BatchParams) -> Array:
        return self.nonlinear(self.modes, state, params)[1]

    def symbol(self, modes: Modes, params: BatchParams) -> Array | Complex:
        return self._equation.symbol(modes, params)

    def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
        """𝒩 in the inner precision."""
        if self._inner is modes:
            return self._equation.nonlinear(modes, state, params)
        out, rate = self._equation.nonlinear(self._inner, state.astype(np.complex64), params)
        return out.astype(state.dtype), rate


class LaneEngine:
    """2D Navier–Stokes, one sample per SIMD lane. A batch that comes back as it was given has stayed in the lanes."""

    def __init__(self, equation: NavierStokes2D, grid: Grid, precision: Precision, scheme: Scheme = "ifrk4") -> None:
        self._equation, self._precision, self._bashforth = equation, precision, scheme == "ifab4"
        self._held = kernels._compiled.NavierStokes2DHeld() if kernels.available() else None
        self._given: ref[Complex] | None = None  # what waits in the lanes
        self.modes = Modes(grid, "float32" if precision == "float32" else "float64")

    def advance(
        self, state: Complex, params: BatchParams, *, length: float, steps: Index
    ) -> tuple[Complex, Array, Array]:
        packed = self._given is not None and self._given() is state
        new, peak, last = navier_stokes_2d.advance(
            self._equation,
            self.modes,
            state,
            params,
            length=length,
            steps=steps,
            precision=self._precision,
            bashforth=self._bashforth,
            held=self._held,
            packed=packed,
        )
        new.flags.writeable = False
        self._given = ref(new)
        return new, peak, last

    def rate(self, state: Complex, params: BatchParams) -> Array:
        return navier_stokes_2d.nonlinear(self._equation, self.modes, state, params, precision=self._precision)[1]


class FamilyEngine:
    """Any equation that declares its `Polynomials`, one sample per SIMD lane."""

    def __init__(self, equation: Pointwise, grid: Grid, precision: Precision, scheme: family.Scheme) -> None:
        self.modes = Modes(grid, "float32" if precision == "float32" else "float64", degree=degree(equation))
        self._lanes = family.Lanes(equation, self.modes, scheme, precision=precision)

    def advance(
        self, state: Complex, params: BatchParams, *, length: float, steps: Index
    ) -> tuple[Complex, Array, Array]:
        return self._lanes.advance(state, params, length=length, steps=steps)

    def rate(self, state: Complex, params: BatchParams) -> Array:
        return self._lanes.nonlinear(state, params)[1]


def compiled() -> str:
    """What decides the last bits: kernels with or without fused multiply-add, or NumPy where they are missing."""
    if not kernels.available():
        return "numpy"
    instructions = kernels._compiled.navier_stokes_2d_kernels("float64")[0].partition("/")[0]
    return "lanes, fused multiply-add" if instructions in {"avx2", "avx512"} else f"lanes, {instructions}"


def fastest(
    equation: Semilinear, grid: Grid, precision: Precision, scheme: Scheme = "ifrk4", comm: Comm | None = None
) -> Engine:
    """The lane kernels where they are compiled, know the equation and can transform the grid; else NumPy, said so.

    Of these only 3D Navier–Stokes in lanes shares a sample among the ranks of `comm`.
    """
    plane = scheme in {"ifrk4", "ifab4"} and _is(equation, NavierStokes2D)
    cube = scheme == "ifrk4" and _is(equation, NavierStokes3D)
    pointwise = scheme != "ifab4" and is_pointwise(equation)
    if not (plane or cube or pointwise):
        return NumpyEngine(equation, grid, precision, scheme)
    if not kernels.available():
        log.warning("the compiled kernels are missing, so NumPy solves, many times slower: install with a C++ compiler")
        return NumpyEngine(equation, grid, precision, scheme)
    if not (all(kernels.can_transform(n) for n in grid.shape) if plane or cube else family.can_solve(grid)):
        log.warning("no compiled transform for %s points, so NumPy solves; even sizes 2ᵃ 3ᵇ 5ᶜ are faster", grid.shape)
        return NumpyEngine(equation, grid, precision, scheme)
    if isinstance(equation, NavierStokes2D) and plane:
        return LaneEngine(equation, grid, precision, scheme)
    if cube:
        return _shared(grid, precision, comm or Serial())
    if scheme != "ifab4" and is_pointwise(equation):
        return FamilyEngine(equation, grid, precision, scheme)
    return NumpyEngine(equation, grid, precision, scheme)


def _shared(grid: Grid, precision: Precision, comm: Comm) -> LaneSweeps:
    """The sweeps of 3D Navier–Stokes, with a share of planes and of rows for every rank."""
    if comm.size > (most := min(grid.shape[0], 2 * largest_mode(grid.shape[1]) + 1)):
        raise SolverError(f"a grid of {grid.shape} can be shared by at most {most} ranks, not by {comm.size}")
    return LaneSweeps(Modes(grid, "float32" if precision == "float32" else "float64"), precision, comm)


def _is(equation: Semilinear, kind: type[Semilinear]) -> bool:
    """Whether it is the equation that its kernel knows, and not a variant of it."""
    own = type(equation)
    return isinstance(equation, kind) and own.nonlinear is kind.nonlinear and own.symbol is kind.symbol
