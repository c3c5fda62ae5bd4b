"""What a model is asked on a task, and the truth that it never sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Array, Index
from .data import seen
from .errors import CardError, StoreError
from .metrics import Context
from .model import Classical, Guarded
from .problem import is_periodic, mask_of, problem_of, solvers
from .store import TrajectoryStore
from .task import Task


class Question:
    """Items `(n, 2)` are asked: a member, and the stored frame at which its history begins."""

    def __init__(self, store: TrajectoryStore, task: Task) -> None:
        self.store, self.task = store, task
        self.starts = range(1) if store.steady else task.starts(len(store.times))
        self._shown = 0 if store.steady else task.history
        given, wanted = self.given(self.starts[0]), self.wanted(self.starts[0])
        self.times: Array = store.times[wanted] - (store.times[given[-1]] if given else 0.0)
        problem = problem_of(store.spec)
        self._invariants = getattr(problem, "invariants", None)
        self._mask = mask_of(problem)
        self._problem = problem

    def items(self, members: Index) -> Index:
        """Every start of every member, member by member."""
        return np.array([(member, start) for member in members for start in self.starts])

    def given(self, start: int) -> range:
        """The frames of the history."""
        return range(start, start + self._shown * self.task.stride, self.task.stride)

    def wanted(self, start: int) -> range:
        """The frames to predict."""
        first = start + self._shown * self.task.stride
        return range(first, first + self.task.horizon * self.task.stride, self.task.stride)

    def put(self, guarded: Guarded, items: Index, limit: float) -> tuple[Array, Array, float]:
        """The history that some items were asked with, the answer, and the seconds it took."""
        history = np.stack([self._history(int(member), int(start)) for member, start in items])
        return history, *guarded.predict(history, self.store.params(items[:, 0]), self.times, seconds=limit)

    def start(self, history: Array) -> Array:
        """The fields of the last frame given, `(b, field, *space)`; zero where the problem is steady."""
        fields = len(self.store.fields)
        if self.store.steady:
            return np.zeros((len(history), fields, *history.shape[3:]), history.dtype)
        return history[:, -1, :fields]

    def _history(self, member: int, start: int) -> Array:
        shown = self._frames(member, self.given(start)) if self._shown else np.empty(0)
        return seen(shown, self.store.given(member)) if self.store.inputs else shown

    def truth(self, items: Index) -> Array:
        truth = np.stack([self._frames(int(member), self.wanted(int(start))) for member, start in items])
        if not np.isfinite(truth).all():
            path = self.store.path
            raise StoreError(f"{path} holds values that are not finite: `pdebench check {path}` says where")
        return truth

    def fluid(self, items: Index) -> NDArray[np.bool_]:
        """Where there is something to predict, `(b, *space)`; false inside solid bodies."""
        if self._mask is None:
            return np.ones((len(items), *self.store.grid.shape), bool)
        column = self.store.inputs.index(self._mask)
        return np.stack([self.store.given(int(member))[column] > 0 for member in items[:, 0]])

    def alike(self, items: Index) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Groups of rows whose bodies are the same: which rows `(b,)`, and where their fluid is, `(*space)`."""
        fluid = self.fluid(items)
        left = np.ones(len(items), bool)
        while left.any():
            own = fluid[left.argmax()]
            rows = left & (fluid == own).all(axis=tuple(range(1, fluid.ndim)))
            left &= ~rows
            yield rows, own

    def context(self, items: Index, start: Array, fluid: NDArray[np.bool_]) -> Context:
        """What metrics may know of items that have one fluid part, `(*space)`."""
        known: dict[str, Any] = {"periodic": is_periodic(self._problem, self.store.grid)}
        if not fluid.all():
            known |= {"volumes": fluid.astype(float), "boundary": shore(fluid)}
        if self._invariants is not None:
            known["invariants"] = self._invariants_of(items, self._invariants)
        if "residual" in self.task.metrics:
            known |= self._equation(items)
        if "boundary_violation" in self.task.metrics and hasattr(self._problem, "walls"):
            grid = self.store.grid
            known["walls"] = np.stack([self._problem.walls(grid, own) for own in self._params(items)])
        return Context(self.store.grid, self.times, start, **known)

    def _params(self, items: Index) -> list[dict[str, float]]:
        """The parameters of each item by name."""
        rows = self.store.params(items[:, 0])
        return [dict(zip(self.store.parameter_names, row.tolist(), strict=True)) for row in rows]

    def _invariants_of(self, items: Index, declared: Callable[..., Any]) -> Callable[[Array], dict[str, Array]]:
        own = self._params(items)

        def invariants(states: Array) -> dict[str, Array]:
            each = [declared(state, self.store.grid, params) for state, params in zip(states, own, strict=True)]
            return {name: np.stack([one[name] for one in each]) for name in each[0]}

        return invariants

    def _equation(self, items: Index) -> dict[str, Callable[[Array], Array]]:
        """How the metric `residual` gets at the card's own solver."""
        return {"unsolved": self._unsolved(items)} if self.store.steady else {"advance": self._advance(items)}

    def _advance(self, items: Index) -> Callable[[Array], Array]:
        spec, params = self.store.spec, self.store.params(items[:, 0])
        solver = Classical(spec, shape=spec.grid.shape)

        def advance(states: Array) -> Array:
            out = np.empty(states.shape)
            for i, (member, own) in enumerate(zip(items[:, 0], params, strict=True)):
                history = states[i]
                if self.store.inputs:
                    history = seen(history, self.store.given(int(member)))
                columns = np.repeat(own[None], len(history), axis=0)
                out[i] = solver.predict(history[:, None].astype(np.float64), columns, self.times[:1])[:, 0]
            return out

        return advance

    def _unsolved(self, items: Index) -> Callable[[Array], Array]:
        spec = self.store.spec
        card = solvers[spec.solver.name](**spec.solver.options)
        left = getattr(card, "residual", None)
        if left is None:
            raise CardError(f"solver {spec.solver.name} has no residual of a steady problem: take it out of the task")

        def unsolved(states: Array) -> Array:
            out = np.empty((*states.shape[:2], 1))
            for i, (member, own) in enumerate(zip(items[:, 0], self._params(items), strict=True)):
                given = self.store.given(int(member)).astype(np.float64)
                out[i, :, 0] = [
                    left(self._problem, self.store.grid, u.astype(np.float64), given, own) for u in states[i]
                ]
            return out

        return unsolved

    def truth_error(self) -> Array | None:
        """Mean over the split's certified members and all starts at the predicted frames, `(time, field)`."""
        errors = self.store.truth_error()[self.store.members(self.task.split)]
        errors = np.stack([errors[:, self.wanted(start)] for start in self.starts], axis=1)
        errors = errors[np.isfinite(errors).all(axis=(1, 2, 3))]
        return errors.mean(axis=(0, 1)) if len(errors) else None

    def _frames(self, member: int, frames: range) -> Array:
        return self.store.frames(member, frames[0], frames[-1] + 1, frames.step)


def shore(fluid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fluid cells at the rim of the box, or with a solid cell beside them, `(*space)`."""
    padded = np.pad(fluid, 1)
    inner = tuple(slice(1, -1) for _ in fluid.shape)
    enclosed = fluid.copy()
    for axis in range(fluid.ndim):
        for shift in (-1, 1):
            enclosed &= np.roll(padded, shift, axis=axis)[inner]
    return np.asarray(fluid & ~enclosed)
