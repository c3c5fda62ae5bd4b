"""What is wrong with a plug-in: `check_model` and `check_solver` return one line per defect, none for a sound one.

    findings = check_model(MyModel(tiny_spec(), weights), tiny_spec())
    assert not findings, "\\n".join(findings)

From a shell, one `python -c` of this is the first thing to run on a new model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from . import sample, solve
from .arrays import Array
from .model import NeuralSolver
from .parallel import Serial
from .problem import BatchParams, Cost, Problem, Solver, SolverCard, is_steady
from .solve import stacked
from .spec import DatasetSpec, parse

_CARD = {
    "name": "tiny",
    "version": 1,
    "title": "Decaying turbulence on 16 by 16 points",
    "description": "Small enough to be made many times in a test.",
    "source": "ours",
    "problem": {
        "name": "navier_stokes_2d",
        "initial_state": {"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 4},
    },
    "grid": {"shape": [16, 16], "lengths": [2 * np.pi, 2 * np.pi]},
    "parameters": {"viscosity": {"log_uniform": [0.005, 0.05]}, "drag": {"value": 0.0}},
    "times": {"step": 0.25, "frames": 9},
    "solver": {"name": "spectral"},
    "store": {"shape": [16, 16]},
    "samples": {"count": 8, "seed": 1, "unit": 2},
    "splits": {"train": [0, 4], "valid": [4, 6], "test": [6, 8]},
}


def tiny_spec() -> DatasetSpec:
    """A dataset to try plug-ins on: 2D turbulence, 16² points, two parameters."""
    return parse(DatasetSpec, _CARD, where="the card of tiny_spec")


def check_model(
    model: NeuralSolver, spec: DatasetSpec | None = None, *, history: int = 1, tolerance: float = 1e-4
) -> list[str]:
    """Defects of a model built for `spec` (default: `tiny_spec()`), most basic first.

    It is asked to go on from random initial states of the dataset, in batches of four and one, over one and three
    output times; of a steady dataset, for the solution. `tolerance` is relative. An attribute `stochastic = True`
    excuses it from giving equal answers. A model with an `ensemble` has its members in front. Some ten calls in all.
    """
    spec = spec or tiny_spec()
    problem, _ = solve.prepare(spec)
    asked = _question(spec, history, batch=4)
    times = spec.times.values() if is_steady(problem) else spec.times.step * np.arange(1, 4)
    answer = _answer(model, asked, times)
    if isinstance(answer, str):
        return [answer]
    return [
        *_form(answer, asked, times, len(problem.fields), getattr(model, "ensemble", 1)),
        *_inputs_kept(model, asked, times),
        *_declared(model),
    ] or [*_repeatable(model, asked, times, answer, tolerance)]


def check_solver(
    card: SolverCard, problem: Problem, spec: DatasetSpec, *, members: int = 3, tolerance: float = 1e-5
) -> list[str]:
    """Defects of a classical solver on `spec`'s grid and times. `tolerance` is relative, for equal answers.

    The same members are solved together, in smaller batches, at other output times, with finer steps, and beside one
    that is NaN. The dataset needs two output times at least, unless it is steady.
    """
    trial = _Trial(card, problem, spec, members)
    frames, costs = trial.run(trial.states)
    if wrong := trial.shape(frames):
        return [wrong]
    found = [*_costs(frames, costs, "of sound members"), *trial.inputs_kept()]
    if not np.isfinite(frames).all():
        reasons = sorted({cost.reason for cost in costs if cost.reason})
        return [*found, f"fails on members 0 … {members - 1} of {spec.name}: {'; '.join(reasons) or 'no reason given'}"]
    found += [*trial.compare(frames, tolerance), *trial.beside_nan(frames, tolerance)]
    return found if is_steady(problem) else [*found, *trial.times_matter(frames, tolerance), *trial.lands()]


# -- models -------------------------------------------------------------------------------------------------------

Question = tuple[Array, Array]  # (b, h, field + input, *space), (b, p)


def _question(spec: DatasetSpec, history: int, batch: int) -> Question:
    """Initial states of the first members, repeated as the history, in the store's precision."""
    problem, _ = solve.prepare(spec)
    members = [m % spec.samples.count for m in range(batch)]
    states = np.stack([sample.initial(spec, problem, m, spec.output) for m in members]).astype(spec.store.dtype)
    params = np.array([list(sample.parameters(spec, m).values()) for m in members]).reshape(batch, -1)
    return np.repeat(states[:, None], history, axis=1), params


def _answer(model: NeuralSolver, asked: Question, times: Array) -> Array | str:
    """The prediction, or what hinders one."""
    history, params = asked
    called = f"predict(history {history.shape}, params {params.shape}, times {times.shape})"
    try:
        answer = model.predict(history.copy(), params.copy(), times.copy())
    except Exception as error:  # noqa: BLE001  # whatever the author's code raises is the finding
        return f"{called} raises {type(error).__name__}: {error}"
    if not isinstance(answer, np.ndarray):
        return f"{called} returns {type(answer).__module__}.{type(answer).__name__}: convert it to a NumPy array"
    return answer


