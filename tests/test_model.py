"""Models: the ones that need no training, and the guard that a broken one meets."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from specs import tiny_spec

from pdebench.errors import ModelError, PdebenchError
from pdebench.model import Autoregressive, Classical, Guarded, Persistence, build_model, models, time_limit
from pdebench.problem import Frame, problems
from pdebench.solve import trajectories

TIMES = np.array([0.25, 0.5, 1.0])
VORTICES = tiny_spec(solver__precision="float64", problem__initial_state={"kind": "taylor_green", "modes": 1})


def histories(b=2, h=1):
    return np.random.default_rng(0).standard_normal((b, h, 1, 16, 16)).astype(np.float32)


def columns(viscosity, drag):
    """`(b, p)` in the order of `spec.parameters`."""
    given = {"viscosity": viscosity, "drag": drag}
    return np.array([given[name] for name in tiny_spec().parameters]).T


def ask(model, history=None, *, seconds=20.0):
    history = histories() if history is None else history
    return Guarded(model, "mine").predict(history, np.zeros((len(history), 2)), TIMES, seconds=seconds)[0]


class Says:
    """A model whose `predict` is the function given."""

    def __init__(self, predict):
        self.predict = predict


def test_persistence_repeats_the_last_frame():
    history = histories(h=3)
    out = ask(Persistence(tiny_spec()), history)
    assert out.shape == (2, 3, 1, 16, 16)
    for frame in range(3):
        np.testing.assert_array_equal(out[:, frame], history[:, 2])


def test_autoregressive_feeds_each_prediction_back():
    seen = []

    def step(history, params):
        seen.append(history[:, :, 0, 0, 0].copy())
        return history.sum(axis=1)  # Fibonacci, of two frames

    history = np.ones((1, 2, 1, 4, 4))
    out = Autoregressive(step).predict(history, np.zeros((1, 0)), np.array([0.5, 1.0, 1.5]))
    np.testing.assert_array_equal(out[0, :, 0, 0, 0], [2, 3, 5])
    np.testing.assert_array_equal(np.concatenate(seen), [[1, 1], [1, 2], [2, 3]])
    np.testing.assert_array_equal(history, 1)


def test_autoregressive_refuses_uneven_times():
    with pytest.raises(ModelError, match="equally spaced"):
        Autoregressive(lambda history, params: history[:, -1]).predict(histories(), np.zeros((2, 0)), TIMES)


@pytest.mark.parametrize("shape", [None, [32, 32], [12, 12]])
def test_classical_meets_the_exact_solution_with_each_samples_own_parameters(shape):
    problem = problems["navier_stokes_2d"](**VORTICES.problem.options)
    viscosity, drag = [0.02, 0.3, 0.05], [0.0, 0.1, 0.2]
    start = problem.exact(VORTICES.output, {"viscosity": 0.0, "drag": 0.0}, 0.0)
    history = np.repeat(start[None, None], 3, axis=0)
    out = Classical(VORTICES, shape=shape).predict(history, columns(viscosity, drag), TIMES)
    for b in range(3):
        for t, when in enumerate(TIMES):
            exact = problem.exact(VORTICES.output, {"viscosity": viscosity[b], "drag": drag[b]}, when)
            np.testing.assert_allclose(out[b, t], exact, atol=1e-12)


def test_classical_continues_the_dataset_from_any_frame():
    spec = tiny_spec(store__dtype="float64")
    frames = np.stack([e.values for e in trajectories(spec, np.array([0, 1])) if isinstance(e, Frame)], axis=1)
    truth = frames[:, 3:5]

    def error(shape):
        model = Classical(spec, shape=shape)
        out = model.predict(frames[:, 1:3], columns([0.01] * 2, [0.0] * 2), np.array([0.25, 0.5]))
        return np.sqrt(np.mean((out - truth) ** 2) / np.mean(truth**2))

    errors = [error([n, n]) for n in (8, 11, 14, 16)]
    assert 1 > errors[0] > errors[1] > errors[2] > 1e-3, errors
    assert errors[3] < 1e-9


def test_classical_answers_the_same_in_any_batch_and_order_of_calls():
    model = Classical(tiny_spec(), batch=2)
    history, params = histories(b=3), columns([0.02, 0.05, 0.1], [0.0, 0.1, 0.2])
    together = model.predict(history, params, TIMES)
    for b in (2, 0, 1):
        np.testing.assert_array_equal(model.predict(history[[b]], params[[b]], TIMES)[0], together[b])


def test_classical_takes_solver_options():
    history, params = histories(), columns([0.05] * 2, [0.0] * 2)
    fine, coarse = (build_model("classical", tiny_spec(), cfl=cfl).predict(history, params, TIMES) for cfl in (0.05, 1))
    assert 0 < np.abs(fine - coarse).max() < 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shape": [16]}, "shape must be 2 counts"),
        ({"shape": [16, 0]}, "shape must be 2 counts"),
        ({"shape": [16, 8.5]}, "shape must be 2 counts"),
        ({"cfl": -1}, "cfl"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_classical_refuses_bad_options_in_one_line(options, said):
    with pytest.raises(ModelError, match=said) as caught:
        build_model("classical", tiny_spec(), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["persistence", "classical"])
def test_untrained_models_take_no_weights(name, tmp_path):
    with pytest.raises(ModelError, match="no weights at"):
        build_model(name, tiny_spec(), tmp_path / "none.safetensors")
    (tmp_path / "some.safetensors").touch()
    with pytest.raises(ModelError, match=f"^{name} is not trained and takes no weights"):
        build_model(name, tiny_spec(), tmp_path / "some.safetensors")


def test_names_files_and_suggestions(tmp_path):
    assert {"persistence", "classical"} <= set(models)
    with pytest.raises(PdebenchError, match="did you mean 'persistence'"):
        build_model("persistance", tiny_spec())
    file = tmp_path / "mine.py"
    file.write_text(
        "class Half:\n"
        "    def __init__(self, spec, weights=None, factor=0.5):\n"
        "        self.factor = factor\n"
        "    def predict(self, history, params, times):\n"
        "        return (self.factor * history[:, -1:]).repeat(len(times), axis=1)\n"
    )
    model = build_model(f"{file}:Half", tiny_spec(), factor=0.25)
    np.testing.assert_array_equal(ask(model)[:, 1], 0.25 * histories()[:, 0])
    with pytest.raises(ModelError, match=r"calling it with \(spec, weights, colour='red'\).*colour"):
        build_model(f"{file}:Half", tiny_spec(), colour="red")


def raises(error):
    def predict(history, params, times):
        raise error

    return predict


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        (lambda h, p, t: h, r"shape \(2, 1, 1, 16, 16\): expected \(2, 3, 1, 16, 16\)"),
        (lambda h, p, t: np.zeros((2, 3, 1, 16, 16), complex), "complex128 values: expected real numbers"),
        (lambda h, p, t: None, "object values: expected real numbers"),
        (lambda h, p, t: [[1.0], [1.0, 2.0]], "raised ValueError"),
        (raises(RuntimeError("out of\nmemory")), "mine raised RuntimeError: out of memory on a batch of 2"),
        (raises(SystemExit(0)), "raised SystemExit"),
        (raises(KeyError()), "raised KeyError on"),
    ],
)
def test_a_broken_model_is_one_clear_line(predict, said):
    with pytest.raises(ModelError, match=said) as caught:
        ask(Says(predict))
    assert "\n" not in str(caught.value)
    if "raised" in said:
        assert caught.value.__cause__ is not None


def test_an_interrupt_is_the_users_not_the_models():
    with pytest.raises(KeyboardInterrupt):
        ask(Says(raises(KeyboardInterrupt())))


def test_what_a_model_does_to_its_input_stays_with_it():
    kept = histories()

    def spoil(history, params, times):
        out = np.repeat(history, len(times), axis=1)
        for given in (history, params, times):
            assert given.base is None  # no way back to a larger array that holds the future
            given[...] = -1
        return out

    params, times = np.zeros((2, 2)), TIMES.copy()
    out, _ = Guarded(Says(spoil), "mine").predict(kept, params, times, seconds=20)
    np.testing.assert_array_equal(out[:, 0], histories()[:, 0])
    np.testing.assert_array_equal(kept, histories())
    np.testing.assert_array_equal(params, 0)
    np.testing.assert_array_equal(times, TIMES)


def test_integers_become_floats():
    out = ask(Says(lambda h, p, t: np.ones((2, 3, 1, 16, 16), int)))
    assert out.dtype == np.float64


def never(history, params, times):
    while True:
        with suppress(Exception):  # a model that will not be stopped politely
            time.sleep(10)


def test_a_model_that_never_returns_is_stopped():
    began = time.perf_counter()
    with pytest.raises(ModelError, match=r"no answer within 0\.2 s.*time_limit"):
        ask(Says(never), seconds=0.2)
    assert time.perf_counter() - began < 2


def test_a_model_that_swallows_its_end_is_stopped_the_second_time():
    def stubborn(history, params, times):
        with suppress(BaseException):
            time.sleep(10)
        time.sleep(10)

    with pytest.raises(ModelError, match="no answer"):
        ask(Says(stubborn), seconds=0.1)


def test_the_time_limit_leaves_no_timer_behind():
    outer = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        with time_limit(10):
            pass
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *outer)


def test_the_time_limit_leaves_signals_as_they_were():
    fired = []
    before = signal.signal(signal.SIGALRM, lambda *_: fired.append(time.perf_counter()))
    outer = signal.setitimer(signal.ITIMER_REAL, 0.3)  # pytest-timeout has its own here
    began = time.perf_counter()
    try:
        with time_limit(10):
            time.sleep(0.1)
        assert 0.1 < signal.getitimer(signal.ITIMER_REAL)[0] < 0.21
        with pytest.raises(BaseException, match="^$"), time_limit(0.05):
            time.sleep(1)
        time.sleep(0.3)
        assert len(fired) == 1
        assert fired[0] - began == pytest.approx(0.3, abs=0.1)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *outer)


def test_outside_the_main_thread_there_is_no_limit_and_no_error():
    found = []
    worker = threading.Thread(target=lambda: found.append(ask(Persistence(tiny_spec()))))
    worker.start()
    worker.join()
    assert found[0].shape == (2, 3, 1, 16, 16)


def test_models_do_not_load_torch():
    assert "torch" not in sys.modules or any(name.startswith("pdebench.baselines") for name in sys.modules)
