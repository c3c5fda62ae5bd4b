# Sourced by every script here: the repository root, the virtual environment, MPI on a small machine.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -x .venv/bin/python ]; then
    export PATH="$PWD/.venv/bin:$PATH"
fi
# Open MPI refuses root, and more ranks than cores, unless told; idle ranks must yield on shared cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_hwloc_base_binding_policy=none
# One thread per rank, unless the caller knows better (training does).
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"
# Waiting threads sleep: spinning on shared cores takes time from those that work.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
export MPLBACKEND=Agg
