"""The page of ci/bench/claims: what has no time says so."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "ci" / "bench"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="not a checkout")


@pytest.mark.parametrize(("times", "said"), [([0.0], "| – |"), ([0.1, 0.2], "| 0.15 |")])
def test_a_steady_problem_is_correlated_until_no_time(monkeypatch, times, said):
    monkeypatch.syspath_prepend(FOLDER)
    page, plan = import_module("claims.page"), import_module("claims.plan")
    name = next(iter(plan.TRAININGS))
    run = {"training": name, "parameters": 1, "epochs": 2, "nrmse": 0.5, "correlation_time": 0.15, "inference": 0.001}
    assert said in page.trainings([run | {"times": times, "correlation_time": 0.15 if len(times) > 1 else 0.0}])[-1]
