#!/usr/bin/env bash
# The whole path on real input: FracAtlas from the folder to a box out of the service.
#
#   benchmarks/fracatlas.sh DATA OUT [EPOCHS]
#
# DATA holds fracatlas/ and weights/yolo11n_coco_8bit.pt. Steps whose result stands in OUT already
# are passed over, and an interrupted training goes on.
set -euo pipefail
data=$1 out=$2 epochs=${3:-6}
mkdir -p "$out"

step() { printf '\n== %s\n' "$*"; SECONDS=0; "$@"; printf '   %s s\n' "$SECONDS"; }

[ -d "$out/fracatlas" ] || {
  step lucency import fracatlas "$data/fracatlas" "$out/fracatlas"
  # The official split lists positives only; the negatives are shared out 90 to 10.
  step lucency split "$out/fracatlas" --ratios 90/10/0
}
settings=(
  --set image_size=416 --set "weights=$data/weights/yolo11n_coco_8bit.pt"
  --set "epochs=$epochs" --set display.longest_side=512
  --set 'data_source=FracAtlas (Abedeen et al., Scientific Data 2023), CC BY 4.0.'
  --set 'ultralytics={optimizer: AdamW, lr0: 0.001, nbs: 16, cos_lr: true}'
)
if [ -f "$out/run/weights/resume.pt" ]; then
  step lucency train fracture "$out/fracatlas" "$out/run" "${settings[@]}" --resume
elif [ ! -d "$out/run" ]; then
  step lucency train fracture "$out/fracatlas" "$out/run" "${settings[@]}"
fi
[ -d "$out/bundle" ] || step lucency export "$out/run" "$out/fracatlas" "$out/bundle"
[ -d "$out/report" ] || step lucency evaluate "$out/bundle" "$out/fracatlas" "$out/report" --split val

lucency serve --bundle "$out/bundle" --port 8765 &
server=$!
trap 'kill $server' EXIT
until curl --silent --fail http://127.0.0.1:8765/readyz >/dev/null; do sleep 0.1; done
image=$(find "$out/fracatlas/images/val" -name 'IMG*.jpg' | sort | sed -n 1p)
curl --silent --show-error -F "file=@$image" \
  'http://127.0.0.1:8765/v1/analyze?operating_point=screening' | python3 -m json.tool
