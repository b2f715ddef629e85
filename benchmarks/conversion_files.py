"""The files of the conversion benchmark: the same boxes as COCO, Pascal VOC and labelme.

The boxes have two decimals, the images odd sizes, every eleventh image or so no box at all.
Class names are without a space, because one of the peers stops at one. The images are real PNG
files without content: one bit a pixel, all of it black, some hundred bytes a file.
"""

import json
import math
import random
import shutil
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

LABELS = ("fracture", "metal", "lesion", "soft_tissue", "periosteal_reaction")
FORMATS = ("coco", "voc", "labelme")
SIDES = range(311, 1021, 2)
SIZES = 256
MOST_BOXES = 10


@dataclass(frozen=True)
class Image:
    """An image and its boxes: label, then x1, y1, x2, y2 in pixels."""

    stem: str
    width: int
    height: int
    boxes: tuple[tuple[str, float, float, float, float], ...]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.stem + ".png"


@dataclass(frozen=True)
class Files:
    """Where the files of the benchmark are, and what is in them, by the image's stem."""

    root: Path
    truth: dict[str, Image]

    @property
    def images(self) -> Path:
        """The folder with the images."""
        return self.root / "coco" / "images"

    def source(self, name: str) -> Path:
        """The file or folder of a format, where each tool's conventions look for it."""
        return (
            self.root
            / {
                "coco": "coco/annotations/instances_train.json",
                "voc": "voc/Annotations",
                "labelme": "labelme/alone",
            }[name]
        )

    @property
    def labelme_beside_images(self) -> Path:
        """The same labelme files beside their images, for a tool that wants them there."""
        return self.root / "labelme" / "beside"


@dataclass(frozen=True)
class Check:
    """What a tool wrote: label files, boxes, how many of these are right, the class numbers."""

    files: int
    boxes: int
    right: int
    numbers: tuple[int, ...]


def make_files(root: Path, number: int) -> Files:
    """Make the files anew; the same number of images gives the same files."""
    shutil.rmtree(root, ignore_errors=True)
    truth = list(_truth(number))
    files = Files(root, {image.stem: image for image in truth})
    alone, beside = files.source("labelme"), files.labelme_beside_images
    for folder in (files.images, files.source("coco").parent, files.source("voc"), alone, beside):
        folder.mkdir(parents=True)
    pixels: dict[tuple[int, int], bytes] = {}
    for image in truth:
        size = image.width, image.height
        if size not in pixels:
            pixels[size] = _png(*size)
        (files.images / image.name).write_bytes(_titled(pixels[size], image.stem))
        (files.source("voc") / f"{image.stem}.xml").write_text(_voc(image))
        (alone / f"{image.stem}.json").write_text(_labelme(image))
        (beside / f"{image.stem}.json").hardlink_to(alone / f"{image.stem}.json")
        (beside / image.name).hardlink_to(files.images / image.name)
    files.source("coco").write_text(json.dumps(_coco(truth)))
    _write_lists(files)
    return files


def check_labels(out: Path, truth: dict[str, Image], *, within: float) -> Check:
    """Compare all label files below ``out`` with the truth.

    A box is right that lies within ``within`` px of a box of its image and whose class number
    stands for that box's label: by the file's ``data.yaml``, or, where there is none, by
    whichever label the number is used for most.
    """
    files, boxes, numbers = 0, 0, set()
    pairs: Counter[tuple[str, int]] = Counter()
    for path in out.rglob("*.txt"):
        # labelme2yolo adds an underscore and a hash to the name.
        image = truth.get(path.stem) or truth.get(path.stem.rpartition("_")[0])
        if image is None:
            continue
        written = [_pixels(line, image) for line in path.read_text().splitlines()]
        files += 1
        boxes += len(written)
        numbers |= {number for number, _ in written}
        for label, *corners in image.boxes:
            for index, (number, found) in enumerate(written):
                if max(abs(a - b) for a, b in zip(corners, found, strict=True)) <= within:
                    pairs[label, number] += 1
                    del written[index]
                    break
    meanings = _names(out) or _guessed(pairs)
    right = sum(count for (label, number), count in pairs.items() if meanings.get(number) == label)
    return Check(files, boxes, right, tuple(sorted(numbers)))


