"""A spec and some of its members -> a flow of frames and outcomes. Everything that solves goes through here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from time import perf_counter

import numpy as np

from . import sample
from .arrays import Array, Index
from .errors import CardError
from .parallel import Comm, Serial
from .problem import Event, Frame, Outcome, Problem, Solver, SolverCard, built, problem_of, solvers
from .registry import suggest
from .spec import DatasetSpec, Grid


def prepare(spec: DatasetSpec) -> tuple[Problem, SolverCard]:
    """The problem and the solver that a card names. Raises `CardError` where its parameters do not fit."""
    problem = problem_of(spec)
    wanted = {p.name: p for p in problem.parameters}
    if missing := wanted.keys() - spec.parameters.keys():
        raise CardError(f"{spec.name}: parameters.{min(missing)} is missing; {spec.problem.name} needs it")
    for name, law in spec.parameters.items():
        if name not in wanted:
            raise CardError(f"{spec.name}: {spec.problem.name} has no parameter {name!r}{suggest(name, wanted)}")
        if law.bounds[0] < wanted[name].minimum:
            raise CardError(
                f"{spec.name}: parameters.{name} reaches {law.bounds[0]:g}, below its minimum {wanted[name].minimum:g}"
            )
        units = "1" if spec.units == "non-dimensional" else wanted[name].units
        if law.units not in (None, units):
            raise CardError(f"{spec.name}: parameters.{name}.units is {law.units!r}, but this card wants {units!r}")
    return problem, built(solvers, spec.solver, where=f"{spec.name}: solver")


def build(spec: DatasetSpec, comm: Comm | None = None, *, refine: float = 1) -> tuple[Problem, Solver]:
    """The card's problem and its solver on the card's grid; `refine` makes space and time finer by a factor."""
    problem, card = prepare(spec)
    card = card if refine == 1 else card.refined(refine)
    return problem, card.build(problem, _grid(spec, refine), spec.output, comm or Serial())


def trajectories(spec: DatasetSpec, members: Index, comm: Comm | None = None, *, refine: float = 1) -> Iterator[Event]:
    """Solve one unit of work: the frames of each batch of members as they come, then their outcomes."""
    problem, solver = build(spec, comm, refine=refine)
    grid, times = _grid(spec, refine), spec.times.values()
    for low in range(0, len(members), solver.batch):
        batch = members[low : low + solver.batch]
        began = perf_counter()
        drawn = [sample.parameters(spec, int(m)) for m in batch]
        states = np.stack([sample.initial(spec, problem, int(m), grid) for m in batch])
        march = solver.trajectories(states, stacked(drawn), times)
        seconds = perf_counter() - began
        for index in count():
            began = perf_counter()
            values = next(march, None)
            seconds += perf_counter() - began  # and not what the receiver of the frames takes
            if values is None:
                break
            yield Frame(batch, index, values)
        for member, cost in zip(batch, solver.costs(), strict=True):
            yield Outcome(int(member), cost, seconds / len(batch))


def _grid(spec: DatasetSpec, refine: float) -> Grid:
    return spec.grid.with_shape(tuple(round(n * refine) for n in spec.grid.shape))


def stacked(drawn: list[dict[str, float]]) -> dict[str, Array]:
    """Parameters of several members as one `(b,)` array each."""
    return {name: np.array([params[name] for params in drawn]) for name in drawn[0]}
