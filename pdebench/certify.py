"""Error bars of the stored truth, and proof that a member can be made again to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from . import order, solve
from .arrays import Array, Index
from .errors import CardError, StoreError
from .parallel import Comm, Serial
from .problem import Frame, Given, OnMesh, Outcome
from .store import TrajectoryStore

PER_SPLIT = 4  # members certified of each split where none are named
AT_ONCE = 4  # members solved between two writes: what an interrupted call loses


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a call of `certify` knows about the members that it was asked for."""

    members: tuple[int, ...]
    solved: int  # of them in this call; the others were certified before
    error: Array  # (time, field) median over members of the relative L² difference
    worst: float  # largest over members, times and fields
    failed: dict[int, str]  # members whose finer solution failed, and why
    times: Array

    def __str__(self) -> str:
        line = f"{len(self.members)} members certified ({self.solved} of them now)"
        if np.isfinite(self.worst):
            line += f": relative error {self.error[0].max():.2g} at the start, {self.error[-1].max():.2g} at the end "
            line += f"(medians), {self.worst:.2g} at worst; {self._small()}"
        return "\n".join([line, *(f"member {m} has none: {why}" for m, why in self.failed.items())])

    def _small(self) -> str:
        """Where the median differences of all fields are below 10 %."""
        beyond = self._beyond(0.1)
        if not len(beyond) or beyond[0]:
            return f"below 10 % up to t = {self.horizon(0.1):g}"
        if beyond[-1] < len(self.times) - 1:  # a flow that starts at once
            return f"below 10 % only after t = {self.times[beyond[-1]]:g}"
        return "10 % or more at the start and at the end"

    def horizon(self, tolerance: float) -> float:
        """The time up to which the median difference stays below `tolerance` in every field."""
        beyond = self._beyond(tolerance)
        return float(self.times[-1] if not len(beyond) else self.times[beyond[0] - 1] if beyond[0] else -np.inf)

    def _beyond(self, tolerance: float) -> Index:
        """Frames whose median difference is not below `tolerance` in every field."""
        return np.flatnonzero(~(self.error < tolerance).all(axis=1))


