"""Error over roll-out time, and error against seconds, as SVG whose colours are the page's."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ..arrays import Array
from .runs import machine, method, roll_out
from .standing import Entry, Standing, rises

# CSS variables of page.css -> a colour that matplotlib writes and nothing else uses.
INKS = {
    name: f"#0b0d{i:02x}"
    for i, name in enumerate(("ink", "soft", "rule", "paper", *(f"series-{n}" for n in range(1, 8))))
}
MARKS = ("o", "s", "^", "D", "v", "P", "X")
FLOOR = "truth’s own error"
DASHES = ((None, None), (5, 2), (1.5, 1.5), (5, 1.5, 1.5, 1.5), (8, 2))
Box = tuple[float, float, float, float]  # left, bottom, right, top
SIZE = (5.4, 4.1)  # inches of 72 pixels
EXPONENTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Style:
    """How one model is drawn, everywhere on the page."""

    ink: str  # name of a CSS variable
    mark: str
    dash: tuple[float | None, ...]


def styles(standing: Standing) -> dict[str, Style]:
    """Digest of a record -> its style: neural models in colour, classical ones in ink, references in grey."""
    found: dict[str, Style] = {}
    counts = {"neural": 0, "classical": 0, "reference": 0}
    for entry in sorted(standing.entries, key=lambda e: e.record.label):
        kind = entry.record.kind
        i = counts[kind]
        counts[kind] += 1
        if kind == "neural":
            style = Style(f"series-{i % 7 + 1}", MARKS[i % len(MARKS)], DASHES[i // 7 % len(DASHES)])
        elif kind == "classical":
            style = Style("ink", "o", DASHES[i % len(DASHES)])
        else:
            style = Style("soft", MARKS[(i + 3) % len(MARKS)], DASHES[(i + 2) % len(DASHES)])
        found[entry.record.digest] = style
    return found


def rollout_plot(standing: Standing, look: Mapping[str, Style], caption: str) -> str | None:
    """Primary metric over roll-out time, `caption` for who cannot see it; None where it has no curve."""
    task = standing.task
    curves = [(e.record, roll_out(task, e.records)) for e in standing.entries]
    with _figure() as (figure, axes):
        ends: list[tuple[float, str, str]] = []
        right = 0.0
        for record, curve in curves:
            if curve is None:
                return None
            shown = np.where(np.isfinite(curve) & (rises(task.primary) | (curve > 0)), curve, np.nan)
            if not np.isfinite(shown).any():
                continue
            style, last = look[record.digest], int(np.flatnonzero(np.isfinite(shown))[-1])
            mark = style.mark if np.isfinite(shown).sum() == 1 else None
            axes.plot(record.times, shown, color=INKS[style.ink], dashes=style.dash, lw=1.6, marker=mark, zorder=3)
            right = max(right, record.times[-1])
            if last < len(shown) - 1:  # diverged: its line ends with a cross
                axes.plot(record.times[last], shown[last], "x", color=INKS[style.ink], ms=7, mew=1.8, zorder=4)
            ends.append((float(shown[last]), record.label, style.ink))
        if not ends:
            return None
        _error_axis(axes, standing, "y")
        _floor_band(axes, standing)
        axes.set_xlim(0, right)
        axes.set_xlabel("time since the last given frame" + (" [s]" if standing.spec.units == "SI" else ""))
        _end_labels(axes, ends)
        return _svg(figure, "rollout", caption)


def precision_plot(standing: Standing, look: Mapping[str, Style], caption: str) -> str | None:
    """Primary metric against seconds per trajectory; None where no model has a finite score."""
    shown = [e for e in standing.entries if e.place is not None and (rises(standing.task.primary) or e.score > 0)]
    if not shown:
        return None
    with _figure() as (figure, axes):
        lines = _classical_lines(shown)
        for line in lines:
            axes.plot(*line, color=INKS["ink"], lw=1.4, zorder=2)
        for e in shown:
            style = look[e.record.digest]
            axes.plot(e.seconds, e.score, style.mark, color=INKS[style.ink], ms=7, zorder=3, ls="none")
            if e.front:
                axes.plot(e.seconds, e.score, "o", mec=INKS[style.ink], mfc="none", ms=13, mew=1, zorder=3, ls="none")
        axes.set_xscale("log")
        _plain_ticks(axes, "x")
        axes.set_xlabel("seconds per trajectory")
        _error_axis(axes, standing, "y")
        axes.margins(x=0.12, y=0.1)
        floor = standing.floor_score
        if floor is not None:
            axes.axhline(floor, color=INKS["soft"], lw=1.2, dashes=(5, 3), zorder=1)
            where = axes.get_yaxis_transform()
            axes.text(0.01, floor, FLOOR, transform=where, color=INKS["soft"], va="bottom", fontsize=9.5)
        figure.canvas.draw()
        taken = _obstacles(axes, lines)
        if floor is not None:
            level = np.array([axes.get_xlim(), [floor, floor]])
            taken += _obstacles(axes, [level])
            left, base = axes.transData.transform(level[:, 0])
            taken.append((left, base, left + 6 * len(FLOOR), base + 14))
        _point_labels(axes, shown, look, taken)
        return _svg(figure, "precision", caption)


def _classical_lines(entries: Sequence[Entry]) -> list[Array]:
    """Seconds and scores `(2, point)` of each classical method on each machine, cheapest point first."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for e in entries:
        if e.record.kind == "classical":
            found.setdefault((machine(e.record), method(e.record)), []).append((e.seconds, e.score))
    return [np.array(sorted(points)).T for _, points in sorted(found.items())]


