"""The set on which the router learns to tell chests, bones and anything else apart.

    python benchmarks/router_set.py DATA OUT [--photographs FOLDER]
    lucency split OUT --ratios 60/15/25

DATA holds ``fracatlas/``, ``tb_sites/``, ``pneumonia/``, ``tbx11k/`` and ``dicom/``. OUT becomes a
data set with the columns chest, bone and other, one of them 1 in each row; ``origin`` names the
collection, ``variant`` what was done to the picture. Every image is reduced and saved in the same
way, so that neither size nor compression tells where it is from. ``patient_id`` is the patient, the
photograph or the seed; FracAtlas does not say whose an image is, so `lucency split` keeps together
what looks alike.

For testing alone, by the column ``official_split``: TBX11K (its licence), the DICOM samples, and
real photographs, those that come with scikit-learn, Matplotlib and Ultralytics and any more in
FOLDER.
"""

import argparse
import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import (
    DATA_YAML,
    DATASET_CSV,
    UNSPLIT,
    ImageRecord,
    data_yaml,
    dataset_csv,
)
from lucency.configs import atomic
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError
from lucency.datasets.display import display, reduce_to
from lucency.datasets.other_pictures import make_other
from lucency.datasets.phantoms import make_chests, make_limbs
from lucency.datasets.radiographs import Radiograph, read_radiograph

CLASSES = ("chest", "bone", "other")
LONGEST_SIDE = 320
QUALITY = 92
PNEUMONIA, TBX11K, GENERATED, PHANTOM_PATIENTS = 900, 300, 3200, 60
VARIANTS = ("inverted", "turned", "cropped", "bordered", "faint", "marked")
VARIED = 0.6  # how many of the radiographs are there once more, changed
PERSON = re.compile(r"(person\d+_[a-z]+|(?:NORMAL2-)?IM-\d+)")
PICTURES = {
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": ("mpl-data/sample_data/grace_hopper.jpg",),
    "ultralytics": ("assets/bus.jpg", "assets/zidane.jpg"),
}
TEST_ONLY = ("tbx11k", "dicom")
# What is no chest of the DICOM samples: jaws in a panoramic view; and one is of an animal.
DICOM_KINDS = {"extremity": "bone", "CR-ModalitySequenceLUT": "other"}
NO_PERSON = ("dx_image.dcm",)


@dataclass(frozen=True)
class Source:
    """A radiograph that lies in one of the collections; ``group`` is the patient, if known."""

    origin: str
    kind: str
    group: str
    path: Path


@dataclass(frozen=True)
class Picture:
    """One picture of the set; ``group`` is the patient, the photograph or the seed."""

    origin: str
    kind: str
    group: str
    image: NDArray[np.uint8]
    variant: str = "as it is"
    test_only: bool = False


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--generated", type=int, default=GENERATED)
    parser.add_argument("--every", type=int, default=1, help="take one radiograph of so many")
    options = parser.parse_args()
    with atomic.new_folder(options.out) as folder:
        records = list(_written(folder, _pictures(options)))
        (folder / DATA_YAML).write_text(data_yaml(LabelMap(()), ()))
        (folder / DATASET_CSV).write_text(dataset_csv(records))
    counts = {name: sum(bool(record.label(name)) for record in records) for name in CLASSES}
    print(f"{len(records)} pictures: {counts}; now: lucency split {options.out} --ratios 60/15/25")


