"""Parallel efficiency of a shared box: `mpiexec -n 2 python tests/benchmarks/volumes_ranks.py 512 512`, Euler, HLLC.

Rank 0 alone and all ranks together take turns over the same steps; the best of each counts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent.parent))
from volumes import AIR, RING

from pdebench.parallel import Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.spec import Grid


def main(shape: tuple[int, ...], turns: int) -> None:
    comm = MPI.COMM_WORLD
    state = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0.2, "mach": 0.5, "modes": 1}
    problem = CompressibleEuler(initial_state=state, boundaries=dict.fromkeys("xyz"[: len(shape)], RING))
    grid = Grid(shape=shape, lengths=(1.0,) * len(shape), points="centres")
    start = problem.initial(grid, AIR, np.random.default_rng(0))[None]
    params = {name: np.array([value]) for name, value in AIR.items()}
    length, best, steps = 3 / shape[-1], {}, 0
    for turn in range(turns):
        for who in (Serial(), comm):
            if who is comm or comm.rank == 0:
                solver = FiniteVolumeCard().build(problem, grid, grid, who)
                q = solver._part.own(solver._system(params).conserved(np.swapaxes(start, 0, 1)))
                if who is comm:
                    comm.Barrier()
                began = perf_counter()
                steps = int(solver._engine.advance(q, params, length=length).steps[0])
                seconds = perf_counter() - began
                name = type(who).__name__
                best[name] = min(best.get(name, np.inf), comm.allreduce(seconds, MPI.MAX) if who is comm else seconds)
                if who is not comm:
                    comm.send(turn, 1)
            elif comm.rank == 1:
                while not comm.iprobe(source=0):
                    sleep(0.01)  # and not take the memory's bandwidth, or a core
                comm.recv(source=0)
    if comm.rank == 0:
        alone, together = best["Serial"], best["Intracomm"]
        rate = np.prod(shape) * steps / 1e6
        print(
            f"{shape}, {steps} steps: alone {rate / alone:.1f}, {comm.size} ranks {rate / together:.1f} M cell-steps/s,"
            f" efficiency {alone / together / comm.size:.2f}"
        )


if __name__ == "__main__":
    main(tuple(int(word) for word in sys.argv[1:]), turns=5)
