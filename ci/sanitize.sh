#!/usr/bin/env bash
# The compiled kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of the tree.
set -euo pipefail
. "$(dirname "$0")/env.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir "$scratch/tree"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$scratch/tree"
cd "$scratch/tree"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
PDEBENCH_OPTIMISE=-O1 CFLAGS="$sanitize -g1" CXXFLAGS="$sanitize -g1" LDFLAGS="$sanitize" python setup.py -q build_ext --inplace >"$scratch/log" 2>&1 ||
    { cat "$scratch/log"; exit 1; }
nm -D pdebench/solvers/kernels/_compiled*.so >"$scratch/symbols"  # not piped: grep -q would break the pipe
grep -q __asan_report "$scratch/symbols" ||
    { echo "sanitize: the extension was not built with the sanitizer"; cat "$scratch/log"; exit 1; }

# Python itself leaks on purpose, so leaks are not looked for. --capture=sys: let the sanitizer's report through.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
export PYTHONPATH="$scratch/tree"
timeout 170 python -m pytest -q --capture=sys -p no:xdist -p no:cacheprovider tests/test_kernels_*.py "$@"
