"""Other projects' metrics against arrays worked by hand, and the traps in them that ours must not have."""

import numpy as np
import pytest

from pdebench.errors import PdebenchError
from pdebench.metrics import Context, compat, score
from pdebench.spec import Grid

# Two samples, two frames, one field, four points.
TRUE = np.array([[[[1.0, 1, 1, 1]], [[2, 2, 2, 2]]], [[[3, 4, 3, 4]], [[1, -1, 1, -1]]]])
ERROR = np.array([[[[1.0, 0, 0, 0]], [[2, 2, 2, 2]]], [[[0, 0, 0, 0]], [[1, 1, -1, -1]]]])
PRED = TRUE + ERROR


def waves(n: int) -> np.ndarray:
    """cos(5x − 5y) on n × n points, `(1, 1, 1, n, n)`."""
    x = 2 * np.pi * np.arange(n) / n
    return np.cos(5 * x[:, None] - 5 * x)[None, None, None]


def test_pdebench_takes_the_root_of_each_sample_then_means():
    scores = compat["pdebench"](PRED, TRUE)
    assert scores["RMSE"] == pytest.approx((0.5 + 2 + 0 + 1) / 4)
    assert scores["nRMSE"] == pytest.approx((0.5 / 1 + 2 / 2 + 0 + 1 / 1) / 4)
    # Σe: 1 and 0 in the first frame, 8 and 0 in the second; root of the mean over samples, by 4 points.
    assert scores["CSV"] == pytest.approx((np.sqrt(1 / 2) + np.sqrt(64 / 2)) / 2 / 4)
    # Ends: (1, 0), (2, 2), (0, 0), (1, −1).
    assert scores["BD"] == pytest.approx((np.sqrt(1 / 2) + 2 + 0 + 1) / 4)
    last = TRUE + np.array([0, 0, 0, 4])
    assert compat["pdebench"](last, TRUE)["BD"] == pytest.approx(np.sqrt(8))


def test_pdebench_averages_batches_whatever_their_size():
    uneven = np.concatenate([PRED, PRED[:1]]), np.concatenate([TRUE, TRUE[:1]])
    first, second = compat["pdebench"](PRED, TRUE)["CSV"], compat["pdebench"](PRED[:1], TRUE[:1])["CSV"]
    assert compat["pdebench"](*uneven, batch=2)["CSV"] == pytest.approx((first + second) / 2)
    assert compat["pdebench"](*uneven)["CSV"] != pytest.approx((first + second) / 2)


def test_pdebench_bands_in_one_dimension():
    n, length = 32, 2.0
    x = np.arange(n) / n
    error = (3 * np.cos(2 * np.pi * 2 * x) + 5 * np.cos(2 * np.pi * 6 * x))[None, None, None]
    true = np.ones_like(error)
    scores = compat["pdebench"](true + error, true, lengths=[length])
    # |rfft| of a·cos at its k is a n/2; divided by n, times the length; means over 4, 8 and 17 − 12 modes.
    assert scores["fRMSE_low"] == pytest.approx(3 / 2 * length / 4)
    assert scores["fRMSE_mid"] == pytest.approx(5 / 2 * length / 8)
    assert scores["fRMSE_high"] == pytest.approx(0, abs=1e-12)


def test_pdebench_counts_corners_twice_and_sees_one_quadrant():
    true = np.ones((1, 1, 1, 4, 4))
    corner = np.zeros_like(true)
    corner[..., 0, 0] = 1
    assert compat["pdebench"](true + corner, true)["BD"] == pytest.approx(np.sqrt(2 / 16))
    error = waves(32)
    true = np.ones_like(error)
    theirs = compat["pdebench"](true + error, true)
    assert max(theirs[f"fRMSE_{band}"] for band in ("low", "mid", "high")) < 1e-12
    grid = Grid(shape=(32, 32), lengths=(1.0, 1.0))
    ours = score(["spectral_error_mid"], true + error, true, Context(grid, np.ones(1), true[:, 0]))
    assert ours["spectral_error_mid"].item() == pytest.approx(np.sqrt(1 / 2))


