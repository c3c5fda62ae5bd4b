"""A submission on a task's hidden set: generated, asked in a cell, scored here, signed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from math import ceil
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from pdebench.adapters.process import Conversation
from pdebench.arrays import Array
from pdebench.errors import PdebenchError
from pdebench.evaluate import evaluate
from pdebench.problem import problem_of
from pdebench.signing import check_key, signed
from pdebench.spec import DatasetSpec
from pdebench.task import Record, Task, Verdict

from .cell import within_reach
from .hidden import hidden_spec, hidden_store, read_seed
from .submission import Submission, digest_of, expect_small, load_submission, parameters_of

MEMORY = 4 * 2**30
START = 120.0  # seconds to import, and to load the model
# Python alone would take whatever package is installed; the walls must be those of this one.
_ROOT = str(Path(__file__).resolve().parents[2])
_CELL = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_module('pdebench.judge.cell', run_name='__main__')"
)
Progress = Callable[[float, float], None]


def judge(  # noqa: PLR0913  # each is a decision of the judge
    task: Task,
    spec: DatasetSpec,
    folder: Path,
    *,
    seed_file: Path,
    key: Path,
    key_name: str,
    trusted: bool = False,
    memory: int = MEMORY,
    progress: Progress | None = None,
) -> Record:
    """A signed record of the submission in `folder` on the hidden set of `task`, whose public card is `spec`.

    The record names the public card's digest and no seed, and holds no picture, which would show hidden data.
    The submission is copied before it is looked at: what is checked is what runs.
    """
    seed = read_seed(seed_file)
    check_key(key)  # now, and not after the work
    for secret in (seed_file, key):
        if near := within_reach(secret):
            raise PdebenchError(f"{secret} lies in {near}, which submissions can read: keep it elsewhere")
    with TemporaryDirectory(prefix="pdebench-judge-") as room:
        copy = Path(room) / "submission"
        expect_small(folder)
        copytree(folder, copy, symlinks=True)
        said = load_submission(copy, trusted=trusted)
        with hidden_store(hidden_spec(spec, seed), task.split, progress=progress) as store:
            prisoner = Prisoner(spec, copy, said, memory=memory, seconds=task.time_limit)
            try:
                prisoner.start()
                found = evaluate(prisoner, store, task, label=said.label, card=store.spec, progress=progress)
            finally:
                prisoner.close()
        expense = found.expense.model_copy(
            update={
                "parameters": parameters_of(copy, said),
                "training_seconds": said.training_seconds,
                "peak_memory_bytes": 0,
            }
        )
        verdict = Verdict(
            submission_sha256=digest_of(copy),
            trusted=trusted and not said.strange,
            isolation=prisoner.isolation,
            samples=len(found.members),
        )
    told = {
        "dataset_digest": spec.digest,
        "model": said.model,
        "kind": "neural",
        "options": said.options,
        "picture": None,
        "truth_error": None,
        "expense": expense,
        "verdict": verdict,
    }
    return signed(found.model_copy(update=told), key_name, key)


class Prisoner:
    """A submission as a model: each question goes to its cell, and what comes back is an array or an error."""

    kind = "neural"

    def __init__(self, spec: DatasetSpec, folder: Path, said: Submission, *, memory: int, seconds: float) -> None:
        spaces = name_spaces()
        prefix = ["unshare", *(f"--{space}" for space in spaces), "--fork", "--kill-child", "--"] if spaces else []
        if prefix:
            prefix.insert(1, "--map-current-user")
        self._talk = Conversation([*prefix, sys.executable, "-IB", "-c", _CELL, _ROOT], cwd="/", env=_environment())
        self._job: dict[str, Any] = {
            "spec": spec.model_dump(mode="json"),
            "folder": str(folder),
            "code": not said.strange,
            "model": f"{folder / said.model}" if ".py:" in said.model else said.model,
            "weights": str(folder / said.weights) if said.weights else None,
            "options": said.options,
            "memory": memory,
            "seconds": ceil(4 * seconds) + 60,
            "spaces": [f"{space}-namespace" for space in spaces],
            "dtype": spec.store.dtype,
        }
        self._fields, self._ends = len(problem_of(spec).fields), seconds
        self.isolation: list[str] = []

    def start(self) -> None:
        """Open the cell. Raises `PdebenchError` where this machine cannot hold a stranger."""
        self.isolation = list(json.loads(self._hello())["isolation"])
        lacking = [wall for wall in ("landlock", "seccomp") if wall not in self.isolation]
        if lacking:
            self.close()
            raise PdebenchError(
                f"this machine has no {' and no '.join(lacking)}: nothing would keep a submission from other files, "
                "programs and the network; judge on Linux 5.13 or later, x86-64 or arm64"
            )

    def _hello(self) -> bytes:
        return self._talk.tell((json.dumps(self._job) + "\n").encode(), START)

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        shape = (len(history), len(times), self._fields, *history.shape[3:])
        return self._talk.ask((history, params, times), shape, self._ends)

    def close(self) -> None:
        self._talk.close()


@cache
def name_spaces() -> tuple[str, ...]:
    """The name spaces that this user may make: all of user, net, mount, pid and ipc, or none."""
    wanted = ("user", "net", "mount", "pid", "ipc")
    if shutil.which("unshare") is None:
        return ()
    command = ["unshare", "--map-current-user", *(f"--{space}" for space in wanted), "--fork", "--kill-child", "true"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return wanted if done.returncode == 0 else ()


def _environment() -> dict[str, str]:
    """Nothing of the judge's own surroundings; one thread, so that none runs before the walls stand."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
