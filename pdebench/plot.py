"""Pictures of a store: frames of a member, a film of them, spectra. Matplotlib is met in the functions only."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from . import solve
from .arrays import Array, Index
from .errors import PdebenchError, StoreError
from .layout import DONE
from .metrics.pair import Context, Pair
from .problem import Field, inputs_of
from .spec import DatasetSpec, Grid
from .store import TrajectoryStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT = "#1f2328", "#8c959f"
FRAMES, SPECTRA = 6, 5  # shown of a trajectory
SECONDS = 8.0  # of a film


def plot_member(store: TrajectoryStore, member: int, path: str | Path, *, count: int = FRAMES) -> Path:
    """Frames of a member at `count` times: a row per field, in one colour scale per field. Returns the path.

    Inputs have a row of one picture each; a steady solution stands beside them. One-dimensional fields are drawn as
    curves; of three-dimensional ones the middle slice is shown.
    """
    _expect(store, member)
    title = f"{store.spec.title}, member {member}"
    if store.steady:
        return _save(gallery(store.spec, store.given(member), store.frames(member)[0], title), path)
    shown = spread(len(store.times), count)
    values = np.stack([store.frames(member, i, i + 1)[0] for i in shown])
    times = [f"t = {store.times[i]:g}" for i in shown]
    return _save(panels(store.spec, values, times, title, given=store.given(member)), path)


def film(store: TrajectoryStore, member: int, path: str | Path, *, seconds: float = SECONDS) -> Path:
    """All frames of a member as a film, `.mp4` (by ffmpeg) or `.gif`. Returns the path."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    _expect(store, member)
    path, count = Path(path), len(store.times)
    writer = _writer(path, rate=int(np.clip(round(count / seconds), 2, 25)))
    frames = store.frames(member)
    figure = panels(store.spec, frames[:1], [""], "", scales=scales_of(frames))
    FigureCanvasAgg(figure)
    draw = _redraw(figure, store.spec, frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    with writer.saving(figure, str(path), dpi=120):
        for index, time in enumerate(store.times):
            draw(index, f"t = {time:g}")
            writer.grab_frame()
    return path


def plot_spectra(store: TrajectoryStore, path: str | Path, member: int | None = None, *, count: int = SPECTRA) -> Path:
    """Power of each field by wavenumber at `count` times, of one member or as the mean over up to 16. Returns the path.

    ½|û|² summed over the shells s ≤ |k| < s + 1, k in waves per longest side of the box.
    """
    from matplotlib.figure import Figure

    if member is not None:
        _expect(store, member)
    done = store.members() if member is None else np.array([member])
    if not len(done):
        raise StoreError(f"{store.path} has no finished member to draw: repeat `pdebench generate` first")
    chosen, shown = done[spread(len(done), 16)], spread(len(store.times), count)
    waves, power = _spectra(store, chosen, shown)
    about = fields_of(store.spec)
    figure = Figure(figsize=(5.6 * len(about), 4.2), layout="constrained")
    panels = figure.subplots(1, len(about), squeeze=False)[0]
    whose = f"member {member}" if member is not None else f"mean of {len(chosen)} members"
    figure.suptitle(f"{store.spec.title}, {whose}", fontsize=11, color=INK)
    for column, (axes, field) in enumerate(zip(panels, about, strict=True)):
        _curves(axes, waves, power[:, column], [f"t = {store.times[i]:g}" for i in shown])
        _cut_offs(axes, store.spec)
        axes.set_title(f"½ |{field.long_name}|²", fontsize=9, color=INK)
        axes.set_xlabel("wavenumber [waves per box]", fontsize=9, color=INK)
        axes.set_ylabel(f"power per shell{bracketed(store.spec, field, square=True)}", fontsize=9, color=INK)
        axes.legend(frameon=False, fontsize=8, loc="lower left")
    return _save(figure, path)


# What the pictures share


@dataclass(frozen=True, slots=True)
class Scale:
    """Colours of one field: diverging about zero where it has both signs, else from its least to its greatest."""

    low: float
    high: float
    colours: str


def scales_of(values: Array) -> list[Scale]:
    """One per field of `(t, field, *space)`; the outermost half per cent is clipped."""
    found = []
    for field in np.moveaxis(values, 1, 0):
        low, high = (float(q) for q in np.nanpercentile(field, (0.25, 99.75)))
        if low < 0 < high:
            found.append(Scale(-max(-low, high), max(-low, high), "RdBu_r"))
        else:
            found.append(Scale(low, high if high > low else low + 1, "viridis"))
    return found


def panels(
    spec: DatasetSpec,
    values: Array,
    labels: list[str],
    title: str,
    *,
    scales: list[Scale] | None = None,
    given: Array | None = None,
) -> Figure:
    """`(t, field, *space)` as a table of pictures, fields down and times across; below, inputs `(input, *space)`."""
    from matplotlib.figure import Figure

    fields, grid = fields_of(spec), spec.output.with_shape(values.shape[2:])
    if given is not None and len(given):
        fields += inputs_of(solve.prepare(spec)[0])
        repeated = np.broadcast_to(given, (len(values), *given.shape))
        values = np.concatenate([values, repeated], axis=1)
    flat = _flat(values)
    tall = 1.0 if flat.ndim == 3 else float(np.clip(grid.lengths[-2] / grid.lengths[-1], 0.25, 4))
    side = 2.1 if len(labels) > 1 else 4.2
    height = side * tall  # [inch] of a row, as the width and all sizes below
    size = (side * len(labels) + 1.4, height * len(fields) + (0.75 if title else 0.4))
    figure = Figure(figsize=size, layout="compressed")
    table = figure.subplots(len(fields), len(labels), squeeze=False, sharex=True, sharey="row")
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    for row, (field, scale) in enumerate(zip(fields, scales or scales_of(values), strict=True)):
        once = row >= len(fields_of(spec))  # an input is the same at all times
        for column, axes in enumerate(table[row]):
            if once and column:
                axes.set_visible(False)
                continue
            image = _picture(axes, flat[column, row], grid, scale)
            axes.set_title(labels[column] if row == 0 else "", fontsize=9, color=INK)
        name = fill(f"{field.long_name}{bracketed(spec, field)}", max(10, int(12 * height)), break_long_words=False)
        if image is None:
            table[row, 0].set_ylabel(name, fontsize=9, color=INK)
        else:
            colour_bar(figure, image, list(table[row]), name)
    return figure


def colour_bar(figure: Figure, image: Any, beside: list[Axes], name: str) -> None:
    drawn = figure.colorbar(image, ax=beside, aspect=25, pad=0.015)
    drawn.set_label(name, fontsize=9, color=INK)
    drawn.outline.set_visible(False)
    drawn.ax.tick_params(labelsize=8, colors=INK)


def gallery(spec: DatasetSpec, given: Array, solution: Array, title: str) -> Figure:
    """Inputs `(input, *space)` and a steady solution `(field, *space)` side by side, each to its own scale."""
    from matplotlib.figure import Figure

    about, values = (*inputs_of(solve.prepare(spec)[0]), *fields_of(spec)), np.concatenate([given, solution])
    flat, grid = _flat(values[None])[0], spec.output
    tall = 1.0 if flat.ndim == 2 else float(np.clip(grid.lengths[-2] / grid.lengths[-1], 0.25, 4))
    side = 3.2  # [inch], of a picture
    figure = Figure(figsize=((side + 0.8) * len(about), side * tall + (0.75 if title else 0.4)), layout="constrained")
    row = figure.subplots(1, len(about), squeeze=False)[0]
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    for axes, field, picture, scale in zip(row, about, flat, scales_of(values[None]), strict=True):
        name = fill(f"{field.long_name}{bracketed(spec, field)}", int(12 * side), break_long_words=False)
        image = _picture(axes, picture, grid, scale)
        if image is None:
            axes.set_ylabel(name, fontsize=9, color=INK)
        else:
            colour_bar(figure, image, [axes], name)
    return figure


def _picture(axes: Axes, values: Array, grid: Grid, scale: Scale) -> Any:
    """Draw `(x,)` as a curve or `(y, x)` as an image, and return the image."""
    axes.tick_params(labelsize=7, colors=SOFT, length=2)
    for spine in axes.spines.values():
        spine.set(color=SOFT, linewidth=0.5)
    if values.ndim == 1:
        margin = 0.05 * (scale.high - scale.low)
        axes.plot(grid.axes()[-1], values, color="#2166ac", linewidth=1)
        axes.set(xlim=(0, grid.lengths[-1]), ylim=(scale.low - margin, scale.high + margin))
        return None
    height, width = grid.lengths[-2:]
    axes.set(xticks=[0, width], yticks=[0, height])
    axes.set_xticklabels(["0", f"{width:.3g}"])
    axes.set_yticklabels(["0", f"{height:.3g}"])
    look: dict[str, Any] = {"cmap": scale.colours, "vmin": scale.low, "vmax": scale.high, "interpolation": "bilinear"}
    return axes.imshow(values, origin="lower", extent=(0, width, 0, height), **look)


def _redraw(figure: Figure, spec: DatasetSpec, frames: Array) -> Any:
    """A function that puts frame i into the pictures of `figure`."""
    flat, axes = _flat(frames), figure.axes[: len(fields_of(spec))]

    def draw(index: int, label: str) -> None:
        axes[0].set_title(label, fontsize=9, color=INK)
        for panel, values in zip(axes, flat[index], strict=True):
            if panel.images:
                panel.images[0].set_data(values)
            else:
                panel.lines[0].set_ydata(values)

    return draw


def _flat(values: Array) -> Array:
    """`(t, field, *space)` with at most two axes of space: the middle slice of a third."""
    return values[:, :, values.shape[2] // 2] if values.ndim == 5 else values


def _spectra(store: TrajectoryStore, members: Index, shown: list[int]) -> tuple[Index, Array]:
    """Wavenumbers `(k,)` from 1 up, and mean power `(t, field, k)`."""
    total: Any = 0.0
    for member in members:
        frames = np.stack([store.frames(int(member), i, i + 1)[0] for i in shown])[None].astype(float)
        found = Pair(frames, frames, Context(store.grid, store.times[shown], frames[:, 0])).spectra
        total = total + found.true[0] / 2
    inside = (found.shells >= 1) & (found.shells <= max(store.grid.shape) // 2)
    return found.shells[inside], total[..., inside] / len(members)


def _curves(axes: Axes, waves: Index, power: Array, labels: list[str]) -> None:
    from matplotlib import colormaps

    shades = colormaps["viridis"](np.linspace(0.05, 0.85, len(labels)))
    for curve, label, colour in zip(power, labels, shades, strict=True):
        axes.plot(waves, np.where(curve > 0, curve, np.nan), label=label, color=colour, linewidth=1.4)
    top = float(power.max())
    bottom = max(1e-14 * top, float(power[power > 0].min(initial=top)))  # lower is the round-off of float32
    axes.set(xscale="log", yscale="log", xlim=(1, 1.2 * waves[-1]), ylim=(bottom / 2, 3 * top))
    powers = [2**i for i in range(20) if 2**i <= waves[-1]]
    axes.set_xticks(powers, labels=[str(k) for k in powers])
    axes.set_xticks([], minor=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)


def _cut_offs(axes: Axes, spec: DatasetSpec) -> None:
    """Mark where the stored grid ends, and where a dealiased solver's does."""
    longest = max(spec.grid.lengths)

    def waves(grid: Grid) -> float:
        return min(n / 2 * longest / length for n, length in zip(grid.shape, grid.lengths, strict=True))

    end = waves(spec.output)
    marks = {waves(spec.grid) * 2 / 3: "⅔ of the solver's grid", end: "stored grid"}
    if len(marks) == 1:
        marks = {end: "stored grid = ⅔ of the solver's"}
    for k, name in marks.items():
        if k <= end:
            axes.axvline(k, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
            place = axes.get_xaxis_transform()
            axes.text(k, 0.99, f" {name}", rotation=90, ha="left", va="top", transform=place, fontsize=7, color=SOFT)


def _writer(path: Path, *, rate: int) -> Any:
    """What turns figures into a film of the kind that the file name asks for."""
    import matplotlib
    from matplotlib.animation import FFMpegWriter, PillowWriter

    if path.suffix == ".gif":
        return PillowWriter(fps=rate)
    if path.suffix != ".mp4":
        raise PdebenchError(f"a film ends in .mp4 or .gif, not in {path.suffix or 'nothing'!r}: {path}")
    matplotlib.rcParams["animation.ffmpeg_path"] = _ffmpeg()
    # Players want even sides and this pixel format.
    return FFMpegWriter(
        fps=rate, codec="libx264", extra_args=["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p"]
    )


def _ffmpeg() -> str:
    if found := shutil.which("ffmpeg"):
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe

        return str(get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise PdebenchError(
            "an .mp4 needs ffmpeg: install it, or `pip install imageio-ffmpeg`, or write a .gif"
        ) from error


def _save(figure: Figure, path: str | Path) -> Path:
    path = Path(path)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".") not in known:
        raise PdebenchError(f"a picture ends in .png, .svg or .pdf, not in {path.suffix or 'nothing'!r}: {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, facecolor="white")
    return path


def _expect(store: TrajectoryStore, member: int) -> None:
    """Refuse a member that cannot be drawn."""
    if not 0 <= member < store.spec.samples.count:
        raise StoreError(f"{store.path} has members 0 … {store.spec.samples.count - 1}, not {member}")
    if store.status()[member] != DONE:
        why = store.reasons()[member] or "it is not there yet: repeat `pdebench generate`"
        raise StoreError(f"member {member} of {store.path} cannot be drawn: {why}")


def fields_of(spec: DatasetSpec) -> tuple[Field, ...]:
    return solve.prepare(spec)[0].fields


def bracketed(spec: DatasetSpec, field: Field, *, square: bool = False) -> str:
    """The unit in brackets, or nothing for a number without one."""
    if spec.units == "non-dimensional" or field.units == "1":
        return ""
    return f" [({field.units})²]" if square else f" [{field.units}]"


def spread(count: int, wanted: int) -> list[int]:
    """Up to `wanted` of `range(count)`, evenly spread, with both ends."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, wanted)).round()})
