"""Coefficient fields, sides and manufactured solutions that the tests of flux forms and of their solvers share."""

from __future__ import annotations

import numpy as np
from linear_systems import log_normal

from pdebench.solvers.krylov import System
from pdebench.solvers.krylov.discretise import cell_centred, node_centred

DIRICHLET = ("dirichlet", "dirichlet")
NEUMANN = ("neumann", "neumann")
PERIODIC = ("periodic", "periodic")
MIXED = ("neumann", "dirichlet")


def darcy_form(shape, *, kind="log-normal", sides=DIRICHLET, shift=0.0, sigma=1.0, seed=0, contrast=4.0):
    """Cell-centred, one kind of side all round (or a list of pairs), a coefficient that varies smoothly or jumps."""
    field = log_normal(shape, np.random.default_rng(seed), sigma=sigma)
    if kind == "jump":
        field = np.where(field > 1, 3.0 * contrast, 3.0)
    pairs = [sides] * len(shape) if isinstance(sides, tuple) else sides
    return cell_centred(field, [1 / n for n in shape], pairs, shift=shift)


def system_of(form, *, seed=0):
    rhs = np.random.default_rng(seed).standard_normal(form.size)
    null = "constant" if form.singular else "none"
    return System(form, rhs, symmetric=True, definite=form.semidefinite, nullspace=null)


def along(kind, x):
    """A factor of the manufactured solution that fits the sides of an axis of length 1, and its two derivatives."""
    w = {"dirichlet": np.pi, "neumann": np.pi, "periodic": 2 * np.pi, "mixed": np.pi / 2}[kind]
    if kind == "dirichlet":
        return np.sin(w * x), w * np.cos(w * x), -(w**2) * np.sin(w * x)
    return np.cos(w * x), -w * np.sin(w * x), -(w**2) * np.cos(w * x)  # mixed: no flux below, 0 above


PAIRS = {"dirichlet": DIRICHLET, "neumann": NEUMANN, "periodic": PERIODIC, "mixed": MIXED}


def manufactured(kinds, n, *, centring, shift=1.0):
    """A flux form with n cells along each axis, right-hand side and exact solution for a = Π (2 + cos 2πx) / 2."""
    h = 1 / n
    pairs = [PAIRS[kind] for kind in kinds]
    if centring == "cell":
        lines = [(np.arange(n) + 0.5) * h for _ in kinds]
        inside = [slice(None)] * len(kinds)
    else:
        lines = [np.arange(n if pair == PERIODIC else n + 1) * h for pair in pairs]
        inside = [slice(p[0] == "dirichlet", len(x) - (p[1] == "dirichlet")) for p, x in zip(pairs, lines, strict=True)]
    grid = np.meshgrid(*lines, indexing="ij")
    factors = [(1 + 0.5 * np.cos(2 * np.pi * x), -np.pi * np.sin(2 * np.pi * x)) for x in grid]
    a = np.prod([f for f, _ in factors], axis=0)
    parts = [along(kind, x) for kind, x in zip(kinds, grid, strict=True)]
    u = np.prod([p[0] for p in parts], axis=0)
    divergence = sum(
        a / f * (df * p[1] + f * p[2]) * np.prod([q[0] for q in parts[:i] + parts[i + 1 :]], axis=0)
        for i, ((f, df), p) in enumerate(zip(factors, parts, strict=True))
    )
    make = cell_centred if centring == "cell" else node_centred
    form = make(a, [h] * len(kinds), pairs, shift=shift)
    return form, (shift * u - divergence)[tuple(inside)], u[tuple(inside)]
