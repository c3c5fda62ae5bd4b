#!/usr/bin/env bash
set -euo pipefail
. "$(dirname "$0")/env.sh"
pytest tests/benchmarks --benchmark-enable --benchmark-only -p no:xdist "$@"
