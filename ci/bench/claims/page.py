"""Records of trainings -> docs/baselines.md and docs/baselines.svg."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

from .plan import CLAIMS, DATA, TRAININGS, Claim

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Record = dict[str, Any]

PICTURED = (
    ("Kuramoto–Sivashinsky", ("U-Net, KS", "PDE-Refiner", "dilated ResNet", "dilated ResNet, noise")),
    ("Decaying turbulence", ("U-Net, NS", "SineNet", "FNO, NS", "DeepONet")),
    ("Few trajectories", ("all pairs", "one step")),
)


def by_seed(records: list[Record], name: str, score: str) -> dict[int, float]:
    return {r["seed"]: r[score] for r in records if r["training"] == name and score in r}


def verdict(claim: Claim, records: list[Record]) -> str:
    """What the seeds that both have say, pair by pair."""
    ours = by_seed(records, claim.better, claim.score)
    pairs = []
    for name in claim.worse:
        theirs = by_seed(records, name, claim.score)
        pairs += [(ours[s], theirs[s]) for s in sorted(ours.keys() & theirs.keys())]
    if not pairs:
        return "not measured"
    holds = [a > b if claim.greater else a < b for a, b in pairs]
    if claim.within:
        holds = [hold and a <= claim.within for hold, (a, _) in zip(holds, pairs, strict=True)]
    seeds = len(ours)
    told = f"{sum(holds)} of {len(holds)} comparisons, {seeds} seed{'s' if seeds > 1 else ''}"
    if seeds < 3:
        return f"undecided ({told}: too few)"
    return f"**{'reproduced' if all(holds) else 'not at this scale'}** ({told})"


def spread(values: list[float]) -> str:
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.3g}"
    return f"{mean(values):.3g} ({min(values):.3g} … {max(values):.3g})"


def claims(records: list[Record]) -> list[str]:
    lines = ["| claim | measured by | numbers | verdict |", "|---|---|---|---|"]
    for claim in CLAIMS:
        numbers = "; ".join(
            f"{name}: {spread(list(by_seed(records, name, claim.score).values()))}"
            for name in (claim.better, *claim.worse)
        )
        lines.append(f"| {claim.title} ({claim.source}) | {claim.says} | {numbers} | {verdict(claim, records)} |")
    return lines


def trainings(records: list[Record]) -> list[str]:
    lines = [
        "| network | data | weights | passes over the data | nRMSE | correlated until | inference [ms] |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, training in TRAININGS.items():
        runs = [r for r in records if r["training"] == name]
        if runs:
            data = DATA[training.data]
            lasting = [r["correlation_time"] for r in runs if any(r["times"])]  # a steady problem has but one, 0
            lines.append(
                f"| {name} | {data.card}, {data.train} members | {runs[0]['parameters']} | "
                f"{mean(r['epochs'] for r in runs):.0f} | {spread([r['nrmse'] for r in runs])} | "
                f"{spread(lasting)} | {1e3 * mean(r['inference'] for r in runs):.1f} |"
            )
    return lines


def figure(records: list[Record], path: Path) -> None:
    """Median error over the members against time, a line a seed; a panel where there is anything to draw."""
    found = [(title, [n for n in names if by_seed(records, n, "nrmse")]) for title, names in PICTURED]
    drawn = [(title, names) for title, names in found if names]
    if not drawn:
        return
    figure, axes = plt.subplots(1, len(drawn), figsize=(4.2 * len(drawn), 3.2), layout="constrained", squeeze=False)
    for axis, (title, names) in zip(axes[0], drawn, strict=True):
        for colour, name in enumerate(names):
            for index, run in enumerate(r for r in records if r["training"] == name):
                axis.plot(run["times"], run["curve"], f"C{colour}", lw=1, label=None if index else name)
        axis.set(title=title, xlabel="time from the first frame", ylabel="nRMSE, median", yscale="log")
        axis.legend(frameon=False, fontsize=8)
    figure.savefig(path)


INTRODUCTION = """\
# Do the papers' claims hold at small scale?

Written by `ci/bench.sh claims --seconds {seconds:g} --seeds {seeds}`. Each training has {seconds:g} s of one
processor (its own clock, so that neighbours do not matter), the best weights on the valid split are kept, and 16 test
members are scored that no training saw. Mean over the seeds, and their range. **Reproduced**: so with every seed, of at
least three. The papers train for hours on a GPU: what is not reproduced here is not refuted. A comparison at equal
time favours what is cheap.
"""


def write(records: list[Record], out: Path) -> None:
    seconds = records[0]["seconds"] if records else 0
    seeds = len({r["seed"] for r in records})
    lines = [
        INTRODUCTION.format(seconds=seconds, seeds=seeds),
        *claims(records),
        "",
        "![Error against time](baselines.svg)",
        "",
        "## The trainings",
        "",
        *trainings(records),
        "",
    ]
    (out / "baselines.md").write_text("\n".join(lines))
    figure(records, out / "baselines.svg")