def _form(answer: Array, asked: Question, times: Array, fields: int, ensemble: int) -> Iterator[str]:
    history, _ = asked
    expected = (len(history), len(times), fields, *history.shape[3:])
    if ensemble > 1 and answer.shape != (ensemble, *expected):
        expected = (ensemble, *expected)
        yield f"predicts shape {answer.shape}, expected {expected}: (member, batch, time, field, *space)"
    elif ensemble == 1 and answer.shape != expected:
        yield f"predicts shape {answer.shape}, expected {expected}: (batch, time, field, *space), without the history"
    if not np.issubdtype(answer.dtype, np.floating):
        yield f"predicts dtype {answer.dtype}: expected a real floating one, such as float32"
    elif not (finite := np.isfinite(answer)).all():
        yield f"predicts {np.count_nonzero(~finite)} values of {answer.size} that are NaN or infinite"


def _inputs_kept(model: NeuralSolver, asked: Question, times: Array) -> Iterator[str]:
    given = {"history": asked[0].copy(), "params": asked[1].copy(), "times": times.copy()}
    model.predict(**given)
    for (name, now), before in zip(given.items(), (*asked, times), strict=True):
        if not np.array_equal(now, before):
            yield f"predict changes its argument {name} in place: copy it first"


def _declared(model: NeuralSolver) -> Iterator[str]:
    if (kind := getattr(model, "kind", "neural")) not in ("neural", "classical", "reference"):
        yield f"has kind {kind!r}: expected 'neural', 'classical' or 'reference'"
    if not isinstance(ensemble := getattr(model, "ensemble", 1), int) or ensemble < 1:
        yield f"has ensemble {ensemble!r}: expected a whole number of members, 1 or more"
    for name in ("parameter_count", "training_seconds"):
        value = getattr(model, name, 0)
        if not isinstance(value, int | float) or not 0 <= value < np.inf:
            yield f"has {name} {value!r}: expected a number, 0 or more"


def _repeatable(model: NeuralSolver, asked: Question, times: Array, answer: Array, tolerance: float) -> Iterator[str]:
    """Equal questions, put in other company, must have equal answers."""
    history, params = asked
    kept = answer.copy()
    again = _answer(model, asked, times)
    if not np.array_equal(answer, kept):
        yield "changes an answer that it has given: return a new array each time, not a buffer of its own"
        return
    if getattr(model, "stochastic", False):
        return
    if not np.array_equal(again, answer):
        yield "gives two answers to one question: fix its seed, or set the attribute `stochastic = True`"
        return
    _answer(model, (0.5 * history[:3] + 1, params[:3]), times)
    if not np.array_equal(_answer(model, asked, times), answer):
        yield "remembers: another question in between changes its answer; what it keeps must not outlive a call"
        return
    if getattr(model, "ensemble", 1) > 1:
        answer = answer.mean(axis=0)
        model = _Mean(model)
    if len(times) > 1:
        yield from _looks_ahead(model, asked, times, answer, tolerance)
    others = (
        ("a sample alone", (history[1:2], params[1:2]), times, answer[1:2], "is there a batch normalisation?"),
        ("the samples turned round", (history[::-1], params[::-1]), times, answer[::-1], "do samples see each other?"),
        ("the first time alone", asked, times[:1], answer[:, :1], "does a frame depend on how many are asked for?"),
        ("double precision", (history.astype(float), params), times, answer, "does the network convert its input?"),
    )
    for what, question, when, expected, hint in others:
        got = _answer(model, question, when)
        if isinstance(got, str):
            yield f"{what}: {got}"
        elif (gap := _gap(got, expected)) > tolerance:
            yield f"{what} gives another answer, relative difference {gap:.1e} above {tolerance:.0e}: {hint}"


class _Mean:
    """An ensemble's mean as a model."""

    def __init__(self, model: NeuralSolver) -> None:
        self._model = model

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        mean: Array = self._model.predict(history, params, times).mean(axis=0)
        return mean


def _looks_ahead(model: NeuralSolver, asked: Question, times: Array, answer: Array, tolerance: float) -> Iterator[str]:
    """A frame must follow from what was before it: how many more are asked for is none of its business."""
    more = np.concatenate([times, times[-1] + times[:2]])
    got = _answer(model, asked, more)
    if isinstance(got, str):
        yield f"two times more: {got}"
    elif (gap := _gap(got[:, : len(times)], answer)) > tolerance:
        yield (
            f"a frame changes when later ones are asked for as well, relative difference {gap:.1e} above "
            f"{tolerance:.0e}: does it look ahead, or scale by the last time?"
        )


# -- solvers ------------------------------------------------------------------------------------------------------


