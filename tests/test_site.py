"""The site, as a reader meets it: in a browser, from the disk, with a mouse and without."""

from __future__ import annotations

import os
import shutil
import threading
import urllib.request
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from boards import HOSTILE, TASK, change_task, picture, put, record, tree
from PIL import Image

from pdebench.errors import PdebenchError
from pdebench.site import serve_site, write_site

Open = Callable[..., Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with one dataset, which has a picture, and one task with four records, one of which diverged."""
    root = tree(tmp_path / "tree")
    Image.fromarray(np.zeros((900, 3000, 3), np.uint8)).save(root / "datasets" / "tiny" / "picture.png")
    lost = record("d").values | {"nrmse": [[[inf]] * 4] * 2}
    put(
        root,
        record("a", 0.3, picture=picture()),
        record("b", 0.1, picture=picture(0)),
        record("k", 0.2, kind="classical"),
        record("d", values=lost, scores=record("d").scores | {"nrmse": inf}),
    )
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found = None
    if found is None:
        assert not os.environ.get("CI"), "CI has neither chromium nor playwright"
        pytest.skip("needs chromium (apt-get install chromium) and playwright (pip install playwright)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def opened(root: Path, tmp_path: Path, browser: Any) -> Iterator[Open]:
    """Opens a page of the site from the disk; at the end no page may have complained."""
    write_site(root, tmp_path / "site")
    complaints: list[str] = []

    def open_page(name: str, width: int = 1200) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto((tmp_path / "site" / name).as_uri())
        return page

    yield open_page
    assert complaints == []


def names(page: Any) -> list[str]:
    """Models in the order of the table, without their kind; those that the filter hides left out."""
    return [text[0] for text in page.locator("#ranking-table tbody tr:not([hidden]) th").all_inner_texts()]


def test_a_click_sorts_and_a_second_turns_the_order(opened: Open) -> None:
    page = opened("tasks/tiny_rollout.html")
    head = page.locator("#ranking-table thead th").nth(2)
    assert names(page) == ["b", "k", "a", "d"]
    page.locator("#ranking-table thead button").nth(1).click()
    assert names(page) == ["a", "b", "d", "k"]
    for order, expected in (("ascending", ["b", "k", "a", "d"]), ("descending", ["a", "k", "b", "d"])):
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert names(page) == expected  # what diverged stays last
        assert head.get_attribute("aria-sort") == order
    assert page.locator('[data-speaks-of="ranking-table"]').inner_text() == "Sorted by nrmse, descending."


def test_filter_keeps_the_rows_that_hold_every_word(opened: Open) -> None:
    page = opened("tasks/tiny_rollout.html")
    page.get_by_label("Show models with").fill("CLASSICAL")
    assert names(page) == ["k"]
    page.get_by_label("Show models with").fill("neural b")
    assert names(page) == ["b"]
    assert page.locator('[data-speaks-of="ranking-table"]').inner_text() == "1 of 4 rows shown."
    page.get_by_label("Show models with").fill("")
    assert len(names(page)) == 4


def test_slider_moves_every_picture_and_says_the_time(opened: Open) -> None:
    page = opened("tasks/tiny_rollout.html")
    viewer = page.locator(".viewer").first
    slider = viewer.get_by_label("time")
    image = viewer.locator(".window img").first
    slider.scroll_into_view_if_needed()

    def left() -> float:
        box, window = image.bounding_box(), viewer.locator(".window").first.bounding_box()
        return float((box["x"] - window["x"]) / window["width"])

    assert left() == pytest.approx(-1, abs=0.01)  # the last of two frames
    assert viewer.locator("output").inner_text() == "t = 1"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert left() == pytest.approx(0, abs=0.01)
    assert slider.get_attribute("aria-valuetext") == "t = 0.5"
    viewer.get_by_role("button", name="Play").click()
    viewer.locator("output", has_text="t = 1").wait_for()
    viewer.get_by_role("button", name="Stop").click()


def test_classical_solvers_share_one_entry_of_the_legend(opened: Open) -> None:
    page = opened("tasks/tiny_rollout.html")
    items = "Chart.getChart(document.querySelector('figure.rollout canvas')).legend.legendItems.map((i) => i.text)"
    assert page.evaluate(items) == ["b", "a", "d", "classical solvers"]


def test_plots_tell_what_is_under_the_pointer(opened: Open) -> None:
    page = opened("tasks/tiny_rollout.html")
    assert page.locator("figure canvas").count() == 2
    assert page.locator("figure.rollout svg").count() == 0
    canvas = page.locator("figure.rollout canvas")
    canvas.hover()
    chart = "Chart.getChart(document.querySelector('figure.rollout canvas'))"
    told = page.evaluate(f"{chart}.tooltip.body.map((part) => part.lines[0])")
    assert sorted(told) == ["a: 0.6", "b: 0.2", "k: 0.4"]
    assert "b 0.200 in 1.00 s" in page.locator("figure.precision canvas").get_attribute("aria-label")


def test_seeds_fronts_and_ties_are_told_in_words_and_rings(root: Path, opened: Open, tmp_path: Path) -> None:
    """In the table, in the tooltip, and as a ring around the points of the front; on a phone too."""
    several = [record("net", error, seed=i, weights_sha256=str(i)) for i, error in enumerate((0.04, 0.05, 0.06))]
    put(root, *several, record("k", 0.2, kind="classical"), record("poor", 0.4, seed=0))
    write_site(root, tmp_path / "site")
    page = opened("tasks/tiny_rollout.html", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heads = page.locator("#ranking-table thead th").all_inner_texts()
    row = page.locator("#ranking-table tbody tr", has=page.locator("th", has_text="net")).locator("td, th")
    said = dict(zip(heads, row.all_inner_texts(), strict=True))
    assert said["training seeds"].split() == ["3", "0.0800", "to", "0.120"]
    assert said["Pareto front"] == "on it"
    assert "fewer than 3" in page.locator("#ranking-table tbody tr", has_text="poor").inner_text()
    assert "not told apart" in page.locator("#ranking-table").inner_text()
    page.locator("#ranking-table thead button", has_text="training seeds").click()
    assert names(page)[0] == "p"  # one training before three; classical solvers have none and come last
    chart = "Chart.getChart(document.querySelector('figure.precision canvas'))"
    assert page.evaluate(f"{chart}.data.datasets.filter((set) => set.front).map((set) => set.label)") == ["net"]
    page.locator("figure.precision canvas").scroll_into_view_if_needed()
    x, y = page.evaluate(f"(({{x, y}}) => [x, y])({chart}.getDatasetMeta(0).data[0])")
    page.locator("figure.precision canvas").hover(position={"x": x, "y": y})
    told = page.evaluate(f"{chart}.tooltip.body.flatMap((part) => part.lines)")
    assert "3 seeds: 0.08 to 0.12" in told
    assert any(line.endswith("on the Pareto front") for line in told)


@pytest.mark.parametrize("name", ["index.html", "tasks/tiny_rollout.html", "datasets/tiny.html"])
def test_pages_fit_a_phone_and_links_lead_somewhere(opened: Open, tmp_path: Path, name: str) -> None:
    page = opened(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for link in page.locator("a").all():
        target = (tmp_path / "site" / name).parent / link.get_attribute("href")
        assert target.resolve().is_file(), target
    unnamed = "[...document.querySelectorAll('button, input')].filter(e => !(e.textContent || e.labels?.length)).length"
    assert page.evaluate(unnamed) == 0
    assert page.evaluate("[...document.images].every(i => i.loading === 'lazy' && i.hasAttribute('alt'))")


def test_hostile_text_does_nothing(root: Path, opened: Open, tmp_path: Path) -> None:
    change_task(root, title=f"Title {HOSTILE}", description=HOSTILE)
    put(root, record(HOSTILE, picture=picture(), hardware=HOSTILE))
    write_site(root, tmp_path / "site")
    for name in ("index.html", "tasks/tiny_rollout.html"):
        page = opened(name)
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog said {dialog.message}"))
        assert page.locator("[onload]").count() == 0
        assert "<script>alert(1)</script>" in page.locator("body").inner_text()


def test_site_is_light(root: Path, tmp_path: Path) -> None:
    write_site(root, tmp_path / "site")
    page = (tmp_path / "site" / "tasks" / "tiny_rollout.html").read_text()
    assert "data:image" not in page
    assert len(page) < 80_000
    with Image.open(tmp_path / "site" / "pictures" / "tiny-320.webp") as thumb:
        assert thumb.width == 320


def test_tasks_that_have_models_stand_first(root: Path, tmp_path: Path) -> None:
    other = root / "leaderboards" / "an_empty_task" / "task.yaml"
    other.parent.mkdir()
    other.write_text(yaml.safe_dump(TASK | {"name": "an_empty_task"}))
    write_site(root, tmp_path / "site")
    index = (tmp_path / "site" / "index.html").read_text()
    assert 0 < index.index("tasks/tiny_rollout.html") < index.index("tasks/an_empty_task.html")


def test_dataset_page_says_what_one_must_know(root: Path, tmp_path: Path) -> None:
    write_site(root, tmp_path / "site")
    page = (tmp_path / "site" / "datasets" / "tiny.html").read_text()
    for words in (
        "CC-BY-4.0",
        "@misc{pdebench_tiny",
        "pdebench generate tiny",
        "certificate",
        "tasks/tiny_rollout.html",
    ):
        assert words in page
    assert "splits:" in page  # the card itself


def test_a_tree_without_cards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PdebenchError, match="no cards under"):
        write_site(tmp_path, tmp_path / "site")


def test_site_is_served_and_a_taken_port_is_named(root: Path, tmp_path: Path) -> None:
    write_site(root, tmp_path / "site")
    told: list[str] = []
    heard = threading.Event()

    def tell(url: str) -> None:
        told.append(url)
        heard.set()

    threading.Thread(target=serve_site, args=(tmp_path / "site", 0, tell), daemon=True).start()
    assert heard.wait(10)
    with urllib.request.urlopen(told[0] + "index.html") as answer:
        assert b"pdebench leaderboards" in answer.read()
    port = int(told[0].rstrip("/").rsplit(":", 1)[1])
    with pytest.raises(PdebenchError, match=f"port {port} cannot be had"):
        serve_site(tmp_path / "site", port, tell)
