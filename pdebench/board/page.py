"""The standing as one HTML page that needs no server, no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from math import isinf
from string import Template

from ..task import Record
from .facts import commands, dataset_facts, notes, task_facts
from .plots import Style, precision_plot, rollout_plot, styles, swatch
from .samples import Gallery, Strip, galleries
from .standing import Entry, Standing, rises
from .tables import Cell, Column, columns, duration, headlines, number


def page_html(standing: Standing) -> str:
    """The page. Everything that comes from a card or a record is escaped; no script but the page's own may run."""
    here = files(__package__)
    parts = {kind: here.joinpath(f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")}
    table, look = columns(standing), styles(standing)
    return Template(parts["html"]).substitute(
        title=escape(standing.task.title),
        description=escape(" ".join(standing.task.description.split())),
        task=_facts(task_facts(standing), apart=True),
        headlines=escape(" ".join(headlines(standing))),
        heads="".join(_head(column, chosen=i == 0) for i, column in enumerate(table)),
        rows="\n".join(_row(entry, table, look) for entry in standing.entries),
        aside=_aside(standing.aside),
        plots=_plots(standing, look),
        samples=_samples(standing),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in notes(standing)),
        dataset=_facts(dataset_facts(standing)),
        commands=escape("\n".join(commands(standing))),
        provenance="\n".join(_provenance(entry.record) for entry in standing.entries),
        style=parts["css"],
        script=parts["js"],
        script_hash=base64.b64encode(hashlib.sha256(parts["js"].encode()).digest()).decode(),
    )


def _head(column: Column, *, chosen: bool) -> str:
    first = "descending" if column.descending else "ascending"
    text = ' data-text=""' if column.title == "Model" else ""
    state = ' aria-sort="ascending"' if chosen else ""
    title = column.title.replace("_", " ").replace("-", "‑")  # breaks at spaces only
    return (
        f'<th scope="col" data-first="{first}"{text}{state}>'
        f'<button type="button" title="{escape(column.meaning)}">{escape(title)}</button></th>'
    )


def _row(entry: Entry, table: list[Column], look: Mapping[str, Style]) -> str:
    state = "tied" if entry.tied else "diverged" if entry.place is None else "ranked"
    cells = "".join(_cell(column.cell(entry)) for column in table[2:])
    name = table[1].cell(entry)
    return (
        f'<tr class="{state}">{_cell(table[0].cell(entry))}'
        f'<th scope="row"{_order(name)}>{swatch(look[entry.record.digest])}{escape(name.text)}'
        f"<small>{escape(name.note)}</small></th>{cells}</tr>"
    )


def _cell(cell: Cell) -> str:
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td{_order(cell)}>{escape(cell.text)}{note}</td>"


def _order(cell: Cell) -> str:
    if cell.order is None:
        return ""
    value = "Infinity" if isinstance(cell.order, float) and isinf(cell.order) else str(cell.order)
    return f' data-order="{escape(value)}"'


def _facts(facts: Mapping[str, str], *, apart: bool = False) -> str:
    """Terms and descriptions; each pair in a box of its own when `apart`."""
    pairs = [f"<dt>{escape(name)}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items()]
    return "".join(f"<div>{pair}</div>" if apart else pair for pair in pairs)


def _aside(aside: Mapping[str, str]) -> str:
    if not aside:
        return ""
    items = "".join(f"<li>{escape(name)}: {escape(reason)}</li>" for name, reason in sorted(aside.items()))
    return f'<div class="aside"><p>Not ranked:</p><ul>{items}</ul></div>'


def _plots(standing: Standing, look: Mapping[str, Style]) -> str:
    metric, floor = standing.task.primary, standing.floor_score
    ranked = [e for e in standing.entries if e.place is not None]
    spoken = "; ".join(f"{e.record.label} {number(e.score)} in {duration(e.seconds)}" for e in ranked)
    grey = ", shaded: the truth’s own error" if floor is not None else ""
    dashed = " Dashed: the truth’s own error." if floor is not None else ""
    better = "upper" if rises(metric) else "lower"
    drawn = [
        (
            rollout_plot(standing, look, f"Line chart of {metric} over roll-out time; the table gives the means"),
            f"{metric} over roll-out time, mean over samples and fields{grey}. A cross ends a model that diverged.",
        ),
        (
            precision_plot(standing, look, f"Scatter chart of {metric} against seconds per trajectory: {spoken}"),
            f"Work and precision: {metric} against seconds per trajectory. The line joins the classical solvers."
            f"{dashed} Towards the {better} left is better.",
        ),
    ]
    figures = [
        f"<figure>{drawing}<figcaption>{escape(words)}</figcaption></figure>"
        for drawing, words in drawn
        if drawing is not None
    ]
    if not figures:
        return ""
    return (
        '<section aria-labelledby="curves"><h2 id="curves">Accuracy in time and at a price</h2>'
        f'<div class="pair">{"".join(figures)}</div></section>\n'
    )


def _samples(standing: Standing) -> str:
    found = galleries(entry.record for entry in standing.entries)
    if not found:
        return ""
    shown = "".join(_gallery(gallery) for gallery in found)
    return f'<section aria-labelledby="samples"><h2 id="samples">Sample fields</h2>{shown}</section>\n'


def _gallery(gallery: Gallery) -> str:
    moments = "".join(f"<span>t = {time:.3g}</span>" for time in gallery.times)
    spans = f'<p class="times">{moments}</p>'
    low, high = (number(value) for value in gallery.scale)
    said = f"{gallery.field} of member {gallery.member} at t = {', '.join(f'{t:.3g}' for t in gallery.times)}"
    bar = f'<p class="bar"><span>{low}</span>{_image(gallery.bar, "colour scale")}<span>{high}</span></p>'
    rows = [
        f'<p></p>{spans}<p class="times wide">{moments}</p>',
        f'<p class="name">truth</p>{_image(gallery.truth.png, f"Truth: {said}")}{bar}',
        '<p class="wide"></p><p class="what wide">prediction</p><p class="what wide">error</p>',
        *(_sample(record.label, prediction, error, said) for record, prediction, error in gallery.models),
    ]
    caption = (
        f"{gallery.field.capitalize()} of member {gallery.member}: the truth, then each model’s prediction and its "
        "error (prediction − truth), which is magnified by the factor given so that it fits the same colours; a large "
        "factor is a small error. Grey: not finite."
    )
    return (
        f'<figure class="gallery"><div class="fields">{"".join(rows)}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _sample(label: str, prediction: Strip, error: Strip, said: str) -> str:
    factor = f"error × {error.magnified:g}"
    return (
        f'<p class="name">{escape(label)}<small>{factor}</small></p>'
        f"{_image(prediction.png, f'{label}, prediction: {said}')}"
        f"{_image(error.png, f'{label}, {factor}: {said}')}"
    )


def _image(png: bytes, words: str) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(words)}">'


def _provenance(record: Record) -> str:
    cost, truth = record.expense, record.generation_seconds
    facts = {
        "model": record.model,
        "options": ", ".join(f"{key} = {value}" for key, value in sorted(record.options.items())) or "none",
        "weights": record.weights_sha256 or "none",
        "one at a time": f"{duration(cost.inference_seconds)} per trajectory",
        "in batches": f"{duration(cost.inference_seconds_batched)} per trajectory, {cost.batch} together",
        "memory": f"{cost.peak_memory_bytes / 2**20:.0f} MiB at most",
        "truth": "unknown" if truth is None else f"{duration(truth)} per trajectory",
        "hardware": f"{record.hardware}; {cost.threads} {'thread' if cost.threads == 1 else 'threads'}",
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())),
        "commit": record.commit,
        "created": record.created,
        "record": record.digest,
    }
    return f'<details><summary>{escape(record.label)}</summary><dl class="facts">{_facts(facts)}</dl></details>'
