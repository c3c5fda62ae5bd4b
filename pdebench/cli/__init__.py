"""The command line: each command is one function of the library, its progress and its summary."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Annotated, NoReturn

import typer

from ..errors import PdebenchError
from . import data, judging, models
from .terminal import INTERRUPTED, app, errors

__all__ = ["app", "data", "judging", "main", "models"]


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show a traceback with every error, and debug messages.")
    ] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s")


def main() -> None:
    """Run the command line; one clear line and a status instead of a traceback, unless --debug is given."""
    debug = "--debug" in sys.argv
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is a Ctrl-C: sweep and go
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(status)
    except (typer.Abort, KeyboardInterrupt):
        _stop("interrupted; what was committed is safe, repeat the command to go on", INTERRUPTED)
    except PdebenchError as error:
        if debug:
            raise
        _stop(str(error), 1)
    except OSError as error:
        if debug:
            raise
        _stop(f"{error.filename or 'the system'}: {error.strerror or error}", 1)
    except Exception as error:  # a wrong option shows itself, with the usage; anything else is ours to mend
        if not (hasattr(error, "show") and hasattr(error, "exit_code")):
            raise
        error.show()
        sys.exit(error.exit_code)


def _stop(message: str, status: int) -> NoReturn:
    errors.print("[bold red]error:[/] ", end="")
    errors.print(message, markup=False)
    sys.exit(status)
