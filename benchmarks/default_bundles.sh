#!/usr/bin/env bash
# The shipped detectors, from the public sets to the bundles: what made `fracture` and `chest-lesion`.
#
#   benchmarks/default_bundles.sh DATA OUT
#
# DATA holds fracatlas/, tbx11k/ and weights/yolo11n_coco_8bit.pt. Steps whose result stands in OUT
# are passed over, and an interrupted training goes on. On two processor cores it takes some hours; the
# plain Ultralytics runs beside them are left out with STOCK=no.
set -euo pipefail
data=$1 out=$2
mkdir -p "$out"
coco=$data/weights/yolo11n_coco_8bit.pt

step() { printf '\n== %s\n' "$*"; SECONDS=0; "$@"; printf '   %s s\n' "$SECONDS"; }

# train CONFIG SET RUN --set …: resumes what was interrupted.
train() {
  if [ -f "$3/weights/resume.pt" ]; then step lucency train "$@" --resume
  elif [ ! -d "$3" ]; then step lucency train "$@"; fi
}

prepare() {
  [ -d "$out/$1" ] && return
  step lucency import "$1" "$data/$1" "$out/$1"
  step lucency split "$out/$1" --ratios "$2"
}

prepare fracatlas 90/10/0
prepare tbx11k 80/20/0

# Fractures: as many epochs as the plain run takes, from the same weights.
fracture() {  # RUN SIZE
  train fracture "$out/fracatlas" "$out/$1" \
    --set "weights=$coco" --set "image_size=$2" --set epochs=24 --set patience=24 \
    --set negatives=0.7 --set ultralytics.close_mosaic=10
}
fracture fracture-512 512

# What was tried beside it (docs/results.md), three trainings in turn among it. Stages 1 and 2 stand in
# for trainings with an earlier recipe, which turned boxes by their corners.
if [ "${TRIED:-no}" = yes ]; then
  fracture fracture-416 416
  earlier=(--set negatives=0.7 --set augment.rotation=15)
  train fracture "$out/fracatlas" "$out/stage-1" "${earlier[@]}" \
    --set "weights=$coco" --set image_size=416 --set epochs=24 --set patience=24 \
    --set augment.scale=0.4 --set augment.mosaic=0.5 --set ultralytics.close_mosaic=8
  train fracture "$out/fracatlas" "$out/stage-2" "${earlier[@]}" \
    --set "weights=$out/stage-1/weights/best.pt" --set epochs=26 --set patience=5 \
    --set ultralytics.warmup_epochs=1 --set ultralytics.close_mosaic=9
  train fracture "$out/fracatlas" "$out/stage-3" \
    --set "weights=$out/stage-2/weights/best.pt" --set epochs=26 --set patience=26 \
    --set ultralytics.warmup_epochs=1 --set ultralytics.close_mosaic=8
  [ -d "$out/stage-3-bundle" ] || step lucency export "$out/stage-3" "$out/fracatlas" \
    "$out/stage-3-bundle" --precision fp16
fi

# Chest lesions: the first stage is as long as the plain run.
train chest_lesion "$out/tbx11k" "$out/chest-416" \
  --set "weights=$coco" --set image_size=416 --set epochs=20 --set patience=20 \
  --set ultralytics.close_mosaic=7

train chest_lesion "$out/tbx11k" "$out/chest-512" \
  --set "weights=$out/chest-416/weights/best.pt" --set epochs=24 --set patience=24 \
  --set ultralytics.lr0=0.0008 --set ultralytics.warmup_epochs=1 --set ultralytics.close_mosaic=8

if [ "${STOCK:-yes}" = yes ]; then
  [ -d "$out/stock-fracatlas" ] || step python "$(dirname "$0")/stock_detector.py" \
    "$out/fracatlas" "$coco" "$out/stock-fracatlas" --epochs 24 --negatives 400
  [ -d "$out/stock-tbx11k" ] || step python "$(dirname "$0")/stock_detector.py" \
    "$out/tbx11k" "$coco" "$out/stock-tbx11k" --epochs 20
fi

[ -d "$out/fracture" ] || step lucency export "$out/fracture-512" "$out/fracatlas" "$out/fracture" \
  --precision fp16
[ -d "$out/chest-lesion" ] || step lucency export "$out/chest-512" "$out/tbx11k" \
  "$out/chest-lesion" --precision fp16
for bundle in fracture chest-lesion; do
  set=$([ $bundle = fracture ] && echo fracatlas || echo tbx11k)
  [ -d "$out/$bundle-report" ] || step lucency evaluate "$out/$bundle" "$out/$set" \
    "$out/$bundle-report" --split val
done
