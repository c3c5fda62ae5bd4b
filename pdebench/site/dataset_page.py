"""The page of a dataset: picture, facts, what is known of its error, card, licence, citation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from ..board.fragments import terms
from ..board.standing import Standing
from ..board.tables import number
from ..describe import facts
from ..spec import DatasetSpec
from . import frame


def page(spec: DatasetSpec, card: str, standings: Sequence[Standing], picture: str | None) -> str:
    """HTML. `card` is the text of the card, `standings` those of the tasks on this dataset."""
    image = (
        f'<figure><img class="picture" src="../{picture}" alt="Fields of member 0" loading="lazy">'
        f"<figcaption>Member 0 of {escape(spec.name)}.</figcaption></figure>"
        if picture
        else ""
    )
    known = {**facts(spec), "certificate": _certificate(standings), "source": " ".join(spec.source.split())}
    shown = {re.sub("`", "", name): fact for name, fact in known.items()}
    sections = {
        "What it looks like": image,
        "What it is": _coded(f'<dl class="facts wide">{terms(shown)}</dl>'),
        "Leaderboards": _links(standings),
        "Make it": _code(f"pdebench generate {spec.name} --out {spec.name}.zarr", "The command that makes it")
        + f"<details><summary>The card</summary>{_code(card, 'The card')}</details>",
        "Cite it": _code(bibtex(spec), "BibTeX entry"),
    }
    content = (
        f'<header><p class="kicker">{frame.home("../", "dataset")}</p><h1>{escape(spec.title)}</h1>'
        f'<p class="lead">{_coded(escape(" ".join(spec.description.split())))}</p></header>'
    )
    content += "".join(_section(title, body) for title, body in sections.items() if body)
    return frame.page(spec.title, content, up="../")


def bibtex(spec: DatasetSpec) -> str:
    """An entry for the dataset itself; that of the work it follows is the card's `source`."""
    title = spec.title.replace("{", "").replace("}", "")
    return (
        f"@misc{{pdebench_{spec.name},\n"
        f"  title  = {{{{{title}}}}},\n"
        f"  author = {{{{The pdebench authors}}}},\n"
        f"  note   = {{dataset {spec.name}, version {spec.version}, digest {spec.digest}, {spec.licence}}},\n"
        "}\n"
    )


def _certificate(standings: Sequence[Standing]) -> str:
    """The error of the truth, where a record tells it."""
    known = [standing.floor_score for standing in standings if standing.floor_score is not None]
    if not known:
        return "no record tells the error of the truth; pdebench certify measures it"
    return (
        f"relative L² distance {number(min(known))} from solutions that are finer in space and time, mean over the "
        "frames of the test members certified"
    )


def _links(standings: Sequence[Standing]) -> str:
    items = "".join(
        f'<li><a href="../tasks/{escape(s.task.name)}.html">{escape(s.task.title)}</a>: '
        f"{len(s.entries) or 'no'} {'model' if len(s.entries) == 1 else 'models'}</li>"
        for s in standings
    )
    return f"<ul>{items}</ul>" if items else "<p>No task asks for this dataset yet.</p>"


def _section(title: str, body: str) -> str:
    name = re.sub(r"\W+", "-", title.lower())
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{body}</section>'


def _code(text: str, words: str) -> str:
    return f'<pre tabindex="0" aria-label="{words}"><code>{escape(text)}</code></pre>'


def _coded(text: str) -> str:
    """Escaped text, with what stands between backticks as code."""
    return re.sub(r"`([^`<>]+)`", r"<code>\1</code>", text)
