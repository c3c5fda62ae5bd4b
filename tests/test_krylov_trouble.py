"""Bad input: an error that says what is wrong or a recorded fall-back; never a solution whose residual is not small."""

from __future__ import annotations

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
from linear_systems import convection_diffusion, darcy, flux_form, helmholtz
from scipy import sparse

from pdebench.errors import SolverError
from pdebench.solvers.krylov import SolverSequence, System, methods
from pdebench.solvers.krylov.discretise import cell_centred
from pdebench.solvers.krylov.gcrodr import Recycler
from pdebench.solvers.krylov.guess import History
from pdebench.solvers.krylov.space import Ledger

needs_petsc = pytest.mark.skipif(find_spec("petsc4py") is None, reason="no petsc4py")


class Broken:
    """A preconditioner that spoils every vector after the first few."""

    name = "broken"

    def __init__(self, spoil, after=0):
        self.spoil, self.left = spoil, after

    def eligible(self, system):
        return ""

    def prepare(self, system):
        pass

    def apply(self, residual, out):
        self.left -= 1
        out[:] = residual if self.left >= 0 else self.spoil(residual)


@pytest.mark.parametrize("after", [0, 5])
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda r: r * np.nan, "NaN or infinity"),
        (lambda r: r * np.inf, "NaN or infinity"),
        (lambda r: 0 * r, "gave zero"),
        (lambda r: np.ones_like(r), "stagnation"),
    ],
)
def test_a_preconditioner_that_breaks_down_is_recorded_and_another_method_takes_over(spoil, reason, after):
    systems = list(convection_diffusion(16, 2))
    sequence = SolverSequence(methods["gcrodr"](pc=Broken(spoil, after)), guess=0)
    with np.errstate(invalid="ignore"):
        for system in systems:
            x, solve = sequence.solve(system)
            assert solve.fallback == "lu"
            assert reason in solve.reason
            assert system.relative_residual(x) == solve.residual <= 1e-8
        with pytest.raises(SolverError, match=reason):
            SolverSequence(methods["gcrodr"](pc=Broken(spoil, 2)), chain=()).solve(systems[0])


@needs_petsc
def test_a_preconditioner_that_cannot_be_set_up_is_recorded():
    """A row of zeros, but a right-hand side that can be met."""
    matrix = next(convection_diffusion(12, 1)).matrix
    hollow = sparse.csr_matrix(sparse.diags(1.0 * (np.arange(144) != 5)) @ matrix)
    hollow.eliminate_zeros()
    rhs = hollow @ np.ones(144)
    sequence = SolverSequence(methods["gcrodr"](pc="ilu"), chain=(methods["gcrodr"](pc="identity"),))
    x, solve = sequence.solve(System(hollow, rhs))
    assert solve.residual == System(hollow, rhs).relative_residual(x) <= 1e-8
    assert solve.fallback == "gcrodr(40, 20)+none"
    assert "ilu(0) cannot be set up" in solve.reason


def test_a_method_that_only_says_it_converged_is_not_believed():
    class Liar:
        name, direct = "liar", False

        def eligible(self, system):
            return ""

        def prepare(self, system):
            pass

        def solve(self, system, guess, rtol):
            from pdebench.solvers.krylov import Answer

            return Answer(np.full_like(system.rhs, 1e-3), 3)

    system = next(convection_diffusion(12, 1))
    x, solve = SolverSequence(Liar()).solve(system)
    assert (solve.fallback, solve.iterations) == ("lu", 6)  # asked once more to go on, it did not improve
    assert "true residual" in solve.reason
    assert system.relative_residual(x) <= 1e-8


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gcrodr", {"pc": "diagonal"}),
        ("lu", {}),
        *(
            pytest.param(name, {"pc": pc}, marks=needs_petsc)
            for name, pc in (("gcrodr", "ilu"), ("cg", "icc"), ("cg", "gamg"), ("gmres", "sor"), ("bicgstab", "ilu"))
        ),
    ],
    ids=str,
)
def test_a_pure_neumann_system_is_solved_by_its_null_space(name, options):
    """Whatever constant is in b; the solution has no mean and is that of the pseudo-inverse."""
    sequence = SolverSequence(methods[name](**options), rtol=1e-10, chain=())
    for system in darcy((12, 12), 3, neumann=True):
        x, solve = sequence.solve(system)
        exact = np.linalg.pinv(system.matrix.toarray()) @ system.rhs
        np.testing.assert_allclose(x, exact, rtol=0, atol=1e-8 * np.abs(exact).max())
        assert abs(x.mean()) < 1e-14 * np.abs(x).max()
        assert solve.residual <= 1e-10


@pytest.mark.parametrize("rtol", [0.0, -1.0, 1e-16, np.nan, 1.0])
def test_a_tolerance_that_no_number_meets_is_refused(rtol):
    with pytest.raises(SolverError, match="round-off"):
        SolverSequence("lu", rtol=rtol)


