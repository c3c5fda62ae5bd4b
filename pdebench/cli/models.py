"""Commands that train models, score them and rank them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..errors import PdebenchError
from .terminal import Meter, Options, TaskName, app, changes_of, console

if TYPE_CHECKING:
    from ..arrays import Array
    from ..board import Standing
    from ..feed import Flow, Opener
    from ..recipe import Progress, Recipe
    from ..task import Record, Task

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A registered name, my.module:Class, or path/to/file.py:Class.")
]
Store = Annotated[
    Path | None, typer.Option(metavar="STORE", help="The task's dataset; by default DATASET.zarr in this folder.")
]
Clock = Annotated[str, typer.Option(help="Whose seconds: wall or cpu (the processor's, fair on a shared machine).")]
Root = Annotated[Path, typer.Option(help="The folder that holds leaderboards/.")]


@app.command()
def train(  # noqa: PLR0913 - one option for each decision that a recipe makes
    model: ModelName,
    data: Annotated[
        str,
        typer.Argument(
            metavar="STORE|CARD",
            help="A store: trained on its train split, chosen on its valid split. A card: its solvers run meanwhile, "
            "and nothing is stored.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The weights to make, or to go on with (.safetensors).")],
    epochs: Annotated[int | None, typer.Option(help="End after so many passes over the data.")] = None,
    seconds: Annotated[float | None, typer.Option(help="End after so much time.")] = None,
    clock: Annotated[
        str, typer.Option(help="Whose time: wall or cpu (the processor's, fair on a shared machine).")
    ] = "wall",
    patience: Annotated[int | None, typer.Option(help="End after so many epochs without a better valid error.")] = None,
    batch_size: Annotated[int, typer.Option(help="Windows per step.")] = 8,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak of the cycle; by default what the model takes for good.")
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Of the inputs, in standard deviations of a step: steadies roll-outs.")
    ] = 0.05,
    unroll: Annotated[int, typer.Option(help="Steps that the loss looks ahead.")] = 1,
    history: Annotated[int, typer.Option(help="Frames that the model sees.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the initial weights and the order of the data.")] = 0,
    threads: Annotated[int | None, typer.Option(help="By default as many as torch takes.")] = None,
    valid: Annotated[
        Path | None, typer.Option(metavar="STORE", help="With a card: a store that holds its valid split.")
    ] = None,
    workers: Annotated[int, typer.Option(help="With a card: solvers that run beside the training.")] = 1,
    buffer: Annotated[str, typer.Option(help="With a card: fifo, firo or reservoir.")] = "reservoir",
    proposal: Annotated[
        str | None, typer.Option(help="With a card: draw its parameters by the loss (importance).")
    ] = None,
    every: Annotated[int, typer.Option(help="With a card: batches from one validation to the next.")] = 100,
    options: Options = None,
) -> None:
    """Train a model. Repeat the command to go on after an interruption; the best weights are always on disk."""
    from ..recipe import Recipe
    from ..spec import parse
    from ..store import TrajectoryStore
    from ..train import train as run

    online = not Path(data, "zarr.json").exists() and valid is not None

    said = {
        "epochs": epochs if epochs is not None or seconds is not None else 100,
        "seconds": seconds,
        "clock": clock,
        "patience": patience,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "noise": noise,
        "unroll": unroll,
        "history": history,
        "seed": seed,
        "threads": threads,
        "every": every,
    }
    recipe = parse(Recipe, said, where="train")
    last: list[Progress] = []
    with Meter("training") as meter:

        def report(progress: Progress) -> None:
            last[:] = [progress]
            note = f"epoch {progress.epoch}, error: train {progress.train_error:.3g}, valid {progress.valid_error:.3g}"
            meter(100 * progress.done, 100, note)

        store = TrajectoryStore.open(valid if online and valid else Path(data))
        stream = _opener(data, recipe, workers, buffer, proposal) if online else None
        path = run(model, store, out, recipe, options=changes_of(options), stream=stream, report=report)
    told = (
        f" after {last[0].epoch} epochs, {last[0].seconds:.0f} s: valid error {last[0].best_error:.3g}" if last else ""
    )
    console.print(f"{path}{told or ' is finished already'}")


def _opener(card: str, recipe: Recipe, workers: int, buffer: str, proposal: str | None) -> Opener:
    """Streams the windows of a card's train split as the recipe wants them."""
    from ..online import Stream
    from ..spec import load_spec

    spec = load_spec(card)

    def opened(state: Mapping[str, Array] | None) -> Flow:
        return Stream(
            spec,
            workers=workers,
            batch_size=recipe.batch_size,
            history=recipe.history,
            horizon=recipe.unroll,
            stride=recipe.stride,
            buffer=buffer,
            members=spec.split("train"),
            seed=recipe.seed,
            proposal=proposal,
            resume=state,
        )

    return opened


