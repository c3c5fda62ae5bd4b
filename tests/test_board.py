"""Leaderboards from records with known scores."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from math import inf, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from specs import tiny_card, tiny_spec

from pdebench.board import board, submit, task_standing
from pdebench.board.cost import Bound, Point, break_even, classical_seconds, frontier, speed_up
from pdebench.board.samples import galleries
from pdebench.board.tables import columns, number
from pdebench.errors import RecordError
from pdebench.spec import load_spec
from pdebench.task import Expense, Picture, Record

TASK: dict[str, Any] = {
    "name": "tiny_rollout",
    "version": 2,
    "title": "Four frames from one",
    "description": "Predict four frames of a tiny data set.",
    "dataset": "tiny",
    "history": 1,
    "horizon": 4,
    "metrics": ["nrmse", "correlation", "correlation_time"],
    "primary": "nrmse",
}
HOSTILE = "<script>alert(1)</script> | $\\frac{1}{0}$ \" onload='x' `a` &amp;"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one data set, one task and no record: 6 members, of which 3 to train on and 2 to test."""
    for folder, name, content in (("datasets", "card", tiny_card()), ("leaderboards", "task", TASK)):
        path = tmp_path / folder / str(content["name"]) / f"{name}.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(content))
    return tmp_path


def picture(prediction: Any = None) -> Picture:
    """Two frames of 8 × 8 in which the truth is sin x, and the prediction too unless another is given."""
    wave = np.broadcast_to(np.sin(np.arange(8) * np.pi / 4), (2, 1, 8, 8))
    coded = [
        base64.b64encode(np.asarray(half, dtype="<f2").tobytes()).decode()
        for half in (wave, wave if prediction is None else np.broadcast_to(prediction, wave.shape))
    ]
    return Picture(member=4, times=[0.5, 1.0], shape=wave.shape, truth=coded[0], prediction=coded[1])


def record(label: str, error: float = 0.1, *, seconds: float = 1.0, kind: str = "neural", **changes: Any) -> Record:
    """A fitting record whose error is `error` in one test member and thrice that in the other: 2·error on average."""
    shares = np.array([1.0, 3.0])[:, None, None]
    values = {
        "nrmse": error * shares * np.ones((2, 4, 1)),
        "correlation": np.full((2, 4, 1), 1 - min(error, 1) / 2),
        "correlation_time": np.full((2, 1, 1), 0.5),
    }
    content: dict[str, Any] = {
        "task": "tiny_rollout",
        "task_version": 2,
        "dataset": "tiny",
        "dataset_version": 1,
        "dataset_digest": changes.pop("digest", None) or tiny_spec().digest,
        "model": f"zoo:{label}",
        "label": label,
        "kind": kind,
        "fields": ["vorticity"],
        "times": [0.25, 0.5, 0.75, 1.0],
        "members": [4, 5],
        "values": {name: array.tolist() for name, array in values.items()},
        "scores": {"nrmse": 2 * error, "correlation": 1 - min(error, 1) / 2, "correlation_time": 0.5},
        "generation_seconds": 2.0,
        "expense": Expense(
            training_seconds=changes.pop("training_seconds", 94.0),
            inference_seconds=2 * seconds,
            inference_seconds_batched=seconds,
            batch=2,
        ),
        "hardware": "abacus",
        "versions": {"pdebench": "0"},
        "commit": "0",
        "created": "2026-01-01T00:00:00+00:00",
    }
    return Record(**(content | changes))


def put(root: Path, *records: Record) -> None:
    for i, each in enumerate(records):
        each.save(root / "leaderboards" / "tiny_rollout" / "records" / f"{i}.json")


def page_of(root: Path, *records: Record) -> str:
    put(root, *records)
    _, page = board(root)
    return page.read_text()


def change_task(root: Path, **changes: Any) -> None:
    (root / "leaderboards" / "tiny_rollout" / "task.yaml").write_text(yaml.safe_dump(TASK | changes))


# Standing


def test_least_error_stands_first(root: Path) -> None:
    put(root, record("c", 0.3), record("a", 0.2), record("b", 0.1))
    entries = task_standing("tiny_rollout", root).entries
    assert [(e.place, e.record.label, e.score) for e in entries] == [(1, "b", 0.2), (2, "a", 0.4), (3, "c", 0.6)]


def test_largest_correlation_stands_first(root: Path) -> None:
    change_task(root, primary="correlation")
    put(root, record("worse", 0.3), record("better", 0.1))
    assert [e.record.label for e in task_standing("tiny_rollout", root).entries] == ["better", "worse"]


