"""The boards of flow round shapes: a task per problem and split, in roll-outs and in single steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from needs import needs_dolfinx

from pdebench.evaluate import evaluate
from pdebench.generate import generate
from pdebench.spec import load_spec
from pdebench.store import TrajectoryStore
from pdebench.task import load_task

PROBLEMS = ("cfd_cavity", "cfd_tube", "cfd_cylinder", "cfd_dam")
WHOLE = [f"{problem}{split}" for problem in PROBLEMS for split in ("", "_boundary", "_property", "_geometry", "_demo")]


@pytest.mark.parametrize("name", WHOLE)
def test_each_problem_and_split_has_a_task_of_roll_outs_and_one_of_single_steps(name: str) -> None:
    rolled, stepped = load_task(name), load_task(f"{name}_step")
    spec = load_spec(rolled.dataset)
    assert rolled.split == stepped.split == "test" + name.removeprefix(rolled.dataset)
    assert stepped.horizon == rolled.history == stepped.history == 1 and stepped.every and rolled.every is None
    assert rolled.horizon >= 20 and rolled.frames[-1] < spec.times.frames
    assert len(stepped.starts(spec.times.frames)) >= 20
    for task in (rolled, stepped):
        classical = [one.options for one in task.baselines if one.name == "classical"]
        assert "persistence" in [one.name for one in task.baselines]
        other = {"sharpening": 0.0} if "dam" in name else {"form": "standard"}
        for more in (dict.fromkeys(other), other):  # two methods on four grids, nowhere finer than the truth's
            shapes = [one["shape"] for one in classical if {name: one.get(name) for name in other} == more]
            assert len(shapes) == 4
            assert all(n <= most for shape in shapes for n, most in zip(shape, spec.grid.shape, strict=True))


@pytest.mark.parametrize("ending", ["", "_step"])
def test_a_board_ranks_the_classical_solver_by_its_mesh(ending: str, tmp_path: Path) -> None:
    needs_dolfinx()
    task = load_task(f"cfd_cylinder_demo{ending}")
    small = {"store.shape": [24, 24], "times.frames": 4, "times.start": 0.05, "solver.grading": 0.5}
    few = {"cases": [{"name": "speed", "values": {"speed": [1.0]}}], "samples.count": 1, "splits": {"test": [0, 1]}}
    spec = load_spec(task.dataset, small | few)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True)))
    generate(spec, tmp_path / "store")
    store = TrajectoryStore.open(tmp_path / "store")
    asked = task.model_copy(update={"horizon": min(task.horizon, 2), "dataset": str(tmp_path / "card.yaml")})
    models = [("classical", {"shape": shape, "most_cell_reynolds": 1e6}) for shape in ([20, 28], [8, 12])]
    errors = [evaluate(name, store, asked, options=options, batch=1).scores[task.primary] for name, options in models]
    assert errors[0] < errors[1], errors  # over so few frames a coarse mesh need not beat persistence
