"""The compiled lane kernels against their NumPy reference, and what no sample may learn of its neighbours."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pdebench.arrays import Array, Complex, Index
from pdebench.solvers import kernels
from pdebench.solvers.kernels import navier_stokes_2d
from pdebench.solvers.spectral import ifab4, ifrk4
from pdebench.solvers.spectral.fourier import Modes, largest_mode
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D, Wave
from pdebench.spec import Grid

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

PRECISIONS = ("float64", "float32", "mixed")
ROUND_OFF = {"float64": 1e-13, "float32": 1e-5, "mixed": 5e-6}  # of the largest coefficient, after a few steps
SIZES = [16, 24, 32, 48, 64, 80, 96]
WAVES = (Wave(kx=0, ky=2, cos=0.5, sin=0.1), Wave(kx=2, ky=-1, cos=0.2), Wave(kx=-1, ky=0, sin=0.3))


@dataclass(frozen=True)
class Case:
    """Random states in a rectangle, each with its own viscosity, drag and number of steps."""

    equation: NavierStokes2D
    modes: Modes
    state: Complex
    params: dict[str, Array]
    steps: Index
    precision: str
    length: float = 0.02
    bashforth: bool = False

    def reference(self) -> tuple[Complex, Array, Array]:
        double = Modes(self.modes.grid)
        state = self.state.astype(complex)
        serve = ifab4.advance if self.bashforth else ifrk4.advance
        return serve(self.equation, double, state, self.params, length=self.length, steps=self.steps)

    def advance(self, *, kernel: str = "", **how: Any) -> tuple[Complex, Array, Array]:
        """By the kernel of that name; by those of the machine's choice if it has none."""
        return compiled.navier_stokes_2d_advance(
            self.state,
            length=self.length,
            steps=self.steps,
            kernel=kernel,
            bashforth=self.bashforth,
            hyper_power=self.equation.hyperviscosity_power,
            **navier_stokes_2d._coefficients(self.equation, self.params, len(self.state)),
            **navier_stokes_2d._surroundings(self.equation, self.modes, self.precision),
            **how,
        )

    def of(self, members: Any) -> Case:
        params = {name: values[members] for name, values in self.params.items()}
        state, steps = self.state[members], self.steps[members]
        return replace(self, state=state, params=params, steps=steps)


def tracers(count: int) -> list[dict[str, Any]]:
    """Every other one with a mean gradient."""
    start = {"kind": "random_field", "rms": 1.0, "length": 1.0, "modes": 2}
    gradients = [(0.7, -0.4) if j % 2 == 0 else (0.0, 0.0) for j in range(count)]
    return [{"name": f"c{j}", "initial_state": start, "mean_gradient": g} for j, g in enumerate(gradients)]


def case(
    ny: int,
    nx: int,
    *,
    count: int = 5,
    precision: str = "float64",
    seed: int = 0,
    carried: int = 0,
    bashforth: bool = False,
    **flow: Any,
) -> Case:
    rng = np.random.default_rng(seed)
    modes = Modes(Grid(shape=(ny, nx), lengths=(3.0, 2 * np.pi)), "float32" if precision == "float32" else "float64")
    flow = {"forcing": WAVES, "mean_velocity": (0.3, -0.2), **flow}
    noise = modes.forward(rng.standard_normal((count, 1 + carried, ny, nx)))
    state = modes.kept * noise * (20 / (1 + modes.squared))
    equation = NavierStokes2D(initial_state={"kind": "taylor_green"}, tracers=tracers(carried), **flow)
    params = {p.name: 10 ** rng.uniform(-4, -2, count) for p in equation.parameters}
    params["drag"] = rng.uniform(0, 0.2, count)
    if "hyperviscosity" in params:
        params["hyperviscosity"] /= modes.squared.max() ** (equation.hyperviscosity_power - 1)
    kind = np.complex64 if precision == "float32" else complex
    steps = rng.integers(1, 9 if bashforth else 5, count)
    return Case(equation, modes, state.astype(kind), params, steps, precision, bashforth=bashforth)


def distance(a: Complex, b: Complex) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


# Against the reference


