# Sourced by bench.sh: an environment with the rivals, made once outside the tree, found again by its pins.
bench_dir="${PDEBENCH_BENCH_DIR:-$HOME/.cache/pdebench-bench}"
pins=ci/bench/requirements.txt
base="$(python -c 'import sys; print(sys._base_executable)')"  # the extension was built for this Python
key="$("$base" -c 'import sys, zlib; print("%08x" % zlib.crc32(open(sys.argv[1], "rb").read() + sys.version.encode()))' "$pins")"
rivals="$bench_dir/$key"
if [ ! -e "$rivals/ready" ]; then
    echo "bench: installing the rivals into $rivals (once, a few minutes)" >&2
    rm -rf "$rivals"
    mkdir -p "$bench_dir"
    "$base" -m venv "$rivals"
    "$rivals/bin/pip" install -q --disable-pip-version-check -r "$pins" >&2
    # Dedalus needs FFTW and MPI with headers; where it cannot be built its rows say so.
    libraries="$(dirname "$(find /usr/lib /usr/lib64 /opt -name 'libfftw3_mpi*' -print -quit 2>/dev/null || true)")"
    CC=mpicc FFTW_INCLUDE_PATH=/usr/include FFTW_LIBRARY_PATH="$libraries" \
    MPI_INCLUDE_PATH="$libraries/openmpi/include" MPI_LIBRARY_PATH="$libraries/openmpi/lib" \
        "$rivals/bin/pip" install -q --disable-pip-version-check -r "$pins" dedalus==3.0.5 >"$rivals/dedalus.log" 2>&1 ||
        echo "bench: Dedalus could not be built ($rivals/dedalus.log); its rows stay empty" >&2
    touch "$rivals/ready"
fi
# PyClaw needs a Fortran compiler; where it cannot be built the rows of `volume` that want it fail and say so.
if [ "${topic:-}" = volume ] && [ ! -e "$rivals/clawpack.log" ]; then
    "$rivals/bin/pip" install -q --disable-pip-version-check --no-deps clawpack==5.14.0 >"$rivals/clawpack.log" 2>&1 ||
        echo "bench: PyClaw could not be built ($rivals/clawpack.log)" >&2
fi
