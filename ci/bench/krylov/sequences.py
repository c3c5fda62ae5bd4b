"""Sequences of systems, written from their equations. Matrices are assembled beforehand, and nobody is charged."""

from __future__ import annotations

import numpy as np

from pdebench import order
from pdebench.arrays import Array
from pdebench.solvers.elliptic.equation import Darcy, Helmholtz, Poisson, Thermal
from pdebench.solvers.elliptic.functions import LogNormal, Thresholded, gaussian_bumps, gaussian_field
from pdebench.solvers.krylov import System
from pdebench.solvers.krylov.discretise import cell_centred
from pdebench.spec import Grid

WALLS = ("west", "east", "south", "north")
PROBLEMS = {
    "Darcy": Darcy(coefficient=LogNormal()),
    "thermal": Thermal(conductivity=Thresholded()),
    "Poisson": Poisson(),
    "Helmholtz": Helmholtz(),
}


def drawn(name: str, n: int, count: int, *, dim: int = 2, seed: int = 0) -> tuple[list[System], Array]:
    """Systems of members drawn at random, and the places of the same in greedy order."""
    problem, grid = PROBLEMS[name], Grid(shape=(n,) * dim, lengths=(1.0,) * dim, points="centres")
    systems, states, values = [], [], []
    for member in range(count):
        rng = np.random.default_rng([seed, member])
        params = {
            "Darcy": {"source": 1.0},
            "thermal": {f"{wall}_temperature": rng.uniform(0, 1) for wall in WALLS},
            "Poisson": {},
            "Helmholtz": {"wave_number": rng.uniform(15, 20), "boundary": 1.0},
        }[name]
        state = problem.initial(grid, params, rng)
        systems.append(problem.assembled(grid, state, params, "harmonic").system)
        states.append(order.waves(state))
        values.append(list(params.values()))
    return assembled(systems), order.arranged("greedy", np.stack(states), np.array(values).reshape(count, -1))


def sweep(n: int, count: int, *, step: float = 0.02) -> list[System]:
    """−Δu − ω²m(x)u = f in a cube, one source, ω rising slowly: a frequency response."""
    grid = Grid(shape=(n,) * 3, lengths=(1.0,) * 3, points="centres")
    rng = np.random.default_rng(0)
    medium = 1 + 0.3 * gaussian_bumps(grid, rng, count=8, width=(0.1, 0.2), signed=True)
    rhs, sides = rng.standard_normal(n**3), [("dirichlet", "dirichlet")] * 3
    waves = [np.pi * (3.6 + step * i) for i in range(count)]
    forms = [cell_centred(np.ones(grid.shape), grid.spacing, sides, shift=-(k**2) * medium) for k in waves]
    return assembled([System(form, rhs, symmetric=True) for form in forms])


def steps(n: int, count: int, *, drift: float = 0.03) -> list[System]:
    """−∇·(∇p/ρ) = f in a closed box, ρ and f moving a little from step to step: an incompressible flow's pressure."""
    grid = Grid(shape=(n, n), lengths=(1.0, 1.0), points="centres")
    rng = np.random.default_rng(0)
    one, two, three, four = (gaussian_field(grid, rng, tau=3.0, alpha=2.0, modes=16) for _ in range(4))
    scale, out = 1 / np.std(one), []
    for i in range(count):
        c, s = np.cos(drift * i), np.sin(drift * i)
        form = cell_centred(np.exp(scale * (c * one + s * two)), grid.spacing, [("neumann", "neumann")] * 2)
        rhs = (c * three - s * four).ravel()
        out.append(System(form, rhs - rhs.mean(), symmetric=True, definite=True, nullspace="constant"))
    return assembled(out)


def one_matrix(n: int, count: int) -> list[System]:
    """One Darcy problem with many sources."""
    (first,), _ = drawn("Darcy", n, 1)
    rng = np.random.default_rng(1)
    matrix = first.matrix
    return [System(matrix, rng.standard_normal(n * n), symmetric=True, definite=True) for _ in range(count)]


def convection(n: int, count: int, *, peclet: float = 100.0) -> list[System]:
    """−Δu + Pe b·∇u = f, upwind, the wind turning slowly."""
    from scipy import sparse

    diffusion = cell_centred(np.ones((n, n)), (1 / n, 1 / n), [("dirichlet", "dirichlet")] * 2).matrix()
    back = sparse.diags([np.full(n, 1.0 * n), np.full(n - 1, -1.0 * n)], [0, -1])
    dy, dx = sparse.kron(back, sparse.eye(n)), sparse.kron(sparse.eye(n), back)
    rng, out = np.random.default_rng(0), []
    for i in range(count):
        angle = 0.8 + 0.6 * np.sin(0.05 * i)  # never against the differences
        wind = np.cos(angle) * dx + np.sin(angle) * dy
        out.append(System(sparse.csr_matrix(diffusion + peclet * wind), rng.standard_normal(n * n)))
    return assembled(out)


def assembled(systems: list[System]) -> list[System]:
    for system in systems:
        _ = system.matrix
    return systems
