"""Each equation of the periodic family, small: what every one of them must do is asked of all by one list."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.problem import Problem, problems
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid

SINES = {"kind": "sine_series", "terms": 5, "amplitude": 0.5, "modes": 3}
TURN = 2 * np.pi


class Case(NamedTuple):
    """A problem by its name and options, its box, its parameters, and a time in which it does something."""

    name: str
    shape: tuple[int, ...]
    length: float
    params: dict[str, float]
    time: float
    state: dict[str, Any]
    steps: int = 32  # from where the error in time falls by 16 when they double
    options: dict[str, Any] = {}

    @property
    def grid(self) -> Grid:
        return Grid(shape=self.shape, lengths=(self.length,) * len(self.shape))

    @property
    def problem(self) -> Any:
        return problems[self.name](initial_state=self.state, **self.options)


def field(length: float, modes: int = 3, rms: float = 0.3, mean: float = 0.0) -> dict[str, Any]:
    return {"kind": "random_field", "rms": rms, "length": length, "modes": modes, "mean": mean}


NONLINEAR = [
    Case("burgers_1d", (64,), TURN, {"viscosity": 0.1}, 1.0, SINES),
    Case("korteweg_de_vries", (64,), 20.0, {"dispersion": 1.0}, 2.0, SINES, 512),
    Case("kuramoto_sivashinsky_1d", (64,), 32.0, {"length_scale": 1.1, "time_scale": 0.9}, 4.0, SINES, 256),
    Case("kuramoto_sivashinsky", (24, 24), 16.0, {"stiffness": 1.0}, 2.0, field(2.0), 128),
    Case("burgers_2d", (24, 24), TURN, {"viscosity": 0.1}, 0.5, field(1.0)),
    Case("fisher_kpp", (24, 24), 10.0, {"diffusivity": 0.5, "growth": 1.0}, 2.0, field(2.0, 3, 0.05, 0.3)),
    Case("allen_cahn", (24, 24), TURN, {"gradient_energy": 0.1}, 1.0, field(1.0)),
    Case("cahn_hilliard", (16, 16), TURN, {"mobility": 1.0, "gradient_energy": 0.2}, 0.5, field(1.0), 256),
    Case("swift_hohenberg", (24, 24), 20.0, {"forcing": 0.5, "asymmetry": 0.8}, 2.0, field(2.0, 4), 128),
    Case(
        "gray_scott",
        (24, 24),
        1.0,
        {"diffusivity_u": 2e-3, "diffusivity_v": 1e-3, "feed": 0.04, "kill": 0.06},
        8.0,
        {"kind": "gaussian_blobs", "count": 2, "amplitude": (0.4, 0.6), "width": 0.2, "modes": 5},
    ),
]
LINEAR = [
    Case("advection_diffusion", (32,), 3.0, {"speed": 2.0, "diffusivity": 0.01}, 1.0, SINES),
    Case(
        "advection_diffusion",
        (12, 16),
        3.0,
        {"speed": 2.0, "diffusivity": 0.01},
        1.0,
        field(0.5),
        options={"direction": (1.0, -0.5)},
    ),
    Case("wave", (16, 16), 2.0, {"speed": 1.5}, 0.7, field(0.5)),
]


def start(case: Case, grid: Grid | None = None, count: int = 1) -> Array:
    """Initial states `(b, field, *space)`."""
    grid = grid or case.grid
    return np.stack([case.problem.initial(grid, case.params, np.random.default_rng(s)) for s in range(count)])


def march(problem: Problem, grid: Grid, states: Array, params: dict[str, float], times: Any, **how: Any) -> Any:
    """Frames `(t, b, field, *space)` and the steps that the first sample took."""
    own = {name: np.full(len(states), value) for name, value in params.items()}
    solver = SpectralCard(**{"precision": "float64", **how}).build(problem, grid, grid, Serial())
    frames = np.stack(list(solver.trajectories(states, own, np.asarray(times, float))))
    assert not any(cost.reason for cost in solver.costs())
    return frames, solver.costs()[0].steps
