"""The command line: each command is one function of the library, its progress and its summary."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Self

import click
import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from .errors import PdebenchError
from .parallel import Comm, launched, world

if TYPE_CHECKING:
    from .generate import Summary

app = typer.Typer(
    help="Trustworthy PDE trajectories from classical solvers; honest scores for neural ones.",
    epilog="Start with: pdebench list, then pdebench generate ns2d_decaying_demo --out demo.zarr",
    no_args_is_help=True,
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
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, e.g. --set grid.shape=[32,32].")
]
Member = Annotated[int, typer.Option(help="Number of the member.")]

INTERRUPTED = 130
FAILED_MEMBERS = 3  # exit status of a run that ended in order, but in which some members failed


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show a traceback with every error, and debug messages.")] = False,
) -> None:
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(levelname)s: %(message)s")


@app.command("list")
def list_everything() -> None:
    """Cards, tasks, models, solvers and metrics that this installation knows."""
    from .metrics import metrics
    from .model import models
    from .problem import problems, solvers

    home = Path(__file__).parent
    table = Table("kind", "names", box=None)
    for kind, folder, file in (("datasets", "datasets", "card.yaml"), ("tasks", "leaderboards", "task.yaml")):
        table.add_row(kind, ", ".join(sorted(path.parent.name for path in (home / folder).glob(f"*/{file}"))))
    for registry in (problems, solvers, models, metrics):
        table.add_row(f"{registry.kind}s", ", ".join(registry))
    console.print(table)


@app.command()
def generate(
    card: CardName,
    out: Annotated[Path, typer.Option(help="The store to make, or to finish.")],
    members: Annotated[
        str | None, typer.Option(metavar="A:B", help="Only the units of work that hold these members.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed than the card's: other members, same statistics.")
    ] = None,
    changes: Changes = None,
) -> None:
    """Make a dataset. Runs alone or under mpiexec; repeat the command to finish an interrupted run.

    The bits depend on the card alone: not on ranks, interruptions or order. Exit status 3: some members failed.
    """
    from .generate import generate as run
    from .spec import load_spec

    comm = world()
    with _abort_together(comm), _Meter("members", shown=comm.rank == 0) as meter:
        more = {"samples.seed": seed} if seed is not None else {}
        spec = load_spec(card, _changes(changes) | more)
        summary = run(spec, out, members=_range(members), comm=comm, progress=meter)
    if comm.rank == 0:
        _tell(summary)
    if summary.failed:
        raise typer.Exit(FAILED_MEMBERS)


def _tell(summary: Summary) -> None:
    console.print(
        f"{summary.store}: {summary.done} members done, {summary.failed} failed, {summary.missing} missing "
        f"({summary.seconds:.1f} s)"
    )
    for member, why in list(summary.reasons.items())[:10]:
        console.print(f"  member {member} failed: {why}", style="red", markup=False)


@app.command()
def info(store: StorePath) -> None:
    """What a store holds, how it was made, and the hash of its content."""
    from .layout import DONE, FAILED
    from .store import TrajectoryStore

    data = TrajectoryStore.open(store)
    status, card = data.status(), data.spec
    files = [path for path in store.rglob("*") if path.is_file()]
    certified = (data.truth_error() == data.truth_error()).any(axis=(1, 2)).sum()
    table = Table(show_header=False, box=None)
    for key, value in {
        "title": card.title,
        "card": f"{card.name}, version {card.version}, digest {card.digest}",
        "fields": f"{', '.join(data.fields)} at {' × '.join(map(str, data.grid.shape))}, {card.store.dtype}",
        "times": f"{len(data.times)} frames, {data.times[0]:g} … {data.times[-1]:g}, every {card.times.step:g}",
        "parameters": ", ".join(
            f"{name} {law.bounds[0]:g} … {law.bounds[1]:g}" for name, law in card.parameters.items()
        ),
        "members": f"{(status == DONE).sum()} done, {(status == FAILED).sum()} failed, {(status == 0).sum()} missing",
        "splits": ", ".join(f"{name} {low}:{high}" for name, (low, high) in card.splits.items()),
        "certified": f"{certified} members",
        "solver": f"{card.solver.name} at {' × '.join(map(str, card.grid.shape))}, {card.solver.options}",
        "on disk": f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB",
        "licence": card.licence,
        "source": card.source.strip(),
        "content": data.content_hash(),
    }.items():
        table.add_row(key, value)
    console.print(table)


@app.command()
def check(
    store: StorePath,
    repair: Annotated[
        bool, typer.Option(help="Drop units with damaged shards, so that `generate` makes them again.")
    ] = False,
) -> None:
    """Look for every defect that published data has had. Exit status 1 when something is wrong."""
    from .check import check as run
    from .store import TrajectoryStore

    data = TrajectoryStore.open(store)
    if repair and (damaged := {unit for unit, _ in data.damaged()}):
        data.forget(damaged)
        console.print(f"dropped {len(damaged)} damaged units: repeat `pdebench generate` to make them again")
    with console.status("checking"):
        findings = run(data)
    style = {"ok": "green", "warning": "yellow", "error": "red"}
    for finding in findings:
        console.print(f"[{style[finding.severity]}]{finding.severity:8}[/]", end="")
        console.print(f"{finding.check}: {finding.message}", markup=False)
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


@app.command()
def certify(
    store: StorePath,
    members: Annotated[
        str | None, typer.Option(metavar="A:B", help="These members instead of a spread over the splits.")
    ] = None,
    refine: Annotated[float, typer.Option(help="How much finer the second solution is, in space and in time.")] = 2.0,
) -> None:
    """Solve some members again, finer in space and time, and store the difference as the truth's error bar."""
    import numpy as np

    from .certify import certify as run
    from .store import TrajectoryStore

    chosen = _range(members)
    with _Meter("members") as meter:
        summary = run(
            TrajectoryStore.open(store),
            None if chosen is None else np.arange(chosen.start, chosen.stop),
            refine=refine,
            progress=meter,
        )
    console.print(str(summary), markup=False)


