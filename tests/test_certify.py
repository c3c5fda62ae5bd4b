"""Error bars of the truth, and members solved again to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from specs import exposed, tiny_spec, tiny_store

from pdebench import solve
from pdebench.certify import Certificate, VerifyResult, certify, verify
from pdebench.errors import CardError, StoreError
from pdebench.generate import generate
from pdebench.store import TrajectoryStore


def test_the_certified_difference_is_near_the_true_error(tmp_path: Path) -> None:
    # Vortices in a wind have an exact solution, and an error in time of order four.
    store = tiny_store(
        tmp_path / "store",
        problem={"name": "navier_stokes_2d", "initial_state": {"kind": "taylor_green", "modes": 2}}
        | {"mean_velocity": [1.0, -0.5]},
        store={"shape": [16, 16], "dtype": "float64"},
        samples__count=2,
        splits={"test": [0, 2]},
    )
    problem, _ = solve.prepare(store.spec)
    params = dict(zip(store.parameter_names, store.params([0])[0], strict=True))
    certificate = certify(store)
    for frame, t in list(enumerate(store.times))[1:]:
        exact = problem.exact(store.grid, params, t)
        true_error = np.linalg.norm(store.frames(0)[frame] - exact) / np.linalg.norm(exact)
        # Twice finer in space means four times the steps, so the finer one's error is 1/256 of it.
        assert store.truth_error()[0, frame, 0] == pytest.approx(true_error, rel=0.01)
        assert true_error > 1e-6
    assert certificate.members == (0, 1)
    assert certificate.solved == 2


def test_a_spread_of_each_split_is_certified_once(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store", samples__count=9, splits={"train": [0, 6], "valid": [6, 7], "test": [7, 9]})
    seen: list[tuple[float, float]] = []
    first = certify(store, progress=lambda done, total: seen.append((done, total)))
    assert first.members == (0, 2, 3, 5, 6, 7, 8)
    assert first.solved == 7
    assert seen == [(4, 7), (7, 7)]
    certified = np.isfinite(store.truth_error()).all(axis=(1, 2))
    assert np.flatnonzero(certified).tolist() == list(first.members)
    again = certify(store)
    assert again.solved == 0
    assert np.array_equal(again.error, first.error)
    assert certify(store, [0], force=True).solved == 1
    assert store.truth_error()[0, 0, 0] < 1e-7, "frame 0 holds storage round-off only"
    assert store.truth_error()[0, -1, 0] > 1e-3, "16 points do not resolve this flow"


def test_the_horizon_ends_where_the_error_passes_the_tolerance(tmp_path: Path) -> None:
    certificate = certify(tiny_store(tmp_path / "store"), [4])
    errors = certificate.error[:, 0]
    assert np.all(np.diff(errors) > 0)
    between = float(np.sqrt(errors[2] * errors[3]))
    assert certificate.horizon(between) == certificate.times[2]
    assert certificate.horizon(1.0) == certificate.times[-1]
    assert certificate.horizon(1e-12) == -np.inf


REACH = {
    "below 10 % up to t = 2": (0.01, 0.02, 0.03),
    "below 10 % up to t = 1": (0.01, 0.02, 0.3),
    "below 10 % only after t = 1": (0.3, 0.2, 0.01),  # a flow that starts at once
    "10 % or more at the start and at the end": (0.3, 0.01, 0.2),
}


@pytest.mark.parametrize("said", list(REACH))
def test_a_certificate_says_where_the_error_is_small(said: str) -> None:
    errors = np.array(REACH[said])[:, None]
    line = str(Certificate((0,), 1, errors, float(errors.max()), {}, np.arange(3.0)))
    assert line.endswith(f"at worst; {said}")


def test_members_that_are_not_there_are_refused(tmp_path: Path) -> None:
    spec = tiny_spec()
    generate(spec, tmp_path / "store", members=range(2))
    store = TrajectoryStore.open(tmp_path / "store")
    with pytest.raises(StoreError, match="member 5 .* not there"):
        certify(store, [0, 5])
    with pytest.raises(StoreError, match="members 0 … 5, not 6"):
        verify(store, 6)
    with pytest.raises(StoreError, match="not there yet"):
        verify(store, 5)
    with pytest.raises(CardError, match="above 1"):
        certify(store, refine=1)


def test_a_finer_solution_that_fails_leaves_no_number(tmp_path: Path) -> None:
    # The finer solution needs about four times the steps.
    store = tiny_store(tmp_path / "store", solver__max_steps=6)
    assert len(store.members()) == 6
    certificate = certify(store, [4])
    assert "more than 6 steps" in certificate.failed[4]
    assert np.isnan(certificate.worst)
    assert np.isnan(store.truth_error()[4]).all()


def test_a_member_solved_again_has_the_stored_bits(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store")
    assert verify(store, 3) == VerifyResult(3, equal=True)
    assert "every stored bit" in str(verify(store, 3))


def test_one_altered_value_is_found(tmp_path: Path) -> None:
    store = tiny_store(tmp_path / "store")
    exposed(store, 3)[2, 3, 4] += 0.5
    result = verify(store, 3)
    assert not result.equal
    assert result.frame == 2
    assert result.difference == pytest.approx(0.5, rel=1e-5)
    assert "from frame 2 on" in str(result)
    assert verify(store, 2).equal, "its neighbour in the shard is untouched"
