#!/usr/bin/env bash
# The shipped classifiers, from the public sets to the bundles: `pneumonia`, `tb` and `router`.
#
#   benchmarks/default_classifiers.sh DATA OUT
#
# DATA holds pneumonia/, tb_sites/, fracatlas/ and, for measuring alone, tbx11k/. Steps whose result
# stands in OUT are passed over, and an interrupted training goes on. On two processor cores it takes
# some hours, half of them for the cross-validation of `tb`, which is left out with FOLDS=no.
set -euo pipefail
data=$1 out=$2 here=$(dirname "$0")
mkdir -p "$out/sets"

step() { printf '\n== %s\n' "$*"; SECONDS=0; "$@"; printf '   %s s\n' "$SECONDS"; }

# train CONFIG SET RUN --set …: resumes what was interrupted.
train() {
  if [ ! -f "$3/last.pt" ]; then rm -rf "$3"; step lucency train "$@"
  else step lucency train "$@" --resume; fi
}

export_as() {  # RUN SET BUNDLE PRECISION
  [ -d "$out/$3" ] || step lucency export "$out/$1" "$out/sets/$2" "$out/$3" \
    --precision "$4" --without-weights
  [ -d "$out/$3-report" ] || step lucency evaluate "$out/$3" "$out/sets/$2" "$out/$3-report" --split val
}

if [ ! -d "$out/sets/pneumonia" ]; then
  step lucency import kermany "$data/pneumonia" "$out/sets/pneumonia"
  step lucency split "$out/sets/pneumonia" --ratios 75/12/13
fi
if [ ! -d "$out/sets/tb" ]; then
  step lucency import csv "$data/tb_sites" "$out/sets/tb"
  step lucency split "$out/sets/tb" --ignore-official --ratios 80/20/0
fi

# Pneumonia: from random numbers.
train pneumonia_scratch "$out/sets/pneumonia" "$out/pneumonia-run"

# Tuberculosis: from what was learnt of pneumonia.
start=(--set "weights=$out/pneumonia-run/best.safetensors")
train tb_transfer "$out/sets/tb" "$out/tb-run" "${start[@]}"

# In-site and cross-site figures: networks of the same recipe that did not see what they are measured on.
if [ "${FOLDS:-yes}" = yes ]; then
  study() { step lucency cross-validate tb_transfer "$out/sets/tb" "$@" "${start[@]}"; }
  [ -f "$out/tb-folds/table.md" ] || study "$out/tb-folds" --folds 5
  [ -f "$out/tb-left-out/table.md" ] || study "$out/tb-left-out" --leave-out site \
    --beside "$out/tb-folds"
fi

# Chest, bone or anything else.
if [ ! -d "$out/sets/kinds" ]; then
  step python "$here/router_set.py" "$data" "$out/sets/kinds"
  step lucency split "$out/sets/kinds" --ratios 60/15/25
fi
train router "$out/sets/kinds" "$out/router-run"

export_as pneumonia-run pneumonia pneumonia int8
export_as tb-run tb tb int8
export_as router-run kinds router fp32
step python "$here/router_confusion.py" "$out/router" "$out/sets/kinds"

# Which images unlike their own `pneumonia` and `tb` flag; export has fitted it.
unlike() {  # BUNDLE --other …
  [ -s "$out/$1-unlike.md" ] || step python "$here/typical_images.py" "$out/$1" "$out/sets/$1" \
    "${@:2}" --other "adults, TBX11K=$data/tbx11k/images" --other "bones=$data/fracatlas/images" \
    --other "no radiographs=$out/sets/kinds:other=1" | tee "$out/$1-unlike.md"
}
unlike pneumonia --other "adults without TB=$out/sets/tb:tb=0" --other "adults with TB=$out/sets/tb:tb=1"
unlike tb --other "children without pneumonia=$out/sets/pneumonia:pneumonia=0" \
  --other "children with pneumonia=$out/sets/pneumonia:pneumonia=1"
if [ "${FOLDS:-yes}" = yes ]; then
  step python "$here/typical_sites.py" "$out/tb-folds"
  step python "$here/typical_sites.py" "$out/tb-left-out"
fi