def test_models_below_the_error_of_the_truth_are_tied(root: Path) -> None:
    truth = [[0.1], [0.2], [0.3], [0.4]]  # mean 0.25
    several = [record(label, error, truth_error=truth) for label, error in (("b", 0.01), ("a", 0.1), ("c", 0.2))]
    put(root, *several)
    entries = task_standing("tiny_rollout", root).entries
    assert [(e.place, e.tied, e.record.label) for e in entries] == [(1, True, "a"), (1, True, "b"), (3, False, "c")]
    readme, page = (path.read_text() for path in board(root))
    for text in (readme, page):
        assert text.count("at the truth’s error bar") >= 2
        assert "2 models are at the truth’s error bar (nrmse 0.250)" in text


def test_no_record_widens_the_error_bar(root: Path) -> None:
    put(root, record("liar", 0.3, truth_error=[[9.0]] * 4), record("other", 0.1, truth_error=[[0.01]] * 4))
    entries = task_standing("tiny_rollout", root).entries
    assert [(e.record.label, e.tied) for e in entries] == [("other", False), ("liar", False)]


@pytest.mark.parametrize("useless", [0.0, inf, float("nan")])
def test_error_bar_that_says_nothing_is_not_used(root: Path, useless: float) -> None:
    put(root, record("a", truth_error=[[useless]] * 4))
    assert task_standing("tiny_rollout", root).floor is None
    assert "not known in this metric" in board(root)[0].read_text()


def test_error_bar_is_used_only_for_metrics_it_can_be_compared_with(root: Path) -> None:
    change_task(root, primary="correlation")
    put(root, record("a", truth_error=[[2.0]] * 4))
    assert task_standing("tiny_rollout", root).floor is None


@pytest.mark.parametrize("lost", [inf, float("nan")])
def test_diverged_models_come_last_and_say_so(root: Path, lost: float) -> None:
    bad = record(
        "bad", values=record("x").values | {"nrmse": [[[lost]] * 4] * 2}, scores=record("x").scores | {"nrmse": lost}
    )
    put(root, bad, record("poor", 40.0))
    entries = task_standing("tiny_rollout", root).entries
    assert [(e.place, e.record.label) for e in entries] == [(1, "poor"), (None, "bad")]
    readme, page = board(root)
    assert "| – | bad neural | diverged |" in readme.read_text()
    assert "1 model diverged." in page.read_text()


def test_interval_is_over_samples(root: Path) -> None:
    put(root, record("a", 0.1))
    (entry,) = task_standing("tiny_rollout", root).entries
    assert entry.interval == pytest.approx((0.1, 0.3))  # the two members' own scores: all that two samples allow


def test_records_of_another_version_are_set_aside(root: Path) -> None:
    page = page_of(root, record("old", task_version=1), record("new"))
    standing = task_standing("tiny_rollout", root)
    assert [e.record.label for e in standing.entries] == ["new"]
    assert "task_version is 1" in standing.aside["0.json"]
    assert "0.json: task_version is 1" in page


def test_standing_and_files_do_not_depend_on_the_order_of_records(root: Path, tmp_path: Path) -> None:
    several = [record(label, error, picture=picture()) for label, error in (("a", 0.2), ("b", 0.1), ("c", inf))]
    several[2] = record("c", 0.3, kind="classical")
    put(root, *several)
    first = [path.read_bytes() for path in board(root)]
    put(root, *several[::-1])
    assert [path.read_bytes() for path in board(root)] == first


# Cost, by hand

CURVE = frontier([Point(10.0, log(0.01)), Point(1.0, log(0.1)), Point(5.0, log(0.2)), Point(0.5, float("nan"))])


def test_frontier_leaves_out_what_is_dearer_and_no_better() -> None:
    assert [(p.seconds, p.badness) for p in CURVE] == [(1.0, log(0.1)), (10.0, log(0.01))]


@pytest.mark.parametrize(
    ("error", "seconds", "relation"),
    [(10**-1.5, 10**0.5, "="), (0.1, 1.0, "="), (0.01, 10.0, "="), (0.5, 1.0, "≤"), (1e-3, 10.0, "≥")],
)
def test_classical_seconds_lie_on_the_straight_line_between_logarithms(
    error: float, seconds: float, relation: str
) -> None:
    found = classical_seconds(log(error), CURVE)
    assert found is not None
    assert (found.value, found.relation) == (pytest.approx(seconds), relation)


def test_without_a_curve_nothing_is_said() -> None:
    assert classical_seconds(log(0.1), ()) is None
    assert classical_seconds(float("nan"), CURVE) is None


def test_speed_up_keeps_the_bound() -> None:
    assert speed_up(4.0, Bound(2.0, "≤")) == Bound(0.5, "≤")


