"""One Darcy system of a sequence whose matrix always changes, set-up included: multigrid and its rivals, side by side.

−∇·(a∇u) = 1, a log-normal, to a true residual of 1e-8; each group shows the ratios to its best. And one matrix with
many right-hand sides. Direct solvers need `libopenblas0-serial` to be at their best (see `krylov.blas`).
"""

from __future__ import annotations

from itertools import cycle

import numpy as np
import pytest
from flux_forms import darcy_form

from pdebench.solvers.krylov import SolverSequence, System, methods

pytest.importorskip("petsc4py")

RIVALS = {
    "multigrid-cg": lambda: methods["multigrid-cg"](),
    "multigrid-cg, float64": lambda: methods["multigrid-cg"](precision="float64"),
    "transform-cg": lambda: methods["transform-cg"](),
    "CG + ICC": lambda: methods["cg"](pc="icc"),
    "CG + BoomerAMG": lambda: methods["cg"](pc="boomeramg"),
    "GMRES(30) + ILU": lambda: methods["gmres"](restart=30, pc="ilu"),
    "GMRES(200) + ILU": lambda: methods["gmres"](restart=200, pc="ilu"),
    "BiCGStab + ILU": lambda: methods["bicgstab"](pc="ilu"),
    "CHOLMOD": lambda: methods["direct-cholmod"](),
    "UMFPACK": lambda: methods["direct-umfpack"](),
}
SHAPES = {"64²": (64, 64), "128²": (128, 128), "256²": (256, 256), "32³": (32, 32, 32)}


def systems(shape, count=3):
    forms = [darcy_form(shape, seed=seed) for seed in range(count)]
    return [System(form, np.ones(form.size), symmetric=True, definite=True) for form in forms]


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("rival", RIVALS)
def test_new_matrix(benchmark, size, rival):
    if size != "64²" and not benchmark.enabled:
        pytest.skip("the small size shows that it runs")
    benchmark.group = f"Darcy {size}, 1e-8, a new matrix each time"
    sequence = SolverSequence(RIVALS[rival](), guess=0, rtol=1e-8, chain=())
    endless = cycle(systems(SHAPES[size]))

    def solve():
        return sequence.solve(next(endless))[1]

    assert benchmark.pedantic(solve, rounds=9, warmup_rounds=1).residual <= 1e-8


@pytest.mark.parametrize("rival", ["multigrid-cg", "CG + BoomerAMG", "CHOLMOD", "UMFPACK"])
def test_same_matrix(benchmark, rival):
    n = 267 if benchmark.enabled else 32  # N = 71 289
    benchmark.group = f"Darcy {n}², 1e-11, one matrix, another right-hand side each time"
    form = darcy_form((n, n))
    rng = np.random.default_rng(0)
    sequence = SolverSequence(RIVALS[rival](), guess=0, rtol=1e-11, chain=())

    def solve():
        system = System(form, rng.standard_normal(form.size), symmetric=True, definite=True)
        return sequence.solve(system)[1]

    assert benchmark.pedantic(solve, rounds=9, warmup_rounds=1).residual <= 1e-11
