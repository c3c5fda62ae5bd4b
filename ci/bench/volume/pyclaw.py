"""PyClaw (Fortran kernels, float64) on the same problems: second order, monotonised central limiter."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from functools import cache


@cache
def _package():
    """PyClaw and its Riemann solvers; the log file that it opens where it is imported goes with a temporary folder."""
    with tempfile.TemporaryDirectory() as elsewhere, contextlib.chdir(elsewhere):
        from clawpack import pyclaw, riemann
    for name in ("", "pyclaw"):
        for handler in [h for h in logging.getLogger(name).handlers if isinstance(h, logging.FileHandler)]:
            logging.getLogger(name).removeHandler(handler)
            handler.close()
    logging.getLogger("pyclaw").setLevel(logging.ERROR)
    return pyclaw, riemann


def water(q, length, *, cfl=0.9):
    """A solver of shallow water with Roe's flux and entropy fix, and its solution; `q` `(3, n, n)`, outflow."""
    pyclaw, riemann = _package()
    solver = pyclaw.ClawSolver2D(riemann.shallow_roe_with_efix_2D)
    return _set_up(pyclaw, solver, q, length, {"grav": 1.0, "dry_tolerance": 1e-8, "sea_level": 0.0}, cfl, "extrap")


def gas(q, length, *, cfl=0.9):
    """Euler with Roe's flux, periodic, 2D or 3D."""
    pyclaw, riemann = _package()
    axes = q.ndim - 1
    solver = pyclaw.ClawSolver2D(riemann.euler_4wave_2D) if axes == 2 else pyclaw.ClawSolver3D(riemann.euler_3D)
    return _set_up(pyclaw, solver, q, length, {"gamma": 1.4, "gamma1": 0.4}, cfl, "periodic")


def _set_up(pyclaw, solver, q, length, data, cfl, side):
    axes = q.ndim - 1
    solver.dimensional_split, solver.order = True, 2
    solver.limiters = pyclaw.limiters.tvd.MC
    solver.cfl_desired, solver.cfl_max, solver.dt_initial = cfl, 1.0, 1e-3 * length / q.shape[1] * 100
    solver.max_steps = 100000
    kind = getattr(pyclaw.BC, side)
    solver.bc_lower[:], solver.bc_upper[:] = [kind] * axes, [kind] * axes
    domain = pyclaw.Domain([0.0] * axes, [length] * axes, q.shape[1:])
    state = pyclaw.State(domain, len(q))
    state.q[...] = q
    state.problem_data.update(data)
    return solver, pyclaw.Solution(state, domain)


def steps_of(solver, solution, time):
    """Run to `time`; how many steps that took."""
    return int(solver.evolve_to_time(solution, time)["numsteps"])
