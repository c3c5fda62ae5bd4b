"""Leaderboards from records with known scores: who stands where, and at what cost."""

from __future__ import annotations

from math import inf, log
from pathlib import Path

import pytest
from boards import change_task, page_of, picture, put, record, tree

from pdebench.board import board, task_standing
from pdebench.board.cost import Bound, Point, break_even, classical_seconds, frontier, speed_up


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)


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