@contextmanager
def _figure() -> Iterator[tuple[Figure, Axes]]:
    """A bare figure in the page's colours; the same bytes for the same drawing."""
    look: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "pdebench",
        "font.family": "sans-serif",
        "font.size": 10.5,
        "text.color": INKS["ink"],
        "axes.labelcolor": INKS["ink"],
        "axes.edgecolor": INKS["rule"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": INKS["rule"],
        "grid.linewidth": 0.5,
        "xtick.color": INKS["rule"],
        "ytick.color": INKS["rule"],
        "xtick.labelcolor": INKS["ink"],
        "ytick.labelcolor": INKS["ink"],
        "lines.solid_capstyle": "round",
    }
    with matplotlib.rc_context(look):
        figure = Figure(figsize=SIZE, dpi=72)
        yield figure, figure.add_axes((0.13, 0.125, 0.85, 0.855))


def _error_axis(axes: Axes, standing: Standing, which: str) -> None:
    axes.set_ylabel(standing.task.primary)
    if not rises(standing.task.primary):
        axes.set_yscale("log")
        _plain_ticks(axes, which)


def _plain_ticks(axes: Axes, which: str) -> None:
    """Powers of ten as text that needs no mathematics font; the minor ticks speak where the axis is short."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axes.get_xlim() if which == "x" else axes.get_ylim())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    spoken = "25" if high / low < 30 else ""  # first digits of the minor ticks that are labelled
    axis.set_minor_formatter(FuncFormatter(lambda value, _: _power(value) if f"{value:e}"[0] in spoken else ""))


def _power(value: float) -> str:
    if 1e-3 <= value < 1e4:
        return f"{value:.4g}"
    mantissa, exponent = f"{value:.0e}".split("e")
    return ("" if mantissa == "1" else f"{mantissa}·") + "10" + str(int(exponent)).translate(EXPONENTS)


def _floor_band(axes: Axes, standing: Standing) -> None:
    if standing.floor is None:
        return
    low, high = axes.get_ylim()
    bottom = min(low, float(standing.floor[standing.floor > 0].min()) / 3)
    steps = standing.entries[0].record.times
    axes.fill_between(steps, bottom, standing.floor, color=INKS["soft"], alpha=0.22, lw=0, zorder=1)
    axes.set_ylim(bottom, high)
    where = axes.get_yaxis_transform()
    axes.text(0.01, bottom * (high / bottom) ** 0.015, FLOOR, transform=where, color=INKS["soft"], fontsize=9.5)


def _end_labels(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Names to the right of the axes, in the order of the curves' ends, pushed apart where they would touch."""
    gap = min(0.052, 1 / len(ends))  # of the axes' height
    width = 0.025 + 0.0155 * max(len(_short(label)) for _, label, _ in ends)
    axes.set_position((0.13, 0.125, 0.85 - width, 0.855))
    to_axes = axes.transData + axes.transAxes.inverted()
    wanted = sorted((float(to_axes.transform((1, value))[1]), label, ink) for value, label, ink in ends)
    heights = np.clip([height for height, _, _ in wanted], 0, 1)
    for _ in range(200):  # relax: each touching pair gives way by half
        for i in range(len(heights) - 1):
            push = gap - (heights[i + 1] - heights[i])
            if push > 1e-4:
                heights[i] -= push / 2
                heights[i + 1] += push / 2
        heights += max(0.0, -heights[0]) - max(0.0, heights[-1] - 1)
    for (height, label, ink), at in zip(wanted, heights, strict=True):
        axes.annotate(
            _short(label),
            (1, min(max(height, 0), 1)),
            (1.035, at),
            xycoords="axes fraction",
            textcoords="axes fraction",
            color=INKS[ink],
            va="center",
            fontsize=9.5,
            parse_math=False,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": INKS[ink], "lw": 0.7, "shrinkA": 1, "shrinkB": 0},
        )


