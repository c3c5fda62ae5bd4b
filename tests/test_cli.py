"""The command line: what a user types, reads and gets back as a status; no traceback without --debug."""

from __future__ import annotations

import json
import re
import signal

import numpy as np
import pytest
import yaml
from specs import tiny_card

from pdebench.cli import main
from pdebench.store import TrajectoryStore


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own with the card and the task `tiny`, found by name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets" / "tiny").mkdir(parents=True)
    (tmp_path / "datasets" / "tiny" / "card.yaml").write_text(yaml.safe_dump(tiny_card()))
    task = {
        "name": "tiny",
        "version": 1,
        "title": "Tiny",
        "description": "Four frames ahead.",
        "dataset": "tiny",
        "horizon": 4,
        "metrics": ["nrmse", "correlation"],
        "primary": "nrmse",
        "baselines": [{"name": "persistence"}, {"name": "classical", "shape": [13, 13]}],
    }
    (tmp_path / "leaderboards" / "tiny").mkdir(parents=True)
    (tmp_path / "leaderboards" / "tiny" / "task.yaml").write_text(yaml.safe_dump(task))
    return tmp_path


@pytest.fixture
def pdebench(monkeypatch, capsys):
    def run(line):
        monkeypatch.setattr("sys.argv", ["pdebench", *line.split()])
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(SystemExit) as end:
            main()
        signal.signal(signal.SIGTERM, before)
        out, err = capsys.readouterr()
        return end.value.code or 0, re.sub(r"\s+", " ", out), re.sub(r"\s+", " ", err)

    return run


def test_the_main_line(here, pdebench):
    status, out, _ = pdebench("generate tiny")
    assert status == 0
    assert "6 members done, 0 failed" in out
    assert "6 done" in pdebench("info tiny.zarr")[1]
    status, out, _ = pdebench("certify tiny.zarr --members 4:6")
    assert status == 0
    assert pdebench("verify tiny.zarr --member 3")[0] == 0
    assert pdebench("plot tiny.zarr --out picture.png")[0] == 0
    assert (here / "picture.png").stat().st_size > 5000
    assert pdebench("baselines tiny --out records")[0] == 0
    records = sorted((here / "records").glob("*.json"))
    assert len(records) == 2
    assert pdebench(f"submit {records[0]} {records[1]}")[0] == 0
    status, out, _ = pdebench("board")
    assert status == 0
    assert out.index("classical, shape 13×13") < out.index("persistence")
    assert "error of the truth itself" in out
    assert (here / "leaderboards" / "tiny" / "index.html").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("generate tinny", "no card named 'tinny' in datasets; did you mean 'tiny'?"),
        ("generate tiny --set grid.shap=[8,8]", "unknown key 'grid.shap'; did you mean 'shape'?"),
        ("generate tiny --set grid.shape", "expected KEY=VALUE"),
        ("generate tiny --set grid.shape=[8,8]", "use at least 13 points, or fewer modes"),
        ("generate tiny --set solver.cfl=2", "is unstable"),
        ("generate tiny --set parameters.viscosity.units=m", "units is 'm', but this card wants '1'"),
        ("generate tiny --members 3", "expected A:B"),
        ("generate tiny --members 4:9", "do not lie in 0:6"),
        ("generate tiny --out /proc/none/s.zarr", "/proc/none"),
        ("info none.zarr", "no store at none.zarr: `pdebench generate CARD --out none.zarr` makes one"),
        ("evaluate persistence tinny", "did you mean 'tiny'"),
        ("evaluate persistense tiny --store made.zarr", "no model named 'persistense'; did you mean 'persistence'?"),
        ("evaluate model.py:Nothing tiny --store made.zarr", "cannot be imported"),
        ("evaluate classical tiny --store made.zarr --set shape=[8]", "shape must be 2 counts"),
        ("submit none.json", "none.json is not a record"),
        ("generate tiny --seed 2 --out made.zarr", "samples.seed: 1 → 2"),
        ("plot made.zarr --out picture.doc", "picture.doc"),
        ("plot made.zarr --out p.png --member 77", "77"),
        ("train fno made.zarr --out w.safetensors --epochs 0", "train: epochs"),
        ("train persistence made.zarr --out w.safetensors --epochs 1", "has nothing to train"),
    ],
)
def test_bad_input_gets_one_clear_line(here, pdebench, line, words):
    pdebench("generate tiny --out made.zarr")
    whole = TrajectoryStore.open("made.zarr").content_hash()
    status, _, err = pdebench(line)
    assert status == 1
    assert err.startswith("error: ")
    assert words in err
    assert "Traceback" not in err
    assert TrajectoryStore.open("made.zarr").content_hash() == whole


