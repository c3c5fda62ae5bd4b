"""(model, store, task) -> Record: whole, honest, and one clear line for whatever is wrong."""

from __future__ import annotations

import shutil
import time
import weakref

import numpy as np
import pytest
import yaml
from specs import tiny_card, tiny_spec

from pdebench import __version__, provenance, timing
from pdebench.errors import CardError, ModelError, PdebenchError, StoreError
from pdebench.evaluate import _label, _picture, evaluate
from pdebench.generate import generate
from pdebench.metrics import metrics, per_sample
from pdebench.picture import decode
from pdebench.question import Question
from pdebench.spec import parse
from pdebench.store import TrajectoryStore
from pdebench.task import Task, load_record

CARD = tiny_card(samples__count=9, splits={"train": [0, 3], "valid": [3, 4], "test": [4, 9]})
SPEC = tiny_spec(samples__count=9, splits={"train": [0, 3], "valid": [3, 4], "test": [4, 9]})


APART = {"spread_skill", "coverage", "rank_flatness", "valid_time", "residual", "boundary_violation"}
SOLO = [name for name in metrics if name not in APART]


def task(**changes):
    card = {
        "name": "tiny_task",
        "version": 3,
        "title": "Tiny",
        "description": "For tests.",
        "dataset": "tiny",
        "horizon": 4,
        "metrics": SOLO,
        "primary": "nrmse",
        "time_limit": 60,
    }
    return parse(Task, card | changes, where="tiny_task")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluate") / "tiny.zarr"
    generate(SPEC, path)
    return path


