"""The same bits on 1, 2 and 3 ranks, one unit per rank or several ranks per unit, whole or interrupted."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from needs import needed
from ranks import ran, started, told_by
from specs import tiny_card
from steady import toy_spec

from pdebench.solvers.krylov import methods
from pdebench.spec import DatasetSpec, parse
from pdebench.store import TrajectoryStore

pytestmark = pytest.mark.mpi
HERE = Path(__file__).parent


def start(ranks, *words):
    return started(ranks, "-m", "pdebench", *words)


def mpi(ranks, *words):
    return ran(ranks, "-m", "pdebench", *words)


def card(folder, **changes):
    spec = parse(DatasetSpec, tiny_card(**changes), where="tiny")
    (folder / "card.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    return folder / "card.yaml"


def content(path):
    return TrajectoryStore.open(path).content_hash()


def test_one_two_and_three_ranks_and_a_resumed_run_give_the_same_bits(tmp_path):
    path = card(tmp_path, samples__count=7, samples__unit=2)  # uneven: 4 units, the last one short
    hashes = set()
    for ranks in (1, 2, 3):
        status, out, err = mpi(ranks, "generate", path, "--out", tmp_path / f"{ranks}.zarr")
        assert status == 0, err
        assert out.count("7 members done") == 1  # rank 0 alone speaks
        hashes.add(content(tmp_path / f"{ranks}.zarr"))
    mpi(2, "generate", path, "--out", tmp_path / "resumed.zarr", "--members", "4:6")
    status, _, err = mpi(3, "generate", path, "--out", tmp_path / "resumed.zarr")
    assert status == 0, err
    assert len(hashes | {content(tmp_path / "resumed.zarr")}) == 1


def test_several_ranks_share_a_unit(tmp_path):
    heat = {
        "problem": {"name": f"{HERE}/decomposed.py:Heat"},
        "solver": {"name": f"{HERE}/decomposed.py:ByRows"},
        "parameters": {"diffusivity": {"uniform": [0.1, 0.2]}},
    }
    hashes = set()
    for name, ranks, start_on in (("one", 1, 1), ("two", 2, 2), ("pairs", 2, 4), ("three", 3, 3)):
        (tmp_path / name).mkdir()
        path = card(tmp_path / name, **heat, ranks=ranks)
        status, _, err = mpi(start_on, "generate", path, "--out", tmp_path / name / "s.zarr")
        assert status == 0, err
        store = TrajectoryStore.open(tmp_path / name / "s.zarr")
        hashes.add(b"".join(store.frames(m).tobytes() for m in range(6)))
    assert len(hashes) == 1


def test_ranks_share_the_members_to_certify(tmp_path):
    path = card(tmp_path, times__frames=2)
    for ranks in (1, 2):
        assert mpi(ranks, "generate", path, "--out", tmp_path / f"{ranks}.zarr")[0] == 0
        status, out, err = mpi(ranks, "certify", tmp_path / f"{ranks}.zarr", "--members", "0:5")
        assert status == 0, err
        assert out.count("5 members certified (5 of them now)") == 1
    one, two = (TrajectoryStore.open(tmp_path / f"{ranks}.zarr").truth_error() for ranks in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.isfinite(two[:5]).all()


def test_an_error_in_python_is_raised_on_every_rank(tmp_path):
    script = (
        "import sys, pdebench; from mpi4py import MPI\n"
        "try: pdebench.generate(sys.argv[1], sys.argv[2], comm=MPI.COMM_WORLD)\n"
        "except pdebench.errors.PdebenchError as error: print('refused', MPI.COMM_WORLD.allreduce(1))\n"
    )
    for changes in ({"grid__shape": [8, 8]}, {"ranks": 2}):  # too coarse; and more ranks than the solver can use
        _, said, err = ran(2, "-c", script, card(tmp_path, **changes), tmp_path / "s.zarr", timeout=60)
        # the ranks' words may be interleaved
        assert (said.count("refused"), said.count("2")) == (2, 2), err
        assert not (tmp_path / "s.zarr").exists()


def test_an_error_on_one_rank_ends_all_with_one_clear_line(tmp_path):
    status, _, err = mpi(2, "generate", card(tmp_path, grid__shape=[8, 8]), "--out", tmp_path / "s.zarr")
    assert status != 0
    assert "keeps wavenumbers up to 2" in err
    assert "Traceback" not in err


def test_a_killed_rank_loses_only_what_was_in_flight(tmp_path):
    slow = {"grid__shape": [64, 64], "solver__engine": "numpy", "times__frames": 8, "samples__count": 10}
    slow["splits"] = {"train": [0, 10]}
    path, out = card(tmp_path, **slow), tmp_path / "killed.zarr"
    run = start(2, "generate", path, "--out", out)
    while not list(out.glob("vorticity/c.*.0.0.0")) and run.poll() is None:
        time.sleep(0.01)
    victim = next(iter(out.glob("vorticity/*.partial")), None)
    if victim is not None:
        os.kill(int(victim.name.split(".")[-3]), signal.SIGKILL)
    run.communicate(timeout=60)
    assert run.returncode != 0
    assert TrajectoryStore.open(out).missing().size
    status, _, err = mpi(2, "generate", path, "--out", out)
    assert status == 0, err
    assert mpi(1, "generate", path, "--out", tmp_path / "whole.zarr")[0] == 0
    assert content(out) == content(tmp_path / "whole.zarr")
    assert not list(out.rglob("*.partial"))


def test_all_ranks_go_by_one_verdict_and_a_resumed_run_by_the_recorded_one(tmp_path):
    spec = toy_spec(solver="Settling", samples={"count": 7, "seed": 3, "unit": 2})
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    for ranks, members in ((3, "2:6"), (2, "0:7")):
        status, _, err = mpi(
            ranks, "generate", tmp_path / "card.yaml", "--out", tmp_path / "s.zarr", "--members", members
        )
        assert status == 0, err
    store = TrajectoryStore.open(tmp_path / "s.zarr")
    scale = float(store.settled["choice"])
    for member in range(7):
        a, f = store.given(member).astype(float)
        expected = scale * (f + store.params([member])[0, 0]) / a
        np.testing.assert_allclose(store.frames(member)[0, 0], expected, rtol=1e-5, atol=1e-5 * scale)


def test_ranks_that_share_a_turbulent_cube_change_no_bit(tmp_path):
    box = {
        "problem": {
            "name": "navier_stokes_3d",
            "initial_state": {"kind": "isotropic", "peak": 2, "energy": 0.5, "modes": 4},
            "mean_velocity": [0.1, 0.2, 0.3],
        },
        "grid": {"shape": [16, 20, 18], "lengths": [6.283185307179586] * 3},  # uneven: 13 rows ky
        "store": {"shape": [16, 16, 16], "dtype": "float64"},
        "parameters": {"viscosity": {"uniform": [0.01, 0.02]}},
        "samples": {"count": 2, "seed": 1, "unit": 1},
        "splits": {"test": [0, 2]},
    }
    contents = set()
    for ranks, start_on in ((1, 1), (2, 4), (3, 3)):
        (tmp_path / str(ranks)).mkdir()
        path = card(tmp_path / str(ranks), **box, ranks=ranks)
        status, _, err = mpi(start_on, "generate", path, "--out", tmp_path / str(ranks) / "s.zarr")
        assert status == 0, err
        store = TrajectoryStore.open(tmp_path / str(ranks) / "s.zarr")
        assert np.isfinite(store.frames(1)).all()
        contents.add(b"".join(store.frames(m).tobytes() for m in range(2)))
    assert len(contents) == 1


TUBES = {
    "problem": {
        "name": "compressible_euler",
        "initial_state": {
            "kind": "random_tube",
            "density": [1, 2],
            "velocity": [-400, 400],
            "pressure": [0.4, 0.5],
        },
        "boundaries": {"x": ["outflow", "outflow"]},
    },
    "grid": {"shape": [101], "lengths": [1.0], "points": "centres"},
    "store": {"shape": [50], "dtype": "float64"},
    "parameters": {"heat_capacity_ratio": {"value": 1.4}},
    "times": {"start": 0.0, "step": 0.003, "frames": 4},
    "solver": {"name": "finite_volume", "cfl": 1.0, "limiter": "none", "flux": "hll", "engine": "numpy"},
}


def test_ranks_that_share_a_tube_change_no_bit_and_one_that_breaks_down_stops_nobody(tmp_path):
    """From the card to the store; members whose gas is torn apart fail, with the cell, wherever it lies."""
    contents, reasons = set(), set()
    for ranks, start_on in ((1, 1), (2, 4), (3, 3)):
        (tmp_path / str(ranks)).mkdir()
        path = card(tmp_path / str(ranks), **TUBES, ranks=ranks)
        status, _, err = mpi(start_on, "generate", path, "--out", tmp_path / str(ranks) / "s.zarr")
        assert status == 3, err
        store = TrajectoryStore.open(tmp_path / str(ranks) / "s.zarr")
        contents.add(b"".join(store.frames(m).tobytes() for m in range(6)))
        reasons.add(tuple(store.reasons()))
    assert len(contents) == len(reasons) == 1
    (told,) = reasons
    assert 0 < sum("in cell (" in reason for reason in told) < 6, told


def test_more_ranks_than_cells_are_refused(tmp_path):
    tiny = TUBES | {"grid": {"shape": [5], "lengths": [1.0], "points": "centres"}, "store": {"shape": [5]}}
    status, _, err = mpi(3, "generate", card(tmp_path, **tiny, ranks=3), "--out", tmp_path / "s.zarr")
    assert status != 0
    assert "3 ranks cannot share a box of (5,) cells: each needs 2 along every axis that is cut" in err
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_ranks_that_share_a_box_of_gas_or_water_change_no_bit(ranks):
    """Every kind of side, one to three axes, uneven parts, both kinds of steps: fields, steps and limiter's count."""
    needed("petsc4py")
    told = told_by(ranks, HERE / "volumes_shared.py")
    assert [name for name, one in told.items() if not (one["same"] and one["sound"])] == []
    assert sum(one["limited"] for one in told.values()) > 5