def test_a_tolerance_below_what_round_off_allows_is_clipped_and_said():
    """Condition 1e12: |A||x| is 1e9 times b, so that 1e-14 cannot be had by anyone."""
    n = 40
    d = sparse.diags([np.ones(n), -np.ones(n - 1)], [0, -1])
    matrix = sparse.csr_matrix(d.T @ d @ d.T @ d @ d.T @ d)
    rhs = np.random.default_rng(0).standard_normal(n)
    sequence = SolverSequence(methods["gcrodr"](pc="diagonal"), rtol=1e-14)
    x, solve = sequence.solve(System(matrix, rhs))
    assert 1e-14 < solve.residual <= solve.clipped
    assert solve.residual == System(matrix, rhs).relative_residual(x)
    assert solve.clipped < 1e-6


@pytest.mark.parametrize("pc", ["diagonal", pytest.param("ilu", marks=needs_petsc)])
def test_a_coefficient_that_jumps_by_1e12(pc):
    """Channels of 1e12 beside 1: either the tolerance holds, or the record says by how much it was clipped."""
    a = np.ones((24, 24))
    a[6:9, 2:20] = a[14:22, 10:12] = 1e12
    rhs = np.random.default_rng(0).standard_normal(24 * 24)
    system = System(flux_form(a), rhs, symmetric=True, definite=True)
    x, solve = SolverSequence(methods["gcrodr"](pc=pc), rtol=1e-8).solve(system)
    assert solve.residual <= max(1e-8, solve.clipped)
    assert solve.residual == system.relative_residual(x)
    assert solve.clipped < 1e-2  # 4 ε |A| |x| / |b|, |A| = 8 · 24² · 1e12, |x| ≤ 1e-3 |b|: 4e-3


def test_a_singular_system_without_a_null_space_named_is_an_error():
    system = next(darcy((12, 12), 1, neumann=True))
    with pytest.raises(SolverError, match="no method solved"):
        SolverSequence(methods["gcrodr"](pc="diagonal")).solve(System(system.matrix, system.rhs))


def test_a_coefficient_with_zeros_is_an_error_and_never_an_answer():
    a = np.ones((12, 12))
    a[4:7, 4:7] = 0
    with np.errstate(divide="ignore"):
        system = System(flux_form(a), np.ones(144))
    with pytest.raises(SolverError, match="no method solved"):
        SolverSequence(methods["gcrodr"](pc="diagonal")).solve(system)


def test_a_wave_number_at_a_resonance():
    """k² an eigenvalue of the grid's Laplacian to the last bit is refused; beside it, the tolerance holds."""
    n = 8
    k = np.sqrt(3.0) * 2 * n * np.sin(np.pi / (2 * n)) / np.pi
    (system,) = helmholtz(n, 1, first=k, last=k)
    with pytest.raises(SolverError, match="no method solved"):
        SolverSequence(methods["gcrodr"](pc="diagonal")).solve(system)
    (near,) = helmholtz(n, 1, first=k * (1 + 1e-5), last=k)
    x, solve = SolverSequence(methods["gcrodr"](pc="diagonal")).solve(near)
    assert near.relative_residual(x) == solve.residual <= 1e-8


def test_a_space_left_by_an_unrelated_matrix_does_no_harm():
    """After Darcy, convection–diffusion of the same size: at most its own iterations and those of a cycle more."""
    old = list(darcy((32, 32), 3))
    new = list(convection_diffusion(32, 6, peclet=20, drift=0.02))
    alone, after = SolverSequence(methods["gcrodr"](pc="diagonal"), guess=0), None
    fresh = [alone.solve(system)[1].iterations for system in new]
    after = SolverSequence(methods["gcrodr"](pc="diagonal"), guess=4, chain=())
    for system in old:
        after.solve(system)
    stale = [after.solve(system)[1].iterations for system in new]
    assert all(a <= b + 40 for a, b in zip(stale, fresh, strict=True)), (stale, fresh)
    other = System(flux_form(np.ones((20, 20))), np.ones(400), symmetric=True, definite=True)
    assert after.solve(other)[1].space == 0  # another size: nothing to recycle


def test_a_space_that_does_not_pay_is_dropped():
    """Systems that share nothing: after three solves without gain the space is given up."""
    rng = np.random.default_rng(0)

    def systems():
        for _ in range(16):
            matrix = np.diag(np.linspace(1, 30, 200)) + 0.3 * rng.standard_normal((200, 200)) / np.sqrt(200)
            turn = np.linalg.qr(rng.standard_normal((200, 200)))[0]
            yield System(sparse.csr_matrix(turn @ matrix @ turn.T), rng.standard_normal(200))

    sequence = SolverSequence(methods["gcrodr"](m=20, k=8, pc="identity"), guess=0, chain=())
    spaces = [sequence.solve(system)[1].space for system in systems()]
    assert spaces[0] == 0
    assert max(spaces) > 0
    assert spaces[-5:] == [0] * 5, spaces


