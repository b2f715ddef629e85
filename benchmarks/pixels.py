"""What displaying radiographs costs beside decoding them, and what the cache saves.

    python benchmarks/pixels.py DATA [ROUNDS]

DATA holds fracatlas/ and dicom/. The bare decoder is Pillow (open, load, asarray) for JPEG and
PNG, pydicom (dcmread, pixel_array) for DICOM, with the same two threads as ours, in turns with it
in every round. The PNG and DICOM files are three real radiographs of 1,600 to 2,000 pixels with
12 to 15 bits, written anew in each encoding. Prints Markdown: the median and the range of the
ratios of the rounds.
"""

import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lucency.configs.display import DisplaySpec
from lucency.datasets.cache import SquareCache
from lucency.datasets.display import display
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_radiograph

THREADS = 2
RADIOGRAPHS = 1000
FILES = 24  # of each encoding
SIDE = 224
SOURCES = ("chest_RG1_JLSN.dcm", "extremity_RG3_JPLL.dcm", "CR-ModalitySequenceLUT.dcm")
ENCODINGS = {
    "DICOM, uncompressed": ExplicitVRLittleEndian,
    "DICOM, RLE": RLELossless,
    "DICOM, JPEG-LS": JPEGLSLossless,
    "DICOM, JPEG 2000": JPEG2000Lossless,
}
DISPLAYS = {
    "as displayed": DisplaySpec(),
    "percentile": DisplaySpec.model_validate("percentile"),
    "percentile, 1,024 px": DisplaySpec(method="percentile", longest_side=1024),
    "bone, 1,024 px": DisplaySpec.model_validate({"preset": "bone", "longest_side": 1024}),
    "clahe, 1,024 px": DisplaySpec.model_validate({"preset": "clahe", "longest_side": 1024}),
}

Read = Callable[[Path], Any]


def bare_picture(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        image.load()
        return np.asarray(image)


def bare_dicom(path: Path) -> NDArray[Any]:
    return pydicom.dcmread(path).pixel_array


def displayed(spec: DisplaySpec) -> Read:
    return lambda path: display(read_radiograph(path), spec).image


def seconds(read: Read, paths: Iterable[Path]) -> float:
    start = time.perf_counter()
    for _ in in_order(read, paths, workers=THREADS):
        pass
    return time.perf_counter() - start


def fracatlas(data: Path) -> list[Path]:
    """The first radiographs of FracAtlas that are complete."""
    found = []
    for path in sorted((data / "fracatlas" / "images").rglob("*.jpg")):
        try:
            bare_picture(path)
        except OSError:
            continue
        found.append(path)
        if len(found) == RADIOGRAPHS:
            break
    return found


def written(data: Path, folder: Path) -> dict[str, list[Path]]:
    """The same radiographs as 16-bit PNG and as DICOM in each encoding."""
    sets: dict[str, list[Path]] = {"PNG, 16 bits": [], **{name: [] for name in ENCODINGS}}
    for number in range(FILES):
        source = pydicom.dcmread(data / "dicom" / SOURCES[number % len(SOURCES)])
        source.decompress()
        # Moved by a few rows, so that no two files are equal.
        pixels = np.ascontiguousarray(np.roll(source.pixel_array, number, axis=0), np.uint16)
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        sets["PNG, 16 bits"].append(path)
        for name, syntax in ENCODINGS.items():
            source.set_pixel_data(pixels, "MONOCHROME2", source.BitsStored)
            if syntax != ExplicitVRLittleEndian:
                source.compress(syntax)
            path = folder / f"{number}-{syntax}.dcm"
            source.save_as(path)
            sets[name].append(path)
            if syntax != ExplicitVRLittleEndian:
                source.decompress()
    return sets


def shown(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def row(name: str, paths: list[Path], rounds: int) -> str:
    bare = bare_dicom if paths[0].suffix == ".dcm" else bare_picture
    seconds(bare, paths)  # the files come into memory
    taken: list[float] = []
    ratios: dict[str, list[float]] = {display: [] for display in DISPLAYS}
    for _ in range(rounds):
        alone = seconds(bare, paths)
        taken.append(alone / len(paths) * 1000)
        for display_name, spec in DISPLAYS.items():
            ratios[display_name].append(seconds(displayed(spec), paths) / alone)
    cells = " | ".join(shown(values) for values in ratios.values())
    return f"| {name} | {len(paths):,} | {statistics.median(taken):.1f} ms | {cells} |"


def cache_row(name: str, paths: list[Path], folder: Path, rounds: int) -> str:
    """How much sooner a second epoch has its squares from the cache than from the decoder."""
    cache = SquareCache(folder, DISPLAYS["percentile"], side=SIDE)
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    cache.fill(list(digests.items()))
    ratios = []
    for _ in range(rounds):
        decoding = seconds(bare_dicom, paths)
        ratios.append(decoding / seconds(lambda path: cache.square(path, digests[path]), paths))
    return f"| {name} | {shown(ratios)} |"


def main() -> None:
    data, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print("| radiographs | number | bare decoder, each |", " | ".join(DISPLAYS), "|")
    print("|---|---|---|" + "---|" * len(DISPLAYS))
    print(row("JPEG, FracAtlas", fracatlas(data), rounds))
    with tempfile.TemporaryDirectory() as name:
        sets = written(data, Path(name))
        for encoding, paths in sets.items():
            print(row(encoding, paths, rounds))
        print("\n| second epoch from the cache | times faster than the bare decoder |\n|---|---|")
        for encoding in ENCODINGS:
            print(cache_row(encoding, sets[encoding], Path(name), rounds))


if __name__ == "__main__":
    main()