def _write_lists(files: Files) -> None:
    """The class names and the list of images that some tools must have besides."""
    files.images.with_name("classes.txt").write_text("".join(f"{label}\n" for label in LABELS))
    voc = files.source("voc").parent
    (voc / "labelmap.txt").write_text("".join(f"{label}:::\n" for label in LABELS))
    splits = voc / "ImageSets" / "Main"
    splits.mkdir(parents=True)
    (splits / "train.txt").write_text("".join(f"{stem}\n" for stem in files.truth))


def _truth(number: int) -> Iterator[Image]:
    rng = random.Random(0)
    sizes = [(rng.choice(SIDES), rng.choice(SIDES)) for _ in range(SIZES)]
    for index in range(number):
        width, height = rng.choice(sizes)
        boxes = [_box(rng, width, height) for _ in range(rng.randint(0, MOST_BOXES))]
        yield Image(f"image_{index:06d}", width, height, tuple(boxes))


def _box(rng: random.Random, width: int, height: int) -> tuple[str, float, float, float, float]:
    w, h = rng.uniform(8, width / 2), rng.uniform(8, height / 2)
    x, y = rng.uniform(0, width - w - 0.01), rng.uniform(0, height - h - 0.01)
    return rng.choice(LABELS), round(x, 2), round(y, 2), round(x + w, 2), round(y + h, 2)


def _coco(truth: list[Image]) -> dict[str, list[dict[str, object]]]:
    annotations: list[dict[str, object]] = []
    for number, image in enumerate(truth, 1):
        for label, x1, y1, x2, y2 in image.boxes:
            w, h = round(x2 - x1, 2), round(y2 - y1, 2)
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": LABELS.index(label) + 1,
                "bbox": [x1, y1, w, h],
                "area": round(w * h, 4),
                "iscrowd": 0,
                "segmentation": [],
            }
            annotations.append(annotation)
    images = [
        {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
        for number, image in enumerate(truth, 1)
    ]
    categories = [{"id": number, "name": name} for number, name in enumerate(LABELS, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _voc(image: Image) -> str:
    objects = "".join(
        f"<object><name>{label}</name><pose>Unspecified</pose><truncated>0</truncated>"
        f"<difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for label, x1, y1, x2, y2 in image.boxes
    )
    return (
        f"<annotation><folder>images</folder><filename>{image.name}</filename>"
        f"<path>images/{image.name}</path><source><database>Unknown</database></source>"
        f"<size><width>{image.width}</width><height>{image.height}</height><depth>1</depth></size>"
        f"<segmented>0</segmented>{objects}</annotation>"
    )


def _labelme(image: Image) -> str:
    shapes = [
        {
            "label": label,
            "points": [[x1, y1], [x2, y2]],
            "group_id": None,
            "description": "",
            "shape_type": "rectangle",
            "flags": {},
            "mask": None,
        }
        for label, x1, y1, x2, y2 in image.boxes
    ]
    document = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": image.name,
        "imageData": None,
        "imageHeight": image.height,
        "imageWidth": image.width,
    }
    return json.dumps(document, indent=2)


def _png(width: int, height: int) -> bytes:
    """A black picture of one bit a pixel, but for its end."""
    rows = bytes((1 + (width + 7) // 8) * height)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows))


def _titled(picture: bytes, title: str) -> bytes:
    """The picture with its title, so that no two files are the same, and its end."""
    return picture + _chunk(b"tEXt", b"Title\0" + title.encode("latin-1")) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _pixels(line: str, image: Image) -> tuple[int, tuple[float, ...]]:
    """Class number and corners of a line; -1 and no place at all if it is no box."""
    try:
        number, x, y, w, h = (float(part) for part in line.split())
        corners = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        sides = (image.width, image.height) * 2
        return int(number), tuple(a * side for a, side in zip(corners, sides, strict=True))
    except (ValueError, OverflowError):
        return -1, (math.nan,) * 4


def _names(out: Path) -> dict[int, str]:
    """The class names that the tool wrote down."""
    for path in sorted(out.rglob("*.yaml")):
        names = yaml.safe_load(path.read_text()).get("names", {})
        return dict(names if isinstance(names, dict) else enumerate(names))
    return {}


def _guessed(pairs: Counter[tuple[str, int]]) -> dict[int, str]:
    """The label that each class number is used for most; no label twice."""
    meanings: dict[int, str] = {}
    for (label, number), _ in pairs.most_common():
        if number not in meanings and label not in meanings.values():
            meanings[number] = label
    return meanings
