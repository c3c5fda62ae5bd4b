"""Metrics: hand-worked arrays, exact identities, and each known trap of the field."""

from __future__ import annotations

import doctest
from math import inf, log, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pdebench.metrics
from pdebench.errors import PdebenchError
from pdebench.metrics import (
    Context,
    Pair,
    bootstrap_interval,
    geometric_mean,
    metrics,
    middle,
    per_sample,
    score,
    step_curve,
    undefined,
)
from pdebench.spec import Grid

BANDS = ("spectral_error_low", "spectral_error_mid", "spectral_error_high")
RELATIVE = (
    *("nrmse", "vrmse", "relative_l1", "relative_conserved_error", "energy_spectrum_error", "correlation", "cosine"),
    *("correlation_time", "stability", "wasserstein_histogram", "structure_function", "invariant_drift"),
)
# The others need an ensemble, or a Lyapunov exponent: test_metrics_ensemble.py, test_metrics_geometry.py.
APART = {"spread_skill", "coverage", "rank_flatness", "valid_time", "residual", "boundary_violation"}
SOLO = [name for name in metrics if name not in APART]
SHAPES = [(33,), (32, 32), (24, 31), (20, 16, 15)]


def box(shape, lengths=None):
    return Grid(shape=shape, lengths=lengths or (2 * pi,) * len(shape))


def context(true, grid=None, invariants=None):
    grid = grid or box(true.shape[3:])
    times = np.arange(1.0, true.shape[1] + 1)
    return Context(grid, times, start=true[:, 0], invariants=invariants)


def line(*values):
    """One sample, one frame, one field on a line."""
    return np.array(values, float).reshape(1, 1, 1, -1)


def one(name, pred, true, **more):
    """The single value of a metric of one sample, frame and field."""
    return float(metrics[name](pred, true, context(true, **more)).squeeze())


def noise(shape=(16, 16), *, b=3, t=4, c=2, seed=0):
    rng = np.random.default_rng(seed)
    true = rng.standard_normal((b, t, c, *shape)) + 0.3
    return true + 0.5 * rng.standard_normal(true.shape), true


def energy(states):
    """An invariant whose value is easy to say: half the mean square over all fields."""
    axes = tuple(range(2, states.ndim))
    return {"energy": (states**2).mean(axis=axes) / 2, "total": states.mean(axis=axes)}


# e = (0, 0, 2, −4), u = (1, −1, 1, 3): ⟨e²⟩ = 5, ⟨u⟩ = 1, ⟨u²⟩ = 3, var u = 2, ⟨p⟩ = 1/2, ⟨p²⟩ = 3, ⟨pu⟩ = 1/2.
TRUE, PRED = line(1, -1, 1, 3), line(1, -1, 3, -1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", sqrt(5)),
        ("nrmse", sqrt(5 / 3)),
        ("vrmse", sqrt(5 / 2)),
        ("max_error", 4),
        ("relative_l1", 6 / 6),
        ("conserved_error", 0.5),
        ("relative_conserved_error", 0.5 / 1.5),
        ("correlation", (0.5 - 0.5) / sqrt(2 * 2.75)),
        ("cosine", 0.5 / 3),
        ("stability", 1),
        # sorted: (−1, −1, 1, 3) and (−1, 1, 1, 3)
        ("wasserstein_histogram", 0.5 / sqrt(2)),
        # differences of u at r = 1: −2 2 2 −2, at r = 2: 0 4 0 −4; of p: −2 4 −4 2 and 2 0 −2 0
        ("structure_function", (log(10 / 4) + log(8 / 2)) / 2),
    ],
)
def test_hand_worked(name, expected):
    assert one(name, PRED, TRUE) == pytest.approx(expected, abs=1e-14)


