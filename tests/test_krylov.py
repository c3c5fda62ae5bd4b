"""Sequences of real systems: the right answers, and what recycling and guesses save."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from linear_systems import convection_diffusion, darcy, flux_form, helmholtz
from scipy.sparse import linalg

from pdebench.solvers.krylov import SolverSequence, System, methods

SEQUENCES = {
    "darcy": lambda count: darcy((40, 40), count, drift=0.03),
    "darcy 3d": lambda count: darcy((12, 12, 12), count, drift=0.03),
    "convection-diffusion": lambda count: convection_diffusion(32, count, peclet=20, drift=0.02),
    "helmholtz 3d": lambda count: helmholtz(12, count, first=3.55, last=3.55 + 0.01 * count),
}
needs_petsc = pytest.mark.skipif(find_spec("petsc4py") is None, reason="no petsc4py")
METHODS = [
    ("gcrodr", {"pc": "diagonal"}),
    ("gcrodr", {"m": 30, "k": 0, "pc": "identity"}),
    ("lu", {}),
    *(
        pytest.param(name, options, marks=needs_petsc)
        for name, options in [
            ("gcrodr", {"pc": "ilu"}),
            ("gcrodr", {"pc": "sor", "m": 60, "k": 30}),
            ("gmres", {"restart": 200, "pc": "ilu", "level": 2}),
            ("gmres", {"restart": 40, "pc": "asm"}),
            ("gmres", {"restart": 40, "pc": "block_jacobi", "blocks": 4}),
            ("bicgstab", {"pc": "ilu"}),
            ("cg", {"pc": "icc"}),
            ("cg", {"pc": "jacobi"}),
            ("cg", {"pc": "sor"}),
            ("cg", {"pc": "gamg"}),
            ("cg", {"pc": "boomeramg"}),
        ]
    ),
]


def iterations(method, systems, **options):
    sequence = SolverSequence(method, chain=(), **options)
    return [sequence.solve(system)[1].iterations for system in systems]


@pytest.mark.parametrize(("name", "options"), METHODS, ids=str)
@pytest.mark.parametrize("kind", SEQUENCES)
def test_every_method_gives_the_direct_solution(kind, name, options):
    """To the tolerance times the condition number, which is below 2e4 for all four."""
    method = methods[name](**options)
    systems = list(SEQUENCES[kind](3))
    why = method.eligible(systems[0])
    if why:
        pytest.skip(why)
    if kind == "helmholtz 3d" and name == "gmres" and options["restart"] == 40:
        pytest.skip("GMRES(40) stagnates on it")
    if kind == "helmholtz 3d" and options.get("pc") == "identity":
        pytest.skip("GMRES(30) stagnates on it")
    sequence = SolverSequence(method, rtol=1e-10, chain=())
    for system in systems:
        x, solve = sequence.solve(system)
        exact = linalg.spsolve(system.matrix.tocsc(), system.rhs)
        assert np.linalg.norm(x - exact) < 2e-6 * np.linalg.norm(exact)
        assert solve.residual <= 1e-10
        assert solve.residual == pytest.approx(
            np.linalg.norm(system.rhs - system.matrix @ x) / np.linalg.norm(system.rhs), rel=1e-3, abs=1e-15
        )
        assert not solve.fallback
        assert solve.method == method.name


# Sums of iterations from the third system on, afresh over recycled. Over four seeds: 2.62–2.79, 2.08–2.14, 1.51–1.53.
@pytest.mark.parametrize(
    ("kind", "pc", "ratio"),
    [
        ("darcy", "diagonal", 2.3),
        pytest.param("helmholtz 3d", "ilu", 1.8, marks=needs_petsc),
        ("convection-diffusion", "diagonal", 1.35),
    ],
)
def test_recycling_saves_iterations_on_slow_sequences(kind, pc, ratio):
    recycled, afresh = (
        iterations(methods["gcrodr"](pc=pc, recycle=recycle), SEQUENCES[kind](8), guess=0) for recycle in (True, False)
    )
    assert recycled[0] == afresh[0]
    assert sum(afresh[2:]) > ratio * sum(recycled[2:]), (afresh, recycled)


def test_recycling_and_guesses_change_the_cost_but_not_the_answer():
    answers = []
    for recycle, guess in ((True, 0), (False, 0), (True, 4)):
        sequence = SolverSequence(methods["gcrodr"](pc="diagonal", recycle=recycle), guess=guess, rtol=1e-11)
        answers.append(np.array([sequence.solve(system)[0] for system in SEQUENCES["darcy"](4)]))
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], rtol=0, atol=1e-7 * np.abs(answers[0]).max())


@pytest.mark.parametrize("kind", ["darcy", "convection-diffusion"])
def test_the_guess_from_the_last_solutions_saves_iterations(kind):
    """One right-hand side and an operator that turns smoothly: solutions lie near a space of a few dimensions."""

    def systems():
        rhs = np.random.default_rng(1).standard_normal(32 * 32)
        for system in (
            convection_diffusion(32, 9, peclet=20, drift=0.02) if kind != "darcy" else darcy((32, 32), 9, drift=0.02)
        ):
            yield System(system.operator, rhs, system.symmetric, system.definite)

    without, with_guess = (
        iterations(methods["gcrodr"](pc="diagonal", recycle=False), systems(), guess=guess) for guess in (0, 6)
    )
    assert sum(with_guess[6:]) < 0.5 * sum(without[6:]), (without, with_guess)


def test_a_right_hand_side_that_was_there_before_costs_nothing():
    """In the span of earlier solutions, with a matrix multiplied by 2: the guess is the solution."""
    first, second, _ = convection_diffusion(24, 3, drift=0)
    sequence = SolverSequence(methods["gcrodr"](pc="diagonal"), rtol=1e-9, guess=2)
    for system in (first, second):
        sequence.solve(System(system.operator, system.rhs))
    _, solve = sequence.solve(System(2 * first.matrix, 3 * first.rhs - second.rhs))
    assert solve.iterations == 0
    assert solve.guessed == 2
    assert solve.residual <= 1e-9
    sequence = SolverSequence(methods["gcrodr"](pc="diagonal"), guess=0)
    sequence.solve(first)
    assert sequence.solve(first)[1].iterations > 0


@needs_petsc
def test_a_preconditioner_follows_the_values_of_its_matrix():
    """Same pattern, other values: as many iterations as a method that has seen nothing before."""
    easy = flux_form(np.ones((24, 24)))
    hard = next(darcy((24, 24), 1, sigma=3.0)).matrix
    rhs = np.ones(24 * 24)
    systems = [System(matrix, rhs, symmetric=True, definite=True) for matrix in (easy, hard, easy)]
    for name, options in (("gcrodr", {"recycle": False}), ("cg", {"pc": "icc"}), ("gmres", {"pc": "sor"})):
        together = iterations(methods[name](**options), systems, guess=0)
        alone = [iterations(methods[name](**options), [system], guess=0)[0] for system in systems]
        assert together == alone


class Counted:
    """SparseLU whose factorisations are counted."""

    name, direct = "counted", True

    def __init__(self):
        self.inner, self.prepared = methods["lu"](), 0

    def eligible(self, system):
        return ""

    def prepare(self, system):
        self.prepared += 1
        self.inner.prepare(system)

    def solve(self, system, guess, rtol):
        return self.inner.solve(system, guess, rtol)


def test_a_matrix_is_prepared_for_once_and_again_when_a_value_changes():
    method = Counted()
    sequence = SolverSequence(method)
    systems = list(convection_diffusion(12, 3, drift=0))
    for system in systems:  # equal values in different memory
        sequence.solve(system)
    assert method.prepared == 1
    matrix = systems[0].operator
    sequence.solve(System(matrix, systems[0].rhs))
    assert method.prepared == 1
    matrix.data[17] *= 1 + 1e-15 + np.finfo(float).eps  # in place, in the last bits
    sequence.solve(System(matrix, systems[0].rhs))
    assert method.prepared == 2


@needs_petsc
def test_a_petsc_mat_changed_in_place_is_noticed():
    method = Counted()
    sequence = SolverSequence(method)
    system = next(convection_diffusion(12, 1))
    mat = system.mat
    for scale, prepared in ((1.0, 1), (1.0, 1), (2.0, 2), (1.0, 2)):
        if scale != 1:
            mat.scale(scale)
        x, _ = sequence.solve(System(mat, system.rhs))
        assert method.prepared == prepared
    np.testing.assert_allclose(2 * system.matrix @ x / system.rhs, 2.0 if system.matrix is not None else 0, rtol=1e-6)


def test_a_sequence_of_one_matrix_keeps_the_images_of_its_space():
    """The products A U are spent once; later right-hand sides profit at once."""
    products = []

    class Operator:
        faces = ()

        def __init__(self, matrix):
            self.matrix_, self.shape, self.shift, self.periodic = matrix, (matrix.shape[0],), matrix.data, ()

        def apply(self, x):
            products.append(1)
            return self.matrix_ @ x

        def matrix(self):
            return self.matrix_

        def diagonal(self):
            return self.matrix_.diagonal()

    matrix = flux_form(np.ones((30, 30)))
    rng = np.random.default_rng(0)
    sequence = SolverSequence(methods["gcrodr"](m=30, k=12, pc="diagonal"), guess=0)
    counts, spent = [], []
    for _ in range(6):
        products.clear()
        _, solve = sequence.solve(System(Operator(matrix), rng.standard_normal(900), symmetric=True))
        counts.append(solve.iterations)
        spent.append(len(products))
    assert max(counts[2:]) < 0.7 * counts[0], counts
    # one product per iteration, one per cycle of 18 and three to begin, end and check: none for the space
    assert spent[-1] <= counts[-1] * (1 + 1 / 18) + 5, (counts, spent)


def test_a_restart_from_a_saved_space_gives_the_same_answer(tmp_path):
    systems = list(SEQUENCES["darcy"](7))

    def solved(method, some):
        sequence = SolverSequence(method, guess=0, chain=())
        return [sequence.solve(system) for system in some]

    whole = solved(methods["gcrodr"](pc="diagonal"), systems)
    first = methods["gcrodr"](pc="diagonal")
    solved(first, systems[:4])
    np.savez(tmp_path / "space.npz", **first.saved())
    second = methods["gcrodr"](pc="diagonal")
    with np.load(tmp_path / "space.npz") as saved:
        second.restore(saved)
    for (x, solve), (expected, before) in zip(solved(second, systems[4:]), whole[4:], strict=True):
        np.testing.assert_array_equal(x, expected)
        assert (solve.iterations, solve.space) == (before.iterations, before.space)
    with pytest.raises(ValueError, match="keeps 10"):
        methods["gcrodr"](m=20, k=10).restore(first.saved())


def test_the_flux_form_is_not_assembled_for_methods_that_need_no_matrix():
    system = next(darcy((16, 16), 1))

    class Structured:
        faces, shift, periodic, shape = (np.ones((17, 16)), np.ones((16, 17))), 0.0, (False, False), (16, 16)

        def apply(self, x):
            assert x.shape == self.shape
            return (system.matrix @ x.ravel()).reshape(self.shape)

        def matrix(self):
            raise AssertionError("assembled")

        def diagonal(self):
            return system.diagonal.reshape(self.shape)

    sequence = SolverSequence(methods["gcrodr"](pc="diagonal"), chain=())
    x, solve = sequence.solve(System(Structured(), system.rhs, symmetric=True, definite=True))
    assert system.relative_residual(x) <= 1e-8
    assert solve.iterations > 0


def test_krylov_is_there_without_petsc():
    code = (
        "import sys; sys.modules['petsc4py'] = None\n"
        "from pdebench.solvers.krylov import SolverSequence, System, methods\n"
        "import numpy as np; from scipy import sparse\n"
        "system = System(sparse.eye(5, format='csr') * 2, np.ones(5))\n"
        "print(SolverSequence(methods['gcrodr']()).solve(system)[0][0], methods['gmres']().eligible(system))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("0.5 this method needs petsc4py"), ran.stderr
    ran = subprocess.run(
        [sys.executable, "-c", "import sys, pdebench.solvers.krylov; print('petsc4py' in sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "False", ran.stderr


def examples():
    page = (Path(__file__).parent.parent / "solvers/krylov/README.md").read_text()
    return [part.split("```")[0] for part in page.split("```python")[1:]]


def test_the_example_of_the_readme_runs(capsys):
    exec(examples()[0], {})
    assert capsys.readouterr().out.startswith("gcrodr(40, 20)+diagonal")


@needs_petsc
def test_the_examples_for_other_solvers_run(capsys):
    exec(examples()[1], {})
    exec(examples()[2], {})
    assert capsys.readouterr().out.strip() in methods
