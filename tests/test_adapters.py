"""Models from elsewhere: other languages over a pipe, ONNX, JAX, torch programs; every mode; what is refused."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from needs import needed

from pdebench.adapters.mode import Ensemble, guessed, trajectory
from pdebench.adapters.process import ProcessModel
from pdebench.errors import ModelError
from pdebench.model import Guarded, models
from pdebench.testing import check_model, tiny_spec

DOC = (Path(__file__).parent.parent / "docs" / "models.md").read_text()
SPEC = tiny_spec()


def asked(b=3, h=2, t=4, c=1, n=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((b, h, c, n, n)), rng.uniform(0.1, 1, (b, 2)), 0.25 * np.arange(1, t + 1)


def example(language):
    return re.search(rf"```{language}\n(.*?)```", DOC, re.DOTALL)[1]


@pytest.fixture(scope="module")
def decay(tmp_path_factory):
    """The page's example, compiled."""
    if not shutil.which("cc"):
        needed("cc")
    folder = tmp_path_factory.mktemp("c")
    (folder / "decay.c").write_text(example("c"))
    command = ["cc", "-O2", "-Wall", "-Werror", folder / "decay.c", "-o", folder / "decay", "-lm"]
    subprocess.run(command, check=True)
    return folder / "decay"


@pytest.mark.parametrize("b", [1, 5])
def test_the_example_in_c_is_a_model(decay, b):
    model = ProcessModel(SPEC, command=[str(decay)])
    history, params, times = asked(b=b)
    factor = np.exp(-params[:, :1] * times)[:, :, None, None, None]
    for _ in range(2):  # the process stays
        np.testing.assert_allclose(model.predict(history, params, times), history[:, -1:] * factor, rtol=1e-14)
    model.close()


def test_the_example_in_c_passes_the_check(decay):
    assert check_model(models["process"](SPEC, command=str(decay)), SPEC) == []


def test_the_example_in_perl_is_persistence():
    if not shutil.which("perl"):
        needed("perl")
    model = ProcessModel(SPEC, command=["perl", "-e", example("perl")])
    history, params, times = asked()
    np.testing.assert_array_equal(model.predict(history, params, times), np.repeat(history[:, -1:], 4, axis=1))


def test_a_question_larger_than_the_pipe_comes_through(decay):
    history, params, times = asked(b=4, n=128, t=6)  # 1 MB out, 3 MB back
    assert ProcessModel(SPEC, command=[str(decay)]).predict(history, params, times).shape == (4, 6, 1, 128, 128)


def python(code, **options):
    """A process model that runs `code` after it has read the whole question."""
    read = """
        import os, sys, time
        out = sys.stdout.buffer
        for line in sys.stdin.buffer:
            for _ in range(3):
                n = 8
                for word in sys.stdin.buffer.readline().split()[3:]:
                    n *= int(word)
                sys.stdin.buffer.read(n)
            break
    """
    return ProcessModel(SPEC, command=[sys.executable, "-c", textwrap.dedent(read) + textwrap.dedent(code)], **options)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('hello, training done', flush=True)", "hello, training done.*only answers may go to"),
        ("out.write(b'x' * 10000); out.flush()", "more than 256 bytes"),
        ("print('array f8 5 1000000 1000000 1 1 1', flush=True)", r"shape \(1000000, 1000000, 1, 1, 1\)"),
        ("print('array f8 5 3 4 1 8', flush=True)", "expected: only answers"),
        ("print('array f8 1 -3', flush=True)", "no answer to the question"),
        ("print('array O 1 3', flush=True)", "expected: only answers"),
        ("print('error out of luck', flush=True)", "the model says: out of luck"),
        ("sys.exit('no such file')", "ended with status 1 instead of answering: no such file"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("print('array f8 5 3 4 1 8 8', flush=True); out.write(bytes(100)); out.flush()", "instead of answering"),
    ],
)
def test_a_broken_process_is_told_in_one_line(code, words):
    with pytest.raises(ModelError, match=words):
        python(code).predict(*asked())


def test_a_process_that_never_answers_is_ended():
    model = python("time.sleep(100)", seconds=1.0)
    with pytest.raises(ModelError, match="no answer within 1 s"):
        model.predict(*asked())


def test_the_guard_ends_a_process_as_well():
    with pytest.raises(ModelError, match="no answer within"):
        Guarded(python("time.sleep(100)"), "p").predict(*asked(), seconds=0.5)


def test_a_command_that_is_not_there_says_so():
    with pytest.raises(ModelError, match="/no/such cannot be started"):
        ProcessModel(SPEC, command="/no/such thing").predict(*asked())


# -- modes --------------------------------------------------------------------------------------------------------


def test_each_mode_gives_the_same_exponential():
    """u' = −u: the step, the frame at t and all frames at once must agree."""
    history, params, times = asked()
    dt, last = times[0], history[:, -1]
    calls = {
        "autoregressive": lambda g: g["history"][:, -1] * np.exp(-dt),
        "direct": lambda g: g["history"][:, -1] * np.exp(-g["time"])[:, None, None, None],
        "one_shot": lambda g: g["history"][:, -1:] * np.exp(-g["times"])[:, None, None, None],
    }
    expected = last[:, None] * np.exp(-times)[:, None, None, None]
    for mode, call in calls.items():
        np.testing.assert_allclose(trajectory(call, mode, history, params, times), expected, rtol=1e-13)
    assert [guessed(x) for x in (["history"], ["history", "time"], ["times"])] == list(calls)
    with pytest.raises(ModelError, match="no mode 'both'"):
        trajectory(calls["direct"], "both", history, params, times)


