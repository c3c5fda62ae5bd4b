"""One large sample in lanes of neighbouring lines: the bits of the sample lanes, wherever its box is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels_finite_volume import Case, same

from pdebench.arrays import Array
from pdebench.solvers.finite_volume import hancock
from pdebench.solvers.finite_volume.boundary import fill, padded
from pdebench.solvers.kernels.finite_volume import BoxSweep

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")
ISAS = compiled.finite_volume_instruction_sets()
GAS = ("euler", (5, 7, 19))
WATER = ("shallow_water", (20, 37))


@settings(max_examples=examples(60), deadline=None)
@given(
    law=st.sampled_from(["shallow_water", "euler"]),
    shape=st.lists(st.integers(4, 40), min_size=1, max_size=2).map(tuple),
    pair=st.integers(0, 3),
    limiter=st.sampled_from(["none", "minmod", "van_leer", "mc"]),
    flux=st.sampled_from(["rusanov", "hll", "hllc"]),
    precision=st.sampled_from(["float64", "float32"]),
    isa=st.sampled_from(ISAS),
    seed=st.integers(0, 1000),
)
def test_both_layouts_give_the_same_bits(isa: str, **how: Any) -> None:
    case = Case(how.pop("law"), how.pop("shape"), count=2, **how)
    same(case.run(isa=isa, layout="lines"), case.run(isa=isa, layout="samples"))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("flux", ["rusanov", "hll", "hllc"])
def test_both_layouts_give_the_same_bits_along_three_axes(isa: str, precision: str, flux: str) -> None:
    case = Case(*GAS, count=2, pair=1, precision=precision, flux=flux)
    same(case.run(isa=isa, layout="lines"), case.run(isa=isa, layout="samples"))


def march(sweeper: BoxSweep, case: Case, cuts: list[list[int]], steps: int = 4) -> tuple[Array, Array]:
    """Steps of a box cut in parts that hold copies of their neighbours' cells; and how often positivity was helped."""
    space, q = case.reference.space, case.q.copy()
    system: Any = case.problem.system(case.params, q.dtype)
    axes, limited = len(cuts), np.zeros(q.shape[1], int)
    for number in range(steps):
        whole = padded(q, 2)
        rate = sweeper.measure(whole, case.params).rate
        step = 0.5 / rate
        order = list(range(axes))[:: -1 if number % 2 == 0 else 1]
        for axis in order:
            around = padded(q, 2)
            fill(around, space.boundaries, 2, system)
            rates = []
            for where in np.ndindex(*(len(c) - 1 for c in cuts)):
                low = [c[i] for c, i in zip(cuts, where, strict=True)]
                high = [c[i + 1] for c, i in zip(cuts, where, strict=True)]
                part = tuple(slice(a, b + 4) for a, b in zip(low, high, strict=True))
                block = around[(slice(None), slice(None), *part)].copy()
                done = sweeper.sweep(block, case.params, step, axis=axis, last=axis == order[-1])
                inside = (slice(None), slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
                q[inside] = block[(slice(None), slice(None), *(slice(2, -2),) * axes)]
                limited += done.limited
                rates.append(done.rate)
                assert done.good.all()
        # In a sweep the velocity along its axis comes first, so u² adds up in another order.
        again = sweeper.measure(padded_like(q), case.params).rate
        np.testing.assert_allclose(np.max(rates, axis=0), again, rtol=8 * np.finfo(q.dtype).eps)
    return q, limited


def padded_like(q: Array) -> Array:
    """A block of which no ghost will be read."""
    block = padded(q, 2)
    block[...] = np.nan
    block[(slice(None), slice(None), *(slice(2, -2),) * (q.ndim - 2))] = q
    return block


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("law", "shape"), [GAS, WATER, ("euler", (30,))])
def test_a_box_cut_in_parts_has_the_bits_of_the_whole(law: str, shape: tuple[int, ...], precision: str) -> None:
    case = Case(law, shape, count=2, pair=2, precision=precision)
    sweeper = BoxSweep(case.reference, case.lanes.flux)
    whole = march(sweeper, case, [[0, n] for n in shape])
    parts = march(sweeper, case, [[0, n // 2 - 1, n] if n > 5 else [0, 2, n] for n in shape])
    np.testing.assert_array_equal(parts[0], whole[0])
    np.testing.assert_array_equal(parts[1], whole[1])


@pytest.mark.parametrize(("law", "shape"), [GAS, WATER])
def test_sweeps_with_sides_of_the_box_are_those_of_the_engine(law: str, shape: tuple[int, ...]) -> None:
    """Ghost cells that no inner side needs are not read: they hold no numbers."""
    case = Case(law, shape, count=2, pair=1)
    sweeper = BoxSweep(case.reference, case.lanes.flux)
    block, sides = padded_like(case.q), list(case.reference.space.boundaries.pairs())
    rate = sweeper.measure(block, case.params).rate
    step = np.full(2, 0.5 / rate.max())
    axes = len(shape)
    for axis in hancock.order(axes, 0):
        done = sweeper.sweep(
            block, case.params, hancock.length(axes, axis, step, 0.0), axis=axis, sides=sides, last=axis == 0
        )
    inside = block[(slice(None), slice(None), *(slice(2, -2),) * len(shape))]
    assert done.good.all()
    reference = case.reference.step(case.problem.system(case.params, case.q.dtype), case.q, step)
    assert np.abs(inside - reference[0]).max() < 1e-13 * np.abs(reference[0]).max()


def test_a_part_that_became_unphysical_says_so() -> None:
    case = Case(*WATER, count=2)
    sweeper = BoxSweep(case.reference, case.lanes.flux)
    block = padded(case.q, 2)
    block[0, 1, 7, 9] = -1
    np.testing.assert_array_equal(sweeper.measure(block, case.params).good, [True, False])


@pytest.mark.parametrize("bad", [np.nan, -1.0])
@pytest.mark.parametrize("law", ["shallow_water", "euler"])
def test_a_sample_that_is_lost_stops_as_in_lanes_of_samples(law: str, bad: float) -> None:
    case = Case(law, (8, 8), count=3)
    spoilt = case.q.copy()
    spoilt[0, 1, 2, 1] = bad
    same(case.run(q=spoilt, layout="lines"), case.run(q=spoilt, layout="samples"))


def test_bad_blocks_are_named() -> None:
    case = Case(*WATER)
    sweeper = BoxSweep(case.reference, case.lanes.flux)
    block, ones = padded(case.q, 2), np.ones(5)
    with pytest.raises(ValueError, match=r"\(3, \*cells\)"):
        sweeper.sweep(block[:2], case.params, ones, axis=0, last=True)
    with pytest.raises(ValueError, match="no such axis"):
        sweeper.sweep(block, case.params, ones, axis=2, last=True)
    with pytest.raises(ValueError, match="rows without gaps"):
        sweeper.sweep(block[..., ::2], case.params, ones, axis=0, last=True)
    with pytest.raises(ValueError, match="at least 2 cells"):
        sweeper.sweep(block[..., :5], case.params, ones, axis=0, last=True)
    with pytest.raises(ValueError, match="no layout columns"):
        case.run(layout="columns")
    space = replace(case.reference.space, limiter="superbee")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no limiter superbee"):
        replace(sweeper, reference=replace(case.reference, space=space)).sweep(
            block, case.params, ones, axis=0, last=True
        )
