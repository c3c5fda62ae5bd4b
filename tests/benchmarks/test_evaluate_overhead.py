"""What `evaluate` adds to the bare calls of a model, and what the metrics cost per family."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from specs import tiny_card, tiny_spec

from pdebench.evaluate import evaluate
from pdebench.generate import generate
from pdebench.metrics import Context, metrics, score
from pdebench.model import Persistence
from pdebench.spec import Grid, parse
from pdebench.store import TrajectoryStore
from pdebench.task import Task

CHANGES = {
    "samples__count": 32,
    "samples__unit": 16,
    "splits": {"test": [0, 32]},
    "grid__shape": [64, 64],
    "store__shape": [64, 64],
    "times__step": 0.02,
    "times__frames": 11,
}
SPEC = tiny_spec(**CHANGES)
COMMON = ["rmse", "nrmse", "vrmse", "max_error", "relative_l1", "correlation", "correlation_time", "stability"]
SPECTRAL = ["spectral_error_low", "spectral_error_mid", "spectral_error_high", "energy_spectrum_error"]
FAMILIES = {
    "moments": COMMON,
    "spectra": SPECTRAL,
    "both": COMMON + SPECTRAL,
    "wasserstein": ["wasserstein_histogram"],
    "structure": ["structure_function"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overhead")
    (folder / "tiny").mkdir()
    (folder / "tiny" / "card.yaml").write_text(yaml.safe_dump(tiny_card(**CHANGES)))
    generate(SPEC, folder / "tiny.zarr")
    return folder


def arrays(store):
    frames = np.stack([store.frames(m) for m in range(16)])
    return frames[:, :1], store.params(range(16)), frames[:, 1:], store.times[1:]


@pytest.mark.benchmark(group="32 samples of 64² × 10 frames")
def test_bare_predict(benchmark, folder):
    history, params, _, times = arrays(TrajectoryStore.open(folder / "tiny.zarr"))
    model = Persistence(SPEC)
    benchmark(lambda: [model.predict(history, params, times) for _ in range(2)])


@pytest.mark.benchmark(group="32 samples of 64² × 10 frames")
def test_predict_and_metrics(benchmark, folder):
    history, params, true, times = arrays(TrajectoryStore.open(folder / "tiny.zarr"))
    model, context = Persistence(SPEC), Context(SPEC.output, times, history[:, 0])
    names = COMMON + SPECTRAL
    benchmark(lambda: [score(names, model.predict(history, params, times), true, context) for _ in range(2)])


@pytest.mark.benchmark(group="32 samples of 64² × 10 frames")
def test_whole_evaluate(benchmark, folder, monkeypatch):
    """Reading, the timing calls, the picture and the record come on top of predictions and metrics."""
    monkeypatch.chdir(folder)
    store = TrajectoryStore.open(folder / "tiny.zarr")
    card = {"name": "t", "version": 1, "title": "t", "description": "t", "dataset": "tiny", "horizon": 10}
    task = parse(Task, card | {"metrics": COMMON + SPECTRAL, "primary": "nrmse"}, where="t")
    record = benchmark(evaluate, "persistence", store, task)
    assert len(record.members) == 32


@pytest.mark.benchmark(group="metrics of 16 samples of 64² × 20 frames")
@pytest.mark.parametrize("family", FAMILIES)
def test_metrics(benchmark, family):
    rng = np.random.default_rng(0)
    pred, true = (rng.standard_normal((16, 20, 1, 64, 64), dtype=np.float32) for _ in range(2))
    context = Context(Grid(shape=(64, 64), lengths=(1.0, 1.0)), np.arange(1.0, 21.0), true[:, 0])
    found = benchmark(score, FAMILIES[family], pred, true, context)
    assert set(found) == set(FAMILIES[family]) <= set(metrics)
