"""Compiled Runge–Kutta stages over beds, in potentials, with friction and viscosity, against their NumPy reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from pdebench.arrays import Array
from pdebench.parallel import Serial
from pdebench.solvers.finite_volume import residual
from pdebench.solvers.finite_volume.engine import Advanced, NumpyEngine
from pdebench.solvers.finite_volume.gas import CompressibleEuler, CompressibleNavierStokes
from pdebench.solvers.finite_volume.solver import FiniteVolumeCard
from pdebench.solvers.finite_volume.star import GravitatingEuler
from pdebench.solvers.finite_volume.water import ShallowWater
from pdebench.solvers.kernels.finite_volume import StageEngine
from pdebench.spec import Grid

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")
ISAS = compiled.finite_volume_instruction_sets()

# A unit of round-off moves a smooth state by about itself per operation and step: some 10² operations, 20 to 40 steps.
ROUND_OFF = {"float64": 1e-12, "float32": 2e-4}
GAS = {"kind": "random_gas", "density": (0.5, 2), "pressure": (0.5, 2), "variation": 0.3, "mach": 0.7, "modes": 2}
SEA = {"kind": "random_water", "mean": 1.0, "rms": 0.2, "speed": 0.3, "modes": 3}
HILLS = {"mean": 0.7, "rms": 0.4, "modes": 4}
RING, OPEN, WALL, STILL = (("periodic",) * 2, ("outflow",) * 2, ("reflecting",) * 2, ("no_slip",) * 2)
AIR = {"heat_capacity_ratio": 1.4}
STICKY = {**AIR, "shear_viscosity": 0.01, "bulk_viscosity": 0.02}
SMOOTH, ROUGH = {"gravity": 1.0, "roughness": 0.0}, {"gravity": 1.0, "roughness": 0.05}


def box(*pairs: Any) -> dict[str, Any]:
    return dict(zip("xyz", pairs, strict=False))


def gas(*pairs: Any) -> Any:
    return CompressibleEuler(initial_state=GAS, boundaries=box(*pairs))


def sticky(*pairs: Any) -> Any:
    return CompressibleNavierStokes(initial_state=GAS, boundaries=box(*pairs))


def shore(*pairs: Any) -> Any:
    return ShallowWater(initial_state=SEA, boundaries=box(*pairs), bed=HILLS, dry=1e-3)


STAR = GravitatingEuler(boundaries=box(WALL, WALL), steepness=3.0, radius=0.25, amplitude=0.05, modes=(2, 4))
TORN = CompressibleEuler(
    initial_state={"kind": "tube", "left": (1, -7, 0.4), "right": (1, 7, 0.4)}, boundaries=box(OPEN)
)
CASES: dict[str, tuple[Any, tuple[int, ...], dict[str, float], dict[str, Any]]] = {
    "gas on a line": (gas(("reflecting", "outflow")), (33,), AIR, {"flux": "rusanov"}),
    "gas in a room": (gas(("reflecting", "outflow"), RING, STILL), (9, 7, 12), AIR, {"limiter": "van_leer"}),
    "gas torn apart": (TORN, (101,), AIR, {"flux": "hll", "cfl": 1.0, "limiter": "mc"}),
    "viscous gas on a line": (sticky(RING), (31,), STICKY, {}),
    "viscous gas": (sticky(RING, STILL), (17, 19), STICKY, {}),
    "viscous gas in a room": (sticky(RING, STILL, ("reflecting", "outflow")), (7, 9, 11), STICKY, {}),
    "star": (STAR, (24, 21), {**AIR, "density_jump": 1.3}, {}),
    "shore": (shore(STILL, RING), (23, 17), ROUGH, {"limiter": "minmod", "length": 0.8}),
    "smooth shore": (shore(OPEN, RING), (23, 17), SMOOTH, {"flux": "hll", "limiter": "van_leer", "length": 0.8}),
    "beach": (shore(WALL), (61,), ROUGH, {"length": 0.8}),
    "rough and flat": (ShallowWater(initial_state=SEA, boundaries=box(WALL, RING)), (13, 22), ROUGH, {}),
}


class Case:
    """Members of a problem, and both engines for them."""

    def __init__(self, name: str, *, count: int = 2, **how: Any) -> None:
        problem, shape, params, own = CASES[name]
        own = {"scheme": "ssp_rk2", "cfl": 0.45, "precision": "float64", **own, **how}
        self.length = own.pop("length", 0.1)
        grid = Grid(shape=shape, lengths=tuple(1 + 0.2 * i for i in range(len(shape))), points="centres")
        self.params = {key: np.full(count, value) for key, value in params.items()}
        states = np.stack([problem.initial(grid, params, np.random.default_rng(i)) for i in range(count)], axis=1)
        system = problem.system(self.params, np.dtype(own["precision"]))
        names = len(system.variables)
        self.q = system.conserved(states[:names].astype(own["precision"]))
        self.bed = states[names:].astype(own["precision"]) if len(states) > names else None
        fastest, reference = (
            FiniteVolumeCard(engine=engine, **own).build(problem, grid, grid, Serial())._engine
            for engine in ("fastest", "numpy")
        )
        assert isinstance(fastest, StageEngine)
        assert isinstance(reference, NumpyEngine)
        self.lanes, self.reference = fastest, reference

    def run(self, members: Any = slice(None), *, engine: Any = None, q: Array | None = None) -> Advanced:
        params = {name: values[members] for name, values in self.params.items()}
        bed = None if self.bed is None else self.bed[:, members]
        state = (self.q if q is None else q)[:, members]
        with np.errstate(all="ignore"):
            return (engine or self.lanes).advance(state, params, length=self.length, bed=bed)


def assert_follows(found: Advanced, expected: Advanced, precision: str) -> None:
    np.testing.assert_array_equal(found.steps, expected.steps)
    np.testing.assert_array_equal(found.limited, expected.limited)
    np.testing.assert_array_equal(found.time, expected.time)
    assert np.abs(found.q - expected.q).max() < ROUND_OFF[precision] * np.abs(expected.q).max()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_stages_follow_the_reference(name: str, precision: str, isa: str) -> None:
    case = Case(name, precision=precision, scheme="ssp_rk3" if isa == "baseline" else "ssp_rk2")
    assert_follows(case.run(engine=replace(case.lanes, isa=isa)), case.run(engine=case.reference), precision)


@pytest.mark.parametrize("name", ["shore", "star", "viscous gas"])
def test_a_member_has_the_same_bits_in_any_batch_and_thread(name: str) -> None:
    case = Case(name, count=5)
    together = case.run()
    for other in (case.run(engine=replace(case.lanes, threads=3)), case.run(np.arange(5)[::-1])):
        order = slice(None) if np.array_equal(other.q[:, 0], together.q[:, 0]) else slice(None, None, -1)
        np.testing.assert_array_equal(other.q[:, order], together.q)
    for i in range(5):
        np.testing.assert_array_equal(case.run([i]).q[:, 0], together.q[:, i])


def test_cells_in_need_are_helped_as_often_as_by_the_reference() -> None:
    for name, least in (("gas torn apart", 1), ("shore", 1)):
        case = Case(name)
        found, expected = case.run(), case.run(engine=case.reference)
        assert found.limited.max() >= least, name
        np.testing.assert_array_equal(found.limited, expected.limited)


def test_edges_that_gravity_would_empty_are_counted() -> None:
    """A star so cold that its pressure is less than what it weighs over half a cell."""
    case = Case("star", length=0.01)
    cold = case.q.copy()
    cold[3] = 1e-3 * cold[0]
    found, expected = case.run(q=cold), case.run(engine=case.reference, q=cold)
    assert (expected.limited > 100).all()
    assert_follows(found, expected, "float64")


def test_water_that_steps_too_long_have_emptied_is_not_filled_up() -> None:
    """Beyond any Courant number no flux keeps depths positive: a stage begins with what the one before left."""
    case = Case("rough and flat", count=1, length=0.2)
    q, gust = case.q.copy(), np.random.default_rng(5).standard_normal(case.q[1].shape)
    q[0] = np.where(gust > 0, 1e-3, q[0])
    q[1:] = q[0] * 8 * gust
    hasty = replace(case.reference, cfl=2.5)
    found, expected = case.run(engine=replace(case.lanes, reference=hasty), q=q), case.run(engine=hasty, q=q)
    assert expected.q[0].min() < 0
    assert_follows(found, expected, "float64")


@pytest.mark.parametrize("name", ["gas torn apart", "star", "rough and flat"])
def test_averages_that_would_be_unphysical_are_mended_as_by_the_reference(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A star torn apart beside its potential, and waves that part over a few millimetres of water."""
    case, q = Case(name, cfl=1.0, limiter="none", length=0.02), None
    if name != "gas torn apart":
        q, gust = case.q.copy(), np.random.default_rng(5).standard_normal(case.q[1].shape)
        if name == "star":
            q[1:3], q[3] = q[0] * [8 * gust, 0 * gust], 0.32 * q[0] * (100 * gust**2) + 1e-3
        else:
            q[0] = np.where(gust > 0, 1e-3, q[0])
            q[1:] = q[0] * 8 * gust
    asked = Mock(side_effect=residual.first_order)
    monkeypatch.setattr(residual, "first_order", asked)
    expected = case.run(engine=case.reference, q=q)
    assert asked.called
    assert expected.time.max() == case.length
    assert_follows(case.run(q=q), expected, "float64")


