"""Our solver for a race: states in, states out, and how many cell-steps that were."""

from __future__ import annotations

import numpy as np

from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.laws import InviscidBurgers, LinearAdvection
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.spec import Grid

OPEN, RING = ("outflow", "outflow"), ("periodic", "periodic")


class Ours:
    """`count` members of a problem on `shape`; `run(length)` advances them from their initial states."""

    def __init__(self, problem, params, shape, length, *, precision, count, **how):
        draw = how.pop("draw", None)
        grid = Grid(shape=shape, lengths=(length,) * len(shape), points="centres")
        self.grid = grid
        card = FiniteVolumeCard(**{"cfl": 0.9, "precision": precision, **how})
        self.engine = card.build(problem, grid, grid, Serial())._engine
        first = problem.initial(grid, params, np.random.default_rng(0))
        drawn = [draw(grid, i) if draw else first for i in range(count)]
        self.params = {name: np.full(count, float(value)) for name, value in params.items()}
        system = problem.system(self.params, np.dtype(precision))
        self.q = np.ascontiguousarray(system.conserved(np.stack(drawn, axis=1).astype(precision)))
        self.cells = int(np.prod(shape))

    def run(self, length):
        self.done = self.engine.advance(self.q, self.params, length=length)
        return self.done.q

    def cell_steps(self):
        return self.cells * int(self.done.steps.sum())


def sides(axes, pair):
    return dict.fromkeys("xyz"[:axes], pair)


def dam(n, *, precision, count):
    state = {"kind": "radial_dam", "inside": 2.0, "outside": 1.0, "radius": (0.5, 0.5)}
    problem = ShallowWater(initial_state=state, boundaries=sides(2, OPEN))
    params = {"gravity": 1.0, "roughness": 0.0, "radius": 0.5}
    own = {name: params[name] for name in ("gravity", "roughness")}
    return Ours(problem, own, (n, n), 5.0, precision=precision, count=count)


def gas(shape, *, precision, count, cfl=0.9):
    state = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0.3, "mach": 0.5, "modes": 2}
    problem = CompressibleEuler(initial_state=state, boundaries=sides(len(shape), RING))
    return Ours(problem, {"heat_capacity_ratio": 1.4}, shape, 1.0, precision=precision, count=count, cfl=cfl)


def scalar(name, n, *, precision, count):
    wave = {"kind": "sine_series", "terms": 2, "amplitude": 0.5, "modes": 8}
    kind, params = (LinearAdvection, {"speed": 1.0}) if name == "advection" else (InviscidBurgers, {})
    problem = kind(initial_state=wave, boundaries={"x": RING})

    def draw(grid, i):
        return problem.initial(grid, params, np.random.default_rng(i))

    return Ours(problem, params, (n,), 1.0, precision=precision, count=count, flux="hll", draw=draw, cfl=0.8)
