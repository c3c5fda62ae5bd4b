"""The driver: keeps workers alive and busy until a store is full. Killed, it loses nothing; repeat the command."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import order
from ..errors import PdebenchError
from ..generate import Progress, Summary, begin, summary
from ..parallel import Serial
from ..spec import DatasetSpec, load_spec
from ..store import TrajectoryStore
from .campaign import Campaign
from .card import ClusterCard
from .orders import NOTES, Seen
from .plan import lacking, longest_first
from .report import Report

log = logging.getLogger(__name__)

DASK = {
    "distributed.scheduler.allowed-failures": 0,  # a lost worker comes to us at once, and we count
    "distributed.scheduler.worker-saturation": 1.0,  # a worker has one unit; the others wait where no death can hit
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.worker-ttl": None,  # the driver looks after the silent itself
    "distributed.comm.timeouts.connect": "15s",
    "distributed.admin.event-loop": "tornado",
    "distributed.deploy.lost-worker-timeout": "1h",  # the driver looks after the lost itself
    "distributed.logging": {"distributed": "error"},
}


def generate_on_cluster(
    spec: DatasetSpec | str,
    out: str | Path,
    cluster: ClusterCard,
    *,
    members: Sequence[int] | None = None,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[Summary, Report]:
    """`generate`, with units of work sent to the workers of a cluster; the same bits in the same store.

    Jobs that die are replaced, their units tried again; a member whose workers die three times is set aside as failed.
    `tell` hears of the dashboard's address.
    """
    spec = spec if isinstance(spec, DatasetSpec) else load_spec(spec)
    began = perf_counter()
    store, wanted, settled = begin(spec, out, members, comm=Serial(), group=Serial())
    todo = lacking(spec, wanted, store.missing())
    hands = min(cluster.hands(spec.ranks), len(todo))
    path = str(store.path.resolve()) if isinstance(store.path, Path) else store.path
    campaign = Campaign(spec, path, settled, longest_first(spec, todo, store.wall_seconds()), cluster.patience)
    before = len(store.missing())
    try:
        if todo:
            with _running(cluster, spec.ranks, tell) as crew:
                Drive(campaign, store, crew, hands, cluster, sum(map(len, todo))).run(progress)
    except BaseException:
        store.publish_news()
        raise
    store.publish()
    store.sweep()
    members_made = before - len(store.missing())
    size = members_made * _member_bytes(spec, store)
    report = Report(campaign.tally, members_made, size, perf_counter() - began, max(hands, 1), spec.ranks)
    if campaign.tally.given_up:
        unit, why = next(iter(campaign.tally.given_up.items()))
        raise PdebenchError(
            f"{len(campaign.tally.given_up)} units were given up, the first of them {unit}: {why}. The rest is in "
            f"{store.path}; repeat the command to try them again"
        )
    return summary(store, wanted, perf_counter() - began), report


def _member_bytes(spec: DatasetSpec, store: TrajectoryStore) -> int:
    frames = spec.times.frames * len(store.fields) + len(store.inputs)
    return frames * int(np.prod(spec.store.shape)) * np.dtype(spec.store.dtype).itemsize


class Crew:
    """A Dask cluster, how to see what became of its jobs, and how to end one."""

    def __init__(
        self, cluster: Any, seen: Callable[[Any], Seen], kill: Callable[[Any, str], bool], grouped: int
    ) -> None:
        self.cluster, self._seen, self._kill, self._grouped = cluster, seen, kill, grouped
        self._names = count()
        self.failure = ""  # why the last that could not be started was not

    def scale(self, workers: int) -> None:
        """So many workers, from now on. No name is used twice: Dask would take the new for the old."""
        jobs = -(-workers // self._grouped)
        while len(self.cluster.worker_spec) < jobs:
            self.cluster.worker_spec[f"pdebench-{next(self._names)}"] = self.cluster.new_spec
        self.cluster.scale(jobs)

    def look(self) -> Seen:
        """What became of the jobs."""
        return self._seen(self.cluster)

    def replace(self, lost: Mapping[Any, str], workers: int) -> int:
        """Drop what is gone and ask for others; how many those are."""
        gone = {name: why for name, why in lost.items() if name in self.cluster.worker_spec}
        for name, why in gone.items():
            del self.cluster.worker_spec[name]
            self.failure = why or self.failure
        if gone:
            self.scale(workers)
        return len(gone)

    def kill(self, worker: str) -> bool:
        """End the job of a worker that hangs, which is then lost like any other; whether that worked."""
        return self._kill(self.cluster, worker.rpartition("-")[0])


@contextmanager
def _running(card: ClusterCard, ranks: int, tell: Callable[[str], None] | None) -> Iterator[Crew]:
    """A cluster without workers; what was started in it ends with the block."""
    try:
        import dask
        import distributed  # noqa: F401 - that it is there
    except ImportError as error:
        raise PdebenchError("--cluster needs Dask: pip install 'pdebench-foundry[cluster]'") from error
    from ..launch import scratch_folder
    from .local import kill_locally, local_cluster, seen_locally
    from .slurm import kill_in_slurm, seen_in_slurm, slurm_cluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    with scratch_folder() as scratch, dask.config.set(DASK | {"temporary-directory": scratch}):
        dashboard = ":0" if _bokeh() else None
        if card.kind == "local":
            cluster = local_cluster(ranks, scratch, dashboard)
            crew = Crew(cluster, seen_locally, kill_locally, 1)
        else:
            cluster = slurm_cluster(card, ranks, dashboard)
            crew = Crew(cluster, seen_in_slurm, kill_in_slurm, card.groups_per_job)
        try:
            if tell:
                shown = cluster.dashboard_link if dashboard else "needs bokeh: pip install bokeh"
                tell(f"scheduler {cluster.scheduler_address}, dashboard {shown}")
            yield crew
        finally:
            cluster.close(timeout=30)


def _bokeh() -> bool:
    try:
        import bokeh  # noqa: F401
    except ImportError:
        return False
    return True


class Drive:
    """Sends orders, hears of their ends, and replaces what dies."""

    def __init__(
        self, campaign: Campaign, store: TrajectoryStore, crew: Crew, hands: int, card: ClusterCard, total: int
    ) -> None:
        self._campaign, self._store, self._crew, self._hands = campaign, store, crew, hands
        self._card, self._total = card, total
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._futures: dict[str, Any] = {}
        self._units = order.units(store.spec)
        self._barren = 0  # workers lost since the last unit came in

    def run(self, progress: Progress | None) -> None:
        """Until every unit is in the store, or given up."""
        from distributed import Client

        with Client(self._crew.cluster, set_as_default=False) as client:  # type: ignore[no-untyped-call]  # Dask is not typed
            client.subscribe_topic(NOTES, lambda event: self._ended.put(event[1]))
            self._crew.scale(self._hands)
            looked = told = perf_counter()
            while self._campaign.waiting or self._campaign.out:
                self._send(client)
                self._hear(min(0.5, self._card.poll_seconds))
                now = perf_counter()
                if now - looked > self._card.poll_seconds:
                    self._replace()
                    looked = now
                if progress and now - told > 0.5:
                    self._report(progress)
                    told = now

    def _send(self, client: Any) -> None:
        from .worker import take

        while len(self._campaign.out) < 2 * self._hands + 2 and (what := self._campaign.next()) is not None:
            future = client.submit(take, what, key=what.key, pure=False, retries=0)
            self._futures[what.key] = future
            future.add_done_callback(self._ended.put)

    def _hear(self, patience: float) -> None:
        """Take in what has happened, waiting a little for something to happen."""
        try:
            said = self._ended.get(timeout=patience)
            while True:
                self._note(said) if isinstance(said, dict) else self._settle(said)
                said = self._ended.get_nowait()
        except queue.Empty:
            pass

    def _note(self, said: dict[str, Any]) -> None:
        self._campaign.note(said)

    def _settle(self, future: Any) -> None:
        """The end of an order: believed where the store agrees, whatever Dask says of it."""
        from distributed import KilledWorker

        key = future.key
        if self._futures.pop(key, None) is None:
            return
        if future.status == "finished":
            self._campaign.committed(key)
            self._barren = 0
            return
        error = future.exception() if future.status == "error" else None
        unit = self._campaign.out[key].order.unit
        if self._store.holds(unit):
            self._campaign.committed(key)
        elif error is None or isinstance(error, KilledWorker):
            self._campaign.died(key)
            log.warning("a worker died with unit %d", unit)
        else:
            self._campaign.failed(key, str(error))
            log.warning("unit %d: %s", unit, error)

    def _replace(self) -> None:
        seen = self._crew.look()
        self._hear(0)  # SLURM may have taken its time
        for worker, what in self._campaign.hung(seen.suspended).items():
            if self._crew.kill(worker):
                self._campaign.ended(what.key)
                log.warning("worker %s hung in unit %d and was killed", worker, what.unit)
        gone = self._crew.replace(seen.lost, self._hands)
        self._campaign.tally.replaced += gone
        self._barren += gone
        if gone:
            log.info("%d workers replaced", gone)
        if self._barren > 3 * self._hands + 10:
            raise PdebenchError(
                f"{self._barren} workers died in a row and no unit came in: "
                + (self._crew.failure or "see their messages")
                + (f" in {self._card.log_folder}" if self._card.kind == "slurm" and not self._crew.failure else "")
            )

    def _report(self, progress: Progress) -> None:
        left = {*self._campaign.waiting, *(sent.order.unit for sent in self._campaign.out.values())}
        still = sum(len(unit) for number, unit in enumerate(self._units) if number in left)
        progress(self._total - still, self._total)