def test_debug_shows_the_traceback(here, pdebench, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pdebench", "--debug", "info", "none.zarr"])
    with pytest.raises(Exception, match="no store at"):
        main()


def test_an_unknown_option_gets_usage(here, pdebench):
    status, _, err = pdebench("generate tiny --ranks 3")
    assert status == 2
    assert "No such option" in err


MODELS = """
import time
import numpy as np


class Base:
    def __init__(self, spec, weights=None):
        pass


class WrongShape(Base):
    def predict(self, history, params, times):
        return history


class Nan(Base):
    def predict(self, history, params, times):
        return np.full((len(history), len(times), *history.shape[2:]), np.nan)


class Raises(Base):
    def predict(self, history, params, times):
        raise RuntimeError("out of cheese")


class Sleeps(Base):
    def predict(self, history, params, times):
        while True:
            time.sleep(1)
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("WrongShape", "returned shape (1, 1, 1, 16, 16): expected (1, 4, 1, 16, 16)"),
        ("Nan", "predicted NaN or infinite values in all 2 samples"),
        ("Raises", "raised RuntimeError: out of cheese"),
        ("Sleeps", "gave no answer within"),
    ],
)
def test_a_model_that_breaks_its_contract(here, pdebench, name, words):
    (here / "models.py").write_text(MODELS)
    task = yaml.safe_load((here / "leaderboards/tiny/task.yaml").read_text()) | {"time_limit": 2}
    (here / "leaderboards/tiny/task.yaml").write_text(yaml.safe_dump(task))
    pdebench("generate tiny")
    status, _, err = pdebench(f"evaluate models.py:{name} tiny --out r.json")
    assert status == 1
    assert words in err
    assert "Traceback" not in err
    assert not (here / "r.json").exists()


def test_a_record_edited_by_hand_is_refused(here, pdebench):
    pdebench("generate tiny")
    pdebench("evaluate persistence tiny --out r.json")
    record = json.loads((here / "r.json").read_text())
    record["scores"]["nrmse"] /= 2
    (here / "r.json").write_text(json.dumps(record))
    status, _, err = pdebench("submit r.json")
    assert status == 1
    assert "was changed after it was written" in err
    (here / "r.json").write_text(json.dumps(record | {"color": "green"}))
    assert "unknown key 'color'" in pdebench("submit r.json")[2]


def test_check_fails_and_repairs(here, pdebench):
    pdebench("generate tiny")
    assert pdebench("check tiny.zarr")[0] == 0
    whole = TrajectoryStore.open("tiny.zarr").content_hash()
    shard = here / "tiny.zarr" / "vorticity" / "c.1.0.0.0"
    shard.write_bytes(shard.read_bytes()[:-1])
    status, out, _ = pdebench("check tiny.zarr")
    assert status == 1
    assert "truncated" in out
    assert "dropped 1 damaged" in pdebench("check tiny.zarr --repair")[1]
    assert TrajectoryStore.open("tiny.zarr").missing().tolist() == [2, 3]
    assert pdebench("generate tiny")[0] == 0
    assert TrajectoryStore.open("tiny.zarr").content_hash() == whole


def test_verify_tells_a_store_that_was_altered(here, pdebench):
    pdebench("generate tiny")
    shard = here / "tiny.zarr" / "vorticity" / "c.1.0.0.0"
    raw = np.frombuffer(shard.read_bytes(), np.uint8).copy()
    raw[5 * 16 * 16 * 4 + 2] ^= 1  # member 3, first frame, one bit
    shard.write_bytes(raw.tobytes())
    assert pdebench("verify tiny.zarr --member 2")[0] == 0
    assert pdebench("verify tiny.zarr --member 3")[0] == 1


def test_training_while_solvers_run(here, pdebench):
    assert pdebench("generate tiny --members 2:4")[0] == 0  # the unit that holds the valid split
    line = (
        "train fno tiny --valid tiny.zarr --out online.safetensors --epochs 50 --every 2 --batch-size 2 --buffer fifo "
    )
    line += "--set width=4 --set modes=[4,4] --set layers=1 --threads 1"
    status, out, err = pdebench(line)
    assert (status, err) == (0, "")
    assert "online.safetensors after" in out
    assert "is finished already" in pdebench(line)[1]
