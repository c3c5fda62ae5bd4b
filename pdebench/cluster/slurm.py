"""Workers as SLURM jobs, by dask-jobqueue; each job holds one or more cores or MPI groups under srun."""

from __future__ import annotations

import logging
import os
import subprocess
from typing import Any

from ..errors import PdebenchError
from .card import ClusterCard
from .orders import Seen

log = logging.getLogger(__name__)

SUSPENDED = ("SUSPENDED", "STOPPED")  # states in which a job neither runs nor ends


def slurm_cluster(card: ClusterCard, ranks: int, dashboard: str | None) -> Any:
    """A scheduler in this process and no jobs yet; `scale(jobs=…)` submits them."""
    try:
        from dask_jobqueue.slurm import SLURMCluster, SLURMJob
        from distributed.deploy.spec import ProcessInterface
    except ImportError as error:
        raise PdebenchError("SLURM needs dask-jobqueue: pip install 'pdebench-foundry[cluster]'") from error

    class Job(SLURMJob):  # type: ignore[misc]  # dask-jobqueue is not read
        """One that says why it could not be submitted; Dask would keep it to itself."""

        failure = ""

        async def start(self) -> None:
            try:
                await super().start()
            except (RuntimeError, ValueError, OSError) as error:
                self.failure = f"sbatch: {_last_line(error)}"
                await ProcessInterface.start(self)  # type: ignore[no-untyped-call]  # distributed has it untyped

    tasks = ranks * card.groups_per_job
    scheduler: dict[str, Any] = {"dashboard": dashboard is not None}
    if dashboard is not None:
        scheduler["dashboard_address"] = dashboard
    if card.host is not None:
        scheduler["host"] = card.host
    return SLURMCluster(
        job_cls=Job,
        queue=card.queue,
        account=card.account,
        walltime=card.walltime,
        cores=1,
        processes=1,
        memory=card.memory_per_worker,
        python=f"{card.launcher} -n {tasks} {card.python}",
        worker_command="pdebench.cluster",
        worker_extra_args=["--ranks", str(ranks)],
        job_directives_skip=["-n 1", "--cpus-per-task", "--mem", *card.skip],
        job_extra_directives=[
            f"-n {tasks}",
            f"--cpus-per-task={card.cpus_per_rank}",
            *([] if "--mem" in card.skip else [f"--mem={_megabytes(card)}M"]),
            *card.directives,
        ],
        job_script_prologue=["export OMPI_MCA_mpi_yield_when_idle=1 OMP_NUM_THREADS=1", *card.prologue],
        job_name="pdebench",
        log_directory=card.log_folder,
        local_directory=None,
        interface=card.interface,
        death_timeout=60,
        scheduler_options=scheduler,
        nanny=False,
    )


def _megabytes(card: ClusterCard) -> int:
    from dask.utils import parse_bytes

    return int(parse_bytes(card.memory_per_worker) * card.groups_per_job / 1e6)


def seen_in_slurm(cluster: Any) -> Seen:
    """Jobs that SLURM does not know as waiting or running, and those that it has suspended."""
    jobs = dict(cluster.workers)  # first: one that is submitted meanwhile would be missed by squeue's answer
    states = _squeue()
    lost = {name: job.failure for name, job in jobs.items() if job.failure}
    if states is None:
        return Seen(lost, suspended=None)
    told = {name: states.get(str(job.job_id)) for name, job in jobs.items() if not job.failure}
    lost |= {name: "" for name, state in told.items() if state is None}
    return Seen(lost, frozenset(name for name, state in told.items() if state in SUSPENDED))


def kill_in_slurm(cluster: Any, name: str) -> bool:
    """Cancel the job of a worker that hangs: whether SLURM took the order."""
    if name not in cluster.workers:
        return True
    try:
        subprocess.run(["scancel", str(cluster.workers[name].job_id)], check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("a job that hangs cannot be cancelled, and will be tried again: %s", error)
        return False
    return True


def _last_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()[::-1]), type(error).__name__)[:300]


def _squeue() -> dict[str, str] | None:
    """States of this user's jobs by id; None where SLURM does not answer now."""
    states = ",".join(["PENDING,RUNNING,CONFIGURING,REQUEUED,RESIZING,SIGNALING,STAGE_OUT,REQUEUE_HOLD", *SUSPENDED])
    try:
        ran = subprocess.run(
            ["squeue", "--noheader", "--format=%A %T", f"--user={os.getuid()}", f"--states={states}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("squeue does not answer: %s", error)
        return None
    if ran.returncode:
        log.warning("squeue: %s", ran.stderr.strip())
        return None
    return {job: state for job, _, state in (line.partition(" ") for line in ran.stdout.splitlines())}
