"""Our side of each comparison: the engines that the spectral solver uses, and the initial states that all share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pdebench.solvers.spectral.engine import fastest
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.spec import Grid

TAU = 2 * np.pi
March = Callable[[int], np.ndarray]  # number of steps -> values at the end, (b, *space)


def decaying(n: int, batch: int) -> tuple[NavierStokes2D, Grid, np.ndarray]:
    """Decaying turbulence in a box of 2π: the problem, its grid, and vorticity `(b, n, n)`, functions of x."""
    problem = NavierStokes2D(
        initial_state={"kind": "energy_spectrum", "peak": 4, "energy": 0.5, "modes": min(20, (n - 1) // 3)}
    )
    grid = Grid(shape=(n, n), lengths=(TAU, TAU))
    return problem, grid, np.stack([problem.initial(grid, {}, np.random.default_rng(i))[0] for i in range(batch)])


def stepper(problem, grid, states, params, *, precision, scheme="ifrk4", length):
    """`steps -> values` after `length`, in equal steps, from `states` `(b, *space)` or `(b, field, *space)`.

    The engine is the one that `engine: fastest` picks. Returns it too: its type says who computes.
    """
    engine = fastest(problem, grid, precision, scheme)
    modes = engine.modes
    scalar = states.ndim == 1 + len(grid.shape)
    values = states[:, None] if scalar else states
    start = modes.forward(values.astype(modes.dtype)) * modes.kept
    own = {name: np.full(len(states), value) for name, value in params.items()}

    def march(steps: int) -> np.ndarray:
        counts = np.full(len(states), steps)
        with np.errstate(all="ignore"):  # a step too large blows up, which is an answer
            out = modes.backward(engine.advance(start, own, length=length, steps=counts)[0])
        return out[:, 0] if scalar else out

    return march, engine


def peak_rate(problem, grid, states, params, *, length, steps):
    """The largest rate of 𝒩 of all members on the way to `length`: times a step, its Courant number."""
    engine = fastest(problem, grid, "float64")
    start = engine.modes.forward(states[:, None].astype(float)) * engine.modes.kept
    own = {name: np.full(len(states), value) for name, value in params.items()}
    return engine.advance(start, own, length=length, steps=np.full(len(states), steps))[1].max()


def computes(engine) -> str:
    """Lanes or NumPy."""
    return "NumPy" if type(engine).__name__ == "NumpyEngine" else "lanes"
