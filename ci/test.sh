#!/usr/bin/env bash
# Everything that must hold, the quick first; the last line is pytest's. Arguments go to the main suite.
set -euo pipefail
. "$(dirname "$0")/env.sh"
failed=()
for step in lint layers types wheel sanitize mpi slurm; do
    started=$SECONDS
    echo "== $step"
    "ci/$step.sh" || failed+=("$step")
    echo "   $((SECONDS - started)) s"
done
if command -v g++ >/dev/null; then
    python -c 'from pdebench.solvers import kernels; assert kernels.available(), "the kernels did not compile"' ||
        failed+=("kernels")
fi
[ ${#failed[@]} = 0 ] || echo "== FAILED: ${failed[*]}"
echo "== tests"
status=0
pytest -n "${PYTEST_WORKERS:-2}" --ignore=tests/mpi --ignore=tests/slurm "$@" || status=$?
[ ${#failed[@]} = 0 ] || status=1
exit "$status"
