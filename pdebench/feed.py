"""Where a training's batches come from: a store, pass by pass, or a stream, as they are made.

`StreamDataset(stream)` is the same for those who write their own loop: a torch `IterableDataset` of whole batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from .arrays import Array
from .data import Batch, Pairs, Windows
from .errors import ModelError
from .spec import DatasetSpec


class Flow(Protocol):
    """What a training needs of `pdebench.stream`."""

    @property
    def spec(self) -> DatasetSpec: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def learn(self, batch: Batch, losses: Array) -> None: ...
    def state(self) -> dict[str, Array]: ...
    def close(self) -> None: ...


# Opens a stream, from a checkpoint of one or from the start.
Opener = Callable[[Mapping[str, Array] | None], Flow]


class Feed(Protocol):
    """Batches for one epoch after the other."""

    @property
    def over(self) -> bool:
        """Whether no more batches will come."""
        ...

    def epoch(self, number: int) -> Iterator[tuple[float, Batch]]:
        """The batches of an epoch, each with the share of the epoch that lies before it."""
        ...

    def learn(self, batch: Batch, losses: Array) -> None: ...
    def state(self) -> dict[str, Array]: ...
    def close(self) -> None: ...


class Stored:
    """All windows (or pairs) of a split, in an order that (seed, epoch) decides."""

    over = False

    def __init__(self, windows: Windows | Pairs, batch_size: int, seed: int) -> None:
        self._windows, self._batch_size, self._seed = windows, batch_size, seed

    def epoch(self, number: int) -> Iterator[tuple[float, Batch]]:
        batches = -(-len(self._windows) // self._batch_size)
        drawn = self._windows.batches(self._batch_size, seed=self._seed, epoch=number)
        for index, batch in enumerate(drawn):
            yield index / batches, batch

    def learn(self, batch: Batch, losses: Array) -> None:
        pass

    def state(self) -> dict[str, Array]:
        return {}

    def close(self) -> None:
        pass


class Streamed:
    """A stream cut into epochs of `every` batches; what it yields next is part of the training's checkpoint."""

    def __init__(self, flow: Flow, every: int) -> None:
        self._flow, self._every, self.over = flow, every, False
        self._batches = iter(flow)

    def epoch(self, number: int) -> Iterator[tuple[float, Batch]]:
        for index in range(self._every):
            batch = next(self._batches, None)
            if batch is None:
                self.over = True
                return
            yield index / self._every, batch

    def learn(self, batch: Batch, losses: Array) -> None:
        self._flow.learn(batch, losses)

    def state(self) -> dict[str, Array]:
        return self._flow.state()

    def close(self) -> None:
        self._flow.close()


class StreamDataset(IterableDataset[Batch]):
    """A stream's batches as tensors, for `DataLoader(StreamDataset(stream), batch_size=None)`."""

    def __init__(self, stream: Flow) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[Batch]:
        if get_worker_info() is not None:
            raise ModelError("a stream is read in the trainer's own process: give the DataLoader num_workers=0")
        for batch in self._stream:
            history, future, params, *rest = (torch.from_numpy(part) for part in batch)
            yield Batch(history, future, params.float(), *rest)  # type: ignore[arg-type]  # tensors in place of arrays


def expect_alike(stored: DatasetSpec, streamed: DatasetSpec) -> None:
    """A stream's frames must be those that the store's model predicts; `ModelError` otherwise."""
    for key in ("problem", "lengths", "output", "parameters", "times"):
        one, other = (getattr(spec.grid if key == "lengths" else spec, key) for spec in (stored, streamed))
        if one != other:
            raise ModelError(
                f"the stream of {streamed.name} and the store of {stored.name} differ in {key}: validate on a store "
                f"of the same card, such as `pdebench generate {streamed.name} --members A:B`"
            )


def as_tensors(state: Mapping[str, Array]) -> dict[str, Tensor]:
    """A stream's state for a file of tensors; text as its bytes."""
    plain = {name: np.frombuffer(str(v).encode(), np.uint8) if v.dtype.kind == "U" else v for name, v in state.items()}
    return {f"stream.{name}": torch.from_numpy(np.array(value)) for name, value in plain.items()}


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """The stream's state out of such a file."""
    found = {name.removeprefix("stream."): t.numpy() for name, t in tensors.items() if name.startswith("stream.")}
    if "campaign" in found:
        found["campaign"] = np.array(found["campaign"].tobytes().decode())
    return found
