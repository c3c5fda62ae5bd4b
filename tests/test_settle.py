"""A choice by measurement is made once per store and binds everybody after; and the orders inside a unit."""

from __future__ import annotations

import numpy as np
import pytest
from steady import toy_spec

from pdebench import order, solve
from pdebench.certify import verify
from pdebench.generate import generate
from pdebench.parallel import Serial
from pdebench.problem import Arranged, Outcome
from pdebench.store import TrajectoryStore


def content(path):
    return TrajectoryStore.open(path).content_hash()


def test_a_resumed_run_goes_by_the_recorded_verdict(tmp_path):
    spec = toy_spec(solver="Settling")
    generate(spec, tmp_path / "s.zarr", members=range(1))
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    first, chosen = store.given(0).astype(float), float(store.settled["choice"])
    generate(spec, tmp_path / "s.zarr")
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    assert float(store.settled["choice"]) == chosen
    for member in range(7):
        a, f = store.given(member).astype(float)
        expected = chosen * (f + store.params([member])[0, 0]) / a
        np.testing.assert_allclose(store.frames(member)[0, 0], expected, rtol=1e-5, atol=1e-5)
        assert verify(store, member).equal
    np.testing.assert_array_equal(store.given(0), first)
    generate(spec, tmp_path / "other.zarr")  # measures anew, and its clock says another thing
    assert float(TrajectoryStore.open(tmp_path / "other.zarr").settled["choice"]) != chosen
    assert content(tmp_path / "other.zarr") != content(tmp_path / "s.zarr")


def test_the_evidence_lies_in_the_attributes_and_the_digest_is_the_cards(tmp_path):
    spec = toy_spec(solver="Settling")
    generate(spec, tmp_path / "s.zarr")
    import xarray

    data = xarray.open_zarr(tmp_path / "s.zarr")
    assert data.attrs["settled"]["evidence"]["members"] == 3  # no more than the first unit has
    assert data.attrs["digest"] == spec.digest


def test_a_verdict_that_is_there_is_kept(tmp_path):
    from pdebench.problem import Verdict

    store = TrajectoryStore.create(tmp_path / "s.zarr", toy_spec(solver="Settling"))
    assert store.settled is None
    store.settle(Verdict({"choice": "3"}, {}))
    store.settle(Verdict({"choice": "4"}, {}))
    assert store.settled == {"choice": "3"}
    assert TrajectoryStore.open(store.path).settled == {"choice": "3"}


def test_most_solvers_have_nothing_to_settle(tmp_path):
    generate(toy_spec(), tmp_path / "s.zarr")
    assert TrajectoryStore.open(tmp_path / "s.zarr").settled is None
    assert solve.settle(toy_spec()).options == {}


# -- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["greedy", "hilbert"])
def test_members_are_met_in_the_order_asked_for_and_stored_at_their_place(tmp_path, kind):
    samples = {"count": 20, "seed": 3, "unit": 10}
    spec = toy_spec(samples=samples | {"order": kind}, splits={"train": [0, 20]})
    drawn = toy_spec(samples=samples, splits={"train": [0, 20]})
    events = list(solve.trajectories(spec, np.arange(10, 20)))
    assert isinstance(events[0], Arranged)
    met = [e.member for e in events if isinstance(e, Outcome)]
    assert met == events[0].members.tolist() != list(range(10, 20))
    assert sorted(met) == list(range(10, 20))
    generate(spec, tmp_path / "s.zarr")
    generate(drawn, tmp_path / "drawn.zarr")
    store, plain = (TrajectoryStore.open(tmp_path / name) for name in ("s.zarr", "drawn.zarr"))
    for member in range(20):
        np.testing.assert_array_equal(store.frames(member), plain.frames(member))
        np.testing.assert_array_equal(store.given(member), plain.given(member))
        assert verify(store, member).equal
    import xarray

    data = xarray.open_zarr(store.path)
    assert np.argsort(data.place.values[10:]).tolist() == [m - 10 for m in met]
    np.testing.assert_array_equal(data.iterations.values, data.place.values + 1)  # the toy counts whom it met before
    assert float(data.arranging_seconds.sum()) > 0
    assert "place" not in xarray.open_zarr(plain.path)


def test_ranks_meet_members_in_one_order():
    """That of the first: a last bit of LAPACK's may differ between processors, and with it the order."""

    class Other(Serial):
        def bcast(self, obj, root=0):
            return obj[0][::-1], obj[1]

    spec = toy_spec(samples={"count": 6, "seed": 3, "unit": 6, "order": "hilbert"}, splits={"train": [0, 6]})
    alone, led = (next(solve.trajectories(spec, np.arange(6), comm)).members for comm in (Serial(), Other()))
    np.testing.assert_array_equal(led, alone[::-1])


@pytest.mark.parametrize("kind", ["greedy", "hilbert"])
def test_neighbours_in_order_are_more_alike(kind):
    rng = np.random.default_rng(0)
    modes, params = rng.standard_normal((400, 1, 2)), np.zeros((400, 0))

    def length(vectors):
        return np.linalg.norm(np.diff(vectors[:, 0], axis=0), axis=1).sum()

    where = order.arranged(kind, modes, params)
    assert sorted(where) == list(range(400))
    assert length(modes[where]) < 0.2 * length(modes)
    np.testing.assert_array_equal(order.arranged(kind, modes, params), where)


def test_every_field_and_parameter_counts_alike():
    rng = np.random.default_rng(0)
    modes, params = 1e-6 * rng.standard_normal((50, 1, 1)), np.full((50, 1), 1e6)
    alone = order.arranged("hilbert", modes, np.zeros((50, 0)))
    together = order.arranged("hilbert", modes, params)  # a constant says nothing
    np.testing.assert_array_equal(alone, together)
    assert abs(np.diff(np.argsort(modes[alone, 0, 0]))).max() == 1


@pytest.mark.parametrize(("axes", "points"), [(1, 64), (2, 32), (3, 8)])
def test_the_curve_visits_every_point_of_a_lattice_by_steps_of_one(axes, points):
    lattice = np.stack(np.meshgrid(*[np.arange(points)] * axes, indexing="ij"), axis=-1).reshape(-1, axes)
    walk = lattice[np.argsort(order.hilbert(lattice * (2**order.BITS // points)))]
    assert set(np.abs(np.diff(walk, axis=0)).sum(axis=1)) == {1}


def test_waves_are_the_cosine_coefficients_of_the_logarithm_where_there_is_one():
    x = (np.arange(64) + 0.5) / 64
    smooth = np.cos(3 * np.pi * x)[:, None] * np.cos(np.pi * x)
    found = order.waves(np.stack([np.exp(smooth), smooth]))
    expected = np.zeros((8, 8))
    expected[3, 1] = 0.25
    for row in found:
        np.testing.assert_allclose(row.reshape(8, 8), expected, atol=1e-14)
