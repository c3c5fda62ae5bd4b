"""kill -9 at random, of drivers, trainers, ranks and solvers: nothing lost, doubled or left, little done twice."""

from __future__ import annotations

import shutil

import pytest
from kills import on_cluster, on_stream
from needs import needed

needed("distributed")
pytestmark = pytest.mark.skipif(shutil.which("mpiexec") is None, reason="no mpiexec")

SLOW = [pytest.mark.slow, pytest.mark.timeout(7200)]
CAMPAIGNS = [
    (on_cluster, 2, 3),
    (on_stream, 1, 3),
    *(pytest.param(how, ranks, 50, marks=SLOW) for how in (on_cluster, on_stream) for ranks in (1, 2)),
]


@pytest.mark.parametrize(("campaign", "ranks", "kills"), CAMPAIGNS)
def test_whoever_is_killed_nothing_is_lost_doubled_or_left(tmp_path, campaign, ranks, kills):
    told = campaign(tmp_path / "campaign", kills=kills, ranks=ranks, seed=kills)
    assert sum(told.kills.values()) == kills
    assert told.kills["boss"] > 0
    assert (told.lost, told.doubled, told.orphans, told.leftovers) == (0, 0, 0, [])
    assert 0 <= told.twice <= told.in_flight
