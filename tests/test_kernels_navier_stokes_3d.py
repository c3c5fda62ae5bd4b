"""The sweeps of 3D Navier–Stokes against their NumPy reference, and the same bits however the work is shared."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any

import numpy as np
import pytest
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from pdebench.arrays import Array, Complex, Index
from pdebench.errors import SolverError
from pdebench.parallel import Serial
from pdebench.resample import resize
from pdebench.solvers.kernels import navier_stokes_3d
from pdebench.solvers.kernels.navier_stokes_3d import LaneSweeps
from pdebench.solvers.spectral import ifrk4
from pdebench.solvers.spectral.engine import NumpyEngine, fastest
from pdebench.solvers.spectral.fourier import Modes
from pdebench.solvers.spectral.navier_stokes_3d import NavierStokes3D
from pdebench.solvers.spectral.solver import SpectralCard
from pdebench.spec import Grid

compiled = pytest.importorskip("pdebench.solvers.kernels._compiled", reason="built without a C++ compiler")

PRECISIONS = ("float64", "float32", "mixed")
ROUND_OFF = {"float64": 1e-14, "float32": 1e-5, "mixed": 1e-5}  # of the largest coefficient of 𝒩 or the state
SIZES = [10, 15, 16, 18, 24, 30, 32]
EQUATION = NavierStokes3D(initial_state={"kind": "taylor_green"})


@dataclass(frozen=True)
class Case:
    """Random states in a box of three different sides, each with its own viscosity and number of steps."""

    modes: Modes
    state: Complex
    params: dict[str, Array]
    steps: Index
    precision: Any
    length: float = 0.02

    def reference(self) -> tuple[Complex, Array, Array]:
        double = Modes(self.modes.grid)
        state = self.state.astype(complex)
        return ifrk4.advance(EQUATION, double, state, self.params, length=self.length, steps=self.steps)

    def advance(self, **how: Any) -> tuple[Complex, Array, Array]:
        sweeps = LaneSweeps(self.modes, self.precision, **how)
        return sweeps.advance(self.state, self.params, length=self.length, steps=self.steps)


def case(shape: tuple[int, ...], *, count: int = 2, precision: str = "float64", seed: int = 0) -> Case:
    rng = np.random.default_rng(seed)
    grid = Grid(shape=shape, lengths=(3.0, 2 * np.pi, 4.0))
    modes = Modes(grid, "float32" if precision == "float32" else "float64")
    noise = Modes(grid).forward(rng.standard_normal((count, 3, *shape)))
    state = modes.kept * noise * (20 / (1 + modes.squared))
    params = {"viscosity": 10 ** rng.uniform(-4, -2, count)}
    kind = np.complex64 if precision == "float32" else complex
    return Case(modes, state.astype(kind), params, rng.integers(0, 4, count), precision)


def distance(a: Complex, b: Complex) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


# Against the reference


@settings(max_examples=examples(20), deadline=None)
@given(
    shape=st.tuples(*[st.sampled_from(SIZES)] * 3),
    precision=st.sampled_from(PRECISIONS),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_sweeps_compute_what_numpy_does(shape: tuple[int, ...], precision: str, seed: int, data: Any) -> None:
    some = case(shape, precision=precision, seed=seed)
    kernel = data.draw(st.sampled_from(compiled.navier_stokes_3d_kernels(precision)))
    new, peak, last = some.advance(kernel=kernel)
    expected, expected_peak, expected_last = some.reference()
    assert new.dtype == some.state.dtype
    assert distance(new, expected) < ROUND_OFF[precision]
    np.testing.assert_allclose(peak, expected_peak, rtol=100 * ROUND_OFF[precision])
    np.testing.assert_allclose(last, expected_last, rtol=100 * ROUND_OFF[precision])
    out, rate = LaneSweeps(some.modes, some.precision, kernel=kernel).nonlinear(some.state)
    expected, expected_rate = EQUATION.nonlinear(Modes(some.modes.grid), some.state.astype(complex), {})
    assert distance(out, expected) < ROUND_OFF[precision]
    np.testing.assert_allclose(rate, expected_rate, rtol=100 * ROUND_OFF[precision])


def test_mixed_precision_is_better_than_single() -> None:
    error = {}
    for precision in ("mixed", "float32"):
        some = case((16, 16, 16), precision=precision)
        some.steps[:] = 50
        error[precision] = distance(some.advance()[0], some.reference()[0])
    assert 5 * error["mixed"] < error["float32"], error


def test_the_solver_takes_the_sweeps_where_it_can() -> None:
    cube = Grid(shape=(16, 16, 16), lengths=(1.0, 1.0, 1.0))
    assert isinstance(fastest(EQUATION, cube, "float64"), LaneSweeps)
    assert isinstance(fastest(EQUATION, cube, "float64", "etdrk4"), NumpyEngine)
    assert isinstance(fastest(EQUATION, cube.with_shape((16, 14, 16)), "float64"), NumpyEngine)


# However the work is shared


@pytest.mark.parametrize("precision", PRECISIONS)
def test_threads_change_no_bit(precision: str) -> None:
    some = case((18, 32, 24), precision=precision)
    for alone, threaded in zip(some.advance(), some.advance(threads=3), strict=True):
        np.testing.assert_array_equal(alone, threaded)


class Ranks:
    """Communicators of threads that stand for ranks: each takes what the others laid out."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier, self.desk = size, Barrier(size), [None] * size


