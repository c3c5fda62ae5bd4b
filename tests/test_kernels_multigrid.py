"""Multigrid conjugate gradients: the compiled cycle against NumPy's, exact solutions, counts, bad input."""

from itertools import product

import numpy as np
import pytest
from flux_forms import DIRICHLET, MIXED, NEUMANN, PERIODIC, darcy_form, manufactured, system_of

from pdebench.solvers import kernels
from pdebench.solvers.kernels.multigrid import MultigridSolver
from pdebench.solvers.krylov import SolverSequence, methods
from pdebench.solvers.krylov.discretise import cell_centred
from pdebench.solvers.krylov.flux import FluxForm
from pdebench.solvers.krylov.multigrid import Hierarchy, coarsened

SIDES = {"d": DIRICHLET, "n": NEUMANN, "p": PERIODIC, "m": MIXED}
ISAS = kernels._compiled.multigrid_kernels() if kernels.available() else []
compiled = pytest.mark.skipif(not kernels.available(), reason="the kernels are not compiled")


def rough_form(shape, sides, *, shift=0.0):
    """White noise: every cell differs from its neighbours."""
    field = np.exp(2 * np.random.default_rng(len(shape)).standard_normal(shape))
    return cell_centred(field, [1 / n for n in shape], [SIDES[s] for s in sides], shift=shift)


def dense(apply, n):
    return np.stack([apply(unit) for unit in np.eye(n)], axis=1)


@compiled
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("shape", [(40,), (77,), (9, 11), (16, 16), (12, 7), (2, 50), (33, 50), (6, 7, 8), (9, 5, 11)])
def test_same_cycle_as_numpy(shape, isa):
    for sides in product("dnpm", repeat=len(shape)) if len(shape) < 3 else ["ddd", "pnm", "npp", "dpn", "ppp"]:
        if any(s == "p" and n < 3 for s, n in zip(sides, shape, strict=True)):
            continue
        form = rough_form(shape, sides, shift=5.0 if sides[0] == "m" else 0.0)
        rhs = np.random.default_rng(0).standard_normal(form.size)
        rhs -= rhs.mean() if form.singular else 0.0
        expected = Hierarchy(form).cycle(rhs.reshape(shape)).ravel()
        for precision, tolerance in [("float64", 1e-10), ("float32", 1e-3)]:
            solver = MultigridSolver(precision, kernel=isa)
            solver.build(form)
            found = solver.cycle(rhs)
            if form.singular:  # the mean is not the cycle's to say
                found, expected = found - found.mean(), expected - expected.mean()
            assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max(), (sides, precision)


@compiled
def test_a_solver_used_again_gives_the_same_bits():
    """Memory is kept from one build to the next, whatever came between."""
    rhs = np.random.default_rng(0).standard_normal(17 * 23)
    forms = [rough_form((17, 23), sides) for sides in ("pp", "dd", "pd", "nn")]
    used = MultigridSolver()
    for form in [*forms, rough_form((23, 17), "pp"), *forms[::-1]]:
        used.build(form)
        fresh = MultigridSolver()
        fresh.build(form)
        assert np.array_equal(used.cycle(rhs), fresh.cycle(rhs))


@pytest.mark.parametrize("sides", ["dd", "nm", "pp", "pd"])
def test_the_cycle_is_symmetric_and_positive(sides):
    form = rough_form((9, 11), sides, shift=0.5)
    hierarchy = Hierarchy(form)
    inverse = dense(lambda r: hierarchy.cycle(r.reshape(form.shape)).ravel(), form.size)
    assert np.abs(inverse - inverse.T).max() <= 1e-12 * np.abs(inverse).max()
    assert np.linalg.eigvalsh((inverse + inverse.T) / 2).min() > 0


@pytest.mark.parametrize("size", [8, 9])
@pytest.mark.parametrize("side", "dnpm")
def test_coarse_operator_in_one_dimension(size, side):
    """The energy of what goes up is at most that of the coarse level: no correction is too large by more than a factor.

    Per pair ¼ r (F + G)² on the fine side against ½ r F² + ½ r G², F and G the fluxes on its two sides.
    """
    form = rough_form((size,), side)
    coarse, transfer = coarsened(form, 0)
    for x in np.random.default_rng(0).standard_normal((20, coarse.size)):
        fine = transfer.up(x)
        assert np.vdot(x, coarse.apply(x)) * (1 + 1e-12) >= np.vdot(fine, form.apply(fine)) > 0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", "dnp")
def test_transfers_are_transposes(axis, side):
    form = rough_form((6, 7, 5), side * 3)
    coarse, transfer = coarsened(form, axis)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(coarse.shape), rng.standard_normal(form.shape)
    assert np.vdot(transfer.up(x), y) == pytest.approx(np.vdot(x, transfer.down(y)), rel=1e-12)
    if side != "d":  # constants go up as constants, and are not resisted
        assert np.allclose(transfer.up(np.ones(coarse.shape)), 1)
        assert np.abs(coarse.apply(np.ones(coarse.shape))).max() <= 1e-9 * np.abs(coarse.diagonal()).max()


def iterations(form, rtol=1e-8):
    system = system_of(form)
    x, solve = SolverSequence("multigrid-cg", rtol=rtol, chain=()).solve(system)
    assert system.relative_residual(x) <= rtol
    return solve.iterations


