"""The contracts of a classical solver package: equations, numerics, and what flows out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from pydantic import ValidationError

from .arrays import Array, Index
from .errors import CardError
from .parallel import Comm
from .registry import Registry
from .spec import DatasetSpec, Grid, Named, complaints

T = TypeVar("T")

Params = Mapping[str, float]
BatchParams = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Field:
    """One stored quantity. `units` are SI; a non-dimensional card shows "1" instead."""

    name: str
    units: str
    long_name: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """One scalar that a card must draw. Values below `minimum` are refused."""

    name: str
    units: str
    long_name: str
    minimum: float = -np.inf


class Problem(Protocol):
    """The equations, without numerics. Built from the card's `problem` options.

    Optional: `exact(grid, params, t) -> Array`, `(field, *space)`; `invariants(states, grid, params)`, a dict of
    `(..., field, *space)` -> `(...)`; `laws()`, a dict of how each of those goes with this problem's options,
    "constant" or "falling" (never growing); `given_at_sides()`, the largest size that the sides give to a field, by
    name; `walls(grid, params)`, the values that the sides hold, `(axis, 2, field)`, low side first, NaN where a field
    is free; `boundaries`, whose `periodic` says whether no side is a wall (without it, a grid of nodes has none);
    `grid_errors(states, inputs, grid, params)`, what is left of local laws on the stored grid, see `check`;
    `smallest_scale(states, grid, params)`, see `Scaled`; `inputs`, a tuple of `Field`s that are given and do not
    change in time (a coefficient, a source, a bed, a mask); `mask`, the name of the one among them that is 0 in solid
    bodies, whose points take no part in any metric; `steady`, true where there is no time: the solution follows from
    the inputs alone, and is the one frame that the card's `times` must have.
    """

    @property
    def fields(self) -> tuple[Field, ...]: ...
    @property
    def parameters(self) -> tuple[Parameter, ...]: ...
    def initial(self, grid: Grid, params: Params, rng: np.random.Generator) -> Array:
        """State at t = 0 and the inputs, `(field + input, *space)`, fields first; of a steady problem the inputs alone.

        A function of x, so a finer grid samples the same one.
        """
        ...


@runtime_checkable
class Scaled(Protocol):
    """A problem that knows how small its smallest structures are. Optional for a problem."""

    def smallest_scale(self, states: Array, grid: Grid, params: Params | BatchParams) -> Array:
        """The length η below which dissipation leaves nothing, `(..., field, *space)` -> `(...)`; 0 without any.

        A parameter is one number for all states, or one for each, `(...)`.
        """
        ...


def resolved(problem: Scaled, states: Array, grid: Grid, params: Params | BatchParams, *, solved: Grid) -> Array:
    """k_max η of states on `grid`, `(..., field, *space)` -> `(...)`: below 1 the `solved` grid is too coarse.

    k_max is the largest wavenumber that the 2/3 rule keeps on the grid that the equations were solved on.
    """
    largest = min(2 * np.pi * ((n - 1) // 3) / length for n, length in zip(solved.shape, solved.lengths, strict=True))
    return np.asarray(largest * problem.smallest_scale(states, grid, params))


def inputs_of(problem: Problem) -> tuple[Field, ...]:
    """The fields that are given with a problem; most have none."""
    return tuple(getattr(problem, "inputs", ()))


def mask_of(problem: Problem) -> str | None:
    """The input that is 0 where there is no fluid but a body; None where there are no bodies."""
    name: str | None = getattr(problem, "mask", None)
    return name


def is_periodic(problem: Problem, grid: Grid) -> bool:
    """Whether the box has no walls at all."""
    sides = getattr(problem, "boundaries", None)
    return grid.points == "nodes" if sides is None else bool(sides.periodic)


def is_steady(problem: Problem) -> bool:
    """Whether the solution follows from the inputs alone."""
    return bool(getattr(problem, "steady", False))


def starts_with(problem: Problem) -> tuple[Field, ...]:
    """What `initial` holds: the fields (unless the problem is steady), then the inputs."""
    return (*(() if is_steady(problem) else problem.fields), *inputs_of(problem))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one trajectory took, and why it failed (an empty reason: it did not).

    `limited`: how often a cell was kept physical (a density, a pressure, a depth above zero) by force, in all steps.
    `told`: numbers that the solver's card has named: its optional `tells`, name -> what it is.
    """

    steps: int = 0
    iterations: int = 0
    reason: str = ""
    limited: int = 0
    told: Mapping[str, float] = field(default_factory=dict)


