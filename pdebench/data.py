"""Windows of stored trajectories -> batches. NumPy only; a torch `DataLoader` takes `Windows` as it is.

windows = Windows(store, "train", history=1, horizon=4)
loader = torch.utils.data.DataLoader(windows, batch_size=16, shuffle=True, num_workers=2)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from .arrays import Array, Index
from .errors import StoreError
from .spec import DatasetSpec


class Trajectories(Protocol):
    """What windows need of a store."""

    @property
    def spec(self) -> DatasetSpec: ...
    @property
    def fields(self) -> tuple[str, ...]: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def steady(self) -> bool: ...
    @property
    def times(self) -> Array: ...
    def members(self, split: str | None = None) -> Index: ...
    def params(self, members: Index) -> Array: ...
    def frames(self, member: int, start: int = 0, stop: int | None = None, step: int = 1) -> Array: ...
    def read(self, into: Array, member: int, start: int, step: int) -> None: ...
    def given(self, member: int) -> Array: ...


def seen(frames: Array, given: Array) -> Array:
    """What a model sees of one member: its inputs beside the fields of each frame, or alone where there is no frame.

    `(h, field, *space)`, `(input, *space)` -> `(h, field + input, *space)`, or `(1, input, *space)` for h = 0.
    """
    if not len(frames):
        return given[None]
    return np.concatenate([frames, np.broadcast_to(given, (len(frames), *given.shape))], axis=1)


class Window(NamedTuple):
    """One piece of a trajectory, writable and owned by the caller."""

    history: Array  # (h, field + input, *space); (1, input, *space) of a steady problem
    future: Array  # (t, field, *space); of a steady problem its one frame, the solution
    params: Array  # (p,)
    times: Array  # (t,) of the future, from the last frame of the history; of a steady problem the card's time
    member: int
    start: int  # stored frame at which the history begins


class Batch(NamedTuple):
    """Windows side by side: the fields of `Window` with a leading axis b."""

    history: Array
    future: Array
    params: Array
    times: Array
    member: Index
    start: Index


class Windows:
    """Every window of a split's finished members, in order of member, then start.

    A window is `history + horizon` frames, each `stride` stored frames after the last; the next one begins
    `start_every` frames later. Frames are read when asked for, one member at a time. Inputs are repeated beside each
    frame of the history. A steady problem has one window per member: its inputs, then the solution.
    """

    def __init__(
        self,
        store: Trajectories,
        split: str | None = "train",
        *,
        history: int = 1,
        horizon: int = 1,
        stride: int = 1,
        start_every: int = 1,
    ) -> None:
        if min(history, horizon, stride, start_every) < 1:
            raise ValueError("history, horizon, stride and start_every must be 1 or more")
        if store.steady and (history, horizon, stride) != (1, 1, 1):
            raise ValueError(
                f"{store.spec.name} is steady: history, horizon and stride must be 1, not "
                f"{history}, {horizon}, {stride}"
            )
        self.store, self.history, self.horizon, self.stride = store, history, horizon, stride
        self._shown = 0 if store.steady else history  # frames in the history
        self._span = (self._shown + horizon - 1) * stride + 1
        self._members = store.members(split)
        self._params = store.params(self._members)
        self._starts = range(0, len(store.times) - self._span + 1, start_every)
        name = f"split {split!r}" if split else "the store"
        if not len(self._members):
            raise StoreError(f"{name} has no finished member to read: generate some first")
        if not self._starts:
            raise StoreError(
                f"a window of {history} + {horizon} frames, {stride} apart, spans {self._span} frames, but "
                f"{name} has {len(store.times)} per member: ask for fewer, or a smaller stride"
            )

    def __len__(self) -> int:
        return len(self._members) * len(self._starts)

    def __getitem__(self, index: int) -> Window:
        row, start = self._place(index)
        frames = np.require(self._read(row, start), requirements="W")  # a copy, where the store lends its own
        return Window(
            self._history(row, frames),
            frames[self._shown :],
            self._params[row].copy(),
            self._times(np.array(start)),
            int(self._members[row]),
            start,
        )

    def __getitems__(self, indices: Sequence[int]) -> list[Window]:
        """Several windows; torch's fetcher looks for this name."""
        return [self[index] for index in indices]

    def batches(
        self, batch_size: int, *, seed: int = 0, epoch: int = 0, shuffle: bool = True, drop_last: bool = False
    ) -> Iterator[Batch]:
        """One pass over all windows, in an order that (seed, epoch) alone decides."""
        for indices in _order(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle, drop_last=drop_last):
            yield self.batch(indices)

    def batch(self, indices: Sequence[int] | Index) -> Batch:
        """The windows `indices` side by side."""
        places = [self._place(int(index)) for index in indices]
        rows, starts = (np.array(column, int) for column in zip(*places, strict=True))
        card, span = self.store.spec.store, self._shown + self.horizon
        frames = np.empty((len(places), span, len(self.store.fields), *card.shape), card.dtype)
        for out, (row, start) in zip(frames, places, strict=True):
            self.store.read(out, int(self._members[row]), start, self.stride)
        h = self._shown
        history = frames[:, :h]
        if self.store.inputs:
            history = np.stack([self._history(int(row), own) for row, own in zip(rows, frames, strict=True)])
        return Batch(history, frames[:, h:], self._params[rows], self._times(starts), self._members[rows], starts)

    def _history(self, row: int, frames: Array) -> Array:
        shown = frames[: self._shown]
        return seen(shown, self.store.given(int(self._members[row]))) if self.store.inputs else shown

    def _place(self, index: int) -> tuple[int, int]:
        """Row among the members, and first frame."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        row, start = divmod(index % len(self), len(self._starts))
        return row, self._starts[start]

    def _read(self, row: int, start: int) -> Array:
        return self.store.frames(int(self._members[row]), start, start + self._span, self.stride)

    def _times(self, starts: Index) -> Array:
        """Times of the future, `(..., t)`, from the last frame of the history."""
        frames = self.store.times[starts[..., None] + np.arange(0, self._span, self.stride)]
        if self.store.steady:
            return np.asarray(frames)
        return np.asarray(frames[..., self.history :] - frames[..., self.history - 1 : self.history])


def _order(
    count: int, batch_size: int, *, seed: int, epoch: int, shuffle: bool, drop_last: bool = False
) -> Iterator[Index]:
    """The numbers 0 … count - 1 once each, batch by batch."""
    order = np.random.default_rng([seed, epoch]).permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    for low in range(0, end, batch_size):
        yield order[low : low + batch_size]


class Pairs:
    """Every pair of frames of a split's members, at most `longest` strides apart: windows of one and one frame.

    In order of distance, then as `Windows`. All-to-all pairs of Herde et al. 2024 (Poseidon), without those of
    a frame with itself; `times` says how far apart the two frames are.
    """

    def __init__(self, store: Trajectories, split: str | None = "train", *, longest: int, stride: int = 1) -> None:
        if longest < 1:
            raise ValueError(f"longest must be 1 or more, not {longest}")
        self._apart = [Windows(store, split, stride=stride * steps) for steps in range(1, longest + 1)]
        self._ends = np.cumsum([len(windows) for windows in self._apart])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def batches(self, batch_size: int, *, seed: int = 0, epoch: int = 0, shuffle: bool = True) -> Iterator[Batch]:
        """One pass over all pairs, in an order that (seed, epoch) alone decides."""
        for indices in _order(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            yield self.batch(indices)

    def batch(self, indices: Sequence[int] | Index) -> Batch:
        """The pairs `indices` side by side."""
        parts = [windows.batch([place]) for windows, place in (self._split(int(index)) for index in indices)]
        return Batch(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _split(self, index: int) -> tuple[Windows, int]:
        row = int(np.searchsorted(self._ends, index, side="right"))
        return self._apart[row], index - int(self._ends[row - 1] if row else 0)


@dataclass(frozen=True, slots=True)
class Normaliser:
    """Statistics that bring a split's fields, inputs, changes and parameters to order one; float64, one per column."""

    mean: Array  # (field,)
    std: Array  # (field,)
    change: Array  # (field,) root mean square of the change over one stride; of a steady problem 1
    param_log: Array  # (p,) 1 where the logarithm is taken: positive and spread over more than a factor of three
    param_mean: Array  # (p,)
    param_std: Array  # (p,) 1 for a constant parameter
    input_mean: Array = field(default_factory=lambda: np.empty(0))  # (input,)
    input_std: Array = field(default_factory=lambda: np.empty(0))  # (input,)

    @classmethod
    def measure(cls, store: Trajectories, split: str = "train", *, stride: int = 1, frames: int = 512) -> Normaliser:
        """Statistics over at most `frames` frames spread evenly over the split, read one pair at a time."""
        windows, fields = Windows(store, split, stride=stride), len(store.fields)
        picked = np.unique(np.linspace(0, len(windows) - 1, max(frames // 2, 1)).astype(int))
        space = tuple(range(1, 1 + len(store.spec.store.shape)))
        states, inputs, changes = _Moments(space), _Moments(space), []
        for index in picked:
            window = windows[int(index)]
            last, following = window.history[-1].astype(float), window.future[0].astype(float)
            inputs.add(last[-len(store.inputs) :] if store.inputs else last[:0])
            if not store.steady:
                states.add(last[:fields])
                changes.append(((following - last[:fields]) ** 2).mean(axis=space))
            states.add(following)
        change = np.sqrt(np.mean(changes, axis=0)) if changes else np.ones(fields)
        params = _param_statistics(store.params(store.members(split)))
        return cls(*states.statistics(), _nonzero(change), *params, *inputs.statistics())


class _Moments:
    """Mean and std over frames `(column, *space)`, gathered one at a time."""

    def __init__(self, space: tuple[int, ...]) -> None:
        self._space = space
        self._means: list[Array] = []
        self._variances: list[Array] = []

    def add(self, frame: Array) -> None:
        self._means.append(frame.mean(axis=self._space))
        self._variances.append(frame.var(axis=self._space))

    def statistics(self) -> tuple[Array, Array]:
        std = np.sqrt(np.mean(self._variances, axis=0) + np.var(self._means, axis=0))
        return np.mean(self._means, axis=0), _nonzero(std)


def _param_statistics(params: Array) -> tuple[Array, Array, Array]:
    """Which columns of `(member, p)` are better in logarithms, and mean and std after that."""
    low, high = params.min(axis=0), params.max(axis=0)
    logs = (low > 0) & (high > 3 * low)
    columns = np.where(logs, np.log(np.where(logs, params, 1.0)), params)
    mean, std = columns.mean(axis=0), columns.std(axis=0)
    return (
        logs.astype(float),
        mean,
        _nonzero(np.where(std > 1e-12 * np.abs(mean), std, 0.0)),
    )  # std of a constant: noise


def _nonzero(scale: Array) -> Array:
    return np.where(scale > 0, scale, 1.0)
