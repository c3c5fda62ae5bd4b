"""Commands of those who judge submissions on hidden data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .terminal import Meter, TaskName, app, console

SecretKey = Annotated[Path, typer.Option(metavar="FILE", help="The judge's secret key, from `pdebench judge-key`.")]


@app.command()
def judge(
    task: TaskName,
    submission: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Holds submission.yaml (label, model, weights) and what that names."),
    ],
    seed_file: Annotated[
        Path, typer.Option(metavar="FILE", help="The secret: at least 16 random bytes, `head -c 32 /dev/urandom`.")
    ],
    key: SecretKey,
    out: Annotated[Path | None, typer.Option(help="The record; by default TASK-LABEL-judged.json.")] = None,
    trusted: Annotated[bool, typer.Option("--trusted", help="Let code of the folder run, in the sandbox.")] = False,
    memory: Annotated[float, typer.Option(help="GiB that the submission may take.")] = 4.0,
    root: Annotated[Path, typer.Option(help="The folder that holds leaderboards/.")] = Path("."),
) -> None:
    """Score a submission on data that nobody has seen, and sign the record.

    The task's card is generated again with a secret seed, for the task's split alone, and is deleted afterwards. The
    submission runs in a process of its own: no network, no other processes or programs, nothing to write, nothing to
    read but Python and its own folder, and the task's time_limit. Scores and seconds are measured outside it.

    Strangers hand in an ONNX graph; with --trusted, also safetensors with the code of a model class. Pickles, and
    torch's archives, which hold them, are refused.

    submission.yaml:  {label: My model, model: onnx, weights: model.onnx}

    The walls (rlimits, name spaces where this user may make them, Landlock, seccomp) are named in the record. Without
    Landlock and seccomp nothing is judged.
    """
    from ..board.admission import find_spec
    from ..judge import judge as run
    from ..task import load_task

    card = load_task(task)
    with Meter("judging") as meter:
        record = run(
            card,
            find_spec(card, root),
            submission,
            seed_file=seed_file,
            key=key,
            key_name=key.stem,
            trusted=trusted,
            memory=int(memory * 2**30),
            progress=meter,
        )
    slug = "-".join("".join(c if c.isalnum() else " " for c in record.label.lower()).split())
    path = record.save(out or Path(f"{card.name}-{slug}-judged.json"))
    holds = ", ".join(record.verdict.isolation) if record.verdict else ""
    console.print(
        f"{record.label}: {card.primary} {record.scores[card.primary]:.4g}, held by {holds} → {path}", markup=False
    )


@app.command()
def judge_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="How records call the key: small letters, digits, _, -.")],
    out: Annotated[
        Path | None, typer.Option(help="The secret key; by default NAME.key here. Keep it to yourself.")
    ] = None,
    root: Annotated[Path, typer.Option(help="The folder that holds leaderboards/, which takes the public key.")] = Path(
        "."
    ),
) -> None:
    """Make a key pair for signing: NAME.key, which stays secret, and leaderboards/keys/NAME.pub, which is published."""
    from ..signing import make_key

    secret, public = out or Path(f"{name}.key"), root / "leaderboards" / "keys" / f"{name}.pub"
    make_key(name, secret, public)
    console.print(f"secret key {secret}, public key {public}")
