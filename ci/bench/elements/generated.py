"""Eight cases of each problem, as `pdebench generate` makes them: what a frame and a case cost, and where it goes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from timing import Table

from pdebench.generate import generate
from pdebench.spec import load_spec
from pdebench.store import TrajectoryStore

from .spent import Spent, clocked

CASES = 8
CARDS = {"cavity": "cfd_cavity_demo", "tube": "cfd_tube_demo", "cylinder": "cfd_cylinder_demo", "dam": "cfd_dam_demo"}
SHARES = ("mesh", "assembly", "solve", "interface", "grid")
COLUMNS = (
    *("problem", "card", "cases", "frames", "steps per case", "ms per step", "ms per frame", "s per case"),
    *("mesh", "assembly", "solve", "interface", "to the grid", "rest, store among it"),
)


def table(quick: bool) -> Table:
    out = Table(
        "Eight cases of each problem, generated",
        "within CI's patience",
        COLUMNS,
        notes=("CPU time of one core, after a first run that compiles; whole cases of the small cards, into a store.",),
    )
    for problem, card in CARDS.items():
        count = 1 if quick else CASES
        generated(card, 1)
        spent = generated(card, count)
        spec = load_spec(card)
        rest = 1 - sum(spent.parts.values()) / spent.whole
        out.add(
            *(problem, card, str(count), str(spec.times.frames), f"{spent.steps / count:.0f}"),
            *(f"{1e3 * spent.whole / spent.steps:.1f}", f"{1e3 * spent.whole / count / spec.times.frames:.0f}"),
            f"{spent.whole / count:.2f}",
            *spent.shares(*SHARES),
            f"{100 * rest:.0f} %",
        )
    return out


def generated(card: str, count: int) -> Spent:
    """The first cases of a card as one unit of work."""
    spent, spec = Spent(), load_spec(card, {"samples.unit": count})
    with TemporaryDirectory() as folder:
        with clocked(spent):
            generate(spec, Path(folder) / "store", members=range(count))
        store = TrajectoryStore.open(Path(folder) / "store")
        if any(why := store.reasons()[:count]):
            raise RuntimeError(f"{card}: {why}")
        spent.steps = int(store.effort()["steps"][:count].sum())
    return spent
