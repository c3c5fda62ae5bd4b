"""`check_model` and `check_solver` pass what is sound, and name what is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdebench import solve
from pdebench.arrays import Array
from pdebench.model import build_model, models
from pdebench.problem import BatchParams, Cost, solvers
from pdebench.testing import check_model, check_solver, tiny_spec

# -- every registered model, and models that are wrong in one way each -----------------------------------------------

OPTIONS: dict[str, dict[str, Any]] = {"classical": {"shape": [12, 12]}}


# What they are is in the file or command that they are given: test_adapters.py.
FOREIGN = {"onnx", "process", "torch_program"}


@pytest.mark.parametrize("name", sorted(set(models) - FOREIGN))
def test_every_registered_model_is_sound(name: str, tmp_path: Path) -> None:
    model = build_model(name, tiny_spec(), _weights(name, tmp_path), **OPTIONS.get(name, {}))
    assert check_model(model, tiny_spec()) == []


def _weights(name: str, folder: Path) -> Path | None:
    """A file of an untrained network, for models that have one."""
    if not hasattr(models[name], "network"):
        return None
    pytest.importorskip("torch")
    from networks import OPTIONS as SMALL
    from networks import trainable

    if name not in trainable():
        pytest.skip("its library is not here")
    from pdebench.generate import generate
    from pdebench.recipe import Recipe
    from pdebench.store import TrajectoryStore
    from pdebench.train import train

    generate(tiny_spec(), folder / "tiny.zarr", members=range(6))
    store = TrajectoryStore.open(folder / "tiny.zarr")
    return train(name, store, folder / name, Recipe(epochs=1, threads=1), options=SMALL[name])


class Sound:
    """Decays at a rate of its own for each sample."""

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        factors = np.exp(-(1 + params[:, :1]) * times)[:, :, None, None, None].astype(np.float32)
        return np.asarray(history[:, -1:].astype(np.float32) * factors)


class Raises(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        raise IndexError("list index out of range")


class Listed(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Any:
        return super().predict(history, params, times).tolist()


class WithHistory(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return np.concatenate([history, super().predict(history, params, times)], axis=1)


class Integers(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return super().predict(history, params, times).astype(int)


class Infinite(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        out = super().predict(history, params, times)
        out[0, -1, 0, 3, 3] = np.inf
        return out


class InPlace(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        out = super().predict(history, params, times)
        history[...] = 0
        return out


class BatchNorm(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return super().predict(history - history.mean(axis=0), params, times)


class Neighbour(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        out = super().predict(history, params, times)
        return out if len(out) == 1 else out + 0.1 * np.roll(out, 1, axis=0)


class Random(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return np.random.default_rng().standard_normal(super().predict(history, params, times).shape)


class Whole(Sound):
    """Spreads its decay over however many frames are asked for."""

    def predict(self, history: Array, params: Array, times: Array) -> Array:
        return super().predict(history, params, np.linspace(0, 1, len(times) + 1)[1:])


class SinglePrecision(Sound):
    def predict(self, history: Array, params: Array, times: Array) -> Array:
        if history.dtype != np.float32:
            raise TypeError("expected Float but found Double")
        return super().predict(history, params, times)


class Boastful(Sound):
    kind = "quantum"
    parameter_count = -1


def test_a_sound_model_has_no_findings() -> None:
    assert check_model(Sound()) == []
    assert check_model(Sound(), history=3) == []


@pytest.mark.parametrize(
    ("model", "finding"),
    [
        (Raises, "raises IndexError: list index out of range"),
        (Listed, "returns builtins.list: convert it to a NumPy array"),
        (WithHistory, r"predicts shape \(4, 4, 1, 16, 16\), expected \(4, 3, 1, 16, 16\).*without the history"),
        (Integers, "predicts dtype int64: expected a real floating one"),
        (Infinite, "predicts 1 values of 3072 that are NaN or infinite"),
        (InPlace, "changes its argument history in place"),
        (BatchNorm, "a sample alone gives another answer"),
        (Neighbour, "the samples turned round gives another answer|a sample alone"),
        (Random, "gives two answers to one question"),
        (Whole, "the first time alone gives another answer"),
        (SinglePrecision, "double precision: .*raises TypeError"),
        (Boastful, "has kind 'quantum'"),
    ],
)
def test_each_defect_of_a_model_is_named(model: type[Sound], finding: str) -> None:
    found = check_model(model())
    assert found
    assert any(re.search(finding, line) for line in found), found


def test_a_model_that_says_it_is_stochastic_may_be() -> None:
    honest = Random()
    honest.stochastic = True  # type: ignore[attr-defined]
    assert check_model(honest) == []


# -- every registered solver, and solvers that are wrong in one way each ---------------------------------------------


def test_the_spectral_solver_is_sound() -> None:
    spec = tiny_spec()
    problem, card = solve.prepare(spec)
    assert check_solver(card, problem, spec) == []


def test_every_registered_solver_has_its_check() -> None:
    # Theirs are in test_elliptic.py, test_finite_element.py, test_finite_volume.py, test_semi_implicit.py,
    # test_sorption.py (the implicit one), test_two_phase.py and test_family.py (the propagator).
    known = {"elliptic", "finite_element", "finite_volume", "finite_volume_implicit", "propagator", "spectral"}
    known |= {"swe_semi_implicit", "two_phase"}
    assert set(solvers) == known, "check the new solver too, on a dataset that it can solve"


class Card:
    """The spectral solver, spoilt."""

    def __init__(self, defect: str, inner: Any = None) -> None:
        self.defect = defect
        self.inner = inner or solve.prepare(tiny_spec())[1]

    def refined(self, factor: float) -> Card:
        return Card(self.defect, self.inner.refined(factor))

    def build(self, *args: Any) -> Spoilt:
        return Spoilt(self.defect, self.inner.build(*args))


class Spoilt:
    runs = 0

    def __init__(self, defect: str, inner: Any) -> None:
        self.defect, self.inner, self.batch = defect, inner, inner.batch
        Spoilt.runs += 1

    def costs(self) -> list[Cost]:
        costs: list[Cost] = self.inner.costs()
        if self.defect == "few costs":
            return costs[:1]
        if self.defect == "free":
            return [Cost(0, 0, cost.reason) for cost in costs]
        if self.defect == "silent":
            return [Cost(cost.steps) for cost in costs]
        if self.defect == "nervous":
            return [Cost(cost.steps, 0, "I have a feeling") for cost in costs]
        return costs

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        whole = states.copy()
        if self.defect == "greedy":
            times = times[:-1]
        if self.defect == "late":
            times = 0.2 * np.round(times / 0.2)
        for index, frame in enumerate(self.inner.trajectories(whole, params, times)):
            yield self.spoil(frame, index, states)

    def spoil(self, frame: Array, index: int, states: Array) -> Array:
        if self.defect == "in place":
            states *= 0.5
        if self.defect == "entangled":
            return np.asarray(frame * (1 + 0.01 * index))
        if self.defect == "flat":
            return frame[:, 0]
        if self.defect == "crowded":
            return np.asarray(frame + 0.01 * len(frame))
        if self.defect == "contagious":
            return np.asarray(frame + 0 * frame.sum())
        if self.defect == "restless":
            return np.asarray(frame * (1 + 1e-9 * Spoilt.runs))
        if self.defect == "hopeless" and index:
            return np.full_like(frame, np.nan)
        if self.defect == "patched":
            return np.nan_to_num(frame)
        return frame


@pytest.mark.parametrize(
    ("defect", "finding"),
    [
        ("greedy", "yields frames that stack to"),
        ("flat", "yields frames that stack to"),
        ("few costs", "costs() has 1 entries"),
        ("free", "cost neither steps nor iterations"),
        ("silent", "its cost gives no reason"),
        ("nervous", "has finite frames of sound members, but its cost says 'I have a feeling'"),
        ("late", "does not land on its output times"),
        ("entangled", "frames depend on which others"),
        ("in place", "changes the initial states in place"),
        ("crowded", "gives other answers in a batch of 1"),
        ("contagious", "spoils the others of its batch"),
        ("restless", "gives other bits when it is run again"),
        ("hopeless", "fails on members 0 … 2 of tiny"),
        ("patched", "does not end as NaN"),
    ],
)
def test_each_defect_of_a_solver_is_named(defect: str, finding: str) -> None:
    spec = tiny_spec()
    problem, _ = solve.prepare(spec)
    found = check_solver(Card(defect), problem, spec)
    assert any(finding in line for line in found), found


# -- what only several calls show ---------------------------------------------------------------------------------


class Kept:
    """Persistence with a defect that one call does not show."""

    def __init__(self, defect):
        self._defect, self._calls, self._buffer, self._last = defect, 0, np.zeros((4, 3, 1, 16, 16)), 0.0

    def predict(self, history, params, times):
        out = np.repeat(history[:, -1:].astype(float), len(times), axis=1)
        if self._defect == "remembers":  # an exponential mean over what it has seen, reset by an equal question
            mean = float(history.mean())
            out, self._last = out + (self._last if self._last != mean else 0), mean
        if self._defect == "buffer" and out.shape == self._buffer.shape:
            self._calls += 1
            self._buffer[:] = out + self._calls
            return self._buffer
        if self._defect == "ahead":
            return out * times[-1]
        return out


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("none", None),
        ("remembers", "remembers: another question in between|two answers"),
        ("buffer", "changes an answer that it has given"),
        ("ahead", "a frame changes when later ones are asked for"),
    ],
)
def test_what_only_several_calls_show(defect, words):
    found = "\n".join(check_model(Kept(defect)))
    assert re.search(words, found) if words else found == ""


class Members:
    ensemble = 3

    def __init__(self, shape=(3,), spread=0.1):
        self._shape, self._spread = shape, spread

    def predict(self, history, params, times):
        one = np.repeat(history[:, -1:].astype(float), len(times), axis=1)
        return np.stack([one + self._spread * i for i in range(-1, 2)][: self._shape[0]])


def test_an_ensemble_is_checked_as_one():
    assert check_model(Members()) == []
    assert "expected (3, 4, 3, 1, 16, 16): (member, batch" in check_model(Members(shape=(2,)))[0]


def test_a_model_is_checked_from_the_command_line(tmp_path):
    from typer.testing import CliRunner

    from pdebench.cli import app

    assert "nothing found" in CliRunner().invoke(app, ["check-model", "persistence"]).output
    bad = tmp_path / "bad.py"
    bad.write_text(
        "class Bad:\n    def __init__(self, spec, weights=None): pass\n"
        "    def predict(self, history, params, times): return history\n"
    )
    told = CliRunner().invoke(app, ["check-model", f"{bad}:Bad"])
    assert "without the history" in told.output
    assert "1 defect" in str(told.exception)
