"""The standing as rows of words, for the README and for the page alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, isinf

import numpy as np

from ..metrics import metrics
from ..task import Task
from .cost import Bound
from .demands import unanswered, wanting
from .neighbours import LEVEL, least_p
from .runs import SEEDS, parameters, samples_of, score, training_clocks, training_seconds
from .standing import Entry, Standing, rises

ABSENT = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is read, what it is sorted by (None sorts last either way), and a word or two below it."""

    text: str
    order: float | str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    meaning: str
    cell: Callable[[Entry], Cell]
    descending: bool = False  # the order that a first click gives


def columns(standing: Standing) -> list[Column]:
    """Place, model, primary score first; then the other metrics; then what it all costs."""
    task = standing.task
    others = [name for name in task.metrics if name != task.primary]
    return [
        Column("#", "place by the primary metric", _place),
        Column("Model", "name and kind", lambda e: Cell(e.record.label, e.record.label.lower(), e.record.kind)),
        Column(
            task.primary,
            f"{_direction(task.primary)}; {metrics[task.primary].typical} over samples of the mean over times and "
            "fields, with its 95 % bootstrap interval",
            _primary(task),
            rises(task.primary),
        ),
        Column("training seeds", "trainings of other seeds; the score is their mean, below it their range", _seeds),
        Column("against the place above", "paired test over the samples, corrected for all neighbours", _above),
        Column("time / trajectory", "to predict one trajectory, at the better batch size", _seconds),
        Column("speed-up", "against classical solvers at equal error on the same machine", _speed_up, True),
        Column("break-even N*", "solves after which data, training and inference have paid off", _break_even),
        Column("Pareto front", "no model here is as good in error, time and parameters and better in one", _front),
        *([_judged_column()] if standing.verified else []),
        *(Column(name, _direction(name), _metric(name), rises(name)) for name in others),
        Column("parameters", "trained numbers", lambda e: _amount(parameters(e.records), count)),
        Column("training", "time of one training, by the clock said below it, where it is known", _training),
    ]


def headlines(standing: Standing) -> list[str]:
    """What the table says, in sentences."""
    task, entries = standing.task, standing.entries
    ranked = [e for e in entries if e.place is not None]
    if not ranked:
        return ["Every model diverged." if entries else "No record answers this version of the task yet."]
    said = []
    if tied := [e for e in ranked if e.tied]:
        bar = f"the truth’s error bar ({task.primary} {number(standing.floor_score or 0)})"
        said.append(
            f"{tied[0].record.label} is at {bar}; the data cannot resolve less."
            if len(tied) == 1
            else f"{len(tied)} models are at {bar}; the data cannot tell them apart."
        )
    if untied := [e for e in ranked if not e.tied]:
        best = untied[0]
        low, high = best.interval
        said.append(
            f"{'Best' if not tied else 'Best above it'}: {best.record.label}, {task.primary} {number(best.score)} "
            f"[{number(low)}, {number(high)}]."
        )
    if judged := [e for e in ranked if e.speed_up is not None]:
        wins = [e for e in judged if e.speed_up and e.speed_up.value > 1 and e.speed_up.relation != "≤"]
        losses = [e for e in judged if e.speed_up and e.speed_up.value <= 1 and e.speed_up.relation != "≥"]
        said.append(
            f"At equal error, {len(wins)} of {len(judged)} neural {'model' if len(judged) == 1 else 'models'} beat the "
            f"classical solvers in seconds per trajectory and {len(losses)} lose{_by(losses)}."
        )
    if front := [e.record.label for e in ranked if e.front and e.record.kind == "neural"]:
        said.append(f"Neural on the Pareto front of error, time and parameters: {', '.join(front)}.")
    elif any(e.record.kind == "neural" for e in ranked):
        said.append("No neural model is on the Pareto front of error, time and parameters.")
    said += _neighbours(standing)
    if few := [e.record.label for e in entries if e.record.kind == "neural" and len(e.records) < SEEDS]:
        said.append(f"Trained from fewer than {SEEDS} seeds: {', '.join(few)}.")
    if lost := len(entries) - len(ranked):
        said.append(f"{lost} {'model' if lost == 1 else 'models'} diverged.")
    missing = unanswered(task, (record for e in entries for record in e.records))
    return said + [sentence for sentence in (wanting(task, standing.spec), missing) if sentence]


def _by(losses: list[Entry]) -> str:
    """How much longer those take that lose."""
    times = sorted((1 / e.speed_up.value, e.speed_up.relation) for e in losses if e.speed_up)
    if not times:
        return ""
    (least, _), (most, relation) = times[0], times[-1]
    more = " or more" if relation == "≤" else ""
    span = number(most) if len(times) == 1 else f"{number(least)} to {number(most)}"
    return f": they take {span} times as long{more}" if len(times) > 1 else f": it takes {span} times as long{more}"


def _neighbours(standing: Standing) -> list[str]:
    """How many neighbours cannot be told apart, and whether the samples could have told any."""
    tested = [e.above for e in standing.entries if e.above is not None]
    same = sum(not above.told_apart for above in tested)
    turned = sum(above.told_apart and above.seeds for above in tested)
    seeds = f"{turned} of {len(tested)} pairs of neighbours are told apart on these trainings, but their seeds overlap."
    if not same:
        return [seeds] if turned else []
    said = f"{same} of {len(tested)} pairs of neighbours cannot be told apart"
    samples = len(standing.entries[0].record.members)
    if least_p(samples, len(tested)) > LEVEL:
        said += f": {samples} samples are too few for a test of {len(tested)} pairs to tell any"
    return [said + ".", *([seeds] if turned else [])]


