"""A spec and some of its members -> a flow of events. Everything that solves goes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np

from . import order, sample
from .arrays import Array, Index
from .errors import CardError
from .meshes import meshed
from .parallel import Comm, Serial
from .problem import (
    Arranged,
    Cost,
    Event,
    Frame,
    Given,
    OnMesh,
    Outcome,
    Problem,
    Settling,
    Solver,
    SolverCard,
    Verdict,
    built,
    inputs_of,
    is_steady,
    problem_of,
    solvers,
)
from .registry import suggest
from .spec import DatasetSpec, Grid, Named

Drawn = Mapping[int, Mapping[str, float]]  # member -> its parameters

TRIALS = 8  # members on which a solver card may measure before it chooses


def prepare(spec: DatasetSpec, settled: Mapping[str, Any] | None = None) -> tuple[Problem, SolverCard]:
    """The problem and the solver that a card names; `settled` options replace those of the card.

    Raises `CardError` where the card does not fit the problem.
    """
    problem = problem_of(spec)
    _expect(spec, problem)
    options = Named(name=spec.solver.name, options=spec.solver.options | dict(settled or {}))
    card = built(solvers, options, where=f"{spec.name}: solver")
    if spec.store.mesh:
        meshed(spec, card)
    return problem, card


def _expect(spec: DatasetSpec, problem: Problem) -> None:
    wanted = {p.name: p for p in problem.parameters}
    if missing := wanted.keys() - spec.parameters.keys():
        raise CardError(f"{spec.name}: parameters.{min(missing)} is missing; {spec.problem.name} needs it")
    for name, law in spec.parameters.items():
        if name not in wanted:
            raise CardError(f"{spec.name}: {spec.problem.name} has no parameter {name!r}{suggest(name, wanted)}")
        if (least := spec.reach(name)[0]) < wanted[name].minimum:
            raise CardError(
                f"{spec.name}: parameters.{name} reaches {least:g}, below its minimum {wanted[name].minimum:g}"
            )
        units = "1" if spec.units == "non-dimensional" else wanted[name].units
        if law.units not in (None, units):
            raise CardError(f"{spec.name}: parameters.{name}.units is {law.units!r}, but this card wants {units!r}")
    names = [field.name for field in (*problem.fields, *inputs_of(problem))] + list(spec.parameters)
    if twice := {name for name in names if names.count(name) > 1}:
        raise CardError(f"{spec.name}: {spec.problem.name} gives the name {min(twice)!r} to two things that are stored")
    if is_steady(problem) and spec.times.frames != 1:
        raise CardError(
            f"{spec.name}: times.frames is {spec.times.frames}, but {spec.problem.name} is steady: its one frame is "
            "the solution"
        )


def build(
    spec: DatasetSpec,
    comm: Comm | None = None,
    *,
    refine: float = 1,
    settled: Mapping[str, Any] | None = None,
) -> tuple[Problem, Solver]:
    """The card's problem and its solver on the card's grid; `refine` makes space and time finer by a factor."""
    problem, card = prepare(spec, settled)
    card = card if refine == 1 else card.refined(refine)
    return problem, card.build(problem, spec.grid.refined(refine), spec.output, comm or Serial())


def settle(spec: DatasetSpec, comm: Comm | None = None) -> Verdict:
    """What the card's solver chooses by measuring on the first members that it will meet; no options for most."""
    problem, card = prepare(spec)
    if not isinstance(card, Settling):
        return Verdict({}, {})
    members, _ = (comm or Serial()).bcast(_in_order(spec, problem, order.units(spec)[0], {}))
    states, params = _start(spec, problem, members[:TRIALS], spec.grid, {})
    return card.settle(problem, spec.grid, spec.output, comm or Serial(), states, params)


@dataclass(frozen=True, slots=True)
class Care:
    """What is done about members that may take the process down.

    `begin` is called with the members of each batch before it is solved; members in `alone` are solved in no batch with
    others, and those in `aside` not at all: they have failed for the reason given.
    """

    begin: Callable[[Index], None] = lambda members: None
    alone: Set[int] = frozenset()
    aside: Mapping[int, str] = field(default_factory=dict)


