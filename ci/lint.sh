#!/usr/bin/env bash
set -euo pipefail
. "$(dirname "$0")/env.sh"
ruff check --quiet --output-format concise .
ruff format --check --output-format concise . || { echo "to format: ruff format ."; exit 1; }
