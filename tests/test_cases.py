"""Members that a card lists: their number, names, values and splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from specs import tiny_spec

from pdebench import sample
from pdebench.errors import CardError
from pdebench.spec import DatasetSpec, load_spec, parse


@pytest.mark.parametrize(("card", "counts"), [
    ("cfd_cavity", (50, 84, 25)), ("cfd_tube", (50, 100, 25)), ("cfd_cylinder", (50, 115, 20)),
])  # fmt: skip
def test_the_published_numbers_of_cases(card: str, counts: tuple[int, ...]) -> None:
    spec = load_spec(card)
    assert tuple(len(group.rows) for group in spec.cases) == counts
    names = [name for name, _ in spec.listed]
    assert len(set(names)) == spec.samples.count == sum(counts)
    drawn = {tuple(sample.parameters(spec, m).items()) for m in range(counts[0])}
    assert len(drawn) == counts[0]  # the lone parameter of the first group takes as many values
    usual = {name: law.value for name, law in spec.parameters.items()}
    assert all(usual | changes == sample.parameters(spec, m) for m, (_, changes) in enumerate(spec.listed))


def test_splits_share_no_member_and_the_families_make_up_the_whole() -> None:
    spec = load_spec("cfd_cylinder")
    whole = [m for split in ("train", "valid", "test") for m in spec.split(split)]
    assert sorted(whole) == list(range(spec.samples.count))
    for split in ("train", "valid", "test"):
        parts = [spec.split(f"{split}_{group.name}") for group in spec.cases]
        assert [m for part in parts for m in part] == list(spec.split(split))


def test_a_range_of_members_is_a_fair_sample_of_its_group() -> None:
    spec = load_spec("cfd_cavity")
    speeds = np.array([sample.parameters(spec, m)["speed"] for m in range(50)])
    assert sorted(speeds) == list(range(1, 51))
    assert abs(speeds[:40].mean() - 25.5) < 4  # 2 standard errors of 40 drawn from 50: 2 × 14.4 / √40 × √(10/49)


def case(**changes: Any) -> DatasetSpec:
    values = {"name": "speeds", "values": {"viscosity": [1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 6e-3, 7e-3, 8e-3]}}
    data = tiny_spec().model_dump(mode="json") | {"cases": [values | changes.pop("group", {})]} | changes
    data["parameters"]["viscosity"] = {"value": 1e-3}
    return parse(DatasetSpec, data, where="card")


@pytest.mark.parametrize(("changes", "words"), [
    ({"group": {"values": {"viscosity": [1.0]}}}, r"samples.count is \d+, but the card lists 1 cases"),
    ({"group": {"values": {"wind": [1.0]}}}, "lists wind, which needs a parameters.wind.value"),
    ({"splits": {"train": [[0, 2], [1, 3]]}}, "overlaps no other split"),
    ({"splits": {"learn": [0, 2]}}, "learn"),
])  # fmt: skip
def test_a_card_with_wrong_cases_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError, match=words):
        case(**changes)
