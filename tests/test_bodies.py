"""Solid bodies take no part in any score, and a task may ask from many starts; against arrays worked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import yaml

from pdebench.arrays import Array
from pdebench.board.facts import _predicted
from pdebench.errors import CardError, PdebenchError
from pdebench.evaluate import DIGITS, evaluate
from pdebench.generate import generate
from pdebench.metrics import metrics, over_starts
from pdebench.parallel import Comm
from pdebench.problem import BatchParams, Cost, Field, Parameter, Params, Problem
from pdebench.question import Question, shore
from pdebench.spec import Card, DatasetSpec, Grid, parse
from pdebench.store import TrajectoryStore
from pdebench.task import Task

A = np.array([[1.0, 2, 3], [4, 5, 6]])
KEPT = 0.5 * 10.0 ** (1 - DIGITS)  # relative: to so many significant digits a record keeps its values
NEEDS_MORE = {
    "spread_skill",
    "coverage",
    "rank_flatness",
    "valid_time",
    "invariant_drift",
    "residual",
    "boundary_violation",
}
UNIFORM = {name for name in metrics if "spectr" in name or name == "structure_function"}


class Holed(Card):
    """u = k² A in frame k, with a body in one cell, where the store holds 0."""

    fields: ClassVar[tuple[Field, ...]] = (Field("u", "1", "u"),)
    inputs: ClassVar[tuple[Field, ...]] = (Field("open", "1", "0 in the body"),)
    parameters: ClassVar[tuple[Parameter, ...]] = (Parameter("cell", "1", "which cell is solid, -1: none"),)
    mask: ClassVar[str] = "open"

    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        there = np.ones(6)
        if params["cell"] >= 0:
            there[int(params["cell"])] = 0
        return np.stack([np.zeros((2, 3)), there.reshape(2, 3)])


class Squares(Card):
    batch: ClassVar[int] = 2

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> Squares:
        return self

    def refined(self, factor: float) -> Squares:
        return self

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        self.__dict__["count"] = len(states)
        for k in times:
            yield k**2 * A * states[:, 1:]

    def costs(self) -> list[Cost]:
        return [Cost(steps=1)] * self.__dict__["count"]


CARD: dict[str, Any] = {
    "name": "holed",
    "version": 1,
    "title": "Holed",
    "description": "For tests.",
    "source": "ours",
    "problem": {"name": f"{__file__}:Holed"},
    "grid": {"shape": [2, 3], "lengths": [2.0, 3.0], "points": "centres"},
    "parameters": {"cell": {"value": -1}},
    "cases": [{"name": "body", "values": {"cell": [2, 5, 2, -1]}}],
    "times": {"step": 1.0, "frames": 4},
    "solver": {"name": f"{__file__}:Squares"},
    "store": {"shape": [2, 3], "dtype": "float64"},
    "samples": {"count": 4, "seed": 1, "unit": 4},
    "splits": {"test": [0, 4], "test_holed": [0, 3]},
}
# ⟨A²⟩ over what is left when a cell is taken out, by hand: 91 in all.
SQUARE = {2: (91 - 9) / 5, 5: (91 - 36) / 5, -1: 91 / 6}
MEAN = {2: 18 / 5, 5: 15 / 5, -1: 21 / 6}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrajectoryStore:
    (tmp_path / "holed").mkdir()
    (tmp_path / "holed" / "card.yaml").write_text(yaml.safe_dump(CARD))
    monkeypatch.chdir(tmp_path)
    generate(parse(DatasetSpec, CARD, where="holed"), tmp_path / "store")
    return TrajectoryStore.open(tmp_path / "store")


def task(**changes: Any) -> Task:
    card = {
        "name": "holed_task",
        "version": 1,
        "title": "Holed",
        "description": "For tests.",
        "dataset": "holed",
        "horizon": 1,
        "metrics": ["rmse", "max_error", "relative_l1", "conserved_error"],
        "primary": "rmse",
    }
    return parse(Task, card | changes, where="holed_task")


class Keeps:
    """The last frame again, and `inside` in the body; the ensemble's members are alike."""

    def __init__(self, inside: float, members: int = 1) -> None:
        self.inside, self.asked = inside, 0
        if members > 1:
            self.ensemble = members

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        self.asked += len(history)
        out = np.where(history[:, -1:, 1:] > 0, history[:, -1:, :1], self.inside).repeat(len(times), axis=1)
        return np.stack([out] * self.ensemble) if hasattr(self, "ensemble") else out


