"""The pages of a board: nothing else needed, nothing hostile run, everything said in words."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boards import HOSTILE, change_task, page_of, picture, record, tree
from PIL import Image

from pdebench.board import board, task_standing
from pdebench.board.samples import galleries
from pdebench.board.tables import columns
from pdebench.picture import take


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tree(tmp_path)


class Reader(HTMLParser):
    """Tags, attributes and scripts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts.append(data)
            self._inside = False


def test_hostile_text_stays_text(root: Path) -> None:
    change_task(root, title=f"Title {HOSTILE}", description=HOSTILE)
    hostile = record(
        HOSTILE,
        model=HOSTILE,
        options={HOSTILE: HOSTILE},
        hardware=HOSTILE,
        versions={HOSTILE: HOSTILE},
        commit=HOSTILE,
        created=HOSTILE,
        fields=[HOSTILE],
        picture=picture(),
    )
    read = Reader(page_of(root, hostile))
    assert len(read.scripts) == 1
    assert read.scripts[0].startswith('"use strict"')
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    readme = (root / "leaderboards" / "tiny_rollout" / "README.md").read_text()
    assert "<script" not in readme
    (row,) = (line for line in readme.splitlines() if "alert" in line and line.startswith("| 1 "))
    assert len(re.findall(r"(?<!\\)\|", row)) == 1 + len(columns(task_standing("tiny_rollout", root)))


def test_page_needs_nothing_else_and_lets_no_other_script_run(root: Path) -> None:
    page = page_of(root, record("a", picture=picture()), record("k", 0.05, kind="classical"))
    read = Reader(page)
    links = [v for _, a in read.tags for k, v in a.items() if k in {"src", "href", "xlink:href"} and v]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    (policy,) = (a["content"] for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(read.scripts[0].encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_table_can_be_sorted_by_keyboard_and_is_marked_as_sorted(root: Path) -> None:
    page = page_of(root, record("a"), record("b"))
    read = Reader(page)
    heads = [a for t, a in read.tags if t == "th" and a.get("scope") == "col"]
    assert len(heads) == page.count('<button type="button"') == len(columns(task_standing("tiny_rollout", root)))
    assert [h.get("aria-sort") for h in heads] == ["ascending", *[None] * (len(heads) - 1)]
    assert heads[2]["data-first"] == "ascending"  # nrmse
    assert [h["data-first"] for h in heads].count("descending") == 3  # speed-up and the two correlations
    assert 'data-order="0.2"' in page


def test_every_picture_is_described_and_every_plot_takes_the_colours_of_the_page(root: Path) -> None:
    page = page_of(root, record("a", picture=picture()), record("k", 0.05, kind="classical", picture=picture(0)))
    read = Reader(page)
    pictures = [a.get("alt") or "" for t, a in read.tags if t == "img"]
    assert len(pictures) == 6  # scale, truth, and two of each model
    assert all(pictures)
    plots = [a for t, a in read.tags if t == "svg" and a.get("role") == "img"]
    assert len(plots) == 2
    assert all(a.get("aria-label") for a in plots)
    assert "#0b0d" not in page
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("primary", ["correlation", "correlation_time"])
def test_page_of_a_metric_that_rises(root: Path, primary: str) -> None:
    change_task(root, primary=primary)
    page = page_of(root, record("a"), record("k", 0.3, kind="classical"), record("p", 1.0, kind="reference"))
    assert page.count('role="img"') == (2 if primary == "correlation" else 1)  # one value each has no curve
    assert "upper left is better" in page


def test_page_of_eight_models_and_three_fields_is_light(root: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (4, 3, 128, 128)
    truth, *noise = rng.normal(size=(9, *shape))
    shown = [take(4, [1, 2, 3, 4], truth, each) for each in noise]
    several = [record(f"m{i}", 0.1 + i, fields=["u", "v", "p"], picture=each) for i, each in enumerate(shown)]
    assert len(page_of(root, *several)) < 3_000_000


def test_a_label_is_not_mathematics(root: Path) -> None:
    page = page_of(root, record(r"$\frac$ net"))
    assert page.count(r">$\frac$ net</text>") == 2  # at the curve's end and beside the point


def test_tasks_without_records_are_left_alone(root: Path) -> None:
    assert board(root) == []


# Sample fields


def colours(image: bytes) -> Any:
    return np.asarray(Image.open(BytesIO(image)).convert("RGB")).astype(int)


def test_strips_show_truth_prediction_and_magnified_error() -> None:
    wave = np.sin(np.arange(8) * np.pi / 4)
    (gallery,) = galleries([record("a", picture=picture(wave + 0.04)), record("b", picture=picture(wave))])
    (_, prediction, error), (_, same, nothing) = gallery.models
    assert gallery.scale == pytest.approx((-1.0, 1.0), abs=1e-3)
    assert gallery.times == (0.5, 1.0)
    assert error.magnified == 20.0  # 0.04 × 20 = 0.8 fits, × 50 = 2 does not
    assert nothing.magnified == 1.0
    assert same.image == gallery.truth.image != prediction.image
    red, _, blue = colours(error.image)[0, 0]
    assert red > blue + 100  # too high everywhere
    assert np.ptp(colours(nothing.image)[0, 0]) < 10  # the neutral middle


def test_of_several_trainings_the_first_with_a_picture_is_shown(root: Path) -> None:
    page = page_of(root, record("a", seed=0), record("a", seed=1, picture=picture()))
    assert "a, prediction: " in page


def test_up_is_up_and_what_is_not_finite_is_grey() -> None:
    field = np.zeros((8, 8))
    field[0] = 1.0
    field[7, 3] = np.nan
    (gallery,) = galleries([record("a", picture=picture(field))])
    shown = colours(gallery.models[0][1].image)
    assert shown[7, 0, 0] > shown[7, 0, 2] + 50  # the first row of the array is the lowest
    assert shown[0, 3].tolist() == [128, 128, 128]
