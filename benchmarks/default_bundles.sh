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

# Fractures: first at 416 pixels, then at 640.
milder='[{RandomBrightnessContrast: {brightness_limit: [-0.2, 0.1], contrast_limit: [-0.3, 0.2], p: 0.4}},
  {RandomGamma: {gamma_limit: [60, 160], p: 0.4}},
  {GaussNoise: {std_range: [0.01, 0.04], per_channel: false, p: 0.2}},
  {GaussianBlur: {blur_limit: [3, 5], p: 0.1}}, {Downscale: {scale_range: [0.4, 0.9], p: 0.1}},
  {CLAHE: {clip_limit: [1.0, 3.0], tile_grid_size: [8, 8], p: 0.1}}, {UnsharpMask: {p: 0.1}}]'
train fracture "$out/fracatlas" "$out/fracture-416" \
  --set "weights=$coco" --set image_size=416 --set epochs=24 --set patience=24 \
  --set augment.scale=0.4 --set augment.mosaic=0.5 --set ultralytics.close_mosaic=8
train fracture "$out/fracatlas" "$out/fracture-640" \
  --set "weights=$out/fracture-416/weights/best.pt" --set epochs=26 --set patience=26 \
  --set augment.mosaic=1.0 --set "augment.intensity=$milder" \
  --set ultralytics.warmup_epochs=1 --set ultralytics.close_mosaic=9

# Chest lesions.
train chest_lesion "$out/tbx11k" "$out/chest-416" \
  --set "weights=$coco" --set image_size=416 --set epochs=20 --set patience=20 \
  --set augment.mosaic=1.0 --set ultralytics.close_mosaic=7

if [ "${STOCK:-yes}" = yes ]; then
  [ -d "$out/stock-fracatlas" ] || step python "$(dirname "$0")/stock_detector.py" \
    "$out/fracatlas" "$coco" "$out/stock-fracatlas" --epochs 24 --negatives 400
  [ -d "$out/stock-tbx11k" ] || step python "$(dirname "$0")/stock_detector.py" \
    "$out/tbx11k" "$coco" "$out/stock-tbx11k" --epochs 20
fi

[ -d "$out/fracture" ] || step lucency export "$out/fracture-640" "$out/fracatlas" "$out/fracture" \
  --precision fp16
[ -d "$out/chest-lesion" ] || step lucency export "$out/chest-416" "$out/tbx11k" \
  "$out/chest-lesion" --precision fp16
for bundle in fracture chest-lesion; do
  set=$([ $bundle = fracture ] && echo fracatlas || echo tbx11k)
  [ -d "$out/$bundle-report" ] || step lucency evaluate "$out/$bundle" "$out/$set" \
    "$out/$bundle-report" --split val
done