@pytest.mark.parametrize("inside", [0.0, 1e6, np.nan, np.inf])
@pytest.mark.parametrize("members", [1, 2])
def test_what_is_said_of_a_body_changes_no_score(store: TrajectoryStore, inside: float, members: int) -> None:
    record = evaluate(Keeps(inside, members), store, task())
    cells = store.params(range(4))[:, 0].astype(int)
    assert sorted(cells) == [-1, 2, 2, 5]
    for row, cell in enumerate(cells):
        found = {name: values[row][0][0] for name, values in record.values.items()}
        largest = 5 if cell == 5 else 6
        expected = {"rmse": SQUARE[cell] ** 0.5, "max_error": largest, "relative_l1": 1, "conserved_error": MEAN[cell]}
        assert found == pytest.approx(expected, rel=KEPT)


def test_a_model_that_is_lost_in_bodies_only_is_not_lost(store: TrajectoryStore) -> None:
    """One with no finite sample at all is an error."""
    quiet, lost = (evaluate(Keeps(inside), store, task(split="test_holed")) for inside in (0.0, np.nan))
    assert quiet.values == lost.values and quiet.picture == lost.picture


def test_every_metric_leaves_bodies_out_or_says_that_it_cannot(store: TrajectoryStore) -> None:
    names = [name for name in metrics if name not in NEEDS_MORE | UNIFORM]
    quiet, loud = (evaluate(Keeps(inside), store, task(metrics=names)) for inside in (0.0, 1e6))
    for name in names:
        np.testing.assert_array_equal(quiet.values[name], loud.values[name], err_msg=name)
    for name in UNIFORM:
        with pytest.raises(PdebenchError, match="uniform grid without masked points|needs a periodic box"):
            evaluate(Keeps(0.0), store, task(metrics=["rmse", name]))


def test_single_steps_from_every_start_are_averaged_by_sample(store: TrajectoryStore) -> None:
    """Steps from k² to (k + 1)²: errors of 1, 3 and 5 times A; every second start: 1 and 5."""
    cells = store.params(range(4))[:, 0].astype(int)
    for every, factor, count in ((None, 1, 4), (1, 3, 12), (2, 3, 8), (3, 1, 4)):
        model = Keeps(0.0)
        record = evaluate(model, store, task(every=every), batch=3)
        assert record.members == [0, 1, 2, 3] and np.shape(record.values["rmse"]) == (4, 1, 1)
        rmse = np.array(record.values["rmse"])[:, 0, 0]
        np.testing.assert_allclose(rmse, [factor * SQUARE[c] ** 0.5 for c in cells], rtol=KEPT)
        assert len(Question(store, task(every=every)).items(np.arange(4))) == count
    two = evaluate(Keeps(0.0), store, task(every=1, horizon=2, history=1))
    errors = np.array(two.values["rmse"])[:, :, 0]
    np.testing.assert_allclose(errors[:, 1], [6 * SQUARE[c] ** 0.5 for c in cells], rtol=KEPT)  # 4 and 8 times A


def test_error_bars_of_the_truth_are_those_of_the_frames_asked_for(store: TrajectoryStore) -> None:
    store.set_truth_error(np.arange(4), np.broadcast_to(np.array([0.0, 1, 2, 6])[None, :, None], (4, 4, 1)).copy())
    assert evaluate(Keeps(0.0), store, task()).truth_error == [[1.0]]
    assert evaluate(Keeps(0.0), store, task(every=1)).truth_error == [[3.0]]
    assert evaluate(Keeps(0.0), store, task(every=1, horizon=2)).truth_error == [[1.5], [4.0]]


def test_means_over_starts_pass_by_what_is_undefined_and_keep_what_diverged() -> None:
    values = np.array([1.0, np.nan, 3.0, np.inf, 1.0, np.nan, np.nan, np.nan, np.nan]).reshape(9, 1, 1)
    np.testing.assert_array_equal(over_starts(values, 3)[:, 0, 0], [2, np.inf, np.nan])


def test_the_shore_is_fluid_at_the_rim_or_beside_a_body() -> None:
    fluid = np.ones((5, 7), bool)
    fluid[2, 3] = False
    expected = np.ones((5, 7), bool)
    expected[1:-1, 1:-1] = False
    expected[[1, 3, 2, 2], [3, 3, 2, 4]] = True
    np.testing.assert_array_equal(shore(fluid), expected)


def test_a_task_says_from_where_it_asks() -> None:
    spec = parse(DatasetSpec, CARD, where="holed")
    assert _predicted(task(), spec) == "1 frame, 1 apart"
    assert _predicted(task(every=1, horizon=2), spec) == "2 frames, 1 apart; from every start: the mean over them"
    assert _predicted(task(every=2), spec) == "1 frame, 1 apart; from every 2. start: the mean over them"
    with pytest.raises(CardError, match="every"):
        task(every=0)
