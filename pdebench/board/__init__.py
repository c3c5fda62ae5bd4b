"""Leaderboards: records in, a table in Markdown and one self-contained page out. Nothing is measured here."""

from __future__ import annotations

from pathlib import Path

from ..errors import RecordError
from ..task import Record, load_record
from .admission import check_record, check_verdict, find_spec, find_task, submit
from .page import page_html
from .readme import readme_text
from .standing import Entry, Standing, stand

__all__ = ["Entry", "Standing", "board", "page_html", "readme_text", "stand", "submit", "task_standing"]


def board(root: Path) -> list[Path]:
    """Write `README.md` and `index.html` of every task under `root/leaderboards` that has records; what was written."""
    written = []
    for card in sorted((root / "leaderboards").glob("*/task.yaml")):
        if not any((card.parent / "records").glob("*.json")):
            continue
        table = task_standing(card.parent.name, root)
        for name, text in (("README.md", readme_text(table)), ("index.html", page_html(table))):
            path = card.parent / name
            partial = path.with_name(f".{name}.partial")
            partial.write_text(text, encoding="utf-8")
            partial.replace(path)
            written.append(path)
    return written


def task_standing(name: str, root: Path) -> Standing:
    """Who stands where on one task. Records of another version of it or of its data are set aside, with the reason."""
    task = find_task(name, root)
    spec = find_spec(task, root)
    fitting: list[Record] = []
    aside: dict[str, str] = {}
    for path in sorted((root / "leaderboards" / name / "records").glob("*.json")):
        record = load_record(path)
        try:
            check_record(record, task, spec)
            check_verdict(record, root)
        except RecordError as error:
            aside[path.name] = str(error)
        else:
            fitting.append(record)
    return stand(task, spec, fitting, aside)
