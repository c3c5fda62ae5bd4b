"""spec -> seeds, parameters and initial states. Member i never depends on member j."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from .arrays import Array
from .errors import SolverError
from .problem import Problem, inputs_of, starts_with
from .spec import DatasetSpec, Grid


def seed(spec: DatasetSpec, member: int) -> int:
    """The member's own seed, 63 bits: all its random streams follow from it alone."""
    return _seed(spec.samples.seed, member)


@lru_cache(maxsize=1 << 12)
def _seed(whole: int, member: int) -> int:
    state = np.random.SeedSequence([whole, member]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


def stream(member_seed: int, purpose: str) -> np.random.Generator:
    """An independent random stream per member and purpose, the same on any rank and machine."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([member_seed, word])))


def parameters(spec: DatasetSpec, member: int) -> dict[str, float]:
    """The member's parameters, by name; adding one to a card leaves the others as drawn."""
    own = seed(spec, member)
    listed = spec.listed[member][1] if spec.cases else {}
    drawn = {
        name: law.draw(stream(own, f"parameter:{name}")) if law.value is None else law.value
        for name, law in spec.parameters.items()
    }
    return drawn | listed


def initial(
    spec: DatasetSpec,
    problem: Problem,
    member: int,
    grid: Grid | None = None,
    *,
    params: Mapping[str, float] | None = None,
) -> Array:
    """The member's state at t = 0 and its inputs, as `Problem.initial`, on the solver's grid or on another one.

    `params` take the place of the parameters that the card's laws draw.
    """
    grid, own = grid or spec.grid, parameters(spec, member) if params is None else params
    state = problem.initial(grid, own, stream(seed(spec, member), "initial"))
    names = [field.name for field in starts_with(problem)]
    if state.shape != (len(names), *grid.shape):
        raise SolverError(
            f"{spec.problem.name} begins with shape {state.shape}, expected {(len(names), *grid.shape)}: "
            f"{', '.join(names)} on the grid asked for"
        )
    return state


def inputs(
    spec: DatasetSpec,
    problem: Problem,
    member: int,
    grid: Grid | None = None,
    *,
    params: Mapping[str, float] | None = None,
) -> Array:
    """The member's inputs, `(input, *space)`, on the output grid or on another one; `params` as in `initial`."""
    names = inputs_of(problem)
    if not names:
        return np.empty((0, *(grid or spec.output).shape))
    return initial(spec, problem, member, grid or spec.output, params=params)[-len(names) :]
