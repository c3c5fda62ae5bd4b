"""`ci/bench.sh krylov`: sequences of linear systems against every way to solve them, as Markdown tables."""

from __future__ import annotations

from pathlib import Path

import topic

from pdebench.solvers.krylov.blas import blas_in_use
from pdebench.solvers.krylov.petsc import petsc

ROWS = {name: topic.Row(name) for name in ("paper", "same", "darcy", "helmholtz", "pressure", "auto", "growth")}


def versions() -> str:
    return f"PETSc {'.'.join(map(str, petsc().Sys.getVersion()))}, BLAS {blas_in_use()['blas']}"


if __name__ == "__main__":
    topic.run("krylov", __doc__, ROWS, Path("docs/krylov.md"), versions, draft="short sequences, fewer cases")
