"""Flow round shapes whose linear systems the ranks share: a march and a steady flow; rank 0 prints them, as JSON."""

from __future__ import annotations

import json
import sys

import numpy as np
from mpi4py import MPI

from pdebench import solve
from pdebench.problem import Frame, OnMesh, Outcome
from pdebench.solvers.krylov import SolverSequence
from pdebench.spec import load_spec

COMM = MPI.COMM_WORLD
SMALL = {"grid.shape": [10, 12], "store.shape": [8, 8], "store.mesh": 1, "solver.grading": 0.5, "solver.rtol": 1e-9}
CASES = {
    "tube": ("cfd_tube_demo", {"times.frames": 3}),
    "cavity": ("cfd_cavity_demo", {"times.frames": 3}),
    "cylinder, steady": ("cfd_cylinder_demo", {"problem.steady": True, "parameters.viscosity.value": 5e-3}),
}
FRAMES = {"cylinder, steady": {"times": {"start": 0.0, "step": 1.0, "frames": 1}}}

largest = []
solved = SolverSequence.solve


def watched(self, system):
    """Note how much of a system this rank holds."""
    largest.append(system.rhs.size / system.rows[0])
    return solved(self, system)


SolverSequence.solve = watched
results = {}
for name, (card, changes) in CASES.items():
    spec = load_spec(card, SMALL | changes | FRAMES.get(name, {}))
    events = list(solve.trajectories(spec, np.array([0]), COMM))
    outcome = next(event for event in events if isinstance(event, Outcome))
    assert not outcome.cost.reason, outcome.cost.reason
    frame = [event.values[0] for event in events if isinstance(event, Frame)][-1]
    mesh = [event.values for event in events if isinstance(event, OnMesh)][-1]
    assert len({values.tobytes() for values in COMM.allgather(mesh)}) == 1, "ranks differ"
    results[name] = {
        "frame": frame.tolist(),
        "mesh": np.abs(mesh).sum(axis=1).tolist(),
        "iterations": outcome.cost.iterations,
    }
share = max(COMM.allgather(max(largest)))
if COMM.rank == 0:
    json.dump({"results": results, "share": share}, sys.stdout)
