"""Commands that make, inspect and draw datasets."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..errors import CardError, PdebenchError
from ..parallel import world
from .terminal import CardName, Changes, Meter, StorePath, abort_together, app, changes_of, console, range_of

if TYPE_CHECKING:
    from ..generate import Summary
    from ..spec import DatasetSpec

Member = Annotated[int, typer.Option(help="Number of the member.")]

GRACE = 5.0  # [s] for a solver whose trainer has gone
FAILED_MEMBERS = 3  # exit status of a run that ended in order, but in which some members failed


@app.command("list")
def list_everything() -> None:
    """Cards, tasks, models, solvers and metrics that this installation knows."""
    from ..metrics import metrics
    from ..model import models
    from ..problem import problems, solvers

    home = Path(__file__).parent.parent
    table = Table("kind", "names", box=None)
    for kind, folder, file in (("datasets", "datasets", "card.yaml"), ("tasks", "leaderboards", "task.yaml")):
        table.add_row(kind, ", ".join(sorted(path.parent.name for path in (home / folder).glob(f"*/{file}"))))
    for registry in (problems, solvers, models, metrics):
        table.add_row(f"{registry.kind}s", ", ".join(registry))
    console.print(table)


@app.command()
def generate(
    card: CardName,
    out: Annotated[
        str | None, typer.Option(help="The store to make, or to finish: a folder or s3://…; by default NAME.zarr.")
    ] = None,
    members: Annotated[
        str | None, typer.Option(metavar="A:B", help="Only the units of work that hold these members.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Another seed than the card's: other members, same statistics.")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="local|FILE", help="Send the units to Dask workers here, or as a file says.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Of the cluster; each is a core, or an MPI group of the card's ranks.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what it would take, by a pilot of some seconds.")
    ] = False,
    changes: Changes = None,
) -> None:
    """Make a dataset. Runs alone, under mpiexec or srun, or on a cluster; repeat the command to finish.

    The bits depend on the card alone: not on ranks, interruptions or order. Exit status 3: some members failed.
    """
    from ..generate import generate as run
    from ..spec import load_spec

    if workers is not None and cluster is None:
        raise PdebenchError("--workers belongs to --cluster; without, start ranks by mpiexec or srun")
    comm = world()
    if cluster is not None or dry_run:
        more = {"samples.seed": seed} if seed is not None else {}
        spec = load_spec(card, changes_of(changes) | more)
        if comm.size > 1:
            raise PdebenchError("--cluster and --dry-run run in one process: no mpiexec or srun before them")
        _on_cluster(spec, out or f"{spec.name}.zarr", range_of(members), cluster, workers, dry_run)
        return
    with abort_together(comm), Meter("members", shown=comm.rank == 0) as meter:
        more = {"samples.seed": seed} if seed is not None else {}
        spec = load_spec(card, changes_of(changes) | more)
        summary = run(spec, out or f"{spec.name}.zarr", members=range_of(members), comm=comm, progress=meter)
    if comm.rank == 0:
        _tell(summary)
    if summary.failed:
        raise typer.Exit(FAILED_MEMBERS)


def _on_cluster(
    spec: DatasetSpec, out: str | Path, members: range | None, cluster: str | None, workers: int | None, dry: bool
) -> None:
    from ..cluster.card import load_cluster

    card = load_cluster(cluster or "local", workers)
    if dry:
        from ..cluster.plan import plan_of

        with console.status("a pilot"):
            told = plan_of(spec, out, members, workers=card.hands(spec.ranks))
        console.print(str(told), markup=False)
        return
    from ..cluster.drive import generate_on_cluster

    with Meter("members") as meter:
        summary, report = generate_on_cluster(
            spec, out, card, members=members, progress=meter, tell=lambda said: console.print(said, markup=False)
        )
    console.print(str(report), markup=False)
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
def stream(
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="HOST:PORT of the trainer: its Stream.listening.")],
) -> None:
    """Solve for a trainer that listens, until it has what it wants. It sends the card; nothing is written here.

    Start as many as you like, on any host, each alone or under mpiexec with the card's number of ranks. The trainer's
    token is taken from the environment variable PDEBENCH_STREAM_TOKEN.
    """
    from ..launch import die_with_parent
    from ..online import TOKEN, produce
    from ..stream import TrainerGone

    comm, hired = world(), to.startswith("unix:")
    if hired:  # by a trainer on this host, which needs no last words
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent()
    with abort_together(comm):
        try:
            units = produce(to, comm, token=os.environ.get(TOKEN, ""), orphaned=_leave)
        except TrainerGone:
            if not hired or comm.size > 1:  # other ranks would wait for this one
                raise
            return
    if comm.rank == 0 and not hired:
        console.print(f"{units} units of work sent to {to}")


def _leave() -> None:
    """A solver without a trainer ends at its next frame; one that takes long for it, or hangs, ends here."""
    time.sleep(GRACE)
    console.print("the trainer has gone", style="red")
    os._exit(1)


@app.command()
def describe(
    card: CardName,
    write: Annotated[bool, typer.Option(help="Write README.md and its picture beside the card.")] = False,
    shape: Annotated[str, typer.Option(help="Solve for the picture on this grid, like 64,64.")] = "",
    member: Annotated[int, typer.Option(min=0, help="The member that the picture shows.")] = 0,
) -> None:
    """Explain a card: its physics, numbers, size and source, as the README of its folder."""
    from ..describe import PICTURE, readme
    from ..spec import find_card, load_spec

    spec = load_spec(card)
    if write:
        from ..portrait import portrait

        folder = find_card(card, "datasets", "card.yaml").parent
        (folder / "README.md").write_text(readme(spec))
        portrait(spec, folder / PICTURE, member=member, shape=_numbers(shape) if shape else None)
        console.print(f"wrote {folder / 'README.md'}")
    else:
        console.print(readme(spec), markup=False)


def _numbers(shape: str) -> tuple[int, ...]:
    """`64,32` as numbers of cells."""
    if not all(part.strip().isdecimal() for part in shape.split(",")):
        raise CardError(f"--shape takes numbers of cells such as 64,64, not {shape!r}")
    return tuple(int(part) for part in shape.split(","))


@app.command()
def info(store: StorePath) -> None:
    """What a store holds, how it was made, and the hash of its content."""
    from ..layout import DONE, FAILED, MISSING
    from ..store import TrajectoryStore

    data = TrajectoryStore.open(store)
    status, card = data.status(), data.spec
    files = [path for path in store.rglob("*") if path.is_file()]  # none of a URL
    certified = (data.truth_error() == data.truth_error()).any(axis=(1, 2)).sum()
    table = Table(show_header=False, box=None)
    for key, value in {
        "title": card.title,
        "card": f"{card.name}, version {card.version}, digest {card.digest}",
        "fields": f"{', '.join(data.fields)} at {' × '.join(map(str, data.grid.shape))}, {card.store.dtype}",
        **({"inputs": ", ".join(data.inputs)} if data.inputs else {}),
        "times": f"{len(data.times)} frames, {data.times[0]:g} … {data.times[-1]:g}, every {card.times.step:g}",
        "parameters": ", ".join(
            f"{name} {card.reach(name)[0]:g} … {card.reach(name)[1]:g}" for name in card.parameters
        ),
        "members": f"{(status == DONE).sum()} done, {(status == FAILED).sum()} failed, "
        f"{(status == MISSING).sum()} missing",
        "splits": ", ".join(f"{name} {low}:{high}" for name in card.splits for low, high in card.runs(name)),
        "certified": f"{certified} members",
        "solver": f"{card.solver.name} at {' × '.join(map(str, card.grid.shape))}, {card.solver.options}",
        **({"settled by measurement": f"{data.settled}"} if data.settled else {}),
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
    from ..check import check as run
    from ..store import TrajectoryStore

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
    """Solve some members again, finer in space and time, and store the difference as the truth's error bar.

    Runs alone or under mpiexec.
    """
    import numpy as np

    from ..certify import certify as run
    from ..store import TrajectoryStore

    chosen, comm = range_of(members), world()
    with abort_together(comm), Meter("members", shown=comm.rank == 0) as meter:
        certificate = run(
            TrajectoryStore.open(store),
            None if chosen is None else np.arange(chosen.start, chosen.stop),
            refine=refine,
            comm=comm,
            progress=meter,
        )
    if comm.rank == 0:
        console.print(str(certificate), markup=False)


@app.command()
def verify(store: StorePath, member: Member = 0) -> None:
    """Solve a member again and compare it with the store bit by bit. Exit status 1 when they differ."""
    from ..certify import verify as run
    from ..store import TrajectoryStore

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
    from ..plot import film, plot_member, plot_spectra
    from ..store import TrajectoryStore

    data = TrajectoryStore.open(store)
    with console.status("drawing"):
        if spectra:
            path = plot_spectra(data, out, member=member)
        elif out.suffix in {".mp4", ".gif"}:
            path = film(data, member, out)
        else:
            path = plot_member(data, member, out)
    console.print(f"drew {path}")
