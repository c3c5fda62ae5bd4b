#!/usr/bin/env bash
set -euo pipefail
. "$(dirname "$0")/env.sh"
mypy --no-error-summary
