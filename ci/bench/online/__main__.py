"""The same network trained from a store and from a stream, for equal wall time: writes docs/online.md and a figure.

    ci/bench.sh online [--seconds 25] [--seeds 3] [--out docs]

Offline: a store of 16 or 128 members that is there already (making it is not counted), read again and again by one
thread. Online: the same thread and one solver beside it on the other core, nothing stored, new members all the time.
All are judged on the same 16 members.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
import numpy as np

import pdebench
from pdebench.baselines.torch_model import load
from pdebench.recipe import Recipe
from pdebench.spec import DatasetSpec, load_spec
from pdebench.store import TrajectoryStore
from pdebench.stream import Client
from pdebench.train import train

matplotlib.use("Agg")
import matplotlib.pyplot as plt

NETWORK = {"width": 8, "modes": [8, 8], "layers": 2}
VALID, MANY, STORED = 16, 20_000, (16, 128)
CASES = {
    "heat2d": {"grid.shape": [32, 32], "store.shape": [32, 32]},
    "ns2d_decaying_demo": {"grid.shape": [48, 48], "store.shape": [32, 32]},
}


def campaign(name: str) -> DatasetSpec:
    """The card on a small grid, with more members than anybody will see; the first of them validate."""
    splits = {"valid": [0, VALID], "train": [VALID, MANY]}
    return load_spec(name, CASES[name] | {"samples.count": MANY, "samples.unit": 16, "splits": splits})


def recipe(seconds: float, seed: int) -> Recipe:
    return Recipe(seconds=seconds, seed=seed, batch_size=8, learning_rate=5e-3, noise=0.01, threads=1, every=200)


def offline(store: TrajectoryStore, out: Path, how: Recipe) -> dict[str, Any]:
    train("fno", store, out, how, options=NETWORK)
    passport, _ = load(out)
    windows = len(pdebench.Windows(store, "train"))
    return told(passport) | {"unique": windows, "idle": 0.0}


def online(spec: DatasetSpec, valid: TrajectoryStore, out: Path, how: Recipe) -> dict[str, Any]:
    opened: list[Any] = []

    def stream(state: Any) -> Any:
        opened.append(
            pdebench.stream(
                spec, workers=1, batch_size=how.batch_size, members=spec.split("train"), seed=how.seed, resume=state
            )
        )
        return opened[0]

    train("fno", valid, out, how, options=NETWORK, stream=stream)
    report = opened[0].report()
    passport, _ = load(out)
    share = report.unique / max(report.frames * (spec.times.frames - 1) / spec.times.frames, 1)
    return told(passport) | {
        "unique": report.unique,
        "idle": report.idle_seconds / passport.training_seconds,
        "start": report.start_seconds / passport.training_seconds,
        "windows": report.windows,
        "came": share,
    }


def told(passport: Any) -> dict[str, Any]:
    return {"error": passport.training["best_error"], "curve": passport.training["curve"]}


def compared(name: str, seconds: float, seeds: int, folder: Path) -> dict[str, list[dict[str, Any]]]:
    spec, found = campaign(name), {}
    stores = {}
    for members in STORED:
        pdebench.generate(spec, folder / f"{name}-{members}", members=range(VALID + members))
        stores[members] = TrajectoryStore.open(folder / f"{name}-{members}")
    for seed in range(seeds):
        for members, store in stores.items():
            out = folder / f"{name}-{members}-{seed}.safetensors"
            found.setdefault(f"offline, {members} members", []).append(offline(store, out, recipe(seconds, seed)))
        out = folder / f"{name}-online-{seed}.safetensors"
        found.setdefault("online", []).append(online(spec, stores[16], out, recipe(seconds, seed)))
    return found


def bursts(buffer: str, seconds: float = 12.0) -> tuple[float, float]:
    """Idle share of a trainer, and share of the windows that it saw, when production runs a third of the time."""
    spec = load_spec("heat2d", {"samples.count": 64, "samples.unit": 1, "splits": {"train": [0, 64]}})
    pause = seconds / (64 * 50 / 8) / 4  # of a step: four times faster than the mean, and faster than a burst
    with pdebench.stream(spec, workers=0, batch_size=8, buffer=buffer, capacity=2048, threshold=32) as stream:

        def produce() -> None:
            began = time.perf_counter()
            with Client(stream._receiver.address) as client:
                values = np.zeros((1, 64, 64), np.float32)
                for member, _ in client:
                    for frame in range(client.frames):
                        client.send(member, frame, values)
                    if member % 8 == 7:  # eight bursts
                        time.sleep(max(0.0, began + seconds * (member + 1) / 64 - time.perf_counter()))
                    else:
                        time.sleep(seconds / 64 / 3)

        producer = threading.Thread(target=produce)
        producer.start()
        batches = iter(stream)
        next(batches)
        started, before = time.perf_counter(), stream.report().idle_seconds
        working, idle = 1.0, 0.0
        for _ in batches:
            time.sleep(pause)
            if not stream._receiver.over:
                working, idle = time.perf_counter() - started, stream.report().idle_seconds - before
        producer.join()
        report = stream.report()
        return idle / working, report.unique / report.total


def page(
    cases: dict[str, dict[str, list[dict[str, Any]]]], seconds: float, bursty: dict[str, tuple[float, float]]
) -> str:
    lines = [
        "# Training from a stream and from a store, for equal wall time",
        "",
        f"Written by `ci/bench.sh online`. {seconds:g} s each, one thread, the same small FNO, batches of 8;",
        "validation error is the mean relative L² of one step, the best along the run, over "
        f"{VALID} members that no run trained on; mean and range over the seeds. Offline reads a store that is there",
        "already (making it is not counted); online has one solver beside it and stores nothing. Fields: 32 × 32.",
        "Idle: the share of the time that the trainer waited, and how much of it before the first batch, while the",
        "solver starts: that is one time, however long the training.",
        "",
        "| dataset | way | validation error | range | of offline, 16 | unique windows | repeats each | idle (start) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, ways in cases.items():
        base = mean(run["error"] for run in ways["offline, 16 members"])
        for way, runs in ways.items():
            errors = [run["error"] for run in runs]
            drawn = mean(run.get("windows", np.nan) / run["unique"] for run in runs)
            lines.append(
                f"| {name} | {way} | {mean(errors):.4f} | {min(errors):.4f} … {max(errors):.4f} | "
                f"{mean(errors) / base:.2f} | {mean(run['unique'] for run in runs):.0f} | "
                f"{'–' if np.isnan(drawn) else f'{drawn:.1f}'} | {100 * mean(run['idle'] for run in runs):.1f} % "
                f"({100 * mean(run.get('start', 0.0) for run in runs):.1f} %) |"
            )
    lines += ["", "![Validation error against time](online.svg)", ""]
    lines += [
        "## When production runs a third of the time",
        "",
        "A producer that sends its frames in eight bursts, a trainer that could take four times the mean rate:",
        "",
        "| buffer | trainer idle | unique windows seen |",
        "|---|---|---|",
        *(f"| {name} | {100 * idle:.1f} % | {100 * unique:.0f} % |" for name, (idle, unique) in bursty.items()),
        "",
    ]
    return "\n".join(lines)


def figure(cases: dict[str, dict[str, list[dict[str, Any]]]], path: Path) -> None:
    figure, axes = plt.subplots(1, len(cases), figsize=(4.2 * len(cases), 3.2), layout="constrained")
    for axis, (name, ways) in zip(np.atleast_1d(axes), cases.items(), strict=True):
        for colour, (way, runs) in enumerate(ways.items()):
            for run in runs:
                curve = np.array(run["curve"])
                label = way if run is runs[0] else None
                axis.semilogy(curve[:, 0], curve[:, 2], color=f"C{colour}", lw=1, alpha=0.8, label=label)
        axis.set(title=name, xlabel="wall time [s]", ylabel="validation error")
        axis.legend(frameon=False, fontsize=8)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", nargs="*", choices=CASES, help="only these, and not the bursts")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    chosen = parser.parse_args()
    raw = Path("build/online.json")  # a case may be run at a time
    found: dict[str, Any] = json.loads(raw.read_text()) if raw.exists() else {}
    for name in chosen.cases or CASES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = compared(name, chosen.seconds, chosen.seeds, Path(folder))
    if not chosen.cases:
        found["bursts"] = {buffer: bursts(buffer) for buffer in ("fifo", "firo", "reservoir")}
    raw.parent.mkdir(exist_ok=True)
    raw.write_text(json.dumps(found))
    cases = {name: found[name] for name in CASES if name in found}
    (chosen.out / "online.md").write_text(page(cases, chosen.seconds, found.get("bursts", {})))
    figure(cases, chosen.out / "online.svg")


if __name__ == "__main__":
    main()
