"""Time of a step of one shared sample: `mpiexec -n 2 python tests/benchmarks/ranks_3d.py 64 128`; compare with -n 1."""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np

from pdebench.parallel import world
from pdebench.solvers.kernels.navier_stokes_3d import LaneSweeps
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes_3d import NavierStokes3D
from pdebench.spec import Grid


def best_step(n, precision, comm, repeats):
    """Least seconds of a step, of the slowest rank in each repeat."""
    modes = Modes(Grid(shape=(n,) * 3, lengths=(2 * np.pi,) * 3), "float32" if precision == "float32" else "float64")
    flow = NavierStokes3D(initial_state={"kind": "taylor_green"})
    values = flow.initial(modes.grid, {}, np.random.default_rng(0))
    sweeps = LaneSweeps(modes, precision, comm)
    sweeps._begin(sweeps.enter(modes.forward(values.astype(modes.dtype))[None] * modes.kept)[0])
    found = []
    for _ in range(repeats):
        comm.Barrier()
        began = perf_counter()
        for stage in (1, 2, 3, 4):
            sweeps._lines(stage, viscosity=1e-2, step=1e-3)
            sweeps._grid(measured=stage == 4)
        found.append(max(comm.allgather(perf_counter() - began)))
    return min(found), sweeps.memory()


def main():
    comm = world()
    for n in map(int, sys.argv[1:]):
        for precision in ("float64", "mixed"):
            seconds, memory = best_step(n, precision, comm, repeats=max(5, 2000 // n))
            if comm.rank == 0:
                print(f"{comm.size} ranks {n}³ {precision}: {1e3 * seconds:.2f} ms, {memory / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
