"""What all commands share: the application, its consoles, progress, and the reading of options."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Self

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..errors import PdebenchError
from ..parallel import Comm, launched

app = typer.Typer(
    help="Trustworthy PDE trajectories from classical solvers; honest scores for neural ones.",
    epilog="Start with: pdebench list, then pdebench generate ns2d_decaying_demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# mpiexec hands its first rank a pseudo-terminal, whatever its own output is.
console = Console(highlight=False, soft_wrap=True, force_terminal=False if launched() else None)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

CardName = Annotated[
    str, typer.Argument(metavar="CARD", help="A card's path, or the name of one that ships with pdebench.")
]
StorePath = Annotated[Path, typer.Argument(metavar="STORE", help="A store made by `pdebench generate`.")]
TaskName = Annotated[
    str, typer.Argument(metavar="TASK", help="A task's path, or the name of one that ships with pdebench.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the card, e.g. grid.shape=[96,96]."),
]
Options = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An option of the model, e.g. shape=[32,32].")
]

INTERRUPTED = 130


class Meter:
    """Progress where it is looked for: a bar on a terminal, a line every ten seconds in a log."""

    def __init__(self, what: str, *, shown: bool = True) -> None:
        rate = TextColumn("{task.fields[rate]}")
        columns = (
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            rate,
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._what, self._shown = what, shown
        self._bar = Progress(*columns, console=console, disable=not (shown and console.is_terminal), transient=True)
        self._began = self._told = perf_counter()

    def __enter__(self) -> Self:
        self._bar.start()
        self._row = self._bar.add_task(self._what, total=None, rate="")
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def __call__(self, done: float, total: float, note: str = "") -> None:
        now = perf_counter()
        rate = done / max(now - self._began, 1e-9)
        per = f"{rate:.3g}/s" if rate >= 1 else f"{1 / max(rate, 1e-9):.3g} s each"
        self._bar.update(self._row, completed=done, total=total, rate=f"{per} {note}")
        if self._shown and not console.is_terminal and now - self._told > 10:
            self._told = now
            left = (total - done) / max(rate, 1e-9)
            console.print(
                f"{self._what}: {done:.1f} of {total:g}, {per}, {left:.0f} s left {note}".rstrip(), markup=False
            )


def changes_of(pairs: list[str] | None) -> dict[str, Any]:
    """`["a.b=1"]` as `{"a.b": 1}`; values are YAML."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise PdebenchError(f"--set {pair}: expected KEY=VALUE, e.g. --set grid.shape=[32,32]")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise PdebenchError(f"--set {pair}: the value is no YAML, e.g. --set grid.shape=[32,32]") from error
    return found


def range_of(text: str | None) -> range | None:
    """`"3:5"` as `range(3, 5)`."""
    if text is None:
        return None
    low, colon, high = text.partition(":")
    if not (colon and low.isdigit() and high.isdigit() and int(low) < int(high)):
        raise PdebenchError(f"--members {text}: expected A:B, e.g. --members 0:16 for the first sixteen")
    return range(int(low), int(high))


@contextmanager
def abort_together(comm: Comm) -> Iterator[None]:
    """Under MPI, one rank's error ends the others too: they would wait for it for ever."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if comm.size == 1:
            raise
        if not isinstance(error, KeyboardInterrupt):
            errors.print(f"rank {comm.rank}: {error}", markup=False)
        sys.stderr.flush()
        comm.Abort(INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1)
