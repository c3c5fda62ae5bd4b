"""`ci/bench.sh elements`: flow round shapes against the same scheme as it is first written, and what cases cost."""

from __future__ import annotations

from pathlib import Path

import topic

from pdebench.solvers.finite_element.compat import version
from pdebench.solvers.krylov.petsc import petsc

ROWS = {name: topic.Row(name) for name in ("cases", "errors", "generated")}


def versions() -> str:
    return f"{version()}, PETSc {'.'.join(map(str, petsc().Sys.getVersion()))}"


if __name__ == "__main__":
    topic.run(
        "elements",
        __doc__,
        ROWS,
        Path("docs/finite_element.md"),
        versions,
        draft="repetitions, errors of the small cases, and generated cases but one",
    )
