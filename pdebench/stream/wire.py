"""What goes over a socket: short JSON messages, and frames as raw float32 where memory is not shared. No pickles."""

from __future__ import annotations

import json
import select
import socket
import struct
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..arrays import Array
from ..errors import PdebenchError

LARGEST = 1 << 22  # bytes of a message; a card with thousands of options is far below
SILENCE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 6}  # [s, s, 1]: gone after three minutes
MOST = 512  # pieces in a system call; Linux takes 1024
AT_ONCE = 4096  # bytes of messages read in one go
PIECE = 1 << 22  # bytes of frames received in one go: what says on a slow network that more of them come
_LENGTH = struct.Struct("<I")
_ENCODE, _DECODE = json.JSONEncoder(separators=(",", ":")).encode, json.JSONDecoder().decode


class Lost(Exception):
    """The other end is gone, or does not speak as it should."""


class Wire:
    """One end of a connection."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._read = bytearray()  # what came along with the last message
        if end.family != socket.AF_UNIX:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # a host that lost its power says no goodbye
            for name, value in SILENCE.items():
                if hasattr(socket, name):
                    end.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def say(self, message: dict[str, Any], frames: Sequence[Array] = (), *, fd: int | None = None) -> None:
        """A message, contiguous frames that follow it, and a file descriptor that comes with its first byte."""
        body = _ENCODE(message).encode()
        parts = [memoryview(_LENGTH.pack(len(body)) + body), *(frame.data.cast("B") for frame in frames)]
        beside = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
        try:
            while parts:
                sent = self.socket.sendmsg(parts[:MOST], beside)
                parts, beside = _beyond(parts, sent), []
        except OSError as error:
            raise Lost(str(error)) from error

    def hear(self) -> dict[str, Any]:
        return self._parsed(self._exactly(_LENGTH.size))

    def hear_with_fd(self) -> tuple[dict[str, Any], int | None]:
        """A message, and the file descriptor that came with it."""
        try:
            head, fds, _, _ = socket.recv_fds(self.socket, _LENGTH.size, 1)
        except OSError as error:
            raise Lost(str(error)) from error
        if not head:
            raise Lost("closed")
        return self._parsed(head + self._exactly(_LENGTH.size - len(head))), (fds[0] if fds else None)

    def receive_into(self, frames: Sequence[Array], moved: Callable[[], None] = lambda: None) -> None:
        """Fill contiguous arrays, one after the other; `moved` is called after each `PIECE` of them."""
        parts = [frame.data.cast("B") for frame in frames]
        while parts and self._read:  # what came along with the message
            there = min(len(parts[0]), len(self._read))
            parts[0][:there] = self._read[:there]
            del self._read[:there]
            parts = _beyond(parts, there)
        try:
            while parts:
                got = self.socket.recvmsg_into(_up_to(parts[:MOST], PIECE), 0, socket.MSG_WAITALL)[0]
                if not got:
                    raise Lost("closed")
                parts = _beyond(parts, got)
                moved()
        except OSError as error:
            raise Lost(str(error)) from error

    def gone(self) -> bool:
        """Whether the other end is known to have hung up; nothing that it said is lost."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def wait_for_end(self) -> None:
        """Return when either end has hung up; what was said and not yet heard stays."""
        end = self.socket.fileno()
        if end < 0:
            return  # closed before anybody looked
        watch = select.poll()
        watch.register(end, select.POLLRDHUP)
        watch.poll()

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits in `hear`
        self.socket.close()

    def _parsed(self, head: bytes) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(head)
        if length > LARGEST:
            raise Lost(f"a message of {length} bytes")
        try:
            message = _DECODE(self._exactly(length).decode())
        except (ValueError, RecursionError) as error:
            raise Lost("a message that is not JSON") from error
        if not isinstance(message, dict):
            raise Lost("a message that is not an object")
        return message

    def _exactly(self, count: int) -> bytes:
        """The next bytes; whatever is there already is read with them, as a system call costs more than a message."""
        while len(self._read) < count:
            try:
                got = self.socket.recv(AT_ONCE)
            except OSError as error:
                raise Lost(str(error)) from error
            if not got:
                raise Lost("closed")
            self._read += got
        data = bytes(self._read[:count])
        del self._read[:count]
        return data


def _beyond(parts: list[memoryview], count: int) -> list[memoryview]:
    """What is left of pieces in a row after `count` bytes."""
    for index, part in enumerate(parts):
        if count < len(part):
            return [part[count:], *parts[index + 1 :]]
        count -= len(part)
    return []


def _up_to(parts: list[memoryview], count: int) -> list[memoryview]:
    """The first `count` bytes of pieces in a row."""
    taken = []
    for part in parts:
        if count <= 0:
            break
        taken.append(part[:count])
        count -= len(part)
    return taken


def connect(address: str) -> Wire:
    """A connection to `unix:NAME` or `HOST:PORT`. Raises `PdebenchError` where nobody listens."""
    kind, _, rest = address.partition(":")
    try:
        if kind == "unix":
            end = socket.socket(socket.AF_UNIX)
            end.connect("\0" + rest)
            return Wire(end)
        host, port = host_and_port(address)
        return Wire(socket.create_connection((host, port), timeout=None))
    except OSError as error:
        raise PdebenchError(f"no trainer listens at {address}: {error.strerror or error}") from error


def host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise PdebenchError(f"{address!r} is no address: expected HOST:PORT, such as node7:5555")
    return host.strip("[]") or "127.0.0.1", int(port)


def whole_numbers(values: Any, limit: int, count: int | None = None) -> Sequence[int]:
    """A list from a message, as numbers in `0 … limit − 1`. Raises `Lost` for anything else."""
    if not isinstance(values, list) or (count is not None and len(values) != count):
        raise Lost("a list of numbers was expected")
    for value in values:
        whole_number(value, limit)
    return values


def whole_number(value: Any, limit: int) -> int:
    """A number from a message, in `0 … limit − 1`. Raises `Lost` for anything else."""
    if type(value) is not int or not 0 <= value < limit:
        raise Lost(f"numbers 0 … {limit - 1} were expected")
    return value
