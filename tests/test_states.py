"""Initial states of the periodic family have the statistics that their cards promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.resample import resample
from pdebench.solvers.spectral.states import GaussianBlobs, RandomField, SineSeries
from pdebench.spec import Grid

KINDS: dict[str, tuple[Any, int]] = {
    "sines": (SineSeries(kind="sine_series", mean=0.5), 1),
    "field in 1D": (RandomField(kind="random_field", rms=0.3, length=0.2, modes=6, mean=0.5), 1),
    "field in 2D": (RandomField(kind="random_field", rms=0.3, length=0.2, modes=6, mean=0.5), 2),
    "field in 3D": (RandomField(kind="random_field", rms=0.3, length=0.2, modes=4, mean=0.5), 3),
    "blobs in 2D": (GaussianBlobs(kind="gaussian_blobs", count=3, amplitude=(1, 2), width=0.3, modes=8, mean=0.5), 2),
    "blobs in 3D": (GaussianBlobs(kind="gaussian_blobs", count=2, amplitude=(1, 2), width=0.3, modes=6, mean=0.5), 3),
}


def box(points: int, dimensions: int) -> Grid:
    return Grid(shape=(points, points + 3, points + 1)[:dimensions], lengths=(2.0, 3.0, 1.5)[:dimensions])


def values(name: str, points: int = 20, seed: int = 0) -> tuple[Array, Grid]:
    state, dimensions = KINDS[name]
    grid = box(points, dimensions)
    return state.values(grid, np.random.default_rng(seed)), grid


@pytest.mark.parametrize("name", KINDS)
def test_every_grid_samples_the_same_function_and_a_seed_is_a_field(name: str) -> None:
    coarse, grid = values(name)
    fine, finer = values(name, 33)
    assert coarse.shape == grid.shape
    assert np.abs(resample(fine, finer, grid) - coarse).max() < 1e-13 * np.abs(fine).max()
    assert np.array_equal(coarse, values(name)[0])
    assert np.abs(coarse - values(name, seed=1)[0]).max() > 0.1


@pytest.mark.parametrize("name", ["sines", "field in 1D", "field in 2D", "field in 3D"])
def test_the_mean_is_as_asked(name: str) -> None:
    assert values(name)[0].mean() == pytest.approx(0.5, abs=1e-13)


def test_a_random_field_has_the_covariance_of_its_card() -> None:
    grid, length = Grid(shape=(48, 48), lengths=(3.0, 3.0)), 0.25
    card = RandomField(kind="random_field", rms=0.3, length=length, modes=12, mean=2.0)
    fields = np.stack([card.values(grid, np.random.default_rng(seed)) for seed in range(200)]) - 2
    assert np.mean(fields**2) == pytest.approx(0.09, rel=0.03)
    for axis in (1, 2):
        for cells in (2, 4, 8):
            found = np.mean(fields * np.roll(fields, cells, axis)) / 0.09
            r = cells * 3.0 / 48
            # A box holds no mean of the field, which lowers the covariance by its share of the integral.
            whole = 2 * np.pi * length**2 / 9
            assert found == pytest.approx((np.exp(-(r**2) / 2 / length**2) - whole) / (1 - whole), abs=0.03)


def test_a_blob_is_a_gaussian_of_its_height_and_width() -> None:
    grid = Grid(shape=(64, 64), lengths=(4.0, 4.0))
    card = GaussianBlobs(kind="gaussian_blobs", count=1, amplitude=(1.5, 1.5), width=0.3, modes=20)
    found = card.values(grid, np.random.default_rng(4))
    # The same stream gives the height first, then the centre along y and along x.
    rng = np.random.default_rng(4)
    assert rng.uniform(1.5, 1.5) == 1.5
    y, x = grid.coordinates()
    away = [np.abs(axis - rng.uniform(0, 4)) for axis in (y, x)]
    squared = sum(np.minimum(r, 4 - r) ** 2 for r in away)
    assert np.abs(found - 1.5 * np.exp(-squared / 2 / 0.09)).max() < 1e-6


def test_sines_are_within_their_bounds() -> None:
    card = SineSeries(kind="sine_series", terms=7, amplitude=0.5, modes=4)
    fields = [card.values(Grid(shape=(32,), lengths=(3.0,)), np.random.default_rng(seed)) for seed in range(50)]
    modes = np.abs(np.fft.rfft(fields)) / 32
    assert modes[:, 5:].max() < 1e-15
    assert modes[:, 1:5].mean(axis=0).min() > 0.05
    # ⟨u²⟩ = terms · ⟨A²⟩ / 2
    assert np.mean(np.square(fields)) == pytest.approx(7 * 0.25 / 3 / 2, rel=0.2)
    with pytest.raises(CardError, match="1D grid"):
        card.values(Grid(shape=(8, 8), lengths=(1.0, 1.0)), np.random.default_rng(0))
