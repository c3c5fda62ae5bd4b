"""Training: the loss goes down, a killed run goes on where it was, and nothing is overwritten by surprise."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import tiny_store

from pdebench.errors import CardError, ModelError, StoreError
from pdebench.spec import parse
from pdebench.store import TrajectoryStore

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from pdebench.baselines.fno import FNOModel  # noqa: E402
from pdebench.baselines.torch_model import dump, load  # noqa: E402
from pdebench.recipe import Progress, Recipe, one_cycle  # noqa: E402
from pdebench.train import train  # noqa: E402

train_module: Any = import_module("pdebench.train")  # `pdebench.train` is the function
recipe_module: Any = import_module("pdebench.recipe")

OPTIONS = {"width": 6, "modes": 4, "layers": 2, "coordinates": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrajectoryStore:
    return tiny_store(tmp_path_factory.mktemp("train") / "tiny.zarr")


def recipe(**changes: Any) -> Recipe:
    return Recipe(**({"epochs": 2, "batch_size": 4, "threads": 1} | changes))


def tensors(path: Path) -> dict[str, Any]:
    return load(path)[1]


def test_errors_go_down_and_the_best_weights_are_kept(store: TrajectoryStore, tmp_path: Path) -> None:
    seen: list[Progress] = []
    budget = recipe(epochs=40, learning_rate=1e-2)
    out = train("fno", store, tmp_path / "fno.safetensors", budget, options=OPTIONS, report=seen.append)
    assert [p.epoch for p in seen] == list(range(1, 41))
    assert seen[-1].done == 1
    assert seen[-1].train_error < 0.75 * seen[0].train_error
    passport, _ = load(out)
    assert passport.valid_error == min(p.valid_error for p in seen) == seen[-1].best_error
    assert passport.dataset_digest == store.spec.digest
    assert passport.step == 0.25
    assert passport.training_seconds == pytest.approx(seen[-1].seconds)
    assert passport.training["finished"]
    assert [row[2] for row in passport.training["curve"]] == [p.valid_error for p in seen]
    assert list(tmp_path.iterdir()) == [out]


def test_the_reported_error_is_that_of_the_kept_model_on_the_valid_split(
    store: TrajectoryStore, tmp_path: Path
) -> None:
    out = train("fno", store, tmp_path / "fno.safetensors", recipe(), options=OPTIONS)
    model = FNOModel(store.spec, out)
    (member,) = store.members("valid")
    frames, params = store.frames(int(member)), store.params([int(member)])
    errors = [
        np.linalg.norm(model.predict(frames[None, i : i + 1], params, np.array([0.25]))[0, 0] - frames[i + 1])
        / np.linalg.norm(frames[i + 1] - float(model._stepper.mean))
        for i in range(4)
    ]
    assert load(out)[0].valid_error == pytest.approx(np.mean(errors), rel=1e-4)


def test_the_seed_decides_the_weights(store: TrajectoryStore, tmp_path: Path) -> None:
    torch.manual_seed(99)  # the caller's own state must not matter
    expected = torch.rand(1)
    torch.manual_seed(99)
    a, b, c = (
        tensors(train("fno", store, tmp_path / f"{name}.safetensors", recipe(seed=seed), options=OPTIONS))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["network.lift.weight"], c["network.lift.weight"])
    assert torch.rand(1) == expected  # nor be changed


class Killed(BaseException):
    pass


@pytest.mark.parametrize("error", [Killed, KeyboardInterrupt])
def test_resumed_is_uninterrupted(store: TrajectoryStore, tmp_path: Path, error: type[BaseException]) -> None:
    whole: list[Progress] = []
    straight = train("fno", store, tmp_path / "a.safetensors", recipe(epochs=4), options=OPTIONS, report=whole.append)

    seen: list[Progress] = []

    def stop_after_two(progress: Progress) -> None:
        seen.append(progress)
        if progress.epoch == 2:
            raise error

    with pytest.raises(error):
        train("fno", store, tmp_path / "b.safetensors", recipe(epochs=4), options=OPTIONS, report=stop_after_two)
    FNOModel(store.spec, tmp_path / "b.safetensors")  # the best so far is there and whole
    broken = train("fno", store, tmp_path / "b.safetensors", recipe(epochs=4), options=OPTIONS, report=seen.append)
    assert [p.train_error for p in seen] == [p.train_error for p in whole]
    assert [p.valid_error for p in seen] == [p.valid_error for p in whole]
    first, second = tensors(straight), tensors(broken)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_best_is_remembered_over_an_interruption(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_module._Run, "_validate", lambda self: [0.1, 0.9, 0.8, 0.7][self._epoch])

    def stop_after_two(progress: Progress) -> None:
        if progress.epoch == 2:
            raise Killed

    out = tmp_path / "fno.safetensors"
    with pytest.raises(Killed):
        train("fno", store, out, recipe(epochs=4), options=OPTIONS, report=stop_after_two)
    train("fno", store, out, recipe(epochs=4), options=OPTIONS)
    assert (load(out)[0].epochs, load(out)[0].valid_error) == (1, 0.1)


def test_an_epoch_cut_short_is_done_again(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train("fno", store, tmp_path / "a.safetensors", recipe(epochs=3), options=OPTIONS)
    update, calls = train_module._Run._update, []

    def dies(self: Any, *args: Any, **kwargs: Any) -> float:
        calls.append(1)
        if len(calls) == 5:  # in the second epoch of three batches
            raise Killed
        return update(self, *args, **kwargs)

    monkeypatch.setattr(train_module._Run, "_update", dies)
    with pytest.raises(Killed):
        train("fno", store, tmp_path / "b.safetensors", recipe(epochs=3), options=OPTIONS)
    again = train("fno", store, tmp_path / "b.safetensors", recipe(epochs=3), options=OPTIONS)
    assert len(calls) == 5 + 6
    first, second = tensors(straight), tensors(again)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_finished_training_is_not_done_again(store: TrajectoryStore, tmp_path: Path) -> None:
    out = train("fno", store, tmp_path / "fno.safetensors", recipe(), options=OPTIONS)
    before = out.stat().st_mtime_ns
    seen: list[Progress] = []
    train("fno", store, out, recipe(), options=OPTIONS, report=seen.append)
    assert not seen
    assert out.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"seed": 5}, OPTIONS, "seed was 0, now 5"),
        ({"epochs": 3}, OPTIONS, "epochs was 2, now 3"),
        ({}, OPTIONS | {"width": 8}, "options was"),
    ],
)
def test_weights_of_another_training_are_not_overwritten(
    store: TrajectoryStore, tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    out = train("fno", store, tmp_path / "fno.safetensors", recipe(), options=OPTIONS)
    with pytest.raises(ModelError, match=message):
        train("fno", store, out, recipe(**changes), options=options)
    train("fno", store, out, recipe(**changes), options=options, resume=False)
    assert load(out)[0].options == options


def test_a_file_that_is_no_weights_is_not_overwritten(store: TrajectoryStore, tmp_path: Path) -> None:
    out = tmp_path / "thesis.txt"
    out.write_text("years of work")
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        train("fno", store, out, recipe(), options=OPTIONS)
    assert out.read_text() == "years of work"


def test_a_budget_in_seconds_ends_within_an_epoch(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))  # every look at the clock takes a second
    monkeypatch.setattr(recipe_module, "perf_counter", lambda: float(next(clock)))
    seen: list[Progress] = []
    updates: list[float] = []
    update = train_module._Run._update
    monkeypatch.setattr(
        train_module._Run,
        "_update",
        lambda self, batch, learning_rate: updates.append(learning_rate) or update(self, batch, learning_rate),
    )
    budget = recipe(epochs=None, seconds=13.0, learning_rate=1e-2)
    train("fno", store, tmp_path / "fno.safetensors", budget, options=OPTIONS, report=seen.append)
    assert seen[-1].done == 1
    assert len(updates) < 12
    assert max(updates) <= budget.learning_rate
    assert updates[-1] < 0.2 * budget.learning_rate  # the cycle was completed


def test_unroll_stride_and_history_reach_the_model(store: TrajectoryStore, tmp_path: Path) -> None:
    budget = recipe(epochs=1, unroll=2, stride=1, history=2)
    passport, _ = load(train("fno", store, tmp_path / "a.safetensors", budget, options=OPTIONS))
    assert (passport.history, passport.step) == (2, 0.25)
    strided = train("fno", store, tmp_path / "b.safetensors", recipe(epochs=1, stride=2), options=OPTIONS)
    model = FNOModel(store.spec, strided)
    frames = store.frames(4, 0, 1)[None]
    assert model.predict(frames, store.params([4]), np.array([0.5])).shape == (1, 1, 1, 16, 16)
    with pytest.raises(ModelError, match=r"steps by 0\.5"):
        model.predict(frames, store.params([4]), np.array([0.25]))


def test_noise_enters_training_but_not_validation(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    errors = train_module._Run._errors

    def watched(self: Any, batch: Any, noise: float = 0.0) -> Any:
        asked.append(noise)
        return errors(self, batch, noise)

    monkeypatch.setattr(train_module._Run, "_errors", watched)
    seen: list[Progress] = []
    train("fno", store, tmp_path / "a.safetensors", recipe(epochs=1, noise=0.5), options=OPTIONS, report=seen.append)
    assert asked == [0.5] * 3 + [0.0]
    train("fno", store, tmp_path / "b.safetensors", recipe(epochs=1), options=OPTIONS, report=seen.append)
    assert seen[0].train_error > 1.2 * seen[1].train_error


def test_a_training_that_diverges_says_so_and_keeps_the_best(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = train_module._Run._errors
    monkeypatch.setattr(
        train_module._Run,
        "_errors",
        lambda self, batch, **kwargs: errors(self, batch, **kwargs) * (float("nan") if self._epoch else 1.0),
    )
    with pytest.raises(ModelError, match="diverged in epoch 2: choose a lower learning_rate"):
        train("fno", store, tmp_path / "fno.safetensors", recipe(), options=OPTIONS)
    assert load(tmp_path / "fno.safetensors")[0].epochs == 1


def test_what_cannot_be_trained_is_refused(store: TrajectoryStore, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'persistence' has nothing to train; these have: .*fno"):
        train("persistence", store, tmp_path / "a.safetensors", recipe())
    with pytest.raises(ModelError, match="cannot be built with options"):
        train("fno", store, tmp_path / "a.safetensors", recipe(), options={"depth": 3})
    with pytest.raises(ModelError, match="plain values"):
        train("fno", store, tmp_path / "a.safetensors", recipe(), options={"width": object()})
    with pytest.raises(StoreError, match="spans 6 frames"):
        train("fno", store, tmp_path / "a.safetensors", recipe(unroll=5), options=OPTIONS)
    assert not list(tmp_path.iterdir())


def test_a_recipe_must_end() -> None:
    with pytest.raises(CardError, match="give epochs, seconds, or both"):
        parse(Recipe, {}, where="recipe")


def test_the_model_says_its_learning_rate_unless_the_recipe_does(store: TrajectoryStore, tmp_path: Path) -> None:
    for rate, expected in ((None, FNOModel.learning_rate), (3e-4, 3e-4)):
        out = train(
            "fno", store, tmp_path / f"{rate}.safetensors", recipe(epochs=1, learning_rate=rate), options=OPTIONS
        )
        assert load(out)[0].training["recipe"]["learning_rate"] == expected


def test_patience_ends_a_training_that_gets_no_better(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that was interrupted while it waited."""
    monkeypatch.setattr(train_module._Run, "_validate", lambda self: [0.5, 0.3, 0.4, 0.4, 0.2, 0.1][self._epoch])
    seen: list[Progress] = []

    def stop_after_three(progress: Progress) -> None:
        if progress.epoch == 3:
            raise Killed

    out, budget = tmp_path / "fno.safetensors", recipe(epochs=6, patience=2)
    with pytest.raises(Killed):
        train("fno", store, out, budget, options=OPTIONS, report=stop_after_three)
    train("fno", store, out, budget, options=OPTIONS, report=seen.append)
    assert [(p.epoch, p.done) for p in seen] == [(4, 1.0)]
    assert (load(out)[0].epochs, load(out)[0].valid_error) == (2, 0.3)