@pytest.mark.parametrize(
    ("fixed", "seconds", "classical", "expected"),
    [
        (100.0, 1.0, Bound(3.0), Bound(51.0)),  # at 50 both cost 150: not yet less
        (101.0, 1.0, Bound(3.0), Bound(51.0)),
        (0.0, 1.0, Bound(3.0), Bound(1.0)),
        (100.0, 3.0, Bound(3.0), Bound(inf)),
        (100.0, 4.0, Bound(3.0, "≤"), Bound(inf)),
        (100.0, 1.0, Bound(3.0, "≤"), Bound(51.0, "≥")),
        (100.0, 1.0, Bound(3.0, "≥"), Bound(51.0, "≤")),
        (100.0, 4.0, Bound(3.0, "≥"), None),
    ],
)
def test_break_even(fixed: float, seconds: float, classical: Bound, expected: Bound | None) -> None:
    assert break_even(fixed, seconds, classical) == expected


def test_costs_of_a_record(root: Path) -> None:
    """C_data = 3 members × 2 s, C_train = 94 s: 100 s; classical √10 s at equal error; 0.5 s for the model."""
    coarse, fine = (record(n, e, seconds=s, kind="classical") for n, e, s in (("k", 0.1, 1.0), ("l", 0.01, 10.0)))
    put(root, coarse, fine, record("net", 0.1 / 10**0.5, seconds=0.5), record("slow", 0.1, seconds=4.0))
    found = {e.record.label: e for e in task_standing("tiny_rollout", root).entries}
    net, slow = found["net"], found["slow"]
    assert net.speed_up == Bound(pytest.approx(10**0.5 / 0.5))
    assert net.break_even == Bound(38)  # 100 / (3.1623 − 0.5) = 37.56
    assert slow.speed_up == Bound(pytest.approx(0.25))
    assert slow.break_even == Bound(inf)
    assert found["k"].speed_up is None
    readme = board(root)[0].read_text()
    assert "6.32×" in readme
    assert "0.250× slower" in readme
    assert "∞ never wins" in readme
    assert "1 of 2 neural models beat the classical solvers in seconds per trajectory and 1 lose" in readme


def test_no_comparison_across_machines(root: Path) -> None:
    put(root, record("k", kind="classical", hardware="cray"), record("net"))
    assert all(e.speed_up is None for e in task_standing("tiny_rollout", root).entries)


def test_errors_below_the_truths_own_count_as_that(root: Path) -> None:
    """Both classical solvers are below the error bar, so the cheaper one is the equal of a model below it."""
    truth = [[0.5]] * 4
    cheap, dear = (record(n, e, seconds=s, kind="classical") for n, e, s in (("k", 0.1, 1.0), ("l", 0.01, 10.0)))
    put(root, cheap, dear, record("net", 0.001, seconds=0.5, truth_error=truth))
    (net,) = (e for e in task_standing("tiny_rollout", root).entries if e.record.label == "net")
    assert net.speed_up == Bound(pytest.approx(2.0))


# Pages


