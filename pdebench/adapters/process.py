"""A model in another process, in any language, that speaks `pdebench.wire` on its standard input and output."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import ClassVar

from pdebench.arrays import Array
from pdebench.errors import ModelError
from pdebench.problem import problem_of
from pdebench.spec import DatasetSpec
from pdebench.wire import exchange, question

TOLD = 2000  # characters of its standard error that are repeated when it fails


class ProcessModel:
    """`command` is started at the first question, given the weights' path as a last argument, and kept until the end.

    `ensemble` > 1: it answers with that many members on a leading axis.
    """

    kind: ClassVar[str] = "neural"

    def __init__(
        self,
        spec: DatasetSpec,
        weights: Path | None = None,
        *,
        command: str | Sequence[str],
        ensemble: int = 1,
        seconds: float = inf,
    ) -> None:
        words = shlex.split(command) if isinstance(command, str) else list(command)
        self._talk = Conversation([*words, *([str(weights)] if weights else [])])
        self._fields, self.ensemble, self._seconds = len(problem_of(spec).fields), ensemble, seconds

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        expected = (len(history), len(times), self._fields, *history.shape[3:])
        shape = expected if self.ensemble == 1 else (self.ensemble, *expected)
        return self._talk.ask((history, params, times), shape, self._seconds)

    def close(self) -> None:
        self._talk.close()


class Conversation:
    """One process and its pipes; whatever goes wrong ends it, and is said in one `ModelError`."""

    def __init__(self, command: Sequence[str], **how: object) -> None:
        self._command, self._how = list(command), how
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, arrays: Sequence[Array], shape: tuple[int, ...], seconds: float) -> Array:
        process = self._running()
        assert process.stdin and process.stdout  # both are pipes
        try:
            put, get = process.stdin.fileno(), process.stdout.fileno()
            return exchange(put, get, question(*arrays), lambda found: found == shape, min(seconds, 1e9))
        except TimeoutError as error:
            self.close()
            raise ModelError(f"{self._command[0]} gave no answer within {seconds:.3g} s") from error
        except EOFError as error:
            raise ModelError(f"{self._command[0]} {self._ended()}") from error
        except ModelError as error:
            raise ModelError(f"{error} (expected shape {shape})" if "announces" in str(error) else str(error)) from None
        except BaseException:
            self.close()
            raise

    def tell(self, line: bytes, seconds: float) -> bytes:
        """Send one line, and wait for the line that answers it."""
        process, ends, told = self._running(), monotonic() + seconds, b""
        assert process.stdin and process.stdout  # both are pipes
        put, get = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(put, True)  # it reads this before anything of a stranger's runs
        try:
            while line:
                line = line[os.write(put, line) :]
            while not told.endswith(b"\n"):
                if not select.select([get], [], [], max(0.0, ends - monotonic()))[0]:
                    self.close()
                    raise ModelError(f"{self._command[0]} gave no answer within {seconds:.3g} s")
                byte = os.read(get, 1)
                told += byte
                if not byte or len(told) > 2**16:
                    raise EOFError
        except (EOFError, BrokenPipeError) as error:
            raise ModelError(f"{self._command[0]} {self._ended()}") from error
        os.set_blocking(put, False)
        return told

    def close(self) -> None:
        """Kill it, with whatever it has started in its session."""
        if process := self._process:
            self._process = None
            _kill(process)
            self._errors.close()

    def __del__(self) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    bufsize=0,
                    start_new_session=True,
                    **self._how,  # type: ignore[call-overload]  # options of Popen, passed through
                )
            except OSError as error:
                raise ModelError(f"{self._command[0]} cannot be started: {error.strerror}") from error
            for pipe in (self._process.stdin, self._process.stdout):
                os.set_blocking(pipe.fileno(), False)  # type: ignore[union-attr]  # both are pipes
        return self._process

    def _ended(self) -> str:
        """How it ended, and the last it said on standard error."""
        process = self._process
        try:
            status = process.wait(2) if process else 0
        except subprocess.TimeoutExpired:
            status = 0
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - TOLD))
        told = " ".join(self._errors.read().decode(errors="replace").split())
        self.close()
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status} instead of answering"
        return f"{how}: {told}" if told else how


def _kill(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
