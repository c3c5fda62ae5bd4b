#!/usr/bin/env bash
# Benchmarks.
#   ci/bench.sh [pytest options]      tests/benchmarks, by pytest-benchmark
#   ci/bench.sh TOPIC [options]       a topic of ci/bench (periodic, krylov, volume, elements, online, claims) against its rivals, as tables; --help tells its options
# The rivals are installed once into ${PDEBENCH_BENCH_DIR:-~/.cache/pdebench-bench}, with the versions of ci/bench/requirements.txt.
set -euo pipefail
. "$(dirname "$0")/env.sh"
topic="${1:-}"
if [ -z "$topic" ] || [ ! -d "ci/bench/$topic" ]; then
    exec pytest tests/benchmarks --benchmark-enable --benchmark-only -p no:xdist "$@"
fi
shift
if [[ "$topic" =~ ^(krylov|elements|online|claims)$ ]]; then  # no rivals but what pdebench itself uses
    export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
    PYTHONPATH="$PWD/ci/bench" exec python -m "$topic" "$@"
fi
. ci/bench/environment.sh
# One thread for everybody.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
export XLA_FLAGS="--xla_cpu_multi_thread_eigen=false" JAX_PLATFORMS=cpu
# pdebench itself comes from the tree; its registries read their names from here.
mkdir -p build/bench && python setup.py -q egg_info --egg-base build/bench 2>/dev/null
PYTHONPATH="$PWD/ci/bench:$PWD:$PWD/build/bench" exec "$rivals/bin/python" -m "$topic" "$@"
