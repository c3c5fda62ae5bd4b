#!/usr/bin/env bash
# All set-up: Debian packages where it may install them, then .venv. A second run does nothing, at once.
#   ci/setup.sh          what the present code uses
#   ci/setup.sh --all    also SLEPc, for solvers to come
#   PYTHON=/path/to/python ci/setup.sh    another interpreter (its mpi4py, if any, is used)
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ libopenblas0-serial openmpi-bin python3-dev python3-dolfinx python3-mpi4py python3-petsc4py python3-venv)
extras=torch,film,test,dev
# What only some uses and their tests need, a browser among them; CI has all of it.
if [ -n "${CI:-}" ]; then
    packages+=(chromium)
    extras=$extras,cluster,object,s3-server,jax,onnx,judge
fi
case "${1:-}" in
    "") ;;
    --all) packages+=(python3-slepc4py) ;;
    *) sed -n '2,5s/^# *//p' "$0"; exit 2 ;;
esac

say() { echo "setup: $*"; }
stop() { say "$@" >&2; exit 1; }

log=$(mktemp "${TMPDIR:-/tmp}/pdebench-setup.XXXXXX")
quietly() {
    "$@" >>"$log" 2>&1 && return
    tail -n 15 "$log" >&2
    stop "failed: $* (all of its output: $log)"
}

missing_packages() {
    for package in "${packages[@]}"; do
        case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" in
            *" installed") ;;
            *) echo "$package" ;;
        esac
    done
}

install_packages() {
    local missing root=()
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        root=(sudo -n)
        if ! sudo -n true 2>/dev/null; then
            say "not root, so going on without these; install them with:"
            say "    apt-get install ${missing[*]}"
            return 0
        fi
    fi
    say "installing Debian packages: ${missing[*]}"
    quietly "${root[@]}" apt-get update -qq
    quietly "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Debian's mpi4py serves Debian's own interpreter only, so that one comes before others on PATH.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" "${CONDA_PREFIX:+$CONDA_PREFIX/bin/python}" /usr/bin/python3 \
        python3 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
    install_packages
fi
python=$(find_python) || stop "needs Python 3.11 or newer. Debian 12: apt-get install ${packages[*]};" \
    "elsewhere: conda env create -f ci/environment.yml && conda activate pdebench"

# .venv is current when it was made from these files, here, with this interpreter.
stamp=$({ cat setup.cfg setup.py pyproject.toml ci/constraints.txt ci/setup.sh $(find solvers/kernels -name "*.[ch]pp" | sort); echo "$PWD $python $extras"; } | sha256sum | cut -c1-64)
if [ -x .venv/bin/pdebench ] && [ "$(cat .venv/stamp 2>/dev/null)" = "$stamp" ]; then
    rm -f "$log"
    say "ready"
    exit
fi

if [ "$(readlink -f .venv/bin/python 2>/dev/null)" != "$(readlink -f "$python")" ] ||
    ! grep -qsF "$PWD/.venv" .venv/bin/activate; then
    say "making .venv with $python"
    rm -rf .venv
    # The system's packages are visible: mpi4py and PETSc must match the system's MPI.
    "$python" -m venv --system-site-packages .venv >>"$log" 2>&1 ||
        stop "$python cannot make a virtual environment (Debian: apt-get install python3-venv); see $log"
fi

say "installing Python packages into .venv and compiling the kernels (a few minutes)"
constraints=(-c ci/constraints.txt)
if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then
    say "Python is newer than 3.12: taking the newest packages instead of ci/constraints.txt"
    constraints=()
fi
pip_install() { quietly .venv/bin/pip install --disable-pip-version-check --no-input --no-compile "${constraints[@]}" "$@"; }
# Compiling begins at once, while pip fetches; pip then waits for it, and finds every object made.
pip_install setuptools pybind11
.venv/bin/python setup.py -q build_ext --inplace >>"$log" 2>&1 &
pip_install -e ".[$extras]"
if [ -n "${CI:-}" ]; then
    # The library itself also asks for wandb, h5py and telemetry, which its networks do not use.
    pip_install --no-deps neuraloperator tensorly tensorly-torch requests urllib3 idna certifi charset-normalizer
fi

if ! .venv/bin/python -c 'import mpi4py' 2>/dev/null || ! command -v mpiexec >/dev/null; then
    say "no MPI for $python: everything runs, on one process. To get it, install an MPI and"
    say "    Debian: apt-get install openmpi-bin python3-mpi4py; elsewhere: .venv/bin/pip install -e '.[mpi]'"
fi
echo "$stamp" >.venv/stamp
rm -f "$log"
say "ready"
