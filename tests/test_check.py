"""Every check is silent about good data, and speaks about the defect planted for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from specs import exposed, shard_path, tiny_spec, tiny_store

from pdebench import sample, solve
from pdebench.arrays import Array
from pdebench.check import MEMBER_CHECKS, STORE_CHECKS, Finding, check
from pdebench.check.frames import finite
from pdebench.generate import generate
from pdebench.problem import Event, Frame, Outcome
from pdebench.solvers.spectral.navier_stokes import NavierStokes2D
from pdebench.store import TrajectoryStore

# Resolved, so that a sound store has nothing to warn of.
SOUND: dict[str, Any] = {
    "grid__shape": [24, 24],
    "store__shape": [24, 24],
    "parameters__viscosity": {"value": 0.1},
    "problem__initial_state": {"kind": "energy_spectrum", "peak": 2, "energy": 0.1, "modes": 4},
}


def sound(path: Path, **changes: Any) -> TrajectoryStore:
    return tiny_store(path / "store", **SOUND | changes)


def errors(store: TrajectoryStore, name: str) -> list[Finding]:
    """The errors of one check, among all that `check` says."""
    return [f for f in check(store) if f.check == name and f.severity == "error"]


def forged(path: Path, solved: dict[str, Any], labelled: dict[str, Any]) -> TrajectoryStore:
    """A store whose card says one thing and whose frames were solved with another."""
    spec = tiny_spec(**SOUND | labelled)
    store = TrajectoryStore.create(path / "store", spec)
    for low in range(0, spec.samples.count, spec.samples.unit):
        members = np.arange(low, low + spec.samples.unit)
        store.write(members, solve.trajectories(tiny_spec(**SOUND | solved), members))
    return store


def altered(path: Path, change: Callable[[Array], Array], **changes: Any) -> TrajectoryStore:
    """A sound store whose frames pass through `change`, `(b, field, *space)`, before they are committed."""
    spec = tiny_spec(**SOUND | changes)
    store = TrajectoryStore.create(path / "store", spec)

    def through(event: Event) -> Event:
        return Frame(event.members, event.index, change(event.values)) if isinstance(event, Frame) else event

    for low in range(0, spec.samples.count, spec.samples.unit):
        members = np.arange(low, low + spec.samples.unit)
        store.write(members, map(through, solve.trajectories(spec, members)))
    return store


def test_nothing_is_wrong_with_sound_data(tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []
    findings = check(sound(tmp_path), progress=lambda done, total: seen.append((done, total)))
    assert [f for f in findings if f.severity != "ok"] == []
    assert {f.check for f in findings} >= {test.__name__ for test in (finite, *STORE_CHECKS, *MEMBER_CHECKS)}
    assert seen[-1] == (6, 6)


@pytest.mark.parametrize("shape", [[16, 16], [20, 20]], ids=["filtered", "as solved"])
def test_nothing_is_wrong_with_a_coarser_store(tmp_path: Path, shape: list[int]) -> None:
    store = sound(tmp_path, store__shape=shape, parameters__viscosity={"log_uniform": [0.05, 0.2]})
    assert [f for f in check(store) if f.severity != "ok"] == []


def test_what_a_filter_does_to_the_fit_is_inside_its_uncertainty(tmp_path: Path) -> None:
    waves = {"kind": "energy_spectrum", "peak": 2, "energy": 0.5, "modes": 7}
    changes = {"parameters__viscosity": {"value": 0.02}, "problem__initial_state": waves}
    said = check(sound(tmp_path, grid__shape=[48, 48], store__shape=[16, 16], **changes))
    fits = [f for f in said if f.check == "viscosity"]
    assert any(" is 1.03" in f.message for f in fits), "beyond the tolerance for data without a filter"
    assert [f for f in said if f.severity != "ok"] == []


def test_filtered_energy_may_grow(tmp_path: Path) -> None:
    waves = {"kind": "energy_spectrum", "peak": 6, "energy": 0.5, "modes": 7}
    changes = {"parameters__viscosity": {"value": 0.005}, "problem__initial_state": waves}
    store = sound(tmp_path, grid__shape=[32, 32], store__shape=[8, 8], **changes)
    energy = np.mean(store.frames(0) ** 2, axis=(1, 2, 3))
    assert energy[-1] > 1.05 * energy[0], "from the scales that were filtered out"
    assert errors(store, "laws") == []
    assert [f for f in check(store) if f.severity == "error"] == []


def test_missing_members_are_named(tmp_path: Path) -> None:
    generate(tiny_spec(**SOUND), tmp_path / "store", members=range(2, 4))
    store = TrajectoryStore.open(tmp_path / "store")
    (finding,) = errors(store, "completeness")
    assert finding.members == (0, 1, 4, 5)
    assert "members 0, 1, 4, 5 of 6 missing: repeat `pdebench generate`" in finding.message


def test_failed_members_are_told_with_their_reason(tmp_path: Path) -> None:
    store = sound(tmp_path, solver__max_steps=1)
    (finding,) = [f for f in check(store) if f.check == "completeness"]
    assert finding.severity == "warning"
    assert "needs more than 1 steps" in finding.message


def test_a_truncated_shard_is_found_and_the_rest_is_still_checked(tmp_path: Path) -> None:
    store = sound(tmp_path)
    path = shard_path(store, 2)
    path.write_bytes(path.read_bytes()[:-100])
    again = TrajectoryStore.open(store.path)
    (finding,) = errors(again, "shards")
    assert finding.members == (2, 3)
    assert "truncated" in finding.message
    assert "--repair" in finding.message
    assert {f.severity for f in check(again) if f.check != "shards"} == {"ok"}


def test_an_altered_byte_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 4)[3, 0, 0] *= 1 + 1e-6
    (finding,) = errors(store, "shards")
    assert finding.members == (4, 5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("time", "from 0 to 2 in steps of 0.5"),
        ("x", "from 0 to"),
        ("seed", "not the one that follows"),
    ],
)
def test_false_labels_are_found(tmp_path: Path, name: str, said: str) -> None:
    store = sound(tmp_path)
    group: Any = zarr.open_group(store.path, mode="r+")
    group[name][:] = group[name][:] * 2
    (finding,) = errors(store, "labels")
    assert name in finding.message
    assert said in finding.message


def test_a_card_changed_by_hand_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    group = zarr.open_group(store.path, mode="r+")
    card: Any = group.attrs["card"]
    group.attrs["card"] = card | {"samples": card["samples"] | {"seed": 2}}
    again = TrajectoryStore.open(store.path)
    assert any("changed by hand" in f.message for f in errors(again, "labels"))
    assert errors(again, "initial"), "the frames belong to the other seed"


def test_a_wrong_stored_parameter_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path, parameters__viscosity={"log_uniform": [0.05, 0.2]})
    group: Any = zarr.open_group(store.path, mode="r+")
    values = group["viscosity"][:]
    values[3] *= 1.5
    group["viscosity"][:] = values
    (finding,) = errors(store, "parameters")
    assert finding.members == (3,)
    assert "viscosity is stored as" in finding.message


def test_nan_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 1)[2, 5, 5] = np.nan
    (finding,) = errors(store, "finite")
    assert finding.members == (1,)
    assert "frame 2 (t = 0.5)" in finding.message


def test_a_frozen_frame_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    values = exposed(store, 2)
    values[3] = values[2] * np.float32(1 + 1e-7)  # not the same bits
    (finding,) = errors(store, "frozen")
    assert finding.members == (2,)
    assert "frame 3 (t = 0.75)" in finding.message


def test_a_decay_to_rest_is_not_frozen(tmp_path: Path) -> None:
    store = sound(tmp_path, parameters__drag={"value": 20.0}, times={"step": 0.25, "frames": 9})
    assert errors(store, "frozen") == []


def test_a_field_that_has_become_uniform_may_rest(tmp_path: Path) -> None:
    store = sound(tmp_path)
    values = exposed(store, 2)
    values[3:] = np.float32(0.75)
    assert errors(store, "frozen") == []
    values[3:] += np.float32(1e-3) * values[0]  # no longer uniform, and all the same
    assert "frame 4" in errors(store, "frozen")[0].message


@pytest.mark.parametrize(("source", "target"), [((1, 2), (1, 4)), ((0, 3), (5, 1))], ids=["one member", "two"])
def test_a_duplicate_frame_is_found(tmp_path: Path, source: tuple[int, int], target: tuple[int, int]) -> None:
    store = sound(tmp_path)
    exposed(store, target[0])[target[1]] = exposed(store, source[0])[source[1]]
    (finding,) = errors(store, "duplicates")
    assert finding.members == tuple(sorted({source[0], target[0]}))
    assert "the same bits" in finding.message


def test_a_copied_member_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 5)[:] = exposed(store, 2)
    (finding,) = errors(store, "duplicates")
    assert "member 5 is a copy of member 2" in finding.message
    assert [f.members for f in errors(store, "initial")] == [(5,)]


def test_members_that_begin_alike_by_the_card_are_no_duplicates(tmp_path: Path) -> None:
    store = sound(
        tmp_path,
        problem__initial_state={"kind": "taylor_green"},
        parameters__viscosity={"log_uniform": [0.05, 0.2]},
    )
    assert errors(store, "duplicates") == []


def test_a_blow_up_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 3)[4] *= 30
    (finding,) = errors(store, "blow_up")
    assert finding.members == (3,)
    assert "at frame 4 (t = 1)" in finding.message


def test_a_doubled_end_point_is_found(tmp_path: Path) -> None:
    def doubled(values: Array) -> Array:
        out = values.copy()
        out[..., -1] = out[..., 0]
        return out

    store = altered(tmp_path, doubled)
    assert errors(store, "shards") == []
    (finding,) = errors(store, "end_points")
    assert finding.members == (0, 1, 2, 3, 4, 5)
    assert "along x" in finding.message


def test_an_empty_field_is_found(tmp_path: Path) -> None:
    store = altered(tmp_path, np.zeros_like)
    assert len(errors(store, "magnitude")) == 1


def test_a_slip_of_units_in_one_member_is_seen(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 1)[:] *= 1000
    (finding,) = [f for f in check(store) if f.check == "outliers"]
    assert finding.severity == "warning"
    assert finding.members == (1,)


def test_a_scaled_field_is_found(tmp_path: Path) -> None:
    store = altered(tmp_path, lambda values: 1.5 * values)
    (finding,) = errors(store, "initial")
    assert "1.5 times the initial state of its seed" in finding.message
    assert errors(store, "equation"), "the equation is not linear, so it sees the factor too"


def test_swapped_members_are_found(tmp_path: Path) -> None:
    store = altered(tmp_path, lambda values: values[::-1])
    (finding,) = errors(store, "initial")
    assert "is not the initial state of its seed" in finding.message
    assert len(finding.members) == 6


def test_energy_that_grows_by_itself_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 2)[3] *= 1.2
    said = [f.message for f in errors(store, "laws")]
    assert len(said) == 1
    assert "must never grow" in said[0]


def test_a_drifting_mean_is_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 0)[4] += 0.01
    (finding,) = errors(store, "laws")
    assert "circulation goes from" in finding.message
    assert "must stay constant" in finding.message


def test_poor_resolution_is_told(tmp_path: Path) -> None:
    store = sound(tmp_path, parameters__viscosity={"value": 1e-4})
    (finding,) = [f for f in check(store) if f.check == "resolution"]
    assert finding.severity == "warning"
    assert "finer grid" in finding.message
    assert "k_max η is 0." in finding.message


def test_the_smallest_scale_is_reported_where_the_grid_holds_it(tmp_path: Path) -> None:
    (finding,) = [f for f in check(sound(tmp_path)) if f.check == "resolution"]
    assert finding.severity == "ok"
    assert "k_max η is 2." in finding.message


# The equation


@pytest.mark.parametrize(("factor", "shape"), [(2.0, [24, 24]), (0.93, [24, 24]), (2.0, [16, 16])])
def test_a_wrong_viscosity_is_found_with_its_value(tmp_path: Path, factor: float, shape: list[int]) -> None:
    truth = {"parameters__viscosity": {"value": 0.1 * factor}, "store__shape": shape}
    store = forged(tmp_path, truth, {"store__shape": shape})
    found = errors(store, "viscosity")
    assert len(found) == 3
    for finding in found:
        ratio, _, spread = finding.message.split(" is ")[1].split(" times ")[0].split()
        assert float(ratio) == pytest.approx(factor, abs=max(0.002, 2 * float(spread)))
        assert float(spread) < 0.2
    assert errors(store, "equation") == [], "with the fitted value the equation holds"


def test_two_wrong_parameters_are_told_apart(tmp_path: Path) -> None:
    right = {"parameters": {"viscosity": {"value": 0.1}, "drag": {"value": 0.2}}}
    wrong = {"parameters": {"viscosity": {"value": 0.1}, "drag": {"value": 0.3}}}
    store = forged(tmp_path, solved=right, labelled=wrong)
    assert errors(store, "viscosity") == []
    assert all(" 0.6667 ±" in f.message for f in errors(store, "drag"))
    assert len(errors(store, "drag")) == 3


def test_a_parameter_of_zero_is_not_identifiable(tmp_path: Path) -> None:
    said = [f for f in check(sound(tmp_path)) if f.check == "drag"]
    assert {f.severity for f in said} == {"ok"}
    assert all("not identifiable" in f.message for f in said)


def test_another_equation_is_found(tmp_path: Path) -> None:
    wave = {"kx": 0, "ky": 2, "cos": 0.3}
    store = forged(tmp_path, solved={"problem__forcing": [wave]}, labelled={})
    assert all("does not follow the card's equation" in f.message for f in errors(store, "equation"))
    assert len(errors(store, "equation")) == 3


def test_frames_out_of_order_are_found(tmp_path: Path) -> None:
    store = sound(tmp_path)
    for member in range(6):
        values = exposed(store, member)
        values[[3, 4]] = values[[4, 3]]
    assert errors(store, "equation")


def test_a_strongly_filtered_store_is_not_solved_on_the_full_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = sound(tmp_path, grid__shape=[96, 96], store__shape=[16, 16])
    shapes: set[tuple[int, ...]] = set()
    build = solve.build
    monkeypatch.setattr(solve, "build", lambda spec, **rest: (shapes.add(spec.grid.shape), build(spec, **rest))[1])
    assert [f for f in check(store) if f.severity != "ok"] == []
    assert shapes == {(32, 32)}


def test_some_members_can_be_checked_alone(tmp_path: Path) -> None:
    store = sound(tmp_path)
    exposed(store, 1)[2, 5, 5] = np.nan
    assert [f for f in check(store, members=[2, 3]) if f.check == "finite" and f.severity == "error"] == []
    assert any(f.severity == "error" for f in check(store, members=[1]) if f.check == "finite")


def test_a_problem_without_laws_is_not_judged_by_them(tmp_path: Path) -> None:
    class Lawless:
        fields, parameters = NavierStokes2D.fields, NavierStokes2D.parameters

    from pdebench.check import Trajectory
    from pdebench.check.physics import laws

    store = sound(tmp_path)
    problem: Any = Lawless()
    assert list(laws(Trajectory(store, problem, 0, store.frames(0), sample.parameters(store.spec, 0)))) == []


def test_outcomes_still_follow_altered_frames() -> None:
    """The helper above plants in frames only."""
    events = list(solve.trajectories(tiny_spec(), np.arange(2)))
    assert sum(isinstance(event, Outcome) for event in events) == 2