class Solver(Protocol):
    """Numerics. One object lives for one unit of work and may learn along it.

    Optional, of one whose card is `Meshed`: `on_mesh() -> list[Array | None]`, of each member the fields of the frame
    yielded last at the mesh's nodes, `(field, node)`; None where the member has failed.
    """

    @property
    def batch(self) -> int:
        """How many members it wants at once: 1 for a Krylov sequence, 16 for a SIMD batch."""
        ...

    def trajectories(self, states: Array, params: BatchParams, times: Array) -> Iterator[Array]:
        """Yield the fields at each of `times`, `(b, field, *output)`, from `states` at t = 0.

        `states` are what `Problem.initial` gives, `(b, field + input, *grid)`; of a steady problem `(b, input, *grid)`,
        and the one frame is the solution. A member that fails is NaN from there on. On several ranks only rank 0's
        frames count.
        """
        ...

    def costs(self) -> list[Cost]:
        """One per member of the last `trajectories`, complete when its iterator is exhausted."""
        ...


class SolverCard(Protocol):
    """A solver's options, from the card, before there is anything to solve.

    Optional: `provenance() -> dict[str, str]`, what on this machine may change a solution's last bits;
    `provenance_of(problem, grid)`, the same where it depends on what is solved; `settle`, see `Settling`;
    `residual(problem, grid, state, inputs, params) -> float`, of a steady problem: ‖Au − f‖ / ‖f‖ of a state `(field,
    *grid)` for inputs `(input, *grid)`.
    """

    def build(self, problem: Problem, grid: Grid, output: Grid, comm: Comm) -> Solver:
        """Raises `SolverError` for what this solver cannot do."""
        ...

    def refined(self, factor: float) -> SolverCard:
        """The same solver with time steps (or tolerances) finer by `factor`: the certifier's twin."""
        ...


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles `faces` `(face, 3)`, corners counter-clockwise, of `nodes` `(node, 2)` in the card's unit of length."""

    nodes: Array
    faces: Index


@runtime_checkable
class Meshed(Protocol):
    """A solver card whose solver has its fields on a mesh, too, at whose nodes `Solver.on_mesh` gives them."""

    def mesh(self, problem: Problem, grid: Grid, params: Params) -> Mesh | None:
        """The mesh of one member, the same whoever asks; None where there can be none."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a solver card chose by measurement: JSON values, as they are kept in the store."""

    options: dict[str, Any]  # that replace those of the card
    evidence: dict[str, Any]  # the measurements, for a reader


@runtime_checkable
class Settling(Protocol):
    """A solver card that leaves a choice to measurement (`linear_solver: auto`, say).

    Called once per store, before its first unit, with some members of the first unit. The verdict is written into the
    store and binds all ranks, all later runs and `verify`; the digest stays the card's. So timing noise may move the
    verdict but never the bits of one store. For the same reason trial solutions are thrown away: whether a member was
    solved in a trial must not show in its bits. A card with nothing to choose gives no options.
    """

    def settle(
        self, problem: Problem, grid: Grid, output: Grid, comm: Comm, states: Array, params: BatchParams
    ) -> Verdict:
        """Every rank of `comm` calls it and gets the same; `states` as for `Solver.trajectories`."""
        ...


# Each is called with the options of its card.
problems: Registry[Callable[..., Problem]] = Registry("problem")
solvers: Registry[Callable[..., SolverCard]] = Registry("solver")


def built(registry: Registry[Callable[..., T]], named: Named, *, where: str) -> T:
    """The named thing built from its options; what it says against them, as one `CardError`."""
    factory = registry[named.name]
    try:
        return factory(**named.options)
    except ValidationError as error:
        raise CardError(complaints(error, factory, where)) from error


def problem_of(spec: DatasetSpec) -> Problem:
    """The problem that a card names."""
    return built(problems, spec.problem, where=f"{spec.name}: problem")


@dataclass(frozen=True, slots=True)
class Arranged:
    """The order in which a unit's members are solved, where the card asks for one, and what it took to find it."""

    members: Index
    seconds: float


@dataclass(frozen=True, slots=True)
class Given:
    """The inputs of some members, `(b, input, *output)`. They come before the members' first frame."""

    members: Index
    values: Array


@dataclass(frozen=True, slots=True)
class Frame:
    """The states of some members at one output time: values `(b, field, *output)`."""

    members: Index
    index: int
    values: Array


@dataclass(frozen=True, slots=True)
class OnMesh:
    """One frame of one member on its mesh: values `(field, node)`; `index` counts the frames that are kept there."""

    member: int
    index: int
    values: Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one trajectory. It follows the member's last frame."""

    member: int
    cost: Cost
    wall_seconds: float


Event = Arranged | Given | Frame | OnMesh | Outcome


class Sink(Protocol):
    """Where trajectories end: a store on disk or a training stream."""

    def missing(self) -> Index:
        """Members that are not there yet."""
        ...

    def write(self, members: Index, events: Iterator[Event]) -> None:
        """Take one whole unit of work; it counts once the iterator is exhausted, and not at all before."""
        ...
