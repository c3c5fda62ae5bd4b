"""A slow sequence with every way of our own and PETSc's, and the sweeps of Gram–Schmidt beside NumPy's.

`ci/bench.sh -k krylov`; time per sequence of 8 systems. Iterations and the share of a solve that is neither product nor
preconditioner are in `extra_info`.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
from linear_systems import darcy

from pdebench.parallel import Serial
from pdebench.solvers.krylov import SolverSequence, methods
from pdebench.solvers.krylov.basis import orthogonalise
from pdebench.solvers.krylov.operators import PetscOperators
from pdebench.solvers.krylov.petsc import missing

needs_petsc = pytest.mark.skipif(bool(missing()), reason="no petsc4py")
WAYS = {
    "gcrodr recycled": ("gcrodr", {}),
    "gcrodr afresh": ("gcrodr", {"recycle": False}),
    "gmres 30": ("gmres", {"restart": 30}),
    "gmres 200": ("gmres", {"restart": 200}),
    "bicgstab": ("bicgstab", {}),
    "cg": ("cg", {"pc": "icc"}),
    "cg amg": ("cg", {"pc": "boomeramg"}),
    "direct": ("lu", {}),
}


@needs_petsc
@pytest.mark.parametrize("way", WAYS)
def test_a_slow_darcy_sequence(benchmark, way, monkeypatch):
    size = 100 if benchmark.enabled else 24
    systems = list(darcy((size, size), 8, drift=0.02))
    name, options = WAYS[way]
    inside = [0.0]

    def timed(action):
        def run(*given):
            start = perf_counter()
            action(*given)
            inside[0] += perf_counter() - start

        return run

    monkeypatch.setattr(PetscOperators, "product", timed(PetscOperators.product))
    monkeypatch.setattr(PetscOperators, "precondition", timed(PetscOperators.precondition))

    def run():
        inside[0] = 0.0
        sequence = SolverSequence(methods[name](**options), guess=0, chain=())
        return [sequence.solve(system)[1] for system in systems]

    solves = benchmark(run)
    benchmark.extra_info["iterations"] = [solve.iterations for solve in solves]
    if name == "gcrodr":
        benchmark.extra_info["own share"] = 1 - inside[0] / sum(solve.solve_seconds for solve in solves)


@pytest.mark.parametrize("engine", ["compiled", "numpy"])
def test_one_vector_against_forty(benchmark, engine, monkeypatch):
    n = 10_000 if benchmark.enabled else 100
    if engine == "numpy":
        monkeypatch.setattr("pdebench.solvers.kernels.available", lambda: False)
        monkeypatch.setattr("pdebench.solvers.kernels.warn_once", lambda: None)
    rng = np.random.default_rng(0)
    q = rng.standard_normal((41, n))
    for i in range(40):
        orthogonalise(Serial(), q, i)
    w = rng.standard_normal(n)

    def run():
        q[40] = w
        return orthogonalise(Serial(), q, 40)[1]

    assert benchmark(run) > 0
