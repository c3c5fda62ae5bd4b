"""Where solvers knock: a name on this host, and a port for other hosts."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from secrets import token_hex
from typing import Protocol
from weakref import ref

from ..errors import PdebenchError
from .wire import host_and_port

_CREDENTIALS = struct.Struct("iII")  # process, user, group: `ucred` of unix(7)


def local() -> socket.socket:
    """A listener in Linux' abstract namespace: it leaves no file behind."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0pdebench-{token_hex(12)}")
    listener.listen()
    return listener


def remote(address: str) -> socket.socket:
    """A listener at HOST:PORT."""
    host, port = host_and_port(address)
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise PdebenchError(f"cannot listen at {address}: {error.strerror or error}") from error


def opened(listen: str | None) -> tuple[list[socket.socket], str, str | None]:
    """The local listener and, at `listen`, one for other hosts; the address of each."""
    listeners = [local()]
    address = "unix:" + listeners[0].getsockname()[1:].decode()
    if listen is None:
        return listeners, address, None
    try:
        listeners.append(remote(listen))
    except PdebenchError:
        listeners[0].close()
        raise
    host, port = listeners[1].getsockname()[:2]
    return listeners, address, f"{host}:{port}"


class Owner(Protocol):
    """Has sockets."""

    def let_go(self) -> None: ...


def leave_to_parent(owner: Owner) -> None:
    """A fork of the trainer closes its copies: solvers learn of the trainer's end by its sockets."""
    held = ref(owner)

    def after_fork() -> None:
        if (alive := held()) is not None:
            alive.let_go()

    os.register_at_fork(after_in_child=after_fork)


def hang_up(listener: socket.socket) -> None:
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
    listener.close()


def same_user(end: socket.socket) -> bool:
    """Whether a local connection comes from the trainer's own user: the abstract namespace has no permissions."""
    return _other_end(end)[1] == os.geteuid()


def process_of(end: socket.socket) -> int | None:
    """The process at the other end of a local connection; None for another host's."""
    return _other_end(end)[0] if end.family == socket.AF_UNIX else None


def _other_end(end: socket.socket) -> tuple[int, int]:
    """Process and user at the other end of a local connection."""
    process, user, _ = _CREDENTIALS.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(process), int(user)
