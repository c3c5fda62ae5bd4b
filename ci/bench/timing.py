"""Fair timings of rivals on a machine that others use too: interleaved rounds, medians of the rounds' ratios."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter, process_time

# Clock readings shorter than this are repeated until they are as long [s].
SHORTEST = 5e-3


def pin(count: int = 1) -> None:
    """Keep this process, and the thread pools it makes from now on, on `count` cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def machine() -> str:
    """The processor, its load before the run, and the libraries' versions are what a figure depends on."""
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    load = os.getloadavg()[0]
    return f"{model}, {os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}"


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds per call of each rival, by round: entries of one round were taken one after the other."""

    rounds: dict[str, list[float]]

    def seconds(self, name: str) -> float:
        return median(self.rounds[name])

    def best(self, names: Iterable[str]) -> str:
        return min(names, key=self.seconds)

    def ratio(self, above: str, below: str) -> tuple[float, float, float]:
        """Median and quartiles, over the rounds, of the time of `above` over that of `below`."""
        return spread([a / b for a, b in zip(self.rounds[above], self.rounds[below], strict=True)])


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return middle, low, high


def interleave(
    rivals: dict[str, Callable[[], object]], *, seconds: float, least: int = 5, wall: bool = False
) -> Samples:
    """Call the rivals in turn, each round from another one on, for `seconds` and at least `least` rounds.

    Each is called once before, so that what is compiled, planned or cached is so. Time is the CPU time of this
    process and all its threads, which neighbours do not lengthen by taking turns; `wall` is for rivals with
    several threads or processes.
    """
    clock = perf_counter if wall else process_time
    repeats = {}
    for name, call in rivals.items():
        once = _timed(call, 1, clock)
        if once < 1.0:  # what takes longer will not be repeated within a round anyway
            once = _timed(call, 1, clock)
        repeats[name] = max(1, round(SHORTEST / max(once, 1e-9)))
    rounds: dict[str, list[float]] = {name: [] for name in rivals}
    order, began, done = list(rivals), perf_counter(), 0
    while done < least or perf_counter() - began < seconds:
        for name in order:
            rounds[name].append(_timed(rivals[name], repeats[name], clock))
        order.append(order.pop(0))
        done += 1
    return Samples(rounds)


def _timed(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(repeats):
        call()
    return (clock() - began) / repeats


def fewest(error: Callable[[int], float], target: float, guess: int) -> int:
    """The fewest steps, to 3 %, whose error meets the target."""
    low, high = 0, guess
    while error(high) > target:
        low, high = high, 2 * high
    while high - low > max(1, 0.03 * high):
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= target else (middle, high)
    return high


@dataclass(slots=True)
class Table:
    """One figure: what is asked, and rows of what was found."""

    title: str
    goal: str
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{self.title} has {len(self.columns)} columns, not {len(cells)}")
        self.rows.append(cells)

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", f"Goal: {self.goal}.", ""]
        lines += [_line(self.columns), _line("---" for _ in self.columns), *map(_line, self.rows)]
        return "\n".join(lines + [text for note in self.notes for text in ("", note)]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def met(value: float, *, most: float | None = None, least: float | None = None) -> str:
    """Whether a goal is met, in a word."""
    good = (most is None or value <= most) and (least is None or value >= least)
    return "met" if good else "**missed**"


def between(ratio: tuple[float, float, float], digits: int = 2) -> str:
    """`median (quartile–quartile)`."""
    middle, low, high = (f"{value:.{digits}f}" for value in ratio)
    return f"{middle} ({low}–{high})"


def time_of(seconds: float) -> str:
    """`12.3 µs`, `4.56 ms`, `1.2 s`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
