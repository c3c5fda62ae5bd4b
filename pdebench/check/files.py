"""Checks of what is there at all: members, shards, and the labels that a reader goes by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr

from pdebench import sample
from pdebench.layout import FAILED, MISSING

from .finding import Evidence, Finding, listed


def completeness(evidence: Evidence) -> Iterator[Finding]:
    """Every member of the card is there, and none failed."""
    store = evidence.store
    status, reasons = store.status(), store.reasons()
    if len(missing := np.flatnonzero(status == MISSING)):
        line = f"{listed(missing)} of {len(status)} missing: repeat `pdebench generate` to finish the store"
        yield Finding("completeness", "error", tuple(missing.tolist()), line)
    if len(failed := np.flatnonzero(status == FAILED)):
        line = f"{listed(failed)} failed and {'is' if len(failed) == 1 else 'are'} left out: {reasons[failed[0]]}"
        yield Finding("completeness", "warning", tuple(failed.tolist()), line)


def shards(evidence: Evidence) -> Iterator[Finding]:
    """Every committed shard has the bytes that were committed."""
    store = evidence.store
    size, count = store.spec.samples.unit, store.spec.samples.count
    for unit, why in store.damaged():
        members = tuple(range(unit * size, min((unit + 1) * size, count)))
        way_out = "" if "--repair" in why else ": `pdebench check --repair` drops it, then repeat `pdebench generate`"
        yield Finding("shards", "error", members, why + way_out)


def labels(evidence: Evidence) -> Iterator[Finding]:
    """Coordinates, seeds and the card's digest in the store are those of its card."""
    spec = evidence.store.spec
    group = zarr.open_group(evidence.store.place.storage(read_only=True), mode="r", use_consolidated=False)
    if (stored := group.attrs["digest"]) != spec.digest:
        line = f"the store's digest is {stored}, but its card has {spec.digest}: the card in it was changed by hand"
        yield Finding("labels", "error", (), line)
    axes = dict(zip(spec.output.dims, spec.output.axes(), strict=True))
    for name, values in {"time": spec.times.values(), **axes}.items():
        found = _read(group, name)
        if found.shape != values.shape or not np.allclose(found, values, rtol=1e-9, atol=1e-9 * np.ptp(values)):
            line = f"coordinate {name} runs {_range(found)}, but the card says {_range(values)}: restore it"
            yield Finding("labels", "error", (), line)
    seeds = np.array([sample.seed(spec, m) for m in range(spec.samples.count)])
    if len(wrong := np.flatnonzero(_read(group, "seed") != seeds)):
        line = f"{listed(wrong)}: seed is not the one that follows from samples.seed {spec.samples.seed}"
        yield Finding("labels", "error", tuple(wrong.tolist()), line)


def parameters(evidence: Evidence) -> Iterator[Finding]:
    """The parameters that a reader finds are those that the card draws for each seed."""
    store = evidence.store
    group = zarr.open_group(store.place.storage(read_only=True), mode="r", use_consolidated=False)
    drawn = store.params(range(store.spec.samples.count))
    for column, name in enumerate(store.parameter_names):
        found, expected = _read(group, name), drawn[:, column]
        wrong = np.flatnonzero(~np.isclose(found, expected, rtol=1e-12, atol=0))
        if len(wrong):
            first = wrong[0]
            line = (
                f"{listed(wrong)}: {name} is stored as {found[first]:g}, but the card draws {expected[first]:g} "
                "for this seed: the solver took the drawn value; write it back, or generate the member again"
            )
            yield Finding("parameters", "error", tuple(wrong.tolist()), line)


def _read(group: zarr.Group, name: str) -> Any:
    array: Any = group[name]
    return np.asarray(array[:])


def _range(values: Any) -> str:
    step = f" in steps of {values[1] - values[0]:g}" if len(values) > 1 else ""
    return f"from {values[0]:g} to {values[-1]:g}{step} ({len(values)} points)"
