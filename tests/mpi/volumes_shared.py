"""Boxes of gas and water that all ranks share, against rank 0 alone; rank 0 prints, as JSON, where a bit differs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent.parent))
from volumes import AIR, OPEN, RING, RK2, WATER, WENO, cells

from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler, CompressibleNavierStokes
from pdebench.solvers.finite_volume.laws import InviscidBurgers
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.water import ShallowWater

comm = MPI.COMM_WORLD
MIXED, STILL = ("reflecting", "outflow"), ("no_slip", "no_slip")
GAS = {"kind": "random_gas", "density": (0.5, 2), "pressure": (0.5, 2), "variation": 0.3, "mach": 0.7, "modes": 2}
SEA = {"kind": "random_water", "mean": 1.0, "rms": 0.2, "speed": 0.3, "modes": 3}
STICKY = {**AIR, "shear_viscosity": 0.01, "bulk_viscosity": 0.02}
ROUGH = {**WATER, "roughness": 0.05}


def box(*pairs):
    return dict(zip("xyz", pairs, strict=False))


def tube(left, right, *pairs):
    return CompressibleEuler(initial_state={"kind": "tube", "left": left, "right": right}, boundaries=box(*pairs))


def gas(*pairs):
    return CompressibleEuler(initial_state=GAS, boundaries=box(*pairs))


APART = tube((1, -4, 0.4), (1, 4, 0.4), OPEN)
SHORE = ShallowWater(
    initial_state=SEA, boundaries=box(STILL, RING), bed={"mean": 0.7, "rms": 0.4, "modes": 4}, dry=1e-3
)
INLET = ShallowWater(initial_state=SEA, boundaries=box(({"inflow": (1.2, 0.3, 0.1)}, "outflow"), MIXED))
BASIN = ShallowWater(initial_state=SEA, boundaries=box(STILL, MIXED))
STRESS = CompressibleNavierStokes(initial_state=GAS, boundaries=box(RING, STILL))
WAVES = InviscidBurgers(initial_state={"kind": "sine_series"}, boundaries=box(RING))
NUMPY = {"engine": "numpy"}
# Shapes do not divide by 2, 3 or 4.
CASES = {
    "gas on a ring": (gas(RING), (33,), AIR, {}),
    "gas on a ring, numpy": (gas(RING), (33,), AIR, NUMPY),
    "gas in a pipe, weno5": (gas(MIXED), (37,), AIR, WENO),
    "gas torn apart": (APART, (101,), AIR, {**WENO, "time": 0.03}),
    "waves": (WAVES, (29,), {}, {**RK2, "flux": "hll"}),
    "gas on a torus": (gas(RING, RING), (19, 22), AIR, {}),
    "gas between walls": (gas(MIXED, STILL), (22, 19), AIR, {"precision": "float32"}),
    "gas on a torus, roe": (gas(RING, RING), (19, 13), AIR, {**RK2, "flux": "roe"}),
    "viscous gas": (STRESS, (17, 19), STICKY, RK2),
    "water with an inlet": (INLET, (15, 21), WATER, {}),
    "shore": (SHORE, (23, 17), ROUGH, {**RK2, "limiter": "minmod", "time": 0.8}),
    "water between walls": (BASIN, (15, 21), WATER, {}),
    "gas in a room": (gas(RING, MIXED, STILL), (9, 11, 10), AIR, {}),
    "gas in a room, numpy": (gas(RING, MIXED, STILL), (9, 11, 10), AIR, NUMPY),
    "gas in a room, weno5": (gas(OPEN, RING, RING), (9, 8, 13), AIR, {**WENO, "time": 0.02}),
}


def frames(problem, shape, params, who, time=0.1, **how):
    """Two intervals; what they cost."""
    grid = cells(*shape)
    states = problem.initial(grid, params, np.random.default_rng(0))[None]
    solver = FiniteVolumeCard(**how).build(problem, grid, grid, who)
    own = {name: np.full(1, value) for name, value in params.items()}
    found = list(solver.trajectories(states, own, np.array([0, time / 2, time])))
    return found, [cost.steps for cost in solver.costs()], solver.limited.tolist(), [c.reason for c in solver.costs()]


told = {}
for name, (problem, shape, params, how) in CASES.items():
    shared = frames(problem, shape, params, comm, **how)
    if comm.rank == 0:
        alone = frames(problem, shape, params, Serial(), **how)
        bits = all(np.array_equal(a, b) for a, b in zip(shared[0], alone[0], strict=True))
        moved = float(np.abs(alone[0][-1] - alone[0][0]).max())
        told[name] = {
            "same": bits and shared[1:] == alone[1:],
            "sound": not any(alone[3]) and moved > 1e-2,
            "limited": sum(alone[2]),
        }
if comm.rank == 0:
    print(json.dumps(told))
