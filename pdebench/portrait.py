"""A dataset's picture: what one member becomes in time, solved for it, in a file small enough for a repository."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import solve
from .arrays import Array, Index, evenly
from .errors import CardError, PdebenchError
from .plot import INK, SOFT, bracketed, colour_bar, fields_of, gallery, panels, scales_of
from .problem import Frame, Given, Outcome, is_steady
from .spec import DatasetSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES, LINES = 5, 101  # shown of a member, and of one on a line
LARGEST = 60_000  # [B] of the file
LOOKS = ((80, 128), (72, 96), (64, 80), (56, 64), (48, 48))  # dots per inch and colours, the best first


def portrait(spec: DatasetSpec, path: str | Path, *, member: int = 0, shape: tuple[int, ...] | None = None) -> Path:
    """Frames of a member that is solved here, at times spread from first to last; fields on a line over x and time.

    `shape`: solve on this grid, where the card's takes too long for a picture, and say so. A steady problem shows its
    inputs and its solution. Returns the path of the PNG.
    """
    path = Path(path)
    if path.suffix != ".png":
        raise PdebenchError(f"a portrait is a .png, not {path.suffix or 'nothing'!r}: {path}")
    steady = is_steady(solve.prepare(spec)[0])
    shown = spec if shape is None else _resized(spec, shape)
    count = TIMES if len(spec.grid.shape) > 1 else LINES
    chosen = evenly(spec.times.frames, count)
    given, frames = _solved(shown, member, chosen)
    title = "" if shape is None else f"solved at {' × '.join(map(str, shape))} for this picture"
    times = [f"t = {t:.4g}" for t in shown.times.values()[chosen]]
    if steady:
        figure = gallery(shown, given, frames[0], title)
    elif frames.ndim == 3:
        figure = _space_time(shown, frames, title)
    else:
        figure = panels(shown, frames, times, title, given=given)
    return _small(figure, path)


def _resized(spec: DatasetSpec, shape: tuple[int, ...]) -> DatasetSpec:
    """The card on another grid."""
    if len(shape) != len(spec.grid.shape):
        raise CardError(f"{spec.name} has a grid of {len(spec.grid.shape)} axes, so no picture at {shape}")
    stored = tuple(min(pair) for pair in zip(spec.store.shape, shape, strict=True))
    return spec.model_copy(
        update={"grid": spec.grid.with_shape(shape), "store": spec.store.model_copy(update={"shape": stored})}
    )


def _solved(spec: DatasetSpec, member: int, chosen: Index) -> tuple[Array, Array]:
    """Inputs `(input, *output)` and the chosen frames `(t, field, *output)` of a member."""
    given, frames = np.zeros((0, *spec.store.shape)), []
    for event in solve.trajectories(spec, np.array([member]), settled=solve.settle(spec).options):
        if isinstance(event, Given):
            given = event.values[0]
        elif isinstance(event, Frame):
            if event.index in chosen:
                frames.append(event.values[0])
        elif isinstance(event, Outcome) and event.cost.reason:
            raise PdebenchError(f"member {member} of {spec.name} cannot be drawn: {event.cost.reason}")
    if not frames or not np.isfinite(frames).all():
        raise PdebenchError(f"member {member} of {spec.name} cannot be drawn: its solver gave no finite frames")
    return given, np.stack(frames)


def _space_time(spec: DatasetSpec, frames: Array, title: str) -> Figure:
    """`(t, field, x)` as one image per field, x across and time up."""
    from matplotlib.figure import Figure

    about, times = fields_of(spec), spec.times.values()
    figure = Figure(figsize=(3.7 * len(about), 3.2), layout="constrained")
    if title:
        figure.suptitle(title, fontsize=9, color=INK)
    row = figure.subplots(1, len(about), squeeze=False, sharey=True)[0]
    extent = (0, spec.output.lengths[-1], times[0], times[-1])
    for axes, field, scale, values in zip(row, about, scales_of(frames), np.moveaxis(frames, 1, 0), strict=True):
        look: dict[str, Any] = {"cmap": scale.colours, "vmin": scale.low, "vmax": scale.high}
        image = axes.imshow(values, origin="lower", extent=extent, aspect="auto", **look)
        axes.set_xlabel("x", fontsize=9, color=INK)
        axes.tick_params(labelsize=8, colors=SOFT)
        colour_bar(figure, image, [axes], f"{field.long_name}{bracketed(spec, field)}")
    row[0].set_ylabel("time", fontsize=9, color=INK)
    return figure


def _small(figure: Figure, path: Path) -> Path:
    """Write the best of `LOOKS` that is not larger than `LARGEST`; the last of them if none is."""
    from PIL import Image

    for dpi, colours in LOOKS:
        raw, packed = BytesIO(), BytesIO()
        figure.savefig(raw, dpi=dpi, facecolor="white", format="png")
        figure.set_layout_engine("none")  # as it is now: the layout takes longer than the drawing
        with Image.open(raw) as image:
            # Colours far apart, however rare: each scale keeps its ends.
            far = Image.Quantize.MAXCOVERAGE
            few = image.convert("RGB").quantize(colours, method=far, dither=Image.Dither.NONE)
        few.save(packed, format="png", optimize=True)
        if packed.tell() <= LARGEST:
            break
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed.getvalue())
    return path
