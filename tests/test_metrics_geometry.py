"""Masked grids, meshes, walls: hand-worked volumes, and the same answer another way."""

from __future__ import annotations

import numpy as np
import pytest
from test_metrics import BANDS, box, context, line, noise

from pdebench.errors import PdebenchError
from pdebench.metrics import Context, Pair, metrics, score
from pdebench.metrics.compat import poseidon_gains

POINTWISE = (
    *("rmse", "nrmse", "vrmse", "max_error", "relative_l1", "conserved_error", "relative_conserved_error"),
    *("correlation", "cosine", "correlation_time", "stability", "wasserstein_histogram"),
)
SHAPES = [(24,), (12, 10), (6, 5, 4)]


def of(pred, true, **more):
    return Context(box(true.shape[3:]), np.arange(1.0, true.shape[1] + 1), true[:, 0], **more)


# e = (1, −1, 2), u = (1, 2, 3), volumes (1, 2, 1)/4: ⟨e²⟩ = (1 + 2 + 4)/4, ⟨u⟩ = 2, ⟨u²⟩ = (1 + 8 + 9)/4, var 1/2,
# ⟨|e|⟩ = (1 + 2 + 2)/4, ⟨e⟩ = (1 − 2 + 2)/4; p = (2, 1, 5): ⟨p⟩ = 9/4, ⟨p²⟩ = (4 + 2 + 25)/4, ⟨pu⟩ = (2 + 4 + 15)/4.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rmse", np.sqrt(7) / 2),
        ("nrmse", np.sqrt(7 / 18)),
        ("vrmse", np.sqrt(7 / 2)),
        ("max_error", 2),
        ("relative_l1", 5 / 8),
        ("conserved_error", 1 / 4),
        ("relative_conserved_error", 1 / 8),
        ("correlation", (21 / 4 - 9 / 2) / np.sqrt((31 / 4 - 81 / 16) / 2)),
        ("cosine", 21 / np.sqrt(31 * 18)),
    ],
)
def test_a_mesh_of_three_cells_worked_by_hand(name, expected):
    true, pred = line(1, 2, 3), line(2, 1, 5)
    mesh = Context(None, np.ones(1), true[:, 0], volumes=np.array([1.0, 2.0, 1.0]))
    assert float(metrics[name](pred, true, mesh).squeeze()) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cell_counted_twice_is_a_cell_of_twice_the_volume(shape):
    pred, true = noise(shape)
    twice = np.arange(np.prod(shape)) % 3 == 0
    flat = [values.reshape(*values.shape[:3], -1) for values in (pred, true)]
    more = [np.concatenate([values, values[..., twice]], axis=-1) for values in flat]
    mesh = Context(None, np.arange(1.0, 5.0), flat[1][:, 0], volumes=1.0 + twice)
    plain = Context(None, np.arange(1.0, 5.0), more[1][:, 0], volumes=np.ones(more[1].shape[-1]))
    names = [name for name in POINTWISE if name != "wasserstein_histogram"]
    found, expected = score(names, *flat, mesh), score(names, *more, plain)
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("solid", [0.0, 1e30, np.nan])
def test_masked_points_take_no_part_whatever_stands_there(shape, solid):
    pred, true = noise(shape)
    fluid = np.arange(np.prod(shape)).reshape(shape) % 4 != 1
    mesh = [values[..., fluid] for values in (pred, true)]
    expected = score(POINTWISE, *mesh, Context(None, np.arange(1.0, 5.0), mesh[1][:, 0], volumes=np.ones(fluid.sum())))
    masked = [np.where(fluid, values, fill) for values, fill in ((pred, solid), (true, 0.5))]
    found = score(POINTWISE, *masked, of(pred, true, volumes=fluid.astype(float)))
    for name in POINTWISE:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_volumes_change_nothing(shape):
    pred, true = noise(shape)
    found, expected = (
        score(POINTWISE, pred, true, of(pred, true, **m)) for m in ({"volumes": np.full(shape, 0.1)}, {})
    )
    for name in POINTWISE:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", [*BANDS, "energy_spectrum_error", "structure_function", "boundary_rmse"])
def test_what_needs_a_whole_grid_says_so(name):
    pred, true = noise((8, 8))
    with pytest.raises(PdebenchError, match="uniform grid without masked points"):
        metrics[name](pred, true, of(pred, true, volumes=np.eye(8)))


