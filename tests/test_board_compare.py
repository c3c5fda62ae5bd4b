"""Honest comparison: seeds, paired tests, the Pareto front, and what a task must name; by hand and exact."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import replace
from itertools import pairwise, product
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from boards import TASK, change_task, page_of, picture, put, record, tree
from specs import tiny_card, tiny_spec

from pdebench.board import board, submit, task_standing
from pdebench.board.admission import _follows, slim
from pdebench.board.cost import pareto
from pdebench.board.demands import unanswered, wanting
from pdebench.board.facts import notes
from pdebench.board.neighbours import Above, compare, least_p
from pdebench.board.runs import roll_out, trainings
from pdebench.board.standing import Entry, _overlap
from pdebench.board.tables import Cell, _above, _break_even, _training, headlines
from pdebench.errors import RecordError
from pdebench.metrics import holm, sign_flip_test
from pdebench.model import build_model
from pdebench.picture import Picture, decode
from pdebench.spec import load_spec
from pdebench.task import Expense, Record, Sums, Task, load_record, load_task

TASKS = sorted(Path(__file__).parents[1].glob("leaderboards/*/task.yaml"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)


# Seeds


def seeds(label: str, errors: dict[int, float], **changes: Any) -> list[Record]:
    """Trainings of one model: seed -> error."""
    return [
        record(label, error, seed=seed, weights_sha256=f"{label}{seed}", **changes) for seed, error in errors.items()
    ]


def test_trainings_of_one_model_are_one_row_with_their_mean_and_range(root: Path) -> None:
    put(root, *seeds("net", {0: 0.1, 1: 0.2, 7: 0.3}), record("other", 0.25))
    net, other = task_standing("tiny_rollout", root).entries
    assert (net.record.label, [r.seed for r in net.records]) == ("net", [0, 1, 7])
    assert net.score == pytest.approx(0.4)  # records score twice their error
    assert net.spread == pytest.approx((0.2, 0.6))
    assert net.interval == pytest.approx((0.2, 0.6))  # of the members' means, 1 and 3 times 0.2: not of the seeds
    assert other.spread is None


def test_spread_over_seeds_is_not_the_interval_over_samples(root: Path) -> None:
    put(root, *seeds("net", {0: 0.2, 1: 0.2, 2: 0.2}))
    (entry,) = task_standing("tiny_rollout", root).entries
    assert entry.spread == pytest.approx((0.4, 0.4))
    assert entry.interval == pytest.approx((0.2, 0.6))


def test_fewer_than_three_seeds_are_said_in_the_row_and_above_it(root: Path) -> None:
    page = page_of(
        root, *seeds("two", {0: 0.1, 1: 0.2}), *seeds("three", {0: 0.3, 1: 0.3, 2: 0.4}), record("k", kind="classical")
    )
    readme = (root / "leaderboards" / "tiny_rollout" / "README.md").read_text()
    rows = {line.split(" | ")[1]: line for line in readme.splitlines() if line.startswith("| ")}
    assert "| 2 0.200 to 0.400, fewer than 3 |" in rows["two neural"]
    assert "| 3 0.600 to 0.800 |" in rows["three neural"]
    assert "Trained from fewer than 3 seeds: two." in page


def test_one_training_that_diverged_is_not_hidden_by_the_others(root: Path) -> None:
    lost = record("x").values | {"nrmse": [[[inf]] * 4] * 2}
    bad = record("net", seed=1, values=lost, scores=record("x").scores | {"nrmse": inf})
    put(root, *seeds("net", {0: 0.1}), bad)
    (entry,) = task_standing("tiny_rollout", root).entries
    assert entry.place is None
    assert entry.spread == (pytest.approx(0.2), inf)


@pytest.mark.parametrize("changes", [{"options": {"width": 9}}, {"hardware": "cray"}, {"label": "other"}])
def test_what_differs_in_more_than_the_seed_is_another_row(changes: dict[str, Any]) -> None:
    assert len(trainings([record("net", seed=0), record(**{"label": "net", "seed": 1} | changes)])) == 2


def test_the_same_weights_count_once_and_so_does_the_same_seed() -> None:
    old = record("net", weights_sha256="a")
    new = record("net", weights_sha256="a", seed=0)
    again = record("net", weights_sha256="b", seed=0, created="2026-02-01T00:00:00+00:00")
    assert trainings([old, new]) == [(new,)]
    assert trainings([again, new]) == [(again,)]
    assert len(trainings([record("net"), record("net", created="2026")])) == 2  # no seed told: each alone


def test_costs_are_of_one_training(root: Path) -> None:
    """C_data 3 × 2 s, C_train (50 + 94 + 138)/3 = 94 s, median inference 0.5 s: N* as of one record."""
    coarse, fine = (record(n, e, seconds=s, kind="classical") for n, e, s in (("k", 0.1, 1.0), ("l", 0.01, 10.0)))
    several = [
        record("net", 0.1 / 10**0.5, seconds=s, seed=i, training_seconds=t)
        for i, (s, t) in enumerate([(0.5, 50.0), (9.0, 94.0), (0.5, 138.0)])
    ]
    put(root, coarse, fine, *several)
    (net,) = (e for e in task_standing("tiny_rollout", root).entries if e.record.label == "net")
    assert net.break_even is not None
    assert net.break_even.value == 38  # 100 / (3.1623 − 0.5) = 37.56


def test_each_seed_has_a_place_and_another_model_cannot_join(root: Path, tmp_path: Path) -> None:
    places = [submit(each.save(tmp_path / "r.json"), root).name for each in seeds("net", {0: 0.1, 1: 0.2})]
    assert places == ["net.seed0.json", "net.seed1.json"]
    with pytest.raises(RecordError, match="another model.*--label"):
        submit(record("net", seed=2, options={"width": 9}).save(tmp_path / "r.json"), root)


@pytest.mark.parametrize(("version", "absent"), [(1, ("seed", "verdict")), (2, ("seed",))])
def test_records_from_before_seeds_are_still_whole(tmp_path: Path, version: int, absent: tuple[str, ...]) -> None:
    """As they lie on disk: without what came later, and with a digest of what there was."""
    content = json.loads(record("net", schema_version=version).model_dump_json(exclude={"digest", "signature"}))
    for key in absent:
        del content[key]
    del content["expense"]["clock"], content["expense"]["training_clock"]
    if version == 1:
        del content["expense"]["calibration"]
    content["digest"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (tmp_path / "r.json").write_text(json.dumps(content))
    assert load_record(tmp_path / "r.json").seed is None
    content["seed"] = 4
    (tmp_path / "r.json").write_text(json.dumps(content))
    with pytest.raises(RecordError, match="version"):
        load_record(tmp_path / "r.json")


# Paired tests


def test_p_is_the_share_of_signs_that_reach_as_far() -> None:
    """Against every pattern written out; and its least value, where all differences have one sign."""
    gaps = np.array([0.3, -0.1, 0.7, 0.2, 0.2])
    sums = [abs(sum(s * g for s, g in zip(signs, gaps, strict=True))) for signs in product((1, -1), repeat=5)]
    expected = sum(value >= gaps.sum() - 1e-9 for value in sums) / 32
    other = np.arange(5.0)
    assert sign_flip_test(other + gaps, other) == pytest.approx(expected)
    assert sign_flip_test(other, other + gaps) == pytest.approx(expected)
    assert sign_flip_test(other + 1, other) == 2 / 32
    assert sign_flip_test(other, other) == 1.0


def test_drawn_signs_agree_with_the_normal_limit() -> None:
    """With n = 400 differences the sum is nearly normal: P(|Z| ≥ 2) = 0.0455, within 4 deviations of 10 000 draws."""
    gaps = np.tile([1.0, -1.0], 200) + 2 / 399**0.5  # sum = 2·√n·rms of the differences
    p = sign_flip_test(gaps, np.zeros(400))
    assert p == pytest.approx(0.0455, abs=4 * (0.0455 / 1e4) ** 0.5 + 0.004)  # and the lattice of sums, φ(2)·spacing/2
    assert sign_flip_test(gaps, np.zeros(400)) == p


def test_what_is_not_finite_is_no_evidence() -> None:
    one = np.array([1.0, 2.0, np.nan, inf])
    assert sign_flip_test(one, np.zeros(4)) == 0.5
    assert np.isnan(sign_flip_test(np.full(3, inf), np.full(3, inf)))


def test_holm_by_hand_never_below_the_value_nor_above_bonferroni() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # Holm's steps: 4, 3, 2, 1 times
    values = list(np.random.default_rng(0).random(9) ** 3)
    for raw, found in zip(values, holm(values), strict=True):
        assert raw <= found <= min(1.0, 9 * raw)
    assert holm([]) == []


def test_neighbours_are_compared_over_what_takes_no_part() -> None:
    rows = [("a", np.arange(10.0)), None, ("b", np.arange(10.0) + 1), ("c", np.arange(10.0) + 1)]
    first, absent, second, third = compare(rows)
    assert first is None
    assert absent is None
    assert second is not None
    assert third is not None
    assert (second.label, second.p, second.told_apart) == ("a", pytest.approx(2 * 2 / 2**10), True)
    assert (third.label, third.p, third.told_apart) == ("b", 1.0, False)


def test_least_p_is_reached_by_the_clearest_pairs() -> None:
    rows = [(str(i), np.full(8, float(i))) for i in range(11)]
    found = [above.p for above in compare(rows) if above]
    assert min(found) == pytest.approx(least_p(8, 10)) == pytest.approx(10 * 2 / 256)


def test_the_page_says_that_two_samples_tell_nothing(root: Path) -> None:
    page = page_of(root, record("a", 0.1), record("b", 0.2), record("c", 0.3))
    assert "2 of 2 pairs of neighbours cannot be told apart: 2 samples are too few for a test of 2 pairs" in page
    assert "not told apart" in page


def test_models_at_the_truths_error_are_not_tested_against_each_other(root: Path) -> None:
    truth = [[0.5]] * 4
    put(root, *(record(n, e, truth_error=truth) for n, e in (("a", 0.1), ("b", 0.2), ("c", 0.4))))
    a, b, c = task_standing("tiny_rollout", root).entries
    assert (a.tied, b.tied, c.tied) == (True, True, False)
    assert b.above is None
    assert c.above is not None
    assert c.above.label == "b"


# Pareto front


def test_front_by_hand() -> None:
    points = [(1.0, 3.0, 5.0), (2.0, 2.0, 5.0), (2.0, 2.0, 5.0), (2.0, 3.0, 5.0), (3.0, 3.0, 0.0)]
    assert [pareto(point, points) for point in points] == [True, True, True, False, True]


def test_front_of_error_time_and_parameters(root: Path) -> None:
    def net(label: str, error: float, seconds: float, size: int, **more: Any) -> Record:
        cost = Expense(inference_seconds=seconds, inference_seconds_batched=seconds, batch=1, parameters=size)
        return record(label, error, expense=cost, **more)

    put(
        root,
        net("good", 0.1, 1.0, 100),
        net("small", 0.2, 1.0, 10),
        net("beaten", 0.3, 1.0, 10),
        net("elsewhere", 0.3, 1.0, 10, hardware="cray"),
        net("classic", 0.25, 9.0, 0, kind="classical"),
    )
    front = {e.record.label: e.front for e in task_standing("tiny_rollout", root).entries}
    assert front == {"good": True, "small": True, "beaten": False, "elsewhere": True, "classic": True}


def test_below_the_truths_error_the_cheaper_is_on_the_front(root: Path) -> None:
    truth = [[0.5]] * 4
    put(root, record("better", 0.1, seconds=2.0, truth_error=truth), record("cheaper", 0.2, truth_error=truth))
    front = {e.record.label: e.front for e in task_standing("tiny_rollout", root).entries}
    assert front == {"better": False, "cheaper": True}


# What a task must name


def task(*baselines: dict[str, Any]) -> Task:
    return Task.model_validate(TASK | {"baselines": list(baselines)})


GRIDS = [{"name": "classical", "shape": [n, n]} for n in (8, 12, 16, 24)]


def spread_out(**options: Any) -> list[dict[str, Any]]:
    return [named | options for named in GRIDS]


@pytest.mark.parametrize(
    ("baselines", "enough"),
    [
        ([], False),
        (GRIDS, False),
        ([*GRIDS, *spread_out(scheme="etdrk4")], True),
        ([*GRIDS, *spread_out(scheme="etdrk4")[:3]], False),
        ([*GRIDS, *spread_out(scheme="etdrk4")[:3], *spread_out(scheme="etdrk4")[:1]], False),  # the same twice
        ([*GRIDS, *spread_out(scheme="ifrk4")], False),  # what the card does anyway
        ([*GRIDS, *spread_out(cfl=0.2)], False),  # a step, not a method
    ],
)
def test_two_methods_at_four_resolutions(baselines: list[dict[str, Any]], enough: bool) -> None:
    found = wanting(task(*baselines), tiny_spec(solver__scheme="ifrk4"))
    assert (found is None) == enough
    assert enough or "Weak baselines" in str(found)


def test_the_board_says_what_is_lacking(root: Path) -> None:
    change_task(root, baselines=GRIDS)
    page = page_of(root, record("k", kind="classical", model="classical", options={"shape": [8, 8]}))
    assert "it names the card’s own: 4" in page
    assert "3 of the 4 baselines that the task names have no record here" in page
    answered = [record("k", model="classical", options={"shape": g["shape"]}) for g in GRIDS]
    assert unanswered(task(*GRIDS), answered) is None


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.parent.name)
def test_tasks_here_name_enough_and_all_can_be_built(path: Path) -> None:
    card = load_task(path)
    spec = load_spec(card.dataset)
    assert wanting(card, spec) is None
    for named in card.baselines:
        build_model(named.name, spec, None, **named.options)


# What one record says of itself is not believed where others know it


def test_the_cost_of_the_data_is_the_word_of_the_baselines(root: Path) -> None:
    """N* = ⌊(3 × 2 s + 94 s)/(3.1623 − 0.5) s⌋ + 1 = 38, though the model says that its data cost nothing."""
    coarse, fine = (record(n, e, seconds=s, kind="classical") for n, e, s in (("k", 0.1, 1.0), ("l", 0.01, 10.0)))
    put(root, coarse, fine, record("net", 0.1 / 10**0.5, seconds=0.5, generation_seconds=0.0))
    (net,) = (e for e in task_standing("tiny_rollout", root).entries if e.record.label == "net")
    assert net.break_even is not None
    assert net.break_even.value == 38


def test_the_error_of_the_truth_is_the_same_for_all(root: Path, tmp_path: Path) -> None:
    submit(record("k", truth_error=[[0.1]] * 4).save(tmp_path / "r.json"), root)
    submit(record("a", truth_error=[[0.101]] * 4).save(tmp_path / "r.json"), root)  # other hardware, other round-off
    submit(record("b").save(tmp_path / "r.json"), root)  # a store that nobody certified
    with pytest.raises(RecordError, match="truth's own error differs from that in a"):
        submit(record("c", truth_error=[[0.05]] * 4).save(tmp_path / "r.json"), root)


# Seeds against samples


def test_seeds_that_overlap_are_said_where_samples_alone_tell_two_models_apart() -> None:
    rows = [
        Entry((record("a"),), 1, False, 0.1, (0.1, 0.1), 1.0, None, None, (0.08, 0.14)),
        Entry((record("b"),), 2, False, 0.13, (0.1, 0.1), 1.0, None, None, (0.12, 0.15)),
        Entry((record("c"),), 3, False, 0.2, (0.2, 0.2), 1.0, None, None, (0.19, 0.21)),
        Entry((record("d"),), 4, False, 0.3, (0.3, 0.3), 1.0, None, None),
    ]
    assert [_overlap(below, above) for above, below in pairwise(rows)] == [True, False, False]


def test_two_that_were_trained_once_have_no_range_to_overlap() -> None:
    one = Entry((record("a"),), 1, False, 0.1, (0.1, 0.1), 1.0, None, None)
    assert not _overlap(one, one)


@pytest.mark.parametrize(
    ("p", "seeds", "words"), [(0.2, True, "not told apart"), (0.01, True, "seeds overlap"), (0.01, False, "")]
)
def test_the_cell_says_what_is_doubtful(p: float, seeds: bool, words: str) -> None:
    entry = Entry((record("b"),), 2, False, 0.2, (0.1, 0.3), 1.0, None, None, above=Above("a", p, seeds))
    assert _above(entry).note == words


# Losses and censored times, in words


def test_how_much_longer_losers_take_is_said(root: Path) -> None:
    classical = [record(n, e, seconds=s, kind="classical") for n, e, s in (("k", 0.1, 1.0), ("l", 0.01, 10.0))]
    put(
        root, *classical, record("a", 0.1, seconds=4.0), record("b", 0.01, seconds=20.0), record("c", 0.01, seconds=1.0)
    )
    said = " ".join(headlines(task_standing("tiny_rollout", root)))
    assert "1 of 3 neural models beat the classical solvers" in said
    assert "2 lose: they take 2.00 to 4.00 times as long." in said


def test_times_that_reach_the_end_are_counted(root: Path) -> None:
    lasting = record("a").values | {"correlation_time": [[[1.0]], [[0.5]]]}
    scores = record("a").scores | {"correlation_time": 0.75}  # the median of two is their mean
    page = page_of(root, record("a", values=lasting, scores=scores), record("b"))
    assert "1 of 2 to the end" in page
    assert page.count(" to the end</small>") == 1


def lasting(label: str, *times: float, **changes: Any) -> Record:
    """A record of the two test members, or of more, whose roll-outs are right for so long."""
    values = record("x").values | {"correlation_time": [[[t]] for t in times]}
    middle = sorted(times)[len(times) // 2]
    scores = record("x").scores | {"correlation_time": middle}
    if len(times) != 2:
        more = {name: [values[name][0]] * len(times) for name in ("nrmse", "correlation")}
        scores |= {"nrmse": 0.1, "correlation": 0.95}
        values |= more
    return record(label, members=list(range(4, 4 + len(times))), values=values, scores=scores, **changes)


def test_times_rank_by_their_median_which_the_horizon_does_not_cut_off(root: Path) -> None:
    """Means 0.6 and 0.62; medians 0.8 and 0.4. The end of the roll-out, 1, would have been more for some."""
    card = tiny_card(samples__count=8, splits={"train": [0, 3], "valid": [3, 4], "test": [4, 7]})
    (root / "datasets" / "tiny" / "card.yaml").write_text(yaml.safe_dump(card))
    digest = load_spec(root / "datasets" / "tiny" / "card.yaml").digest
    change_task(root, primary="correlation_time")
    put(root, lasting("even", 0.2, 0.8, 0.8, digest=digest), lasting("lucky", 0.4, 0.4, 1.06, digest=digest))
    first, second = task_standing("tiny_rollout", root).entries
    assert [(e.record.label, e.score) for e in (first, second)] == [("even", 0.8), ("lucky", 0.4)]
    assert first.interval == (0.2, 0.8)  # three samples: the median of a draw is one of them
    assert "the median over samples" in board(root)[0].read_text()


def test_medians_are_not_tested_by_means(root: Path) -> None:
    put(root, lasting("long", 0.8, 0.8), lasting("short", 0.4, 0.4))
    assert [entry.above is None for entry in task_standing("tiny_rollout", root).entries] == [True, False]
    assert "permutation test" in " ".join(notes(task_standing("tiny_rollout", root)))
    change_task(root, primary="correlation_time")
    standing = task_standing("tiny_rollout", root)
    assert [entry.above for entry in standing.entries] == [None, None]
    said = " ".join(notes(standing))
    assert "permutation test" not in said
    assert "Medians are not tested" in said


def test_medians_are_explained_whatever_their_units(root: Path) -> None:
    put(root, record("net"))
    standing = task_standing("tiny_rollout", root)
    for names, said in ((("nrmse", "valid_time"), True), (("nrmse", "correlation"), False)):
        task = standing.task.model_copy(update={"metrics": names})
        assert ("the median over samples" in " ".join(notes(replace(standing, task=task)))) == said


def test_the_note_on_break_even_says_what_its_mark_means(root: Path) -> None:
    put(root, record("net"))
    said = " ".join(notes(task_standing("tiny_rollout", root)))
    assert "marks where C_train and C_infer differ; C_data is wall-clock time always" in said


def test_a_training_by_another_clock_is_marked_where_it_is_set_against_the_inference(root: Path) -> None:
    def net(label: str, **clocks: Any) -> Record:
        return record(label, 0.1, expense=spent(0.5, training_seconds=94.0, **clocks))

    def spent(seconds: float, **more: Any) -> Expense:
        return Expense(inference_seconds=seconds, inference_seconds_batched=seconds, batch=2, **more)

    put(
        root,
        record("k", 0.1, seconds=1.0, kind="classical"),
        record("l", 0.1, seconds=1.0, kind="classical", expense=spent(1.0, clock="cpu")),
        net("same"),
        net("mixed", clock="cpu", training_clock="wall"),
        net("processor", clock="cpu", training_clock="cpu"),
    )
    entries = {e.record.label: e for e in task_standing("tiny_rollout", root).entries}
    said = {label: _break_even(entry).note for label, entry in entries.items()}
    assert said["same"] == said["processor"] == ""
    assert said["mixed"] == "training by another clock"
    assert _training(entries["processor"]) == Cell("94.0 s", 94.0, "processor")


def test_weights_without_a_seed_do_not_take_the_place_of_others(root: Path, tmp_path: Path) -> None:
    """Two ONNX graphs differ in nothing but their weights."""
    one, other = (record("net", model="onnx", weights_sha256=weights) for weights in ("a", "b"))
    place = submit(one.save(tmp_path / "r.json"), root)
    submit(one.save(tmp_path / "r.json"), root)
    with pytest.raises(RecordError, match="other weights.*delete it first.*--label"):
        submit(other.save(tmp_path / "r.json"), root)
    place.unlink()
    submit(other.save(tmp_path / "r.json"), root)


# What a board keeps of a record


def test_a_board_shows_the_same_of_sums_as_of_all_values(root: Path, tmp_path: Path) -> None:
    undefined = record("x").values | {"correlation": [[[np.nan]] * 4, [[0.9]] * 4]}
    several = [
        *seeds("net", {0: 0.1, 1: 0.2, 7: 0.3}, picture=picture()),
        record("nan", 0.15, values=undefined, scores=record("x", 0.1).scores | {"correlation": 0.9}),
        record("k", 0.2, kind="classical", truth_error=[[0.1], [0.2], [0.3], [0.4]]),
    ]
    full, slim = root, tree(tmp_path / "slim")
    put(full, *several)
    for each in several:
        place = submit(each.save(tmp_path / "r.json"), slim)
        kept = load_record(place)
        assert isinstance(kept.values["nrmse"], Sums)
        assert (len(kept.values["nrmse"].samples), len(kept.values["nrmse"].curve)) == (2, 4)
        assert kept.values["correlation_time"].curve == []
    (there, _), (here, _) = board(full), board(slim)
    assert there.read_text() == here.read_text()
    for one, other in zip(*(task_standing("tiny_rollout", r).entries for r in (full, slim)), strict=True):
        curves = [
            roll_out(load_task(full / "leaderboards" / "tiny_rollout" / "task.yaml"), e.records) for e in (one, other)
        ]
        np.testing.assert_allclose(*curves, rtol=1e-5)


def test_a_record_from_before_medians_is_slimmed_with_one(root: Path, tmp_path: Path) -> None:
    old = lasting("old", 0.2, 0.8, 0.8, schema_version=4, digest="x")
    assert slim(old).scores["correlation_time"] == 0.8
    assert slim(old).schema_version == 5
    mean = old.model_copy(update={"scores": old.scores | {"correlation_time": 0.6}})
    assert _follows(mean, "correlation_time") == pytest.approx(0.6)


def test_a_picture_from_before_is_thinned_and_kept_as_today(root: Path) -> None:
    values = np.arange(6.0)[:, None, None, None] * np.ones((6, 1, 8, 8))
    codes = np.rint(65534 * values / 5).astype("<u2")
    coded = b64encode(codes.tobytes()).decode()
    old = Picture(
        member=4, times=[1, 2, 3, 4, 5, 6], shape=(6, 1, 8, 8), truth=coded, prediction=coded, scale=[[0.0, 5.0]]
    )
    kept = slim(record("net", picture=old, schema_version=4)).picture
    assert kept is not None
    assert kept.times == [1, 3, 4, 6]
    truth, prediction = decode(kept)
    np.testing.assert_allclose(truth[:, 0, 0, 0], [0, 2, 3, 5], atol=0.02)
    np.testing.assert_allclose(prediction, truth, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": [0.1]}, "has 1 samples and 4 times, expected 2 and 4"),
        ({"curve": [0.1] * 3}, "has 2 samples and 3 times"),
        ({"samples": [0.1, 0.2]}, "scores.nrmse is 0.2, but its values give 0.15"),
    ],
)
def test_sums_that_do_not_fit_are_refused(root: Path, tmp_path: Path, changes: Any, message: str) -> None:
    kept = slim(record("net"))
    sums = kept.values["nrmse"].model_copy(update=changes)
    wrong = kept.model_copy(update={"values": kept.values | {"nrmse": sums}})
    with pytest.raises(RecordError, match=message):
        submit(wrong.save(tmp_path / "r.json"), root)
