"""kill -9 at random until a campaign is over: `python tests/kills.py [--kills 100] [cluster|stream]`.

Victims are drivers or trainers, mpiexecs, ranks and solvers; some are stopped (SIGSTOP) instead, so that they hang. Of
each campaign are counted: what was lost or came twice; frames that were solved again, beside those that were in flight
at the kills; processes that outlived their driver; files left after the last, undisturbed run, which sweeps. All
processes carry a mark and have a folder for temporary files of their own, so that others' are never met.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from perilous import HERE, MARK, by_rows, card_file, living, wait_for_none
from ranks import MPI

import pdebench
from pdebench.journal import Journal
from pdebench.store import TrajectoryStore

FRAMES = 5
PATIENCE = 10.0  # [s] after which one that was stopped is given up
PACE = 0.03  # [s] between two batches: what a step of training takes
HANG = 0.05  # share of the victims that are stopped instead of killed
BOSS = 7  # each so many-th, from the second on, is the driver or the trainer


@dataclass
class Campaign:
    """Processes with one mark, and what became of them."""

    folder: Path
    ranks: int
    workers: int
    hit: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0  # frames, at most, that the kills can have cost
    bosses: list[int] = field(default_factory=list)
    orphans: int = 0

    def __post_init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self.temporary, self.ledger = self.folder / "tmp", self.folder / "ledger"
        self.temporary.mkdir(parents=True)
        self.ledger.touch()
        own = {MARK: self.mark, "TMPDIR": str(self.temporary), "PDEBENCH_TEST_LEDGER": str(self.ledger)}
        self.environment = os.environ | MPI | own | {"PYTHONPATH": _search_path()}

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("a") as log:
            boss = subprocess.Popen([sys.executable, *words], env=self.environment, stdout=log, stderr=log)
        self.bosses.append(boss.pid)
        return boss

    def crew(self, boss: int) -> dict[int, str]:
        """Solvers, workers and their mpiexecs."""
        return {pid: command for pid, command in living(self.mark).items() if pid != boss and _is_crew(command)}

    def strike(self, boss: int, rng: np.random.Generator) -> None:
        """Kill or stop one of them."""
        crew = self.crew(boss)
        if not crew:
            return
        victim = boss if self.hit.total() % BOSS == 1 else int(rng.choice(sorted(crew)))
        kind = "boss" if victim == boss else "mpiexec" if "mpiexec" in crew[victim] else "worker"
        stops = kind == "worker" and rng.uniform() < HANG
        try:
            os.kill(victim, signal.SIGSTOP if stops else signal.SIGKILL)
        except ProcessLookupError:
            return
        self.hit["hung" if stops else kind] += 1
        self.in_flight += FRAMES * (self.workers if victim == boss else 1)

    def run(
        self,
        begin: Callable[[], subprocess.Popen[bytes]],
        due: Callable[[], bool],
        *,
        kills: int,
        rng: np.random.Generator,
        limit: float,
    ) -> None:
        """Until a boss ends well: strike when it is `due`, and begin again where the boss was hit."""
        boss, end = begin(), time.monotonic() + limit
        while boss.poll() != 0:
            assert time.monotonic() < end, f"{self.hit}: see {self.folder}/log"
            time.sleep(rng.uniform(0.03, 0.25))
            if boss.poll() not in (None, 0):
                self.bury(boss)
                boss = begin()
            if self.hit.total() < kills and due():
                self.strike(boss.pid, rng)
        self.orphans += len(wait_for_none(self.mark))

    def bury(self, boss: subprocess.Popen[bytes]) -> None:
        """What a dead driver leaves must end by itself."""
        boss.wait()
        left = wait_for_none(self.mark)
        self.orphans += len(left)
        for pid in left:
            os.kill(pid, signal.SIGKILL)

    def __enter__(self) -> Campaign:
        return self

    def __exit__(self, *error: object) -> None:
        """Leave no process behind, whatever was found."""
        for pid in living(self.mark):
            os.kill(pid, signal.SIGKILL)

    def outcome(self, needed: int, lost: int, doubled: int) -> Outcome:
        twice = len(self.ledger.read_text().splitlines()) - needed
        return Outcome(dict(self.hit), needed, twice, self.in_flight, lost, doubled, self.orphans, self.leftovers())

    def leftovers(self) -> list[str]:
        """Files of ours that nobody needs any more."""
        numbers = "|".join(map(str, self.bosses))
        shared = [name for name in os.listdir("/dev/shm") if re.search(rf"pdebench.*\.({numbers})\.", name)]
        temporary = [str(path) for path in self.temporary.rglob("*") if not path.is_dir()]
        return shared + temporary + [str(path) for path in self.folder.rglob("*.partial")]


@dataclass(frozen=True)
class Outcome:
    """What is told of a campaign; the last four must be 0."""

    kills: dict[str, int]
    needed: int  # frames
    twice: int
    in_flight: int
    lost: int
    doubled: int
    orphans: int
    leftovers: list[str]


def on_cluster(folder: Path, *, kills: int, ranks: int, seed: int, limit: float = 4 * 3600) -> Outcome:
    """A store is filled by `generate --cluster local`; lost and doubled are members, by what serial solving gives."""
    at, rng = Campaign(folder, ranks, 2), np.random.default_rng(seed)
    count = (16 if ranks == 1 else 8) * kills + 12  # those alone solve more between two kills
    spec = by_rows(pause=0.06, ranks=ranks, count=count)
    card, out, cluster = card_file(folder, spec), folder / "s.zarr", folder / "cluster.yaml"
    cluster.write_text(f"kind: local\nworkers: {at.workers}\npoll_seconds: 1\npatience: {PATIENCE}\n")
    words = ("-m", "pdebench", "generate", str(card), "--cluster", str(cluster), "--out", str(out))
    met: Counter[int] = Counter()

    def due() -> bool:
        """Units are at work, and none has met two kills: at the third it would rightly be set aside."""
        begun = {int(path.name.split(".")[1]) for path in out.rglob("c.*.partial")}  # also those that met a kill
        working = begun - _committed(out)
        if not working or any(met[unit] == 2 for unit in working):
            return False
        met.update(working)
        return True

    with at:
        at.run(lambda: at.begin(*words), due, kills=kills, rng=rng, limit=limit)
        store, whole = TrajectoryStore.open(out), _serial(spec, folder)
        wrong = sum(not np.array_equal(store.frames(m), whole.frames(m)) for m in store.members())
        lost = count - len(store.members())
        assert lost or wrong or store.content_hash() == whole.content_hash()
        return at.outcome(count * FRAMES, lost, wrong)


def on_stream(folder: Path, *, kills: int, ranks: int, seed: int, limit: float = 4 * 3600) -> Outcome:
    """A trainer draws every window once and keeps a store; lost and doubled are windows."""
    at, rng, count = Campaign(folder, ranks, 2), np.random.default_rng(seed), 6 * kills + 12
    state, finished, told = folder / "state.npz", folder / "finished", 0

    def due() -> bool:
        """Some members further than at the last kill."""
        nonlocal told
        used = _used(state) if state.exists() else 0
        if used <= told + 3 * (FRAMES - 1) or finished.exists():
            return False
        told = used
        return True

    with at:
        at.run(lambda: _trainer(at, count), due, kills=kills, rng=rng, limit=limit)
        with np.load(state) as file:
            seen = Counter(map(tuple, file["used"].tolist()))
        windows = {(m, s) for m in range(count) for s in range(FRAMES - 1)}
        kept, spec = TrajectoryStore.open(folder / "kept"), streamed(count, ranks)
        lost = len(windows - seen.keys()) + len(kept.missing())
        assert lost or kept.content_hash() == _serial(spec, folder).content_hash()
        return at.outcome(count * FRAMES, lost, seen.total() - len(seen))


def streamed(count: int, ranks: int) -> pdebench.DatasetSpec:
    return by_rows(pause=0.06, ranks=ranks, count=count)


def _trainer(at: Campaign, count: int) -> subprocess.Popen[bytes]:
    return at.begin(__file__, "--train", str(at.folder), str(count), str(at.ranks), str(at.workers))


def train(folder: Path, count: int, ranks: int, workers: int) -> None:
    """A trainer's commitment is one file: what it has used, and where the stream stood, replaced together."""
    path, used, state = folder / "state.npz", [], None
    if path.exists():
        with np.load(path) as file:
            state = {name: file[name] for name in file.files}
        used = state.pop("used").tolist()
    with pdebench.stream(
        streamed(count, ranks),
        workers=workers,
        batch_size=4,
        buffer="firo",
        capacity=64,  # solvers that are far ahead have ended before anybody can kill them
        keep=folder / "kept",
        patience=PATIENCE,
        resume=state,
    ) as stream:
        for batch in stream:
            time.sleep(PACE)
            used += zip(batch.member.tolist(), batch.start.tolist(), strict=True)
            with (folder / ".new").open("wb") as file:
                np.savez(file, used=np.array(used), **stream.state())
            (folder / ".new").replace(path)
    (folder / "finished").touch()