def test_wrong_arguments_are_refused():
    matrix = sparse.eye(4, format="csr")
    for rhs in (np.ones((4, 1)), np.ones(4, dtype=np.float32), np.ones(5)):
        with pytest.raises(SolverError, match="right-hand side"):
            System(matrix, rhs)
    with pytest.raises(SolverError, match="symmetric"):
        System(matrix, np.ones(4), definite=True)
    with pytest.raises(SolverError, match="NaN"):
        SolverSequence("lu").solve(System(matrix, np.full(4, np.nan)))
    x, solve = SolverSequence("lu").solve(System(matrix, np.zeros(4)))
    assert (x == 0).all() and solve.residual == 0
    with pytest.raises(ValueError, match="less than m"):
        methods["gcrodr"](m=10, k=10)
    with pytest.raises(SolverError, match="symmetric positive definite"):
        SolverSequence("cg", chain=()).solve(System(matrix, np.ones(4)))


def random_drift(rng, n, count):
    """Small systems that drift slowly: near the identity or not, symmetric or not, badly scaled, indefinite."""
    base, change = (_random(rng, n) for _ in range(2))
    kind = rng.integers(4)
    scales = np.geomspace(1, 10.0 ** rng.uniform(0, 6), n) if kind == 2 else np.ones(n)
    middle = np.ones(n)
    if kind == 3:
        middle[: int(rng.integers(1, 6))] = -1
    rhs, start = rng.standard_normal(n), rng.uniform(0.3, 0.8) * base
    for i in range(count):
        matrix = start + 0.01 * i * change
        whole = sparse.diags(2 * middle) + (matrix + matrix.T if kind in (1, 3) else matrix)
        yield System(sparse.csr_matrix(sparse.diags(scales) @ whole), scales * (rhs + 0.05 * i))


def _random(rng, n):
    """Sparse, with a spectral radius near 1."""
    return sparse.random(n, n, density=0.1, random_state=rng, data_rvs=rng.standard_normal) / np.sqrt(0.1 * n)


@pytest.mark.parametrize("wanted", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_recycled_solves_have_the_true_residual_that_they_claim(wanted):
    """Every solve is checked against the residual computed here; counted are those that used a recycled space."""
    rng = np.random.default_rng(20261123)
    recycled, failed, given_up = 0, 0, 0
    while recycled < wanted:
        n = int(rng.integers(50, 120))
        k = int(rng.integers(2, 9))
        method = methods["gcrodr"](m=k + int(rng.integers(4, 12)), k=k, pc=str(rng.choice(["diagonal", "identity"])))
        rtol = 10.0 ** rng.uniform(-11, -4)
        sequence = SolverSequence(method, rtol=rtol, guess=int(rng.integers(0, 3)))
        for system in random_drift(rng, n, 40):
            x, solve = sequence.solve(system)
            residual = np.linalg.norm(system.rhs - system.matrix @ x) / np.linalg.norm(system.rhs)
            failed += not residual <= max(rtol * (1 + 1e-6), solve.clipped)
            recycled += solve.space > 0 and not solve.fallback
            given_up += bool(solve.fallback)
    print(f"{recycled} recycled solves, {failed} failed, {given_up} taken over by another method")
    assert failed == 0


@needs_petsc
@pytest.mark.parametrize("name", ["cg", "gcrodr"])
def test_a_null_space_does_not_outlive_its_system(name):
    """A box without walls, steady and then in time: the same pattern, and the second matrix is regular."""
    sides = [("periodic", "periodic")] * 2
    sequence = SolverSequence(methods[name](pc="sor"), rtol=1e-8, chain=())
    rhs = 1 + np.random.default_rng(0).standard_normal(256)
    for shift, null in ((0.0, "constant"), (1.0, "none")):
        form = cell_centred(np.ones((16, 16)), (1 / 16, 1 / 16), sides, shift=shift)
        _, solve = sequence.solve(System(form, rhs, symmetric=True, definite=True, nullspace=null))
        assert solve.iterations < 40


@needs_petsc
@pytest.mark.parametrize("pc", ["block_jacobi", "asm"])
def test_the_level_of_fill_reaches_the_blocks(pc):
    (system,) = darcy((32, 32), 1, sigma=2.0)
    counts = [
        SolverSequence(methods["gmres"](pc=pc, blocks=2, level=level), guess=0).solve(system)[1].iterations
        for level in (0, 6)
    ]
    assert counts[1] < counts[0] / 2


class Moved:
    """One of two ranks; the other has other rows than before, and says so in every reduction."""

    rank, size = 0, 2

    def Allreduce(self, _, own):
        own += 1


def test_ranks_forget_together_when_rows_move():
    """Else those whose own count stayed would wait in a reduction that the others never enter."""
    pytest.importorskip("mpi4py")
    history = History(2)
    history.add(np.ones(5))
    assert history.guess(SimpleNamespace(rhs=np.ones(5), comm=Moved())) is None
    assert len(history) == 0
    recycler = Recycler(4, 2)
    recycler.restore({"vectors": np.ones((2, 5)), "ledger": Ledger().saved()})
    recycler.attach(SimpleNamespace(comm=Moved(), handles=list), 5)
    assert recycler.held == 0


@pytest.mark.parametrize("operator", [np.eye(3), sparse.coo_matrix(np.eye(3))], ids=["dense", "coo"])
def test_an_operator_of_another_kind_is_refused(operator):
    with pytest.raises(SolverError, match="must be a flux form, a CSR matrix or a PETSc Mat, not"):
        System(operator, np.ones(3))
