"""What may be handed in: a folder with `submission.yaml` and the files that it names."""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict

from pdebench.errors import ModelError
from pdebench.registry import suggest
from pdebench.spec import Card, parse, read_yaml

LARGEST, WORDS = 2**32, 2**16  # bytes of a submission, and of its submission.yaml
GRAPHS = {".onnx"}


class Submission(Card):
    """`submission.yaml`: how the board calls it, the model, and its weights, a path inside the folder.

    Anybody: `model: onnx` and an .onnx file. Trusted authors: a registered model, or `file.py:Class` of the folder,
    with .safetensors. `training_seconds` is the author's word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    label: str
    model: str = "onnx"
    weights: str | None = None
    options: dict[str, Any] = {}
    training_seconds: float = 0.0

    @property
    def strange(self) -> bool:
        """Whether it is a graph of operations, without code."""
        return self.model == "onnx"


def load_submission(folder: Path, *, trusted: bool) -> Submission:
    """The submission in a folder. Raises `ModelError` for what is refused unseen: pickles, code of strangers, links."""
    files = expect_small(folder)
    _expect_plain(folder / "submission.yaml")
    said = parse(Submission, read_yaml(folder / "submission.yaml"), where=str(folder / "submission.yaml"))
    if not said.strange and not trusted:
        raise ModelError(
            f"{said.label} names the model {said.model!r}, which is code: strangers hand in ONNX (model: onnx); "
            "--trusted is for authors that you know"
        )
    for path in files:
        if reason := pickled(path):
            raise ModelError(f"{path.name} is refused: {reason}")
    if said.weights is not None:
        weights = (folder / said.weights).resolve()
        if not weights.is_relative_to(folder.resolve()) or not weights.is_file():
            raise ModelError(f"weights {said.weights!r} are no file of {folder}")
        allowed = GRAPHS if said.strange else {".safetensors"}
        if weights.suffix not in allowed:
            raise ModelError(
                f"weights {said.weights!r}: expected {' or '.join(sorted(allowed))}{suggest(weights.suffix, allowed)}"
            )
    elif said.strange:
        raise ModelError(f"{said.label}: weights must name an .onnx file")
    return said


def expect_small(folder: Path) -> list[Path]:
    """The files of a submission. Raises `ModelError` for links, and where they are too large to copy."""
    files = list(_files(folder))
    if sum(path.stat().st_size for path in files) > LARGEST:
        raise ModelError(f"{folder} holds more than {LARGEST >> 30} GiB")
    return files


def _expect_plain(path: Path) -> None:
    """No aliases: nine lines of them expand to a billion values wherever the options are written out."""
    if not path.is_file():
        return  # whoever reads it says so
    if path.stat().st_size > WORDS:
        raise ModelError(f"{path.name} is larger than {WORDS >> 10} KiB")
    try:
        aliased = any(isinstance(token, yaml.AliasToken) for token in yaml.scan(path.read_text(errors="replace")))
    except yaml.YAMLError:
        return  # likewise
    if aliased:
        raise ModelError(f"{path.name} has an alias (*name): write the value out")


def pickled(path: Path) -> str:
    """Why a file may run code when it is loaded; empty for one that cannot. Looks at content, not at names."""
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix in {".pt2", ".ep"} or (zipfile.is_zipfile(path) and path.suffix != ".npz"):
        return (
            "it is a zip archive, as torch.save and torch.export make them, and torch unpickles what those hold "
            "(torch.load with weights_only=False, pickle.loads); export to ONNX, or save weights as safetensors"
        )
    if path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".npy", ".npz"} or (
        head[:1] == b"\x80" and len(head) > 1 and 2 <= head[1] <= 5
    ):
        return "it is a pickle, or of a kind that can hold one: loading it may run any code; save as safetensors"
    return ""


def parameters_of(folder: Path, said: Submission) -> int:
    """Numbers in the weights, counted from the file and not from what the model says of itself; 0 where unknown."""
    if said.weights is None or said.strange:
        return 0
    with (folder / said.weights).open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        if size > 10**8:
            raise ModelError(f"{said.weights} claims a header of {size} bytes: it is no safetensors file")
        try:
            header = json.loads(file.read(size))
            return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{said.weights} is no safetensors file") from error


def digest_of(folder: Path) -> str:
    """SHA-256 over names and contents of all files."""
    total = hashlib.sha256()
    for path in sorted(_files(folder)):
        total.update(f"{path.relative_to(folder)}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise ModelError(f"{path.name} is a link: hand in the file itself")
        if path.is_file():
            yield path
