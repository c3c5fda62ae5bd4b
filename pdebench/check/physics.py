"""Checks against what the card and its problem promise: first state, conservation laws, resolution."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Protocol, runtime_checkable

import numpy as np

from pdebench import sample
from pdebench.arrays import Array
from pdebench.layout import tells
from pdebench.problem import Params, Scaled, resolved
from pdebench.resample import resample
from pdebench.spec import Grid

from .finding import Remark, Trajectory

ROUND_OFF = 1e-5  # float32 and some sums
LEAK = 0.05  # of the flow through a member
TAIL = 1e-2  # of the peak of the spectrum
RARE = 1e-3  # of cells and steps: what leaves at most first order in a thousandth of the box


@runtime_checkable
class Lawful(Protocol):
    """A problem that says how its invariants behave. Optional for a problem; without it they are not checked."""

    def invariants(self, states: Array, grid: Grid, params: Params) -> dict[str, Array]: ...
    def laws(self) -> dict[str, str]:
        """Name of an invariant -> `"constant"` or `"falling"` (never growing), for this problem's options."""
        ...


@runtime_checkable
class Measured(Protocol):
    """A problem that tells how well stored frames keep what its equations conserve at a point. Optional."""

    def grid_errors(self, states: Array, inputs: Array, grid: Grid, params: Params) -> dict[str, Array]:
        """Name -> relative error at each time, `(t,)`.

        States `(t, field, *space)`, inputs `(input, *space)`.
        """
        ...


def initial(trajectory: Trajectory) -> Iterator[Remark]:
    """Frame 0 is the initial state that the member's seed gives."""
    spec, problem = trajectory.store.spec, trajectory.problem
    same = spec.grid.shape == spec.output.shape
    if trajectory.store.steady or spec.times.start > 0 or not (same or spec.grid.points == "nodes"):
        return
    expected = sample.initial(spec, problem, trajectory.member)[: len(trajectory.store.fields)]
    expected = expected if same else resample(expected, spec.grid, spec.output)
    for name, found, true in zip(trajectory.store.fields, trajectory.frames[0].astype(float), expected, strict=True):
        size, off = float(np.linalg.norm(true)), float(np.linalg.norm(found - true))
        if off <= ROUND_OFF * size:
            continue
        factor = np.vdot(true, found) / size**2 if size else np.inf
        if np.linalg.norm(found - factor * true) <= ROUND_OFF * np.linalg.norm(found):
            line = f"{name} is scaled: {factor:.4g} times the initial state of its seed at t = 0{trajectory.again}"
        else:
            line = (
                f"{name} at t = 0 is not the initial state of its seed (relative difference "
                f"{off / max(size, 1e-300):.2g}): a mislabelled member, or made by other code{trajectory.again}"
            )
        yield "error", line


def inputs(trajectory: Trajectory) -> Iterator[Remark]:
    """The stored inputs (coefficients, sources, …) are those that the member's seed gives, on the stored grid."""
    store = trajectory.store
    if not store.inputs:
        return
    expected = sample.inputs(store.spec, trajectory.problem, trajectory.member)
    for name, found, true in zip(store.inputs, store.given(trajectory.member).astype(float), expected, strict=True):
        size, off = float(np.linalg.norm(true)), float(np.linalg.norm(found - true))
        if not off <= ROUND_OFF * size:
            line = (
                f"input {name} is not the one of its seed (relative difference {off / max(size, 1e-300):.2g}): "
                f"altered, a mislabelled member, or made by other code{trajectory.again}"
            )
            yield "error", line


def laws(trajectory: Trajectory) -> Iterator[Remark]:
    """Invariants stay constant, or never grow, where the problem says so."""
    problem, spec = trajectory.problem, trajectory.store.spec
    if not isinstance(problem, Lawful):
        return
    grid, frames = spec.output, trajectory.frames.astype(float)
    values = problem.invariants(frames, grid, trajectory.params)
    sizes = problem.invariants(np.abs(frames), grid, trajectory.params)  # of what may cancel in the invariant itself
    for name, law in problem.laws().items():
        allowed = ROUND_OFF * max(np.abs(values[name]).max(), np.abs(sizes[name]).max())
        if law == "constant":
            off = np.abs(values[name] - values[name][0])
        elif law == "falling" and spec.grid.shape == spec.output.shape:
            off = np.diff(values[name], prepend=values[name][0])
        elif law == "falling":
            continue  # a filter hides part of it: what is left may grow
        else:
            raise ValueError(f"{name} has the law {law!r}; a law is 'constant' or 'falling'")
        if off.max() > allowed:
            at = int(off.argmax())
            start, now = values[name][0 if law == "constant" else at - 1], values[name][at]
            must = "stay constant" if law == "constant" else "never grow"
            line = (
                f"{name} goes from {start:.6g} to {now:.6g} at {trajectory.at(at)}, but must {must}{trajectory.again}"
            )
            yield "error", line