@app.command()
def verify(store: StorePath, member: Member = 0) -> None:
    """Solve a member again and compare it with the store bit by bit. Exit status 1 when they differ."""
    from .certify import verify as run
    from .store import TrajectoryStore

    with console.status(f"solving member {member} again"):
        result = run(TrajectoryStore.open(store), member)
    console.print(str(result), markup=False)
    if not result.equal:
        raise typer.Exit(1)


@app.command()
def plot(
    store: StorePath,
    out: Annotated[Path, typer.Option(help="A picture (.png, .svg, .pdf) or a film (.mp4, .gif).")],
    member: Member = 0,
    spectra: Annotated[bool, typer.Option(help="Draw spectra instead of fields.")] = False,
) -> None:
    """Draw a member: its frames, a film of them, or spectra, by the ending of --out."""
    from .plot import film, plot_member, plot_spectra
    from .store import TrajectoryStore

    data = TrajectoryStore.open(store)
    with console.status("drawing"):
        if spectra:
            path = plot_spectra(data, out, member=member)
        elif out.suffix in {".mp4", ".gif"}:
            path = film(data, member, out)
        else:
            path = plot_member(data, member, out)
    console.print(f"drew {path}")


def main() -> None:
    """Run the command line; one clear line and a status instead of a traceback, unless --debug is given."""
    debug = "--debug" in sys.argv
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is a Ctrl-C: sweep and go
    try:
        status = app(standalone_mode=False)
        if status == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(status)
    except click.ClickException as error:  # a wrong option: the usage, and which one
        error.show()
        sys.exit(error.exit_code)
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


def _stop(message: str, status: int) -> NoReturn:
    errors.print("[bold red]error:[/] ", end="")
    errors.print(message, markup=False)
    sys.exit(status)


@contextmanager
def _abort_together(comm: Comm) -> Iterator[None]:
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


class _Meter:
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
        self._bar = Bar(*columns, console=console, disable=not (shown and console.is_terminal), transient=True)
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


def _changes(pairs: list[str] | None) -> dict[str, Any]:
    """`["a.b=1"]` as `{"a.b": 1}`; values are YAML."""
    found: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals:
            raise PdebenchError(f"--set {pair}: expected KEY=VALUE, e.g. --set grid.shape=[32,32]")
        found[key.strip()] = yaml.safe_load(value)
    return found


def _range(text: str | None) -> range | None:
    """`"3:5"` as `range(3, 5)`."""
    if text is None:
        return None
    low, colon, high = text.partition(":")
    if not (colon and low.isdigit() and high.isdigit()):
        raise PdebenchError(f"--members {text}: expected A:B, e.g. --members 0:16 for the first sixteen")
    return range(int(low), int(high))