@pytest.fixture
def store(path, tmp_path, monkeypatch):
    """The store, in a folder where the card `tiny` is found by its name."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "card.yaml").write_text(yaml.safe_dump(CARD))
    monkeypatch.chdir(tmp_path)
    return TrajectoryStore.open(path)


class Says:
    """A model whose `predict` is the function given; remembers the batches it saw."""

    def __init__(self, predict, **attributes):
        self._predict, self.seen = predict, []
        self.__dict__.update(attributes)

    def predict(self, history, params, times):
        self.seen.append(len(history))
        return self._predict(history, params, times)


def repeat(history, params, times):
    return np.repeat(history[:, -1:], len(times), axis=1)


def test_the_record_is_whole_and_survives_the_disk(store, tmp_path):
    record = evaluate("persistence", store, task())
    assert load_record(record.save(tmp_path / "records" / "one.json")) == record.sealed()
    assert (record.task, record.task_version, record.dataset, record.dataset_version) == ("tiny_task", 3, "tiny", 1)
    assert record.dataset_digest == SPEC.digest
    assert (record.model, record.label, record.kind) == ("persistence", "persistence", "reference")
    assert record.fields == ["vorticity"]
    assert record.times == [0.25, 0.5, 0.75, 1.0]
    assert record.members == [4, 5, 6, 7, 8]
    assert set(record.scores) == set(record.values) == set(SOLO)
    assert record.generation_seconds == pytest.approx(store.wall_seconds().mean(), rel=1e-5)
    assert record.truth_error is None
    assert record.expense.inference_seconds > 0
    assert record.expense.inference_seconds_batched > 0
    assert record.expense.peak_memory_bytes > 10_000_000
    assert "logical cores" in record.hardware
    assert {"pdebench", "numpy"} <= set(record.versions)
    assert record.created.endswith("+00:00")
    assert record.commit


def test_values_have_the_shape_that_the_metric_promises(store):
    record = evaluate("persistence", store, task())
    for name, values in record.values.items():
        samples, times, _ = np.shape(values)
        assert (samples, times) == (5, 4 if metrics[name].curve else 1), name


def test_scores_follow_from_the_values_alone(store):
    record = evaluate("persistence", store, task())
    for name, values in record.values.items():
        one = {"mean": np.mean, "median": np.median}[metrics[name].typical]
        assert record.scores[name] == float(f"{one(per_sample(np.array(values))):.6g}")
    assert metrics["correlation_time"].typical == "median"
    by_hand = []
    for member in range(4, 9):
        frames = store.frames(member)[:, 0].astype(float)
        by_hand.append(np.sqrt(((frames[0] - frames[1:]) ** 2).mean(axis=(1, 2)) / (frames[1:] ** 2).mean(axis=(1, 2))))
    np.testing.assert_allclose(np.array(record.values["nrmse"])[:, :, 0], by_hand, rtol=5e-5)
    assert record.scores["nrmse"] == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_numbers_are_kept_to_six_digits(store):
    record = evaluate("persistence", store, task())
    for value in np.ravel(record.values["rmse"]):
        assert value == float(f"{value:.5g}")


def test_a_label_says_numbers_in_short_but_whole():
    options = {"shape": [6, 8], "most": 1e6, "cfl": 0.45, "exact": 0.123456789, "steps": 1_000_000}
    assert (
        _label("classical", options) == "classical, shape 6×8, most 1e+06, cfl 0.45, exact 0.123456789, steps 1000000"
    )


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_the_batch_size_changes_cost_only(store, batch):
    whole, split = evaluate("classical", store, task()), evaluate("classical", store, task(), batch=batch)
    assert split.values == whole.values
    assert split.picture == whole.picture
    assert split.expense.batch == min(batch, 5)


def test_the_classical_solver_at_the_cards_resolution_is_nearly_exact(store):
    record = evaluate("classical", store, task())
    assert record.kind == "classical"
    assert record.scores["nrmse"] < 1e-6
    coarse = evaluate("classical", store, task(), options={"shape": [10, 10]})
    assert coarse.label == "classical, shape 10×10"
    assert coarse.options == {"shape": [10, 10]}
    assert 1e-3 < coarse.scores["nrmse"] < evaluate("persistence", store, task()).scores["nrmse"]


@pytest.mark.parametrize(
    ("changes", "given", "wanted"),
    [
        ({}, [0], [1, 2, 3, 4]),
        ({"history": 2, "horizon": 2}, [0, 1], [2, 3]),
        ({"first": 1, "horizon": 3}, [1], [2, 3, 4]),
        ({"history": 1, "horizon": 2, "stride": 2}, [0], [2, 4]),
        ({"history": 2, "horizon": 1, "stride": 2}, [0, 2], [4]),
    ],
)
def test_a_model_sees_the_history_and_is_scored_on_the_rest(store, changes, given, wanted):
    asked = []

    def look(history, params, times):
        asked.append((history.copy(), params.copy(), times.copy()))
        return repeat(history, params, times)

    record = evaluate(Says(look), store, task(**changes), batch=5)
    history, params, times = next(a for a in asked if len(a[0]) == 5)
    np.testing.assert_array_equal(history, np.stack([store.frames(m)[given] for m in range(4, 9)]))
    np.testing.assert_array_equal(params, store.params(range(4, 9)))
    np.testing.assert_allclose(times, [0.25 * (w - given[-1]) for w in wanted])
    error = np.stack([store.frames(m)[wanted] - store.frames(m)[given[-1]] for m in range(4, 9)])[:, :, 0].astype(float)
    found = np.array(record.values["rmse"])
    assert found.shape == (5, len(wanted), 1)  # the given frames never count
    np.testing.assert_allclose(found[..., 0], np.sqrt((error**2).mean(axis=(2, 3))), rtol=5e-5)
    assert record.times == pytest.approx(list(times))


def test_invariants_get_each_members_own_parameters_and_the_last_given_frame(store, monkeypatch):
    monkeypatch.setattr(store, "params", lambda members: np.array([[0.0, 10.0**m] for m in members]))
    asked = Question(store, task(history=2, horizon=3))
    items = asked.items(np.array([5, 4, 6]))
    monkeypatch.setattr(
        asked,
        "_invariants",
        lambda states, grid, params: {"mean": states.mean(axis=(-3, -2, -1)) * params["viscosity"]},
    )
    context = asked.context(items, np.zeros((3, 1, 16, 16)), np.ones((16, 16), bool))
    found = context.invariants(np.ones((3, 7, 1, 16, 16)))["mean"]
    np.testing.assert_allclose(found, np.repeat([[1e5], [1e4], [1e6]], 7, axis=1))
    record = evaluate("persistence", store, task(history=2, horizon=3))
    frames = store.frames(4).astype(float)[:, 0]
    expected = abs(frames[4].mean() - frames[1].mean()) / np.abs(frames[1]).mean()
    assert record.values["relative_conserved_error"][0][2][0] == pytest.approx(expected, rel=1e-4, abs=1e-12)


def test_the_truths_own_error_is_that_of_the_split_that_is_asked(store, monkeypatch):
    """Members of other splits, and those that nobody has certified, do not count."""
    asked = Question(store, task(history=2, horizon=3))
    frames, members = len(store.times), store.members("test")
    errors = np.arange(store.spec.samples.count, dtype=float)[:, None, None] + np.zeros((1, frames, 1))
    errors[members[-1]] = np.nan
    monkeypatch.setattr(store, "truth_error", lambda: errors)
    assert len(members) < store.spec.samples.count and members.mean() != store.members().mean()
    np.testing.assert_allclose(asked.truth_error(), np.full((len(asked.times), 1), members[:-1].mean()))


def test_spoiling_the_input_does_not_change_the_score(store):
    def spoil(history, params, times):
        out = repeat(history, params, times)
        history[...], params[...], times[...] = 7, 7, 7
        return out

    assert evaluate(Says(spoil), store, task()).values == evaluate("persistence", store, task()).values


def test_some_diverged_samples_score_worst_and_the_rest_count(store):
    def predict(history, params, times):
        out = repeat(history, params, times)
        out[np.abs(history[:, 0, 0, 0, 0] - lost) < 1e-6, 2:] = np.nan
        return out

    lost = store.frames(6)[0, 0, 0, 0]
    record = evaluate(Says(predict), store, task(), batch=2)
    good = evaluate("persistence", store, task())
    assert record.scores["nrmse"] == np.inf
    assert record.values["nrmse"][2] == [good.values["nrmse"][2][0], good.values["nrmse"][2][1], [np.inf], [np.inf]]
    assert [record.values["nrmse"][i] for i in (0, 1, 3, 4)] == [good.values["nrmse"][i] for i in (0, 1, 3, 4)]
    assert record.scores["stability"] == pytest.approx(0.8)
    assert np.isfinite(record.scores["correlation_time"])


def test_a_record_with_infinite_scores_survives_the_disk(store, tmp_path):
    def predict(history, params, times):
        out = repeat(history, params, times)
        out[: len(out) // 2] = np.inf
        return out

    record = evaluate(Says(predict), store, task(), batch=4)  # of 4 the first 2 are lost
    again = load_record(record.save(tmp_path / "r.json"))
    assert again.scores["rmse"] == np.inf
    assert per_sample(np.array(again.values["rmse"])).tolist()[:2] == [np.inf, np.inf]


def answers(value):
    return lambda history, params, times: np.full((len(history), len(times), *history.shape[2:]), value)


def test_a_model_with_no_finite_sample_is_an_error(store):
    with pytest.raises(ModelError, match="NaN or infinite values in all 5 samples"):
        evaluate(Says(answers(np.nan)), store, task())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Says(lambda h, p, t: h), "expected"),
        (Says(repeat, kind="oracle"), "kind 'oracle'"),
        (object(), "no attribute 'predict'"),
        ("persistance", "did you mean"),
        ("nowhere.py:Model", "nowhere.py"),
    ],
)
def test_broken_models_are_one_clear_line(store, model, said):
    with pytest.raises(PdebenchError, match=said) as caught:
        evaluate(model, store, task())
    assert "\n" not in str(caught.value)


def test_the_time_limit_holds_for_all_samples_together(store):
    def slow(history, params, times):
        time.sleep(0.12 if len(history) == 2 else 0)
        return repeat(history, params, times)

    with pytest.raises(ModelError, match="time_limit"):
        evaluate(Says(slow), store, task(time_limit=0.2), batch=2)  # two calls of 0.12 s, each within the limit


def test_warm_up_calls_are_not_in_the_timing(store, monkeypatch):
    clock = [0.0]

    def predict(history, params, times):
        first = len(history) not in model.seen[:-1]
        clock[0] += 100 if first else 1 if len(history) == 1 else 10
        return repeat(history, params, times)

    model = Says(predict, parameter_count=12, training_seconds=3.5, training_clock="cpu", kind="neural")
    monkeypatch.setattr(timing, "perf_counter", lambda: clock[0])
    expense = evaluate(model, store, task(time_limit=1000), batch=2).expense
    assert expense.inference_seconds == 1
    assert expense.inference_seconds_batched == 5
    assert (expense.parameters, expense.training_seconds, expense.training_clock) == (12, 3.5, "cpu")


def test_a_slow_model_is_not_asked_more_than_needed(store, monkeypatch):
    clock = [0.0]

    def slow(history, params, times):
        clock[0] += 10
        return repeat(history, params, times)

    model = Says(slow)
    monkeypatch.setattr(timing, "perf_counter", lambda: clock[0])
    evaluate(model, store, task(time_limit=1000), batch=2)
    assert model.seen == [1, 1, 2, 2, 1]


def test_a_slow_model_whose_batches_cost_what_one_does_gets_batches(store, monkeypatch):
    clock = [0.0]

    def slow(history, params, times):
        clock[0] += 4
        return repeat(history, params, times)

    monkeypatch.setattr(timing, "perf_counter", lambda: clock[0])
    expense = evaluate(Says(slow), store, task(time_limit=1000)).expense
    assert (expense.batch, expense.inference_seconds_batched) == (2, 2)  # 4 may take more than half of 5 · 4 s


def test_one_full_batch_is_timed_on_a_second_call(store):
    model = Says(repeat)
    evaluate(model, store, task(), batch=4)
    assert [b for b in model.seen if b > 1] == [4, 4]


def test_progress_counts_samples(store):
    told = []
    evaluate("persistence", store, task(), batch=2, progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_weights_are_named_by_their_hash(store, tmp_path):
    (tmp_path / "mine.py").write_text(
        "class Model:\n"
        "    def __init__(self, spec, weights=None): self.weights = weights.read_text()\n"
        "    def predict(self, history, params, times): return history[:, -1:].repeat(len(times), axis=1)\n"
    )
    (tmp_path / "weights").write_text("abc")
    record = evaluate("mine.py:Model", store, task(), weights=str(tmp_path / "weights"))
    assert record.weights_sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (record.model, record.label) == ("mine.py:Model", "Model")


def test_certificates_are_averaged_over_their_members(path, store, tmp_path):
    shutil.copytree(path, tmp_path / "copy.zarr")
    copy = TrajectoryStore.open(tmp_path / "copy.zarr")
    values = np.arange(10.0).reshape(2, 5, 1)
    copy.set_truth_error(np.array([5, 7]), values)
    assert evaluate("persistence", copy, task()).truth_error == values.mean(axis=0)[1:].tolist()


def test_the_picture_is_the_first_sample(store):
    picture = evaluate("persistence", store, task(history=1, horizon=4)).picture
    assert (picture.member, picture.times, picture.shape) == (4, [0.25, 0.5, 0.75, 1.0], (4, 1, 16, 16))
    truth, pred = decode(picture)
    still = np.repeat(store.frames(4)[:1], 4, axis=0)
    step, reach = np.ptp(store.frames(4)[1:]) / 254, np.abs(still - store.frames(4)[1:]).max()  # half a code is lost
    np.testing.assert_allclose(truth, store.frames(4)[1:], rtol=0, atol=0.51 * step)
    np.testing.assert_allclose(pred - truth, still - store.frames(4)[1:], rtol=0, atol=0.51 * reach / 31)


@pytest.mark.parametrize(
    ("space", "steps"), [((100,), (2,)), ((64, 64), (1, 1)), ((65, 130), (2, 3)), ((8, 65, 16), (2, 1))]
)
def test_a_picture_is_small_in_any_dimension(space, steps):
    values = np.random.default_rng(0).standard_normal((20, 2, *space))
    picture = _picture(0, np.arange(20.0), values, values + 1)
    shown = [0, 6, 13, 19]  # four, evenly spread, both ends among them
    assert picture.times == shown
    truth, pred = decode(picture)
    plane = values[:, :, 4] if len(space) == 3 else values
    expected = plane[shown][(..., *(slice(None, None, step) for step in steps))]
    np.testing.assert_allclose(truth, expected, rtol=0, atol=0.51 * np.ptp(expected) / 254)
    np.testing.assert_allclose(pred - truth, 1, rtol=0, atol=1e-6)


def test_another_dataset_is_refused(store, tmp_path):
    other = tiny_spec(samples__count=9, samples__seed=2, splits=CARD["splits"])
    generate(other, tmp_path / "other.zarr")
    with pytest.raises(StoreError, match=f"{other.digest}.*{SPEC.digest}.*pdebench generate tiny --out"):
        evaluate("persistence", TrajectoryStore.open(tmp_path / "other.zarr"), task())


def test_an_unfinished_split_is_refused(store, tmp_path):
    generate(SPEC, tmp_path / "part.zarr", members=range(6))
    part = TrajectoryStore.open(tmp_path / "part.zarr")
    with pytest.raises(StoreError, match=r"3 of the 5 test samples are missing.*pdebench generate tiny --out .*part"):
        evaluate("persistence", part, task())
    assert evaluate("persistence", part, task(split="valid")).members == [3]


def test_members_that_failed_are_left_out(store, monkeypatch):
    monkeypatch.setattr(store, "status", lambda: np.array([1] * 5 + [2] + [1] * 3))
    monkeypatch.setattr(store, "members", lambda split=None: np.array([4, 6, 7, 8]))
    record = evaluate("persistence", store, task())
    assert record.members == [4, 6, 7, 8]
    monkeypatch.setattr(store, "members", lambda split=None: np.array([], int))
    with pytest.raises(StoreError, match="every test sample"):
        evaluate("persistence", store, task())


def test_a_truth_that_is_not_finite_is_refused(store, monkeypatch):
    honest = store.frames
    monkeypatch.setattr(store, "frames", lambda m, *a: honest(m, *a) * (np.nan if m == 7 and a[0] else 1))
    with pytest.raises(StoreError, match="not finite"):
        evaluate("persistence", store, task())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"horizon": 5}, "frames up to 5, but tiny has 5"),
        ({"metrics": ["nrmse", "nrsme"]}, "no metric named 'nrsme'"),
        ({"dataset": "tinny"}, "tinny"),
    ],
)
def test_a_task_that_does_not_fit_is_refused_before_any_prediction(store, changes, said):
    model = Says(repeat)
    with pytest.raises((CardError, PdebenchError), match=said):
        evaluate(model, store, task(**changes))
    assert not model.seen


def test_a_batch_must_hold_something(store):
    with pytest.raises(PdebenchError, match="at least 1"):
        evaluate("persistence", store, task(), batch=0)


def test_a_task_by_name(store, tmp_path):
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(task(metrics=["nrmse"]).model_dump(mode="json")))
    assert evaluate("persistence", store, tmp_path / "task.yaml").task == "tiny_task"


def test_only_one_batch_of_predictions_is_held(store):
    alive = []

    def predict(history, params, times):
        assert not any(ref() is not None for ref in alive)
        out = repeat(history, params, times)
        alive.append(weakref.ref(out))
        return out

    evaluate(Says(predict), store, task(), batch=2)
    assert len(alive) > 4


def test_commit_tells_the_version_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "pdebench" / "provenance.py"))
    assert provenance.commit() == __version__
    (tmp_path / ".git").mkdir()  # broken: git fails
    assert provenance.commit() == __version__


def test_an_ensemble_is_scored_whole_and_by_its_mean(store):
    """Members persistence ± 0.1: their mean scores as persistence; the members are 0.2 apart everywhere."""

    class Two:
        ensemble = 2

        def predict(self, history, params, times):
            one = np.repeat(history[:, -1:].astype(float), len(times), axis=1)
            return np.stack([one - 0.1, one + 0.1])

    names = ["nrmse", "crps", "spread_skill"]
    record = evaluate(Two(), store, task(metrics=names, primary="crps"))
    alone = evaluate("persistence", store, task(metrics=["nrmse", "crps"], primary="crps"))
    np.testing.assert_allclose(record.values["nrmse"], alone.values["nrmse"], rtol=1e-5)
    assert record.scores["crps"] < alone.scores["crps"]  # alone: the mean absolute error
    assert np.isfinite(record.values["spread_skill"]).all()
    with pytest.raises(ModelError, match=r"expected \(3, .* \(member, sample, time, field"):
        evaluate(Says(lambda *a: Two().predict(*a), ensemble=3), store, task(metrics=names))
