"""Sequences of real linear systems, in SciPy's sparse form, that tests share."""

from __future__ import annotations

import numpy as np
from scipy import fft, sparse

from pdebench.solvers.krylov import System


def log_normal(shape, rng, *, length=0.1, sigma=1.0):
    """exp of a smooth periodic Gaussian field with unit variance times `sigma`."""
    k = np.meshgrid(*(2 * np.pi * fft.fftfreq(n, 1 / n) for n in shape), indexing="ij")
    filtered = fft.fftn(rng.standard_normal(shape)) * np.exp(-0.25 * length**2 * sum(a**2 for a in k))
    field = fft.ifftn(filtered).real
    return np.exp(sigma * field / field.std())


def difference(n):
    """Faces from cells along one axis, borders included: `(n + 1, n)`."""
    return sparse.diags([np.ones(n), -np.ones(n)], [0, -1], shape=(n + 1, n), format="csr")


def flux_form(coefficient, *, neumann=False):
    """−∇·(a∇u) in the unit box, cell-centred, harmonic means at faces; zero Dirichlet or zero flux borders."""
    shape, parts = coefficient.shape, []
    for axis, n in enumerate(shape):
        a = np.moveaxis(coefficient, axis, 0)
        faces = np.zeros((n + 1, *a.shape[1:]))
        faces[1:-1] = 2 / (1 / a[1:] + 1 / a[:-1])
        if not neumann:
            faces[0], faces[-1] = 2 * a[0], 2 * a[-1]
        faces = np.moveaxis(faces, 0, axis) * n**2
        gradient = sparse.eye(1)
        for other, size in enumerate(shape):
            gradient = sparse.kron(gradient, difference(size) if other == axis else sparse.eye(size))
        parts.append(gradient.T @ sparse.diags(faces.ravel()) @ gradient)
    return sparse.csr_matrix(sum(parts))


def darcy(shape, count, *, drift=0.1, sigma=1.0, seed=0, neumann=False):
    """A log-normal coefficient that drifts slowly; one source for all."""
    rng = np.random.default_rng(seed)
    start, end = (np.log(log_normal(shape, rng, sigma=sigma)) for _ in range(2))
    rhs = np.ones(int(np.prod(shape))) + 0.1 * rng.standard_normal(int(np.prod(shape)))
    for i in range(count):
        angle = drift * i
        a = np.exp(np.cos(angle) * start + np.sin(angle) * end)
        null = "constant" if neumann else "none"
        yield System(flux_form(a, neumann=neumann), rhs, symmetric=True, definite=True, nullspace=null)


def convection_diffusion(n, count, *, peclet=50.0, drift=0.1, seed=0):
    """−Δu + Pe b·∇u, upwind, the direction b turning slowly."""
    rng = np.random.default_rng(seed)
    diffusion = flux_form(np.ones((n, n)))
    one = sparse.eye(n)
    back = sparse.diags([np.ones(n), -np.ones(n - 1)], [0, -1], format="csr") * n
    dy, dx = sparse.kron(back, one), sparse.kron(one, back)
    for i in range(count):
        angle = 0.3 + drift * i
        matrix = diffusion + peclet * (np.cos(angle) * dx + np.sin(angle) * dy)
        yield System(sparse.csr_matrix(matrix), rng.standard_normal(n * n))


def helmholtz(n, count, *, first=4.0, last=5.0, seed=0):
    """−Δu − k²u = f in the unit cube, zero borders, k swept; symmetric and indefinite."""
    rng = np.random.default_rng(seed)
    laplacian = flux_form(np.ones((n, n, n)))
    rhs = rng.standard_normal(n**3)
    for k in np.linspace(first, last, count):
        yield System(sparse.csr_matrix(laplacian - (np.pi * k) ** 2 * sparse.eye(n**3)), rhs, symmetric=True)
