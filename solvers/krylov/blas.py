"""Which BLAS the linear-algebra libraries of this process really use."""

from __future__ import annotations

import logging
import re
from functools import cache
from pathlib import Path

from .petsc import missing, petsc

log = logging.getLogger(__name__)

REMEDY = "apt-get install libopenblas0-serial"
# NumPy, SciPy and PyTorch bring their own, which PETSc never calls.
_PRIVATE = re.compile(r"/(numpy|scipy|torch)(\.libs)?/")
_KNOWN = (("openblas", "openblas"), ("mkl", "mkl"), ("blis", "blis"), ("atlas", "atlas"), ("accelerate", "accelerate"))


def libraries(maps: str) -> tuple[str, ...]:
    """Paths of the BLAS libraries in the text of /proc/self/maps, without those that Python packages brought."""
    paths = {line.split(maxsplit=5)[-1] for line in maps.splitlines() if len(line.split(maxsplit=5)) == 6}
    names = re.compile(r"lib(blas|openblas|mkl_|blis|satlas|tatlas|flexiblas)[^/]*$")
    return tuple(sorted(path for path in paths if names.search(path) and not _PRIVATE.search(path)))


def name_of(paths: tuple[str, ...]) -> str:
    """`openblas`, `mkl`, …, `reference`, or `unknown` where no library is seen."""
    for word, name in _KNOWN:
        if any(word in path for path in paths):
            return name
    return "reference" if paths else "unknown"


@cache
def blas_in_use() -> dict[str, str]:
    """For provenance: the BLAS behind PETSc's direct solvers, and where it lies; warns once of a slow one.

    Starts PETSc, so that its libraries are there to be seen. Empty without PETSc; `unknown` off Linux.
    """
    if missing():
        return {}
    petsc()
    maps = Path("/proc/self/maps")
    paths = libraries(maps.read_text()) if maps.exists() else ()
    name = name_of(paths)
    if name == "reference":
        log.warning(
            "PETSc runs on the reference BLAS (%s): direct solvers are 1.1 to 5 times slower; %s",
            ", ".join(paths),
            REMEDY,
        )
    return {"blas": name, "blas_path": ", ".join(paths)}
