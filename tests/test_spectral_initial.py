"""Random initial states: functions of x with the statistics that their cards promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import tiny_spec

from pdebench import sample, solve
from pdebench.arrays import Array
from pdebench.errors import CardError
from pdebench.resample import resample
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.spec import Grid

KINDS: dict[str, dict[str, Any]] = {
    "gaussian_random_field": {"scale": 18.5, "tau": 7.0, "exponent": 2.5, "modes": 12},
    "energy_spectrum": {"peak": 4, "energy": 0.7, "modes": 12},
    "filtered_velocity": {"peak": 4, "max_speed": 7.0, "modes": 12},
    "taylor_green": {"modes": 2},
}


def field(kind: str, shape: tuple[int, ...], seed: int = 0, *, lengths: tuple[float, float] = (3.0, 2.0)) -> Array:
    problem = NavierStokes2D(initial_state={"kind": kind, **KINDS[kind]})
    return problem.initial(Grid(shape=shape, lengths=lengths), {}, np.random.default_rng(seed))[0]


def velocity(vorticity: Array, grid: Grid) -> tuple[Array, Array]:
    """Independent of the solver's: full complex transforms, u = ∂ψ/∂y, v = −∂ψ/∂x, −Δψ = ω."""
    ky, kx = (2 * np.pi * np.fft.fftfreq(n, h) for n, h in zip(grid.shape, grid.spacing, strict=True))
    ky = ky[:, None]
    squared = kx**2 + ky**2
    squared[0, 0] = np.inf
    psi = np.fft.fft2(vorticity) / squared
    return np.fft.ifft2(1j * ky * psi).real, np.fft.ifft2(-1j * kx * psi).real


@pytest.mark.parametrize("kind", KINDS)
def test_every_grid_samples_the_same_function(kind: str) -> None:
    coarse, fine = field(kind, (40, 64)), field(kind, (80, 128))
    assert np.abs(coarse - fine[::2, ::2]).max() < 1e-13 * np.abs(fine).max()
    assert abs(fine.mean()) < 1e-13 * np.abs(fine).max()
    assert fine.std() > 0.1 * np.abs(fine).max()


@pytest.mark.parametrize("kind", ["gaussian_random_field", "energy_spectrum", "filtered_velocity"])
def test_a_seed_is_a_field(kind: str) -> None:
    first, again, other = (field(kind, (40, 40), seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.5


def test_energy_is_as_asked_and_its_spectrum_has_the_shape() -> None:
    lengths = (2 * np.pi, 2 * np.pi)
    grid = Grid(shape=(64, 64), lengths=lengths)
    spectra = []
    shell = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(64, 1 / 64)] * 2, indexing="ij"))).astype(int)
    for seed in range(40):
        u, v = velocity(field("energy_spectrum", (64, 64), seed, lengths=lengths), grid)
        assert np.mean(u**2 + v**2) / 2 == pytest.approx(0.7, rel=1e-12)
        power = (np.abs(np.fft.fft2(u)) ** 2 + np.abs(np.fft.fft2(v)) ** 2) / 64**4 / 2
        spectra.append(np.bincount(shell.ravel(), power.ravel())[1:13])
    mean, k = np.mean(spectra, axis=0), np.arange(1, 13)
    expected = k / (1 + (k / 4) ** 4)
    expected *= 0.7 / expected.sum()
    # Each shell holds ≥ 8 modes, 40 members: 6 % for a mean of |noise|², and the shells are not exact circles.
    assert mean[2:10] == pytest.approx(expected[2:10], rel=0.25)


def test_top_speed_is_as_asked() -> None:
    grid = Grid(shape=(256, 256), lengths=(3.0, 2.0))
    for seed in range(5):
        u, v = velocity(field("filtered_velocity", grid.shape, seed), grid)
        assert np.sqrt(u**2 + v**2).max() == pytest.approx(7.0, rel=0.01)


def test_gaussian_field_has_the_variance_of_its_covariance_operator() -> None:
    n = np.arange(-12, 13)
    ky, kx = np.meshgrid(2 * np.pi * n / 3.0, 2 * np.pi * n / 2.0, indexing="ij")
    eigenvalues = 18.5 * (kx**2 + ky**2 + 49) ** -2.5
    eigenvalues[12, 12] = 0
    # The eigenfunctions e^{ik·x}/√|box| have norm one, so ⟨ω²⟩ = Σ λ / |box|.
    expected = eigenvalues.sum() / 6.0
    fields = np.stack([field("gaussian_random_field", (40, 40), seed) for seed in range(400)])
    assert np.mean(fields**2) == pytest.approx(expected, rel=0.05)
    # One mode on its own, and that it is Gaussian: ⟨x⁴⟩ = 3⟨x²⟩².
    mode = np.fft.fft2(fields)[:, 2, 3].real / 1600
    assert np.mean(mode**2) == pytest.approx(eigenvalues[14, 15] / 6.0 / 2, rel=0.25)
    assert np.mean(mode**4) / np.mean(mode**2) ** 2 == pytest.approx(3, rel=0.25)


def test_adding_modes_is_asked_for_on_the_card_not_by_the_grid() -> None:
    band = np.abs(Modes(Grid(shape=(64, 64), lengths=(3.0, 2.0))).forward(field("energy_spectrum", (64, 64))))
    assert band[13:-12].max() < 1e-15
    assert band[:, 13:].max() < 1e-15
    assert band[:13, 12].max() > 1e-6


def test_a_grid_too_small_for_the_initial_spectrum_is_refused() -> None:
    spec = tiny_spec(problem__initial_state={"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 6})
    problem, _ = solve.prepare(spec)
    with pytest.raises(CardError, match="at least 19 points"):
        sample.initial(spec, problem, 0)
    fine = spec.grid.with_shape((19, 19))
    assert sample.initial(spec, problem, 0, fine).shape == (1, 19, 19)
    with pytest.raises(CardError, match="2D grid"):
        problem.initial(Grid(shape=(32,), lengths=(1.0,)), {}, np.random.default_rng(0))


def test_an_odd_grid_samples_the_same_function_too() -> None:
    lengths = (3.0, 2.0)
    odd, even = field("energy_spectrum", (39, 41)), field("energy_spectrum", (80, 82))
    there = resample(even, Grid(shape=(80, 82), lengths=lengths), Grid(shape=(39, 41), lengths=lengths))
    assert np.abs(odd - there).max() < 1e-12 * np.abs(odd).max()
