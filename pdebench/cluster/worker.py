"""A worker: its main thread (with the other ranks of its group) solves, a second thread runs Dask's worker.

Solvers and MPI stay in the main thread; Dask's tasks only lay orders on the desk and wait. The ranks of a group live as
long as the worker and look for orders every millisecond or two, asleep in between.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import queue
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import asdict
from functools import partial
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from .. import order, solve
from ..arrays import Index
from ..launch import die_with_parent
from ..parallel import Comm, Serial, world
from ..problem import Event, Frame, Outcome
from ..store import TrajectoryStore
from .orders import NOTES, Delivery, Order

log = logging.getLogger(__name__)

GRACE = 5.0  # [s] between asking a solve to stop and ending the process
LOOK = 0.001  # [s] between two looks of an idle rank
TAG = 86  # of orders from a group's first rank to the others


def take(what: Order) -> None:
    """The task that Dask runs on a worker: have the order filled by its main thread."""
    desk = get_worker().plugins["pdebench"]
    if not isinstance(desk, Desk):
        raise TypeError(f"a worker of pdebench was expected, not one with {desk}")
    desk.ask(what)


class Desk(WorkerPlugin):
    """Where Dask's thread lays orders and the main thread finds them."""

    name = "pdebench"

    def __init__(self, name: str, said: argparse.Namespace) -> None:
        self.worker_name, self._said = name, said
        self._orders: queue.SimpleQueue[tuple[Order, Future[None]] | None] = queue.SimpleQueue()
        self._dask: Worker | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._leaving = threading.Event()
        self._thread.start()

    def setup(self, worker: Worker) -> None:
        self._dask = worker

    def ask(self, what: Order) -> None:
        """Called in a task's thread; waits until the main thread has filled the order."""
        answer: Future[None] = Future()
        self._orders.put((what, answer))
        answer.result()

    def next(self) -> tuple[Order, Future[None]] | None:
        """The next order; None when the scheduler has gone or wants no more."""
        return self._orders.get()

    def note(self, what: Order, members: Index) -> None:
        """Let the driver know what is about to be solved: this process may die of it."""
        self._tell(what, {"members": [int(m) for m in members]}).result(timeout=30)

    def deliver(self, what: Order, delivery: Delivery) -> None:
        """Let the driver know of a commit. A task's result stays on its worker, and would be lost with it."""
        self._tell(what, {"delivery": asdict(delivery)}).result(timeout=30)

    def beating(self, what: Order, events: Iterator[Event]) -> Iterator[Event]:
        """The events; now and then the driver is told that more of them come."""
        self._tell(what, {})
        last = time.monotonic()
        for event in events:
            if isinstance(event, Frame | Outcome) and time.monotonic() - last > what.beat:
                self._tell(what, {"frame": event.index} if isinstance(event, Frame) else {})
                last = time.monotonic()
            yield event

    def _tell(self, what: Order, said: dict[str, Any]) -> Future[None]:
        """Done when the scheduler has it."""
        worker = self._dask
        if worker is None:
            raise RuntimeError("an order came before the worker")
        message = {"unit": what.unit, "attempt": what.attempt, "worker": self.worker_name, **said}
        loop: Any = worker.loop
        return asyncio.run_coroutine_threadsafe(worker.scheduler.log_event(topic=NOTES, msg=message), loop.asyncio_loop)

    def leave(self) -> None:
        """The main thread is done by itself: its end is no reason to be stopped."""
        self._leaving.set()

    def _serve(self) -> None:
        """Dask's worker from its first to its last moment; without it the process has no reason to live."""
        try:
            asyncio.run(self._work())
        except Exception as error:  # noqa: BLE001 - whatever Dask raises, the end is the same
            log.error("worker %s ends: %s", self.worker_name, error)
        self._orders.put(None)
        if not self._leaving.wait(0.2):
            os.kill(os.getpid(), signal.SIGTERM)  # a solve stops and sweeps; one in a long step is not waited for
            time.sleep(GRACE)
            os._exit(1)

    async def _work(self) -> None:
        worker = Worker(
            self._said.scheduler,
            nthreads=1,
            name=self.worker_name,
            memory_limit=0,
            death_timeout=self._said.death_timeout,
            interface=self._said.interface,
            dashboard=False,
            local_directory=self._said.local_directory,
            plugins=(self,),
        )
        async with worker:
            await worker.finished()  # type: ignore[no-untyped-call]  # Dask is not typed


def main() -> None:
    """The worker's program. Options of dask-jobqueue that it has no use for are let pass."""
    parser = argparse.ArgumentParser(prog="python -m pdebench.cluster")
    parser.add_argument("scheduler")
    parser.add_argument("--name", default="worker")
    parser.add_argument("--ranks", type=int, default=1, help="of each MPI group")
    parser.add_argument("--death-timeout", type=float, default=60.0, help="seconds without a scheduler")
    parser.add_argument("--interface")
    parser.add_argument("--local-directory", default=tempfile.gettempdir())
    said, _ = parser.parse_known_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("distributed").setLevel(logging.ERROR)
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    everyone = world() if said.ranks > 1 else Serial()
    if everyone.size % said.ranks:
        sys.exit(f"groups of {said.ranks} ranks cannot be made of {everyone.size}")
    group = everyone.Split(everyone.rank // said.ranks, everyone.rank)
    try:
        if group.rank == 0:
            number = everyone.rank // said.ranks if said.ranks > 1 else int(os.environ.get("SLURM_PROCID", "0"))
            _first(Desk(f"{said.name}-{number}", said), group)
        else:
            _others(group)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        if not stopped:
            log.exception("worker %s, rank %d", said.name, group.rank)
        sys.stderr.flush()
        if everyone.size > 1:
            everyone.Abort(0 if stopped else 1)
        os._exit(0 if stopped else 1)  # Dask's thread may be in any state


def _first(desk: Desk, group: Comm) -> None:
    """Fill orders until there are no more; the group's other ranks lend a hand."""
    stores: dict[str, TrajectoryStore] = {}
    while (found := desk.next()) is not None:
        what, answer = found
        began = time.perf_counter()
        try:
            _tell_others(what, group)
            if what.store not in stores:
                stores[what.store] = TrajectoryStore.open(what.store)
            members = order.units(what.spec)[what.unit]
            events = _events(what, group, partial(desk.note, what))
            stores[what.store].write(members, desk.beating(what, events))
        except Exception as error:
            answer.set_exception(error)
            if group.size > 1:  # the others may be anywhere in the solve: let the error leave, then start afresh
                time.sleep(0.5)
                raise
        else:
            desk.deliver(what, Delivery(what.unit, desk.worker_name, time.perf_counter() - began))
            answer.set_result(None)
    desk.leave()
    _tell_others(None, group)


def _others(group: Comm) -> None:
    while (what := _next_order(group)) is not None:
        deque(_events(what, group, lambda members: None), maxlen=0)


def _events(what: Order, group: Comm, begin: Callable[[Index], None]) -> Iterator[Event]:
    members = order.units(what.spec)[what.unit]
    care = solve.Care(begin, what.alone, what.aside)
    return solve.trajectories(what.spec, members, group, settled=what.settled, care=care)


def _tell_others(what: Order | None, group: Any) -> None:
    for rank in range(1, group.size):
        group.send(what, dest=rank, tag=TAG)


def _next_order(group: Any) -> Order | None:
    while not group.iprobe(source=0, tag=TAG):
        time.sleep(LOOK)
    found: Order | None = group.recv(source=0, tag=TAG)
    return found
