"""The rows of one system shared by 1, 2 and 3 ranks: the same answers, and iterations that depend on the
preconditioner's blocks alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from needs import needed
from ranks import told_by

needed("petsc4py")
pytestmark = pytest.mark.mpi
SCRIPT = Path(__file__).parent / "krylov_rows.py"


@pytest.fixture(scope="module")
def runs():
    return [told_by(ranks, SCRIPT) for ranks in (1, 2, 3)]


# Jacobi and LU know nothing of ranks. GAMG's aggregates and the overlapping blocks of ASM change a little: 15 % and one
# iteration. A block ILU loses the couplings between ranks: on 1600 unknowns 10–22 % more iterations.
@pytest.mark.parametrize(
    ("case", "growth"),
    [
        ("gcrodr+jacobi", 0.0),
        ("gcrodr+asm", 0.15),
        ("gcrodr+ilu, neumann", 0.3),
        ("cg+gamg, guess", 0.15),
        ("lu, neumann", 0.0),
    ],
)
def test_ranks_share_a_system(runs, case, growth):
    one, *more = (ran[case] for ran in runs)
    for other in more:
        np.testing.assert_allclose(other["sums"], one["sums"], rtol=1e-6)
        for few, many in zip(one["iterations"], other["iterations"], strict=True):
            assert abs(many - few) <= growth * few + (1 if growth else 0), (one["iterations"], other["iterations"])


def test_recycling_saves_iterations_on_several_ranks(runs):
    for ran in runs:
        iterations = ran["gcrodr+jacobi"]["iterations"]
        assert max(iterations[2:]) < 0.6 * iterations[0], iterations
