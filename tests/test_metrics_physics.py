"""Symmetries and sources: exact flows, and models that know a symmetry or do not."""

from __future__ import annotations

import numpy as np
import pytest
from test_metrics import box

from pdebench.errors import PdebenchError
from pdebench.metrics.physics import divergence, equivariance_error, reflection, shift


def flow(kind, shape):
    """u = ∇⊥ψ, ∇ψ or half of each, ψ = cos(2x + y) on a box of 2π."""
    y, x = box(shape).coordinates()
    slope = -np.sin(2 * x + y)
    along, across = np.stack([slope, 2 * slope]), np.stack([2 * slope, -slope])  # components y, x
    return {"solenoidal": across, "gradient": along, "both": along + across}[kind]


@pytest.mark.parametrize(("kind", "expected"), [("solenoidal", 0), ("gradient", 1), ("both", np.sqrt(0.5))])
@pytest.mark.parametrize("shape", [(16, 16), (12, 15)])
def test_divergence_of_known_flows(kind, expected, shape):
    found = divergence(flow(kind, shape)[None, None], box(shape))
    assert found.shape == (1, 1)
    assert found.item() == pytest.approx(expected, abs=1e-14)


def test_divergence_in_one_and_three_dimensions_and_of_a_constant():
    x = box((16,)).axes()[0]
    assert divergence(np.cos(x)[None], box((16,))) == pytest.approx(1)
    z, y, x = box((8, 8, 8)).coordinates()
    abc = np.stack([np.sin(x) + np.cos(y), np.cos(x) + np.sin(z), np.sin(y) + np.cos(z)])  # components z, y, x
    assert divergence(abc, box((8, 8, 8))) == pytest.approx(0, abs=1e-14)
    assert np.isnan(divergence(np.ones((2, 8, 8)), box((8, 8))))
    with pytest.raises(PdebenchError, match="a velocity on"):
        divergence(np.ones((3, 8, 8)), box((8, 8)))


def asked(shape=(12, 12)):
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 1, 1, *shape)), np.ones((2, 1)), np.array([1.0, 2.0])


def diffused(history, params, times):
    """Knows shifts and reflections: an average of neighbours."""
    last = history[:, -1:]
    neighbours = sum(np.roll(last, step, axis) for step in (1, -1) for axis in (-1, -2)) / 4
    return np.repeat(neighbours, len(times), axis=1)


def drifting(history, params, times):
    """Knows shifts only: it moves to the right."""
    return np.repeat(np.roll(history[:, -1:], 1, axis=-1), len(times), axis=1)


def fixed(history, params, times):
    """Knows nothing: something stands at one place."""
    out = diffused(history, params, times)
    out[..., 0, 0] += 1
    return out


@pytest.mark.parametrize(
    ("model", "action", "known"),
    [
        (diffused, shift(3, -2), True),
        (diffused, reflection(0, 2), True),
        (diffused, reflection(1, 2, signs=(-1,)), True),
        (drifting, shift(3, -2), True),
        (drifting, reflection(0, 2), True),
        (drifting, reflection(1, 2), False),
        (fixed, shift(3, -2), False),
    ],
)
def test_a_symmetry_is_known_or_not(model, action, known):
    found = equivariance_error(model, *asked(), action)
    assert found.shape == (2, 2, 1)
    assert (found < 1e-14).all() if known else (found > 0.1).all()


def test_the_error_of_a_fixed_spot_worked_by_hand():
    """M(u) = u + a spot of 1 at one point: shifted, the spots are at two points, so the error is √2/‖M(u)‖."""
    history, params, times = np.zeros((1, 1, 1, 4)), np.ones((1, 1)), np.ones(1)

    def spot(history, params, times):
        out = history.copy()
        out[..., 0] += 1
        return out

    assert equivariance_error(spot, history, params, times, shift(1)).item() == pytest.approx(np.sqrt(2))


def test_a_reflection_keeps_the_first_node_and_undoes_itself():
    values = np.arange(10.0).reshape(2, 5)
    assert reflection(0, 1)(values)[0].tolist() == [0, 4, 3, 2, 1]
    np.testing.assert_array_equal(reflection(0, 1)(reflection(0, 1)(values)), values)
