"""Claims of the papers behind the baseline networks, tried at small scale: writes docs/baselines.md and a figure.

    ci/bench.sh claims [--seconds 30] [--seeds 3] [--only NAME ...] [--table]

Each training gets the same time of one processor. Repeat the command to go on: what is in runs/claims is not made
again; --table only writes the page.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

import pdebench
from pdebench.arrays import Array
from pdebench.data import seen
from pdebench.model import build_model
from pdebench.recipe import Recipe
from pdebench.spec import DatasetSpec, load_spec
from pdebench.store import TrajectoryStore
from pdebench.train import train

from .page import write
from .plan import DATA, TRAININGS, Training

VALID, TEST = 8, 16
ROOT = Path("runs/claims")


def spec_of(name: str) -> DatasetSpec:
    data = DATA[name]
    ends = np.cumsum([0, data.train, VALID, TEST]).tolist()
    splits = {split: ends[i : i + 2] for i, split in enumerate(("train", "valid", "test"))}
    return load_spec(data.card, data.changes | {"samples.count": ends[-1], "samples.unit": 8, "splits": splits})


def store_of(name: str) -> TrajectoryStore:
    path = ROOT / f"{name.replace(', ', '-')}.zarr"
    pdebench.generate(spec_of(name), path)
    return TrajectoryStore.open(path)


def roll_out(model: Any, store: TrajectoryStore, stride: int) -> tuple[Array, Array, Array]:
    """Prediction and truth of all test members, `(b, t, field, *space)`, and the times from the first frame."""
    members = store.members("test")
    wanted = range(1) if store.steady else range(stride, len(store.times), stride)
    times = store.times[wanted] - (0.0 if store.steady else store.times[0])
    shown = 0 if store.steady else 1
    given = [seen(store.frames(int(m), 0, shown), store.given(int(m))) if store.inputs else store.frames(int(m), 0, 1)
             for m in members]  # fmt: skip
    truth = np.stack([store.frames(int(m))[wanted] for m in members]).astype(float)
    return model.predict(np.stack(given), store.params(members), times).astype(float), truth, times


def scores(pred: Array, truth: Array, times: Array) -> dict[str, Any]:
    """Means over the members. `histogram`: first Wasserstein distance of all values over their std."""
    pred = np.nan_to_num(pred, nan=1e6, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6)
    space = tuple(range(3, truth.ndim))
    nrmse = np.sqrt(((pred - truth) ** 2).mean(space) / (truth**2).mean(space)).mean(axis=2)  # (b, t)
    p, u = (v - v.mean(space, keepdims=True) for v in (pred, truth))
    correlation = ((p * u).sum(space) / np.sqrt((p**2).sum(space) * (u**2).sum(space)).clip(1e-300)).mean(axis=2)
    lost = correlation < 0.8
    first = np.where(lost.any(axis=1), lost.argmax(axis=1), len(times) - 1)
    quantiles = np.linspace(0.005, 0.995, 100)
    apart = np.abs(np.quantile(pred, quantiles) - np.quantile(truth, quantiles)).mean() / truth.std()
    return {
        "nrmse": float(nrmse.mean()),
        "correlation_time": float(times[first].mean()),
        "histogram": float(apart),
        "curve": np.median(nrmse, axis=0).tolist(),
        "times": times.tolist(),
    }


def tried(name: str, training: Training, seconds: float, seed: int) -> dict[str, Any]:
    """One training and its scores."""
    store, stride = store_of(training.data), DATA[training.data].stride
    slug = f"{name.lower().replace(', ', '-').replace(' ', '-')}-{seconds:g}s-seed{seed}"
    recipe = Recipe(seconds=seconds, clock="cpu", seed=seed, threads=1, stride=stride, **training.recipe)
    weights = train(training.model, store, ROOT / f"{slug}.safetensors", recipe, options=training.options)
    model: Any = build_model(training.model, store.spec, weights)
    began = time.process_time()
    found = scores(*roll_out(model, store, stride))
    found["inference"] = (time.process_time() - began) / TEST
    if training.also:
        other = store_of(training.also)
        there = scores(*roll_out(build_model(training.model, other.spec, weights), other, stride))
        found["nrmse on the other grid / here"] = there["nrmse"] / found["nrmse"]
    passport = model.passport
    return found | {
        "training": name,
        "seed": seed,
        "seconds": seconds,
        "cpu": passport.training_seconds,
        "epochs": passport.training["curve"] and len(passport.training["curve"]),
        "parameters": model.parameter_count,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=TRAININGS, default=list(TRAININGS))
    parser.add_argument("--table", action="store_true", help="train nothing")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    folder = ROOT / f"{chosen.seconds:g}s"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(0 if chosen.table else chosen.seeds):
        for name in chosen.only:
            record = folder / f"{name.replace(' ', '_')}-{seed}.json"
            if not record.exists():
                found = tried(name, TRAININGS[name], chosen.seconds, seed)
                record.write_text(json.dumps(found))
                print(f"{name}, seed {seed}: nRMSE {found['nrmse']:.4f}, correlated {found['correlation_time']:.3g}, "
                      f"histogram {found['histogram']:.3g}, {found['cpu']:.0f} s", flush=True)  # fmt: skip
    write([json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))], chosen.out)


if __name__ == "__main__":
    main()
