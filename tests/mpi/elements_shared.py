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
SMALL = {"grid.shape": [6, 8], "store.shape": [6, 6], "store.mesh": 1, "solver.grading": 0.5, "solver.rtol": 1e-9}
FEW = {"solver.cfl": 1.0, "solver.velocity_solver": "lu", "solver.velocity_options": {}}  # messages are slow here
CASES = {
    "tube": ("cfd_tube_demo", {"times": {"start": 0.0, "step": 0.01, "frames": 2}, "solver.cfl": 1.0}),
    "cavity": ("cfd_cavity_demo", {"times": {"start": 0.0, "step": 2e-4, "frames": 2}} | FEW),
    "tube, steady": (
        "cfd_tube_demo",
        {"problem.steady": True, "times": {"start": 0.0, "step": 1.0, "frames": 1}, "parameters.viscosity.value": 1.0},
    ),
}

largest = []
solved = SolverSequence.solve


def watched(self, system):
    """Note how much of a system this rank holds."""
    largest.append(system.rhs.size / system.rows[0])
    return solved(self, system)


SolverSequence.solve = watched
results = {}
for name, (card, changes) in CASES.items():
    spec = load_spec(card, SMALL | changes)
    events = list(solve.trajectories(spec, np.array([0]), COMM))
    outcome = next(event for event in events if isinstance(event, Outcome))
    assert not outcome.cost.reason, outcome.cost.reason
    frame = [event.values[0] for event in events if isinstance(event, Frame)][-1]
    mesh = [event.values for event in events if isinstance(event, OnMesh)][-1]
    assert len({values.tobytes() for values in COMM.allgather(mesh)}) == 1, "ranks differ"
    results[name] = {
        "frame": frame.tolist(),
        "mesh": np.abs(mesh).sum(axis=1).tolist(),
        "steps": outcome.cost.steps,
    }
share = max(COMM.allgather(max(largest)))
if COMM.rank == 0:
    json.dump({"results": results, "share": share}, sys.stdout)