@settings(max_examples=examples(30), deadline=None)
@given(
    ny=st.sampled_from(SIZES),
    nx=st.sampled_from(SIZES),
    count=st.integers(1, 20),
    precision=st.sampled_from(PRECISIONS),
    seed=st.integers(0, 1000),
    carried=st.sampled_from([0, 0, 1, 2, 3]),
    power=st.sampled_from([1, 2, 4]),
    bashforth=st.booleans(),
)
def test_any_size_batch_and_precision_follows_the_reference(
    ny: int, nx: int, count: int, precision: str, seed: int, carried: int, power: int, bashforth: bool
) -> None:
    more = {"carried": carried, "bashforth": bashforth, "hyperviscosity_power": power}
    some = case(ny, nx, count=count, precision=precision, seed=seed, **more)
    new, peak, rate = some.advance()
    expected, expected_peak, expected_rate = some.reference()
    assert new.dtype == some.state.dtype
    assert distance(new, expected) < ROUND_OFF[precision]
    np.testing.assert_allclose(peak, expected_peak, rtol=10 * ROUND_OFF[precision])
    np.testing.assert_allclose(rate, expected_rate, rtol=10 * ROUND_OFF[precision])
    again = navier_stokes_2d.nonlinear(some.equation, some.modes, new, some.params, precision=precision)[1]
    np.testing.assert_array_equal(rate, again)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(8, 9), (10, 15), (12, 25), (27, 20), (45, 50), (1024, 16), (18, 512), (128, 192)])
def test_odd_long_and_tiny_sizes(shape: tuple[int, int], precision: str) -> None:
    some = case(*shape, count=3, precision=precision, forcing=())
    for name in compiled.navier_stokes_2d_kernels(precision):
        assert distance(some.advance(kernel=name)[0], some.reference()[0]) < ROUND_OFF[precision], name


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_right_hand_side_is_the_equations(precision: str) -> None:
    some = case(48, 32, count=11, precision=precision, carried=3)
    new, rate = navier_stokes_2d.nonlinear(some.equation, some.modes, some.state, some.params, precision=precision)
    expected, expected_rate = some.equation.nonlinear(Modes(some.modes.grid), some.state.astype(complex), some.params)
    assert distance(new, expected) < 10 * ROUND_OFF[precision]
    np.testing.assert_allclose(rate, expected_rate, rtol=10 * ROUND_OFF[precision])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_taylor_green_vortices_decay_as_they_must(precision: str) -> None:
    """The exact solution of the whole nonlinear equation; its nonlinear term is a gradient."""
    grid = Grid(shape=(32, 24), lengths=(2.0, 3.0))
    modes = Modes(grid, "float32" if precision == "float32" else "float64")
    equation = NavierStokes2D(initial_state={"kind": "taylor_green"})
    state = modes.forward(equation.initial(grid, {}, np.random.default_rng(0))[None].astype(modes.dtype)) * modes.kept
    params = {"viscosity": np.array([0.02]), "drag": np.array([0.1])}
    new, _, _ = navier_stokes_2d.advance(
        equation, modes, state, params, length=1.0, steps=np.array([20]), precision=precision
    )
    exact = equation.exact(grid, {"viscosity": 0.02, "drag": 0.1}, 1.0)
    assert np.abs(modes.backward(new)[0] - exact).max() < ROUND_OFF[precision] * np.abs(exact).max()


def test_mixed_precision_is_far_better_than_single() -> None:
    error = {}
    for precision in ("float32", "mixed"):
        some = case(64, 64, count=2, precision=precision)
        some = Case(some.equation, some.modes, some.state, some.params, some.steps * 0 + 100, precision, 0.1)
        error[precision] = distance(some.advance()[0], some.reference()[0])
    assert 5 * error["mixed"] < error["float32"], error


def test_the_wrapper_takes_what_the_reference_takes() -> None:
    some = case(32, 32)
    how = {"length": some.length, "steps": some.steps}
    new, peak, rate = navier_stokes_2d.advance(some.equation, some.modes, some.state, some.params, **how)
    expected, expected_peak, expected_rate = ifrk4.advance(some.equation, some.modes, some.state, some.params, **how)
    assert new.shape == expected.shape
    assert distance(new, expected) < ROUND_OFF["float64"]
    np.testing.assert_allclose(peak, expected_peak)
    np.testing.assert_allclose(rate, expected_rate)


# Samples know nothing of each other