def test_an_ensemble_has_its_members_in_front_and_does_not_see_the_batch():
    def draw(history, params, times, rng):
        return history[:, -1:] + rng.standard_normal((1, len(times), *history.shape[2:]))

    model = Ensemble(draw, members=3, seed=1)
    history, params, times = asked()
    answer, _ = Guarded(model, "e").predict(history, params, times, seconds=10)
    assert answer.shape == (3, 3, 4, 1, 8, 8)
    np.testing.assert_array_equal(model.predict(history[1:2], params[1:2], times), answer[:, 1:2])
    assert len(np.unique(answer[:, 0, 0, 0, 0, 0])) == 3


# -- graphs -------------------------------------------------------------------------------------------------------


def graph(path, *, inputs=("history", "params"), double=False):
    """An ONNX graph of the C example: last frame × exp(−viscosity · 0.25), or at `times`."""
    onnx = needed("onnx")
    h, t = onnx.helper, onnx.TensorProto
    kind = t.DOUBLE if double else t.FLOAT
    ranks = {"history": ["b", "h", 1, "y", "x"], "params": ["b", 2], "time": ["b"], "times": ["t"], "weird": ["b"]}
    ports = [h.make_tensor_value_info(name, kind, ranks[name]) for name in inputs]
    out = h.make_tensor_value_info("out", kind, None)
    const = {"one": [1], "zero": [0], "axes": [1, 2, 3]}
    given = [h.make_tensor(name, t.INT64, [len(v)], v) for name, v in const.items()]
    given += [h.make_tensor("minus", t.INT64, [], [-1]), h.make_tensor("dt", kind, [], [-0.25])]
    nodes = [h.make_node("Gather", ["history", "minus"], ["last"], axis=1)]
    if "times" in inputs:
        nodes += [
            h.make_node("Neg", ["times"], ["n"]),
            h.make_node("Exp", ["n"], ["e"]),
            h.make_node("Unsqueeze", ["e", "axes"], ["factor"]),
            h.make_node("Unsqueeze", ["last", "one"], ["frame"]),
            h.make_node("Mul", ["frame", "factor"], ["out"]),
        ]
    else:
        nodes += [
            h.make_node("Slice", ["params", "zero", "one", "one"], ["nu"]),
            h.make_node("Mul", ["nu", "dt"], ["n"]),
            h.make_node("Exp", ["n"], ["e"]),
            h.make_node("Unsqueeze", ["e", "axes23"], ["factor"]),
            h.make_node("Mul", ["last", "factor"], ["out"]),
        ]
        given.append(h.make_tensor("axes23", t.INT64, [2], [2, 3]))
    model = h.make_model(h.make_graph(nodes, "decay", ports, [out], given), opset_imports=[h.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("double", [False, True])
def test_a_graph_of_one_step_is_rolled_out(tmp_path, double):
    needed("onnxruntime")
    model = models["onnx"](SPEC, graph(tmp_path / "decay.onnx", double=double))
    history, params, times = asked()
    expected = history[:, -1:] * np.exp(-params[:, :1] * times)[:, :, None, None, None]
    np.testing.assert_allclose(model.predict(history, params, times), expected, rtol=1e-13 if double else 2e-6)


def test_a_graph_with_times_answers_at_once_and_passes_the_check(tmp_path):
    needed("onnxruntime")
    model = models["onnx"](SPEC, graph(tmp_path / "decay.onnx", inputs=("history", "times")))
    history, params, times = asked()
    expected = history[:, -1:] * np.exp(-times)[:, None, None, None]
    np.testing.assert_allclose(model.predict(history, params, times), expected, rtol=2e-6)
    assert check_model(model, SPEC) == []


def test_a_graph_that_is_none_or_has_other_inputs_is_refused(tmp_path):
    needed("onnxruntime")
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"bad\.onnx cannot be loaded"):
        models["onnx"](SPEC, tmp_path / "bad.onnx")
    with pytest.raises(ModelError, match="an input 'weird': name them among history"):
        models["onnx"](SPEC, graph(tmp_path / "w.onnx", inputs=("history", "params", "weird")))
    with pytest.raises(ModelError, match="give the graph as weights"):
        models["onnx"](SPEC)


def test_a_function_of_jax_is_a_model():
    jnp = needed("jax.numpy")
    from pdebench.adapters.jax import JaxModel

    model = JaxModel(lambda history, params: history[:, -1] * jnp.exp(-0.25 * params[:, 0])[:, None, None, None])
    history, params, times = asked()
    expected = history[:, -1:] * np.exp(-params[:, :1] * times)[:, :, None, None, None]
    np.testing.assert_allclose(model.predict(history, params, times), expected, rtol=2e-6)
    assert check_model(model, SPEC) == []


def test_an_exported_program_is_a_model(tmp_path):
    torch = needed("torch")

    class Decay(torch.nn.Module):
        def forward(self, history, params):
            return history[:, -1] * torch.exp(-0.25 * params[:, 0])[:, None, None, None]

    batch = torch.export.Dim("batch")
    given = (torch.ones(2, 1, 1, 16, 16), torch.ones(2, 2))
    program = torch.export.export(Decay(), given, dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(program, tmp_path / "decay.pt2")
    model = models["torch_program"](SPEC, tmp_path / "decay.pt2")
    history, params, times = asked(h=1, n=16)
    expected = history[:, -1:] * np.exp(-params[:, :1] * times)[:, :, None, None, None]
    np.testing.assert_allclose(model.predict(history, params, times), expected, rtol=2e-6)
    with pytest.raises(ModelError, match="cannot be loaded"):
        models["torch_program"](SPEC, Path(__file__))
