"""Does the data obey the card's equation with the card's parameters? The card's own solver answers.

From a stored frame it takes one output interval; what is missing to the next stored frame is explained, as far as
possible, by a change of the parameters (Gauss–Newton on their logarithms). What they cannot explain is the residual.
The equation may not depend on time itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdebench import solve
from pdebench.arrays import Array
from pdebench.errors import SolverError
from pdebench.resample import resample
from pdebench.spec import DatasetSpec
from pdebench.store import TrajectoryStore

from .finding import Evidence, Finding, listed

MEMBERS, INTERVALS = 3, 2  # looked at, spread evenly
NUDGE = np.log(1.05)  # change of a parameter for its sensitivity
ROUNDS = 4
TOLERANCE = 0.02  # of a parameter, where its uncertainty is smaller
SILENT = 0.5  # relative uncertainty above which the data does not tell
FAITHFUL = 1e-3  # residual of the change, where the store holds all that the solver knew
COARSE = 0.25  # difference to a steady solution on the stored grid, where the solver's is finer
FILTERED = 1.0  # the same, where it does not: no better than to expect no change


@dataclass(frozen=True, slots=True)
class Fit:
    """What one member's frames say: `log` of true over stated value per parameter, and its uncertainty."""

    log: dict[str, float]
    spread: dict[str, float]
    residual: float  # relative to the change over the interval, after the fit
    filtered: bool


def equation(evidence: Evidence) -> Iterator[Finding]:
    """A few intervals of a few members are as the card's solver makes them, with the stated parameters."""
    store, members = evidence.store, [int(m) for m in evidence.members]
    chosen = [members[i] for i in _spread(len(members), MEMBERS)]
    if store.steady and chosen:
        yield from _solved_again(store, chosen)
        return
    if not chosen or len(store.times) < 2:
        yield Finding("equation", "ok", (), "not looked at: it takes a finished member with two frames")
        return
    for member in chosen:
        stated = dict(zip(store.parameter_names, store.params([member])[0].tolist(), strict=True))
        try:
            fit = fitted(store, member, stated)
        except SolverError as error:
            yield Finding("equation", "warning", (member,), f"not looked at: {error}")
            return
        yield from _judged(member, fit, stated)
    count = min(INTERVALS, len(store.times) - 1)
    line = f"{count} interval{'s' if count > 1 else ''} of {listed(chosen)} solved again"
    yield Finding("equation", "ok", tuple(chosen), line)


def _solved_again(store: TrajectoryStore, chosen: list[int]) -> Iterator[Finding]:
    """Steady solutions against those that the stored inputs and parameters give on the stored grid."""
    spec = store.spec.model_copy(update={"grid": store.spec.output})
    whole = spec.grid.shape == store.spec.grid.shape
    for member in chosen:
        try:
            _, solver = solve.build(spec, settled=store.settled)
        except SolverError as error:
            yield Finding("equation", "warning", (member,), f"not looked at: {error}")
            return
        params = dict(zip(store.parameter_names, store.params([member]).T, strict=True))
        (again,) = solver.trajectories(store.given(member)[None].astype(float), params, store.times)
        true = store.frames(member)[0].astype(float)
        off, limit = _norm(again[0] - true) / max(_norm(true), 1e-300), FAITHFUL if whole else COARSE
        if not off <= limit:
            line = (
                f"member {member} does not solve the card's equation with the stored inputs and parameters: relative "
                f"difference {off:.2g} to the solution on the stored grid (expected < {limit:g})"
            )
            yield Finding("equation", "error" if whole else "warning", (member,), line)
    yield Finding("equation", "ok", tuple(chosen), f"{listed(chosen)} solved again on the stored grid")


def _judged(member: int, fit: Fit, stated: dict[str, float]) -> Iterator[Finding]:
    limit = FILTERED if fit.filtered else FAITHFUL
    if not fit.residual <= limit:
        line = (
            f"member {member} does not follow the card's equation: {fit.residual:.2g} of the change over an interval "
            f"is left unexplained (expected < {limit:g}): other forcing, other spacing of time, or frames out of order"
        )
        yield Finding("equation", "warning" if fit.filtered else "error", (member,), line)
    for name, value in stated.items():
        if name not in fit.log:
            line = f"member {member}: {name} = {value:g} leaves no trace in an interval: not identifiable"
            yield Finding(name, "ok", (member,), line)
            continue
        ratio, spread = np.exp(fit.log[name]), fit.spread[name]
        line = f"member {member}: {name} is {ratio:.4g} ± {ratio * spread:.1g} times the stated {value:g}"
        if not spread <= SILENT:
            line = f"member {member}: {name} = {value:g} is lost in the residual (± {spread:.0%}): not identifiable"
            yield Finding(name, "ok", (member,), line)
        elif abs(fit.log[name]) > max(TOLERANCE, 2 * spread):
            line += ": the data was made with another value; correct the card, or generate it again"
            yield Finding(name, "error", (member,), line)
        else:
            yield Finding(name, "ok", (member,), line)


