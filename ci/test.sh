#!/usr/bin/env bash
# Everything that must hold; the last line is pytest's. Arguments go to the main suite.
set -euo pipefail
. "$(dirname "$0")/env.sh"
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

# Steps one after the other; what each says is shown when it is done.
steps() {
    for step; do
        local started=$SECONDS
        "ci/$step.sh" >"$said/$step" 2>&1 || echo "$step" >>"$said/failed"
        echo "== $step"$'\n'"$(cat "$said/$step")"$'\n'"   $((SECONDS - started)) s"  # at once: another may speak
    done
}

# Two cores: what takes one each goes side by side; ranks want the machine for themselves.
steps sanitize &
beside=$!
steps lint layers types wheel slurm
wait "$beside" || echo sanitize >>"$said/failed"  # killed, it could not say so itself
steps mpi
if command -v g++ >/dev/null; then
    python -c 'from pdebench.solvers import kernels; assert kernels.available(), "the kernels did not compile"' ||
        echo kernels >>"$said/failed"
fi
[ ! -e "$said/failed" ] || echo "== FAILED:" $(cat "$said/failed")
echo "== tests"
status=0
pytest -n "${PYTEST_WORKERS:-2}" --ignore=tests/mpi --ignore=tests/slurm "$@" || status=$?
[ ! -e "$said/failed" ] || status=1
exit "$status"
