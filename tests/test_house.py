"""The house rules that no tool checks: a light import, generated pages that are not stale, one name for one project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pdebench.board import readme_text, task_standing
from pdebench.describe import readme
from pdebench.spec import load_spec

ROOT = Path(__file__).parent.parent
HEAVY = {"numpy", "pydantic", "zarr", "xarray", "dask", "torch", "matplotlib", "mpi4py", "petsc4py", "dolfinx"}


def run(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


def test_import_is_light():
    ran = run("import sys, pdebench; print(*sys.modules)")
    assert not HEAVY & set(ran.stdout.split())


def test_every_name_that_is_exported_is_there():
    ran = run("import pdebench; print([getattr(pdebench, name) for name in pdebench.__all__])")
    assert ran.returncode == 0, ran.stderr
    assert "generate" in ran.stdout


def test_the_older_project_of_the_same_name_is_refused(tmp_path):
    (tmp_path / "pdebench-0.2.0.dist-info").mkdir()
    ran = run("import pdebench", env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert ran.returncode != 0
    assert "pip uninstall pdebench" in ran.stderr


def test_solvers_have_one_name_only():
    ran = run("import solvers", cwd=ROOT)
    assert ran.returncode != 0
    assert "import pdebench.solvers, not solvers" in ran.stderr


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in (ROOT / "datasets").glob("*/card.yaml")), ids=lambda p: p.name
)
def test_the_readme_of_a_dataset_says_what_its_card_says(folder):
    assert (folder / "README.md").read_text() == readme(load_spec(folder / "card.yaml")), (
        f"stale: pdebench describe {folder.name} --write"
    )
    assert (folder / "picture.png").stat().st_size > 3000


BOARDS = sorted({path.parent.parent for path in (ROOT / "leaderboards").glob("*/records/*.json")})


@pytest.mark.parametrize("folder", BOARDS, ids=lambda p: p.name)
def test_the_table_of_a_leaderboard_says_what_its_records_say(folder):
    standing = task_standing(folder.name, ROOT)
    assert not standing.aside
    assert (folder / "README.md").read_text() == readme_text(standing), "stale: pdebench board"
    assert (folder / "index.html").stat().st_size > 100_000