def fitted(store: TrajectoryStore, member: int, stated: dict[str, float]) -> Fit:
    """Gauss–Newton over the intervals of one member.

    The uncertainty is the largest shift that the remaining residual could hide, ‖residual‖ √(JᵀJ)⁻¹ⱼⱼ: no statistics
    are assumed, because what a filter or a rounded frame leaves behind is anything but random.
    """
    pairs = [store.frames(member, i, i + 2).astype(float) for i in _spread(len(store.times) - 1, INTERVALS)]
    before, after = (np.stack([pair[end] for pair in pairs]) for end in (0, 1))
    march = _Marcher(_affordable(store.spec), before, stated, store.given(member).astype(float), store.settled)
    noise = march.rounding_error()
    end, slopes = march.slopes({name: 0.0 for name, value in stated.items() if value})
    log = {name: 0.0 for name, slope in slopes.items() if _norm(slope) > 10 * noise}
    for _ in range(ROUNDS):
        columns = [slopes[name] for name in log]
        shift, spread = _least_squares(columns, after - end)
        if np.all((np.abs(shift) < 0.1 * TOLERANCE) | (spread > SILENT)):
            break
        log = {name: float(np.clip(log[name] + d, -3, 3)) for name, d in zip(log, shift, strict=True)}
        end, slopes = march.slopes(log)
        shift = np.zeros(len(log))
    rest = after - end - sum((d * column for d, column in zip(shift, columns, strict=True)), np.zeros_like(end))
    unexplained = max(0.0, _norm(rest) - noise) if np.isfinite(end).all() else np.inf
    residual = unexplained / max(_norm(after - before), 1e-300)
    found = {name: float(log[name] + d) for name, d in zip(log, shift, strict=True)}
    return Fit(found, dict(zip(log, spread.tolist(), strict=True)), residual, march.filtered)


def _affordable(spec: DatasetSpec) -> DatasetSpec:
    """The card on a grid of at most twice the stored points per axis: the store knows nothing of finer modes."""
    shape = tuple(min(n, 2 * m) for n, m in zip(spec.grid.shape, spec.output.shape, strict=True))
    return spec.model_copy(update={"grid": spec.grid.with_shape(shape)})


def _least_squares(columns: list[Array], target: Array) -> tuple[Array, Array]:
    """The combination of `columns` nearest to `target`, and the bound on its error that the rest leaves."""
    if not columns or not np.isfinite([target, *columns]).all():
        return np.zeros(len(columns)), np.full(len(columns), np.inf)
    matrix = np.stack([column.ravel() for column in columns], axis=1)
    inverse = np.linalg.pinv(matrix.T @ matrix)
    shift = inverse @ (matrix.T @ target.ravel())
    return shift, _norm(target.ravel() - matrix @ shift) * np.sqrt(np.diag(inverse))


class _Marcher:
    """Takes frames `(interval, field, *output)` an output interval on, with a member's inputs, under any parameters."""

    def __init__(
        self,
        spec: DatasetSpec,
        before: Array,
        stated: dict[str, float],
        given: Array,
        settled: Mapping[str, Any] | None,
    ) -> None:
        self._spec, self._before, self._stated, self._settled = spec, before, stated, settled
        self._given = resample(given, spec.output, spec.grid)
        self.filtered = self._loses_something()

    def slopes(self, log: dict[str, float]) -> tuple[Array, dict[str, Array]]:
        """The frames one interval later, and their derivatives by the logarithm of each parameter in `log`."""
        now = self._stated | {name: self._stated[name] * np.exp(value) for name, value in log.items()}
        runs = [now, *(now | {name: now[name] * np.exp(NUDGE)} for name in log)]
        end, *nudged = self._march(self._spec, [(self._before, own) for own in runs])
        return end, {name: (new - end) / NUDGE for name, new in zip(log, nudged, strict=True)}

    def rounding_error(self) -> float:
        """What rounding the frames to the store's precision makes one interval later, and at its end."""
        half = float(np.finfo(self._spec.store.dtype).eps) / 2
        rounded = self._before * (1 + half * np.random.default_rng(0).uniform(-1, 1, self._before.shape))
        one, other = self._march(self._spec, [(self._before, self._stated), (rounded, self._stated)])
        return _norm(one - other) + half * _norm(one)

    def _loses_something(self) -> bool:
        """Whether the stored grid is too coarse for the modes that the solver makes in one interval."""
        fine, coarse = self._spec.grid, self._spec.output
        if fine.shape == coarse.shape:
            return False
        stored = self._spec.store.model_copy(update={"shape": fine.shape})
        (end,) = self._march(self._spec.model_copy(update={"store": stored}), [(self._before, self._stated)])
        back = resample(resample(end, fine, coarse), coarse, fine)
        return _norm(back - end) > 1e-9 * _norm(end)

    def _march(self, spec: DatasetSpec, runs: list[tuple[Array, dict[str, float]]]) -> list[Array]:
        _, solver = solve.build(spec, settled=self._settled)
        states = np.concatenate([resample(state, self._spec.output, spec.grid) for state, _ in runs])
        inputs = np.broadcast_to(self._given, (len(states), *self._given.shape))
        states = np.concatenate([states, inputs], axis=1)
        params = solve.stacked([own for state, own in runs for _ in state])
        ends = []
        for low in range(0, len(states), solver.batch):
            part = slice(low, low + solver.batch)
            own = {name: values[part] for name, values in params.items()}
            (end,) = solver.trajectories(states[part], own, np.array([spec.times.step]))
            ends.append(end)
        return np.split(np.concatenate(ends), len(runs))


def _norm(values: Array) -> float:
    return float(np.linalg.norm(values))


def _spread(count: int, wanted: int) -> list[int]:
    """Up to `wanted` of `range(count)`, evenly spread, with both ends."""
    return sorted({int(i) for i in np.linspace(0, count - 1, min(count, wanted)).round()}) if count else []