@pytest.mark.parametrize("carried", [0, 3])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sample_has_the_same_bits_in_any_lane_batch_and_layout(precision: str, carried: int) -> None:
    more = {"hyperviscosity_power": 3, "bashforth": True} if carried else {}
    some = case(48, 80, count=19, precision=precision, carried=carried, **more)
    together, peaks, rates = some.advance()
    own_isa = compiled.navier_stokes_2d_kernels(precision)[0].split("/")[0]
    for name in [n for n in compiled.navier_stokes_2d_kernels(precision) if n.startswith(own_isa + "/")]:
        new, peak, rate = some.advance(kernel=name)
        np.testing.assert_array_equal(new, together, err_msg=name)
        np.testing.assert_array_equal(peak, peaks, err_msg=name)
        np.testing.assert_array_equal(rate, rates, err_msg=name)
    order = np.random.default_rng(1).permutation(19)
    np.testing.assert_array_equal(some.of(order).advance()[0], together[order])
    for i in (0, 7, 18):
        np.testing.assert_array_equal(some.of([i]).advance()[0], together[[i]])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_change_no_bit(precision: str) -> None:
    some = case(32, 24, count=50, precision=precision)
    alone, threaded = some.advance(), some.advance(threads=3)
    for one, other in zip(alone, threaded, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("bad", [np.nan, 1e30])
def test_a_sample_that_is_lost_leaves_its_neighbours_alone(precision: str, bad: float) -> None:
    some = case(32, 32, count=16, precision=precision)
    spoilt = case(32, 32, count=16, precision=precision)
    spoilt.state[3, 0, 2, 1] = bad
    others = np.arange(16) != 3
    for name in compiled.navier_stokes_2d_kernels(precision):
        new, peak, rate = spoilt.advance(kernel=name)
        expected, expected_peak, expected_rate = some.advance(kernel=name)
        assert not np.isfinite(new[3]).all() or bad == 1e30
        np.testing.assert_array_equal(new[others], expected[others], err_msg=name)
        np.testing.assert_array_equal(peak[others], expected_peak[others], err_msg=name)
        np.testing.assert_array_equal(rate[others], expected_rate[others], err_msg=name)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sample_that_has_arrived_waits_unchanged(precision: str) -> None:
    some = case(32, 32, count=9, precision=precision)
    some.steps[:] = [0, 3] * 4 + [0]
    some.state[0, 0, 1, 1] = 1e25  # another evaluation of its 𝒩 overflows in float32
    for name in compiled.navier_stokes_2d_kernels(precision):
        new, peak, _ = some.advance(kernel=name)
        np.testing.assert_array_equal(new[::2], some.state[::2], err_msg=name)
        assert (peak[::2] == 0).all()


def test_an_empty_batch_is_nothing() -> None:
    new, peak, rate = case(16, 16, count=0).advance()
    assert new.shape == (0, 1, 16, 9)
    assert peak.shape == rate.shape == (0,)


# Bad input, and none of the machine's state touched


@pytest.mark.parametrize(("size", "near"), [(62, "60 and 64"), (7, "6 and 8"), (4097, "4096")])
def test_a_size_with_a_large_prime_is_refused_with_its_neighbours(size: int, near: str) -> None:
    assert not kernels.can_transform(size)
    with pytest.raises(ValueError, match=f"{size} points .* nearest sizes: {near}"):
        case(16, size, count=1, forcing=()).advance()


def test_bad_arguments_are_named() -> None:
    some = case(16, 16)
    with pytest.raises(ValueError, match="no kernel mmx"):
        some.advance(kernel="mmx/samples/2")
    with pytest.raises(ValueError, match="threads"):
        some.advance(threads=0)
    with pytest.raises(ValueError, match=r"\(ky, kx\) = \(0, 7\)"):
        case(16, 16, forcing=(Wave(kx=7, ky=0, cos=1.0),)).advance()
    with pytest.raises(ValueError, match="float32, float64 or mixed, not half"):
        Case(some.equation, some.modes, some.state, some.params, some.steps, "half").advance()
    with pytest.raises(ValueError, match="one entry per member"):
        Case(some.equation, some.modes, some.state, some.params, some.steps[:2], "float64").advance()
    with pytest.raises(ValueError, match=r"must have the shape .* \(5, 1, 16, 9\)"):
        Case(some.equation, some.modes, some.state[..., :8], some.params, some.steps, "float64").advance()


def test_subnormal_numbers_survive() -> None:
    """Linking with -ffast-math would flush them to zero in the whole process."""
    case(16, 16).advance(threads=2)
    assert np.array([1e-310]) * 0.5 > 0
    assert np.array([1e-40], np.float32) * np.float32(0.5) > 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_block_works_in_six_copies_of_its_state(precision: str) -> None:
    k = largest_mode(128)
    size = (2 * k + 1) * (k + 1) * (8 if precision == "float32" else 16)
    for name in compiled.navier_stokes_2d_kernels(precision):
        _, layout, count = name.split("/")
        # A single sample pays for rows and columns rounded up to whole vectors.
        budget = (6 * int(count) if layout == "samples" else 9) * size
        assert compiled.navier_stokes_2d_memory((128, 128), precision, name) < budget, name
        # As much for each tracer; half as much again for what Adams–Bashforth remembers.
        assert compiled.navier_stokes_2d_memory((128, 128), precision, name, tracers=3) < 4 * budget, name
        assert compiled.navier_stokes_2d_memory((128, 128), precision, name, bashforth=True) < 1.5 * budget, name


def test_without_the_extension_numpy_serves_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kernels, "_compiled", None)
    kernels.warn_once.cache_clear()
    some = case(16, 16)
    how = {"length": some.length, "steps": some.steps}
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            new, _, _ = navier_stokes_2d.advance(some.equation, some.modes, some.state, some.params, **how)
    navier_stokes_2d.nonlinear(some.equation, some.modes, some.state, some.params)
    np.testing.assert_array_equal(new, some.reference()[0])
    assert not kernels.available()
    assert not kernels.can_transform(16)
    assert len(caplog.records) == 1
    assert "NumPy" in caplog.text


