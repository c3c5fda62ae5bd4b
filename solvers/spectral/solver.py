"""Trajectories of a semilinear equation in a periodic box: the march from output time to output time."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, Literal

import numpy as np
from pydantic import model_validator

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Problem
from pdebench.solvers.kernels.navier_stokes_3d import LaneSweeps
from pdebench.spec import Card, Count, Grid, Positive

from . import ifab4, ifrk4
from .engine import Engine, Keeper, NumpyEngine, Precision, Scheme, Whole, compiled, fastest
from .fourier import Modes, largest_mode
from .semilinear import Semilinear, degree


class SpectralCard(Card):
    """Options of the Fourier pseudo-spectral solver.

    `cfl` is the Courant number Δt Σ|uᵢ|/hᵢ that each step aims for (of a reaction: Δt |∂𝒩/∂u|); 0.5 leaves the time
    error below the space error. `min_steps` and `max_steps` bound the steps in one output interval.
    `precision`: `mixed`, a float64 state whose 𝒩 is evaluated in float32, is right for float32 stores: it reaches 2e-6
    on turbulence. Take `float64` for float64 stores, and for chaos that is followed long; certification always does.
    `scheme`: `ifrk4` where ℒ is mild; `etdrk4` where a stiff ℒ nearly balances 𝒩, as in chaos and fronts;
    `ifab4`, with one evaluation of 𝒩 a step in place of four, where an interval has many steps: `cfl` at most 0.2.
    """

    cfl: Positive = 0.5
    scheme: Scheme = "ifrk4"
    precision: Precision = "mixed"
    engine: Literal["fastest", "numpy"] = "fastest"
    batch: Count = 16
    min_steps: Count = 1
    max_steps: Count = 100_000

    @model_validator(mode="after")
    def _stable(self) -> SpectralCard:
        if self.cfl > self.limit:
            raise ValueError(
                f"cfl: above {self.limit:.3g} {self.scheme} is unstable for dealiased advection, but it is {self.cfl:g}"
            )
        return self

    @property
    def limit(self) -> float:
        """The Courant number up to which the scheme is stable."""
        return ifab4.COURANT_LIMIT if self.scheme == "ifab4" else ifrk4.COURANT_LIMIT

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> SpectralSolver:
        if not isinstance(problem, Semilinear):
            raise SolverError(f"the spectral solver needs an equation in semilinear form; {problem} has no symbol")
        if (held := largest_mode(min(grid.shape), degree(problem))) < problem.band():
            raise SolverError(
                f"a grid of {grid.shape} keeps wavenumbers up to {held} after dealiasing, but the forcing reaches "
                f"{problem.band()}: use at least {(degree(problem) + 1) * problem.band() + 1} points"
            )
        if grid.points != "nodes":
            raise SolverError("the spectral solver needs grid.points: nodes")
        engine = self._engine(problem, grid, comm)
        if comm.size > 1 and not isinstance(engine, LaneSweeps):
            raise SolverError(
                f"this card shares a sample among {comm.size} ranks, which only compiled 3D Navier–Stokes can: "
                "set ranks to 1, or a grid of 2ᵃ 3ᵇ 5ᶜ points, scheme ifrk4 and engine fastest"
            )
        return SpectralSolver(engine, output, self)

    def provenance(self) -> dict[str, str]:
        return {"spectral engine": compiled() if self.engine == "fastest" else "numpy"}

    def provenance_of(self, problem: Semilinear, grid: Grid) -> dict[str, str]:
        numpy = isinstance(self._engine(problem, grid), NumpyEngine)
        return {"spectral engine": "numpy" if numpy else compiled()}

    def _engine(self, problem: Semilinear, grid: Grid, comm: Comm | None = None) -> Engine:
        if self.engine == "numpy":
            return NumpyEngine(problem, grid, self.precision, self.scheme)
        return fastest(problem, grid, self.precision, self.scheme, comm)

    def refined(self, factor: float) -> SpectralCard:
        finer = {"cfl": self.cfl / factor, "min_steps": ceil(self.min_steps * factor), "precision": "float64"}
        return self.model_copy(update=finer)


class SpectralSolver:
    """Dealiased, of order four in time; every sample has its own step, equal within each output interval.

    The number of steps follows from the Courant number at the interval's start. Where the flow outruns it, the
    interval is refused and done again in more steps; a sample that cannot be saved so is NaN from there on.
    """

    def __init__(self, engine: Engine, output: Grid, card: SpectralCard) -> None:
        self.batch = card.batch
        self._keeper: Keeper = engine if isinstance(engine, LaneSweeps) else Whole(engine)
        self._engine, self._card, self._output = engine, card, output
        self._modes = engine.modes
        self._ceiling = min(1.5 * card.cfl, card.limit)
        self._steps = np.zeros(0, int)
        self._reasons: list[str] = []

    def costs(self) -> list[Cost]:
        return [Cost(int(n), 0, why) for n, why in zip(self._steps, self._reasons, strict=True)]

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self._steps, self._reasons = np.zeros(len(states), int), [""] * len(states)
        state = self._keeper.enter(self._modes.forward(states.astype(self._modes.dtype)) * self._modes.kept)
        for lost in np.flatnonzero(~np.isfinite(states).all(axis=tuple(range(1, states.ndim)))):
            self._reasons[lost] = "the initial state is not finite"
        with np.errstate(over="ignore", invalid="ignore"):  # a blow-up is told by its reason
            rate = self._keeper.speed(state, params)
        now = 0.0
        for time in times:
            if time > now:
                state, rate = self._interval(state, rate, params, now, float(time))
                now = float(time)
            yield self._values(state)

    def _values(self, state: Any) -> Array:
        """The state on the output grid, `(b, field, *output)`; NaN for members that failed."""
        values = Modes(self._output).backward(self._keeper.leave(state, self._output.shape))
        values[[i for i, why in enumerate(self._reasons) if why]] = np.nan
        return values

    def _interval(self, state: Any, rate: Array, params: BatchParams, start: float, end: float) -> tuple[Any, Array]:
        """Every living sample from `start` to `end`, in as many equal steps as its speed demands; and its new rate."""
        length, out = end - start, state
        todo: Index = np.array([i for i, why in enumerate(self._reasons) if not why], int)
        steps = self._needed(rate, length)
        while todo.size:
            for lost in todo[steps[todo] > self._card.max_steps]:
                self._reasons[lost] = (
                    f"t = {start:g} … {end:g} needs more than {self._card.max_steps} steps (solver.max_steps): "
                    f"the flow blew up, or moves {rate[lost] * length:.2g} cells in this interval"
                )
            todo = todo[steps[todo] <= self._card.max_steps]
            own = {name: values[todo] for name, values in params.items()}
            with np.errstate(over="ignore", invalid="ignore"):  # a blow-up is told by its reason
                given = state if todo.size == len(state) else state[todo]
                new, peak, last = self._keeper.march(given, own, length=length, steps=steps[todo])
            self._steps[todo] += steps[todo]
            finite = self._keeper.finite(new)
            met = np.where(finite, np.fmax(peak, last), np.inf)
            good = finite & (met * length <= self._ceiling * steps[todo])
            if good.all() and todo.size == len(state):
                return new, last
            if out is state:
                out, rate = state.copy(), rate.copy()
            out[todo[good]], rate[todo] = new[good], last
            todo, met = todo[~good], met[~good]
            needed = self._needed(met, length)
            hopeless = needed > self._card.max_steps  # what steps that were far too long say of the rate is no rate
            steps[todo] = np.where(hopeless, 4 * steps[todo], np.maximum(needed, 2 * steps[todo]))
        return out, rate

    def _needed(self, rate: Array, length: float) -> Index:
        """Steps that keep each sample at the card's Courant number; one too many for a rate that is not finite."""
        wanted = np.fmin(np.ceil(rate * length / self._card.cfl), self._card.max_steps + 1)  # `fmin`: no NaN
        return np.asarray(np.maximum(wanted, self._card.min_steps), int)
