"""Programs under mpiexec, also as root and with more ranks than cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
    "OMP_NUM_THREADS": "1",
}


def started(ranks: int, *words: object, **options: Any) -> subprocess.Popen[str]:
    """`python WORDS` on so many ranks; its output and errors are kept unless `options` say otherwise."""
    command = ["mpiexec", "-n", str(ranks), sys.executable, *map(str, words)]
    own = {"env": os.environ | MPI, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **own | options)


def ran(ranks: int, *words: object, timeout: float = 120) -> tuple[int, str, str]:
    """Status, output and errors of a whole run."""
    with started(ranks, *words) as run:
        try:
            out, err = run.communicate(timeout=timeout)
        finally:
            run.kill()
    return run.returncode, out, err


def told_by(ranks: int, script: Path, timeout: float = 120) -> Any:
    """What rank 0 of a script prints as JSON."""
    status, out, err = ran(ranks, script, timeout=timeout)
    assert status == 0, err
    return json.loads(out)