class _Trial:
    """One solver on the first members of a dataset."""

    def __init__(self, card: SolverCard, problem: Problem, spec: DatasetSpec, members: int) -> None:
        self.card, self.problem, self.spec = card, problem, spec
        self.times = spec.times.values()[:4]
        drawn = [sample.parameters(spec, m) for m in range(members)]
        self.states = np.stack([sample.initial(spec, problem, m, spec.grid) for m in range(members)])
        self.params: BatchParams = stacked(drawn)

    def build(self, card: SolverCard | None = None) -> Solver:
        return (card or self.card).build(self.problem, self.spec.grid, self.spec.output, Serial())

    def run(
        self,
        states: Array,
        rows: slice = slice(None),
        times: Array | None = None,
        card: SolverCard | None = None,
    ) -> tuple[Array, list[Cost]]:
        """Frames `(b, t, field, *output)` and costs of a fresh solver."""
        solver = self.build(card)
        params = {name: values[rows].copy() for name, values in self.params.items()}
        when = self.times if times is None else times
        frames = [frame.copy() for frame in solver.trajectories(states[rows].copy(), params, when.copy())]
        return np.stack(frames, axis=1), solver.costs()

    def shape(self, frames: Array) -> str:
        expected = (len(self.states), len(self.times), len(self.problem.fields), *self.spec.output.shape)
        if frames.shape == expected:
            return ""
        return f"yields frames that stack to {frames.shape}, expected {expected}: (b, field, *output) for each time"

    def inputs_kept(self) -> Iterator[str]:
        states, params = self.states.copy(), {name: values.copy() for name, values in self.params.items()}
        for _ in self.build().trajectories(states, params, self.times):
            pass
        if not np.array_equal(states, self.states):
            yield "changes the initial states in place: copy them first"
        if any(not np.array_equal(params[name], values) for name, values in self.params.items()):
            yield "changes the parameters in place: copy them first"

    def compare(self, frames: Array, tolerance: float) -> Iterator[str]:
        """The same trajectories another way."""
        if not np.array_equal(self.run(self.states)[0], frames):
            yield "gives other bits when it is run again: a store could not be resumed or verified"
        for size in range(1, len(self.states)):
            part, _ = self.run(self.states, slice(size))
            if (gap := _gap(part, frames[:size])) > tolerance:
                yield f"gives other answers in a batch of {size} than of {len(frames)}: relative difference {gap:.1e}"

    def times_matter(self, frames: Array, tolerance: float) -> Iterator[str]:
        """Frames must not depend on which others are asked for."""
        steps = _gap(self.run(self.states, card=self.card.refined(2))[0], frames)
        loose = max(tolerance, 10 * steps)
        fewer, _ = self.run(self.states, times=self.times[1::2])
        if (gap := _gap(fewer, frames[:, 1::2])) > loose:
            yield f"frames depend on which others are asked for: {gap:.1e} apart (finer steps: {steps:.1e})"

    def lands(self) -> Iterator[str]:
        """A short while after the last frame the state has changed a little, after twice that twice as much."""
        end, usual = self.times[-1], self.times[-1] - self.times[-2]
        times = np.array([self.times[-2], end, end + 0.01 * usual, end + 0.02 * usual])
        frames = self.run(self.states, times=times)[0].astype(float)
        before, near, far = (np.abs(frames[:, i] - frames[:, 1]).mean() for i in (0, 2, 3))
        steady = before < 1e-5 * np.abs(frames).mean()
        if not (steady or 1.5 * near < far < 2.5 * near):
            yield (
                f"does not land on its output times: the state changes by {near:.1e} within {times[2] - end:.3g} after "
                f"t = {end:g} and by {far:.1e} within twice that; shorten the last step"
            )

    def beside_nan(self, frames: Array, tolerance: float) -> Iterator[str]:
        """A member that cannot be solved must not take the others with it."""
        states = self.states.copy()
        states[-1] = np.nan
        out, costs = self.run(states)
        if (gap := _gap(out[:-1], frames[:-1])) > tolerance:
            yield f"a member that is NaN spoils the others of its batch: relative difference {gap:.1e}"
        if not np.isnan(out[-1, -1]).all():
            yield "a member that begins as NaN does not end as NaN: a failed member is NaN from there on"
        yield from _costs(out, costs, "beside a member that is NaN")


def _costs(frames: Array, costs: list[Cost], where: str) -> Iterator[str]:
    if len(costs) != len(frames):
        yield f"costs() has {len(costs)} entries {where}, expected {len(frames)}: one per member"
        return
    for row, cost in enumerate(costs):
        failed = not np.isfinite(frames[row]).all()
        if failed and not cost.reason:
            yield f"member {row} failed {where}, but its cost gives no reason"
        elif cost.reason and not failed:
            yield f"member {row} has finite frames {where}, but its cost says {cost.reason!r}"
        elif not failed and cost.steps < 1 and cost.iterations < 1:
            yield f"member {row} cost neither steps nor iterations {where}: count them"


def _gap(a: Array, b: Array) -> float:
    """Greatest difference over the greatest magnitude; infinite where only one is finite or shapes differ."""
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return np.inf
    finite = np.isfinite(b)
    scale = max(float(np.abs(b[finite]).max(initial=0.0)), 1e-300)
    return float(np.abs(a[finite].astype(float) - b[finite]).max(initial=0.0)) / scale
