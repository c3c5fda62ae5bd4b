"""What a neural solver is, the models that need no training, and the guard between a model and its score."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, perf_counter
from types import FrameType
from typing import Any, ClassVar, Protocol

import numpy as np

from .arrays import Array
from .errors import ModelError, PdebenchError
from .parallel import Serial
from .problem import Problem, Solver, SolverCard, is_steady, problem_of, solvers
from .registry import Registry
from .resample import resample
from .spec import DatasetSpec


class NeuralSolver(Protocol):
    """Anything that predicts: a network, a classical solver, a process in another language.

    Optional attributes: `kind` ("neural", "classical" or "reference"), `parameter_count`, `training_seconds`, and
    `ensemble`: so many members, 2 or more, stand on a leading axis of the answer, `(m, b, t, field, *space)`.
    """

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        """The fields at `times` `(t,)`, counted from the last frame of the history.

        `(b, h, field + input, *space)`, `(b, p)` with columns as in `spec.parameters` -> `(b, t, field, *space)`. The
        inputs, which do not change in time, stand beside the fields in each frame. Of a steady problem the history is
        the inputs alone, `(b, 1, input, *space)`, and the answer is the solution, t = 1. NaN says that a sample
        diverged.
        """
        ...


class ModelFactory(Protocol):
    def __call__(self, spec: DatasetSpec, weights: Path | None = None, **options: Any) -> NeuralSolver: ...


models: Registry[ModelFactory] = Registry("model")


def build_model(name: str, spec: DatasetSpec, weights: Path | None = None, **options: Any) -> NeuralSolver:
    """The model of a registered name, `module:attribute` or `path.py:Class`, for one dataset."""
    factory = models[name]
    if weights is not None and not weights.is_file():
        raise ModelError(f"no weights at {weights}: give the file that `pdebench train` wrote")
    try:
        model = factory(spec, weights, **options)
    except PdebenchError:
        raise
    except Exception as error:
        call = ", ".join(["spec", "weights", *(f"{key}={value!r}" for key, value in options.items())])
        raise ModelError(f"model {name} cannot be built by calling it with ({call}): {_said(error)}") from error
    return model


class Persistence:
    """Nothing changes: every frame is the last one given. What a model must beat to be worth its name."""

    kind: ClassVar[str] = "reference"

    def __init__(self, spec: DatasetSpec, weights: Path | None = None) -> None:
        _no_weights(weights, "persistence")
        problem = problem_of(spec)
        if is_steady(problem):
            raise ModelError(f"persistence: {spec.name} is steady, there is no last frame to keep; take zero instead")
        self._fields = len(problem.fields)

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return np.repeat(history[:, -1:, : self._fields], len(times), axis=1)


class Zero:
    """Nothing at all, everywhere: the reference of steady problems, where there is no last frame to keep."""

    kind: ClassVar[str] = "reference"

    def __init__(self, spec: DatasetSpec, weights: Path | None = None) -> None:
        _no_weights(weights, "zero")
        self._fields = len(problem_of(spec).fields)

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return np.zeros((len(history), len(times), self._fields, *history.shape[3:]), history.dtype)


class Autoregressive:
    """A one-step model rolled out: each frame that it predicts joins the history of the next, with the inputs.

    `step` maps `(b, h, field + input, *space)` and `(b, p)` to the next frame, `(b, field, *space)`.
    """

    def __init__(self, step: Callable[[Array, Array], Array]) -> None:
        self._step = step

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        if not np.allclose(times, times[0] * np.arange(1, len(times) + 1)):
            raise ModelError(f"a one-step model needs equally spaced times, not {times}: choose a task that has them")
        frames = []
        for _ in times:
            frames.append(self._step(history, params))
            inputs = history[:, -1, frames[-1].shape[1] :]
            following = np.concatenate([frames[-1], inputs], axis=1)
            history = np.concatenate([history[:, 1:], following[:, None]], axis=1)
        return np.stack(frames, axis=1)


class Classical:
    """The card's own solver on another grid, started from the last frame of the history, with the inputs given.

    `shape` is that grid (the stored one by default); other options replace those of the card's solver. A stored
    frame has lost the modes beyond the stored grid, so no resolution brings the error below what that costs.
    For autonomous equations only: the solver's clock starts at the last frame. A steady problem is solved anew.
    """

    kind: ClassVar[str] = "classical"

    def __init__(
        self, spec: DatasetSpec, weights: Path | None = None, *, shape: Sequence[int] | None = None, **options: Any
    ) -> None:
        _no_weights(weights, "classical")
        shape = spec.store.shape if shape is None else tuple(shape)
        if len(shape) != len(spec.grid.shape) or any(not isinstance(n, int) or n < 1 for n in shape):
            axes = len(spec.grid.shape)
            raise ModelError(f"classical: shape must be {axes} counts of points, one per axis, got {list(shape)}")
        self._spec, self._grid = spec, spec.grid.with_shape(shape)
        self._problem: Problem = problem_of(spec)
        self._card: SolverCard = solvers[spec.solver.name](**spec.solver.options | options)
        self._solver()  # what it refuses, it refuses now

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        solver = self._solver()
        states = resample(history[:, -1].astype(np.float64), self._spec.output, self._grid)
        fields = len(self._problem.fields)
        out = np.empty((len(history), len(times), fields, *history.shape[3:]), history.dtype)
        for low in range(0, len(history), solver.batch):
            rows = slice(low, low + solver.batch)
            columns = dict(zip(self._spec.parameters, params[rows].T, strict=True))
            for index, frame in enumerate(solver.trajectories(states[rows], columns, times)):
                out[rows, index] = frame
        return out

    def _solver(self) -> Solver:
        """A new one for each call: a solver learns along a sequence, and a prediction must not depend on the last."""
        return self._card.build(self._problem, self._grid, self._spec.output, Serial())


class Guarded:
    """A model behind its contract: copies go in, checked arrays come out, every breach is one `ModelError`.

    `fields` are how many it predicts, where the history holds inputs as well; `clock` says what a call took.
    """

    def __init__(
        self,
        model: NeuralSolver,
        name: str,
        *,
        fields: int | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._model, self._name, self._fields, self._clock = model, name, fields, clock
        self.ensemble = int(getattr(model, "ensemble", 1))

    def predict(self, history: Array, params: Array, times: Array, *, seconds: float) -> tuple[Array, float]:
        """`(b, t, field, *space)` and the seconds it took. The model gets copies: what it does to them changes nothing.

        Of a model with an `ensemble` of m: `(m, b, t, field, *space)`.
        A call is stopped after `seconds`, see `time_limit`. Values may be infinite or NaN.
        """
        given = history.copy(), params.copy(), times.copy()
        began = self._clock()
        try:
            with time_limit(seconds):
                out = self._model.predict(*given)
            taken = self._clock() - began
            array = np.asarray(out)
        except PdebenchError:
            raise
        except Overtime as error:
            raise ModelError(
                f"model {self._name} gave no answer within {seconds:.3g} s, what is left of the task's time_limit: "
                "make it faster, or check that it ends"
            ) from error
        except (Exception, SystemExit) as error:
            raise ModelError(f"model {self._name} raised {_said(error)} on a batch of {len(history)}") from error
        fields = history.shape[2] if self._fields is None else self._fields
        expected = (len(history), len(times), fields, *history.shape[3:])
        if self.ensemble > 1:
            expected = (self.ensemble, *expected)
        if array.dtype.kind not in "fiu":
            raise ModelError(f"model {self._name} returned {array.dtype} values: expected real numbers, {expected}")
        if array.shape != expected:
            raise ModelError(
                f"model {self._name} returned shape {array.shape}: expected {expected}, "
                f"({'member, ' if self.ensemble > 1 else ''}sample, time, field, *space)"
            )
        return array if array.dtype.kind == "f" else array.astype(np.float64), taken


class Overtime(BaseException):
    """Raised inside a call that runs too long; no `except Exception` of a model can swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `Overtime` in the body after `seconds`, again each second until it ends.

    Uses SIGALRM, so there is no limit outside the main thread, and a call into compiled code is stopped only when it
    comes back to Python: a deadlock in a library is not. A timer that was set before runs on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Overtime

    previous = signal.signal(signal.SIGALRM, stop)
    began = monotonic()
    outer, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), 1.0)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, previous or signal.SIG_DFL)  # None: it was set outside Python
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (monotonic() - began), 1e-3), interval)


def _said(error: BaseException) -> str:
    """An exception on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def _no_weights(weights: Path | None, name: str) -> None:
    if weights is not None:
        raise ModelError(f"{name} is not trained and takes no weights: leave out {weights}")
