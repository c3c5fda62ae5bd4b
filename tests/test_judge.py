"""Judging: a secret seed that stays secret, signatures that cannot be forged, submissions that are refused unseen."""

from __future__ import annotations

import json
import os
import pickle
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from needs import needed
from specs import tiny_card, tiny_spec
from test_adapters import graph

from pdebench.board import submit, task_standing
from pdebench.board.readme import readme_text
from pdebench.errors import CardError, ModelError, PdebenchError, RecordError
from pdebench.evaluate import evaluate
from pdebench.generate import generate
from pdebench.judge import hidden_spec, judge, load_submission, read_seed, walls
from pdebench.metrics import difference_interval
from pdebench.signing import check_signature, make_key, signed
from pdebench.spec import parse
from pdebench.task import Task, load_record

SPLITS = {"train": [0, 3], "valid": [3, 4], "test": [4, 10]}
SPEC = tiny_spec(samples__count=10, splits=SPLITS)
TASK = {
    "name": "tiny_task",
    "version": 1,
    "title": "Tiny",
    "description": "For tests.",
    "dataset": "tiny",
    "horizon": 4,
    "metrics": ["nrmse", "rmse"],
    "primary": "nrmse",
    "time_limit": 30,
}
CARD = parse(Task, TASK, where="task")
PERSISTENCE = """
import numpy as np

class Model:
    def __init__(self, spec, weights=None, **options):
        assert spec.samples.seed == 1  # the public card's

    def predict(self, history, params, times):
        return {factor} * np.repeat(history[:, -1:], len(times), axis=1)
"""

walled = pytest.mark.skipif(
    not (sys.platform == "linux" and walls.landlock_version()), reason="the walls need Linux with Landlock"
)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with the card, the task, a seed and the judge's keys."""
    needed("cryptography")
    for place, content in (
        ("datasets/tiny/card.yaml", tiny_card(samples__count=10, splits=SPLITS)),
        ("leaderboards/tiny_task/task.yaml", TASK),
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump(content))
    (tmp_path / "seed").write_bytes(bytes(range(32)))
    make_key("alice", tmp_path / "alice.key", tmp_path / "leaderboards" / "keys" / "alice.pub")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def submission(folder, *, factor=1.0, **said):
    folder.mkdir()
    (folder / "m.py").write_text(PERSISTENCE.format(factor=factor))
    (folder / "submission.yaml").write_text(yaml.safe_dump({"label": "Mine", "model": "m.py:Model", **said}))
    return folder


def judged(root, folder, **how):
    return judge(
        CARD,
        SPEC,
        folder,
        seed_file=root / "seed",
        key=root / "alice.key",
        key_name="alice",
        **({"trusted": True} | how),
    )


@pytest.fixture
def nowhere(tmp_path_factory, monkeypatch):
    """A temporary folder of its own, to see what is left there."""
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@walled
def test_a_judged_record_has_hidden_scores_and_the_public_cards_name(root, nowhere):
    record = judged(root, submission(root / "s"))
    secret = hidden_spec(SPEC, read_seed(root / "seed"))
    generate(secret, root / "again.zarr", members=range(4, 10))
    again = evaluate("persistence", root / "again.zarr", CARD, card=secret)
    assert record.values == again.values  # the same data, the same model, another process
    assert record.dataset_digest == SPEC.digest != secret.digest
    assert record.verdict.samples == 6
    assert {"landlock", "seccomp", "rlimits"} <= set(record.verdict.isolation)
    check_signature(load_record(record.save(root / "r.json")), root / "leaderboards" / "keys")


@walled
def test_the_seed_leaks_nowhere(root, nowhere):
    record = judged(root, submission(root / "s"))
    submit(record.save(root / "r.json"), root)
    seed = read_seed(root / "seed")
    secret = hidden_spec(SPEC, seed)
    texts = [(root / "r.json").read_text(), readme_text(task_standing("tiny_task", root))]
    for text in texts:
        for word in (str(seed), f"{seed:x}", secret.digest, (root / "seed").read_bytes().hex()):
            assert word not in text
    assert record.picture is None  # it would show hidden data
    assert list(nowhere.iterdir()) == []  # neither store nor copy


@walled
def test_a_failing_submission_leaves_nothing_either(root, nowhere):
    with pytest.raises(ModelError):
        judged(root, submission(root / "s", model="m.py:Absent"))
    assert list(nowhere.iterdir()) == []


