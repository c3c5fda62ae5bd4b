"""Parallel efficiency of a shared box: `mpiexec -n 2 python tests/benchmarks/volumes_ranks.py 512 512`, Euler, HLLC.

Rank 0 alone, all ranks together, and all ranks apart, each on a part of the box as a ring of its own, take turns;
the best of each counts. What ranks lose apart, without a message, they lose to memory and clock that they share.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parent.parent))
from volumes import AIR, RING

from pdebench.parallel import Comm, Serial
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.spec import Grid

STATE = {"kind": "random_gas", "density": (1, 1), "pressure": (1, 1), "variation": 0.2, "mach": 0.5, "modes": 1}


def run(shape: tuple[int, ...], who: Comm, length: float) -> tuple[float, int]:
    """Seconds for a box that `who` share, and cell-steps of all of it."""
    problem = CompressibleEuler(initial_state=STATE, boundaries=dict.fromkeys("xyz"[: len(shape)], RING))
    grid = Grid(shape=shape, lengths=tuple(n / shape[-1] for n in shape), points="centres")
    start = problem.initial(grid, AIR, np.random.default_rng(0))[None]
    params = {name: np.array([value]) for name, value in AIR.items()}
    solver = FiniteVolumeCard().build(problem, grid, grid, who)
    q = solver._part.own(solver._system(params).conserved(np.swapaxes(start, 0, 1)))
    who.Barrier() if who.size > 1 else None
    began = perf_counter()
    steps = int(solver._engine.advance(q, params, length=length).steps[0])
    return perf_counter() - began, steps * int(np.prod(shape))


def main(shape: tuple[int, ...], turns: int) -> None:
    comm = MPI.COMM_WORLD
    part = (shape[0] // comm.size, *shape[1:])
    ways = {"alone": (shape, Serial()), "together": (shape, comm), "apart": (part, Serial())}
    best = dict.fromkeys(ways, 0.0)
    for _ in range(turns):
        for name, (cells, who) in ways.items():
            comm.Barrier()
            if name != "alone" or comm.rank == 0:
                seconds, work = run(cells, who, 3 / shape[-1])
                own = work / seconds / (comm.size if name == "together" else 1)
                best[name] = max(best[name], own)
                if name == "alone":
                    for rank in range(1, comm.size):
                        comm.send(None, rank)
            else:
                while not comm.iprobe(source=0):
                    sleep(0.01)  # and not take the memory's bandwidth, or a core
                comm.recv(source=0)
    slowest = {name: comm.allreduce(value, MPI.MIN) if name != "alone" else value for name, value in best.items()}
    if comm.rank == 0:
        alone = best["alone"]
        print(
            f"{shape}: alone {alone / 1e6:.1f} M cell-steps/s; efficiency of {comm.size} ranks together "
            f"{slowest['together'] / alone:.2f}, apart {slowest['apart'] / alone:.2f}"
        )


if __name__ == "__main__":
    main(tuple(int(word) for word in sys.argv[1:]), turns=5)
