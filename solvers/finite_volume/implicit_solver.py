"""Implicit steps as a solver: stiff diffusion on a line, a batch of members at a time, each with steps of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from pdebench.arrays import Array, Index
from pdebench.errors import SolverError
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Problem
from pdebench.resample import resample
from pdebench.spec import Card, Count, Grid, Positive

from .implicit import ROUNDS, Stepped, StoredLaw, step

LEAST = 0.01  # change of the unknown, beside the tolerance, below which Newton's method need not go
SHORTEST = 1e-14  # a step this small beside the time reached is none


class OnALine(StoredLaw, Protocol):
    def unknown(self, field: Array) -> Array: ...


@runtime_checkable
class StoredProblem(Problem, Protocol):
    """A problem of one field that says what its cells hold and exchange."""

    variables: tuple[str, ...]

    def law(self, params: BatchParams, grid: Grid) -> OnALine: ...


class ImplicitCard(Card):
    """Options of `finite_volume_implicit`: TR-BDF2 steps of an error that is at most `tolerance` each.

    The error is the root mean square over the cells, in units of the field. Good values: 1e-5 … 1e-7.
    """

    tolerance: Positive = 1e-6
    batch: Count = 32
    max_steps: Count = 100_000  # between two frames

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> ImplicitSolver:
        if not isinstance(problem, StoredProblem):
            raise SolverError(
                f"finite_volume_implicit needs a law of what cells hold; {type(problem).__name__} has none"
            )
        if comm.size > 1:
            raise SolverError(
                f"finite_volume_implicit runs on one rank per unit of work: set ranks to 1, not {comm.size}"
            )
        if grid.points != "centres" or len(grid.shape) != 1:
            raise SolverError(
                f"finite_volume_implicit needs a line with grid.points: centres, not {grid.points} of {grid.shape}"
            )
        if grid.shape[0] < 3:
            raise SolverError(f"finite_volume_implicit needs 3 cells, not {grid.shape[0]}")
        return ImplicitSolver(problem, grid, output, self)

    def refined(self, factor: float) -> ImplicitCard:
        """Steps shorter by the factor: their error goes with the third power."""
        finer = {"tolerance": self.tolerance / factor**3, "max_steps": int(np.ceil(self.max_steps * factor))}
        return self.model_copy(update=finer)


class ImplicitSolver:
    """Keeps what the faces let it, to round-off. A member that fails is NaN from there on."""

    def __init__(self, problem: StoredProblem, grid: Grid, output: Grid, card: ImplicitCard) -> None:
        self.batch = card.batch
        self._problem, self._grid, self._output, self._card = problem, grid, output, card
        self._steps = self._rounds = np.zeros(0, int)
        self._reasons: list[str] = []

    def costs(self) -> list[Cost]:
        """Steps, and the systems of three diagonals that were solved."""
        return [Cost(int(n), int(k), why) for n, k, why in zip(self._steps, self._rounds, self._reasons, strict=True)]

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        if states.shape[1:] != (1, *self._grid.shape):
            raise SolverError(
                f"states are {states.shape}, but one field on {self._grid.shape} is (b, 1, {self._grid.shape[0]})"
            )
        u = np.asarray(states[:, 0], float)
        self._steps, self._rounds = np.zeros(len(u), int), np.zeros(len(u), int)
        self._reasons = [self._defect(row, "initially") for row in u]
        calm = np.where(np.array([bool(why) for why in self._reasons])[:, None], 0, u)
        v = self._problem.law(params, self._grid).unknown(calm)
        now, length = 0.0, np.full(len(u), np.inf)  # of the next step
        for time in times:
            if time > now:
                v, length = self._interval(v, length, params, (now, float(time)))
                now = float(time)
            yield self._frame(v, params)

    def _interval(self, v: Array, length: Array, params: BatchParams, span: tuple[float, float]) -> tuple[Array, Array]:
        """The unknowns at the end of an interval, and the steps that would come next."""
        start, end = span
        v, length, time = v.copy(), np.minimum(length, end - start), np.full(len(v), start)
        tries = np.zeros(len(v), int)
        while (todo := np.flatnonzero((time < end) & [not why for why in self._reasons])).size:
            law = self._problem.law({name: values[todo] for name, values in params.items()}, self._grid)
            parts = np.ceil((end - time[todo]) / length[todo] * (1 - 1e-12))
            h = (end - time[todo]) / parts  # equal steps to the end, so that none of them is a sliver
            done = step(law, v[todo], time[todo], h, least=LEAST * self._card.tolerance)
            good = done.error <= self._card.tolerance
            there = todo[good]
            v[there] = done.v[good]
            time[there] = np.where(parts == 1, end, time[todo] + h)[good]
            self._steps[there] += 1
            self._rounds[todo] += done.rounds
            tries[todo] += 1
            length[todo] = self._next(done, h, length[todo])
            self._look_for_trouble(todo, v, time, h, tries, span)
        return v, length

    def _next(self, done: Stepped, h: Array, planned: Array) -> Array:
        """The step that keeps the error; one that only the end of an interval cut short is not forgotten."""
        size = np.where(np.isfinite(done.error), done.error, np.inf) / self._card.tolerance
        factor = np.clip(0.9 * np.maximum(size, 1e-9) ** (-1 / 3), 0.2, 3)
        return np.asarray(np.where(size <= 1, np.maximum(h * factor, np.where(factor >= 1, planned, 0)), h * factor))

    def _look_for_trouble(
        self, todo: Index, v: Array, time: Array, h: Array, tries: Index, span: tuple[float, float]
    ) -> None:
        start, end = span
        for row, own in zip(todo, h, strict=True):
            if own <= SHORTEST * end:
                self._reasons[row] = (
                    f"at t = {time[row]:.6g} no step is short enough for {ROUNDS} rounds of Newton's method"
                )
            elif time[row] < end and tries[row] >= self._card.max_steps:
                self._reasons[row] = (
                    f"t = {start:g} … {end:g} needs more than {self._card.max_steps} steps (solver.max_steps)"
                )

    def _defect(self, u: Array, when: str) -> str:
        """Why values `(n,)` cannot be; empty if they can."""
        bad = ~(np.isfinite(u) & (u >= 0))
        if not bad.any():
            return ""
        cell = int(np.argmax(bad))
        return f"{when} {self._problem.variables[0]} is {u[cell]:.3g} in cell ({cell},) of {self._grid.shape}"

    def _frame(self, v: Array, params: BatchParams) -> Array:
        """The field on the output grid, `(b, 1, *output)`."""
        u = self._problem.law(params, self._grid).field(v)
        u[np.array([bool(why) for why in self._reasons])] = np.nan
        return resample(u[:, None], self._grid, self._output)