def test_the_hidden_seed_is_large_and_depends_on_every_byte(tmp_path):
    (tmp_path / "a").write_bytes(bytes(32))
    (tmp_path / "b").write_bytes(bytes(31) + b"\1")
    a, b = read_seed(tmp_path / "a"), read_seed(tmp_path / "b")
    assert a != b
    assert min(a, b) > 2**100
    (tmp_path / "c").write_bytes(b"hunter2")
    with pytest.raises(PdebenchError, match="too short to be secret") as told:
        read_seed(tmp_path / "c")
    assert "hunter2" not in str(told.value)


@walled
def test_secrets_within_reach_are_refused(root):
    folder = submission(root / "s")
    with pytest.raises(PdebenchError, match="which submissions can read"):
        judge(
            CARD, SPEC, folder, seed_file=Path(walls.__file__), key=root / "alice.key", key_name="alice", trusted=True
        )


# -- signatures ---------------------------------------------------------------------------------------------------


@pytest.fixture
def signed_record(root):
    generate(SPEC, root / "tiny.zarr")
    record = evaluate("persistence", root / "tiny.zarr", CARD, label="Mine")
    verdict = {"submission_sha256": "0" * 64, "trusted": False, "isolation": ["landlock"], "samples": 6}
    told = type(record).model_validate(record.model_dump() | {"verdict": verdict, "kind": "neural"})
    return signed(told, "alice", root / "alice.key")


def lied(record, factor=0.5):
    values = {name: (factor * np.array(v)).tolist() for name, v in record.values.items()}
    return record.model_copy(
        update={"values": values, "scores": {name: factor * score for name, score in record.scores.items()}}
    )


def test_a_signed_record_is_accepted(root, signed_record):
    assert submit(signed_record.save(root / "r.json"), root).name == "mine.judged.json"


def test_a_record_whose_scores_were_changed_after_signing_is_refused(root, signed_record):
    path = lied(signed_record).save(root / "r.json")  # `save` seals anew, as a forger would
    assert load_record(path).digest != signed_record.digest
    with pytest.raises(RecordError, match="not alice's: the record was changed or forged"):
        submit(path, root)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"signature": None}, "nobody signed it"),
        ({"signature": {"key": "bob", "value": "00" * 64}}, "signed by 'bob', but there is no"),
        ({"signature": {"key": "../alice", "value": "00" * 64}}, "a key's name has small letters"),
        ({"signature": {"key": "alice", "value": "00" * 64}}, "changed or forged"),
        ({"signature": {"key": "alice", "value": "zz"}}, "changed or forged"),
    ],
)
def test_a_verdict_needs_a_key_of_the_board(root, signed_record, change, words):
    forged = type(signed_record).model_validate(signed_record.model_dump() | change)
    with pytest.raises(RecordError, match=words):
        submit(forged.save(root / "r.json"), root)


def test_a_forged_record_laid_on_the_board_is_set_aside(root, signed_record):
    place = root / "leaderboards" / "tiny_task" / "records" / "forged.json"
    lied(signed_record).save(place)
    found = task_standing("tiny_task", root)
    assert "changed or forged" in found.aside["forged.json"]
    assert found.verified == ()


def test_a_key_is_for_its_owner_only_and_never_overwritten(root):
    assert (root / "alice.key").stat().st_mode & 0o077 == 0
    with pytest.raises(PdebenchError, match="never overwritten"):
        make_key("alice", root / "alice.key", root / "elsewhere.pub")
    with pytest.raises(RecordError, match="small letters"):
        make_key("../x", root / "x.key", root / "x.pub")


def test_the_board_shows_both_and_flags_what_differs(root, signed_record):
    public = signed_record.model_copy(update={"verdict": None, "signature": None})
    submit(public.save(root / "a.json"), root)
    submit(signed_record.save(root / "b.json"), root)
    found = task_standing("tiny_task", root)
    assert len(found.entries) == len(found.verified) == 1
    assert not found.entries[0].hidden.differs  # the very same scores
    submit(lied(public, 0.5).save(root / "a.json"), root)  # half the error that the judge found
    found = task_standing("tiny_task", root)
    assert found.entries[0].hidden.differs
    text = readme_text(found)
    assert "differs from the public score" in text
    assert "Verified on hidden data" in text


