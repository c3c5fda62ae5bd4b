"""The boards of water and gas: each task is answered by what it names, small, and ranked as it should be."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pdebench.evaluate import evaluate
from pdebench.generate import generate
from pdebench.spec import load_spec
from pdebench.store import TrajectoryStore
from pdebench.task import load_task


@pytest.mark.parametrize(
    ("name", "axes"),
    [("swe2d_radial_dam_break", 2), ("euler2d_kh_demo", 2), ("advection1d", 1), ("burgers1d", 1), ("cns1d_shock", 1)],
)
def test_a_board_ranks_the_classical_solver_by_its_grid(name: str, axes: int, tmp_path: Path) -> None:
    small = {"grid.shape": [64] * axes, "store.shape": [32] * axes, "times.frames": 4, "times.step": 0.1}
    few = {"samples.count": 2, "samples.unit": 2, "splits": {"test": [0, 2]}}
    task = load_task(name)
    spec = load_spec(task.dataset, small | few)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    generate(spec, tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    asked = task.model_copy(update={"horizon": 3, "dataset": str(tmp_path / "card.yaml")})
    assert [one.name for one in task.baselines] == ["persistence", *["classical"] * 8]  # two methods on four grids
    errors = [
        evaluate(model, store, asked, options=options).scores[task.primary]
        for model, options in (
            ("classical", {"shape": [32] * axes}),
            ("classical", {"shape": [16] * axes}),
            ("persistence", {}),
        )
    ]
    assert errors[0] < errors[1] < errors[2], errors
