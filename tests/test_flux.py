"""Flux forms: manufactured solutions with their order, the matrix, boundary data, bad input."""

from itertools import product

import numpy as np
import pytest
from flux_forms import DIRICHLET, MIXED, NEUMANN, PERIODIC, along, darcy_form, manufactured
from scipy.sparse.linalg import spsolve

from pdebench.solvers.krylov.discretise import cell_centred, node_centred, node_weights
from pdebench.solvers.krylov.flux import FluxForm

KINDS = ("dirichlet", "neumann", "periodic", "mixed")
SIDES = {"dirichlet": DIRICHLET, "neumann": NEUMANN, "periodic": PERIODIC, "mixed": MIXED}


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [*product(KINDS), *product(KINDS, repeat=2)])
def test_second_order(kinds, centring):
    rate, sizes, errors = 2.0, (24, 48), []
    for n in sizes:
        form, source, exact = manufactured(kinds, n, centring=centring)
        if centring == "node":
            source = source * node_weights(form.shape, [SIDES[kind] for kind in kinds])
        u = spsolve(form.matrix().tocsc(), source.ravel()).reshape(form.shape)
        errors.append(np.sqrt(np.mean((u - exact) ** 2)))
    observed = np.log2(errors[0] / errors[1])
    assert observed == pytest.approx(rate, abs=0.15), f"observed rate: {observed}"


@pytest.mark.parametrize("make", [cell_centred, node_centred])
@pytest.mark.parametrize("shape", [(7,), (5, 8), (4, 5, 6)])
@pytest.mark.parametrize("sides", [DIRICHLET, NEUMANN, PERIODIC, MIXED])
def test_matrix_is_the_operator(make, shape, sides):
    rng = np.random.default_rng(1)
    coefficient = np.exp(rng.standard_normal(shape))
    form = make(coefficient, [1 / n for n in shape], [sides] * len(shape), shift=0.3)
    matrix, x = form.matrix(), rng.standard_normal(form.shape)
    scale = np.abs(form.diagonal()).max()
    assert np.allclose(matrix @ x.ravel(), form.apply(x).ravel(), rtol=0, atol=1e-13 * scale * np.abs(x).max() * 10)
    assert np.allclose(form.apply(x.ravel()), form.apply(x).ravel())
    assert abs(matrix - matrix.T).max() <= 1e-14 * scale
    assert np.allclose(matrix.diagonal(), form.diagonal().ravel(), rtol=1e-14)
    assert matrix.has_sorted_indices


def test_sparsity_does_not_depend_on_values():
    one, other = (darcy_form((6, 7), seed=seed).matrix() for seed in (0, 1))
    assert np.array_equal(one.indices, other.indices)
    assert np.array_equal(one.indptr, other.indptr)
    one.data[:] = darcy_form((6, 7), seed=1).values()
    assert abs(one - other).max() == 0


@pytest.mark.parametrize("make", [cell_centred, node_centred])
def test_boundary_values_reach_the_right_hand_side(make):
    """u = 1 + 2x solves −u″ = 0 exactly, and constants of a in each half do too, with harmonic means."""
    n, h = 8, 1 / 8
    x = (np.arange(n) + 0.5) * h if make is cell_centred else np.arange(1, n) * h
    form = make(np.ones(n if make is cell_centred else n + 1), [h], [DIRICHLET])
    rhs = form.source(0, "lower", 1.0) + form.source(0, "upper", 3.0)
    assert np.allclose(spsolve(form.matrix().tocsc(), rhs), 1 + 2 * x, rtol=1e-13)


@pytest.mark.parametrize("make", [cell_centred, node_centred])
def test_a_given_inflow(make):
    """A flux of 2 in at the right, u = 1 at the left: u = 1 + 2x."""
    n, h = 8, 1 / 8
    x = (np.arange(n) + 0.5) * h if make is cell_centred else np.arange(1, n + 1) * h
    form = make(np.ones(n if make is cell_centred else n + 1), [h], [("dirichlet", "neumann")])
    rhs = form.source(0, "lower", 1.0) + form.inflow(0, "upper", 2.0, h)
    assert np.allclose(spsolve(form.matrix().tocsc(), rhs), 1 + 2 * x, rtol=1e-13)


def test_flux_through_a_jump_is_exact():
    """Two materials in a row: the flux is that of resistances in a row."""
    a = np.repeat([12.0, 3.0], 4)
    form = cell_centred(a, [1 / 8], [DIRICHLET])
    u = spsolve(form.matrix().tocsc(), form.source(0, "upper", 1.0))
    flux = 1 / (0.5 / 12 + 0.5 / 3)
    assert form.faces[0][0] * u[0] / 8 == pytest.approx(flux, rel=1e-13)  # h · conductance/h² · u = flux


def test_what_is_definite():
    assert darcy_form((5, 5)).definite
    assert darcy_form((5, 5), sides=NEUMANN).singular
    assert darcy_form((5, 5), sides=PERIODIC).singular
    assert darcy_form((5, 5), sides=NEUMANN, shift=0.1).definite
    assert not darcy_form((5, 5), shift=-1.0).semidefinite
    assert np.abs(darcy_form((5, 5), sides=PERIODIC).apply(np.ones((5, 5)))).max() == 0


@pytest.mark.parametrize("worst", [0.0, -1.0, np.nan, np.inf])
def test_a_coefficient_must_be_positive(worst):
    coefficient = np.ones((4, 4))
    coefficient[1, 2] = worst
    with pytest.raises(ValueError, match="positive and finite"):
        cell_centred(coefficient, [0.25, 0.25], [DIRICHLET, DIRICHLET])


def test_bad_input_is_said():
    ones = np.ones((4, 4))
    with pytest.raises(ValueError, match="both sides of axis 1"):
        cell_centred(ones, [1, 1], [DIRICHLET, ("periodic", "neumann")])
    with pytest.raises(ValueError, match="one spacing and one pair"):
        cell_centred(ones, [1], [DIRICHLET])
    with pytest.raises(ValueError, match="expected faces"):
        FluxForm((np.ones((5, 4)), np.ones((4, 4))), 0.0, (False, False))
    with pytest.raises(ValueError, match="first and last faces"):
        FluxForm((np.arange(5.0),), 0.0, (True,))
    with pytest.raises(ValueError, match="expected one shift"):
        FluxForm((np.ones(5),), np.ones(5), (False,))
    with pytest.raises(ValueError, match="at least 3 unknowns"):
        cell_centred(np.ones(2), [1], [PERIODIC]).matrix()
    with pytest.raises(ValueError, match="no lower side"):
        cell_centred(np.ones(4), [1], [PERIODIC]).source(0, "lower", 1.0)
    with pytest.raises(ValueError, match="mean must be"):
        cell_centred(ones, [1, 1], [DIRICHLET] * 2, mean="geometric")


def test_the_manufactured_factors_fit_their_sides():
    assert along("dirichlet", np.array([0.0, 1.0]))[0] == pytest.approx(0, abs=1e-15)
    assert along("neumann", np.array([0.0, 1.0]))[1] == pytest.approx(0, abs=1e-14)
    assert along("mixed", np.array([1.0]))[0] == pytest.approx(0, abs=1e-15)
