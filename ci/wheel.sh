#!/usr/bin/env bash
# The wheel holds what the three links point to, and works where it is installed.
set -euo pipefail
. "$(dirname "$0")/env.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Built from a copy: an old build/ in the tree would put deleted modules into the wheel.
mkdir "$scratch/tree"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$scratch/tree"
# Objects that are newer than their sources need not be compiled again.
for objects in build/kernels-*; do
    [ ! -d "$objects" ] || { mkdir -p "$scratch/tree/build" && cp -a "$objects" "$scratch/tree/build/"; }
done
python -m build --wheel --no-isolation --outdir "$scratch" "$scratch/tree" >"$scratch/log" 2>&1 ||
    { cat "$scratch/log"; exit 1; }

python - "$scratch" <<'PY'
import os
import sys
from pathlib import Path
from zipfile import ZipFile

scratch = Path(sys.argv[1])
tree = scratch / "tree"
[wheel] = scratch.glob("*.whl")
held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
wanted = {
    str(Path("pdebench") / path.relative_to(tree))
    for pattern in ("solvers/**/*.py", "solvers/**/*.pyi", "datasets/**/*.yaml", "leaderboards/**/task.yaml")
    for path in tree.glob(pattern)
}
# Everything in the package itself, its data too; the links, which walk does not follow, are looked at above.
for folder, _, names in os.walk(tree / "pdebench"):
    wanted |= {str((Path(folder) / name).relative_to(tree)) for name in names if not name.endswith(".pyc")}
held -= {name for name in held if name.endswith((".so", ".pyd"))}  # compiled where a compiler is
if lacking := wanted - held:
    sys.exit(f"the wheel lacks {', '.join(sorted(lacking))}")
if extra := held - wanted:
    sys.exit(f"the wheel should not hold {', '.join(sorted(extra))}")
ZipFile(wheel).extractall(scratch / "site")
print(f"wheel: {wheel.name}, {len(held)} files")
PY

cd "$scratch"
PYTHONPATH="$scratch/site" python - <<'PY'
from pathlib import Path
import pdebench, pdebench.solvers

assert Path(pdebench.__file__).is_relative_to(Path.cwd() / "site"), pdebench.__file__
PY
