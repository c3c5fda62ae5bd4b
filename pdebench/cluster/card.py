"""What a user says about a cluster: `local`, or the path of a YAML file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from ..errors import CardError
from ..spec import Card, Count, parse


class ClusterCard(Card):
    """Where workers run. A worker is a core, or an MPI group where the dataset's card has `ranks` > 1.

    `workers` of None are as many as fit on this host. A worker that tells of no new frame for `patience` seconds hangs,
    and is killed; None: twenty times the longest that any took, at least ten minutes. The rest matters to SLURM alone.
    A job holds `groups_per_job` workers, and `cpus_per_rank` cores for each of their ranks.
    """

    kind: Literal["local", "slurm"] = "local"
    workers: Count | None = None
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    patience: Annotated[float, Field(gt=0)] | None = None
    queue: str | None = None
    account: str | None = None
    walltime: str = "08:00:00"
    memory_per_worker: str = "2GB"
    groups_per_job: Count = 1
    cpus_per_rank: Count = 1
    directives: tuple[str, ...] = ()  # more lines for sbatch, without `#SBATCH`
    skip: tuple[str, ...] = ()  # directives of dask-jobqueue that this SLURM does not want, e.g. `--mem`
    prologue: tuple[str, ...] = ()  # lines of shell before the worker starts, e.g. `module load openmpi`
    launcher: str = "srun --mpi=pmix --kill-on-bad-exit=1"
    python: str = sys.executable  # on the nodes
    host: str | None = None  # address under which the nodes find this process
    interface: str | None = None  # or its network interface, e.g. `ib0`
    log_folder: str = "pdebench-logs"

    def hands(self, ranks: int) -> int:
        """How many workers to keep."""
        if self.workers is not None:
            return self.workers
        if self.kind != "local":
            raise CardError("say how many workers the cluster is to have: `workers: 8` in its file, or --workers 8")
        return max(1, len(os.sched_getaffinity(0)) // ranks)


def load_cluster(name: str, workers: int | None = None) -> ClusterCard:
    """The card of `local` or of a YAML file; `workers` takes the place of what it says."""
    said = {} if workers is None else {"workers": workers}
    if name == "local":
        return parse(ClusterCard, {"kind": "local"} | said, where="--cluster local")
    try:
        content = yaml.safe_load(Path(name).read_text())
    except FileNotFoundError as error:
        raise CardError(f"--cluster {name}: neither `local` nor a file; docs/cluster.md shows one") from error
    except (OSError, yaml.YAMLError) as error:
        raise CardError(f"--cluster {name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CardError(f"--cluster {name}: expected `key: value` lines; docs/cluster.md shows some")
    return parse(ClusterCard, content | said, where=name)
