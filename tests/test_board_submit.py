"""What may join a board, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from boards import picture, record, tree
from specs import tiny_card

from pdebench.board import submit, task_standing
from pdebench.board.admission import slim
from pdebench.board.tables import number
from pdebench.errors import RecordError
from pdebench.metrics import metrics, per_sample
from pdebench.spec import load_spec
from pdebench.task import load_record


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)


def test_a_record_that_fits_is_put_in_place_and_can_be_replaced(root: Path, tmp_path: Path) -> None:
    place = submit(record("Net, 20 modes").save(tmp_path / "r.json"), root)
    assert place == root / "leaderboards" / "tiny_rollout" / "records" / "net_20_modes.json"
    submit(record("Net, 20 modes", 0.05).save(tmp_path / "r.json"), root)
    (entry,) = task_standing("tiny_rollout", root).entries
    assert entry.score == pytest.approx(0.1)


def test_another_model_of_the_same_label_is_not_overwritten(root: Path, tmp_path: Path) -> None:
    submit(record("net").save(tmp_path / "r.json"), root)
    with pytest.raises(RecordError, match="another model.*--label"):
        submit(record("net", model="zoo:other").save(tmp_path / "r.json"), root)
    with pytest.raises(RecordError, match="another model"):
        submit(record("net", options={"width": 9}).save(tmp_path / "r.json"), root)


def _edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return edit


def _values(**changes: Any) -> dict[str, Any]:
    return {"values": record("x").values | changes}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_edit(lambda c: c.update(colour="red")), "unknown key 'colour'"),
        (_edit(lambda c: c.pop("hardware")), "key 'hardware' is missing"),
        (_edit(lambda c: c["scores"].update(nrmse=0.0)), "was changed after it was written"),
        (lambda path: path.write_text("{"), "is not a record"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(
    root: Path, tmp_path: Path, edit: Callable[[Path], None], message: str
) -> None:
    path = record("net").save(tmp_path / "r.json")
    edit(path)
    with pytest.raises(RecordError, match=message):
        submit(path, root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "tiny_rolout"}, "did you mean 'tiny_rollout'"),
        ({"task_version": 1}, "task_version is 1"),
        ({"dataset": "other"}, "dataset is 'other'"),
        ({"dataset_version": 7}, "dataset_version is 7"),
        ({"digest": "0" * 16}, f"dataset_digest is '{'0' * 16}'"),
        ({"label": " "}, "label is ' '.*can be seen"),
        ({"label": "net\u202e0.1"}, "can be seen"),  # what follows would be read from right to left
        ({"label": "net\nother"}, "can be seen"),
        ({"label": 101 * "x"}, "1 to 100 characters"),
        ({"members": [4]}, r"members are 4 \(1\), the test split of tiny is 4, 5 \(2\)"),
        ({"members": [5, 4]}, "every one counts, once and in order"),
        ({"members": [4, 4]}, "every one counts, once and in order"),
        ({"times": [0.25, 0.5, 0.75]}, "times are"),
        ({"times": [0.25, 0.5, 0.75, 1.1]}, "times are"),
        ({"scores": {"nrmse": 0.2, "correlation": 0.95}}, "lack correlation_time"),
        ({"values": {k: v for k, v in record("x").values.items() if k != "correlation"}}, "lack correlation"),
        (_values(rmse=[[[1.0]]]), "values has 'rmse', which the task does not ask for"),
        ({"scores": record("x").scores | {"rmse": 1.0}}, "scores has 'rmse', which the task does not ask for"),
        (_values(nrmse=[[[0.2]]] * 2), r"values.nrmse has shape \(2, 1, 1\), expected \(2, 4, 1\)"),
        (_values(nrmse=[[[0.2]] * 4, [[0.2]]]), "values.nrmse has shape ragged"),
        (_values(correlation_time=[[[0.5]] * 4] * 2), r"expected \(2, 1, 1\)"),
        ({"scores": record("x").scores | {"nrmse": 0.199}}, "scores.nrmse is 0.199, but its values give 0.2"),
        ({"truth_error": [[0.1]]}, "truth_error has 1 times"),
        ({"truth_error": [[0.1, 0.2]] * 4}, "one value per field"),
        ({"picture": picture().model_copy(update={"shape": (2, 1, 8, 9)})}, "128 bytes.* needs 144"),
        ({"picture": picture().model_copy(update={"truth": "?"})}, "not deflated bytes in base64"),
        ({"picture": picture().model_copy(update={"times": [1.0]})}, "1 times for shape"),
        ({"picture": picture().model_copy(update={"shape": (2, 2, 8, 4)})}, "scale has 1 fields"),
    ],
)
def test_a_record_that_does_not_answer_the_task_is_refused(
    root: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordError, match=message):
        submit(record(**{"label": "net"} | changes).save(tmp_path / "r.json"), root)
    assert not (root / "leaderboards" / "tiny_rollout" / "records").exists()


def test_digest_of_the_record_is_that_of_the_card_in_the_tree(root: Path, tmp_path: Path) -> None:
    """The card beside the task decides, not a card of the same name elsewhere."""
    card = root / "datasets" / "tiny" / "card.yaml"
    card.write_text(yaml.safe_dump(tiny_card(samples__seed=2)))
    with pytest.raises(RecordError, match=load_spec(card).digest):
        submit(record("net").save(tmp_path / "r.json"), root)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (0.000721, "7.21e−4"), (12345.0, "1.23e4"), (1234.0, "1234"), (-inf, "−∞"), (0.0, "0.00")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_what_is_slim_stays_as_it_is() -> None:
    """Scores follow from the samples that are kept, not from those before they were rounded."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = {"nrmse": rng.random((2, 4, 1)), "correlation": rng.random((2, 4, 1))}
        values |= {"correlation_time": rng.random((2, 1, 1))}
        scores = {name: metrics[name].score(per_sample(found)) for name, found in values.items()}
        once = slim(record("net", values={k: v.tolist() for k, v in values.items()}, scores=scores, picture=picture()))
        assert slim(once) == once


def test_one_picture_is_kept_of_several_trainings(root: Path, tmp_path: Path) -> None:
    kept = []
    for seed in (1, 0, 1, 2):
        place = submit(record("net", seed=seed, picture=picture()).save(tmp_path / "r.json"), root)
        kept.append((place.name, load_record(place).picture is not None))
    assert kept == [
        ("net.seed1.json", True),
        ("net.seed0.json", False),
        ("net.seed1.json", True),
        ("net.seed2.json", False),
    ]
