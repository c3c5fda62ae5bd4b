"""Finite volumes as a solver: from a card's options to frames of primitive variables."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from pydantic import model_validator

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Problem, inputs_of
from pdebench.resample import finer, resample
from pdebench.solvers.kernels import finite_volume as kernel
from pdebench.spec import Card, Count, Grid, Positive

from .boundary import Boundaries
from .engine import Advanced, Engine, NumpyEngine, Scheme
from .part import Part, Shared, Whole
from .reconstruction import GHOSTS, Limiter, Reconstruction
from .residual import Space
from .riemann import FluxName, flux_called
from .shared import SharedEngine
from .split import SplitEngine
from .system import System

log = logging.getLogger(__name__)

# Of the Courant number: max over axes for one axis at a time, Σ over axes otherwise.
LIMITS: dict[Scheme, float] = {"muscl_hancock": 1.0, "ssp_rk2": 1.0, "ssp_rk3": 1.0}


@runtime_checkable
class Conservation(Problem, Protocol):
    """A problem that is a system of conservation laws in a box; its fields are the system's primitive variables."""

    @property
    def boundaries(self) -> Boundaries: ...
    def system(self, params: BatchParams, dtype: np.dtype[Any]) -> System: ...


class FiniteVolumeCard(Card):
    """Options of the finite-volume solver.

    `muscl_hancock` takes one axis after the other, with one flux per face and step; its Courant number is the largest
    |λ|Δt/h. `ssp_rk2` and `ssp_rk3` treat all axes together, and theirs is Σ|λ|Δt/h. Good values: 0.8 and 0.45.
    `cfl` bounds it by the waves as a step begins. In 2D `muscl_hancock` ends a step with half of it left along x, which
    the next one takes along, and counts it as its own; were the waves to become faster by more than half within one
    step, the number would pass `cfl`, by less than that growth.
    `weno5` is of fifth order along one axis, and of second, with a small constant, in more; it wants wet beds.
    """

    cfl: Positive = 0.8
    scheme: Scheme = "muscl_hancock"
    reconstruction: Reconstruction = "muscl"
    limiter: Limiter = "mc"
    flux: FluxName = "hllc"
    precision: Literal["float64", "float32"] = "float64"
    engine: Literal["fastest", "numpy"] = "fastest"
    batch: Count = 16
    max_steps: Count = 100_000

    @model_validator(mode="after")
    def _stable(self) -> Self:
        if self.cfl > LIMITS[self.scheme]:
            raise ValueError(f"cfl {self.cfl:g} lies above {LIMITS[self.scheme]:g}, where {self.scheme} is unstable")
        if self.scheme == "muscl_hancock" and self.reconstruction != "muscl":
            raise ValueError(
                f"muscl_hancock reconstructs by muscl, not by {self.reconstruction}: use ssp_rk2 or ssp_rk3"
            )
        return self

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> FiniteVolumeSolver:
        if not isinstance(problem, Conservation):
            raise SolverError(f"the finite-volume solver needs conservation laws; {problem} has no system")
        if grid.points != "centres":
            raise SolverError(f"the finite-volume solver needs grid.points: centres, not {grid.points}")
        problem.boundaries.expect(grid)
        if min(grid.shape) < (least := 2 * GHOSTS[self.reconstruction]):
            raise SolverError(f"{self.reconstruction} needs {least} cells along each axis, not {grid.shape}")
        part = Shared(comm, grid.shape, problem.boundaries, least // 2) if comm.size > 1 else Whole()
        return FiniteVolumeSolver(problem, grid, output, self, part)

    def provenance(self) -> dict[str, str]:
        return {"finite-volume engine": kernel.provenance() if self.engine == "fastest" else "numpy"}

    def refined(self, factor: float) -> FiniteVolumeCard:
        steps = int(np.ceil(self.max_steps * factor**2))
        return self.model_copy(update={"cfl": self.cfl / factor, "max_steps": steps, "precision": "float64"})


class FiniteVolumeSolver:
    """Conserves what the boundaries let it, to round-off. A member that leaves physics is NaN from there on."""

    def __init__(
        self, problem: Conservation, grid: Grid, output: Grid, card: FiniteVolumeCard, part: Part | None = None
    ) -> None:
        self.batch, self._part = card.batch, part or Whole()
        self._problem, self._grid, self._output, self._card = problem, grid, output, card
        self._dtype, self._inputs = np.dtype(card.precision), len(inputs_of(problem))
        least = {p.name: np.full(1, max(p.minimum, 0.0)) for p in problem.parameters}
        one = problem.system(least, self._dtype)
        flux = flux_called(card.flux, one)
        space = Space(grid.spacing, problem.boundaries, card.reconstruction, card.limiter, flux, self._part)
        make = SplitEngine if hasattr(one, "diffusivity") else NumpyEngine
        reference = make(self._system, space, card.scheme, card.cfl, card.max_steps)
        self._refuse(one)
        self._engine: Engine = reference
        if card.engine == "fastest":
            self._engine = kernel.fastest(reference, one, flux=card.flux)
        if isinstance(self._engine, kernel.LaneEngine) and isinstance(self._part, Shared):
            self._engine = SharedEngine(self._engine, self._part)
        self._steps: Index = np.zeros(0, int)
        self._reasons: list[str] = []
        self.limited: Index = np.zeros(0, int)  # how often positivity had to be helped, per member

    def _refuse(self, system: Any) -> None:
        self._problem.boundaries.expect_states(system)
        if self._problem.boundaries.uneven and isinstance(self._part, Shared):
            raise SolverError("a side that differs along itself wants the whole box on one rank: set ranks to 1")
        if self._inputs and (self._card.scheme == "muscl_hancock" or self._card.reconstruction != "muscl"):
            raise SolverError("an uneven bed takes scheme ssp_rk2 or ssp_rk3 with reconstruction muscl")
        if hasattr(system, "diffusivity") and isinstance(self._part, Shared):
            raise SolverError("diffusion by transforms wants the whole box on one rank: set ranks to 1")
        if self._card.scheme == "muscl_hancock" and hasattr(system, "viscous_flux"):
            raise SolverError("muscl_hancock knows no viscosity: set solver.scheme to ssp_rk2 or ssp_rk3")

    def _system(self, params: BatchParams) -> System:
        return self._problem.system(params, self._dtype)

    def costs(self) -> list[Cost]:
        return [
            Cost(int(n), 0, why, int(k)) for n, why, k in zip(self._steps, self._reasons, self.limited, strict=True)
        ]

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        count, names = len(states), [one.name for one in (*self._problem.fields, *inputs_of(self._problem))]
        if states.shape[1:] != (len(names), *self._grid.shape):
            raise SolverError(
                f"states are {states.shape}, but {', '.join(names)} on {self._grid.shape} are "
                f"{(count, len(names), *self._grid.shape)}"
            )
        self._steps, self.limited, self._reasons = np.zeros(count, int), np.zeros(count, int), [""] * count
        w = np.swapaxes(states, 0, 1).astype(self._dtype)
        w, bed = (w[: -self._inputs], w[-self._inputs :]) if self._inputs else (w, None)
        system: Any = self._system(params)
        for member in range(count):
            self._reasons[member] = _defect(system, w[:, member], self._grid)
            if bed is not None and not np.isfinite(bed[:, member]).all():
                self._reasons[member] = "the bed is not finite"
        sound = np.array([not why for why in self._reasons])
        q = self._part.own(system.conserved(np.where(sound.reshape(-1, *(1,) * system.dimensions), w, 1)))
        bed = None if bed is None else self._part.own(bed)
        del states, w  # on many ranks the whole is large
        now = 0.0
        for time in times:
            if time > now:
                q = self._interval(q, params, now, float(time), bed)
                now = float(time)
            yield self._values(q, params)

    def _interval(self, q: Array, params: BatchParams, start: float, end: float, bed: Array | None) -> Array:
        todo: Index = np.array([i for i, why in enumerate(self._reasons) if not why], int)
        if not todo.size:
            return q
        own = {name: values[todo] for name, values in params.items()}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a blow-up is told by its reason
            below = None if bed is None else bed[:, todo]
            engine = self._engine
            if self._problem.boundaries.moving and isinstance(engine, NumpyEngine):
                engine = replace(engine, start=start)
            done = engine.advance(q[:, todo], own, length=end - start, bed=below)
            for row in np.flatnonzero(done.time < end - start):
                self._reasons[todo[row]] = self._failure(done, own, int(row), start, end)
        self._steps[todo] = self._steps[todo] + done.steps
        self.limited[todo] = self.limited[todo] + done.limited
        if done.limited.any():
            log.info("t = %g … %g: positivity was helped %s times, by member of the batch", start, end, done.limited)
        q = q.copy()
        q[:, todo] = done.q
        return q

    def _failure(self, done: Advanced, params: BatchParams, row: int, start: float, end: float) -> str:
        system: Any = self._system({name: values[row : row + 1] for name, values in params.items()})
        q = self._part.gathered(done.q[:, row : row + 1])
        if q is None:
            return "told by rank 0"
        if system.admissible(q).all():
            return f"t = {start:g} … {end:g} needs more than {self._card.max_steps} steps (solver.max_steps)"
        bad = ~system.admissible(q)[0]
        return f"at t = {start + done.time[row]:.6g} {_worst(system, _raw(system, q)[:, 0], bad, self._grid)}"

    def _values(self, own: Array, params: BatchParams) -> Array:
        """Primitive variables on the output grid, of the conserved averages there; NaN for members that failed."""
        q = self._part.gathered(np.ascontiguousarray(own))  # resampling adds up in the order of memory
        if q is None:
            return np.zeros(0)  # only rank 0's frames count
        lost = np.array([bool(why) for why in self._reasons])
        sound = np.where(lost.reshape(-1, *(1,) * (q.ndim - 2)), 1, q).astype(q.dtype)
        w = self._shown(self._system(params), sound)
        out = np.swapaxes(w, 0, 1).copy()
        out[lost] = np.nan
        return out

    def _shown(self, system: Any, q: Array) -> Array:
        """Primitive variables of the averages over the output's cells, which may be smaller than the solver's."""
        if all(n >= m for n, m in zip(self._grid.shape, self._output.shape, strict=True)):
            return np.asarray(system.primitive(resample(q, self._grid, self._output)))
        ring = [pair[0] == "periodic" for pair in self._problem.boundaries.pairs()]
        means = finer(q, self._grid, self._output, periodic=ring)
        if not (good := system.admissible(means)).all():
            means = np.where(good, means, resample(q, self._grid, self._output))
        return np.asarray(system.primitive(means))


def _raw(system: Any, q: Array) -> Array:
    """Primitive variables as they are, with what `primitive` mends for a dry bed."""
    w = np.array(system.primitive(q))
    if system.positive:
        w[0] = q[0]
    return w


def _defect(system: Any, w: Array, grid: Grid) -> str:
    """Why a primitive state `(variable, *space)` cannot begin; empty if it can."""
    if not np.isfinite(w).all():
        return "the initial state is not finite"
    strict = len(system.positive) > 1  # a gas; a bed may be dry
    for v in system.positive:
        bad = (w[v] <= 0) if strict else (w[v] < 0)
        if bad.any():
            return f"initially {_worst(system, w, bad, grid)}"
    return ""


def _worst(system: Any, w: Array, bad: Array, grid: Grid) -> str:
    """`density is -0.1 in cell (3, 4)`, of the first bad cell."""
    cell = tuple(int(i) for i in np.argwhere(bad)[0])
    values = w.reshape(len(w), -1)[:, np.ravel_multi_index(cell, grid.shape)]
    for v in (*system.positive, *range(len(values))):
        if not np.isfinite(values[v]) or (v in system.positive and values[v] <= 0):
            return f"{system.variables[v]} is {values[v]:.3g} in cell {cell} of {grid.shape}"
    return f"the state is unphysical in cell {cell} of {grid.shape}"
