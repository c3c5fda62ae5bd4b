"""What every equation of the periodic family must do, asked of all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from family import LINEAR, NONLINEAR, Case, march, start

from pdebench import problem as registered
from pdebench.arrays import Array, Complex
from pdebench.check import check
from pdebench.errors import CardError
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.problem import BatchParams
from pdebench.resample import resize
from pdebench.solve import prepare
from pdebench.solvers.spectral.engine import NumpyEngine
from pdebench.solvers.spectral.equation import Equation
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import DatasetSpec, Grid, parse
from pdebench.store import TrajectoryStore
from pdebench.testing import check_solver

FAMILY = [*NONLINEAR, *LINEAR]


def named(case: Case) -> str:
    return f"{case.name}-{len(case.shape)}d"


every = pytest.mark.parametrize("case", FAMILY, ids=named)


def cases(wanted: Callable[[Case], bool]) -> pytest.MarkDecorator:
    """The cases to which a test applies."""
    return pytest.mark.parametrize("case", [case for case in FAMILY if wanted(case)], ids=named)


nonlinear = pytest.mark.parametrize("case", NONLINEAR, ids=named)


def test_no_equation_is_forgotten() -> None:
    family = {n for n in registered.problems if issubclass(registered.problems[n], Equation)}  # type: ignore[arg-type]
    assert {case.name for case in FAMILY} == family


# The equation is as written: ℒu + 𝒩(u) against derivatives and products taken another way


def derivative(values: Array, grid: Grid, axis: int, times: int = 1) -> Array:
    """∂ⁿ of `(*space)` along an axis counted x, y, z, by full complex transforms."""
    axis = -1 - axis
    k = 2 * np.pi * np.fft.fftfreq(grid.shape[axis], grid.spacing[axis])
    k = k.reshape(-1, *[1] * (-1 - axis))
    return np.fft.ifft((1j * k) ** times * np.fft.fft(values, axis=axis), axis=axis).real


def rates_of_change(name: str, u: Array, grid: Grid, p: dict[str, float]) -> list[Array]:
    """uₜ of `(field, *space)`, field by field, in the words of a textbook."""

    def d(f: Array, axis: int = 0, times: int = 1) -> Array:
        return derivative(f, grid, axis, times)

    def lap(f: Array) -> Array:
        return sum((d(f, i, 2) for i in range(f.ndim)), np.zeros_like(f))

    w = u[-1]
    u0 = u[0]
    written: dict[str, Callable[[], list[Array]]] = {
        "burgers_1d": lambda: [-u0 * d(u0) + p["viscosity"] * d(u0, 0, 2)],
        "korteweg_de_vries": lambda: [-u0 * d(u0) - p["dispersion"] * d(u0, 0, 3)],
        "kuramoto_sivashinsky_1d": lambda: [
            -p["time_scale"]
            * (
                u0 * d(u0) / p["length_scale"]
                + d(u0, 0, 2) / p["length_scale"] ** 2
                + d(u0, 0, 4) / p["length_scale"] ** 4
            )
        ],
        "kuramoto_sivashinsky": lambda: [
            -lap(u0) - p["stiffness"] * lap(lap(u0)) - (d(u0, 0) ** 2 + d(u0, 1) ** 2) / 2
        ],
        "burgers_2d": lambda: [-u0 * d(f, 0) - w * d(f, 1) + p["viscosity"] * lap(f) for f in u],
        "fisher_kpp": lambda: [p["diffusivity"] * lap(u0) + p["growth"] * u0 * (1 - u0)],
        "allen_cahn": lambda: [p["gradient_energy"] * lap(u0) + u0 - u0**3],
        "cahn_hilliard": lambda: [p["mobility"] * lap(u0**3 - u0 - p["gradient_energy"] * lap(u0))],
        "swift_hohenberg": lambda: [
            p["forcing"] * u0 - (u0 + 2 * lap(u0) + lap(lap(u0))) + p["asymmetry"] * u0**2 - u0**3
        ],
        "gray_scott": lambda: [
            p["diffusivity_u"] * lap(u0) - u0 * w**2 + p["feed"] * (1 - u0),
            p["diffusivity_v"] * lap(w) + u0 * w**2 - (p["feed"] + p["kill"]) * w,
        ],
    }
    return written[name]()


@nonlinear
def test_the_two_sides_are_the_equation(case: Case) -> None:
    # So fine that every product of the state's modes is kept.
    grid, problem = case.grid.with_shape(tuple(3 * n for n in case.shape)), case.problem
    state = start(case, grid, count=2)
    modes, params = Modes(grid, degree=problem.degree), {k: np.full(2, v) for k, v in case.params.items()}
    change, _ = problem.nonlinear(modes, modes.forward(state), params)
    found = modes.backward(change + problem.symbol(modes, params) * modes.forward(state))
    for one, values in zip(found, state, strict=True):
        expected = np.stack(rates_of_change(case.name, values, grid, case.params))
        # Four derivatives on so fine a grid lose digits.
        assert np.abs(one - expected).max() < 1e-9 * np.abs(expected).max()


@nonlinear
def test_products_are_free_of_aliases(case: Case) -> None:
    """Full to the last kept mode, 𝒩 on the grid is 𝒩 on one twice as fine, cut to the same modes."""
    problem, grid = case.problem, case.grid
    fine = grid.with_shape(tuple(2 * n for n in grid.shape))
    coarse_modes, fine_modes = (Modes(g, degree=problem.degree) for g in (grid, fine))
    rng = np.random.default_rng(0)
    noise = coarse_modes.forward(rng.standard_normal((1, len(problem.fields), *grid.shape))) * coarse_modes.kept
    params = {k: np.array([v]) for k, v in case.params.items()}
    spread = resize(noise, grid.shape, fine.shape)
    found, _ = problem.nonlinear(coarse_modes, noise, params)
    expected, _ = problem.nonlinear(fine_modes, spread, params)
    cut = resize(expected, fine.shape, grid.shape) * coarse_modes.kept
    assert np.abs(found - cut).max() < 1e-13 * np.abs(cut).max()


# Time


@pytest.mark.parametrize("scheme", ["ifrk4", "etdrk4"])
@nonlinear
def test_time_converges_with_order_four(case: Case, scheme: str) -> None:
    def end(steps: int) -> Array:
        how: Any = {"scheme": scheme, "cfl": 1.3, "min_steps": steps}
        frames, taken = march(case.problem, case.grid, start(case), case.params, [case.time], **how)
        assert taken == steps, "another rule chose the step"
        return frames[-1]

    exact = end(16 * case.steps)
    first, second = (np.abs(end(steps) - exact).max() for steps in (case.steps, 2 * case.steps))
    order = np.log2(first / second)
    assert order == pytest.approx(4, abs=0.15), f"observed order in time: {order:.3f}"
    assert second < 1e-5 * np.abs(exact).max()


@nonlinear
def test_the_step_that_the_rate_chooses_is_accurate(case: Case) -> None:
    found, taken = march(case.problem, case.grid, start(case), case.params, [case.time], scheme="etdrk4")
    finer, _ = march(
        case.problem, case.grid, start(case), case.params, [case.time], scheme="etdrk4", min_steps=8 * taken
    )
    assert np.abs(found - finer).max() < 2e-3 * np.abs(finer).max(), f"in {taken} steps"


@nonlinear
def test_a_step_that_is_not_granted_is_said(case: Case) -> None:
    own = {name: np.full(2, value) for name, value in case.params.items()}
    solver = SpectralCard(cfl=1e-4, max_steps=1).build(case.problem, case.grid, case.grid, Serial())
    (frame,) = solver.trajectories(start(case, count=2), own, np.array([case.time]))
    assert np.isnan(frame).all()
    assert ["needs more than 1 steps" in cost.reason for cost in solver.costs()] == [True, True]


@cases(lambda case: case.name != "wave")  # that one is exact, in double precision
def test_single_precision_follows_double(case: Case) -> None:
    double, _ = march(case.problem, case.grid, start(case), case.params, [case.time], scheme="etdrk4")
    for scheme in ("ifrk4", "etdrk4"):
        how = {"scheme": scheme, "precision": "float32"}
        single, _ = march(case.problem, case.grid, start(case), case.params, [case.time], **how)
        assert single.dtype == np.float32
        assert np.abs(single - double).max() < 5e-3 * np.abs(double).max()


@pytest.mark.parametrize("scheme", ["ifrk4", "etdrk4"])
@nonlinear
def test_single_precision_is_single_in_every_stage(case: Case, scheme: Any) -> None:
    class Watched(NumpyEngine):
        def nonlinear(self, modes: Modes, state: Complex, params: BatchParams) -> tuple[Complex, Array]:
            out, rate = super().nonlinear(modes, state, params)
            assert (state.dtype, out.dtype) == (np.complex64, np.complex64)
            return out, rate

    engine = Watched(case.problem, case.grid, "float32", scheme)
    state = engine.modes.forward(start(case).astype(np.float32))
    params = {name: np.array([value]) for name, value in case.params.items()}
    engine.advance(state, params, length=0.1, steps=np.array([2]))


# Space


@every
def test_every_grid_samples_the_same_initial_state(case: Case) -> None:
    coarse, fine = start(case)[0], start(case, case.grid.with_shape(tuple(2 * n for n in case.shape)))[0]
    every_other = (slice(None), *[slice(None, None, 2)] * len(case.shape))
    assert np.abs(coarse - fine[every_other]).max() < 1e-13 * np.abs(fine).max()
    assert np.array_equal(coarse, start(case)[0])


@every
def test_a_grid_too_coarse_for_the_state_is_refused(case: Case) -> None:
    least = (case.problem.degree + 1) * case.state["modes"] + 1
    start(case, case.grid.with_shape((least,) * len(case.shape)))
    with pytest.raises(CardError, match=f"at least {least} points"):
        start(case, case.grid.with_shape((least - 1,) * len(case.shape)))


@pytest.mark.parametrize("case", [c for c in NONLINEAR if len(c.problem.dimensions) == 3], ids=named)
@pytest.mark.parametrize("axis", [-3, -2, -1])
def test_what_varies_along_one_axis_of_three_goes_as_in_one_dimension(case: Case, axis: int) -> None:
    line = Grid(shape=(16,), lengths=(case.length,))
    shape, lengths = [4, 6, 5], [1.0, 2.0, 3.0]
    shape[axis], lengths[axis] = 16, case.length
    x = 2 * np.pi * line.axes()[0] / case.length
    state = np.stack(
        [0.4 + 0.1 * i + 0.2 * np.cos(x + i) + 0.1 * np.sin(2 * x) for i in range(len(case.problem.fields))]
    )
    where = [1, len(state), 1, 1, 1]
    where[axis] = 16
    thick = np.broadcast_to(state.reshape(where), (1, len(state), *shape)).copy()
    how: Any = {"scheme": "etdrk4", "cfl": 1.3, "min_steps": 20}
    thin, _ = march(case.problem, line, state[None], case.params, [case.time], **how)
    box = Grid(shape=tuple(shape), lengths=tuple(lengths))
    found, _ = march(case.problem, box, thick, case.params, [case.time], **how)
    assert np.abs(found - thin.reshape(1, *where)).max() < 1e-11 * np.abs(thin).max()


# The whole line: card, store, checks


def spec(case: Case) -> DatasetSpec:
    exact = case.name == "wave"
    card = {
        "name": "tiny",
        "version": 1,
        "title": "tiny",
        "description": "tiny",
        "source": "ours",
        "problem": {"name": case.name, "initial_state": case.state, **case.options},
        "grid": {"shape": list(case.shape), "lengths": [case.length] * len(case.shape)},
        "parameters": {name: {"value": value} for name, value in case.params.items()},
        "times": {"step": case.time / 4, "frames": 5},
        "solver": {"name": "propagator"} if exact else {"name": "spectral", "scheme": "etdrk4", "cfl": 0.25},
        "store": {"shape": list(case.shape)},
        "samples": {"count": 3, "seed": 1, "unit": 3},
        "splits": {"train": [0, 1], "valid": [1, 2], "test": [2, 3]},
    }
    return parse(DatasetSpec, card, where="tiny")


@every
def test_nothing_is_wrong_with_its_data(case: Case, tmp_path: Path) -> None:
    generate(spec(case), tmp_path / "store")
    findings = check(TrajectoryStore.open(tmp_path / "store"))
    assert [f for f in findings if f.severity == "error"] == []


@every
def test_nothing_is_wrong_with_its_solver(case: Case) -> None:
    problem, card = prepare(spec(case))
    assert check_solver(card, problem, spec(case)) == []


@cases(lambda case: hasattr(case.problem, "laws") and case.name != "wave")
def test_invariants_keep_their_laws(case: Case) -> None:
    problem = case.problem
    frames, _ = march(
        problem, case.grid, start(case), case.params, np.linspace(0, case.time, 9), scheme="etdrk4", cfl=0.02
    )
    values = problem.invariants(frames[:, 0], case.grid, case.params)
    assert values.keys() == problem.laws().keys()
    for name, law in problem.laws().items():
        size = np.abs(values[name]).max() + np.abs(frames).max() ** 2
        if law == "constant":
            assert np.ptp(values[name]) < 1e-8 * size, name
        else:
            assert np.diff(values[name]).max() < 0, name


def test_a_box_of_other_dimensions_is_refused() -> None:
    case = NONLINEAR[0]
    with pytest.raises(CardError, match="lives in 1D"):
        start(case, Grid(shape=(32, 32), lengths=(1.0, 1.0)))
