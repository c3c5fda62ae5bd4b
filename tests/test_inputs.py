"""Fields that do not change in time, and problems without time: from the card to the store to the model."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import zarr
from steady import Exact, Ratio, Relaxation, toy_spec

import pdebench
from pdebench import sample, solve
from pdebench.certify import certify, verify
from pdebench.check import check
from pdebench.data import Normaliser, Windows
from pdebench.describe import readme
from pdebench.errors import CardError, ModelError, SolverError, StoreError
from pdebench.evaluate import evaluate
from pdebench.generate import generate
from pdebench.model import build_model
from pdebench.plot import plot_member
from pdebench.portrait import portrait
from pdebench.problem import Frame, Given, Outcome
from pdebench.store import TrajectoryStore
from pdebench.task import Task
from pdebench.testing import check_model, check_solver

BOTH = pytest.mark.parametrize("steady", [True, False], ids=["steady", "unsteady"])


def made(path, **options):
    spec = toy_spec(**options)
    generate(spec, path)
    return TrajectoryStore.open(path)


@BOTH
def test_the_store_holds_the_inputs_and_what_follows_from_them(tmp_path, steady):
    store = made(tmp_path / "s.zarr", steady=steady)
    assert (store.fields, store.inputs, store.steady) == (("solution",), ("coefficient", "source"), steady)
    for member in range(7):
        a, f = store.given(member).astype(float)
        frames, (s,) = store.frames(member), store.params([member])[0]
        assert frames.shape == (1 if steady else 4, 1, 12, 16)
        if steady:
            np.testing.assert_allclose(frames[0, 0], (f + s) / a, rtol=1e-6, atol=1e-6)
        else:
            change = (f + s) / a + (frames[0, 0] - (f + s) / a) * np.exp(-a * 1.5)
            np.testing.assert_allclose(frames[3, 0], change, rtol=1e-5, atol=1e-5)


def test_xarray_sees_an_input_once_per_member(tmp_path):
    made(tmp_path / "s.zarr", steady=False)
    data = pdebench.open(tmp_path / "s.zarr")
    assert data.coefficient.dims == ("sample", "y", "x")
    assert data.solution.dims == ("sample", "time", "y", "x")
    assert float(data.coefficient.min()) > 0
    assert data.coefficient.attrs["units"] == "1"


def test_inputs_are_sampled_on_the_output_grid_not_filtered(tmp_path):
    coarse = made(
        tmp_path / "s.zarr",
        points="ends",
        grid={"shape": [13, 21], "lengths": [1.0, 2.0], "points": "ends"},
        store={"shape": [7, 11]},
    )
    spec = coarse.spec
    own = sample.inputs(spec, Ratio(), 2, spec.grid)[:, ::2, ::2]
    np.testing.assert_array_equal(coarse.given(2), own.astype(np.float32))
    fine = next(
        e
        for e in solve.trajectories(
            spec.model_copy(update={"store": spec.store.model_copy(update={"shape": spec.grid.shape})}), np.array([2])
        )
        if isinstance(e, Frame)
    )
    np.testing.assert_array_equal(coarse.frames(2)[0], fine.values[0, :, ::2, ::2].astype(np.float32))


def test_inputs_come_before_the_frames_of_their_members():
    events = list(solve.trajectories(toy_spec(steady=False), np.array([0, 1])))
    assert [type(e) for e in events] == ([Given] + [Frame] * 4 + [Outcome]) * 2


@BOTH
def test_a_resumed_store_has_the_bits_of_a_whole_one_and_the_hash_sees_the_inputs(tmp_path, steady):
    whole = made(tmp_path / "whole.zarr", steady=steady)
    generate(toy_spec(steady=steady), tmp_path / "parts.zarr", members=range(4, 5))
    generate(toy_spec(steady=steady), tmp_path / "parts.zarr")
    parts = TrajectoryStore.open(tmp_path / "parts.zarr")
    assert parts.content_hash() == whole.content_hash()
    _scribble(parts, "source")
    assert TrajectoryStore.open(parts.path).content_hash() != whole.content_hash()


def test_an_altered_input_is_found_and_made_again(tmp_path):
    store = made(tmp_path / "s.zarr")
    before = store.content_hash()
    _scribble(store, "source")
    store = TrajectoryStore.open(store.path)
    assert [unit for unit, _ in store.damaged()] == [1]
    found = {finding.check: finding for finding in check(store) if finding.severity == "error"}
    assert found["inputs"].members == (3,)
    assert "input source is not the one of its seed" in found["inputs"].message
    assert not verify(store, 3).equal
    store.forget([1])
    assert not list((store.path / "source").glob("c.1.*"))
    generate(store.spec, store.path)
    assert TrajectoryStore.open(store.path).content_hash() == before


def _scribble(store, name):
    """Change member 3's input behind the store's back."""
    path = store.path / name / "c.1.0.0"
    values = np.memmap(path, np.float32, "r+", shape=(3, *store.grid.shape))
    values[0] *= 1.5
    values.flush()


def test_a_unit_without_its_inputs_does_not_count(tmp_path):
    spec = toy_spec()
    store = TrajectoryStore.create(tmp_path / "s.zarr", spec)
    events = [e for e in solve.trajectories(spec, np.arange(3)) if not isinstance(e, Given)]
    with pytest.raises(StoreError, match="3 of the 3 frames of .*coefficient.* never came"):
        store.write(np.arange(3), events)
    assert len(store.missing()) == 7
    assert not list(store.path.rglob("*.partial"))
    with pytest.raises(StoreError, match="input of shape"):
        store.write(np.arange(3), [Given(np.arange(3), np.zeros((3, 1, 12, 16)))])


@BOTH
def test_check_certify_and_verify_find_nothing_in_a_sound_store(tmp_path, steady):
    store = made(tmp_path / "s.zarr", steady=steady, store={"shape": [12, 16], "dtype": "float64"})
    assert not [str(f) for f in check(store) if f.severity != "ok"]
    assert all(verify(store, m).equal for m in range(7))
    assert certify(store, [1]).worst < 0.05  # cell means of the finer solution beside values at centres


def test_a_steady_solution_that_does_not_follow_from_its_inputs_is_found(tmp_path):
    store = made(tmp_path / "s.zarr")
    path = store.path / "solution" / "c.0.0.0.0"
    values = np.memmap(path, np.float32, "r+", shape=(3, *store.grid.shape))
    values[:] *= 1.01
    values.flush()
    found = [f for f in check(TrajectoryStore.open(store.path)) if f.check == "equation" and f.severity == "error"]
    assert "does not solve the card's equation" in found[0].message


class Unsound(Ratio):
    def initial(self, grid, params, rng):
        out = super().initial(grid, params, rng)
        out[0, 0, 0] = -1.0 if rng.bytes(1)[0] % 2 else 1.0
        return out


def test_a_bad_coefficient_is_a_failed_member_with_its_reason(tmp_path):
    store = made(tmp_path / "s.zarr", problem={"name": f"{__file__}:Unsound"})
    status = store.status()
    assert set(status) == {1, 2}
    for member in np.flatnonzero(status == 2):
        assert store.reasons()[member] == "a coefficient that is not positive"
        assert np.isnan(store.frames(int(member))).all()
        assert np.isfinite(store.given(int(member))).all()


class Short(Ratio):
    def initial(self, grid, params, rng):
        return super().initial(grid, params, rng)[:1]


class Twice(Ratio):
    inputs = (Ratio.inputs[0], Ratio.fields[0])


def test_cards_and_problems_that_do_not_fit_are_refused(tmp_path):
    for change, error, words in (
        ({"times": {"step": 1.0, "frames": 2}}, CardError, "steady: its one frame is the solution"),
        ({"problem": {"name": f"{__file__}:Short"}}, SolverError, r"begins with shape \(1, 12, 16\), expected \(2, 12"),
        ({"problem": {"name": f"{__file__}:Twice"}}, CardError, "gives the name 'solution' to two things"),
    ):
        with pytest.raises(error, match=words):
            generate(toy_spec(**change), tmp_path / "s.zarr")
    assert not list(tmp_path.iterdir())


# -- what models see --------------------------------------------------------------------------------------------------


@BOTH
def test_windows_show_inputs_beside_the_fields(tmp_path, steady):
    store = made(tmp_path / "s.zarr", steady=steady)
    windows = Windows(store, None, history=1 if steady else 2)
    assert len(windows) == 7 * (1 if steady else 2)
    window = windows[len(windows) - 1]
    frames, given = store.frames(6), store.given(6)
    if steady:
        np.testing.assert_array_equal(window.history, given[None])
        np.testing.assert_array_equal(window.future, frames)
        assert window.times.tolist() == [0.0]
    else:
        assert window.history.shape == (2, 3, 12, 16)
        np.testing.assert_array_equal(window.history[:, :1], frames[1:3])
        np.testing.assert_array_equal(window.history[:, 1:], np.stack([given, given]))
        np.testing.assert_array_equal(window.future, frames[3:])
        np.testing.assert_allclose(window.times, [0.5])
    batch = windows.batch(range(len(windows)))
    for index, (history, future) in enumerate(zip(batch.history, batch.future, strict=True)):
        np.testing.assert_array_equal(history, windows[index].history)
        np.testing.assert_array_equal(future, windows[index].future)


def test_a_steady_window_has_no_history_and_no_horizon(tmp_path):
    with pytest.raises(ValueError, match="toy is steady"):
        Windows(made(tmp_path / "s.zarr"), None, horizon=2)


def test_the_normaliser_knows_inputs_from_fields(tmp_path):
    store = made(tmp_path / "s.zarr", steady=False)
    found = Normaliser.measure(store, "train")
    assert found.mean.shape == (1,)
    for column, name in enumerate(store.inputs):
        values = np.stack([store.given(m)[column] for m in range(3)]).astype(float)
        assert found.input_mean[column] == pytest.approx(values.mean()), name
        assert found.input_std[column] == pytest.approx(values.std()), name


@BOTH
def test_the_classical_solver_answers_from_the_inputs_given(tmp_path, steady):
    store = made(tmp_path / "s.zarr", steady=steady)
    model = build_model("classical", store.spec)
    assert check_model(model, store.spec) == []
    window = Windows(store, "test", horizon=1 if steady else 3)[0]
    answer = model.predict(window.history[None], window.params[None], window.times)
    np.testing.assert_allclose(answer[0], window.future, rtol=1e-5, atol=1e-5)
    coarse = build_model("classical", store.spec, shape=[6, 8])
    rough = coarse.predict(window.history[None], window.params[None], window.times)
    assert rough.shape == answer.shape
    assert 0.01 < np.linalg.norm(rough - answer) / np.linalg.norm(answer) < 0.3


def test_references(tmp_path):
    for steady in (True, False):
        assert check_model(build_model("zero", toy_spec(steady=steady)), toy_spec(steady=steady)) == []
    assert check_model(build_model("persistence", toy_spec(steady=False)), toy_spec(steady=False)) == []
    with pytest.raises(ModelError, match="toy is steady.*take zero"):
        build_model("persistence", toy_spec())


@BOTH
def test_both_toys_pass_the_trials_of_a_solver(steady):
    assert check_solver(Exact(), (Ratio if steady else Relaxation)(), toy_spec(steady=steady)) == []


def _task(steady, **changes):
    card = {"name": "toy", "version": 1, "title": "Toy", "description": "Toy.", "dataset": "toy"}
    card |= {"metrics": ("nrmse",), "primary": "nrmse", "horizon": 1 if steady else 3}
    return Task(**(card | changes))


@BOTH
def test_evaluate_asks_with_inputs(tmp_path, monkeypatch, steady):
    store = made(tmp_path / "s.zarr", steady=steady)
    monkeypatch.setattr(sys.modules["pdebench.evaluate"], "load_spec", lambda name: store.spec)
    record = evaluate("classical", store, _task(steady))
    assert record.scores["nrmse"] < 1e-5
    assert np.array(record.values["nrmse"]).shape == (3, 1 if steady else 3, 1)
    assert evaluate("zero", store, _task(steady)).scores["nrmse"] == pytest.approx(1)
    if steady:
        with pytest.raises(CardError, match="toy is steady, so first must be 0"):
            evaluate("zero", store, _task(True, history=2))


@BOTH
def test_a_network_learns_from_inputs(tmp_path, steady):
    pytest.importorskip("torch")
    from pdebench.recipe import Recipe
    from pdebench.train import train

    store = made(tmp_path / "s.zarr", steady=steady)
    options = {"width": 4, "modes": 3, "layers": 2}
    errors = []
    path = train(
        "fno",
        store,
        tmp_path / "w.safetensors",
        Recipe(epochs=20, batch_size=1),
        options=options,
        report=lambda progress: errors.append(progress.train_error),
    )
    assert errors[-1] < 0.5 * errors[0]
    model = build_model("fno", store.spec, path)
    assert check_model(model, store.spec) == []
    with pytest.raises(ModelError, match="was trained on inputs"):
        build_model("fno", toy_spec(steady=steady, problem={"name": f"{__file__}:Renamed"}), path)


class Renamed(Ratio):
    inputs = (Ratio.inputs[0], type(Ratio.inputs[1])("load", "1", "load"))


# -- pages and pictures -----------------------------------------------------------------------------------------------


@BOTH
def test_pictures_and_pages_show_the_inputs(tmp_path, steady):
    store = made(tmp_path / "s.zarr", steady=steady)
    page = readme(store.spec)
    assert "| inputs, the same at all times | `coefficient` (coefficient), `source` (source), non-dimensional |" in page
    assert ("none: one steady solution per member" in page) == steady
    frames = 1 if steady else 4
    assert f"| size | {7 * (frames + 2) * 12 * 16 * 4 / 1e9:.3g} GB in units of 3 members |" in page
    for path in (plot_member(store, 0, tmp_path / "m.png"), portrait(store.spec, tmp_path / "i.png")):
        assert path.stat().st_size > 5000


def test_the_attributes_say_what_is_an_input(tmp_path):
    made(tmp_path / "s.zarr")
    attributes = dict(zarr.open_group(tmp_path / "s.zarr", mode="r").attrs)
    assert attributes["inputs"] == ["coefficient", "source"]
    assert attributes["steady"] is True
