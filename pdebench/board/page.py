"""The standing as one HTML page that needs no server, no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from .facts import commands, dataset_facts, notes, task_facts
from .fragments import aside, provenance, table, terms
from .plots import Style, precision_plot, rollout_plot, styles
from .samples import Gallery, Strip, galleries
from .standing import Standing, rises
from .tables import duration, headlines, number


@dataclass(frozen=True, slots=True)
class Dress:
    """What a page wears, all of it HTML: how it is styled and scripted, the way home, and its plots and samples."""

    policy: str  # Content-Security-Policy
    styles: str
    scripts: str
    home: str
    plots: str
    samples: str


def page_html(standing: Standing, dress: Dress | None = None) -> str:
    """The page of a task; without `dress` one that needs no other file. All text of cards and records is escaped."""
    look = styles(standing)
    dress = dress or _alone(standing, look)
    heads, rows = table(standing, look)
    content = Template(asset("page.html")).substitute(
        home=dress.home,
        plots=dress.plots,
        samples=dress.samples,
        title=escape(standing.task.title),
        description=escape(" ".join(standing.task.description.split())),
        task=terms(task_facts(standing), apart=True),
        headlines=escape(" ".join(headlines(standing))),
        heads=heads,
        rows=rows,
        aside=aside(standing.aside),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in notes(standing)),
        dataset=terms(dataset_facts(standing)),
        commands=escape("\n".join(commands(standing))),
        provenance="\n".join(provenance(record) for entry in standing.entries for record in entry.records),
    )
    return framed(standing.task.title, content, policy=dress.policy, styles=dress.styles, scripts=dress.scripts)


def framed(title: str, content: str, *, policy: str, styles: str, scripts: str) -> str:
    """A whole page: what every one has around its content. All but `title` is HTML."""
    return Template(asset("frame.html")).substitute(
        title=escape(title), content=content.rstrip("\n"), policy=policy, styles=styles, scripts=scripts
    )


def asset(name: str) -> str:
    """A file beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def figures(standing: Standing, look: Mapping[str, Style]) -> str:
    """The section of plots, each a figure of the class `rollout` or `precision`; empty where nothing can be drawn."""
    shown = "".join(
        f'<figure class="{name}">{drawing}<figcaption>{escape(words)}</figcaption></figure>'
        for name, drawing, words in _drawings(standing, look)
        if drawing is not None
    )
    if not shown:
        return ""
    return (
        '<section aria-labelledby="curves"><h2 id="curves">Accuracy in time and at a price</h2>'
        f'<div class="pair">{shown}</div></section>\n'
    )


def _alone(standing: Standing, look: Mapping[str, Style]) -> Dress:
    """Everything inside the page: no script but its own may run, and nothing is fetched."""
    script = asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Dress(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        styles=f"<style>\n{asset('page.css')}\n</style>",
        scripts=f"<script>{script}</script>",
        home="pdebench leaderboard",
        plots=figures(standing, look),
        samples=_samples(standing),
    )


def _drawings(standing: Standing, look: Mapping[str, Style]) -> list[tuple[str, str | None, str]]:
    """Name, drawing and caption of each plot; the drawing is None where there is nothing to show."""
    metric, floor = standing.task.primary, standing.floor_score
    ranked = [e for e in standing.entries if e.place is not None]
    spoken = "; ".join(f"{e.record.label} {number(e.score)} in {duration(e.seconds)}" for e in ranked)
    grey = ", grey: the truth’s own error" if floor is not None else ""
    dashed = " Dashed: the truth’s own error." if floor is not None else ""
    better = "upper" if rises(metric) else "lower"
    return [
        (
            "rollout",
            rollout_plot(standing, look, f"Line chart of {metric} over roll-out time; the table gives the means"),
            f"{metric} over roll-out time, mean over samples and fields{grey}. A model that diverged ends early.",
        ),
        (
            "precision",
            precision_plot(standing, look, f"Scatter chart of {metric} against seconds per trajectory: {spoken}"),
            f"Work and precision: {metric} against seconds per trajectory. Each line joins a classical solver’s grids. "
            f"A ring: on the Pareto front of error, time and parameters."
            f"{dashed} Towards the {better} left is better.",
        ),
    ]


def _samples(standing: Standing) -> str:
    found = galleries(entry.pictured for entry in standing.entries)
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
        f'<p class="name">truth</p>{_image(gallery.truth.image, f"Truth: {said}")}{bar}',
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
        f"{_image(prediction.image, f'{label}, prediction: {said}')}"
        f"{_image(error.image, f'{label}, {factor}: {said}')}"
    )


def _image(image: bytes, words: str) -> str:
    return f'<img src="data:image/webp;base64,{base64.b64encode(image).decode()}" alt="{escape(words)}">'