def test_a_solver_that_cannot_share_a_sample_says_so(tmp_path):
    status, _, err = mpi(2, "generate", card(tmp_path, ranks=2), "--out", tmp_path / "s.zarr")
    assert status != 0
    assert "only compiled 3D Navier–Stokes can" in err


@pytest.mark.parametrize("name", ["darcy", "heat"])
def test_ranks_that_share_a_linear_system_choose_and_solve_together(tmp_path, name):
    """One verdict, found on two ranks; the same solutions as one rank's, to the tolerance."""
    problems = {
        "darcy": {
            "problem": {"name": "darcy", "coefficient": {"kind": "log_normal", "modes": 4}},
            "parameters": {"source": {"value": 1.0}},
            "times": {"start": 0.0, "step": 1.0, "frames": 1},
        },
        "heat": {
            "problem": {"name": "heat"},
            "parameters": {
                **{f"{wall}_temperature": {"uniform": [1.0, 2.0]} for wall in ("west", "east", "south", "north")},
                "diffusivity": {"value": 1.0},
                "initial_temperature": {"value": 1.5},
            },
            "times": {"start": 0.0, "step": 0.01, "frames": 3},
        },
    }
    step = {"time_step": 0.005} if name == "heat" else {}
    own = problems[name] | {
        "solver": {"name": "elliptic", "tolerance": 1e-9, **step},
        "grid": {"shape": [24, 24], "lengths": [1.0, 1.0], "points": "centres"},
        "store": {"shape": [24, 24], "dtype": "float64"},
    }
    found = []
    for ranks in (1, 2):
        (tmp_path / str(ranks)).mkdir()
        path = card(tmp_path / str(ranks), **own, ranks=ranks)
        out = tmp_path / str(ranks) / "s.zarr"
        status, _, err = mpi(ranks, "generate", path, "--out", out)
        assert status == 0, err
        store = TrajectoryStore.open(out)
        assert store.settled["linear_solver"] in methods
        found.append(np.stack([store.frames(member) for member in range(6)]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


def test_a_linear_solver_for_one_rank_is_refused_on_two(tmp_path):
    own = {
        "problem": {"name": "darcy"},
        "parameters": {"source": {"value": 1.0}},
        "times": {"start": 0.0, "step": 1.0, "frames": 1},
        "grid": {"shape": [24, 24], "lengths": [1.0, 1.0], "points": "centres"},
        "store": {"shape": [24, 24], "dtype": "float64"},
        "solver": {"name": "elliptic", "linear_solver": "multigrid-cg"},
    }
    status, _, err = mpi(2, "generate", card(tmp_path, **own, ranks=2), "--out", tmp_path / "s.zarr")
    assert status != 0
    assert "multigrid-cg does not work on several ranks: multigrid needs a flux form" in err
