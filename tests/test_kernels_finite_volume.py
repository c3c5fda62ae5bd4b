"""The compiled finite-volume lanes against their NumPy reference, and what no sample may learn of its neighbours."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.solvers import kernels
from pdebench.solvers.finite_volume.engine import Advanced, NumpyEngine
from pdebench.solvers.finite_volume.gas import CompressibleEuler
from pdebench.solvers.finite_volume.laws import InviscidBurgers, LinearAdvection
from pdebench.solvers.finite_volume.shallow_water import ShallowWaterSystem
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.solvers.kernels.finite_volume import LaneEngine, provenance
from pdebench.spec import Grid

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

ROUND_OFF = {"float64": 1e-12, "float32": 2e-4}  # after some twenty steps, beside the largest value
PAIRS = [("periodic", "periodic"), ("outflow", "reflecting"), ("no_slip", "outflow"), ("reflecting", "no_slip")]
GAS = {"kind": "random_gas", "density": (0.5, 2), "pressure": (0.5, 2), "variation": 0.3, "mach": 0.7, "modes": 2}
SEA = {"kind": "random_water", "mean": 1.0, "rms": 0.3, "speed": 0.3, "modes": 2}


class Case:
    """Random members of a system in a box, and both engines for them."""

    def __init__(
        self, law: str, shape: tuple[int, ...], *, count: int = 5, pair: int = 0, seed: int = 0, **how: Any
    ) -> None:
        sides = {axis: PAIRS[(pair + i) % len(PAIRS)] for i, axis in enumerate("xyz"[: len(shape)])}
        self.precision = how.setdefault("precision", "float64")
        grid = Grid(shape=shape, lengths=tuple(0.5 + 0.3 * i for i in range(len(shape))), points="centres")
        rng = np.random.default_rng(seed)
        self.problem: Any
        if law == "shallow_water":
            self.problem = ShallowWater(initial_state=SEA, boundaries=sides)
            self.params = {"gravity": rng.uniform(0.5, 2, count), "roughness": np.zeros(count)}
        elif law in {"advection", "burgers"}:
            kind = LinearAdvection if law == "advection" else InviscidBurgers
            wave = {"kind": "random_field", "rms": 1.0, "length": 0.1, "modes": 2, "mean": 0.2}
            self.problem = kind(initial_state=wave, boundaries=sides)
            self.params = {"speed": rng.uniform(-2, 2, count)} if law == "advection" else {}
            how.setdefault("flux", "hll")
        else:
            self.problem = CompressibleEuler(initial_state=GAS, boundaries=sides)
            self.params = {"heat_capacity_ratio": rng.uniform(1.2, 1.7, count)}
        members = [{name: values[i] for name, values in self.params.items()} for i in range(count)]
        drawn = [self.problem.initial(grid, own, np.random.default_rng([seed, i])) for i, own in enumerate(members)]
        w = np.array(drawn).reshape(count, len(self.problem.fields), *shape)
        system = self.problem.system(self.params, np.dtype(self.precision))
        self.q = system.conserved(np.swapaxes(w, 0, 1).astype(self.precision))
        fastest, reference = (
            FiniteVolumeCard(engine=engine, **how).build(self.problem, grid, grid, Serial())._engine
            for engine in ("fastest", "numpy")
        )
        assert isinstance(fastest, LaneEngine)
        assert isinstance(reference, NumpyEngine)
        self.lanes, self.reference = fastest, reference

    def run(self, members: Any = slice(None), *, q: Array | None = None, length: float = 0.1, **how: Any) -> Advanced:
        params = {name: values[members] for name, values in self.params.items()}
        engine = replace(self.lanes, **how)
        return engine.advance((self.q if q is None else q)[:, members], params, length=length)


def same(one: Advanced, other: Advanced, *, members: Any = slice(None)) -> None:
    """Whether the first has the bits of those members of the other."""
    np.testing.assert_array_equal(one.q, other.q[:, members], err_msg="q")
    for name in ("time", "steps", "limited"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name)[members], err_msg=name)


@settings(max_examples=examples(60), deadline=None)
@given(
    law=st.sampled_from(["shallow_water", "euler"]),
    shape=st.lists(st.integers(4, 19), min_size=1, max_size=2).map(tuple),
    count=st.integers(1, 18),
    pair=st.integers(0, 3),
    limiter=st.sampled_from(["minmod", "van_leer", "mc"]),
    flux=st.sampled_from(["rusanov", "hll", "hllc"]),
    precision=st.sampled_from(["float64", "float32"]),
    seed=st.integers(0, 1000),
)
def test_any_box_batch_and_precision_follows_the_reference(precision: str, **how: Any) -> None:
    case = Case(how.pop("law"), how.pop("shape"), precision=precision, **how)
    found, expected = case.run(), case.reference.advance(case.q, case.params, length=0.1)
    assert found.q.dtype == case.q.dtype
    np.testing.assert_array_equal(found.steps, expected.steps)
    np.testing.assert_array_equal(found.limited, expected.limited)
    assert (found.time == 0.1).all()
    assert np.abs(found.q - expected.q).max() < ROUND_OFF[precision] * np.abs(expected.q).max()


@settings(max_examples=examples(60), deadline=None)
@given(
    law=st.sampled_from(["advection", "burgers"]),
    shape=st.lists(st.integers(4, 40), min_size=1, max_size=2).map(tuple),
    count=st.integers(1, 18),
    pair=st.integers(0, 3),
    limiter=st.sampled_from(["none", "minmod", "van_leer", "mc"]),
    flux=st.sampled_from(["rusanov", "hll"]),
    precision=st.sampled_from(["float64", "float32"]),
    isa=st.sampled_from(compiled.finite_volume_instruction_sets()),
    seed=st.integers(0, 1000),
)
def test_scalar_laws_follow_the_reference(isa: str, precision: str, **how: Any) -> None:
    case = Case(how.pop("law"), how.pop("shape"), precision=precision, **how)
    found, expected = case.run(isa=isa), case.reference.advance(case.q, case.params, length=0.1)
    np.testing.assert_array_equal(found.steps, expected.steps)
    assert np.abs(found.q - expected.q).max() < ROUND_OFF[precision] * np.abs(expected.q).max()
    same(case.run(isa=isa, layout="lines"), case.run(isa=isa, layout="samples"))


@pytest.mark.parametrize("isa", compiled.finite_volume_instruction_sets())
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_every_instruction_set_and_three_axes(isa: str, precision: str) -> None:
    for law, shape in (("shallow_water", (9, 7)), ("euler", (6, 5, 7))):
        case = Case(law, shape, count=3, precision=precision)
        found, expected = case.run(isa=isa), case.reference.advance(case.q, case.params, length=0.1)
        assert np.abs(found.q - expected.q).max() < ROUND_OFF[precision] * np.abs(expected.q).max()


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(33,), (12, 10)])
@pytest.mark.parametrize("law", ["shallow_water", "euler", "advection", "burgers"])
def test_a_sample_has_the_same_bits_in_any_lane_batch_and_thread(
    law: str, shape: tuple[int, ...], precision: str
) -> None:
    case = Case(law, shape, count=19, precision=precision)
    together = case.run()
    same(case.run(threads=3), together)
    for members in ([0], [7], [18], np.random.default_rng(1).permutation(19)):
        same(case.run(members), together, members=members)


@pytest.mark.parametrize(
    ("law", "bad"),
    [(law, bad) for law in ("shallow_water", "euler") for bad in (np.nan, np.inf, -1.0)]
    + [(law, bad) for law in ("advection", "burgers") for bad in (np.nan, np.inf, -np.inf)],
)
def test_a_sample_that_is_lost_leaves_its_neighbours_alone(law: str, bad: float) -> None:
    case = Case(law, (8, 8), count=16)
    spoilt = case.q.copy()
    spoilt[0, 3, 2, 1] = bad
    found, expected = case.run(q=spoilt), case.run()
    others = np.arange(16) != 3
    np.testing.assert_array_equal(found.q[:, others], expected.q[:, others])
    np.testing.assert_array_equal(found.steps[others], expected.steps[others])
    assert found.time[3] < 0.1
    np.testing.assert_array_equal(found.q[:, 3], spoilt[:, 3])


def slower(law: str, q: Array, members: Any) -> Array:
    """The states, those of some members with waves a hundred times slower (ten times in water)."""
    q = q.copy()
    for v, factor in enumerate({"euler": (1, 1e-2, 1e-4), "shallow_water": (1e-2, 1e-3), "burgers": (1e-2,)}[law]):
        q[v, members] *= factor
    return q


@pytest.mark.parametrize("law", ["euler", "shallow_water", "burgers"])
def test_a_lane_that_is_free_takes_the_next_member_be_it_done_lost_or_out_of_steps(law: str) -> None:
    """Members of one axis: some fast, some lost at once, some with more to do than allowed; no two beds alike."""
    count = 60
    case = Case(law, (24,), count=count)
    if law == "shallow_water":
        case.params["roughness"] = np.linspace(0, 0.3, count)
    slow, lost = np.arange(count) % 3 == 0, np.arange(count) % 7 == 1
    q = slower(law, case.q, slow)
    free = case.run(q=q).steps
    assert free[slow].max() < free[~slow].min()
    q[0, lost, 5] = np.nan
    reference = replace(case.reference, max_steps=int(np.median(free[~slow])))
    found, expected = case.run(q=q, reference=reference), reference.advance(q, case.params, length=0.1)
    assert (found.time[lost] == 0).all()
    assert (found.time[slow & ~lost] == 0.1).all()
    late = ~slow & ~lost & (found.time < 0.1)
    assert late.any() and not late[~slow & ~lost].all()
    np.testing.assert_array_equal(found.steps, expected.steps)
    np.testing.assert_allclose(found.time, expected.time, rtol=1e-12)
    assert np.abs(found.q - expected.q)[:, ~lost].max() < ROUND_OFF["float64"] * np.abs(case.q).max()
    same(case.run(q=q, reference=reference, threads=3), found)
    for i in range(count):
        same(case.run([i], q=q, reference=reference), found, members=[i])


def test_a_sample_that_has_arrived_waits_unchanged() -> None:
    """Members whose waves are a hundred times slower take fewer steps, in lanes beside the fast ones."""
    case = Case("euler", (10, 10), count=8)
    slow = case.q.copy()
    slow[1:3, ::2] *= 1e-2
    slow[3, ::2] *= 1e-4
    found = case.run(q=slow)
    assert found.steps[::2].max() < found.steps[1::2].min()
    for i in range(8):
        np.testing.assert_array_equal(case.run([i], q=slow).q[:, 0], found.q[:, i])


@pytest.mark.parametrize("layout", ["samples", "lines"])
def test_half_a_step_that_was_left_counts_as_in_the_reference(layout: str) -> None:
    """A tube whose waves become faster by a fifth in the first steps, so that shorter ones are asked for."""
    case = Case("euler", (4, 60), count=3, pair=1)
    left, tube = np.arange(60) < 30, np.zeros_like(case.q)
    tube[0], tube[3] = np.where(left, 1, 0.125), np.where(left, 1, 0.1)
    tube[3] /= (case.params["heat_capacity_ratio"] - 1)[:, None, None]
    found, expected = (
        one.advance(tube, case.params, length=0.2) for one in (replace(case.lanes, layout=layout), case.reference)
    )
    np.testing.assert_array_equal(found.steps, expected.steps)
    assert np.abs(found.q - expected.q).max() < ROUND_OFF["float64"] * np.abs(expected.q).max()


def test_positivity_is_helped_as_often_as_by_the_reference() -> None:
    case = Case("shallow_water", (40,), count=3, pair=1)
    dry = case.q.copy()
    dry[:, :, 20:] = 0
    found, expected = case.run(q=dry, length=0.2), case.reference.advance(dry, case.params, length=0.2)
    assert (found.limited > 0).all()
    np.testing.assert_array_equal(found.limited, expected.limited)
    assert np.abs(found.q - expected.q).max() < 1e-11
    assert found.q[0].min() >= 0


def test_friction_follows_the_reference() -> None:
    case = Case("shallow_water", (8, 8))
    rough = {**case.params, "roughness": np.full(5, 0.1)}
    found, expected = (e.advance(case.q, rough, length=0.1) for e in (case.lanes, case.reference))
    np.testing.assert_array_equal(found.steps, expected.steps)
    assert np.abs(found.q - expected.q).max() < ROUND_OFF["float64"] * np.abs(expected.q).max()
    assert np.abs(found.q[1:]).sum() < np.abs(case.run().q[1:]).sum()
    same(replace(case.lanes, layout="lines").advance(case.q, rough, length=0.1), found)


class DampedSystem(ShallowWaterSystem):
    def relaxed(self, q: Array, dt: Array) -> Array:
        q = q.copy()
        q[1:] *= 0.5
        return q


def test_a_system_of_ones_own_is_not_taken_for_the_compiled_one() -> None:
    case = Case("shallow_water", (8, 8))
    reference = replace(case.reference, system=lambda params: DampedSystem(params, 2, np.dtype(float)))
    found = replace(case.lanes, reference=reference).advance(case.q, case.params, length=0.1)
    same(found, reference.advance(case.q, case.params, length=0.1))


def test_bad_arguments_are_named() -> None:
    case = Case("euler", (8, 8))
    with pytest.raises(ValueError, match="no such kernel on this machine"):
        case.run(isa="mmx")
    with pytest.raises(ValueError, match="threads"):
        case.run(threads=0)
    with pytest.raises(ValueError, match=r"\(members, 4, \*cells\)"):
        case.lanes.advance(case.q[:3], case.params, length=0.1)
    with pytest.raises(ValueError, match="one entry per member"):
        case.lanes.advance(case.q[:, :2], case.params, length=0.1)
    space = replace(case.reference.space, limiter="superbee")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no limiter superbee"):
        case.run(reference=replace(case.reference, space=space))


def test_an_empty_batch_is_nothing() -> None:
    assert Case("euler", (8, 8), count=0).run().q.shape == (4, 0, 8, 8)


def test_without_the_extension_numpy_serves_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    case = Case("euler", (8, 8))
    monkeypatch.setattr(kernels, "_compiled", None)
    kernels.warn_once.cache_clear()
    grid = Grid(shape=(8, 8), lengths=(1.0, 1.0), points="centres")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            solver = FiniteVolumeCard().build(case.problem, grid, grid, Serial())
            assert isinstance(solver._engine, NumpyEngine)
    assert len(caplog.records) == 1
    assert provenance() == "numpy"
