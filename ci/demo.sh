#!/usr/bin/env bash
# The main line, from two cards to two leaderboards. Everything it makes lies in runs/demo; repeat it to go on.
set -euo pipefail
. "$(dirname "$0")/env.sh"
root=runs/demo
sets=(ns2d_decaying_demo ns2d_kolmogorov_demo)
train_seconds=${TRAIN_SECONDS:-50}  # for each of the two networks

say() { printf '\n== %s\n' "$*"; }
ranks() { if command -v mpiexec >/dev/null && python -c 'import mpi4py' 2>/dev/null; then mpiexec -n 2 "$@"; else "$@"; fi; }

started=$SECONDS
for name in "${sets[@]}"; do
    store=$root/$name.zarr
    mkdir -p "$root/leaderboards/$name"
    cp "leaderboards/$name/task.yaml" "$root/leaderboards/$name/"

    say "$name: generate, check, certify"
    ranks pdebench generate "$name" --out "$store"
    pdebench check "$store"
    ranks pdebench certify "$store"
    pdebench plot "$store" --out "$root/$name.png"
    pdebench plot "$store" --out "$root/$name-spectra.png" --spectra

    say "$name: train a Fourier neural operator for $train_seconds s"
    OMP_NUM_THREADS=2 pdebench train fno "$store" --out "$root/$name-fno.safetensors" --seconds "$train_seconds" \
        --set kernel=3

    say "$name: evaluate"
    pdebench baselines "$name" --store "$store" --out "$root/records"
    pdebench evaluate fno "$name" --store "$store" --weights "$root/$name-fno.safetensors" \
        --label "FNO, 3×3 local kernel" --out "$root/records/$name-fno.json"
done
pdebench plot "$root/ns2d_decaying_demo.zarr" --out "$root/ns2d_decaying_demo.mp4"

say "rank"
pdebench submit "$root"/records/*.json --root "$root"
pdebench board --root "$root"

say "made in $((SECONDS - started)) s"
ls -d "$root"/*.zarr "$root"/*.png "$root"/*.mp4 "$root"/*.safetensors "$root"/leaderboards/*/index.html