@app.command()
def check_model(
    model: ModelName,
    card: Annotated[
        str | None, typer.Option(metavar="CARD", help="The dataset that it is for; by default a tiny one.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Trained weights.")] = None,
    history: Annotated[int, typer.Option(help="Frames that the model sees.")] = 1,
    options: Options = None,
) -> None:
    """Tell what is wrong with a model: shapes, types, NaN, memory between calls, dependence on the batch, and so on."""
    from ..model import build_model
    from ..spec import load_spec
    from ..testing import check_model as run
    from ..testing import tiny_spec

    spec = load_spec(card) if card else tiny_spec()
    findings = run(build_model(model, spec, weights, **changes_of(options)), spec, history=history)
    for finding in findings:
        console.print(f"- {finding}", markup=False)
    if findings:
        raise PdebenchError(f"{model} has {len(findings)} defect{'s' if len(findings) > 1 else ''}")
    console.print(f"{model}: nothing found")


@app.command()
def evaluate(  # noqa: PLR0913 - what is scored, on what, how, and what it is called
    model: ModelName,
    task: TaskName,
    store: Store = None,
    out: Annotated[Path | None, typer.Option(help="The record to write; by default TASK-LABEL.json.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Trained weights (.safetensors).")] = None,
    label: Annotated[str | None, typer.Option(help="How the leaderboard calls the model.")] = None,
    batch: Annotated[int | None, typer.Option(help="Samples per call.")] = None,
    clock: Clock = "wall",
    options: Options = None,
) -> None:
    """Score a model on a task; the record holds every sample's errors and can be submitted."""
    from ..task import load_task

    card = load_task(task)
    record = _score(
        model, card, store, options=changes_of(options), weights=weights, label=label, batch=batch, clock=clock
    )
    seed = f"-seed{record.seed}" if record.seed else ""
    _tell(record, record.save(out or Path(f"{card.name}-{_slug(record.label)}{seed}.json")))


@app.command()
def baselines(
    task: TaskName,
    store: Store = None,
    out: Annotated[Path, typer.Option(help="The folder for the records.")] = Path("."),
    clock: Clock = "wall",
) -> None:
    """Score the models that every board of this task must show: persistence and the classical solvers."""
    from ..board.demands import wanting
    from ..spec import load_spec
    from ..task import load_task

    card = load_task(task)
    if weak := wanting(card, load_spec(card.dataset)):
        console.print(weak, style="yellow", markup=False)
    for named in card.baselines:
        record = _score(named.name, card, store, options=named.options, clock=clock)
        _tell(record, record.save(out / f"{card.name}-{_slug(record.label)}.json"))


def _score(model: str, card: Task, store: Path | None, **how: Any) -> Record:
    from ..evaluate import evaluate as run
    from ..store import TrajectoryStore

    data = TrajectoryStore.open(store or Path(f"{card.dataset}.zarr"))
    with Meter("samples") as meter:
        return run(model, data, card, progress=meter, **how)


def _tell(record: Record, path: Path) -> None:
    seconds = min(record.expense.inference_seconds, record.expense.inference_seconds_batched)
    scores = ", ".join(f"{name} {value:.4g}" for name, value in list(record.scores.items())[:4])
    console.print(f"{record.label}: {scores}; {seconds:.3g} s per trajectory → {path}", markup=False)


def _slug(label: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in label.lower()).split())


@app.command()
def submit(
    records: Annotated[list[Path], typer.Argument(metavar="RECORD...", help="Records made by `pdebench evaluate`.")],
    root: Root = Path("."),
) -> None:
    """Check records against their tasks and put them on the boards (in git: commit what it says and open a request)."""
    from ..board import submit as run

    for record in records:
        console.print(f"accepted: {run(record, root)}")


@app.command()
def board(
    root: Root = Path("."),
    site: Annotated[
        Path | None,
        typer.Option(help="Also write a site here: all tasks and datasets, plots to hover, fields in time."),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Show the site on this machine until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="Where --serve listens; 0: any free port.")] = 8000,
) -> None:
    """Write every leaderboard from its records: README.md and a page that opens from disk; or a whole site of them."""
    from ..board import board as run
    from ..board import task_standing
    from ..board.demands import wanting

    if serve and site is None:
        raise typer.BadParameter("--serve shows the folder that --site names: give both")
    pages = run(root)
    for page in pages:
        if page.suffix == ".html":
            standing = task_standing(page.parent.name, root)
            console.print(_ranking(standing))
            if weak := wanting(standing.task, standing.spec):
                console.print(weak, style="yellow", markup=False)
        console.print(f"wrote {page}")
    if not pages:
        console.print(f"no records under {root / 'leaderboards'}: make some with `pdebench evaluate` and `submit`")
    if site is not None:
        from ..site import serve_site, write_site

        written = write_site(root, site)
        console.print(f"wrote {len(written)} pages; open {site / 'index.html'}")
        if serve:
            serve_site(site, port, told=lambda url: console.print(f"{url} (Ctrl-C ends it)"))


def _ranking(standing: Standing) -> Table:
    """Place, model, primary score and cost, best first."""
    task = standing.task
    table = Table("", "model", task.primary, "s per trajectory", title=task.title, box=None, title_justify="left")
    for entry in standing.entries:
        place = "diverged" if entry.place is None else f"={entry.place}" if entry.tied else str(entry.place)
        table.add_row(place, entry.record.label, f"{entry.score:.4g}", f"{entry.seconds:.3g}")
    if standing.floor_score is not None:
        table.add_row("", "error of the truth itself", f"{standing.floor_score:.2g}", "", style="dim")
    return table
