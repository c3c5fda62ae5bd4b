"""Training while simulations run: `for batch in pdebench.stream("ns2d_decaying_demo", workers=2): …`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from . import order, sample, solve
from .arrays import Array, Index
from .data import Batch, seen
from .errors import CardError, PdebenchError
from .launch import scratch_folder, signal_all, start
from .parallel import Comm
from .problem import Cost, Event, Frame, Given, Outcome, Problem, inputs_of, is_steady
from .spec import DatasetSpec, load_spec
from .store import TrajectoryStore
from .stream import Buffering, Drawn, Plan, Proposal, Receiver, Report, StreamSink, proposals

log = logging.getLogger(__name__)

TOKEN = "PDEBENCH_STREAM_TOKEN"  # environment variable that solvers on other hosts show


class Stream:
    """Batches of windows, drawn from a buffer that `workers` solvers fill meanwhile. Iterate over it once.

    Windows are as `pdebench.Windows` makes them: `history + horizon` frames, `stride` apart, from every
    `start_every`-th frame; float32. The stream ends when every member is solved and, with `buffer="fifo"` or `"firo"`,
    every window was drawn once; a `"reservoir"` repeats seen windows rather than wait, and gives up only seen ones.

    `capacity`: frames held, which bounds the memory; `threshold`: windows that a random buffer holds before it gives
    any. `keep`: a store that gets the same frames, with the content hash that `generate` would give it.
    `listen="HOST:PORT"` takes in solvers of other hosts (`pdebench stream --to`), which need `token`; `workers=0` waits
    for those alone. `share=(r, n)`: this is trainer r of n, which gets every n-th unit of work and no other trainer's
    (`torch.distributed`: rank and world size); each has its own solvers, buffer and checkpoint. `proposal`: where the
    parameters of the next units come from (`pdebench.stream.proposals`), by the losses that `learn` is told.
    `patience`: a solver that brings no frame for so long [s] though there is room hangs, and is dropped; None: twenty
    times the longest that any took, at least ten minutes.
    Raises `PdebenchError` when all solvers are gone and cannot be started again.
    """

    def __init__(  # noqa: PLR0913  each choice has a name and a default
        self,
        card: DatasetSpec | str,
        *,
        workers: int = 1,
        batch_size: int = 16,
        history: int = 1,
        horizon: int = 1,
        stride: int = 1,
        start_every: int = 1,
        buffer: str = "reservoir",
        capacity: int | None = None,
        threshold: int | None = None,
        members: Sequence[int] | None = None,
        keep: str | Path | None = None,
        listen: str | None = None,
        seed: int = 0,
        share: tuple[int, int] = (0, 1),
        proposal: str | Proposal | None = None,
        patience: float | None = None,
        resume: str | Path | Mapping[str, Array] | None = None,
    ) -> None:
        if not sys.platform.startswith("linux"):
            raise PdebenchError("streams need Linux (memory without a name, sockets without a file): use a store here")
        if batch_size < 1 or workers < 0:
            raise ValueError(f"batch_size must be 1 or more, workers 0 or more; got {batch_size} and {workers}")
        self.spec = card if isinstance(card, DatasetSpec) else load_spec(card)
        problem, solver = solve.build(self.spec)  # what it refuses, it refuses now
        sample.initial(self.spec, problem, 0)
        self.batch_size, self._workers, self._share = batch_size, workers, share
        self._inputs, self._times = len(inputs_of(problem)), self.spec.times.values()
        self._units = _shared_out(self.spec, members, share)
        self.plan = _plan(self.spec, problem, history, horizon, stride, start_every)
        abreast = min(solver.batch, self.spec.samples.unit)
        capacity = _capacity(self.plan, capacity, max(workers, 1), abreast, batch_size)
        if threshold is None:
            threshold = min(4 * batch_size, capacity // (8 * self.plan.span))
        self._proposal = proposals[proposal]() if isinstance(proposal, str) else proposal
        if self._proposal is not None and keep is not None:
            raise CardError("a store keeps what its card draws, and a proposal draws otherwise: give one of them")
        self._store = None if keep is None else _store(keep, self.spec)
        self._receiver = Receiver(
            self.spec,
            problem,
            self.plan,
            Buffering(capacity, buffer, threshold, seed + 1_000_003 * share[0]),
            listen=listen,
            keep=None if keep is None else Path(keep).absolute(),
            settled=self._settled(),
            units=self._units,
            proposal=self._proposal,
            patience=patience,
        )
        self._leavings = ExitStack()
        self._scratch: str | None = None
        self._crew: list[subprocess.Popen[bytes]] = []
        self._watch = threading.Thread(target=self._keep_working, daemon=True)
        self._stop = threading.Event()
        self._begin(resume)

    def _begin(self, resume: str | Path | Mapping[str, Array] | None) -> None:
        """Take up a checkpoint, then start the solvers."""
        try:
            if resume is not None:
                self._resume(resume)
            if self._workers and self.spec.ranks > 1:
                self._scratch = self._leavings.enter_context(scratch_folder())
            while len(self._crew) < self._workers and not self._receiver.over:
                self._crew.append(self._hire())
        except BaseException:
            self.close()
            raise
        self._watch.start()

    @property
    def listening(self) -> str | None:
        """HOST:PORT where solvers of other hosts are taken in."""
        return self._receiver.listening

    @property
    def token(self) -> str:
        """What those solvers must show, in the environment variable PDEBENCH_STREAM_TOKEN."""
        return self._receiver.token

    def __iter__(self) -> Iterator[Batch]:
        while True:
            drawn = self._receiver.draw(self.batch_size)
            if not len(drawn.members):
                self.close()
                return
            yield self._batch(drawn)

    def _batch(self, drawn: Drawn) -> Batch:
        """As `Windows.batch` makes it."""
        frames, given, members, starts = drawn
        params = np.array([list(self._receiver.draws.parameters(int(m)).values()) for m in members])
        times = self._times[starts[:, None] + np.arange(0, self.plan.span, self.plan.stride)]
        h = self.plan.history
        ahead = np.asarray(times[:, h:] - times[:, h - 1 : h]) if h else times
        history = frames[:, :h]
        if self._inputs:
            known = [inputs for inputs in given if inputs is not None]
            history = np.stack([seen(own, inputs) for own, inputs in zip(history, known, strict=True)])
        return Batch(history, frames[:, h:], params, ahead, members, starts)

    def report(self) -> Report:
        """Batches, unique windows and repeats, frames, and the seconds that the trainer waited."""
        return self._receiver.report()

    def learn(self, batch: Batch, losses: Array) -> None:
        """Tell what was lost on each window of a batch, `(b,)`; the next units of work are drawn by it."""
        self._receiver.learn(batch.member, np.asarray(losses, float))

    def weights(self, members: Index) -> Array:
        """Importance of members, `(n,)`: the card's density over that which they were drawn from; 1 without a proposal.

        The mean of weight × f over all members that were drawn estimates the mean of f over the card's law.
        """
        return self._receiver.draws.weights[members]

    def state(self) -> dict[str, Array]:
        """What `resume` needs: which windows were seen, the random state, and a proposal's draws and losses."""
        return {"campaign": np.array(self._campaign), **self._receiver.state()}

    def save(self, path: str | Path) -> None:
        """Write `state` for `resume`; whole or not at all, without pickles."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as file:
            np.savez_compressed(file, **self.state())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    @property
    def _campaign(self) -> str:
        """What a checkpoint must agree on: the card's content, which windows are cut from it, and whose they are."""
        others = "" if self._share == (0, 1) else f" share {self._share}"
        return f"{self.spec.digest} {self.plan}{others}"

    def _resume(self, source: str | Path | Mapping[str, Array]) -> None:
        state = dict(source) if isinstance(source, Mapping) else _load(Path(source))
        if str(state.pop("campaign", "")) != self._campaign:
            what = "the state" if isinstance(source, Mapping) else source
            raise PdebenchError(f"{what} is of another campaign: its card or its windows differ from this stream's")
        lacking = self._store.missing() if self._store else ()
        self._receiver.restore(state, lacking={int(m) for m in lacking})

    def close(self) -> None:
        """Stop the solvers; what a store was to keep and is complete stays."""
        self._stop.set()
        if self._watch.is_alive():
            self._watch.join()
        self._receiver.close()
        for worker in self._crew:
            _end(worker)
        self._crew = []
        self._leavings.close()
        if self._store is not None:
            self._store.sweep()
            self._store.publish_news()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _settled(self) -> dict[str, Any]:
        """What the solver chooses by measurement, once for all workers; a store that keeps the frames decides first."""
        if self._store is None:
            return solve.settle(self.spec).options
        if self._store.settled is None and len(self._store.missing()) == self.spec.samples.count:
            self._store.settle(solve.settle(self.spec))
        return self._store.settled or {}

    def _hire(self) -> subprocess.Popen[bytes]:
        """One solver: a process, or as many as the card's `ranks` under mpiexec."""
        words = ("pdebench", "stream", "--to", self._receiver.address)
        return start(*words, ranks=self.spec.ranks, scratch=self._scratch)

    def _keep_working(self) -> None:
        """Replace solvers that die or hang, until production is over, or until many in a row brought no frame."""
        deaths, frames = 0, 0
        while not self._stop.wait(0.1) and not self._receiver.over:
            self._end_hung(self._receiver.hang_up_on_silent())
            for place, worker in enumerate(self._crew):
                status = worker.poll()
                if not status or self._receiver.over or self._stop.is_set():
                    continue
                report = self.report()
                deaths, frames = (deaths if report.frames == frames else 0) + 1, report.frames
                log.warning("a solver ended with status %s; another takes its place", status)
                if deaths > 3 * self._workers + 3 * len(report.failed):
                    self._receiver.set_aside(
                        f"{deaths} solvers died, the last with status {status}: see their messages"
                    )
                    return
                try:
                    self._crew[place] = self._hire()
                except PdebenchError as error:
                    self._receiver.set_aside(str(error))
                    return

    def _end_hung(self, processes: Collection[int]) -> None:
        """Kill those of our solvers to which these belong; the others have been hung up on."""
        for pid in processes:
            with suppress(ProcessLookupError):
                session = os.getsid(pid)
                for worker in self._crew:
                    if worker.pid == session:
                        signal_all(worker, signal.SIGKILL)


