"""Pieces of HTML that the page of a task and the site are made of. Every text in them is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import isinf

from ..task import Record
from .plots import Style, swatch
from .runs import machine
from .standing import Entry, Standing
from .tables import Cell, Column, columns, duration


def table(standing: Standing, look: Mapping[str, Style]) -> tuple[str, str]:
    """Heads and rows of the ranking."""
    shown = columns(standing)
    heads = "".join(head(column, chosen=i == 0) for i, column in enumerate(shown))
    return heads, "\n".join(row(entry, shown, look) for entry in standing.entries)


def head(column: Column, *, chosen: bool) -> str:
    first = "descending" if column.descending else "ascending"
    text = ' data-text=""' if column.title == "Model" else ""
    state = ' aria-sort="ascending"' if chosen else ""
    title = column.title.replace("_", " ").replace("-", "‑")  # breaks at spaces only
    return (
        f'<th scope="col" data-first="{first}"{text}{state}>'
        f'<button type="button" title="{escape(column.meaning)}">{escape(title)}</button></th>'
    )


def row(entry: Entry, shown: list[Column], look: Mapping[str, Style]) -> str:
    state = "tied" if entry.tied else "diverged" if entry.place is None else "ranked"
    cells = "".join(_cell(column.cell(entry)) for column in shown[2:])
    name = shown[1].cell(entry)
    return (
        f'<tr class="{state}">{_cell(shown[0].cell(entry))}'
        f'<th scope="row"{_order(name)}>{swatch(look[entry.record.digest])}{_breaking(name.text)}'
        f"<small>{escape(name.note)}</small></th>{cells}</tr>"
    )


def _breaking(text: str) -> str:
    """Escaped, and with a place to break the line after each underscore."""
    return escape(text).replace("_", "_<wbr>")


def _cell(cell: Cell) -> str:
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td{_order(cell)}>{escape(cell.text)}{note}</td>"


def _order(cell: Cell) -> str:
    if cell.order is None:
        return ""
    value = "Infinity" if isinstance(cell.order, float) and isinf(cell.order) else str(cell.order)
    return f' data-order="{escape(value)}"'


def terms(facts: Mapping[str, str], *, apart: bool = False) -> str:
    """Terms and descriptions; each pair in a box of its own when `apart`."""
    pairs = [f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items()]
    return "".join(f"<div>{pair}</div>" if apart else pair for pair in pairs)


def aside(aside: Mapping[str, str]) -> str:
    if not aside:
        return ""
    items = "".join(f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in sorted(aside.items()))
    return f'<div class="aside"><p>Not ranked:</p><ul>{items}</ul></div>'


def provenance(record: Record) -> str:
    cost, truth = record.expense, record.generation_seconds
    facts = {
        "model": record.model,
        "options": ", ".join(f"{key} = {value}" for key, value in sorted(record.options.items())) or "none",
        "seed": "none" if record.seed is None else str(record.seed),
        "weights": record.weights_sha256 or "none",
        "one at a time": f"{duration(cost.inference_seconds)} per trajectory",
        "in batches": f"{duration(cost.inference_seconds_batched)} per trajectory, {cost.batch} together",
        "memory": f"{cost.peak_memory_bytes / 2**20:.0f} MiB at most",
        "truth": "unknown" if truth is None else f"{duration(truth)} per trajectory",
        "hardware": f"{machine(record)}; {cost.threads} {'thread' if cost.threads == 1 else 'threads'}",
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
        "commit": record.commit,
        "created": record.created,
        "record": record.digest,
    }
    seed = "" if record.seed is None else f", seed {record.seed}"
    return f'<details><summary>{escape(record.label)}{seed}</summary><dl class="facts">{terms(facts)}</dl></details>'
