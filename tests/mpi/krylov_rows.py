"""Sequences of systems whose rows are shared by the ranks; rank 0 prints what each method took, as JSON.

True residuals are checked here, on the gathered solutions.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc
from scipy.sparse import diags

sys.path.insert(0, str(Path(__file__).parent.parent))
from linear_systems import darcy

from pdebench.solvers.krylov import SolverSequence, System, methods

comm = MPI.COMM_WORLD


def shared(whole):
    mat = PETSc.Mat().createAIJ(whole.matrix.shape, nnz=5, comm=PETSc.COMM_WORLD)
    first, last = mat.getOwnershipRange()
    rows = whole.matrix[first:last]
    mat.setValuesCSR(rows.indptr.astype(PETSc.IntType), rows.indices.astype(PETSc.IntType), rows.data)
    mat.assemble()
    return System(mat, whole.rhs[first:last].copy(), True, True, whole.nullspace, comm)


def run(method, options, *, neumann=False, guess=0):
    sequence = SolverSequence(methods[method](**options), rtol=1e-8, comm=comm, guess=guess, chain=())
    iterations, sums = [], []
    for whole in darcy((40, 40), 6, drift=0.03, neumann=neumann):
        x, solve = sequence.solve(shared(whole))
        parts, counts = comm.gather(x), comm.allgather(solve.iterations)
        assert len(set(counts)) == 1, "ranks disagree on the iterations"
        if comm.rank == 0:
            together = np.concatenate(parts)
            assert whole.relative_residual(together) <= 1.01e-8
            iterations.append(solve.iterations)
            sums.append(float(np.abs(together).sum()))
    return {"iterations": iterations, "sums": sums}


def sizes():
    """Systems that grow by a row, of which one rank sees nothing; their relative residuals."""
    sequence, found = SolverSequence("direct-mumps", rtol=1e-8, comm=comm, chain=()), []
    for n in (4, 5):
        matrix = diags([-1.0, 4.0, -1.0], [-1, 0, 1], (n, n), format="csr")
        whole = System(matrix, np.arange(1.0, n + 1), True, True)
        together = np.concatenate(comm.allgather(sequence.solve(shared(whole))[0]))
        found.append(float(whole.relative_residual(together)))
    return found


results = {
    "gcrodr+jacobi": run("gcrodr", {"pc": "jacobi"}),
    "gcrodr+asm": run("gcrodr", {"pc": "asm"}),
    "gcrodr+ilu, neumann": run("gcrodr", {"pc": "ilu"}, neumann=True),
    "cg+gamg, guess": run("cg", {"pc": "gamg"}, guess=3),
    "lu, neumann": run("lu", {}, neumann=True),
}
residuals = sizes()
assert max(residuals) < 1e-8, residuals
if comm.rank == 0:
    print(json.dumps(results))