def _shared_out(spec: DatasetSpec, members: Sequence[int] | None, share: tuple[int, int]) -> set[int]:
    """Numbers of the units that hold any of `members` and fall to one trainer of several."""
    if members is not None and not (members and 0 <= min(members) <= max(members) < spec.samples.count):
        raise CardError(f"members {members} do not lie in 0 … {spec.samples.count - 1}")
    rank, size = share
    if not 0 <= rank < size:
        raise ValueError(f"share must be (rank, number of trainers), got {share}")
    wanted = set(range(spec.samples.count) if members is None else members)
    units = [number for number, unit in enumerate(order.units(spec)) if wanted.intersection(unit.tolist())]
    if len(units) < size:
        raise CardError(f"{len(units)} units of work are too few for {size} trainers: lower the card's samples.unit")
    return set(units[rank::size])


def _plan(spec: DatasetSpec, problem: Problem, history: int, horizon: int, stride: int, start_every: int) -> Plan:
    if is_steady(problem) and (history, horizon, stride) != (1, 1, 1):
        raise ValueError(f"{spec.name} is steady: history, horizon and stride must be 1")
    shown = 0 if is_steady(problem) else history
    return Plan(spec.samples.count, spec.times.frames, shown, horizon, stride, start_every)


def _capacity(plan: Plan, capacity: int | None, workers: int, abreast: int, batch_size: int) -> int:
    """Frames that the buffer holds: as asked for, if that can work."""
    least = (workers * abreast + batch_size) * plan.span
    if capacity is None:
        return max(4 * least, 1024)
    if capacity < least:
        raise CardError(
            f"capacity {capacity} is too small: {workers} workers with {abreast} members each and batches "
            f"of {batch_size} need {least} frames, the {plan.span} of a window for each"
        )
    return capacity


