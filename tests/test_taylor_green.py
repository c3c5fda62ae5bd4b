"""Taylor–Green vortices at Re = 1600 in 3D: energy budget, convergence, and the curves in docs/performance.md."""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.integrate import simpson

from pdebench.arrays import Array
from pdebench.solvers import kernels

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.skipif(not (ROOT / "ci" / "bench").exists(), reason="not a checkout"),
    pytest.mark.skipif(not kernels.available(), reason="built without a C++ compiler"),
]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "ci" / "bench"))
    monkeypatch.chdir(ROOT)
    return importlib.import_module("periodic.taylor_green")


def curves(bench: ModuleType, n: int, end: float, cfl: float = 1.0) -> tuple[Array, Array]:
    """E(t) and 2νΩ(t) on n³ points, with no coarser grid before."""
    bench.END, bench.CFL, bench.LADDER = end, cfl, ()
    found = bench.curve(n)
    return np.array(found["energy"]), np.array(found["dissipation"])


def finest(bench: ModuleType) -> tuple[int, Array, Array]:
    stored = bench.known()
    n = max(stored)
    return n, np.array(stored[n]["energy"]), np.array(stored[n]["dissipation"])


def test_what_the_energy_loses_is_twice_viscosity_times_enstrophy(bench: ModuleType) -> None:
    """What the steps themselves lose is of order five in Δt: halving them leaves at most a sixteenth (order four)."""
    open_ = []
    for cfl in (1.0, 0.5):
        energy, lost = curves(bench, 32, 6.0, cfl)
        open_.append(abs((energy[0] - energy[-1]) / simpson(lost, dx=bench.STEP) - 1))
    assert open_[0] < 1e-3
    assert open_[1] < open_[0] / 16 + 1e-5, open_  # Simpson's own error, (0.1)⁴/180 of a fourth derivative


def test_dissipation_nears_that_of_the_finest_grid_while_coarse_ones_resolve_it(bench: ModuleType) -> None:
    _, _, expected = finest(bench)
    error = []
    for n in (24, 32, 48, 64):
        _, lost = curves(bench, n, 3.0)
        error.append(abs(lost[-1] / expected[30] - 1))
    assert all(finer < coarser / 2 for coarser, finer in itertools.pairwise(error)), error
    assert error[-1] < 5e-3, error


def test_the_stored_curves_close_their_budgets_and_end_near_the_published_peak(bench: ModuleType) -> None:
    for n, values in bench.known().items():
        energy, lost = np.array(values["energy"]), np.array(values["dissipation"])
        assert (energy[0] - energy[-1]) / simpson(lost, dx=bench.STEP) == pytest.approx(1, abs=1e-3), n
        assert np.abs(bench.loss(energy) - lost[3:-3]).max() < 2e-3 * lost.max(), n
    n, energy, _ = finest(bench)
    height, time = bench.peak(bench.loss(energy), 3 * bench.STEP)
    assert n >= 192
    assert height == pytest.approx(bench.PUBLISHED, rel=0.015)
    assert time == pytest.approx(bench.PUBLISHED_TIME, abs=0.15)


@pytest.mark.slow
def test_the_peak_converges_to_the_published_one(bench: ModuleType) -> None:
    """Minutes. On 128³ points, k_max η = 0.48, the peak is 7 % too high."""
    error = {}
    for n in (128, 192):
        bench.END, bench.LADDER = 10.0, (48, 64, 96, 128)
        height, _ = bench.peak(bench.loss(bench.curve(n)["energy"]), 3 * bench.STEP)
        error[n] = abs(height / bench.PUBLISHED - 1)
    assert error[192] < 0.02 < 0.05 < error[128] < 0.09, error


def test_the_peak_of_samples_is_that_of_their_parabola(bench: ModuleType) -> None:
    t = 0.3 + bench.STEP * np.arange(12)
    height, time = bench.peak(2 - (t - 0.73) ** 2, 0.3)
    assert (height, time) == pytest.approx((2, 0.73))
    energy = np.sin(bench.STEP * np.arange(20))
    assert bench.loss(energy) == pytest.approx(-np.cos(bench.STEP * np.arange(3, 17)), abs=1e-7)