def test_the_interval_of_a_difference_is_that_of_two_independent_means():
    """Normal samples: ±1.96 √(σ²/n + σ²/m)."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(3, 1, 400), rng.normal(2, 1, 100)
    low, high = difference_interval(one, other, resamples=4000)
    half = 1.96 * np.sqrt(one.var() / 400 + other.var() / 100)
    assert (low + high) / 2 == pytest.approx(one.mean() - other.mean(), abs=0.03 * half + 4 * half / np.sqrt(4000))
    assert (high - low) / 2 == pytest.approx(half, rel=0.08)


# -- what is handed in --------------------------------------------------------------------------------------------


def test_code_needs_trust(root):
    with pytest.raises(ModelError, match=r"'m\.py:Model', which is code"):
        load_submission(submission(root / "s"), trusted=False)


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights.onnx", "innocent.txt"])
def test_a_pickle_is_refused_under_any_name_and_never_loaded(root, name):
    folder = submission(root / "s")
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match="is refused: it is a pickle"):
        load_submission(folder, trusted=True)
    assert not (root / "exploded").exists()


@pytest.mark.parametrize("how", ["save", "export"])
def test_archives_of_torch_are_refused_as_torch_unpickles_them(root, how):
    torch = needed("torch")
    folder = submission(root / "s")
    if how == "save":
        torch.save({"w": torch.ones(2)}, folder / "weights.safetensors")
    else:
        (folder / "model.pt2").write_bytes(b"PK")
    with pytest.raises(ModelError, match="torch unpickles"):
        load_submission(folder, trusted=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": "../seed"}, "are no file of"),
        ({"weights": "/etc/passwd"}, "are no file of"),
        ({"weights": "m.py"}, "expected .safetensors"),
        ({"model": "onnx"}, "weights must name an .onnx file"),
        ({"score": 0}, "unknown key 'score'"),
    ],
)
def test_a_wrong_submission_is_told_what_is_wrong(root, change, words):
    with pytest.raises(PdebenchError, match=words):
        load_submission(submission(root / "s", **change), trusted=True)


def test_a_submission_too_deep_to_read_is_refused(tmp_path):
    (tmp_path / "submission.yaml").write_text("label: " + "[" * 1_000)
    with pytest.raises(CardError, match="cannot be read"):
        load_submission(tmp_path, trusted=False)


def test_a_few_lines_that_expand_to_a_billion_values_are_refused(root):
    folder = submission(root / "s")
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 11))]
    with (folder / "submission.yaml").open("a") as file:
        file.write("options:\n" + "".join(f"  {line}\n" for line in lines))
    with pytest.raises(ModelError, match="alias"):
        load_submission(folder, trusted=True)


def test_a_submission_is_measured_before_it_is_copied(root, monkeypatch):
    monkeypatch.setattr("pdebench.judge.submission.LARGEST", 10)
    monkeypatch.setattr("pdebench.judge.judging.copytree", None)  # a call would be a TypeError
    with pytest.raises(ModelError, match="holds more than"):
        judged(root, submission(root / "s"))


def test_links_are_refused(root):
    folder = submission(root / "s")
    (folder / "weights.safetensors").symlink_to(root / "seed")
    with pytest.raises(ModelError, match="is a link"):
        load_submission(folder, trusted=True)


@walled
def test_a_strangers_graph_is_judged_and_cannot_read_other_files(root):
    needed("onnxruntime")
    onnx = needed("onnx")
    folder = root / "s"
    folder.mkdir()
    (folder / "submission.yaml").write_text("{label: Graph, weights: m.onnx}")
    graph(folder / "m.onnx")
    record = judged(root, folder, trusted=False)
    assert record.scores["nrmse"] < 2
    assert not record.verdict.trusted
    # the same graph, its factor -0.25 taken from a file outside
    model = onnx.load(folder / "m.onnx")
    weight = next(t for t in model.graph.initializer if t.name == "dt")
    weight.ClearField("float_data")
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../seed"), ("offset", "0"), ("length", "4")):
        weight.external_data.add(key=key, value=value)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="cannot be loaded"):
        judged(root, folder, trusted=False)


def test_parameters_are_counted_in_the_file_not_told(root):
    from pdebench.judge.submission import parameters_of

    needed("safetensors")
    from safetensors.numpy import save_file

    folder = submission(root / "s", weights="w.safetensors")
    save_file({"a": np.ones((3, 4)), "b": np.ones(5)}, folder / "w.safetensors", metadata={"pdebench": "{}"})
    assert parameters_of(folder, load_submission(folder, trusted=True)) == 17
    (folder / "w.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="claims a header of 1099511627776 bytes"):
        parameters_of(folder, load_submission(folder, trusted=True))


def test_the_help_teaches():
    from typer.testing import CliRunner

    from pdebench.cli import app

    said = CliRunner().invoke(app, ["judge", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    for word in ("submission.yaml", "--seed-file", "urandom", "ONNX", "Pickles", "Landlock", "--trusted"):
        assert word in said
    assert json.dumps("judge-key")[1:-1] in CliRunner().invoke(app, ["--help"]).output
