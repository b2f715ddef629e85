"""How many changed copies of real radiographs are found, and how many pairs of the originals.

    python benchmarks/near_duplicates.py DATA

DATA holds fracatlas/, pneumonia/, tb_sites/ and tbx11k/. Of each set every n-th image, 150 in all,
is changed in each way, turned or mirrored at random, and looked for among the 150. Prints Markdown.
"""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lucency.configs.errors import ImageError
from lucency.datasets.candidate_pairs import turned
from lucency.datasets.near_duplicates import alike_pairs
from lucency.datasets.parallel import in_order
from lucency.datasets.perceptual_hash import perceptual_hash, thumbnail

SETS = {
    "FracAtlas": ("fracatlas/images", "*.jpg"),
    "pneumonia": ("pneumonia/train", "*.jpeg"),
    "TB sites": ("tb_sites/images", "*.jpg"),
    "TBX11K": ("tbx11k/images", "*.jpg"),
}
SAMPLE = 150

Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def encoded(image: Image.Image, _: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(io.BytesIO(file.getvalue()))


def reduced(image: Image.Image, _: np.random.Generator) -> Image.Image:
    return image.resize((max(1, round(image.width * 0.3)), max(1, round(image.height * 0.3))))


def gamma(power: float) -> Change:
    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        return image.point([round(255 * (level / 255) ** power) for level in range(256)])

    return change


def window(low: float, high: float) -> Change:
    def change(image: Image.Image, _: np.random.Generator) -> Image.Image:
        first, last = np.percentile(np.asarray(image), [low, high])
        span = max(last - first, 1.0)
        return image.point([round(255 * min(max((n - first) / span, 0), 1)) for n in range(256)])

    return change


def cut(most: float) -> Change:
    def change(image: Image.Image, random: np.random.Generator) -> Image.Image:
        left, top, right, bottom = random.uniform(0, most, 4)
        width, height = image.size
        corners = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        return image.crop(tuple(round(place) for place in corners))

    return change


def everything(image: Image.Image, random: np.random.Generator) -> Image.Image:
    for change in (cut(0.04), reduced, gamma(1.5), encoded):
        image = change(image, random)
    return image


CHANGES: dict[str, Change] = {
    "JPEG at quality 50": encoded,
    "30 % of the size": reduced,
    "gamma 0.5": gamma(0.5),
    "gamma 2": gamma(2.0),
    "window 2 to 98 %": window(2, 98),
    "window 5 to 90 %": window(5, 90),
    "each side cut by up to 3 %": cut(0.03),
    "each side cut by up to 5 %": cut(0.05),
    "cut 4 %, 30 %, gamma 1.5, quality 50": everything,
}


def hashed(path: Path) -> NDArray[np.uint8] | None:
    try:
        return perceptual_hash(path)
    except ImageError:
        return None


def main(data: Path) -> None:
    columns: dict[str, list[str]] = {name: [] for name in ("images", "pairs found", *CHANGES)}
    for folder, pattern in SETS.values():
        paths = sorted((data / folder).rglob(pattern))
        known = {p: h for p, h in zip(paths, in_order(hashed, paths), strict=True) if h is not None}
        columns["images"].append(f"{len(known):,}")
        columns["pairs found"].append(f"{len(alike_pairs(np.array(list(known.values()))))}")
        sample = list(known)[:: max(1, len(known) // SAMPLE)][:SAMPLE]
        originals = np.array([known[path] for path in sample])
        random = np.random.default_rng(0)
        for name, change in CHANGES.items():
            copies = [
                turned(
                    thumbnail(np.asarray(change(Image.open(p).convert("L"), random)))[None],
                    int(random.integers(8)),
                )[0]
                for p in sample
            ]
            pairs = set(alike_pairs(np.concatenate([originals, np.array(copies)])))
            hits = sum((n, n + len(sample)) in pairs for n in range(len(sample)))
            columns[name].append(f"{hits / len(sample):.0%}")
        print(f"{folder} done", file=sys.stderr)
    print("| | " + " | ".join(SETS) + " |")
    print("|---" * (len(SETS) + 1) + "|")
    for name, cells in columns.items():
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
