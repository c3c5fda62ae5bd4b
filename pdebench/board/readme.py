"""The standing as a README in Markdown."""

from __future__ import annotations

import html
import re

from .facts import commands, dataset_facts, notes
from .standing import Entry, Standing, rises
from .tables import Cell, columns, headlines, number


def readme_text(standing: Standing) -> str:
    task = standing.task
    table = columns(standing)
    parts = [
        "<!-- Written by `pdebench board` from task.yaml and records/: do not edit. -->",
        f"# {plain(task.title)}",
        plain(task.description),
        " ".join(plain(sentence) for sentence in headlines(standing)),
        "\n".join(
            [
                _row([plain(column.title) for column in table]),
                _row(["---:", "---", *["---:"] * (len(table) - 2)]),
                *(_row([_cell(column.cell(entry)) for column in table]) for entry in standing.entries),
            ]
        ),
        "[index.html](index.html) has the curves, the work–precision plot and sample fields; it needs no server.",
        "## How to read it",
        "\n".join(f"- {plain(note)}" for note in notes(standing)),
    ]
    if standing.verified:
        parts += [
            "## Verified on hidden data",
            f"The same card with a secret seed; signed by a judge. {plain(task.primary)}, "
            f"{'more' if rises(task.primary) else 'less'} is better, with its 95 % interval.",
            "\n".join(
                [
                    _row(["#", "Model", plain(task.primary), "signed by"]),
                    _row(["---:", "---", "---:", "---"]),
                    *(_verified(entry) for entry in standing.verified),
                ]
            ),
        ]
    if standing.aside:
        parts += [
            "## Not ranked",
            "\n".join(f"- {plain(name)}: {plain(reason)}" for name, reason in sorted(standing.aside.items())),
        ]
    parts += [
        "## Data",
        "\n".join(f"- {plain(name)}: {plain(fact)}" for name, fact in dataset_facts(standing).items()),
        "```\n" + "\n".join(commands(standing)) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def plain(text: str) -> str:
    """Text that Markdown and HTML leave as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]|#~$!])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _verified(entry: Entry) -> str:
    low, high = entry.interval
    score = f"{number(entry.score)} [{number(low)}, {number(high)}]"
    signature = entry.record.signature
    place = "–" if entry.place is None else str(entry.place)
    return _row([place, plain(entry.record.label), plain(score), plain(signature.key if signature else "")])


def _cell(cell: Cell) -> str:
    return " ".join(plain(part) for part in (cell.text, cell.note) if part)
