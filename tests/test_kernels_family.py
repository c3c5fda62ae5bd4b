"""The family's lane kernels against the NumPy reference, and what no sample may learn of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from effort import examples
from family import NONLINEAR
from family import Case as Named
from hypothesis import given, settings
from hypothesis import strategies as st

from pdebench.arrays import Array, Complex, Index
from pdebench.problem import problems
from pdebench.solvers import kernels
from pdebench.solvers.kernels import family
from pdebench.solvers.spectral import etdrk4, ifrk4
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.polynomials import Input, Polynomials, U
from pdebench.spec import Grid

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

SCHEMES = {"ifrk4": ifrk4.advance, "etdrk4": etdrk4.advance}
PRECISIONS = ("float64", "float32", "mixed")
ROUND_OFF = {"float64": 1e-13, "float32": 1e-5, "mixed": 5e-6}  # of the largest coefficient, after a few steps
LINES = [16, 24, 30, 32, 40, 48, 64, 90, 96, 128, 250, 1024]
SIDES = [8, 9, 12, 15, 16, 20, 27, 32, 48]

every = pytest.mark.parametrize("named", NONLINEAR, ids=lambda case: case.name)
precisions = pytest.mark.parametrize("precision", PRECISIONS)
schemes = pytest.mark.parametrize("scheme", SCHEMES)


@dataclass(frozen=True)
class Case:
    """Random states of an equation in a box, each with its own parameters and number of steps."""

    equation: Any
    modes: Modes
    state: Complex
    params: dict[str, Array]
    steps: Index
    precision: Any
    scheme: Any = "etdrk4"
    length: float = 0.01

    def lanes(self, **how: Any) -> family.Lanes:
        return family.Lanes(self.equation, self.modes, self.scheme, precision=self.precision, **how)

    def advance(self, kernel: str = "", **how: Any) -> tuple[Complex, Array]:
        march = {"length": self.length, "steps": self.steps}
        return self.lanes(**how).advance(self.state, self.params, **march, kernel=kernel)[:2]

    def reference(self) -> tuple[Complex, Array]:
        new, peak = self.state.astype(complex), np.zeros(len(self.state))
        some = np.flatnonzero(self.steps)
        own = {name: values[some] for name, values in self.params.items()}
        double = Modes(self.modes.grid, degree=self.modes.degree)
        new[some], peak[some], _ = SCHEMES[self.scheme](
            self.equation, double, new[some], own, length=self.length, steps=self.steps[some]
        )
        return new, peak

    def of(self, members: Any) -> Case:
        params = {name: values[members] for name, values in self.params.items()}
        return replace(self, state=self.state[members], params=params, steps=self.steps[members])


def case(
    named: Named,
    shape: tuple[int, ...] = (),
    *,
    count: int = 5,
    precision: str = "float64",
    scheme: str = "etdrk4",
    seed: int = 0,
) -> Case:
    rng = np.random.default_rng(seed)
    shape = shape or named.shape
    grid = Grid(shape=shape, lengths=tuple(named.length * (1 + 0.2 * i) for i in range(len(shape))))
    modes = Modes(grid, "float32" if precision == "float32" else "float64", degree=named.problem.degree)
    noise = Modes(grid).forward(rng.standard_normal((count, len(named.problem.fields), *shape)))
    state = np.asarray(modes.kept, float) * noise / (1 + 0.1 * modes.squared)
    params = {name: value * rng.uniform(0.8, 1.2, count) for name, value in named.params.items()}
    kind = np.complex64 if precision == "float32" else complex
    return Case(named.problem, modes, state.astype(kind), params, rng.integers(0, 4, count), precision, scheme)


def distance(a: Array | Complex, b: Array | Complex) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


# Against the reference


@settings(max_examples=examples(60), deadline=None)
@given(
    named=st.sampled_from(NONLINEAR),
    data=st.data(),
    count=st.integers(1, 20),
    precision=st.sampled_from(PRECISIONS),
    scheme=st.sampled_from(list(SCHEMES)),
    seed=st.integers(0, 1000),
)
def test_any_equation_size_batch_and_precision_follows_the_reference(
    named: Named, data: Any, count: int, precision: str, scheme: str, seed: int
) -> None:
    axes = data.draw(st.sampled_from(named.problem.dimensions))
    slow = [data.draw(st.sampled_from(SIDES[: 12 // axes])) for _ in range(axes - 1)]
    line = data.draw(st.sampled_from(LINES[: 12 // axes]))
    some = case(named, (*slow, line), count=count, precision=precision, scheme=scheme, seed=seed)
    new, peak = some.advance()
    expected, expected_peak = some.reference()
    assert new.dtype == some.state.dtype
    assert distance(new, expected) < ROUND_OFF[precision]
    np.testing.assert_allclose(peak, expected_peak, rtol=10 * ROUND_OFF[precision])
    *_, rate = some.lanes().advance(some.state, some.params, length=some.length, steps=some.steps)
    np.testing.assert_array_equal(rate, some.lanes().nonlinear(new, some.params)[1])


@every
@precisions
def test_the_right_hand_side_is_the_equations(named: Named, precision: str) -> None:
    some = case(named, count=11, precision=precision)
    new, rate = some.lanes().nonlinear(some.state, some.params)
    double = Modes(some.modes.grid, degree=some.modes.degree)
    expected, expected_rate = some.equation.nonlinear(double, some.state.astype(complex), some.params)
    assert distance(new, expected) < 10 * ROUND_OFF[precision]
    np.testing.assert_allclose(rate, expected_rate, rtol=10 * ROUND_OFF[precision])


def test_a_single_wave_is_squared_as_it_must_be() -> None:
    """u = cos x: −½ ∂ₓu² = ½ sin 2x, whose coefficient at 2 is −i/4."""
    modes = Modes(Grid(shape=(32,), lengths=(2 * np.pi,)))
    state = np.zeros((1, 1, 17), complex)
    state[0, 0, 1] = 0.5
    burgers = problems["burgers_1d"](initial_state={"kind": "sine_series"})
    out, rate = family.Lanes(burgers, modes).nonlinear(state, {"viscosity": np.ones(1)})
    expected = np.zeros(17, complex)
    expected[2] = -0.25j
    assert np.abs(out[0, 0] - expected).max() < 1e-15
    assert rate[0] == pytest.approx(32 / (2 * np.pi), rel=1e-14)


def test_a_square_beside_a_linear_term_is_no_lone_square() -> None:
    """Two terms of 𝒩 and a rate without any, where a lone square has one of each."""
    some = case(NONLINEAR[0])

    class Other(type(some.equation)):  # type: ignore[misc]
        def polynomials(self, modes: Modes, params: Any) -> Polynomials:
            return Polynomials([{(U, U): 2.0, (U,): 3.0}], [{}])

    out, rate = family.Lanes(Other(**dict(some.equation)), some.modes).nonlinear(some.state, some.params)
    values = some.modes.backward(some.state)
    assert distance(out, some.modes.forward(2 * values**2 + 3 * values) * some.modes.kept) < 1e-14
    assert (rate == 0).all()


@schemes
def test_mixed_precision_is_far_better_than_single(scheme: str) -> None:
    error = {}
    for precision in ("float32", "mixed"):
        some = case(NONLINEAR[0], (256,), count=2, precision=precision, scheme=scheme)
        some = replace(some, steps=some.steps * 0 + 100, length=0.1)
        error[precision] = distance(some.advance()[0], some.reference()[0])
    assert 5 * error["mixed"] < error["float32"], error


# Samples know nothing of each other


MANY = [NONLINEAR[1], NONLINEAR[4], NONLINEAR[-1]]  # complex ℒ, slopes, two fields
many = pytest.mark.parametrize("named", MANY, ids=lambda case: case.name)


@many
@schemes
@precisions
def test_a_sample_has_the_same_bits_in_any_lane_batch_width_and_thread(
    named: Named, precision: str, scheme: str
) -> None:
    some = case(named, count=19, precision=precision, scheme=scheme)
    together, peaks = some.advance()
    names = compiled.family_kernels(precision)
    own_isa = names[0].split("/")[0]
    for name in [n for n in names if n.startswith(own_isa + "/")]:
        new, peak = some.advance(name)
        np.testing.assert_array_equal(new, together, err_msg=name)
        np.testing.assert_array_equal(peak, peaks, err_msg=name)
    order = np.random.default_rng(1).permutation(19)
    np.testing.assert_array_equal(some.of(order).advance()[0], together[order])
    np.testing.assert_array_equal(some.advance(threads=3)[0], together)
    for i in (0, 7, 18):
        np.testing.assert_array_equal(some.of([i]).advance()[0], together[[i]])


@precisions
@many
def test_every_instruction_set_follows_the_reference(named: Named, precision: str) -> None:
    some = case(named, count=5, precision=precision)
    for name in compiled.family_kernels(precision):
        assert distance(some.advance(name)[0], some.reference()[0]) < ROUND_OFF[precision], name


@precisions
@pytest.mark.parametrize("bad", [np.nan, 1e30])
@many
def test_a_sample_that_is_lost_leaves_its_neighbours_alone(named: Named, precision: str, bad: float) -> None:
    some, spoilt = (replace(one, steps=one.steps + 1) for one in [case(named, count=16, precision=precision)] * 2)
    spoilt = replace(spoilt, state=spoilt.state.copy())
    spoilt.state[(3, 0, *[1] * len(named.shape))] = bad
    others = np.arange(16) != 3
    for name in compiled.family_kernels(precision):
        new, peak = spoilt.advance(name)
        expected, expected_peak = some.advance(name)
        assert not np.isfinite(new[3]).all() or bad == 1e30
        np.testing.assert_array_equal(new[others], expected[others], err_msg=name)
        np.testing.assert_array_equal(peak[others], expected_peak[others], err_msg=name)


@precisions
def test_a_sample_that_has_arrived_waits_unchanged(precision: str) -> None:
    some = case(NONLINEAR[0], count=9, precision=precision)
    some.steps[:] = [0, 3] * 4 + [0]
    some.state[0, 0, 1] = 1e25  # another evaluation of its 𝒩 overflows in float32
    for name in compiled.family_kernels(precision):
        new, peak = some.advance(name)
        np.testing.assert_array_equal(new[::2], some.state[::2], err_msg=name)
        assert (peak[::2] == 0).all()


def test_an_empty_batch_is_nothing() -> None:
    new, peak = case(NONLINEAR[0], count=0).advance()
    assert new.shape == (0, 1, 33)
    assert peak.shape == (0,)


# Tables are kept, and few copies of the state are


def test_tables_are_made_once_for_each_member_and_step() -> None:
    some, made = case(NONLINEAR[0], count=4), []

    class Watched(type(some.equation)):  # type: ignore[misc]
        def symbol(self, modes: Modes, params: Any) -> Any:
            made.append(len(params["viscosity"]))
            return super().symbol(modes, params)

    lanes = family.Lanes(Watched(**dict(some.equation)), some.modes, "etdrk4")
    for steps in ([1, 1, 2, 0], [1, 1, 2, 2], [1, 1, 2, 2]):
        lanes.advance(some.state, some.params, length=0.1, steps=np.array(steps))
    assert made == [3, 1]


@precisions
@schemes
@pytest.mark.parametrize("named", [NONLINEAR[0], NONLINEAR[6], NONLINEAR[4]], ids=lambda case: case.name)
def test_a_block_works_in_little_more_than_six_copies_of_its_state_and_its_tables(
    named: Named, scheme: str, precision: str
) -> None:
    some = case(named, (1024,) if len(named.shape) == 1 else (128, 128), count=1, precision=precision, scheme=scheme)
    words = some.lanes().words(some.params, 1)
    del words["coefficients"]
    real = 4 if precision == "float32" else 8
    for name in compiled.family_kernels(precision):
        held = compiled.family_memory(**words, scheme=scheme, precision=precision, kernel=name)
        kept = words["symbol"].size * int(name.split("/")[1]) * real
        tables = (5 if scheme == "etdrk4" else 1) * kept
        symbol = words["symbol"].size * 16
        assert (held - tables - symbol) / (2 * kept) < 6.6, f"{name}: copies of the state"


# Bad input


@pytest.mark.parametrize(("size", "words"), [(33, "odd"), (62, "31 points"), (4, "2 points")])
def test_a_grid_that_the_kernels_cannot_take_is_refused(size: int, words: str) -> None:
    some = case(NONLINEAR[0], (size,), count=1)
    assert not family.can_solve(some.modes.grid)
    with pytest.raises(ValueError, match=words):
        some.advance()


def test_bad_arguments_are_named() -> None:
    some = case(NONLINEAR[0])
    with pytest.raises(ValueError, match="no kernel mmx"):
        some.advance("mmx/2")
    with pytest.raises(ValueError, match="threads"):
        some.advance(threads=0)
    with pytest.raises(ValueError, match="float32, float64 or mixed, not half"):
        replace(some, precision="half").advance()
    with pytest.raises(ValueError, match="scheme must be ifrk4 or etdrk4"):
        compiled.family_memory(
            **{k: v for k, v in some.lanes().words(some.params, 1).items() if k != "coefficients"},
            scheme="euler",
            precision="float64",
            kernel="",
        )
    with pytest.raises(ValueError, match="shape"):
        replace(some, state=some.state[..., :8]).advance()


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Polynomials([{(U, U, U, U): 1}], []), "three factors"),
        (Polynomials([{(Input(1),): 1}], []), "no such field"),
        (Polynomials([{(): 1}], []), "without inputs"),
    ],
)
def test_polynomials_beyond_the_kernels_are_refused(declared: Polynomials, words: str) -> None:
    some = case(NONLINEAR[0])

    class Other(type(some.equation)):  # type: ignore[misc]
        def polynomials(self, modes: Modes, params: Any) -> Polynomials:
            return declared

    with pytest.raises(ValueError, match=words):
        replace(some, equation=Other(**dict(some.equation))).advance()


def test_sizes_that_only_numpy_takes_are_known() -> None:
    assert kernels.can_transform(15)
    assert not family.can_solve(Grid(shape=(16, 15), lengths=(1.0, 1.0)))
    assert family.can_solve(Grid(shape=(15, 16), lengths=(1.0, 1.0)))


def test_numpy_serves_where_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    some = case(NONLINEAR[0])
    some = replace(some, steps=some.steps + 1)
    monkeypatch.setattr(kernels, "_compiled", None)
    np.testing.assert_array_equal(some.advance()[0], some.reference()[0])
    assert some.lanes().nonlinear(some.state, some.params)[0].shape == some.state.shape
    assert not family.can_solve(some.modes.grid)