@pytest.mark.parametrize(
    ("kind", "sides", "budget"),
    [("log-normal", DIRICHLET, 12), ("log-normal", NEUMANN, 12), ("log-normal", PERIODIC, 12), ("jump", DIRICHLET, 12)],
)
def test_iterations_do_not_grow_with_the_grid(kind, sides, budget):
    counts = [iterations(darcy_form((n, n), kind=kind, sides=sides)) for n in (32, 64, 85, 99, 128, 256)]
    assert max(counts) <= budget, counts
    assert max(counts) - min(counts) <= 3, counts


def test_iterations_do_not_grow_in_3d():
    counts = [iterations(darcy_form((n, n, n))) for n in (16, 24, 33, 48)]
    assert max(counts) <= 13, counts
    assert max(counts) - min(counts) <= 3, counts


@pytest.mark.parametrize(("contrast", "budget"), [(1e3, 40), (1e6, 80)])
def test_jumps_cost_more_but_converge(contrast, budget):
    assert max(iterations(darcy_form((n, n), kind="jump", contrast=contrast)) for n in (32, 64, 128)) <= budget


def test_log_normal_contrast_of_a_million():
    form = darcy_form((128, 128), sigma=2.3)
    spread = form.faces[0][1:-1]
    assert spread.max() / spread.min() > 1e5
    assert iterations(form) <= 18


def test_stretched_cells():
    """Weak axes wait: the counts are those of a square grid."""
    field = np.ones((64, 64))
    counts = [iterations(cell_centred(field, [1 / 64, h], [DIRICHLET] * 2)) for h in (1 / 64, 1 / 640, 1 / 6)]
    assert max(counts) <= 12, counts


@pytest.mark.parametrize("centring", ["cell", "node"])
@pytest.mark.parametrize("kinds", [("dirichlet",) * 2, ("mixed", "periodic"), ("neumann", "dirichlet")])
def test_same_answer_as_a_direct_solver(kinds, centring):
    from scipy.sparse.linalg import spsolve

    form, source, _ = manufactured(kinds, 33, centring=centring)
    expected = spsolve(form.matrix().tocsc(), source.ravel())
    solver = MultigridSolver()
    solver.build(form)
    found = solver.solve(source.ravel(), None, rtol=1e-12).x
    # ‖x − x*‖ ≤ κ · residual; κ < 1e4 on this grid
    assert np.linalg.norm(found - expected) <= 1e-8 * np.linalg.norm(expected)


def test_a_guess_is_used():
    system = system_of(darcy_form((64, 64)))
    method = methods["multigrid-cg"]()
    method.prepare(system)
    exact = method.solve(system, None, 1e-12)
    again = method.solve(system, exact.x, 1e-8)
    assert again.iterations == 0
    assert np.array_equal(again.x, exact.x)
    near = method.solve(system, exact.x * (1 + 1e-4), 1e-8)
    assert 0 < near.iterations < method.solve(system, None, 1e-8).iterations


def test_numpy_serves(monkeypatch):
    monkeypatch.setattr(kernels, "available", lambda: False)
    form = darcy_form((24, 24), sides=NEUMANN)
    assert iterations(form) <= 12


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_jump_of_1e12_is_solved_or_refused(precision):
    """Whatever happens, a solution that is called converged is."""
    system = system_of(darcy_form((40, 40), kind="jump", contrast=1e12))
    method = methods["multigrid-cg"](precision=precision)
    method.prepare(system)
    answer = method.solve(system, None, 1e-8)
    assert bool(answer.reason) == (system.relative_residual(answer.x) > 1e-8)


def test_what_it_refuses():
    method = methods["multigrid-cg"]()
    assert "Helmholtz" in method.eligible(system_of(darcy_form((8, 8), shift=-1.0)))
    singular = darcy_form((8, 8), sides=NEUMANN)
    unnamed = type(system_of(singular))(singular, np.ones(64), symmetric=True, definite=True)
    assert "null space" in method.eligible(unnamed)
    assert "flux form" in method.eligible(system_of(singular).__class__(singular.matrix(), np.ones(64)))
    faces = (np.zeros((9, 8)), np.zeros((8, 9)))
    shift = np.ones((8, 8))
    shift[3, 3] = 0
    assert "connected to nothing" in method.eligible(system_of(FluxForm(faces, shift, (False, False))))


@compiled
def test_the_border_checks_shapes():
    solver = kernels._compiled.MultigridSolver("float64")
    with pytest.raises(ValueError, match="build first"):
        solver.cycle(np.ones(4))
    with pytest.raises(ValueError, match="their own axis"):
        solver.build([np.ones((4, 4)), np.ones((4, 5))], np.ones((4, 4)), [False, False], False)
    solver.build([np.ones((5, 4)), np.ones((4, 5))], np.zeros((4, 4)), [False, False], False)
    with pytest.raises(ValueError, match="16 unknowns"):
        solver.solve(np.ones(15), np.ones(16), 1e-8, 10)
    with pytest.raises(ValueError, match="precision"):
        kernels._compiled.MultigridSolver("float16")
    with pytest.raises(ValueError, match="no kernel"):
        kernels._compiled.MultigridSolver("float64", "sse9")
