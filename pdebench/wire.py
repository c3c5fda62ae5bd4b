"""Arrays over a pipe: what a model in another process, in any language, reads and writes (docs/models.md).

A message is lines of ASCII, each ended by a newline and at most 256 bytes long, and the bytes of arrays:

    predict                          the question: three arrays follow, history, params and times
    array f8 5 2 1 1 16 16           an array: type (f4 or f8), number of axes, their lengths; then its values,
                                     little-endian, last axis fastest, and nothing between them and the next line
    error something went wrong       instead of an answer

A question is `predict` and three `f8` arrays; the answer is one array. The end of the input is the end of the work.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Sequence
from math import prod
from time import monotonic
from typing import IO

import numpy as np

from .arrays import Array
from .errors import ModelError

LINE = 256  # bytes of the longest line
CHUNK = 2**20
TYPES = {"f4": 4, "f8": 8}


def question(*arrays: Array) -> list[bytes | memoryview]:
    """The pieces of one question, ready to be written."""
    pieces: list[bytes | memoryview] = [b"predict\n"]
    for values in arrays:
        plain = np.ascontiguousarray(values, "<f8")
        pieces += [header(plain.shape, "f8"), plain.reshape(-1).view(np.uint8).data]
    return pieces


def header(shape: Sequence[int], kind: str) -> bytes:
    return f"array {kind} {' '.join(str(n) for n in (len(shape), *shape))}\n".encode()


def parse_header(line: bytes, fits: Callable[[tuple[int, ...]], bool]) -> tuple[tuple[int, ...], str]:
    """Shape and type of an announced array; `ModelError` for an error, for garbage, and for a shape that does not fit.

    Nothing is allocated here: a header that claims a terabyte costs nothing.
    """
    text = line.decode("ascii", "replace").strip()
    words = text.split()
    if words[:1] == ["error"]:
        raise ModelError(f"the model says: {text.removeprefix('error').strip() or 'error'}")
    numbers = [int(word) if word.isdigit() and len(word) < 16 else -1 for word in words[2:]]
    if len(words) < 3 or words[0] != "array" or words[1] not in TYPES or numbers[0] != len(numbers) - 1:
        raise ModelError(
            f"the model wrote {text[:80]!r} where `array f4|f8 AXES LENGTHS…` was expected: only answers may go to "
            "standard output, messages go to standard error"
        )
    shape = tuple(numbers[1:])
    if not fits(shape):
        raise ModelError(f"the model announces an array of shape {shape}, which is no answer to the question")
    return shape, words[1]


def exchange(
    put: int, get: int, pieces: Sequence[bytes | memoryview], fits: Callable[[tuple[int, ...]], bool], seconds: float
) -> Array:
    """Write a question to descriptor `put` and read its answer from `get` within `seconds`; both must not block.

    Raises `ModelError` for an answer that breaks the protocol, `TimeoutError`, and `EOFError` when the peer is gone.
    """
    queue = [memoryview(piece) for piece in pieces]
    reply, ends = _Reply(fits), monotonic() + seconds
    with selectors.DefaultSelector() as wait:
        wait.register(get, selectors.EVENT_READ)
        wait.register(put, selectors.EVENT_WRITE)
        while not reply.done:
            left = ends - monotonic()
            if left <= 0:
                raise TimeoutError
            for key, _ in wait.select(min(left, 60.0)):
                if key.fd == get:
                    reply.take(get)
                elif not _push(put, queue):
                    wait.unregister(put)
    if queue:
        raise ModelError("the model answered before it had read the question")
    return reply.array


def _push(put: int, queue: list[memoryview]) -> bool:
    """Write what the pipe takes; false when nothing is left."""
    try:
        sent = os.write(put, queue[0][:CHUNK])
    except BlockingIOError:
        return True
    except BrokenPipeError as error:
        raise EOFError from error
    queue[0] = queue[0][sent:]
    if not len(queue[0]):
        del queue[0]
    return bool(queue)


class _Reply:
    """One array as its bytes arrive."""

    def __init__(self, fits: Callable[[tuple[int, ...]], bool]) -> None:
        self._fits, self._line, self._filled = fits, b"", 0
        self._bytes: memoryview | None = None
        self.done = False

    def take(self, get: int) -> None:
        try:
            if self._bytes is None:
                self._head(os.read(get, 1))  # a line is short: byte by byte leaves what follows in the pipe
                return
            got = os.readv(get, [self._bytes[self._filled :]])
        except BlockingIOError:
            return
        if not got:
            raise EOFError
        self._filled += got
        self.done = self._filled == len(self._bytes)

    def _head(self, byte: bytes) -> None:
        if not byte:
            raise EOFError
        if byte != b"\n":
            self._line += byte
            if len(self._line) > LINE:
                raise ModelError(f"the model wrote a line of more than {LINE} bytes: {self._line[:40]!r}…")
            return
        shape, kind = parse_header(self._line, self._fits)
        self.array: Array = np.empty(shape, f"<{kind}")
        self._bytes = self.array.reshape(-1).view(np.uint8).data
        self.done = not prod(shape)


def serve(predict: Callable[[Array, Array, Array], Array], get: IO[bytes], put: IO[bytes]) -> None:
    """The other end, for a model in Python: answer questions until the input ends."""
    while line := get.readline(LINE):
        if line.strip() != b"predict":
            raise ModelError(f"expected `predict`, got {line[:40]!r}")
        given = [_read(get) for _ in range(3)]
        try:
            answer = np.asarray(predict(*given))
        except Exception as error:  # noqa: BLE001  # whatever the model raises is its answer
            put.write(
                f"error {type(error).__name__}: {' '.join(str(error).split())}"[: LINE - 2].encode("ascii", "replace")
            )
            put.write(b"\n")
        else:
            kind = "f4" if answer.dtype == np.float32 else "f8"
            put.write(header(answer.shape, kind) + np.ascontiguousarray(answer, f"<{kind}").tobytes())
        put.flush()


def _read(get: IO[bytes]) -> Array:
    shape, kind = parse_header(get.readline(LINE), lambda _: True)
    return np.frombuffer(get.read(prod(shape) * TYPES[kind]), f"<{kind}").reshape(shape).copy()
