"""Sample fields with a time slider: one picture per model holds all frames, and is fetched when it comes into view."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path

from PIL import Image

from ..board.samples import Gallery, galleries
from ..board.standing import Standing
from ..board.tables import number

FRAMES = 64  # at most
BUDGET = 40_000_000  # pixels of all pictures of a page; only those in view are fetched


def section(standing: Standing, pictures: Path) -> str:
    """HTML of all galleries; their pictures are written into `pictures`, named by what they hold."""
    found = galleries((entry.pictured for entry in standing.entries), most=FRAMES, apart=False, budget=BUDGET)
    if not found:
        return ""
    shown = "".join(_gallery(gallery, i, pictures) for i, gallery in enumerate(found))
    return f'<section aria-labelledby="samples"><h2 id="samples">Sample fields</h2>{shown}</section>\n'


def _gallery(gallery: Gallery, index: int, pictures: Path) -> str:
    said = f"{gallery.field} of member {gallery.member}"
    count = len(gallery.times)
    low, high = (number(value) for value in gallery.scale)
    cells = [_cell("Truth", {"": (gallery.truth.image, f"Truth: {said}")}, count, pictures)]
    for record, prediction, error in gallery.models:
        factor = f"error × {error.magnified:g}"
        windows = {
            "prediction": (prediction.image, f"{record.label}, prediction: {said}"),
            factor: (error.image, f"{record.label}, {factor}: {said}"),
        }
        cells.append(_cell(record.label, windows, count, pictures))
    times = ",".join(f"{time:.6g}" for time in gallery.times)
    slider = (
        f'<p class="slider"><button type="button" class="play" aria-pressed="false">Play</button>'
        f'<label for="time-{index}">time</label>'
        f'<input type="range" id="time-{index}" min="0" max="{count - 1}" value="{count - 1}" step="1" '
        f'data-times="{times}" aria-valuetext="t = {gallery.times[-1]:.3g}">'
        f'<output for="time-{index}">t = {gallery.times[-1]:.3g}</output></p>'
    )
    scale = f'<p class="bar"><span>{low}</span>{_image(gallery.bar, "colour scale", pictures)}<span>{high}</span></p>'
    caption = (
        f"{gallery.field.capitalize()} of member {gallery.member}: the truth, then each model’s prediction and its "
        "error (prediction − truth), magnified by the factor given; a large factor is a small error. Grey: not finite."
    )
    return (
        f'<figure class="viewer" style="--frames:{count};--at:{count - 1}">{slider if count > 1 else ""}'
        f'<div class="cells">{"".join(cells)}</div>{scale}<figcaption>{escape(caption)}</figcaption></figure>'
    )


def _cell(name: str, windows: Mapping[str, tuple[bytes, str]], count: int, pictures: Path) -> str:
    """One model: its name, and a window on each of its pictures (what it is -> image, words)."""
    shown = ""
    for what, (image, words) in windows.items():
        width, height = _size(image)
        view = (
            f'<div class="window" style="aspect-ratio:{width // count}/{height}">{_image(image, words, pictures)}</div>'
        )
        shown += f"<div>{view}<small>{escape(what)}</small></div>"
    return f'<div class="cell"><p>{escape(name)}</p><div class="windows">{shown}</div></div>'


def _image(image: bytes, words: str, pictures: Path) -> str:
    name = f"{hashlib.sha256(image).hexdigest()[:16]}.webp"
    (pictures / name).write_bytes(image)
    width, height = _size(image)
    return (
        f'<img src="../pictures/{name}" alt="{escape(words)}" width="{width}" height="{height}" '
        'loading="lazy" decoding="async">'
    )


def _size(image: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(image)) as opened:
        return opened.size