def certify(
    store: TrajectoryStore,
    members: Iterable[int] | None = None,
    *,
    refine: float = 2,
    force: bool = False,
    comm: Comm | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> Certificate:
    """Solve some members again, finer in space and in time by `refine`, and keep the difference with the data.

    The number is ‖stored − finer‖ / ‖finer‖ per member, time and field, on the stored grid, storage round-off included.
    It **is** the difference of two solutions; for a method of order p it is the error of the stored one times
    1 − refine⁻ᵖ (94 % of it at p = 4). It is **not** a bound, knows nothing of an error that both share (a wrong
    forcing, say), and measures only what the stored grid can hold. In a chaotic flow it grows until the two have
    nothing in common: the truth is one trajectory's up to `horizon`, and only its statistics beyond.

    Without `members`: a spread of four of each split. Members certified before are not solved again unless `force`.
    The ranks of `comm` share the members; each rank solves its own alone.
    Each solve of 2D flow at twice the resolution costs some eight times the original one.
    """
    if not refine > 1:
        raise CardError(f"refine is {refine:g}; a finer solution needs a factor above 1, such as 2")
    chosen = _spread(store) if members is None else _known(store, members)
    certified = np.isfinite(store.truth_error()).all(axis=(1, 2))
    todo = chosen if force else chosen[~certified[chosen]]
    comm = comm or Serial()
    comm.Barrier()  # no rank writes before all have looked
    failed: dict[int, str] = {}
    own = todo[comm.rank :: comm.size]
    for low in range(0, len(own), AT_ONCE):
        batch = own[low : low + AT_ONCE]
        values, reasons = _differences(store, batch, refine)
        store.set_truth_error(batch, values)
        failed |= reasons
        if progress and comm.rank == 0:
            progress(min((low + len(batch)) * comm.size, len(todo)), len(todo))
    failed = {member: why for reasons in comm.allgather(failed) for member, why in reasons.items()}
    errors = store.truth_error()[chosen]
    sound = errors[np.isfinite(errors).all(axis=(1, 2))]
    return Certificate(
        members=tuple(chosen.tolist()),
        solved=len(todo),
        error=np.median(sound, axis=0) if len(sound) else np.full(errors.shape[1:], np.nan),
        worst=float(sound.max()) if len(sound) else np.nan,
        failed=failed,
        times=store.times,
    )


def _differences(store: TrajectoryStore, members: Index, refine: float) -> tuple[Array, dict[int, str]]:
    """Relative L² differences `(m, time, field)`, NaN for members whose finer solution failed, and why it did."""
    out = np.full((len(members), len(store.times), len(store.fields)), np.nan)
    row = {int(member): i for i, member in enumerate(members)}
    reasons = {}
    for event in solve.trajectories(store.spec, members, refine=refine, settled=store.settled):
        if isinstance(event, Frame):
            for member, finer in zip(event.members, event.values, strict=True):
                stored = store.frames(int(member), event.index, event.index + 1)[0].astype(float)
                out[row[int(member)], event.index] = _relative(stored, finer)
        elif isinstance(event, Outcome) and event.cost.reason:
            reasons[event.member] = event.cost.reason
            out[row[event.member]] = np.nan
    return out, reasons


def _relative(stored: Array, finer: Array) -> Array:
    """‖stored − finer‖ / ‖finer‖ of each field; 0 where both are zero."""
    axes = tuple(range(1, finer.ndim))
    off, size = (np.sqrt(np.sum(np.square(part, dtype=float), axis=axes)) for part in (stored - finer, finer))
    return np.asarray(np.divide(off, size, out=np.where(off > 0, np.inf, 0.0), where=size > 0))


def _spread(store: TrajectoryStore) -> Index:
    """A few finished members of each split, evenly spread."""
    found: list[int] = []
    for split in store.spec.splits:
        done = store.members(split)
        found += [int(done[i]) for i in np.linspace(0, len(done) - 1, min(len(done), PER_SPLIT)).round().astype(int)]
    if not found:
        raise StoreError(f"{store.path} has no finished member in any split: repeat `pdebench generate` first")
    return np.asarray(np.unique(found))


def _known(store: TrajectoryStore, members: Iterable[int]) -> Index:
    """The wanted members, each of which must be there and not have failed."""
    wanted: Index = np.unique(np.array(list(members), int))
    if len(absent := np.setdiff1d(wanted, store.members())):
        raise StoreError(
            f"member {absent[0]} of {store.path} is not there or failed: `pdebench info` lists what is, and "
            "`pdebench generate` makes what is missing"
        )
    return wanted


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Whether a member, solved again with its unit of work, has the stored bits."""

    member: int
    equal: bool
    frame: int | None = None  # the first that differs
    difference: float = 0.0  # largest over all frames and fields

    def __str__(self) -> str:
        if self.equal:
            return f"member {self.member}: every stored bit is as solved again"
        return (
            f"member {self.member} differs from frame {self.frame} on, by up to {self.difference:.3g}: another version "
            "or processor rounds differently (`pdebench info` names the store's); anything larger means altered data"
        )


def verify(store: TrajectoryStore, member: int) -> VerifyResult:
    """Solve the whole unit of work of a member again, and compare its inputs and frames bit by bit.

    Frames on its mesh, where the card keeps them, are compared, too.
    """
    if not 0 <= member < store.spec.samples.count:
        raise StoreError(f"{store.path} has members 0 … {store.spec.samples.count - 1}, not {member}")
    first, difference = None, 0.0
    for frame, there, again in _pairs(store, member):
        if again.tobytes() != there.tobytes():
            first = frame if first is None else first
            off = np.abs(again.astype(float) - there)
            difference = max(difference, float(np.nan_to_num(off, nan=np.inf).max()))
    return VerifyResult(member, first is None, first, difference)


def _pairs(store: TrajectoryStore, member: int) -> Iterator[tuple[int, Array, Array]]:
    """Frame, what the store holds of it and what is solved again, on the grid and on the mesh."""
    stored, meshed = store.frames(member), store.frames_on_mesh(member)
    unit = next(unit for unit in order.units(store.spec) if member in unit)
    for event in solve.trajectories(store.spec, unit, settled=store.settled):
        if isinstance(event, Frame | Given) and member in event.members:
            there, index = (stored[event.index], event.index) if isinstance(event, Frame) else (store.given(member), 0)
            yield index, there, event.values[list(event.members).index(member)].astype(stored.dtype)
        elif isinstance(event, OnMesh) and event.member == member and meshed is not None:
            yield event.index * store.spec.store.mesh, meshed[event.index], np.asarray(event.values, meshed.dtype)