class Rank(Serial):
    def __init__(self, ranks: Ranks, rank: int) -> None:
        self.ranks, self.rank, self.size = ranks, rank, ranks.size

    def _swap(self, mine: Any) -> list[Any]:
        self.ranks.desk[self.rank] = mine
        self.ranks.barrier.wait(30)
        found = list(self.ranks.desk)
        self.ranks.barrier.wait(30)
        return found

    def allgather(self, sendobj: Any) -> list[Any]:
        return self._swap(np.copy(sendobj))

    def Alltoallv(self, sent: Any, received: Any) -> None:
        values, (counts, starts) = sent
        pieces = self._swap([values[s : s + n].copy() for n, s in zip(counts, starts, strict=True)])
        values, (counts, starts) = received
        for source, (n, s) in enumerate(zip(counts, starts, strict=True)):
            values[s : s + n] = pieces[source][self.rank]


def on_ranks(size: int, work: Any) -> list[Any]:
    ranks, found = Ranks(size), [None] * size

    def run(rank: int) -> None:
        found[rank] = work(Rank(ranks, rank))

    threads = [Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_ranks_change_no_bit(precision: str, size: int) -> None:
    """Uneven on purpose: 18 planes and 21 rows."""
    some = case((18, 32, 16), precision=precision)
    alone = some.advance()
    for shared in on_ranks(size, lambda comm: some.advance(comm=comm)):
        for one, other in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(one, other)


def test_memory_of_a_rank_falls_with_their_number() -> None:
    """Work memory: six to seven copies of the state on one rank, a third of grid and lines on each of three."""
    modes = case((48, 48, 48)).modes
    k = 15
    size = 3 * (2 * k + 1) ** 2 * (k + 1) * 16
    alone = LaneSweeps(modes, "float64").memory()
    assert alone < 7 * size
    shared = on_ranks(3, lambda comm: LaneSweeps(modes, "float64", comm).memory())
    exchange = 2  # planes and lines are apart now
    assert max(shared) < 1.1 * exchange * alone / 3


def test_a_rank_keeps_its_share_of_the_state_only() -> None:
    some = case((48, 48, 48))  # 31 rows ky: 11 at most for one of three ranks
    alone = LaneSweeps(some.modes, "float64").enter(some.state)
    assert alone.nbytes < 1.2 * 31**2 * 16 * 3 * 16 * len(some.state)  # kx rounded up to whole vectors
    kept = on_ranks(3, lambda comm: LaneSweeps(some.modes, "float64", comm).enter(some.state))
    assert max(one.nbytes for one in kept) == alone.nbytes * 11 / 31
    np.testing.assert_array_equal(np.concatenate(kept, axis=1), alone)


@pytest.mark.parametrize("shape", [(18, 32, 16), (12, 9, 8), (24, 40, 27), (7, 64, 5)])
def test_what_leaves_for_another_grid_is_what_resize_gives(shape: tuple[int, ...]) -> None:
    some = case((18, 32, 16), precision="float32")
    expected = resize(some.state, some.modes.grid.shape, shape)

    def found(comm: Any) -> Complex:
        sweeps = LaneSweeps(some.modes, some.precision, comm)
        return sweeps.leave(sweeps.enter(some.state), shape)

    for one in (found(None), *on_ranks(4, found)):
        np.testing.assert_array_equal(one, expected)
        assert one.dtype == expected.dtype


def test_a_state_that_is_not_finite_on_one_rank_is_so_for_all() -> None:
    some = case((18, 32, 16))

    def found(comm: Any) -> Any:
        sweeps = LaneSweeps(some.modes, "float64", comm)
        own = sweeps.enter(some.state)
        if comm.rank == 1:
            own[0, 2, 0, 3, 1, 0, 1] = np.inf
        return sweeps.finite(own)

    np.testing.assert_array_equal(on_ranks(3, found), [[False, True]] * 3)


def test_a_shared_trajectory_has_the_same_bits_where_a_member_fails_or_must_be_done_again() -> None:
    """Few steps at first, so that the flow outruns them; the second member is lost."""
    grid, coarse = (Grid(shape=(n,) * 3, lengths=(2 * np.pi,) * 3) for n in (20, 12))
    flow = NavierStokes3D(initial_state={"kind": "isotropic", "peak": 2.0, "energy": 0.5, "modes": 4})
    states = np.stack([flow.initial(grid, {}, np.random.default_rng(i)) for i in range(3)])
    states[1, 2, 3, 4, 5] = np.nan
    times, params = np.array([0.0, 0.3, 1.5]), {"viscosity": np.array([0.0, 0.01, 0.02])}

    def frames(comm: Any) -> Any:
        solver = SpectralCard(cfl=1.2, precision="float64").build(flow, grid, coarse, comm)
        found = np.stack(list(solver.trajectories(states, params, times)))
        return found, [(cost.steps, cost.reason) for cost in solver.costs()]

    expected, costs = frames(Serial())
    assert [bool(reason) for _, reason in costs] == [False, True, False]
    for found, told in on_ranks(3, frames):
        np.testing.assert_array_equal(found, expected)
        assert told == costs


# Samples know nothing of each other; bad input


def test_a_sample_that_is_lost_leaves_its_neighbours_alone() -> None:
    some, spoilt = case((16, 16, 16), count=3), case((16, 16, 16), count=3)
    some.steps[:] = spoilt.steps[:] = 2
    spoilt.state[1, 0, 2, 1, 1] = np.nan
    new, expected = spoilt.advance()[0], some.advance()[0]
    assert not np.isfinite(new[1]).all()
    np.testing.assert_array_equal(new[[0, 2]], expected[[0, 2]])


def test_a_sample_that_takes_no_step_stays() -> None:
    some = case((16, 16, 16))
    some.steps[:] = 0
    new, peak, last = some.advance()
    np.testing.assert_array_equal(new, some.state)
    assert (peak == 0).all()
    assert (last > 0).all()


def test_bad_arguments_are_named() -> None:
    modes = case((16, 16, 16)).modes
    with pytest.raises(ValueError, match=r"62 points .* nearest sizes: 60 and 64"):
        LaneSweeps(Modes(modes.grid.with_shape((16, 62, 16))), "float64")
    with pytest.raises(ValueError, match="float32, float64 or mixed, not half"):
        LaneSweeps(modes, "half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no kernel mmx"):
        LaneSweeps(modes, "float64", kernel="mmx/2")
    how: dict[str, Any] = {"planes": 16, "own": 0}
    with pytest.raises(ValueError, match="first_row must rise from 0 to the number of kept rows"):
        compiled.NavierStokes3DSweeps((16, 16, 16), (1.0, 1.0, 1.0), "float64", first_row=[0, 12], **how)
    sweeps = compiled.NavierStokes3DSweeps((16, 16, 16), (1.0, 1.0, 1.0), "float64", first_row=[0, 11], **how)
    with pytest.raises(ValueError, match=r"velocity must hold \d+ numbers of 8 bytes"):
        sweeps.planes(np.zeros(7), np.zeros(7), measured=False)
    size = 16 * 3 * 11 * -(-6 // sweeps.lanes) * 2 * sweeps.lanes  # planes, slots, rows ky, modes kx in whole vectors
    good = navier_stokes_3d.aligned((size,), np.dtype(float))
    with pytest.raises(ValueError, match="products must hold"):
        sweeps.planes(good, good, measured=False)
    with pytest.raises(ValueError, match="stage must be"):
        sweeps.lines(6, good, good, good, good, onward=True, viscosity=0.0, step=0.0)


def test_a_sample_cannot_be_shared_by_everyone() -> None:
    cube, card = Grid(shape=(16, 16, 16), lengths=(1.0, 1.0, 1.0)), SpectralCard()
    several = Rank(Ranks(12), 0)
    with pytest.raises(SolverError, match=r"at most 11 ranks, not by 12"):
        card.build(EQUATION, cube, cube, several)
    for spoilt in (card.model_copy(update={"engine": "numpy"}), card.model_copy(update={"scheme": "etdrk4"})):
        with pytest.raises(SolverError, match="only compiled 3D Navier–Stokes can: set ranks to 1"):
            spoilt.build(EQUATION, cube, cube, several)