def test_pdebench_shells_add_modes_before_the_root():
    n = 16
    x = 2 * np.pi * np.arange(n) / n
    error = (np.cos(5 * x[:, None] + 3 * x) + np.cos(3 * x[:, None] + 5 * x))[None, None, None]
    true = np.ones_like(error)
    scores = compat["pdebench"](true + error, true)
    # Both modes lie in shell 5 with |F| = n²/2; shells run up to 7, so the middle band is the mean of four.
    assert scores["fRMSE_mid"] == pytest.approx(np.sqrt(2) / 2 / 4)


def test_the_well_uses_the_unbiased_variance_and_windows():
    frames = np.tile(np.array([0.0, 2.0]), (1, 30, 1, 1))  # variance 2 with n − 1
    error = np.zeros_like(frames)
    error[:, 6:12] = 1
    scores = compat["the_well"](frames + error, frames)
    assert scores["VRMSE_6:12"] == pytest.approx(np.sqrt(1 / (2 + 1e-7)))
    assert scores["VRMSE_13:30"] == 0
    assert scores["VRMSE"] == pytest.approx(6 / 30 * scores["VRMSE_6:12"])
    assert "VRMSE_13:30" not in compat["the_well"](frames[:, :20], frames[:, :20])


def test_apebench_sums_fields_and_takes_the_geometric_mean():
    true = np.ones((1, 2, 2, 4))
    pred = true.copy()
    pred[:, 0] += 0.5  # 0.5 in each of two fields
    pred[:, 1] += 2
    assert compat["apebench"](pred, true)["nRMSE_gmean"] == pytest.approx(np.sqrt(1 * 4))
    assert compat["apebench"](-pred, true)["correlation_last"] == pytest.approx(-1)


def test_pdearena_is_joint_over_time_and_fields():
    scores = compat["pdearena"](PRED, TRUE)
    assert scores["scaled_l2"] == pytest.approx((np.sqrt(17 / 20) + np.sqrt(4 / 54)) / 2)
    assert scores["mse_sum"] == pytest.approx(((0.25 + 4) + (0 + 1)) / 2)
    straight = np.arange(8.0).reshape(1, 1, 2, 4)  # Pearson over fields and space at once
    assert compat["pdearena"](3 - 2 * straight, straight)["correlation"] == pytest.approx(-1)
    offset = straight + np.array([10.0, 0.0]).reshape(1, 1, 2, 1)  # Pearson by field would not see it
    assert compat["pdearena"](offset, straight)["correlation"] < 0


def test_sinenet_and_fno_differ_by_where_the_root_is_taken():
    assert compat["sinenet"](PRED, TRUE)["relative_l2"] == pytest.approx((1 / 2 + 1 + 0 + 1) / 4)
    assert compat["fno"](PRED, TRUE)["relative_l2"] == pytest.approx((np.sqrt(17 / 20) + np.sqrt(4 / 54)) / 2)


def test_pde_refiner_counts_frames_and_not_a_first_crossing():
    wave = np.cos(2 * np.pi * np.arange(8) / 8)
    true = np.tile(wave, (1, 4, 1, 1))
    pred = true.copy()
    pred[:, 1] *= -1  # lost at the second frame, and right again afterwards
    assert compat["pde_refiner"](pred, true, step=0.5)["high_correlation_time"] == 1.5
    assert compat["tsm"](pred, true, step=0.5)["decorrelation_time"] == 1.5
    shifted = pred + 10  # Pearson does not see a mean; the cosine does
    assert compat["pde_refiner"](shifted, true)["high_correlation_time"] == 3
    assert compat["tsm"](shifted, true)["decorrelation_time"] == 0


def test_poseidon_is_a_median_in_per_cent():
    true = np.ones((3, 1, 1, 4))
    pred = true + np.array([0.1, 0.2, 9.0]).reshape(3, 1, 1, 1)
    assert compat["poseidon"](pred, true)["median_relative_l1_percent"] == pytest.approx(20)


