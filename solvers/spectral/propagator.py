"""Linear equations in a periodic box solved exactly: every output time straight from the initial state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from pdebench.arrays import Array, Complex
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Problem
from pdebench.resample import resize
from pdebench.spec import Card, Count, Grid

from .fourier import Modes


@runtime_checkable
class Linear(Problem, Protocol):
    """uₜ = A(k) u, where A may couple the fields."""

    def propagator(self, modes: Modes, params: BatchParams, t: float) -> Array | Complex:
        """e^{A(k)t}, `(b, field, field, *k)`."""
        ...


class PropagatorCard(Card):
    """Options of the exact solver: there is no step, and no error but round-off."""

    batch: Count = 16

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> PropagatorSolver:
        if not isinstance(problem, Linear):
            raise SolverError(f"the propagator solves linear equations; {problem} has no propagator: use spectral")
        if comm.size > 1:
            raise SolverError(f"the propagator runs on one rank per unit of work: set ranks to 1, not {comm.size}")
        if grid.points != "nodes":
            raise SolverError("the propagator needs grid.points: nodes")
        return PropagatorSolver(problem, grid, output, self.batch)

    def refined(self, factor: float) -> PropagatorCard:
        return self


class PropagatorSolver:
    """Keeps all modes but the Nyquist one, whose phase a grid does not hold."""

    def __init__(self, problem: Linear, grid: Grid, output: Grid, batch: int) -> None:
        self.batch = batch
        self._problem, self._output = problem, output
        self._modes = Modes(grid, degree=1)
        self._costs: list[Cost] = []

    def costs(self) -> list[Cost]:
        return self._costs

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        sound = np.isfinite(states).all(axis=tuple(range(1, states.ndim)))
        self._costs = [Cost(len(times), 0, "" if good else "the initial state is not finite") for good in sound]
        start = self._modes.forward(states.astype(float)) * self._modes.kept
        for t in times:
            now = np.einsum("bij...,bj...->bi...", self._problem.propagator(self._modes, params, float(t)), start)
            yield Modes(self._output).backward(resize(now, self._modes.grid.shape, self._output.shape))
