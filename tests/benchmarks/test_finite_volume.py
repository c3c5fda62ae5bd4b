"""Finite volumes: cell-updates per second of the lanes, the NumPy reference, and the memory that bounds both.

A step reads and writes every conserved variable once per axis; `test_triad` moves as many bytes as one such pass over
the same batch, a = b + s·c, which is the bound where arithmetic costs nothing. Divide `cell_updates` by the time.
"""

from __future__ import annotations

import numpy as np
import pytest

from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.spec import Grid

BATCH, N = 16, 128
OPEN, RING = ("outflow", "outflow"), ("periodic", "periodic")
PROBLEMS = {
    "shallow water": (
        ShallowWater(
            initial_state={"kind": "radial_dam", "inside": 2.0, "outside": 1.0, "radius": (0.3, 0.7)},
            boundaries={"x": OPEN, "y": OPEN},
        ),
        {"gravity": 1.0, "roughness": 0.0},
        5.0,
    ),
    "gas": (
        CompressibleEuler(
            initial_state={
                "kind": "random_quadrants",
                "density": (0.1, 1.0),
                "velocity": (-1.0, 1.0),
                "pressure": (0.1, 1.0),
            },
            boundaries={"x": RING, "y": RING},
        ),
        {"heat_capacity_ratio": 1.4},
        1.0,
    ),
}
SYSTEMS = pytest.mark.parametrize("name", PROBLEMS)
PRECISIONS = pytest.mark.parametrize("precision", ["float32", "float64"])


def batch(name, precision, engine, n=N, count=BATCH):
    problem, params, length = PROBLEMS[name]
    grid = Grid(shape=(n, n), lengths=(length, length), points="centres")
    solver = FiniteVolumeCard(cfl=0.9, precision=precision, engine=engine).build(problem, grid, grid, Serial())
    w = np.stack([problem.initial(grid, params, np.random.default_rng(i)) for i in range(count)], axis=1)
    own = {key: np.full(count, value) for key, value in params.items()}
    system = problem.system(own, np.dtype(precision))
    return solver._engine, system.conserved(w.astype(precision)), own


@SYSTEMS
@PRECISIONS
@pytest.mark.parametrize("engine", ["fastest", "numpy"])
def test_steps(benchmark, name, precision, engine):
    """About ten steps of sixteen samples (the reference: of one), packing into lanes and out again included."""
    benchmark.group = f"{name}, {N}², {precision}"
    engine, q, params = batch(name, precision, engine, count=1 if engine == "numpy" else BATCH)
    length = 0.2 if name == "shallow water" else 0.02
    done = benchmark(engine.advance, q, params, length=length)
    assert (done.time == length).all()
    benchmark.extra_info["cell_updates"] = int(done.steps.sum()) * N * N


@PRECISIONS
@pytest.mark.parametrize("count", [1, 4, 16, 17])
def test_any_number_of_samples(benchmark, precision, count):
    """What lanes that stay empty cost."""
    benchmark.group = f"gas, 64², {precision}"
    engine, q, params = batch("gas", precision, "fastest", 64, count)
    done = benchmark(engine.advance, q, params, length=0.04)
    benchmark.extra_info["cell_updates"] = int(done.steps.sum()) * 64 * 64


@SYSTEMS
@PRECISIONS
def test_triad(benchmark, name, precision):
    """Ten steps' worth of passes over the batch, two per step (one per axis)."""
    benchmark.group = f"{name}, {N}², {precision}"
    _, q, _ = batch(name, precision, "fastest")
    a, b, c = (q.copy() for _ in range(3))

    def triad():
        for _ in range(20):
            np.multiply(c, 0.5, out=a)
            np.add(a, b, out=a)

    benchmark(triad)
    benchmark.extra_info["cell_updates"] = 10 * BATCH * N * N
