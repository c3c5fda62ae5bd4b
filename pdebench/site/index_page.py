"""The first page: every task with its best models, every dataset with its picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from ..board.standing import Entry, Standing
from ..board.tables import duration, number
from ..spec import DatasetSpec
from . import frame

TITLE = "pdebench leaderboards"


def page(
    standings: Mapping[str, Standing],
    specs: Mapping[str, DatasetSpec],
    pictures: Mapping[str, str | None],
) -> str:
    """HTML. `pictures` says where a dataset's picture lies, if it has one."""
    content = (
        f'<header><p class="kicker">pdebench</p><h1>{TITLE}</h1><p class="lead">Neural solvers for partial '
        "differential equations beside tuned classical solvers, at equal accuracy, on data that anyone can make again."
        "</p></header>"
    )
    if standings:
        answered_first = sorted(standings.values(), key=lambda standing: not standing.entries)
        content += _section("tasks", "Tasks", _table("tasks", _TASK_HEADS, map(_task, answered_first)))
    if specs:
        rows = (_dataset(spec, pictures.get(name)) for name, spec in specs.items())
        content += _section("datasets", "Datasets", _table("datasets", _DATASET_HEADS, rows))
    return frame.page(TITLE, content)


_TASK_HEADS = {"Task": "text", "Models": "", "Best neural": "", "Best classical": "", "Seconds, best": ""}
_DATASET_HEADS = {"": None, "Dataset": "text", "Axes": "", "Stored grid": "", "Frames": "", "Members": ""}


def _section(name: str, title: str, content: str) -> str:
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'


def _table(name: str, heads: Mapping[str, str | None], rows: Iterable[str]) -> str:
    shown = "".join(_head(title, kind) for title, kind in heads.items())
    return (
        f'<p class="filter"><label>Show {name} with <input type="search" data-filters="{name}-table" '
        'autocomplete="off"></label></p>'
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{name}">'
        f'<table class="sortable list" id="{name}-table"><caption class="hidden">All {name}. Activate a column’s title '
        f"to sort by it.</caption><thead><tr>{shown}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        f'<p class="hidden" role="status" data-speaks-of="{name}-table"></p>'
    )


def _head(title: str, kind: str | None) -> str:
    if kind is None:
        return '<td class="plain"></td>'
    text = ' data-text=""' if kind == "text" else ""
    return f'<th scope="col" data-first="ascending"{text}><button type="button">{title}</button></th>'


def _task(standing: Standing) -> str:
    task = standing.task
    name = f'<a href="tasks/{escape(task.name)}.html">{escape(task.title)}</a><small>{escape(task.dataset)}</small>'
    seconds = standing.entries[0].seconds if standing.entries and standing.entries[0].place else None
    cells = [
        _cell(str(len(standing.entries)) if standing.entries else "none yet", len(standing.entries)),
        _best(standing, "neural"),
        _best(standing, "classical"),
        _cell("–" if seconds is None else duration(seconds), seconds),
    ]
    return f'<tr><th scope="row" data-order="{escape(task.title.lower())}">{name}</th>{"".join(cells)}</tr>'


def _best(standing: Standing, kind: str) -> str:
    found: list[Entry] = [e for e in standing.entries if e.record.kind == kind and e.place is not None]
    if not found:
        return _cell("–", None)
    return _cell(f"{standing.task.primary} {number(found[0].score)}", found[0].score, found[0].record.label)


def _dataset(spec: DatasetSpec, picture: str | None) -> str:
    image = f'<img src="{picture}" alt="" width="160" height="90" loading="lazy" decoding="async">' if picture else ""
    shape = spec.store.shape
    cells = [
        _cell(str(len(shape)), len(shape)),
        _cell(" × ".join(map(str, shape)), float(shape[0])),
        _cell(str(spec.times.frames), spec.times.frames),
        _cell(str(spec.samples.count), spec.samples.count),
    ]
    return (
        f'<tr><td class="thumb">{image}</td><th scope="row" data-order="{escape(spec.name)}">'
        f'<a href="datasets/{escape(spec.name)}.html">{escape(spec.title)}</a><small>{escape(spec.name)}</small></th>'
        f"{''.join(cells)}</tr>"
    )


def _cell(text: str, order: float | None, note: str = "") -> str:
    key = "" if order is None else f' data-order="{order}"'
    return f"<td{key}>{escape(text)}{f'<small>{escape(note)}</small>' if note else ''}</td>"