def test_hand_worked_drift():
    # energy 3/2 → 3/2 and mean 1 → 1/2; the mean's scale is ⟨|u₀|⟩ = 3/2
    assert one("invariant_drift", PRED, TRUE, invariants=energy) == pytest.approx(0.5 / 1.5)
    # energy 3/2 → 6, mean 1 → 2
    assert one("invariant_drift", 2 * TRUE, TRUE, invariants=energy) == pytest.approx(4.5 / 1.5)


def test_drift_of_an_invariant_that_vanishes_by_cancellation_is_finite():
    true = line(1, -1, 1, -1)
    assert one("invariant_drift", true + 0.25, true, invariants=lambda u: {"total": energy(u)["total"]}) == 0.25


def test_drift_without_invariants_says_so():
    with pytest.raises(PdebenchError, match="declares invariants"):
        one("invariant_drift", PRED, TRUE)


@pytest.mark.parametrize(
    ("waves", "band"), [((3, 0), 0), ((2, 3), 0), ((4, 0), 1), ((0, -4), 1), ((5, -5), 1), ((12, 0), 2), ((-9, 9), 2)]
)
def test_every_mode_falls_in_its_band(waves, band):
    """Also cos(5x − 5y), whose modes lie outside the first quadrant: others score it zero."""
    y, x = box((32, 32)).coordinates()
    error = np.cos(waves[0] * x + waves[1] * y)[None, None, None]
    found = [one(name, error, np.zeros_like(error)) for name in BANDS]
    expected = [0.0, 0.0, 0.0]
    expected[band] = sqrt(0.5)
    assert found == pytest.approx(expected, abs=1e-14)


def test_the_corners_of_the_spectrum_count():
    error = np.indices((20, 20)).sum(axis=0)[None, None, None] % 2 * 2.0 - 1  # Nyquist on both axes: |k| = 14.1
    assert [one(name, error, np.zeros_like(error)) for name in BANDS] == pytest.approx([0, 0, 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_parseval_in_any_dimension_and_parity(shape):
    pred, true = noise(shape)
    found = score([*BANDS, "rmse"], pred, true, context(true))
    np.testing.assert_allclose(sum(found[name] ** 2 for name in BANDS), found["rmse"] ** 2, rtol=1e-12)
    spectra = Pair(pred, true, context(true)).spectra
    np.testing.assert_allclose(spectra.pred.sum(axis=-1), (pred**2).mean(axis=tuple(range(3, pred.ndim))), rtol=1e-12)


def test_shells_are_round_in_a_long_box():
    grid = box((16, 64), lengths=(1.0, 4.0))  # one wave along y is as short as four along x
    y, x = grid.coordinates()
    for error in (np.cos(2 * pi * y), np.cos(2 * pi * x)):
        one_each = error[None, None, None]
        found = [one(name, one_each, np.zeros_like(one_each), grid=grid) for name in BANDS]
        assert found == pytest.approx([0, sqrt(0.5), 0], abs=1e-14)


def test_a_wave_on_a_border_is_not_moved_by_rounding():
    grid = box((16, 48), lengths=(0.1, 0.3))  # 0.3/0.1 = 2.9999999999999996
    error = np.cos(4 * 2 * pi / 0.1 * grid.coordinates()[0])[None, None, None]  # |k| = 12
    assert one("spectral_error_high", error, np.zeros_like(error), grid=grid) == pytest.approx(sqrt(0.5))


def test_energy_spectrum_error_of_known_spectra():
    x = box((32,)).axes()[0]
    true = (np.cos(x) + 0.1 * np.cos(3 * x) + 7)[None, None, None]
    pred = (3 * np.cos(x + 1) + 0.1 * np.cos(3 * x))[None, None, None]  # neither phase nor mean matters
    assert one("energy_spectrum_error", pred, true) == pytest.approx((log(9) + 0) / 2)
    # What is missing altogether is charged the floor: 1e-10 of the peak against 1e-2 of it.
    assert one("energy_spectrum_error", np.cos(x)[None, None, None], true) == pytest.approx(log(1e8) / 2)


def test_energy_spectrum_error_ignores_round_off_shells():
    x = box((32,)).axes()[0]
    true = (np.cos(x) + 1e-6 * np.cos(5 * x))[None, None, None]  # 1e-12 of the peak's energy
    assert one("energy_spectrum_error", np.cos(x)[None, None, None], true) == pytest.approx(0, abs=1e-12)


def correlated(*values):
    """Truth cos x, predictions with the given correlations, one per frame."""
    x = box((16,)).axes()[0]
    pred = np.stack([r * np.cos(x) + sqrt(1 - r * r) * np.sin(x) for r in values])[None, :, None]
    return pred, np.broadcast_to(np.cos(x), pred.shape).copy()


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ((0.9, 0.7, 0.99), 1.5),  # the first crossing counts, half way between the frames
        ((0.6, 0.9), 0.5),  # from 1 at t = 0 to 0.6 at t = 1
        ((0.9, 0.801, 0.81), 3.0),  # never crossed: censored at the horizon
        ((1.0, 0.8, 0.6), 2.0),
        ((-1.0,), 0.1),
    ],
)
def test_correlation_time(curve, expected):
    pred, true = correlated(*curve)
    np.testing.assert_allclose(metrics["correlation"](pred, true, context(true))[0, :, 0], curve, atol=1e-14)
    assert one("correlation_time", pred, true) == pytest.approx(expected)