def _store(keep: str | Path, spec: DatasetSpec) -> TrajectoryStore:
    """The store that gets the frames, too; several trainers may make it at once."""
    TrajectoryStore.create(keep, spec).sweep()
    return TrajectoryStore.open(keep)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """A solver that the trainer has left ends by itself at its next frame; one in a long step is stopped."""
    for patience, number in ((1, signal.SIGTERM), (5, signal.SIGKILL)):
        with suppress(subprocess.TimeoutExpired):
            worker.wait(timeout=patience)
            break
        signal_all(worker, number)
    worker.wait()
    signal_all(worker, signal.SIGKILL)  # ranks whose mpiexec has gone


def produce(address: str, comm: Comm, *, token: str = "", orphaned: Callable[[], None] | None = None) -> int:
    """Solve for the trainer at `address` until it has every member; the number of units that were solved here.

    Every rank of `comm` calls it; together they solve one unit after the other. `orphaned` is called, in a thread, when
    the trainer hangs up.
    """
    sink = StreamSink(address, token) if comm.rank == 0 else None
    if sink and orphaned:
        sink.when_left(orphaned)
    spec: DatasetSpec = comm.bcast(sink.spec if sink else None)
    settled: dict[str, Any] = comm.bcast(sink.settled if sink else None)
    if comm.size != spec.ranks:
        raise CardError(f"{spec.name} solves each unit on {spec.ranks} ranks: start so many, not {comm.size}")
    store = _kept(sink.keep, spec) if sink and sink.keep else None
    count = 0
    while True:
        unit: Index | None = comm.bcast(sink.next_unit() if sink else None)
        if unit is None:
            return count
        again = bool(comm.bcast(store is not None and not np.isin(unit, store.missing()).any()))
        if again and store and sink:
            sink.write(unit, replay(store, unit))
        elif not again:
            drawn = comm.bcast(sink.drawn if sink else None)
            _solve(unit, solve.trajectories(spec, unit, comm, settled=settled, drawn=drawn), sink, store)
        count += 1


