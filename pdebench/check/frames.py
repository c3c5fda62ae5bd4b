"""Checks that look at the numbers of a trajectory without knowing its equation."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import numpy as np

from pdebench import sample

from .finding import Evidence, Finding, Remark, Trajectory, listed, remedy

STILL = 1e-6  # a change this small beside its neighbours is none
UNIFORM = 1e-5  # a spread over space this small beside the greatest is that of a float32 constant
BURST = 10.0  # growth of the maximum from one frame to the next
OUTLIER = 100.0  # times the median member


def finite(trajectory: Trajectory) -> Iterator[Remark]:
    """No NaN, no infinity."""
    axes = tuple(range(1, trajectory.frames.ndim))
    bad = np.flatnonzero(~np.isfinite(trajectory.frames).all(axis=axes))
    if len(bad):
        yield "error", f"{len(bad)} frames are not finite, the first is {trajectory.at(int(bad[0]))}{trajectory.again}"


def frozen(trajectory: Trajectory) -> Iterator[Remark]:
    """No frame repeats the one before while the frames around them move. A field that has become uniform may rest."""
    for name, values in trajectory.fields():
        change = np.array([_rms(new - old) for old, new in pairwise(values)])
        if len(change) < 2:
            continue
        around = np.maximum(np.r_[0.0, change[:-1]], np.r_[change[1:], 0.0])
        spread = np.array([float(np.std(frame, dtype=float)) for frame in values])
        level = spread[1:] < UNIFORM * spread.max()
        still = np.flatnonzero((change < STILL * around) & ~level)
        if len(still):
            where = trajectory.at(int(still[0]) + 1)
            yield "error", f"{name} stands still at {where} while the frames around it move{trajectory.again}"


def blow_up(trajectory: Trajectory) -> Iterator[Remark]:
    """No maximum grows tenfold from one frame to the next. Starting from rest is no blow-up, nor is what flows in."""
    given: dict[str, float] = getattr(trajectory.problem, "given_at_sides", dict)()
    for name, values in trajectory.fields():
        top = np.abs(values).reshape(len(values), -1).max(axis=1).astype(float)
        burst = np.flatnonzero((top[1:] > BURST * np.maximum(top[:-1], given.get(name, 0))) & (top[:-1] > 0))
        if len(burst):
            i = int(burst[0])
            jump = f"from {top[i]:.3g} to {top[i + 1]:.3g} at {trajectory.at(i + 1)}"
            yield "error", f"max |{name}| jumps {jump}: a blow-up{trajectory.again}"


def end_points(trajectory: Trajectory) -> Iterator[Remark]:
    """A periodic box does not store its boundary twice: the last line of points differs from the first."""
    if trajectory.store.grid.points != "nodes":
        return
    for name, values in trajectory.fields():
        for axis, dim in enumerate(trajectory.store.grid.dims, start=1):
            if values.shape[axis] < 3:
                continue
            first, last = values.take(0, axis), values.take(-1, axis)
            if _rms(last - first) < STILL * _rms(np.diff(values, axis=axis)):
                line = (
                    f"{name} repeats its first line of points along {dim} as the last: a periodic grid includes the "
                    "left end and excludes the right one; drop the last line and correct the spacing"
                )
                yield "error", line


def magnitude(trajectory: Trajectory) -> Iterator[Remark]:
    """Fields are not zero throughout, nor of a size that only a slip of units makes."""
    for name, values in trajectory.fields():
        top = float(np.abs(values).max())
        if top == 0:
            yield "error", f"{name} is zero everywhere and always{trajectory.again}"
        elif not 1e-12 < top < 1e12:
            yield "warning", f"max |{name}| is {top:.1e}: look at the units of the card's numbers"


def outliers(evidence: Evidence) -> Iterator[Finding]:
    """No member is a hundred times larger or smaller than the median one."""
    store = evidence.store
    last = len(store.times) - 1
    ends = np.array([[_rms(f) for f in store.frames(int(m), last)[0]] for m in evidence.members])
    for column, name in enumerate(store.fields):
        sizes = ends[:, column] if len(ends) else np.zeros(0)
        if len(sizes) < 3 or not np.isfinite(sizes).all() or not (middle := np.median(sizes)) > 0:
            continue
        odd = np.flatnonzero((sizes > OUTLIER * middle) | (sizes < middle / OUTLIER))
        if len(odd):
            members = evidence.members[odd]
            line = (
                f"{listed(members)}: the root mean square of {name} is {sizes[odd[0]]:.3g}, the median member's is "
                f"{middle:.3g}: look at the units, or at the distributions of the card"
            )
            yield Finding("outliers", "warning", tuple(members.tolist()), line)


def duplicates(evidence: Evidence) -> Iterator[Finding]:
    """No two frames of the store have the same bits, in one member or in two."""
    owner: dict[bytes, tuple[int, int]] = {}
    for member in (int(m) for m in evidence.members):
        frames = evidence.store.frames(member)
        names = [blake2b(np.ascontiguousarray(frame).data, digest_size=16).digest() for frame in frames]
        if len(names) > 2 and len(set(names)) == 1:
            yield Finding("duplicates", "warning", (member,), f"member {member} never moves: a steady state, or a copy")
            continue
        twins = [(i, *owner[name]) for i, name in enumerate(names) if name in owner]
        yield from _twins(evidence, member, [t for t in twins if not _shared_start(evidence, member, t)], len(names))
        for index, name in enumerate(names):
            first, earlier = owner.setdefault(name, (member, index))
            if first == member and earlier != index:
                line = (
                    f"member {member}: frames {earlier} and {index} have the same bits{remedy(evidence.store, member)}"
                )
                yield Finding("duplicates", "error", (member,), line)


def _twins(evidence: Evidence, member: int, twins: list[tuple[int, int, int]], frames: int) -> Iterator[Finding]:
    if not twins:
        return
    index, other, there = twins[0]
    if len(twins) == frames and all(o == other and i == j for i, o, j in twins):
        what = f"member {member} is a copy of member {other}"
    else:
        what = f"frame {index} of member {member} has the same bits as frame {there} of member {other}"
    yield Finding("duplicates", "error", (other, member), what + remedy(evidence.store, member))


def _shared_start(evidence: Evidence, member: int, twin: tuple[int, int, int]) -> bool:
    """Whether two members begin alike, or have one steady solution, because the card says so."""
    index, other, there = twin
    spec, problem = evidence.store.spec, evidence.problem
    if index or there or spec.times.start:
        return False
    one, two = (sample.initial(spec, problem, m, spec.output) for m in (member, other))
    compared = slice(None) if evidence.store.steady else slice(len(evidence.store.fields))
    return np.array_equal(one[compared], two[compared])


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))