def test_correlation_time_thresholds_and_uneven_times():
    pred, true = correlated(0.9, 0.7)
    uneven = Context(box((16,)), np.array([2.0, 3.0]), true[:, 0])
    times = [float(metrics[f"correlation_time{end}"](pred, true, uneven).squeeze()) for end in ("", "_90", "_95")]
    assert times == pytest.approx([2.5, 2.0, 1.0])


def test_correlation_time_is_per_trajectory_and_field():
    pairs = [correlated(0.9, 0.7), correlated(0.6, 0.6)]
    pred, true = (np.concatenate([pair[i] for pair in pairs], axis=2) for i in (0, 1))
    found = metrics["correlation_time"](np.concatenate([pred, true]), np.concatenate([true, true]), context(true))
    np.testing.assert_allclose(found, [[[1.5, 0.5]], [[2.0, 2.0]]])


def test_stability_counts_whole_roll_outs():
    true = np.ones((4, 3, 2, 8))
    pred = true.copy()
    pred[0, 2, 1, 5] = 10.0  # at the bound
    pred[1, 2, 1, 5] = -10.1
    pred[2, 0, 0, 0] = np.nan
    found = metrics["stability"](pred, true, context(true))
    assert found.shape == (4, 1, 1)
    np.testing.assert_array_equal(found.ravel(), [1, 0, 0, 1])


