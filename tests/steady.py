"""Two toys with inputs: a steady one, and one that relaxes in time towards it; exact, so that a slip is seen."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Field, Parameter, Params, Problem, Verdict
from pdebench.resample import resample
from pdebench.spec import Card, DatasetSpec, Grid, parse


class Ratio(Card):
    """a u = f + s: the coefficient a and the source f are given."""

    fields: ClassVar[tuple[Field, ...]] = (Field("solution", "1", "solution"),)
    inputs: ClassVar[tuple[Field, ...]] = (Field("coefficient", "1", "coefficient"), Field("source", "1", "source"))
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("offset", "1", "added to the source"),)
    steady: ClassVar[bool] = True

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        y, x = (place / length for place, length in zip(grid.coordinates(), grid.lengths, strict=True))
        p, q, r = rng.uniform(0, 1, 3)
        return np.stack([1 + p + 0.5 * np.sin(2 * np.pi * (x + q)), np.cos(2 * np.pi * (y + r)) + p])


class Relaxation(Ratio):
    """uₜ = f + s − a u from u = x-waves of its own."""

    steady: ClassVar[bool] = False

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        inputs = super().initial(grid, params, rng)
        x = grid.coordinates()[1] / grid.lengths[1]
        return np.concatenate([np.sin(2 * np.pi * (x + rng.uniform()))[None], inputs])


class Exact(Card):
    """Solves either to round-off, member by member: one "iteration" per member met before, so that order shows."""

    choice: str = "auto"

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> ExactSolver:
        return ExactSolver(problem, grid, output, 1.0 if self.choice == "auto" else float(self.choice))

    def refined(self, factor: float) -> Exact:
        return self


MEASURED = itertools.count(1)  # with the process: a clock that never says the same twice, on no rank


class Settling(Exact):
    """Measures something that differs from call to call, as timings do, and lets it into the solution."""

    def settle(
        self, problem: Problem, grid: Grid, output: Grid, comm: Comm, states: Array, params: BatchParams
    ) -> Verdict:
        number = comm.bcast(os.getpid() + 10_000_000 * next(MEASURED))
        return Verdict({"choice": str(1 + number)}, {"members": len(states), "table": [number]})


class ExactSolver:
    batch = 1

    def __init__(self, problem: Any, grid: Grid, output: Grid, scale: float) -> None:
        self._steady, self._grid, self._output, self._scale = problem.steady, grid, output, scale
        self._met, self._costs = 0, [Cost()]

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self._costs = []
        for _ in states:
            self._met += 1
            self._costs.append(Cost(iterations=self._met))
        a, f = states[:, -2:-1], states[:, -1:] + params["offset"][:, None, None, None]
        good = ((a > 0) & np.isfinite(f)).all(axis=(1, 2, 3))
        self._costs = [
            cost if fine else Cost(0, cost.iterations, "a coefficient that is not positive")
            for cost, fine in zip(self._costs, good, strict=True)
        ]
        rest = np.where(good[:, None, None, None], self._scale * f / np.where(a > 0, a, 1), np.nan)
        for t in times:
            u = rest if self._steady else rest + (states[:, :1] - rest) * np.exp(-a * t)
            yield resample(u, self._grid, self._output)

    def costs(self) -> list[Cost]:
        return self._costs


def toy_spec(*, steady: bool = True, solver: str = "Exact", points: str = "centres", **changes: Any) -> DatasetSpec:
    """A dataset of either toy; keyword arguments replace keys of the card."""
    here = Path(__file__)
    card: dict[str, Any] = {
        "name": "toy",
        "version": 1,
        "title": "Toy",
        "description": "Inputs and what follows from them.",
        "source": "ours",
        "problem": {"name": f"{here}:{'Ratio' if steady else 'Relaxation'}"},
        "grid": {"shape": [12, 16], "lengths": [1.0, 2.0], "points": points},
        "parameters": {"offset": {"uniform": [0.0, 1.0]}},
        "times": {"step": 0.5, "frames": 1 if steady else 4},
        "solver": {"name": f"{here}:{solver}"},
        "store": {"shape": [12, 16]},
        "samples": {"count": 7, "seed": 3, "unit": 3},
        "splits": {"train": [0, 3], "valid": [3, 4], "test": [4, 7]},
    }
    return parse(DatasetSpec, card | changes, where="toy")
