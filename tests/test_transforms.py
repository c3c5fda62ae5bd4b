"""Fast transforms: exact for constant coefficients, preconditioners for others."""

from itertools import product

import numpy as np
import pytest
from flux_forms import DIRICHLET, MIXED, NEUMANN, PERIODIC, darcy_form, system_of

from pdebench.solvers.krylov import SolverSequence, methods
from pdebench.solvers.krylov.discretise import cell_centred, node_centred
from pdebench.solvers.krylov.transforms import ScaledInverse, exact_inverse

SIDES = {"d": DIRICHLET, "n": NEUMANN, "p": PERIODIC, "m": MIXED, "w": MIXED[::-1]}


def constant_form(make, shape, sides, shift=0.0):
    return make(np.full(shape, 0.7), [1 / (n + i) for i, n in enumerate(shape)], [SIDES[s] for s in sides], shift=shift)


@pytest.mark.parametrize("shape", [(9,), (8, 11), (5, 6, 7)])
def test_exact_on_cells(shape):
    """Residuals at round-off: a dozen operations a value and a logarithm of transforms, with a condition below 1e3."""
    for sides, shift in product(product("dnpmw", repeat=len(shape)), [0.0, 3.0]):
        form = constant_form(cell_centred, shape, sides, shift)
        rhs = np.random.default_rng(0).standard_normal(shape)
        rhs -= rhs.mean() if form.singular else 0.0
        x = exact_inverse(form)(rhs)
        assert np.abs(form.apply(x) - rhs).max() <= 1e-11 * np.abs(rhs).max(), sides
        assert abs(x.mean()) <= 1e-12 * np.abs(x).max() or not form.singular


@pytest.mark.parametrize("sides", ["dd", "pd", "dp", "pp"])
def test_exact_on_nodes(sides):
    form = constant_form(node_centred, (9, 12), sides)
    rhs = np.random.default_rng(0).standard_normal(form.size)
    rhs -= rhs.mean() if form.singular else 0.0
    assert np.abs(form.apply(exact_inverse(form)(rhs)) - rhs).max() <= 1e-11 * np.abs(rhs).max()


def test_exact_helmholtz():
    form = constant_form(cell_centred, (16, 16), "dd", shift=-30.0)
    rhs = np.random.default_rng(0).standard_normal(form.size)
    assert np.abs(form.apply(exact_inverse(form)(rhs)) - rhs).max() <= 1e-11 * np.abs(rhs).max()


def test_a_form_that_is_not_constant_is_refused():
    with pytest.raises(ValueError, match="fast transform"):
        exact_inverse(darcy_form((8, 8)))


@pytest.mark.parametrize("sides", [DIRICHLET, NEUMANN, PERIODIC])
def test_the_scaled_inverse_is_symmetric_and_positive(sides):
    inverse = ScaledInverse(darcy_form((6, 7), sides=sides))
    matrix = np.stack([inverse(unit) for unit in np.eye(42)], axis=1)
    assert np.abs(matrix - matrix.T).max() <= 1e-12 * np.abs(matrix).max()
    assert np.linalg.eigvalsh((matrix + matrix.T) / 2).min() > 0


def iterations(form, name, rtol=1e-8):
    system = system_of(form)
    x, solve = SolverSequence(name, rtol=rtol, chain=()).solve(system)
    assert system.relative_residual(x) <= rtol
    return solve.iterations


@pytest.mark.parametrize("sides", [DIRICHLET, NEUMANN, PERIODIC])
def test_iterations_do_not_grow_with_the_grid(sides):
    counts = [iterations(darcy_form((n, n), sides=sides), "transform-cg") for n in (16, 32, 64, 96)]
    assert max(counts) <= 60, counts
    assert counts[-1] <= 1.25 * counts[-2], counts
    assert iterations(cell_centred(np.ones((20, 20)), [0.05, 0.05], [sides] * 2), "transform-cg") == 1


def test_a_separable_scaling_pays():
    """a = s² with s harmonic leaves √a⁻¹ A √a⁻¹ a Laplacian (Concus & Golub 1973): few iterations at any contrast."""
    n = 64
    y, x = np.meshgrid(*[(np.arange(n) + 0.5) / n] * 2, indexing="ij")
    form = cell_centred((1 + 3 * x + 2 * y) ** 2, [1 / n, 1 / n], [DIRICHLET] * 2, mean="arithmetic")
    assert iterations(form, "transform-cg") <= 8


def helmholtz_form(n, k, *, wobble=0.0, dim=2):
    field = np.ones((n,) * dim)
    squared = k**2 * (1 + wobble * np.random.default_rng(0).uniform(-1, 1, field.shape))
    return cell_centred(field, [1 / n] * dim, [DIRICHLET] * dim, shift=-squared)


def test_constant_shift_for_helmholtz():
    """k² that varies by 10 % about its mean: far fewer iterations than with ILU, and as many on a finer grid."""
    counts = [iterations(helmholtz_form(n, 12.0, wobble=0.1), "transform-gcrodr") for n in (32, 64)]
    assert max(counts) <= 12, counts
    assert iterations(helmholtz_form(32, 12.0), "transform-gmres") == 1
    assert iterations(helmholtz_form(32, 12.0, wobble=0.1), "gmres") > 3 * counts[0]


def test_at_a_resonance_of_the_mean():
    """The preconditioner is not singular where the mean wave number meets an eigenvalue."""
    n = 24
    eigenvalue = 2 * n**2 * (2 - 2 * np.cos(np.pi / n))
    form = helmholtz_form(n, np.sqrt(eigenvalue), wobble=0.05)
    assert iterations(form, "transform-gcrodr") <= 20


def test_what_it_refuses():
    form = darcy_form((8, 8))
    assert "flux form" in methods["transform-cg"]().eligible(system_of(form).__class__(form.matrix(), np.ones(64)))
    assert "flux form" in methods["transform-gmres"]().eligible(system_of(form).__class__(form.matrix(), np.ones(64)))
    assert "Helmholtz" in methods["transform-cg"]().eligible(system_of(helmholtz_form(8, 9.0)))