def test_the_clock_of_the_processor_stands_still_while_others_work(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipe_module, "process_time", lambda: 5.0)
    budget = recipe(epochs=3, seconds=1e-3, clock="cpu")
    passport, _ = load(train("fno", store, tmp_path / "fno.safetensors", budget, options=OPTIONS))
    assert (passport.training_seconds, len(passport.training["curve"])) == (0.0, 3)
    assert FNOModel(store.spec, tmp_path / "fno.safetensors").training_clock == "cpu"


def slowly(monkeypatch: pytest.MonkeyPatch, update: float, validation: float, warm_up: float = 0.0) -> list[float]:
    """A clock by which an update takes so many seconds, and a validation, of which one batch its share.

    The first batch of all takes longer. What comes back is filled with the learning rates.
    """
    now, rates = [0.0, warm_up], []
    own, errors = train_module._Run._update, train_module._Run._errors

    def learn(self: Any, batch: Any, learning_rate: float) -> Any:
        rates.append(learning_rate)
        return own(self, batch, learning_rate)

    def measured(self: Any, batch: Any, noise: float = 0.0) -> Any:
        batches = -(-len(self._validated) // self.recipe.batch_size)
        now[:] = now[0] + now[1] + (update if self._stepper.training else validation / batches), 0.0
        return errors(self, batch, noise)

    monkeypatch.setattr(recipe_module, "perf_counter", lambda: now[0])
    monkeypatch.setattr(train_module._Run, "_update", learn)
    monkeypatch.setattr(train_module._Run, "_errors", measured)
    return rates


@pytest.mark.parametrize(
    ("update", "validation"),
    [(1.0, 4.0), (1.0, 11.0), (3.0, 8.0), (1.0, 1.0), (0.5, 5.5), (0.2, 0.4)],
)
def test_the_last_validation_is_within_the_budget_and_the_learning_rate_is_down(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: float, validation: float
) -> None:
    """20 s, of which a pass over the data takes 12 updates; in the first case it ends 2 s too early."""
    seen: list[Progress] = []
    rates = slowly(monkeypatch, update, validation)
    budget = recipe(epochs=None, seconds=20.0, batch_size=1)
    out = train("fno", store, tmp_path / "fno.safetensors", budget, options=OPTIONS, report=seen.append)
    spent = load(out)[0].training_seconds
    assert 20.0 - update < spent <= 20.0 + update + 1e-9  # an update is not cut in two
    assert len(rates) >= 2
    assert rates[-1] <= FNOModel.learning_rate * one_cycle(1 - update / (20.0 - validation) - 1e-9)
    assert seen[-1].done == 1


def test_passes_without_a_validation_do_not_outlast_the_epochs(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = slowly(monkeypatch, 1.0, 4.0)
    out = train(
        "fno",
        store,
        tmp_path / "fno.safetensors",
        recipe(epochs=1, seconds=20.0, batch_size=1),
        options=OPTIONS,
    )
    assert len(rates) == 12
    assert load(out)[0].epochs == 1


@pytest.mark.parametrize("validation", [15.0, 25.0])
def test_a_validation_that_leaves_no_time_to_train_is_said(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, validation: float
) -> None:
    rates = slowly(monkeypatch, 1.0, validation)
    with pytest.raises(ModelError, match=f"a validation takes {validation:g} s, more than --seconds 20 .*: raise it"):
        train(
            "fno",
            store,
            tmp_path / "fno.safetensors",
            recipe(epochs=None, seconds=20.0, batch_size=1),
            options=OPTIONS,
        )
    assert not rates
    assert not list(tmp_path.iterdir())


def test_the_first_batch_does_not_tell_how_long_a_validation_takes(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreseen, own = [], train_module._Run._foreseen
    slowly(monkeypatch, 1.0, 4.0, warm_up=7.0)
    monkeypatch.setattr(train_module._Run, "_foreseen", lambda self: foreseen.append(own(self)) or foreseen[-1])
    train(
        "fno",
        store,
        tmp_path / "fno.safetensors",
        recipe(epochs=None, seconds=20.0, batch_size=1),
        options=OPTIONS,
    )
    assert foreseen == [4.0]


def test_at_most_so_many_windows_are_validated_and_they_are_spread(
    store: TrajectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []
    batch = train_module.Windows.batch

    def spied(self: Any, indices: Any) -> Any:
        asked.append([int(i) for i in indices])
        return batch(self, indices)

    monkeypatch.setattr(train_module.Windows, "batch", spied)
    monkeypatch.setattr(train_module, "VALIDATED", 3)
    monkeypatch.setattr(train_module._Run, "_update", lambda self, batch, learning_rate: np.ones(len(batch.start)))
    train("fno", store, tmp_path / "fno.safetensors", recipe(epochs=1, batch_size=2), options=OPTIONS)
    count = len(train_module.Windows(store, "valid"))
    assert count > 3
    assert asked[-2:] == [[0, round((count - 1) / 2)], [count - 1]]


def test_a_training_begun_by_an_older_version_goes_on(store: TrajectoryStore, tmp_path: Path) -> None:
    """Its recipe does not name what came later, and did as the default does; another choice is another training."""
    out = tmp_path / "fno.safetensors"
    state = tmp_path / "fno.resume.safetensors"

    def stop(progress: Progress) -> None:
        raise Killed

    with pytest.raises(Killed):
        train("fno", store, out, recipe(), options=OPTIONS, report=stop)
    passport, content = load(state)
    del passport.training["recipe"]["clock"]
    dump(state, passport, content)
    with pytest.raises(ModelError, match="clock was wall, now cpu"):
        train("fno", store, out, recipe(clock="cpu"), options=OPTIONS)
    seen: list[Progress] = []
    train("fno", store, out, recipe(), options=OPTIONS, report=seen.append)
    assert [p.epoch for p in seen] == [2]


def test_threads_are_given_back(store: TrajectoryStore, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    during: list[int] = []
    train(
        "fno",
        store,
        tmp_path / "fno.safetensors",
        recipe(epochs=1, threads=before + 1),
        options=OPTIONS,
        report=lambda _: during.append(torch.get_num_threads()),
    )
    assert during == [before + 1]
    assert torch.get_num_threads() == before


def test_one_cycle_rises_then_falls_to_nothing() -> None:
    assert one_cycle(0.05) == pytest.approx(0.5)
    assert one_cycle(0.1) == 1
    assert one_cycle(0.55) == pytest.approx(0.5)
    assert one_cycle(1.0) == pytest.approx(0, abs=1e-12)
    assert all(one_cycle(x / 100) > 0 for x in range(100))