def number(value: float) -> str:
    """Three significant digits."""
    if not isfinite(value):
        return "∞" if value > 0 else "−∞" if isinf(value) else "undefined"
    if value and not 1e-3 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    digits = f"{value:.0f}" if abs(value) >= 999.5 else f"{value:#.3g}".rstrip(".")
    return digits.replace("-", "−")


def duration(seconds: float) -> str:
    """
    >>> duration(0.0123), duration(75.0), duration(150.0), duration(9000.0)
    ('12.3 ms', '75.0 s', '2.50 min', '2.50 h')
    """
    for unit, size, least in (("h", 3600.0, 3600.0), ("min", 60.0, 100.0), ("s", 1.0, 1.0), ("ms", 1e-3, 1e-3)):
        if seconds >= least:
            return f"{number(seconds / size)} {unit}"
    return f"{number(seconds / 1e-6)} µs"


def count(value: float) -> str:
    """
    >>> count(950.0), count(1_234_567.0)
    ('950', '1.23 M')
    """
    for unit, size, least in ((" G", 1e9, 1e9), (" M", 1e6, 1e6), (" k", 1e3, 1e4)):
        if value >= least:
            return f"{number(value / size)}{unit}"
    return f"{value:.0f}"


def _direction(metric: str) -> str:
    return "more is better" if rises(metric) else "less is better"


def _place(entry: Entry) -> Cell:
    if entry.place is None:
        return Cell(ABSENT)
    return Cell(f"={entry.place}" if entry.tied else str(entry.place), entry.place)


def _primary(task: Task) -> Callable[[Entry], Cell]:
    return lambda entry: _primary_cell(task, entry)


def _primary_cell(task: Task, entry: Entry) -> Cell:
    if entry.place is None:
        return Cell("diverged")
    low, high = entry.interval
    note = "at the truth’s error bar" if entry.tied else f"[{number(low)}, {number(high)}]"
    said = ", ".join(words for words in (note, _censored(entry, task.primary)) if words)
    return Cell(number(entry.score), entry.score, said)


def _seeds(entry: Entry) -> Cell:
    """How many trainings, and how far apart they are; a warning below three."""
    if entry.record.kind != "neural":
        return Cell(ABSENT)
    many = len(entry.records)
    said = [] if entry.spread is None else [f"{number(entry.spread[0])} to {number(entry.spread[1])}"]
    if many < SEEDS:
        said.append(f"fewer than {SEEDS}")
    return Cell(str(many), many, ", ".join(said))


def _above(entry: Entry) -> Cell:
    if entry.above is None:
        return Cell(ABSENT)
    p = entry.above.p
    words = "not told apart" if not entry.above.told_apart else "seeds overlap" if entry.above.seeds else ""
    return Cell("p < 0.001" if p < 1e-3 else f"p = {number(p)}", p, words)


def _front(entry: Entry) -> Cell:
    return Cell("on it", 0.0) if entry.front else Cell(ABSENT)


def _judged_column() -> Column:
    meaning = "score on hidden data, made and signed by a judge; flagged where it differs from the public one"
    return Column("verified", meaning, _judged)


def _judged(entry: Entry) -> Cell:
    if entry.hidden is None:
        return Cell("self-reported")
    low, high = entry.hidden.interval
    note = "differs from the public score" if entry.hidden.differs else f"[{number(low)}, {number(high)}]"
    return Cell(number(entry.hidden.score), entry.hidden.score, note)


def _metric(name: str) -> Callable[[Entry], Cell]:
    def cell(entry: Entry) -> Cell:
        value = score(name, entry.records)
        return Cell(number(value), value if isfinite(value) else None, _censored(entry, name))

    return cell


def _censored(entry: Entry, name: str) -> str:
    """Of a metric that is a time: how many roll-outs reach the horizon, so that theirs is longer than can be seen.

    One of several fields reaches it where all do.
    """
    if metrics[name].units != "time":
        return ""
    values = np.concatenate([samples_of(record, name) for record in entry.records])
    reached = int((values >= (1 - 1e-4) * entry.record.times[-1]).sum())
    return f"{reached} of {values.size} to the end" if reached else ""


def _seconds(entry: Entry) -> Cell:
    return Cell(duration(entry.seconds), entry.seconds)


def _bound(bound: Bound, text: str) -> str:
    return text if bound.relation == "=" else f"{bound.relation} {text}"


def _speed_up(entry: Entry) -> Cell:
    gain = entry.speed_up
    if gain is None:
        return Cell(ABSENT)
    note = "slower" if gain.value < 1 and gain.relation != "≥" else ""
    return Cell(_bound(gain, f"{number(gain.value)}×"), gain.value, note)


def _break_even(entry: Entry) -> Cell:
    if entry.break_even is None:
        return Cell("unknown" if entry.speed_up is not None else ABSENT)
    value = entry.break_even.value
    if isinf(value):
        return Cell("∞", value, "never wins")
    mixed = training_clocks(entry.records) - {entry.record.expense.clock}
    return Cell(_bound(entry.break_even, count(value)), value, "training by another clock" if mixed else "")


def _training(entry: Entry) -> Cell:
    cell = _amount(training_seconds(entry.records), duration)
    said = {"wall": "wall clock", "cpu": "processor"}
    return replace(cell, note=", ".join(said[clock] for clock in sorted(training_clocks(entry.records))))


def _amount(value: float, words: Callable[[float], str]) -> Cell:
    return Cell(words(value), value) if value else Cell(ABSENT)
