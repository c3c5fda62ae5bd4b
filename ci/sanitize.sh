#!/usr/bin/env bash
# The compiled kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in a copy of the tree.
set -euo pipefail
. "$(dirname "$0")/env.sh"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir "$scratch/tree"
git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$scratch/tree"
cd "$scratch/tree"
# Left out is what multiplies the time to compile these inlined loops and finds little in them: null and misaligned
# pointers trap by themselves here, and lanes on the stack are arrays of fixed size, whose bounds are checked.
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
sanitize+=" -fno-sanitize=null,alignment,object-size,vptr,pointer-overflow,nonnull-attribute,returns-nonnull-attribute"
sanitize+=" -fno-sanitize-address-use-after-scope --param=asan-stack=0"
# The widest registers that are here, and those that are everywhere: both ends of every template.
for isa in avx512bw avx2 sse2; do grep -qw $isa /proc/cpuinfo && break; done
export PDEBENCH_ISAS="baseline ${isa%bw}"
PDEBENCH_OPTIMISE=-O1 CFLAGS="$sanitize -g1" CXXFLAGS="$sanitize -g1" LDFLAGS="$sanitize" python setup.py -q build_ext --inplace >"$scratch/log" 2>&1 ||
    { cat "$scratch/log"; exit 1; }
nm -D pdebench/solvers/kernels/_compiled*.so >"$scratch/symbols"  # not piped: grep -q would break the pipe
grep -q __asan_report "$scratch/symbols" ||
    { echo "sanitize: the extension was not built with the sanitizer"; cat "$scratch/log"; exit 1; }

# Python itself leaks on purpose, so leaks are not looked for. --capture=sys: let the sanitizer's report through.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
export PYTHONPATH="$scratch/tree" PDEBENCH_SANITIZE=1
# Every kernel, layout, precision and instruction set; not the counts of iterations on large grids, nor NumPy alone.
# The limit is for what hangs.
timeout 900 python -m pytest -q --capture=sys -p no:xdist -p no:cacheprovider tests/test_kernels_*.py \
    -k "not iterations and not jumps and not contrast and not numpy_serves" "$@"
