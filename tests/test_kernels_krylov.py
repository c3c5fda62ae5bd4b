"""The sweeps of Gram–Schmidt against NumPy, in every instruction set, at lengths that fill no register or block."""

from __future__ import annotations

import numpy as np
import pytest

from pdebench.solvers import kernels

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", exc_type=ImportError)
SIZES = [0, 1, 7, 8, 127, 128, 129, 1000]


def sets():
    found = []
    for name in ("baseline", "avx2", "avx512"):
        try:
            compiled.krylov_project(np.zeros((1, 1)), 0, np.zeros(1), isa=name)
            found.append(name)
        except ValueError:
            pass
    return found


@pytest.mark.parametrize("isa", ["", *sets()])
@pytest.mark.parametrize("n", SIZES)
def test_a_sweep_is_what_numpy_gives(isa, n):
    for count in (0, 1, 2, 3, 8, 9, 21):
        rng = np.random.default_rng(count)
        q, part, found = rng.standard_normal((count + 2, n)), rng.standard_normal(count), np.empty(count + 1)
        last, w = q[count + 1].copy(), q[count].copy()
        compiled.krylov_project(q, count, found, isa=isa)
        np.testing.assert_allclose(found, q[: count + 1] @ w, rtol=0, atol=1e-13 * (1 + n))
        np.testing.assert_array_equal(q[count], w)
        compiled.krylov_subtract(q, count, part, found, isa=isa)
        expected = w - part @ q[:count]
        np.testing.assert_allclose(q[count], expected, rtol=0, atol=1e-13)
        np.testing.assert_allclose(found[:count], q[:count] @ expected, rtol=0, atol=1e-13 * (1 + n))
        np.testing.assert_allclose(found[count], expected @ expected, rtol=1e-13)
        np.testing.assert_array_equal(q[count + 1], last)


def test_arguments_that_do_not_fit_are_refused():
    q = np.zeros((3, 8))
    with pytest.raises(ValueError, match="count"):
        compiled.krylov_project(q, 3, np.zeros(4))
    with pytest.raises(ValueError, match="found"):
        compiled.krylov_project(q, 2, np.zeros(2))
    with pytest.raises(ValueError, match="part"):
        compiled.krylov_subtract(q, 2, np.zeros(1), np.zeros(3))
    with pytest.raises(ValueError, match="components"):
        compiled.krylov_orthogonalise(q, 2, np.zeros(1), loss=1e-13, passes=4)
    with pytest.raises(ValueError, match="instruction set"):
        compiled.krylov_project(q, 2, np.zeros(3), isa="abacus")
    with pytest.raises(TypeError):  # a copy would be changed in place of the block
        compiled.krylov_project(q.astype(np.float32), 2, np.zeros(3))
    with pytest.raises(TypeError):
        compiled.krylov_project(np.zeros((8, 3)).T, 2, np.zeros(3))
    assert kernels.available()