@pytest.mark.parametrize("bad", [np.nan, -1.0])
@pytest.mark.parametrize("name", ["shore", "star", "viscous gas"])
def test_a_member_that_is_lost_stops_and_leaves_the_others_alone(name: str, bad: float) -> None:
    case = Case(name, count=3)
    spoilt = case.q.copy()
    spoilt[0, 1, 2, 1] = bad
    found, expected = case.run(q=spoilt), case.run()
    np.testing.assert_array_equal(found.q[:, [0, 2]], expected.q[:, [0, 2]])
    np.testing.assert_array_equal(found.q[:, 1], spoilt[:, 1])
    assert found.time[1] < case.length
    assert found.steps[1] == 0


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_lake_at_rest_stays_at_rest(precision: str) -> None:
    """Over hills that stand out of the water: the surface of what is wet is one height, and nothing moves."""
    case = Case("shore", count=1, precision=precision)
    assert case.bed is not None
    lake = np.zeros_like(case.q)
    lake[0] = np.maximum(1 - case.bed[0], 0)
    assert (lake[0] == 0).any()
    found = case.run(q=lake)
    assert np.abs(found.q - lake).max() < 50 * np.finfo(precision).eps


def test_no_layout_works_in_more_than_twenty_numbers_per_cell() -> None:
    """In float64, states in and out apart; `lines` works in one state, its rows a little apart.

    In one dimension the row at hand is the whole sample, and stages take 24.
    """
    cases = [("shallow_water", (512, 512), True, False), ("euler", (512, 512), True, False)]
    cases += [("euler", (96, 96, 96), False, True), ("shallow_water", (4096,), True, False)]
    for isa in ISAS:
        for system, cells, uneven, viscous in cases:
            numbers = {
                layout: compiled.finite_volume_memory(
                    system, cells, layout=layout, uneven=uneven, viscous=viscous, isa=isa
                )
                / 8
                / np.prod(cells)
                for layout in ("lines", "stages")
            }
            assert numbers["stages"] < (20 if len(cells) > 1 else 25), (isa, system, cells, numbers)
            assert numbers["lines"] < (6 if len(cells) > 1 else 8 * 3 + 3), (isa, system, cells, numbers)


def test_bad_arguments_are_named() -> None:
    case = Case("shore")
    with pytest.raises(ValueError, match="one value per cell"):
        case.lanes.advance(case.q, case.params, length=0.1, bed=np.zeros((1, 2, 5, 5)))
    with pytest.raises(ValueError, match="no layout columns"):
        compiled.finite_volume_memory("euler", (8, 8), layout="columns")
    with pytest.raises(ValueError, match="no such kernel"):
        case.run(engine=replace(case.lanes, isa="mmx"))
