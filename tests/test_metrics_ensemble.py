"""Probabilistic metrics: worked by hand, fair whatever the number of members, and honest ensembles score best."""

from __future__ import annotations

import numpy as np
import pytest
from test_metrics import context, line

from pdebench.metrics import Context, Pair, metrics
from pdebench.metrics.ensemble import rank_histogram


def of(name, members, true, **more):
    members, true = np.asarray(members, float), np.asarray(true, float)
    known = Context(None, np.ones(true.shape[1]), true[:, 0], **more) if more else context(true)
    return metrics[name].of(Pair(members.mean(axis=0), true, known, members))


def lines(*members):
    return np.stack([line(*values) for values in members])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # x = 0, 2, 4; y = 1: near (1 + 1 + 3)/3, pairs 2, 2, 4: Σ/(3·2) = 8/6
        ("crps", 5 / 3 - 4 / 3),
        ("energy_score", 5 / 3 - 4 / 3),
        # var 4 · 4/3 against (2 − 1)² = 1
        ("spread_skill", np.log(16 / 3) / 2),
        # inside, expected half
        ("coverage", 0.5),
        # rank 1 of 0…3: shares (0, 1, 0, 0)
        ("rank_flatness", (1 + 3 + 1 + 1) / 4),
    ],
)
def test_hand_worked(name, expected):
    assert float(of(name, lines([0], [2], [4]), line(1)).squeeze()) == pytest.approx(expected)


def test_the_crps_of_two_points_weighs_them_by_volume():
    # point 1: x = 0, 2, y = 1: 1 − 2/2 = 0; point 2: x = 1, 1, y = 4: 3
    members = lines([0, 1], [2, 1])
    assert float(of("crps", members, line(1, 4)).squeeze()) == pytest.approx(1.5)
    assert float(of("crps", members, line(1, 4), volumes=np.array([3.0, 1.0])).squeeze()) == pytest.approx(0.75)


def test_the_energy_score_sees_what_the_crps_cannot():
    """Members that are right at each point and wrong together: the CRPS is the same, the energy score is not."""
    true = line(1, 1)
    together, apart = lines([1, 1], [-1, -1]), lines([1, -1], [-1, 1])
    assert of("crps", together, true) == pytest.approx(of("crps", apart, true))
    # norms √⟨·²⟩: together 0, 2 and 2 between: 1 − 2/2; apart √2, √2 and 2 between: √2 − 1
    assert float(of("energy_score", together, true).squeeze()) == pytest.approx(0)
    assert float(of("energy_score", apart, true).squeeze()) == pytest.approx(np.sqrt(2) - 1)


def test_one_member_scores_the_absolute_error_and_has_no_spread():
    pred, true = line(1, 5), line(2, 2)
    assert float(metrics["crps"](pred, true, context(true)).squeeze()) == 2
    for name in ("spread_skill", "coverage", "rank_flatness"):
        assert np.isnan(metrics[name](pred, true, context(true))).all()


def drawn(m, *, spread=1.0, shift=0.0, points=20_000, seed=0):
    rng = np.random.default_rng(seed)
    return shift + spread * rng.standard_normal((m, 1, 1, 1, points)), rng.standard_normal((1, 1, 1, points))


def test_the_crps_is_fair():
    """Normal members and truth: σ/√π for any m (Gneiting & Raftery 2007); the unfair one would give + σ/(m√π)."""
    for m in (2, 3, 10):
        members, true = drawn(m)
        sigma = 1.0 / np.sqrt(true.size)  # of the mean, at most
        assert float(of("crps", members, true).squeeze()) == pytest.approx(1 / np.sqrt(np.pi), abs=4 * sigma)


@pytest.mark.parametrize("name", ["crps", "spread_skill", "coverage", "rank_flatness"])
@pytest.mark.parametrize("how", [{"spread": 0.4}, {"spread": 2.5}, {"shift": 1.0}])
def test_an_honest_ensemble_beats_one_that_is_too_sure_too_unsure_or_off(name, how):
    assert of(name, *drawn(8)) < of(name, *drawn(8, **how))


def test_an_honest_ensemble_is_flat_covers_and_spreads():
    m, points = 9, 20_000
    members, true = drawn(m, points=points)
    shares = rank_histogram(Pair(members.mean(axis=0), true, context(true), members)).squeeze()
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(shares, 0.1, atol=5 * np.sqrt(0.1 * 0.9 / points))
    assert float(of("coverage", members, true).squeeze()) < 5 * np.sqrt(0.8 * 0.2 / points)
    assert float(of("spread_skill", members, true).squeeze()) < 5 * np.sqrt(1 / points)


def test_ties_count_by_halves():
    shares = rank_histogram(Pair(line(0), line(0), context(line(0)), lines([0], [1]))).squeeze()
    assert shares.tolist() == [0.5, 0.5, 0]


def test_a_member_that_diverged_is_not_hidden():
    members, true = drawn(3, points=10)
    members[1, ..., 0] = np.nan
    assert np.isinf(of("crps", members, true)).all()


def test_the_order_of_members_and_batches_changes_nothing():
    rng = np.random.default_rng(1)
    members, true = rng.standard_normal((5, 3, 2, 2, 8)), rng.standard_normal((3, 2, 2, 8))
    for name in ("crps", "energy_score", "spread_skill", "coverage", "rank_flatness"):
        whole = of(name, members, true)
        np.testing.assert_allclose(of(name, members[::-1], true), whole, rtol=1e-12)
        parts = [of(name, members[:, i : i + 1], true[i : i + 1]) for i in range(3)]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)


def test_a_wrong_ensemble_is_refused():
    with pytest.raises(ValueError, match="behind its members"):
        Pair(line(1), line(1), context(line(1)), np.ones((3, 1, 1, 1, 2)))