@pytest.mark.parametrize("shape", [(33,), (32, 32), (20, 16, 15)])
def test_parseval_between_walls(shape):
    pred, true = noise(shape)
    found = score([*BANDS, "rmse"], pred, true, of(pred, true, periodic=False))
    np.testing.assert_allclose(sum(found[name] ** 2 for name in BANDS), found["rmse"] ** 2, rtol=1e-12)


@pytest.mark.parametrize(("k", "band"), [(6, 0), (7, 0), (8, 1), (23, 1), (24, 2)])
def test_a_cosine_between_walls_falls_in_its_band(k, band):
    """cos(kπx/L) at cell centres has k/2 waves."""
    x = (np.arange(64) + 0.5) / 64
    error = np.broadcast_to(np.cos(k * np.pi * x), (64, 64))[None, None, None]
    found = [float(metrics[n](error, 0 * error, of(error, 0 * error, periodic=False)).squeeze()) for n in BANDS]
    expected = [0.0, 0.0, 0.0]
    expected[band] = np.sqrt(0.5)
    assert found == pytest.approx(expected, abs=1e-13)


def test_a_ramp_between_walls_has_no_jump_at_the_ends():
    """A straight line has nearly all its energy in long waves; as a periodic signal it would not."""
    error = np.linspace(-1, 1, 64)[None, None, None]
    high = [
        float(metrics["spectral_error_high"](error, 0 * error, of(error, 0 * error, periodic=p)).squeeze())
        for p in (False, True)
    ]
    assert high[0] < high[1] / 20


@pytest.mark.parametrize(("shape", "cells"), [((5,), 2), ((4, 3), 10), ((3, 3, 3), 26)])
def test_each_boundary_cell_counts_once(shape, cells):
    """An error of 1 in a corner alone."""
    error = np.zeros((1, 1, 1, *shape))
    error[(0, 0, 0, *[0] * len(shape))] = 1
    found = metrics["boundary_rmse"](error, 0 * error, of(error, 0 * error))
    assert float(found.squeeze()) == pytest.approx(np.sqrt(1 / cells))
    inside = np.zeros((1, 1, 1, *shape))
    inside[(0, 0, 0, *[1] * len(shape))] = 1
    assert float(metrics["boundary_rmse"](inside, 0 * inside, of(inside, 0 * inside)).squeeze()) == 0


def test_a_mesh_names_its_boundary():
    true, pred = line(0, 0, 0), line(3, 5, 4)
    mesh = Context(None, np.ones(1), true[:, 0], volumes=np.ones(3), boundary=np.array([True, False, True]))
    assert float(metrics["boundary_rmse"](pred, true, mesh).squeeze()) == pytest.approx(np.sqrt(12.5))


def test_valid_time_is_in_lyapunov_times():
    pred, true = noise((16,))
    plain = metrics["correlation_time"](pred, true, context(true))
    np.testing.assert_allclose(metrics["valid_time"](pred, true, of(pred, true, lyapunov=0.25)), plain / 4)
    with pytest.raises(PdebenchError, match="needs a Lyapunov exponent"):
        metrics["valid_time"](pred, true, context(true))


@pytest.mark.parametrize("volumes", [np.ones(4), np.ones((3, 3))])
def test_volumes_of_another_shape_are_refused(volumes):
    pred, true = noise((3,))
    with pytest.raises(ValueError, match="volumes .* must have the shape of space"):
        Pair(pred, true, of(pred, true, volumes=volumes))


def test_gains_of_poseidon_worked_by_hand():
    """The model's error falls as 1/n: 8/n. The reference has 1/4 at 128 and 1/16 at 1024: as good as 128 of ours."""
    model, reference = {32: 1 / 4, 128: 1 / 16, 512: 1 / 64}, {128: 1 / 4, 1024: 1 / 16}
    assert poseidon_gains(reference, model) == pytest.approx({"AG_128": 4, "EG_1024": 8})
    between = poseidon_gains({128: 1 / 4, 1024: 1 / 32}, model)  # half way in log between 128 and 512: 256
    assert between["EG_1024"] == pytest.approx(4)
    assert poseidon_gains({128: 1, 1024: 0.5}, model)["EG_1024"] == np.inf
    assert poseidon_gains({128: 1, 1024: 0.01}, model)["EG_1024"] == 0
    with pytest.raises(ValueError, match="error at 128 samples"):
        poseidon_gains({1024: 1.0}, model)