def _point_labels(axes: Axes, shown: Sequence[Entry], look: Mapping[str, Style], taken: list[Box]) -> None:
    """Each name beside its point, where it covers least of what is already drawn (`taken`, in pixels)."""
    inside = axes.get_window_extent()
    at = [axes.transData.transform((e.seconds, e.score)) for e in shown]
    taken = [*taken, *((x - 6, y - 6, x + 6, y + 6) for x, y in at)]
    for entry, (x, y) in zip(shown, at, strict=True):
        text = _short(entry.record.label)
        width = 5.6 * len(text)
        choices = [(dx, dy) for dx in (9, -9 - width) for dy in (0, 10, -10, 19, -19, 29, -29)]
        choices += [(-width / 2, dy) for dy in (14, -14, 25, -25, 36, -36)]

        def cost(move: tuple[float, float], x: float = x, y: float = y, width: float = width) -> float:
            box = (x + move[0], y + move[1] - 6, x + move[0] + width, y + move[1] + 6)
            covered = sum(_overlap(box, other) for other in taken)
            beyond = float(max(inside.x0 - box[0], box[2] - inside.x1, inside.y0 - box[1], box[3] - inside.y1, 0))
            return covered + 40 * beyond + 0.5 * abs(move[1]) + (2 if move[0] < 0 else 0)

        dx, dy = min(choices, key=cost)
        taken.append((x + dx, y + dy - 6, x + dx + width, y + dy + 6))
        left, middle = axes.transData.inverted().transform((x + dx, y + dy))
        ink = INKS[look[entry.record.digest].ink]
        axes.text(left, middle, text, color=ink, va="center", fontsize=9.5, zorder=5).set_parse_math(False)


def _obstacles(axes: Axes, lines: Sequence[Array]) -> list[Box]:
    """Small boxes along the lines, in pixels."""
    boxes: list[Box] = []
    for line in lines:
        ends = axes.transData.transform(line.T)
        for (x0, y0), (x1, y1) in pairwise(ends):
            steps = max(int(np.hypot(x1 - x0, y1 - y0) / 4), 1)
            path = zip(np.linspace(x0, x1, steps), np.linspace(y0, y1, steps), strict=True)
            boxes += [(x - 2, y - 2, x + 2, y + 2) for x, y in path]
    return boxes


def _overlap(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _short(label: str) -> str:
    text = " ".join(label.split())
    return text if len(text) <= 22 else text[:21] + "…"


def _svg(figure: Figure, name: str, caption: str) -> str:
    """The drawing alone, with ids of its own and the page's colours; `caption` is read aloud in its place."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", out.getvalue(), flags=re.S)
    head, _, body = text[text.index("<svg ") :].partition(">")
    box = re.search(r'viewBox="[-0-9. ]*"', head)
    body = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for variable, colour in INKS.items():
        body = body.replace(colour, f"var(--{variable})")
    return f'<svg {box[0] if box else ""} role="img" aria-label="{escape(caption)}">{body}'


def swatch(style: Style) -> str:
    """The style as a small picture beside the model's name; what it says is said in words too."""
    shape = {
        "o": '<circle cx="19" cy="8" r="5"/>',
        "s": '<rect x="14.5" y="3.5" width="9" height="9"/>',
        "^": '<path d="M19 2.5l5.5 10h-11z"/>',
        "D": '<path d="M19 2l6 6-6 6-6-6z"/>',
        "v": '<path d="M19 13.5l5.5-10h-11z"/>',
        "P": '<path d="M17 3h4v3h3v4h-3v3h-4v-3h-3v-4h3z"/>',
        "X": '<path d="M15 2l4 4 4-4 2 2-4 4 4 4-2 2-4-4-4 4-2-2 4-4-4-4z"/>',
    }[style.mark]
    dash = "" if style.dash[0] is None else f' stroke-dasharray="{" ".join(f"{2 * d:g}" for d in style.dash if d)}"'
    return (
        '<svg class="swatch" viewBox="0 0 38 16" aria-hidden="true">'
        f'<path d="M0 8h38" stroke="var(--{style.ink})" stroke-width="2.5"{dash}/>'
        f'<g fill="var(--{style.ink})">{shape}</g></svg>'
    )
