"""A solver whose process dies in the second interval of a viscous flow."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Problem
from pdebench.solvers.spectral.solver import SpectralCard, SpectralSolver
from pdebench.spec import Grid


class FragileSolver(SpectralSolver):
    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        for index, frame in enumerate(super().trajectories(states, params, times)):
            if index == 2 and np.isclose(params["viscosity"], 0.02).any():
                os.kill(os.getpid(), signal.SIGKILL)
            yield frame


class Fragile(SpectralCard):
    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> FragileSolver:
        return FragileSolver(super().build(problem, grid, output, comm)._engine, output, self)
