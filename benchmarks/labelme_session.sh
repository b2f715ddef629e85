#!/usr/bin/env bash
# Goes once round the labelling loop with the real labelme program: prepares pre-labelled phantoms,
# corrects five of them in labelme's own window with mouse and keyboard, collects, and compares.
#
#   apt-get install xvfb xauth libgl1 libegl1 libxkbcommon-x11-0 libxcb-icccm4 libxcb-image0 \
#     libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0
#   benchmarks/labelme_session.sh FOLDER
#
# FOLDER is new; it is left behind with screenshots. labelme comes from PyPI into an environment
# of its own: it is GPL, brings Qt, and is no dependency. Not part of the tests.
set -euo pipefail
version=6.3.1
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1" && cd "$1"

labelme=${LABELME_VENV:-$PWD/labelme-venv}
if [ ! -x "$labelme/bin/labelme" ]; then
    python3 -m venv "$labelme"
    "$labelme/bin/pip" install --quiet "labelme==$version"
fi

lucency phantoms phantoms --patients 12 --size 640 --seed 3
lucency prepare phantoms labelling --bundle fracture
QT_QPA_PLATFORM=xcb xvfb-run --auto-servernum --server-args="-screen 0 1500x1000x24" \
    "$labelme/bin/python" "$here/labelme_session.py" labelling screenshots
lucency collect labelling set
python3 "$here/labelme_session.py" --check labelling set
