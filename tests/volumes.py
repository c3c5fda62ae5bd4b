"""What the tests of finite volumes share: a march of members from a problem's initial states."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard, FiniteVolumeSolver
from pdebench.spec import Grid

_found = spec_from_file_location("double_mach", Path(__file__).parent.parent / "docs/draw_double_mach.py")
assert _found and _found.loader
double_mach: Any = module_from_spec(_found)  # the example of the docs
_found.loader.exec_module(double_mach)

OPEN = ("outflow", "outflow")
RING = ("periodic", "periodic")
RK2 = {"scheme": "ssp_rk2", "cfl": 0.45}
RK3 = {"scheme": "ssp_rk3", "cfl": 0.45}
WENO = {**RK3, "reconstruction": "weno5"}
WATER = {"gravity": 1.0, "roughness": 0.0}
AIR = {"heat_capacity_ratio": 1.4}


class Run(NamedTuple):
    """Frames `(t, b, field, *space)`, and the solver that made them."""

    frames: Array
    solver: FiniteVolumeSolver


def cells(*shape: int, length: float = 1.0) -> Grid:
    return Grid(shape=shape, lengths=(length,) * len(shape), points="centres")


def march(problem: Any, grid: Grid, params: dict[str, float], times: Any, *, states: Any = None, **how: Any) -> Run:
    """Without `states`: one member, as the problem begins."""
    if states is None:
        states = problem.initial(grid, params, np.random.default_rng(0))[None]
    solver = FiniteVolumeCard(**how).build(problem, grid, grid, Serial())
    own = {name: np.full(len(states), value) for name, value in params.items()}
    frames = np.stack(list(solver.trajectories(states, own, np.asarray(times, float))))
    return Run(frames, solver)


def sound(run: Run) -> Array:
    """The frames of a run in which no member failed."""
    assert not any(cost.reason for cost in run.solver.costs()), run.solver.costs()
    return run.frames


def order(errors: list[float]) -> float:
    """Observed between the last two of grids that double."""
    return float(np.log2(errors[-2] / errors[-1]))
