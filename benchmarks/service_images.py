"""Real radiographs for the service's benchmarks: hands of FracAtlas, chests of TB and pneumonia."""

import csv
import random
from collections.abc import Iterator
from pathlib import Path

from lucency.configs.errors import ImageError
from lucency.datasets.radiographs import decode_radiograph

HERE = Path(__file__).resolve()
DATA = HERE.parents[2] / "shared" / "data"
SEED = 0


def hands(data: Path, count: int) -> list[bytes]:
    """Files of ``count`` radiographs of hands that can be read."""
    with (data / "fracatlas" / "dataset.csv").open(newline="", encoding="utf-8") as file:
        names = [row["image_id"] for row in csv.DictReader(file) if row["hand"] == "1"]
    folders = [data / "fracatlas" / "images" / name for name in ("Fractured", "Non_fractured")]
    paths = [folder / name for name in names for folder in folders if (folder / name).is_file()]
    return _drawn(paths, count)


def chests(data: Path, count: int) -> list[bytes]:
    """Files of ``count`` radiographs of chests: adults of four sites and children by turns."""
    adults = sorted((data / "tb_sites").rglob("*.jpg"))
    children = sorted((data / "pneumonia").rglob("*.jpeg"))
    pairs = zip(_drawn(adults, count), _drawn(children, count), strict=True)
    return [image for pair in pairs for image in pair][:count]


def _drawn(paths: list[Path], count: int) -> list[bytes]:
    order = random.Random(SEED).sample(sorted(paths), len(paths))
    images = []
    for data in _readable(order):
        images.append(data)
        if len(images) == count:
            return images
    raise SystemExit(f"there are only {len(images)} radiographs of {count}; give --data FOLDER")


def _readable(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        data = path.read_bytes()
        try:
            decode_radiograph(data, name=path.name)
        except ImageError:  # some files of FracAtlas are truncated
            continue
        yield data