# A batch that stays in the lanes from one interval to the next


def by_intervals(some: Case, steps: list[Index], **how: Any) -> list[tuple[Complex, Array, Array]]:
    found = []
    for i, own in enumerate(steps):
        held = {"packed": i > 0, **how} if "held" in how else {}
        found.append(replace(some, steps=own).advance(**held))
        some = replace(some, state=found[-1][0])
    return found


@pytest.mark.parametrize("more", [{}, {"carried": 3, "bashforth": True, "hyperviscosity_power": 3}])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_batch_that_stays_in_the_lanes_has_the_same_bits(precision: str, more: dict[str, Any]) -> None:
    """With step counts that change, differ so much that blocks are put together anew, and are zero."""
    some = case(32, 48, count=18, precision=precision, **more)
    rng = np.random.default_rng(2)
    steps = [some.steps, rng.integers(1, 4, 18), np.where(np.arange(18) % 7 == 1, 40, 1), rng.integers(0, 3, 18)]
    steps += [np.zeros(18, int), np.full(18, 4)]
    held = compiled.NavierStokes2DHeld()
    for expected, found in zip(by_intervals(some, steps), by_intervals(some, steps, held=held), strict=True):
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_packed_is_not_read_again_but_only_if_it_is_the_same_batch() -> None:
    some, held = case(32, 32, count=16, precision="mixed"), compiled.NavierStokes2DHeld()
    new, _, _ = some.advance(held=held)
    expected = replace(some, state=new).advance()[0]
    np.testing.assert_array_equal(replace(some, state=new * 0).advance(held=held, packed=True)[0], expected)
    some.advance(held=held)
    for other in (some.of(np.arange(7)), case(32, 48, count=16, precision="mixed"), case(32, 32, count=16)):
        np.testing.assert_array_equal(other.advance(held=held, packed=True)[0], other.advance()[0])
        some.advance(held=held)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_held_batch_works_in_six_copies_of_its_blocks_and_large_ones_are_not_held(precision: str) -> None:
    some, held = case(64, 64, count=32, precision=precision), compiled.NavierStokes2DHeld()
    some.advance(held=held)
    k = largest_mode(64)
    copies = held.memory / (32 * (2 * k + 1) * (k + 1) * some.state.itemsize)
    assert 1 < copies < 6
    few = case(128, 128, count=16, precision=precision)
    many = few.of(np.arange(160) % 16)  # the same blocks, more than 16 MiB of them
    for batch, is_held in ((few, True), (many, False)):
        replace(batch, steps=np.ones(len(batch.state), int)).advance(held=held)
        assert (held.memory > 0) == is_held