def _pictures(options: argparse.Namespace) -> Iterator[Picture]:
    random = np.random.default_rng(0)
    for source in list(_radiographs(options.data))[:: options.every]:
        try:
            image = _shown(read_radiograph(source.path))
        except ImageError:  # a few of FracAtlas' are truncated, one DICOM sample breaks its rules
            continue
        held = source.origin in TEST_ONLY
        group = f"{source.origin} {source.group}"
        picture = Picture(source.origin, source.kind, group, image, test_only=held)
        yield picture
        if random.random() < VARIED:
            yield _varied(random, picture, str(random.choice(VARIANTS)))
    yield from _phantoms(max(1, PHANTOM_PATIENTS // options.every))
    for seed in range(options.generated):
        made = make_other(seed)
        yield Picture(f"generated {made.scene}", "other", f"seed {seed}", made.image)
    yield from _photographs(random, options.photographs)


def _radiographs(data: Path) -> Iterator[Source]:
    random = np.random.default_rng(1)
    for path in sorted((data / "fracatlas" / "images").glob("*/*.jpg")):
        yield Source("fracatlas", "bone", path.stem, path)
    with (data / "tb_sites" / "labels.csv").open(newline="") as table:
        for row in csv.DictReader(table):
            path = data / "tb_sites" / "images" / row["image"]
            yield Source(row["site"], "chest", path.stem, path)
    children = sorted((data / "pneumonia").rglob("*.jpeg"))
    for index in sorted(random.permutation(len(children))[:PNEUMONIA]):
        found = PERSON.match(children[index].name)
        group = found[1] if found else children[index].stem
        yield Source("kermany", "chest", group, children[index])
    adults = sorted((data / "tbx11k" / "images").rglob("*.jpg"))[:TBX11K]
    for path in adults:
        yield Source("tbx11k", "chest", path.stem, path)
    for path in sorted((data / "dicom").glob("*.dcm")):
        if path.name not in NO_PERSON:
            yield Source(
                "dicom", DICOM_KINDS.get(path.stem.split("_")[0], "chest"), path.stem, path
            )


def _shown(radiograph: Radiograph) -> NDArray[np.uint8]:
    return display(radiograph, DisplaySpec(longest_side=LONGEST_SIDE)).image


def _phantoms(patients: int) -> Iterator[Picture]:
    for kind, made in (
        ("bone", make_limbs(patients, seed=0, size=192)),
        ("chest", make_chests(patients, seed=0, size=192)),
    ):
        for phantom in made:
            shown = display(Radiograph(phantom.pixels, 12, "png"), DisplaySpec(method="percentile"))
            yield Picture("phantom", kind, f"phantom {phantom.patient_id} {kind}", shown.image)


def _photographs(random: np.random.Generator, folder: Path | None) -> Iterator[Picture]:
    """Real photographs, grey: whole, small, turned, and parts of them."""
    files: list[Path] = []
    for package, names in PICTURES.items():
        spec = find_spec(package)
        for root in spec.submodule_search_locations or () if spec else ():
            files += [Path(root) / name for name in names if (Path(root) / name).is_file()]
    if folder is not None:
        files += sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".jpeg", ".png"))
    for file in files:
        try:
            pixels = read_radiograph(file)
        except ImageError:
            continue
        picture = Picture(
            "photograph", "other", f"photograph {file.stem}", _shown(pixels), test_only=True
        )
        yield picture
        for variant in ("inverted", "turned", "bordered", *["cropped"] * 5):
            yield _varied(random, picture, variant)


def _varied(random: np.random.Generator, picture: Picture, variant: str) -> Picture:
    image = picture.image
    if variant == "inverted":
        image = 255 - image
    elif variant == "turned":
        image = np.rot90(image, int(random.integers(1, 4)))
    elif variant == "cropped":
        height, width = (max(32, int(side * random.uniform(0.5, 0.9))) for side in image.shape)
        y, x = (
            random.integers(0, max(1, s - p + 1))
            for s, p in zip(image.shape, (height, width), strict=True)
        )
        image = image[y : y + height, x : x + width]
    elif variant == "bordered":  # a plate that was not exposed at its edges, or a page
        edges = (random.uniform(0, 0.25, 4) * np.repeat(image.shape, 2)).astype(int).tolist()
        shade = 0 if random.random() < 0.8 else 255
        image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=shade)
    elif variant == "faint":
        noisy = 60 + 0.4 * image + random.normal(0, 8, image.shape)
        image = cv2.GaussianBlur(np.clip(noisy, 0, 255).astype(np.uint8), (0, 0), 1.2)
    else:  # letters and a line, burned in
        image = image.copy()
        height, width = image.shape
        place = (int(random.integers(0, width // 2)), int(random.integers(16, height)))
        font, scale = cv2.FONT_HERSHEY_SIMPLEX, random.uniform(0.3, 1.2)
        cv2.putText(image, str(random.choice(["L", "R", "AP 12:04", "PORTABLE"])), place, font,
                    scale, 255, 2)  # fmt: skip
        ends = random.integers(0, min(image.shape), (2, 2)).tolist()
        cv2.line(image, ends[0], ends[1], int(random.choice([0, 255])), 1)
    made = np.ascontiguousarray(image)
    return Picture(picture.origin, picture.kind, picture.group, made, variant, picture.test_only)


def _written(folder: Path, pictures: Iterator[Picture]) -> Iterator[ImageRecord]:
    """Save the pictures; one that is there already, to the byte, is passed over."""
    seen: set[str] = set()
    for number, picture in enumerate(pictures):
        image = reduce_to(picture.image, longest_side=LONGEST_SIDE)
        if number % 500 == 499:
            print(f"{number + 1} pictures", flush=True)
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        data = encoded.tobytes()
        digest = hashlib.sha256(data).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        name = PurePosixPath("images", UNSPLIT, f"{picture.kind}_{number:05d}.jpg")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        height, width = image.shape
        labels = {kind: str(int(kind == picture.kind)) for kind in CLASSES}
        yield ImageRecord(
            image=name,
            split=UNSPLIT,
            patient_id=picture.group,
            status=Status.UNKNOWN,
            width=width,
            height=height,
            sha256=digest,
            source=picture.origin,
            extra={
                **labels,
                "origin": picture.origin,
                "variant": picture.variant,
                "official_split": "test" if picture.test_only else "",
            },
        )


if __name__ == "__main__":
    main()
