#!/usr/bin/env bash
# The tests that start mpiexec themselves; without MPI they are skipped, but never in CI.
set -euo pipefail
. "$(dirname "$0")/env.sh"
if ! command -v mpiexec >/dev/null || ! python -c 'import mpi4py' 2>/dev/null; then
    echo "mpi: skipped, no mpiexec or no mpi4py (ci/setup.sh says how to get them)"
    [ -z "${CI:-}" ]
    exit
fi
pytest -q tests/mpi "$@"
