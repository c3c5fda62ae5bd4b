"""A site shown on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ..errors import PdebenchError


def serve_site(folder: Path, port: int, told: Callable[[str], None]) -> None:
    """Serve `folder` to this machine alone until interrupted; `told` is called with the address once it listens.

    Raises `PdebenchError` where the port is taken.
    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    except OSError as error:
        raise PdebenchError(f"port {port} cannot be had ({error.strerror}); --port 0 takes a free one") from error
    with server, suppress(KeyboardInterrupt):
        told(f"http://127.0.0.1:{server.server_port}/")
        server.serve_forever()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: a line per picture helps nobody."""