class Reader(HTMLParser):
    """Tags, attributes and scripts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)
            self._inside = False


def test_hostile_text_stays_text(root: Path) -> None:
    change_task(root, title=f"Title {HOSTILE}", description=HOSTILE)
    hostile = record(
        HOSTILE,
        model=HOSTILE,
        options={HOSTILE: HOSTILE},
        hardware=HOSTILE,
        versions={HOSTILE: HOSTILE},
        commit=HOSTILE,
        created=HOSTILE,
        fields=[HOSTILE],
        picture=picture(),
    )
    read = Reader(page_of(root, hostile))
    assert len(read.scripts) == 1
    assert read.scripts[0].startswith('"use strict"')
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    readme = (root / "leaderboards" / "tiny_rollout" / "README.md").read_text()
    assert "<script" not in readme
    (row,) = (line for line in readme.splitlines() if "alert" in line and line.startswith("| 1 "))
    assert len(re.findall(r"(?<!\\)\|", row)) == 1 + len(columns(task_standing("tiny_rollout", root)))


def test_page_needs_nothing_else_and_lets_no_other_script_run(root: Path) -> None:
    page = page_of(root, record("a", picture=picture()), record("k", 0.05, kind="classical"))
    read = Reader(page)
    links = [v for _, a in read.tags for k, v in a.items() if k in {"src", "href", "xlink:href"} and v]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    (policy,) = (a["content"] for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(read.scripts[0].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_table_can_be_sorted_by_keyboard_and_is_marked_as_sorted(root: Path) -> None:
    page = page_of(root, record("a"), record("b"))
    read = Reader(page)
    heads = [a for t, a in read.tags if t == "th" and a.get("scope") == "col"]
    assert len(heads) == page.count('<button type="button"') == len(columns(task_standing("tiny_rollout", root)))
    assert [h.get("aria-sort") for h in heads] == ["ascending", *[None] * (len(heads) - 1)]
    assert heads[2]["data-first"] == "ascending"  # nrmse
    assert [h["data-first"] for h in heads].count("descending") == 3  # speed-up and the two correlations
    assert 'data-order="0.2"' in page


def test_every_picture_is_described_and_every_plot_takes_the_colours_of_the_page(root: Path) -> None:
    page = page_of(root, record("a", picture=picture()), record("k", 0.05, kind="classical", picture=picture(0)))
    read = Reader(page)
    pictures = [a.get("alt") or "" for t, a in read.tags if t == "img"]
    assert len(pictures) == 6  # scale, truth, and two of each model
    assert all(pictures)
    plots = [a for t, a in read.tags if t == "svg" and a.get("role") == "img"]
    assert len(plots) == 2
    assert all(a.get("aria-label") for a in plots)
    assert "#0b0d" not in page
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("primary", ["correlation", "correlation_time"])
def test_page_of_a_metric_that_rises(root: Path, primary: str) -> None:
    change_task(root, primary=primary)
    page = page_of(root, record("a"), record("k", 0.3, kind="classical"), record("p", 1.0, kind="reference"))
    assert page.count('role="img"') == (2 if primary == "correlation" else 1)  # one value each has no curve
    assert "upper left is better" in page


def test_page_of_eight_models_and_three_fields_is_light(root: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (4, 3, 128, 128)
    noise = [base64.b64encode(rng.normal(size=shape).astype("<f2").tobytes()).decode() for _ in range(9)]
    shown = [Picture(member=4, times=[1, 2, 3, 4], shape=shape, truth=noise[8], prediction=n) for n in noise[:8]]
    several = [record(f"m{i}", 0.1 + i, fields=["u", "v", "p"], picture=each) for i, each in enumerate(shown)]
    assert len(page_of(root, *several)) < 3_000_000


def test_a_label_is_not_mathematics(root: Path) -> None:
    page = page_of(root, record(r"$\frac$ net"))
    assert page.count(r">$\frac$ net</text>") == 2  # at the curve's end and beside the point


def test_tasks_without_records_are_left_alone(root: Path) -> None:
    assert board(root) == []


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_a_click_sorts_the_table_in_a_browser(root: Path, tmp_path: Path) -> None:
    page = page_of(
        root, record("a", 0.3), record("b", 0.1), record("c", 0.2), record("d", values=_lost(), scores=_nan())
    )
    click = "<script>document.querySelectorAll('thead button')[2].click();</script>"
    trial = tmp_path / "trial.html"
    for clicks, order in ((1, "bcad"), (2, "acbd")):
        trial.write_text(re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", click * clicks + "</body>"))
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        command += ["--no-first-run", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", trial.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert re.findall(r'<th scope="row" data-order="(.)"', done) == list(order)


def _lost() -> Any:
    return record("x").values | {"nrmse": [[[inf]] * 4] * 2}


def _nan() -> Any:
    return record("x").scores | {"nrmse": inf}


# Sample fields


def colours(png: bytes) -> Any:
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def test_strips_show_truth_prediction_and_magnified_error() -> None:
    wave = np.sin(np.arange(8) * np.pi / 4)
    (gallery,) = galleries([record("a", picture=picture(wave + 0.04)), record("b", picture=picture(wave))])
    (_, prediction, error), (_, same, nothing) = gallery.models
    assert gallery.scale == pytest.approx((-1.0, 1.0), abs=1e-3)
    assert gallery.times == (0.5, 1.0)
    assert error.magnified == 20.0  # 0.04 × 20 = 0.8 fits, × 50 = 2 does not
    assert nothing.magnified == 1.0
    assert same.png == gallery.truth.png != prediction.png
    red, _, blue = colours(error.png)[0, 0]
    assert red > blue + 100  # too high everywhere
    assert np.ptp(colours(nothing.png)[0, 0]) < 10  # the neutral middle


def test_up_is_up_and_what_is_not_finite_is_grey() -> None:
    field = np.zeros((8, 8))
    field[0] = 1.0
    field[7, 3] = np.nan
    (gallery,) = galleries([record("a", picture=picture(field))])
    shown = colours(gallery.models[0][1].png)
    assert shown[7, 0, 0] > shown[7, 0, 2] + 50  # the first row of the array is the lowest
    assert shown[0, 3].tolist() == [128, 128, 128]


# Submission


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
        ({"label": " "}, "label is empty"),
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
        ({"picture": picture().model_copy(update={"shape": (2, 1, 8, 9)})}, "256 bytes.* needs 288"),
        ({"picture": picture().model_copy(update={"truth": "?"})}, "not base64"),
        ({"picture": picture().model_copy(update={"times": [1.0]})}, "1 times for 2 frames"),
        ({"picture": picture().model_copy(update={"shape": (2, 2, 8, 4)})}, "picture shows 2 fields"),
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