def test_structure_function_is_that_of_its_definition():
    pred, true = noise((8, 9), t=5)

    def direct(u):
        """⟨(u(x + r) − u(x))²⟩, `(b, c, separation)`."""
        pairs = [(axis, r) for axis in (3, 4) for r in range(1, u.shape[axis] // 2 + 1)]
        return np.stack([((np.roll(u, -r, axis) - u) ** 2).mean(axis=(1, 3, 4)) for axis, r in pairs], axis=-1)

    expected = np.abs(np.log(direct(pred) / direct(true))).mean(axis=-1)
    np.testing.assert_allclose(metrics["structure_function"](pred, true, context(true))[:, 0], expected, rtol=1e-10)


def test_long_time_statistics_do_not_see_where_and_when():
    pred, true = noise()
    moved = np.roll(true[:, ::-1], 5, axis=-1)
    for name in ("wasserstein_histogram", "structure_function"):
        assert np.abs(metrics[name](moved, true, context(true))).max() < 1e-12
        assert metrics[name](pred, true, context(true)).min() > 0.01


@pytest.mark.parametrize("name", SOLO)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_truth_is_perfect_and_noise_is_not(name, shape):
    pred, true = noise(shape)
    known, found = metrics[name], context(true, invariants=energy)
    assert known.better in ("lower", "higher")
    best = {"lower": 0.0, "higher": 1.0}[known.better]
    if known.units == "time":
        best = float(found.times[-1])
    itself = known(true, true, found)
    b, t, c = pred.shape[:3]
    assert itself.shape[0] == b
    assert itself.shape[1] == (t if known.curve else 1)
    assert itself.shape[2] in (1, c)
    np.testing.assert_allclose(itself, best, atol=1e-12)
    worse = known(-20 * pred, true, found)
    assert (worse > best + 1e-6).any() if known.better == "lower" else (worse < best - 1e-6).any()


@pytest.mark.parametrize("amplitude", [1e-20, 1e-3, 1.0, 1e20])
def test_predicting_the_mean_scores_vrmse_1_at_any_amplitude(amplitude):
    _, true = noise()
    true = amplitude * true
    mean = np.broadcast_to(true.mean(axis=(3, 4), keepdims=True), true.shape)
    np.testing.assert_allclose(metrics["vrmse"](mean, true, context(true)), 1, rtol=1e-12)
    np.testing.assert_array_equal(metrics["correlation"](mean, true, context(true)), 0)


def test_vrmse_of_a_constant_truth_is_undefined_and_counted():
    _, true = noise(b=2, t=3, c=1)
    true[1, 2] = 0.3 + 1e-9 * true[1, 2]
    found = metrics["vrmse"](true + 1e-4, true, context(true))
    assert np.isnan(found[1, 2, 0])
    assert undefined(found) == 1
    assert middle(per_sample(found)) == pytest.approx(np.nanmean(np.nanmean(found, axis=(1, 2))))


def test_vrmse_sees_small_fluctuations_on_a_large_mean():
    """A temperature of 300 ± 0.01 must not lose its digits to cancellation."""
    x = box((64,)).axes()[0]
    true = (300 + 0.01 * np.sin(x))[None, None, None]
    assert one("vrmse", true + 0.005 * np.cos(x), true) == pytest.approx(0.5, rel=1e-9)


def permutable(name):
    pred, true = noise(b=6)
    together = score([name], pred, true, context(true, invariants=energy))[name]
    parts = []
    for rows in ([4, 1], [0], [5, 3, 2]):
        few = context(true[rows], invariants=energy)
        parts.append(score([name], pred[rows], true[rows], few)[name])
    back = np.argsort([4, 1, 0, 5, 3, 2])
    return together, np.concatenate(parts)[back]


@pytest.mark.parametrize("name", SOLO)
def test_permuting_or_rebatching_the_samples_changes_nothing(name):
    together, apart = permutable(name)
    np.testing.assert_array_equal(together, apart)
    assert middle(per_sample(together)) == pytest.approx(middle(per_sample(together[::-1])), rel=1e-14)


@pytest.mark.parametrize("name", RELATIVE)
@given(power=st.integers(-12, 12), sign=st.sampled_from([-1, 1]))
def test_scaling_both_leaves_relative_metrics_unchanged(name, power, sign):
    pred, true = noise((8, 8), b=2, t=2, c=1)
    factor = sign * 10.0**power

    def total(states):
        return {"total": energy(states)["total"]}

    plain = metrics[name](pred, true, context(true, invariants=total))
    scaled = metrics[name](factor * pred, factor * true, context(factor * true, invariants=total))
    np.testing.assert_allclose(scaled, plain, rtol=1e-9)


@pytest.mark.parametrize("name", ["rmse", "max_error", "conserved_error", *BANDS])
def test_metrics_in_the_fields_unit_scale_with_it(name):
    pred, true = noise()
    assert metrics[name].units == "field"
    np.testing.assert_allclose(
        metrics[name](7 * pred, 7 * true, context(true)), 7 * metrics[name](pred, true, context(true)), rtol=1e-12
    )


@pytest.mark.parametrize("name", SOLO)
@pytest.mark.parametrize("bad", [np.nan, inf, -inf, 1e200])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_scores_worst_there_and_only_there(name, bad, dtype):
    """`filterwarnings = error` makes any warning a failure."""
    pred, true = (values.astype(dtype) for values in noise())
    known, told = metrics[name], context(true, invariants=energy)
    good = known(pred, true, told)
    with np.errstate(over="ignore"):  # 1e200 as float32
        pred[1, 2, 0, 3, 3] = bad
    found = known(pred, true, told)
    assert not np.isnan(found).any()
    np.testing.assert_array_equal(found[[0, 2]], good[[0, 2]])
    if name.startswith("correlation_time"):
        assert (found[1] <= good[1]).all()
        return
    worst = {"lower": inf, "higher": 0.0 if name == "stability" else -1.0}[known.better]
    assert found[1, 2 if known.curve else 0, 0] == worst
    if known.curve:
        np.testing.assert_array_equal(found[1, :2], good[1, :2])


def test_a_prediction_that_diverges_ends_its_correlation_time():
    pred, true = correlated(0.99, 0.98, 0.97, 0.96)
    pred[:, 2:] = np.nan
    assert 2 < one("correlation_time", pred, true) < 2.5


def test_half_precision_and_integers_are_summed_in_double():
    true = np.full((1, 1, 1, 64, 64), 200, np.float16)
    assert one("rmse", true + np.float16(100), true) == 100  # the sum of squares is beyond float16
    assert one("rmse", np.full(true.shape, 7), true.astype(int)) == 193


def test_shapes_must_match():
    pred, true = noise()
    with pytest.raises(ValueError, match="must match"):
        metrics["rmse"](pred[:, :3], true, context(true))
    with pytest.raises(ValueError, match="grid"):
        metrics["rmse"](pred, true, context(true, grid=box((8, 8))))


def test_an_unknown_metric_is_suggested():
    with pytest.raises(PdebenchError, match="did you mean 'vrmse'"):
        score(["vrsme"], PRED, TRUE, context(TRUE))


def test_aggregates_from_samples_not_from_batches():
    values = np.array([[[1.0], [3.0]], [[5.0], [7.0]], [[np.nan], [9.0]]])
    np.testing.assert_array_equal(per_sample(values), [2, 6, 9])
    assert middle(per_sample(values)) == pytest.approx(17 / 3)
    np.testing.assert_allclose(step_curve(values), [3, 19 / 3])
    assert np.isnan(middle(per_sample(np.full((2, 3, 1), np.nan))))
    assert middle(per_sample(np.array([[[1.0]], [[inf]]]))) == inf


def test_geometric_mean():
    assert geometric_mean(np.array([1.0, 100.0])) == pytest.approx(10)
    assert geometric_mean(np.array([0.0, 1.0])) == 0
    assert geometric_mean(np.array([0.0, inf])) == inf
    assert geometric_mean(np.array([4.0, np.nan])) == pytest.approx(4)
    assert np.isnan(geometric_mean(np.array([np.nan])))


def test_the_bootstrap_interval_covers_and_repeats():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_interval(rng.exponential(size=60)) for _ in range(200)]
    share = np.mean([low <= 1 <= high for low, high in intervals])
    assert 0.88 < share < 0.99, f"95 % intervals cover {share:.0%}"
    samples = rng.exponential(size=60)
    assert bootstrap_interval(samples) == bootstrap_interval(samples)
    low, high = bootstrap_interval(samples)
    half = 1.96 * samples.std() / sqrt(60)  # the normal approximation
    assert (low, high) == pytest.approx((samples.mean() - half, samples.mean() + half), abs=0.06)
    assert bootstrap_interval(np.array([1.0, inf]))[1] == inf
    assert bootstrap_interval(np.array([2.0, np.nan])) == (2.0, 2.0)


def test_the_examples_in_the_docstring_run():
    assert doctest.testmod(pdebench.metrics).failed == 0
