"""The numbers behind the plots, for the script that draws them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from ..arrays import Array
from ..board.plots import Style
from ..board.runs import machine, method, roll_out
from ..board.standing import Entry, Standing, rises


def block(standing: Standing, look: Mapping[str, Style]) -> str:
    """A block of JSON that no browser runs: curves over time, points of work and precision, the truth's own error."""
    task = standing.task
    units = " [s]" if standing.spec.units == "SI" else ""
    content = {
        "metric": task.primary,
        "rises": rises(task.primary),
        "time": f"time since the last given frame{units}",
        "floor": None if standing.floor is None else _numbers(standing.floor),
        "floorScore": standing.floor_score,
        "entries": [_entry(standing, entry, look[entry.record.digest]) for entry in standing.entries],
    }
    # Of all of HTML only "</script" and "<!--" end or change a block of data.
    text = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="charts">{text}</script>\n'


def _entry(standing: Standing, entry: Entry, style: Style) -> dict[str, Any]:
    curve = roll_out(standing.task, entry.records)
    return {
        "label": entry.record.label,
        "kind": entry.record.kind,
        "solver": f"{method(entry.record)} on {machine(entry.record)}",  # points of one are joined
        "ink": style.ink,
        "mark": style.mark,
        "dash": [] if style.dash[0] is None else list(style.dash),
        "times": [] if curve is None else [round(t, 6) for t in entry.record.times],
        "curve": [] if curve is None else _numbers(curve),
        "score": _number(entry.score),
        "interval": [_number(end) for end in entry.interval],
        "spread": None if entry.spread is None else [_number(end) for end in entry.spread],
        "seeds": len(entry.records),
        "front": entry.front,
        "seconds": _number(entry.seconds),
    }


def _numbers(values: Array) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _number(value: float) -> float | None:
    """Five digits are more than a screen shows."""
    return float(f"{value:.5g}") if isfinite(value) else None
