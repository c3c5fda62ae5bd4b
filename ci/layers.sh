#!/usr/bin/env bash
# Imports point down; every module has a layer (setup.cfg).
set -euo pipefail
. "$(dirname "$0")/env.sh"
report=$(lint-imports 2>&1) || { echo "$report"; exit 1; }
