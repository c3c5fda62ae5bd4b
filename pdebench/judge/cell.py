"""The process that a submission runs in: `python -m pdebench.judge.cell`, told by one line of JSON on standard input.

It imports what it needs, shuts itself in, says `ready` and what holds, and only then opens the submission.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.errors import PdebenchError
from pdebench.judge import walls
from pdebench.model import build_model
from pdebench.spec import DatasetSpec, parse
from pdebench.wire import serve

SYSTEM = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/dev/zero")
MACHINE = ("/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu", "/sys/devices/system/node")


def main() -> None:
    job: dict[str, Any] = json.loads(sys.stdin.buffer.readline(2**20))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints goes to standard error
    spec = parse(DatasetSpec, job["spec"], where="the card")
    if not job["code"]:
        import onnxruntime  # noqa: F401  # before the walls stand
    holds = shut_in(job)
    answers.write((json.dumps({"isolation": holds}) + "\n").encode())
    answers.flush()
    try:
        model = build_model(job["model"], spec, Path(job["weights"]) if job["weights"] else None, **job["options"])
    except PdebenchError as error:
        sys.exit(str(error))

    def predict(history: Array, params: Array, times: Array) -> Array:
        return np.asarray(model.predict(history.astype(job["dtype"]), params, times))

    serve(predict, sys.stdin.buffer, answers)


def shut_in(job: dict[str, Any]) -> list[str]:
    """Put up every wall that this machine has, and name them."""
    walls.limit(job["memory"], job["seconds"], alone="user-namespace" in job["spaces"])
    walls.no_new_privileges()
    holds = ["rlimits", "no-new-privileges", *job["spaces"]]
    if walls.landlock([*readable(), Path(job["folder"])]):
        holds.append("landlock")
    if walls.no_capabilities():
        holds.append("no-capabilities")
    if walls.seccomp():
        holds.append("seccomp")
    return holds


def readable() -> list[Path]:
    """What every submission can read: the system's programs, Python with its packages, and this package; all public."""
    own = Path(__file__).resolve().parent.parent
    root = own.parent  # of the checkout, where it is one: what else lies there is nobody's business
    code = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix, *sys.path) if place} - {root}
    if any(root.is_relative_to(place) for place in code):
        parts = [own]
    else:
        parts = [own, root / "solvers", root / "datasets", *root.glob("*.egg-info")]
    return [*(Path(place) for place in (*SYSTEM, *MACHINE)), *sorted(code), *parts]


def within_reach(secret: Path) -> Path | None:
    """The readable folder that a secret file lies in, if any."""
    place = secret.resolve()
    return next((near for near in readable() if place.is_relative_to(near.resolve())), None)


if __name__ == "__main__":
    main()
