#!/usr/bin/env bash
# Train every baseline network on the small tasks from several seeds, evaluate all, and write the boards.
# Repeat it to go on: what is made already is not made again. Everything lies in runs/boards.
#   TRAIN_SECONDS=600 SEEDS="0 1 2" ci/boards.sh                       # 8 models × 3 tasks × 3 seeds: 12 h
#   TRAIN_SECONDS=2 SEEDS=0 MODELS="unet" TASKS="ns2d_decaying_demo" ci/boards.sh
set -euo pipefail
. "$(dirname "$0")/env.sh"
root=${ROOT:-runs/boards}
train_seconds=${TRAIN_SECONDS:-600}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
read -ra seeds <<<"${SEEDS:-0 1 2}"
read -ra models <<<"${MODELS:-cape deeponet dilated_resnet fno mgno refiner sinenet unet}"
read -ra tasks <<<"${TASKS:-ns2d_decaying_demo ns2d_kolmogorov_demo burgers2d}"

say() { printf '\n== %s\n' "$*"; }
failed=()

for task in "${tasks[@]}"; do
    data=$(sed -n 's/^dataset: *//p' "leaderboards/$task/task.yaml")
    store=$root/$data.zarr
    records=$root/records/$task
    mkdir -p "$root/leaderboards/$task" "$root/weights" "$records"
    cp "leaderboards/$task/task.yaml" "$root/leaderboards/$task/"

    say "$task: data"
    pdebench generate "$data" --out "$store"
    pdebench certify "$store"

    say "$task: baselines"
    if [ ! -e "$records/.baselines" ]; then
        pdebench baselines "$task" --store "$store" --out "$records"
        touch "$records/.baselines"
    fi

    for model in "${models[@]}"; do
        for seed in "${seeds[@]}"; do
            name=$model-seed$seed
            [ -e "$records/$name.json" ] && continue
            say "$task: $model, seed $seed, $train_seconds s"
            weights=$root/weights/$task-$name.safetensors
            pdebench train "$model" "$store" --out "$weights" --seconds "$train_seconds" --seed "$seed" &&
                pdebench evaluate "$model" "$task" --store "$store" --weights "$weights" --label "$model" \
                    --out "$records/$name.json" ||
                failed+=("$task $model seed $seed")
        done
    done
    pdebench submit "$records"/*.json --root "$root"
done

say "rank"
pdebench board --root "$root"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
