"""What a dam costs: `python tests/benchmarks/dam.py [ROWS COLUMNS [SECONDS]]`, by default cfd_dam_demo's first 0.6 s.

Prints the processor's time per step and its shares, then the pressures of that run solved again by several methods,
from the zero guess, from the last solutions and with recycled spaces: iterations and milliseconds per solve.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

from pdebench.arrays import Array
from pdebench.solvers.finite_element.dam import Dam
from pdebench.solvers.finite_element.level_set import LevelSet
from pdebench.solvers.finite_element.space import Space
from pdebench.solvers.finite_element.two_phase_solver import Run, TwoPhaseCard
from pdebench.solvers.krylov import SolverSequence, System, methods
from pdebench.spec import Grid

CASE = {"density": 100.0, "viscosity": 0.1, "speed": 1.0, "width": 1.5, "height": 0.4}
STEP = {"barrier_height": 0.1, "barrier_width": 0.05}
SKIPPED = 10  # first systems, while the inlet starts
WAYS: list[tuple[str, dict[str, Any], int]] = [
    *[("cg", {"pc": "icc"}, guess) for guess in (0, 2, 4, 8)],
    *[("cg", {"pc": "gamg"}, guess) for guess in (0, 4)],
    *[("gcrodr", {"pc": "icc", "m": 30, "k": 10, "recycle": recycle}, 0) for recycle in (False, True)],
    ("direct-cholesky", {}, 0),
]


def main(rows: int = 16, columns: int = 48, seconds: float = 0.6) -> None:
    tank, grid = Dam().tank({**CASE, **STEP}), Grid(shape=(rows, columns), lengths=(1.0, 1.0), points="centres")
    space = Space(tank.mesh((rows, columns)))
    run = Run(TwoPhaseCard(), tank, space, LevelSet(space))
    flow, spent, systems = run.two_phase, defaultdict[str, float](float), list[System]()

    def timed(owner: Any, name: str, share: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            start, before = process_time(), sum(spent.values())
            result = inner(*args, **kwargs)
            spent[share] += process_time() - start - (sum(spent.values()) - before)  # without what was timed inside
            return result

        setattr(owner, name, outer)

    solve = flow._solve

    def kept(which: str, sequence: SolverSequence, system: System) -> Array:
        if which == "pressure":
            systems.append(system)
        start = process_time()
        x = solve(which, sequence, system)
        spent[f"{which} solved"] += process_time() - start
        return x

    flow._solve = kept  # type: ignore[method-assign]
    for name in ("_velocity", "_lightness", "_correction"):
        timed(flow, name, "assembly")
    for name in ("advance", "carrier"):
        timed(flow.level_set, name, "transport")
    state = np.zeros((5, rows, columns))
    state[3] = tank.fraction(grid)
    begun, start = run.begun(state, grid), process_time()
    spent.clear()
    (end,) = run.march(begun, np.array([seconds]))
    total, steps = process_time() - start, run.cost().steps
    level_set = flow.level_set
    lost = level_set.volume(end.phi) - level_set.volume(begun.phi) - end.entered
    print(
        f"{len(space.cells)} cells, {2 * space.size} velocities, {space.size1} pressures; "
        f"{seconds:g} s in {steps} steps"
    )
    shares = ", ".join(f"{share} {part / total:.0%}" for share, part in spent.items())
    print(f"{1e3 * total / steps:.1f} ms per step: {shares}")
    print(f"volume lost {lost / level_set.volume(end.phi):.1e} of the water; iterations {flow.iterations}")
    for name, options, guess in WAYS:
        again(systems[SKIPPED:], name, options, guess)


def again(systems: list[System], name: str, options: dict[str, Any], guess: int) -> None:
    """One line: a sequence of systems solved one way."""
    sequence, iterations, start = SolverSequence(methods[name](**options), rtol=1e-6, guess=guess), 0, process_time()
    for system in systems:
        iterations += sequence.solve(system)[1].iterations
    spent = process_time() - start
    print(
        f"{name} {options}, guess of {guess}: {iterations / len(systems):.1f} its, {1e3 * spent / len(systems):.2f} ms"
    )


if __name__ == "__main__":
    main(*(kind(word) for kind, word in zip((int, int, float), sys.argv[1:], strict=False)))
