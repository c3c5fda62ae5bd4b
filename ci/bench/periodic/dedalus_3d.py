"""Dedalus 3 as a rival: 3D Navier–Stokes in velocity and pressure, RK443, the 3/2 rule, as in its own examples."""

from __future__ import annotations

import logging

import numpy as np


def march(velocity: np.ndarray, *, viscosity: float, dt: float):
    """`steps ->` None: so many more steps from `velocity` `(3, n, n, n)` in a box of 2π, in float64, its default."""
    import dedalus.public as d3  # sets up logging and MPI

    logging.disable(logging.INFO)
    n = velocity.shape[-1]
    coordinates = d3.CartesianCoordinates("x", "y", "z")
    dist = d3.Distributor(coordinates, dtype=np.float64)
    bases = [d3.RealFourier(coordinates[c], size=n, bounds=(0, 2 * np.pi), dealias=3 / 2) for c in "xyz"]
    u, p = dist.VectorField(coordinates, name="u", bases=bases), dist.Field(name="p", bases=bases)
    tau = dist.Field(name="tau")
    names = {"u": u, "p": p, "tau": tau, "nu": viscosity, "div": d3.div, "lap": d3.lap, "grad": d3.grad}
    names |= {"integ": d3.Integrate}
    problem = d3.IVP([u, p, tau], namespace=names)
    problem.add_equation("dt(u) + grad(p) - nu*lap(u) = - u@grad(u)")
    problem.add_equation("div(u) + tau = 0")
    problem.add_equation("integ(p) = 0")
    solver = problem.build_solver(d3.RK443)
    u["g"] = velocity

    def run(steps: int) -> None:
        for _ in range(steps):
            solver.step(dt)

    return run
