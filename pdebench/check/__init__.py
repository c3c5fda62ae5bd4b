"""Looks for what has been found wrong with published data: copies, frozen frames, scaled fields, false parameters.

Every check is a function in one of the two tables below; each can be read, and called, on its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from pdebench import solve
from pdebench.arrays import Index
from pdebench.errors import StoreError
from pdebench.layout import DONE
from pdebench.store import TrajectoryStore

from .equation import equation
from .files import completeness, labels, parameters, shards
from .finding import Evidence, Finding, Remark, Severity, Trajectory
from .frames import blow_up, duplicates, end_points, finite, frozen, magnitude, outliers
from .physics import conservation, initial, inputs, laws, limited, resolution, told

__all__ = ["MEMBER_CHECKS", "STORE_CHECKS", "Evidence", "Finding", "Remark", "Severity", "Trajectory", "check"]

STORE_CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    completeness,
    shards,
    labels,
    parameters,
    outliers,
    duplicates,
    equation,
)
MEMBER_CHECKS: tuple[Callable[[Trajectory], Iterator[Remark]], ...] = (
    frozen,
    blow_up,
    end_points,
    magnitude,
    initial,
    inputs,
    laws,
    limited,
    told,
    conservation,
    resolution,
)


def check(
    store: TrajectoryStore,
    *,
    members: Iterable[int] | None = None,
    progress: Callable[[float, float], None] | None = None,
) -> list[Finding]:
    """Everything that all checks have to say about a store, or about some of its members; worst first.

    Reads every frame twice; the equation is solved again for one or two output intervals of at most three members.
    `progress` is called with members done and members to do.
    """
    problem, _ = solve.prepare(store.spec)
    readable = _readable(store, members)
    evidence = Evidence(store, problem, readable)
    remarks, sound = _of_members(evidence, progress)
    findings = list(_merged(remarks))
    whole = Evidence(store, problem, np.array(sound, int))  # members that hold numbers
    for test in STORE_CHECKS:
        said = list(test(whole))
        findings += said or [Finding(test.__name__, "ok", (), _summary(test))]
    quiet = {finding.check for finding in findings}
    findings += [
        Finding(test.__name__, "ok", (), _summary(test))
        for test in (finite, *MEMBER_CHECKS)
        if test.__name__ not in quiet and len(readable)
    ]
    rank = {"error": 0, "warning": 1, "ok": 2}
    return sorted(findings, key=lambda finding: rank[finding.severity])


def _of_members(
    evidence: Evidence, progress: Callable[[float, float], None] | None
) -> tuple[dict[tuple[str, Severity], list[tuple[int, str]]], list[int]]:
    """What the checks of single members say, by check and severity; and the members that are finite."""
    remarks, sound = defaultdict(list), []
    for number, member in enumerate(int(m) for m in evidence.members):
        params = dict(zip(evidence.store.parameter_names, evidence.store.params([member])[0].tolist(), strict=True))
        frames = evidence.store.frames(member)
        trajectory = Trajectory(evidence.store, evidence.problem, member, frames, params)
        broken = list(finite(trajectory))
        remarks_of = {finite: broken} if broken else {test: list(test(trajectory)) for test in MEMBER_CHECKS}
        for test, said in remarks_of.items():
            for severity, line in said:
                remarks[test.__name__, severity].append((member, line))
        if not broken:
            sound.append(member)
        if progress:
            progress(number + 1, len(evidence.members))
    return remarks, sound


def _merged(remarks: dict[tuple[str, Severity], list[tuple[int, str]]]) -> Iterator[Finding]:
    """One finding per check and severity, told by its first member."""
    for (name, severity), said in remarks.items():
        (first, line), members = said[0], sorted({member for member, _ in said})
        others = f" (so {len(members)} members)" if len(members) > 1 else ""
        yield Finding(name, severity, tuple(members), f"member {first}: {line}{others}")


def _readable(store: TrajectoryStore, members: Iterable[int] | None) -> Index:
    """Members that are done, wanted, and whose shards can be opened."""
    done = np.flatnonzero(store.status() == DONE)
    wanted = done if members is None else done[np.isin(done, list(members))]
    return np.array([m for m in wanted if _opens(store, int(m))], int)


def _opens(store: TrajectoryStore, member: int) -> bool:
    try:
        store.frames(member, 0, 1)
    except StoreError:
        return False  # `shards` tells why
    return True


def _summary(test: Callable[..., object]) -> str:
    """The first line of a check's docstring, which says what holds."""
    return str(test.__doc__).splitlines()[0]