def _kept(path: Path, spec: DatasetSpec) -> TrajectoryStore:
    """The trainer's store; on another host its path may lead nowhere, or to another store."""
    store = TrajectoryStore.open(path)
    if store.spec.digest != spec.digest:
        raise CardError(f"{path} holds {store.spec.name} with digest {store.spec.digest}, not {spec.digest}")
    return store


def _solve(unit: Index, events: Iterator[Event], sink: StreamSink | None, store: TrajectoryStore | None) -> None:
    """Bring the events of a unit where they belong; on ranks without a sink they only take place."""
    if sink is None:
        deque(events, maxlen=0)
    elif store is None:
        sink.write(unit, events)
    else:
        store.write(unit, sink.passing(events))
        sink.done(unit)


def replay(store: TrajectoryStore, unit: Index) -> Iterator[Event]:
    """A unit that a store holds already, as the events that made it."""
    reasons = store.reasons()
    for member in unit:
        why = reasons[int(member)]
        if store.inputs:
            yield Given(np.array([member]), store.given(int(member))[None])
        if not why:
            for index, frame in enumerate(store.frames(int(member))):
                yield Frame(np.array([member]), index, frame[None])
        yield Outcome(int(member), Cost(reason=why), 0.0)


def _load(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError) as error:
        raise PdebenchError(f"{path} is no checkpoint of a stream: {error}") from error
