"""The hidden set of a task: its own card with a seed that is in one file and nowhere else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from pdebench.errors import PdebenchError
from pdebench.generate import Progress, generate
from pdebench.spec import DatasetSpec, parse
from pdebench.store import TrajectoryStore

LEAST = 16  # bytes of a seed file: fewer could be guessed by trying them all against a published score


def read_seed(path: Path) -> int:
    """The seed that a file stands for, 128 bits of SHA-256 of its bytes. The error says nothing of its contents."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PdebenchError(f"no seed in {path}: {error.strerror}; make one with `head -c 32 /dev/urandom`") from None
    if len(content) < LEAST:
        raise PdebenchError(
            f"{path} is too short to be secret: at least {LEAST} random bytes, `head -c 32 /dev/urandom`"
        )
    return int.from_bytes(hashlib.sha256(b"pdebench hidden set\n" + content).digest()[:16], "big")


def hidden_spec(spec: DatasetSpec, seed: int) -> DatasetSpec:
    """The card with another seed."""
    content = spec.model_dump()  # a copy of the object would keep the digest that it remembers
    return parse(DatasetSpec, content | {"samples": content["samples"] | {"seed": seed}}, where="the hidden card")


@contextmanager
def hidden_store(spec: DatasetSpec, split: str, *, progress: Progress | None = None) -> Iterator[TrajectoryStore]:
    """The split's members of a hidden card, in a folder that only its owner can enter and that is gone afterwards.

    A store's attributes hold its card, and so the seed: none is left behind, whatever happens short of a kill -9.
    """
    folder = Path(mkdtemp(prefix="pdebench-hidden-"))
    try:
        generate(spec, folder / "hidden.zarr", members=spec.split(split), progress=progress)
        yield TrajectoryStore.open(folder / "hidden.zarr")
    finally:
        rmtree(folder, ignore_errors=True)
