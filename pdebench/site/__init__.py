"""The leaderboards as a static site: a page per task and per dataset, which work from a disk, a phone and a server."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from PIL import Image

from ..board import Standing, task_standing
from ..board.page import asset
from ..errors import PdebenchError
from ..spec import DatasetSpec, load_spec
from ..task import Task, load_task
from . import dataset_page, index_page, task_page
from .serving import serve_site

__all__ = ["serve_site", "write_site"]

WIDTHS = (320, 1400)  # pixels at most: in the list of datasets, on the page of one
ASSETS = ("chart.js", "chart.LICENSE.md", "site.css", "site.js")


def write_site(root: Path, out: Path) -> list[Path]:
    """Write the site of the cards and records under `root` into `out`; the pages written.

    `out` holds `index.html`, `tasks/`, `datasets/`, `pictures/` and `assets/`; files of other names are left alone.
    Raises `PdebenchError` where `root` has no cards.
    """
    specs = {path.parent.name: load_spec(path) for path in sorted((root / "datasets").glob("*/card.yaml"))}
    tasks = {path.parent.name: load_task(path) for path in sorted((root / "leaderboards").glob("*/task.yaml"))}
    if not specs and not tasks:
        raise PdebenchError(f"no cards under {root}: the site is made of its datasets/ and leaderboards/")
    standings = {name: task_standing(name, root) for name in tasks}
    for folder in ("tasks", "datasets", "pictures", "assets"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    _assets(out / "assets")
    shown = {name: _picture(root, name, out) for name in specs}
    thumbs = {name: places.get(WIDTHS[0]) for name, places in shown.items()}
    pages = [_page(out / "index.html", index_page.page(standings, specs, thumbs))]
    for name, standing in standings.items():
        pages.append(_page(out / "tasks" / f"{name}.html", task_page.page(standing, out / "pictures")))
    for name, spec in specs.items():
        card = (root / "datasets" / name / "card.yaml").read_text(encoding="utf-8")
        own = _tasks_of(spec, tasks, standings)
        pages.append(
            _page(out / "datasets" / f"{name}.html", dataset_page.page(spec, card, own, shown[name].get(WIDTHS[1])))
        )
    return pages


def _assets(folder: Path) -> None:
    for name in ASSETS:
        with as_file(files(__package__) / "assets" / name) as path:
            shutil.copyfile(path, folder / name)
    for name in ("page.css", "page.js"):
        (folder / name).write_text(asset(name), encoding="utf-8")


def _picture(root: Path, name: str, out: Path) -> dict[int, str]:
    """The dataset's picture at each of `WIDTHS`: where it lies in the site. Empty where there is none."""
    source = root / "datasets" / name / "picture.png"
    if not source.is_file():
        return {}
    shown = {width: f"pictures/{name}-{width}.webp" for width in WIDTHS}
    with Image.open(source) as whole:
        for width, place in shown.items():
            small = whole.convert("RGB")
            small.thumbnail((width, width))
            small.save(out / place, "WEBP", quality=85)
    return shown


def _tasks_of(spec: DatasetSpec, tasks: dict[str, Task], standings: dict[str, Standing]) -> list[Standing]:
    return [standings[name] for name, task in tasks.items() if task.dataset == spec.name]


def _page(path: Path, text: str) -> Path:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)
