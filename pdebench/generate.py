"""The one loop over units of work: spec -> solver -> store, on any number of ranks, resumable."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np

from . import order, sample, solve
from .arrays import Array, Index
from .errors import CardError
from .layout import DONE, FAILED, MISSING
from .parallel import Comm, Serial, together
from .problem import Event, Frame, Scaled, Settling, Sink, problem_of, resolved
from .spec import DatasetSpec, load_spec
from .store import TrajectoryStore

log = logging.getLogger(__name__)
_LOOK = 1 << 22  # bytes of frames that are looked at together


# Called with members done and members to do; fractions count the unit in flight on rank 0.
Progress = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a call of `generate` left in the store, of the members it was asked for."""

    store: Path | str
    done: int
    failed: int
    missing: int
    seconds: float
    reasons: dict[int, str]


def generate(
    spec: DatasetSpec | str,
    out: str | Path,
    *,
    members: Sequence[int] | None = None,
    comm: Comm | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Fill the store at `out` with the units of work that it lacks; the same bits for any rank count or interruption.

    `members` limits the work to the units that hold any of them. Every rank calls it; each gets the summary.
    A member whose run fails is recorded with its reason, and the rest goes on.
    """
    comm = comm or Serial()
    spec = spec if isinstance(spec, DatasetSpec) else load_spec(spec)
    _keep_pages()
    if comm.size % spec.ranks:
        raise CardError(
            f"{spec.name} solves each unit on {spec.ranks} ranks: start a multiple of that, not {comm.size}"
        )
    group = comm.Split(comm.rank // spec.ranks, comm.rank)
    store, wanted, settled = begin(spec, out, members, comm=comm, group=group)
    began = perf_counter()
    try:
        fill(spec, store, wanted, comm=comm, group=group, settled=settled, progress=progress)
    except BaseException:
        if comm.rank == 0:
            store.publish_news()
        raise
    if comm.rank == 0:
        store.publish()
    comm.Barrier()
    return summary(store, wanted, perf_counter() - began)


def _keep_pages() -> None:
    """Have the C library keep up to 64 MiB of freed memory.

    glibc returns to the kernel what lies free beyond twice the largest block that ever was freed, so each frame of a
    few hundred KiB would come with fresh pages: a tenth of the time on small grids. This block is never touched.
    """
    np.empty(31 << 20, np.uint8)


def begin(
    spec: DatasetSpec, out: str | Path, members: Sequence[int] | None, *, comm: Comm, group: Comm
) -> tuple[TrajectoryStore, list[Index], dict[str, Any]]:
    """The store, the units that hold any of `members`, and the options that the solver settles on for them all.

    Refuses a card that cannot be followed before anything is written.
    """
    wanted = wanted_units(spec, members)
    together(comm, lambda: _rehearse(spec, int(wanted[0][0]), group))
    together(comm, lambda: TrajectoryStore.create(out, spec).sweep() if comm.rank == 0 else None)
    store = TrajectoryStore.open(out)
    return store, wanted, _settled(spec, store, comm, group)


def fill(
    spec: DatasetSpec,
    store: TrajectoryStore,
    units: list[Index],
    *,
    comm: Comm,
    group: Comm,
    settled: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> None:
    """Solve the units that `store` lacks and write them there; `group` are the ranks of `comm` that share a unit.

    `settled` are options that the solver chose by measurement, the same for every unit of a store.
    """
    lacking = set(comm.bcast(store.missing().tolist() if comm.rank == 0 else None))
    todo = [unit for unit in units if lacking.intersection(unit.tolist())]
    watch = _Watch(store, todo, spec.times.frames, progress if comm.rank == 0 else None)
    told: list[float] = []
    with _Clerk() as clerk:
        for unit in todo[comm.rank // spec.ranks :: comm.size // spec.ranks]:
            events = _measured(spec, told, watch.over(solve.trajectories(spec, unit, group, settled=settled)))
            if group.rank == 0:
                clerk.sees_to(store.take(unit, events), f"members {unit[0]} … {unit[-1]} written")
            else:
                deque(events, maxlen=0)  # this rank only lends its hand
    comm.Barrier()


def _measured(spec: DatasetSpec, told: list[float], events: Iterator[Event]) -> Iterator[Event]:
    """The events as they come; at their end a line on whether the grid resolves the dissipation, where one can know.

    Only the first of the values below 1, kept in `told`, is a warning.
    """
    problem, worst, at = problem_of(spec), np.inf, (0, 0.0)
    last, parameters = spec.times.frames - 1, cache(partial(sample.parameters, spec))
    looks = {0, last // 4, last // 2, 3 * last // 4, last} if isinstance(problem, Scaled) else set()
    for event in events:
        if isinstance(event, Frame) and event.index in looks and isinstance(problem, Scaled):
            own = solve.stacked([parameters(int(member)) for member in event.members])
            values = _resolved(problem, event.values, spec, own)
            least = int(np.argmin(values))
            if values[least] < worst:
                worst, at = values[least], (int(event.members[least]), float(spec.times.values()[event.index]))
        yield event
    if worst < 1:
        log.log(
            logging.INFO if told else logging.WARNING,
            "k_max η falls to %.2g (member %d, t = %g): a dissipation that the grid cannot resolve; use a finer grid, "
            "or more of it",
            worst,
            *at,
        )
        told.append(worst)
    elif np.isfinite(worst):
        log.info("k_max η is at least %.2g (member %d, t = %g)", worst, *at)


def _resolved(problem: Scaled, states: Array, spec: DatasetSpec, params: Mapping[str, Array]) -> Array:
    """k_max η of each of a batch of output frames, infinite for those that are lost; a few MiB of them at a time.

    In single precision, which is ample for a warning and takes half the time.
    """
    count, states = -(-states.nbytes // _LOOK), states.astype(np.float32)
    found = [
        resolved(problem, states[some], spec.output, {k: v[some] for k, v in params.items()}, solved=spec.grid)
        for some in np.array_split(np.arange(len(states)), min(len(states), max(1, count)))
    ]
    values = np.concatenate(found)
    return np.where(np.isnan(values), np.inf, values)


def _settled(spec: DatasetSpec, store: TrajectoryStore, comm: Comm, group: Comm) -> dict[str, Any]:
    """The options that a verdict by measurement puts in the card's place; measured where the store has none yet.

    The ranks of the first unit measure and the others wait, so that all go by one verdict.
    """
    _, card = solve.prepare(spec)
    if not isinstance(card, Settling):
        return {}
    begun = store.settled is not None or len(store.missing()) < spec.samples.count
    if not comm.bcast(begun):
        together(comm, lambda: _measure(spec, store, comm, group))
    return dict(comm.bcast(store.settled if comm.rank == 0 else None) or {})


def _measure(spec: DatasetSpec, store: TrajectoryStore, comm: Comm, group: Comm) -> None:
    if comm.rank < group.size:
        verdict = solve.settle(spec, group)
        if comm.rank == 0:
            store.settle(verdict)
            log.info("settled on %s", store.settled)


def _rehearse(spec: DatasetSpec, member: int, group: Comm) -> None:
    """Refuse a card that cannot be followed before anything is written."""
    problem, _ = solve.build(spec, group)
    sample.initial(spec, problem, member)


def wanted_units(spec: DatasetSpec, members: Sequence[int] | None) -> list[Index]:
    """Whole units that hold any of `members`."""
    if members is None:
        return order.units(spec)
    if not members or min(members) < 0 or max(members) >= spec.samples.count:
        raise CardError(f"members {_told(members)} do not lie in 0:{spec.samples.count}, the members of {spec.name}")
    return [unit for unit in order.units(spec) if set(unit.tolist()).intersection(members)]


def _told(members: Sequence[int]) -> str:
    if isinstance(members, range):
        return f"{members.start}:{members.stop}"
    return f"from {min(members)} to {max(members)}" if members else "(none)"


class _Clerk:
    """Commits a unit while the next one is solved, so that nobody waits for the disk but at the end."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._open: deque[tuple[str, Future[None]]] = deque()

    def sees_to(self, commit: Callable[[], None], words: str) -> None:
        """Raises what went wrong with the unit before; one at most waits."""
        self._open.append((words, self._thread.submit(self._commit, commit, words)))
        if len(self._open) > 1:
            self._open.popleft()[1].result()

    @staticmethod
    def _commit(commit: Callable[[], None], words: str) -> None:
        commit()
        log.info("%s", words)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown()  # what was taken is committed, whatever happened since
        for words, one in self._open:
            if kind is None:
                one.result()
            elif error := one.exception():
                log.warning("not (%s): %s", words, error)


class _Watch:
    """Counts members as frames pass by, and those that other ranks commit."""

    def __init__(self, sink: Sink, todo: list[Index], frames: int, tell: Progress | None) -> None:
        self._sink, self._tell, self._frames = sink, tell, frames
        self._members = np.concatenate(todo) if todo else np.zeros(0, int)
        self._next, self._told = perf_counter(), 0.0

    def over(self, events: Iterator[Event]) -> Iterator[Event]:
        flying = 0.0
        for event in events:
            if isinstance(event, Frame):
                flying += len(event.members) / self._frames
                if self._tell and perf_counter() > self._next:
                    self._report(self._tell, flying)
            yield event

    def _report(self, tell: Progress, flying: float) -> None:
        began = perf_counter()
        missing = np.isin(self._members, self._sink.missing()).sum()
        # What has flown is missing until it is committed.
        self._told = max(self._told, len(self._members) - missing + flying)
        tell(self._told, len(self._members))
        now = perf_counter()
        self._next = now + max(0.2, 100 * (now - began))  # looking costs a listing: at most a hundredth of the time


def summary(store: TrajectoryStore, wanted: list[Index], seconds: float) -> Summary:
    """What the store now has of some units."""
    members = np.concatenate(wanted)
    status, reasons = store.status()[members], store.reasons()
    return Summary(
        store=store.path,
        done=int((status == DONE).sum()),
        failed=int((status == FAILED).sum()),
        missing=int((status == MISSING).sum()),
        seconds=seconds,
        reasons={int(m): reasons[m] for m in members[status == FAILED]},
    )