def limited(trajectory: Trajectory) -> Iterator[Remark]:
    """Where cells had to be kept physical by force (density, pressure, depth), it is told, and rare."""
    effort = trajectory.store.effort()
    count, steps = (int(effort[name][trajectory.member]) for name in ("limited", "steps"))
    if not count:
        return
    share = count / (max(steps, 1) * prod(trajectory.store.spec.grid.shape))
    line = f"a cell was kept physical by force {count} times in {steps} steps ({share:.1g} of all cells and steps)"
    rare = share <= RARE
    yield (
        "ok" if rare else "warning",
        line if rare else f"{line}: use a finer grid, a safer limiter or flux, or less cfl",
    )


def told(trajectory: Trajectory) -> Iterator[Remark]:
    """What the solver tells of a member, such as how well its mesh resolves the flow."""
    effort, named = trajectory.store.effort(), tells(trajectory.store.spec)
    values = {name: float(effort[name][trajectory.member]) for name in named}
    if line := ", ".join(f"{name} {values[name]:.3g} ({named[name]})" for name in named if np.isfinite(values[name])):
        yield "ok", line


def conservation(trajectory: Trajectory) -> Iterator[Remark]:
    """What interpolation to the grid leaves of divergence and flux is told; mostly it is below a twentieth."""
    problem, store = trajectory.problem, trajectory.store
    if not isinstance(problem, Measured):
        return
    frames, given = trajectory.frames.astype(float), store.given(trajectory.member).astype(float)
    errors = problem.grid_errors(frames, given, store.grid, trajectory.params)
    line = ", ".join(
        f"{name} {np.median(v):.2g} (at most {np.max(v):.2g}, at {trajectory.at(int(np.argmax(v)))})"
        for name, v in errors.items()
    )
    if np.median(errors.get("flux", 0.0)) > LEAK:
        yield "warning", f"the stored frames lose flow: {line}; expected a flux error below {LEAK:g}: use a finer grid"
    else:
        yield "ok", f"relative errors of the stored frames, median over time: {line}"


def resolution(trajectory: Trajectory) -> Iterator[Remark]:
    """The spectrum falls before the grid ends, where the solver's own grid was stored; k_max η is at least 1."""
    spec = trajectory.store.spec
    yield from _dissipation(trajectory)
    if spec.grid.points != "nodes" or spec.grid.shape != spec.output.shape:
        return
    count = len(trajectory.frames)
    chosen = sorted({0, count // 4, count // 2, 3 * count // 4, count - 1})
    for name, values in trajectory.fields():
        spectra = np.stack([shells(values[i]) for i in chosen])
        spectra /= np.maximum(spectra.max(axis=1, keepdims=True), 1e-300)
        filled = np.flatnonzero((spectra > 1e-13).any(axis=0))  # above the round-off of float32
        if not len(filled) or filled[-1] + 1 <= min(spec.output.shape) // 4:
            continue  # the solver's last modes are empty
        tails = spectra[:, filled[-1] - len(filled) // 10 : filled[-1] + 1].max(axis=1)
        worst = int(tails.argmax())
        if tails[worst] > TAIL:
            line = (
                f"{name} is poorly resolved: at {trajectory.at(chosen[worst])} the last shells of its spectrum hold "
                f"{tails[worst]:.1g} of the peak (expected < {TAIL:g}): use a finer grid, or more dissipation"
            )
            yield "warning", line


def _dissipation(trajectory: Trajectory) -> Iterator[Remark]:
    """What a coarser store has lost makes this k_max η too large: a value below 1 is one in any case."""
    problem, spec = trajectory.problem, trajectory.store.spec
    if not isinstance(problem, Scaled):
        return
    states, solved = trajectory.frames.astype(float), spec.grid
    values = resolved(problem, states, spec.output, trajectory.params, solved=solved)
    worst = int(values.argmin())
    if values[worst] < 1:
        line = (
            f"k_max η is {values[worst]:.2g} at {trajectory.at(worst)} (expected at least 1): a dissipation that "
            "the grid cannot resolve: use a finer grid, or more of it"
        )
        yield "warning", line
    else:
        yield "ok", f"k_max η is {values[worst]:.2g} at least, at {trajectory.at(worst)}: the grid resolves dissipation"


def shells(values: Array) -> Array:
    """Power of a field in shells 1, 2, … up to half the grid, `(shell,)`.

    Shells are squares, max |nᵢ|, as the modes that a dealiased solver keeps.
    """
    power = np.abs(np.fft.fftn(values.astype(float), norm="forward")) ** 2
    numbers = np.meshgrid(*(np.abs(np.fft.fftfreq(n, 1 / n)) for n in values.shape), indexing="ij")
    shell = np.max(numbers, axis=0).astype(int)
    inside = shell <= min(values.shape) // 2
    return np.asarray(np.bincount(shell[inside], power[inside])[1:], float)