def trajectories(
    spec: DatasetSpec,
    members: Index,
    comm: Comm | None = None,
    *,
    refine: float = 1,
    settled: Mapping[str, Any] | None = None,
    drawn: Drawn | None = None,
    care: Care | None = None,
) -> Iterator[Event]:
    """Solve one unit of work: of each batch of members the inputs, the frames as they come, then the outcomes.

    A frame that is kept on the mesh as well comes twice, there after the grid.

    The members are met in the order that the card asks for; one solver object meets them all. `drawn`: parameters of
    members by name, in place of those that the card's laws draw.
    """
    drawn, care = drawn or {}, care or Care()
    problem, solver = build(spec, comm, refine=refine, settled=settled)
    grid, times = spec.grid.refined(refine), spec.times.values()
    if spec.samples.order != "drawn":
        arranged = _in_order(spec, problem, members, drawn)
        members, seconds = (comm or Serial()).bcast(arranged)  # LAPACK may differ among ranks
        yield Arranged(members, seconds)
    for batch in _batches(members, solver.batch, care):
        care.begin(batch)
        if inputs_of(problem):
            yield Given(
                batch, np.stack([sample.inputs(spec, problem, int(m), params=drawn.get(int(m))) for m in batch])
            )
        began = perf_counter()
        march = solver.trajectories(*_start(spec, problem, batch, grid, drawn), times)
        seconds = perf_counter() - began
        for index in count():
            began = perf_counter()
            values = next(march, None)
            seconds += perf_counter() - began  # and not what the receiver of the frames takes
            if values is None:
                break
            yield Frame(batch, index, values)
            if spec.store.mesh and index % spec.store.mesh == 0:
                yield from _on_mesh(solver, batch, index // spec.store.mesh)
        for member, cost in zip(batch, solver.costs(), strict=True):
            yield Outcome(int(member), cost, seconds / len(batch))
    yield from _set_aside(spec, problem, {int(m): care.aside[m] for m in members if m in care.aside})


def _on_mesh(solver: Solver, batch: Index, index: int) -> Iterator[OnMesh]:
    """The frame yielded last, of each member that has not failed."""
    there: list[Array | None] = solver.on_mesh()  # type: ignore[attr-defined]  # the card is `Meshed`
    yield from (OnMesh(int(m), index, own) for m, own in zip(batch, there, strict=True) if own is not None)


def _batches(members: Index, size: int, care: Care) -> Iterator[Index]:
    """The members of each call of a solver."""
    for low in range(0, len(members), size):
        batch = [m for m in members[low : low + size] if m not in care.aside]
        together = [m for m in batch if m not in care.alone]
        yield from (np.array(some, int) for some in (together, *([m] for m in batch if m in care.alone)) if some)


def _set_aside(spec: DatasetSpec, problem: Problem, reasons: Mapping[int, str]) -> Iterator[Event]:
    """What stands for members that nobody solves: their inputs, frames of NaN, the reason."""
    for member, why in reasons.items():
        if inputs_of(problem):
            yield Given(np.array([member]), sample.inputs(spec, problem, member)[None])
        nothing = np.full((1, len(problem.fields), *spec.store.shape), np.nan)
        for index in range(spec.times.frames):
            yield Frame(np.array([member]), index, nothing)
        yield Outcome(member, Cost(reason=why), 0.0)


def _start(
    spec: DatasetSpec, problem: Problem, members: Index, grid: Grid, drawn: Drawn
) -> tuple[Array, dict[str, Array]]:
    """Initial states and parameters of some members, as a solver takes them."""
    states = np.stack([sample.initial(spec, problem, int(m), grid, params=drawn.get(int(m))) for m in members])
    return states, stacked([_parameters(spec, int(m), drawn) for m in members])


def _parameters(spec: DatasetSpec, member: int, drawn: Drawn) -> dict[str, float]:
    return dict(drawn[member]) if member in drawn else sample.parameters(spec, member)


def _in_order(spec: DatasetSpec, problem: Problem, members: Index, drawn: Drawn) -> tuple[Index, float]:
    """The members in the order of the card, and the seconds that it took to find it.

    Judged on the output grid, whatever the solver's: so a finer solution meets the same sequence.
    """
    if spec.samples.order == "drawn":
        return members, 0.0
    began = perf_counter()
    states = (sample.initial(spec, problem, int(m), spec.output, params=drawn.get(int(m))) for m in members)
    modes = np.stack([order.waves(state) for state in states])
    params = np.array([list(_parameters(spec, int(m), drawn).values()) for m in members]).reshape(len(members), -1)
    return members[order.arranged(spec.samples.order, modes, params)], perf_counter() - began


def stacked(drawn: list[dict[str, float]]) -> dict[str, Array]:
    """Parameters of several members as one `(b,)` array each."""
    return {name: np.array([params[name] for params in drawn]) for name in drawn[0]}
