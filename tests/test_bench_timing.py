"""The arithmetic of ci/bench: what a table says must follow from what was timed."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "ci" / "bench" / "timing.py"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="not a checkout")


@pytest.fixture
def timing(monkeypatch):
    spec = spec_from_file_location("bench_timing", FILE)
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_rivals_take_turns_and_each_round_starts_with_another(timing):
    calls = []
    timing.SHORTEST = 0.0  # one call per reading
    timing.interleave({name: (lambda name=name: calls.append(name)) for name in "abc"}, seconds=0, least=3)
    warm_up = ["a", "a", "b", "b", "c", "c"]
    assert calls == warm_up + list("abc" + "bca" + "cab")


def test_a_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians(timing):
    samples = timing.Samples({"slow": [2.0, 30.0, 4.0], "fast": [1.0, 10.0, 4.0]})
    assert samples.ratio("slow", "fast") == (2.0, 1.5, 2.5)
    assert samples.seconds("slow") == 4.0
    assert samples.best(["slow", "fast"]) in {"slow", "fast"}


@pytest.mark.parametrize(("target", "exact"), [(1e-3, 56.23), (1e-4, 100.0), (1e-6, 316.2)])
def test_fewest_steps_of_a_fourth_order_method_are_found_to_three_per_cent(timing, target, exact):
    seen = []

    def error(steps: int) -> float:
        seen.append(steps)
        return 1e4 * steps**-4.0 if steps > 20 else float("inf")

    found = timing.fewest(error, target, 8)
    assert exact <= found <= 1.04 * exact + 1
    assert len(seen) < 16


def test_a_table_is_markdown_and_keeps_its_columns(timing):
    table = timing.Table("Title", "at most 1", ("a", "b"), ("A note.",))
    table.add("1", timing.met(0.9, most=1))
    table.add("2", timing.met(1.1, most=1))
    with pytest.raises(ValueError, match="2 columns, not 1"):
        table.add("3")
    head = "### Title\n\nGoal: at most 1.\n\n| a | b |\n| --- | --- |\n"
    assert table.markdown() == f"{head}| 1 | met |\n| 2 | **missed** |\n\nA note.\n"


def test_times_are_told_in_the_unit_that_suits(timing):
    assert [timing.time_of(t) for t in (1.234e-5, 0.0456, 7.0)] == ["12.3 µs", "45.6 ms", "7 s"]
