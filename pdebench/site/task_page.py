"""The page of a task: the board's own page, with plots that answer to the pointer and samples with a time slider."""

from __future__ import annotations

from pathlib import Path

from ..board.page import Dress, figures, page_html
from ..board.plots import styles
from ..board.standing import Standing
from . import charts, frame, viewer


def page(standing: Standing, pictures: Path) -> str:
    """HTML; the sample fields are written into the folder `pictures`."""
    look = styles(standing)
    drawn = figures(standing, look)
    dress = Dress(
        policy=frame.POLICY,
        styles=frame.styles("../"),
        scripts=frame.scripts("../", charts=True),
        home=frame.home("../", "leaderboard"),
        plots=drawn and drawn + charts.block(standing, look),
        samples=viewer.section(standing, pictures),
    )
    return page_html(standing, dress)