def _committed(store: Path) -> set[int]:
    """Units."""
    return set(Journal(store / "journal").entries()) if store.exists() else set()


def _used(state: Path) -> int:
    with np.load(state) as file:
        return len(file["used"])


def _serial(spec: pdebench.DatasetSpec, folder: Path) -> TrajectoryStore:
    """The same on as many ranks, undisturbed."""
    words = ["-m", "pdebench", "generate", str(card_file(folder, spec)), "--out", str(folder / "whole.zarr")]
    command = ["mpiexec", "-n", str(spec.ranks), sys.executable, *words] if spec.ranks > 1 else [sys.executable, *words]
    own = os.environ | MPI | {"PYTHONPATH": _search_path()}
    ran = subprocess.run(command, env=own, capture_output=True, text=True, timeout=1200, check=False)
    assert not ran.returncode, ran.stderr
    return TrajectoryStore.open(folder / "whole.zarr")


def _is_crew(command: str) -> bool:
    return "pdebench.cluster" in command or "stream --to" in command


def _search_path() -> str:
    return os.pathsep.join([str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])


CAMPAIGNS = {"cluster": on_cluster, "stream": on_stream}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("campaigns", nargs="*", default=list(CAMPAIGNS))
    parser.add_argument(
        "--kills", type=int, default=100, help="of each campaign, half of them with groups of two ranks"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--train", nargs=4, help=argparse.SUPPRESS)  # the trainer that is killed
    said = parser.parse_args()
    if said.train:
        train(Path(said.train[0]), *map(int, said.train[1:]))
        return
    print("| campaign | ranks | kills | frames | solved again | in flight | lost | doubled | orphans | files left |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in said.campaigns:
        for ranks in (1, 2):
            with tempfile.TemporaryDirectory(prefix="pdebench-kills-") as folder:
                home = Path(folder) / "campaign"
                got = CAMPAIGNS[name](home, kills=said.kills // 2, ranks=ranks, seed=said.seed + ranks)
            kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(got.kills.items()))
            print(
                f"| {name} | {ranks} | {sum(got.kills.values())}: {kinds} | {got.needed} | {got.twice} | "
                f"{got.in_flight} | {got.lost} | {got.doubled} | {got.orphans} | {len(got.leftovers)} |",
                *got.leftovers,
                flush=True,
            )


if __name__ == "__main__":
    main()