def test_cfdbench_counts_solid_cells_as_right():
    fluid = np.array([1, 1, 1, 0])
    pred = TRUE.copy()
    pred[..., 3] += 100
    assert compat["cfdbench"](pred, TRUE, fluid=fluid)["NMSE"] == 0
    pred[..., 0] += 1
    expected = 4 / (4 + 16 + 50 + 4)  # four frames with one wrong cell; Σu² of the four frames
    assert compat["cfdbench"](pred, TRUE, fluid=fluid)["NMSE"] == pytest.approx(expected)
    assert compat["cfdbench"](pred, TRUE, fluid=np.stack([fluid] * 2))["NMSE"] == pytest.approx(expected)


def test_the_bins_of_the_well_worked_by_hand():
    """16 × 16 points: |k| in radians per spacing, edges 0, 0.885, 1.99, 4.44; cos waves of square 1/2."""
    n = np.arange(16) * 2 * np.pi / 16
    y, x = np.meshgrid(n, n, indexing="ij")
    # k = 1: 0.39; (2, −3): 1.42; (−8, 8): 4.44, the corner
    error = np.cos(x) + 2 * np.cos(2 * y - 3 * x) + np.cos(8 * y - 8 * x)
    true = 3 * np.cos(x) + np.cos(4 * y)
    scores = compat["the_well"]((true + error)[None, None, None], true[None, None, None])
    assert [scores[f"spectral_MSE_{i}"] for i in range(3)] == pytest.approx([0.5, 2.0, 1.0])
    assert scores["spectral_NMSE_0"] == pytest.approx(0.5 / (4.5 + 1e-7))
    assert scores["spectral_NMSE_1"] == pytest.approx(2 / (0.5 + 1e-7))
    assert sum(scores[f"spectral_MSE_{i}"] for i in range(3)) == pytest.approx((error**2).mean())


def test_pinnacle_and_probconserv():
    scores = compat["pinnacle"](PRED, TRUE)
    assert scores["relative_l1"] == pytest.approx(13 / 30)
    assert scores["relative_l2"] == pytest.approx(np.sqrt(21 / 74))
    assert compat["probconserv"](PRED, TRUE, volume=3.0)["conservation_error"] == pytest.approx(3 * (2 + 0) / 2)


@pytest.mark.parametrize("name", sorted(compat))
def test_perfect_and_scaled_predictions(name):
    rng = np.random.default_rng(3)
    shape = (3, 40, 2, 8, 8)
    true, pred = rng.standard_normal((2, *shape))
    scores, scaled = compat[name](pred, true), compat[name](7 * pred, 7 * true)
    for key, value in compat[name](true, true).items():
        best = {"correlation": 1, "correlation_last": 1}.get(key, 40 if key.endswith("time") else 0)
        assert value == pytest.approx(best, abs=1e-12), key
    absolute = {"RMSE", "CSV", "BD", "fRMSE_low", "fRMSE_mid", "fRMSE_high", "mse_sum", "conservation_error"}
    absolute |= {f"spectral_{kind}_{index}" for index in range(3) for kind in ("MSE", "NMSE")}
    for key in scores.keys() - absolute:  # the Well's 1e-7 is an absolute floor
        assert scaled[key] == pytest.approx(scores[key], rel=1e-6), key


def test_shapes_and_names_are_checked():
    with pytest.raises(ValueError, match=r"\(b, t, c, \*space\)"):
        compat["fno"](np.ones((2, 3, 4)), np.ones((2, 3, 4)))
    with pytest.raises(PdebenchError, match="did you mean 'pdebench'"):
        compat["pdebnch"]


def test_lengths_may_be_an_array():
    true, pred = np.random.default_rng(0).standard_normal((2, 2, 2, 1, 8, 8))
    scores = compat["pdebench"](pred, true, lengths=np.array([1.0, 2.0]))
    assert scores == compat["pdebench"](pred, true, lengths=[1.0, 2.0])
