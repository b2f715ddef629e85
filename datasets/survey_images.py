"""What a survey learns from the pixels: every image is decoded once, and only facts are kept."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.display import display
from lucency.datasets.field import find_crop
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import read_radiograph
from lucency.datasets.render import MANIFEST

Progress = Callable[[int, int], None]

# The mean of all images, each squeezed into this square, is drawn below the places of the boxes.
MEAN_PX = 128
_BLACK = np.zeros((MEAN_PX, MEAN_PX), dtype=np.uint8)
# Exposure is judged from a picture of this size: a mean needs no more.
_LOOK = DisplaySpec(longest_side=256)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What one decoded image told.

    ``size_wh`` in pixels; ``bits`` as the file states them, ``used_bits`` as its largest value
    needs; ``inverted`` is MONOCHROME1; ``mean_grey`` 0 to 255 as displayed; ``blank`` is an
    image of a single value; ``field_share`` the part of the area that was exposed;
    ``digest_differs`` compares the file with the table's SHA-256, where it has one.
    """

    record: ImageRecord
    kind: str
    bits: int
    used_bits: int
    inverted: bool
    size_wh: tuple[int, int]
    file_bytes: int
    mean_grey: float
    blank: bool
    field_share: float
    digest_differs: bool
    patient_id: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_differs(self) -> bool:
        """Whether the table states another size."""
        return self.size_wh != (self.record.width, self.record.height)


@dataclass(frozen=True, slots=True)
class UnreadableImage:
    """An image that cannot be decoded: why, in one sentence, and the fault's stable code."""

    record: ImageRecord
    reason: str
    fault: str


@dataclass(frozen=True)
class ImageLook:
    """All images in the order of the table; ``mean`` (MEAN_PX, MEAN_PX) uint8, None without any."""

    facts: tuple[ImageFacts, ...]
    unreadable: tuple[UnreadableImage, ...]
    mean: NDArray[np.uint8] | None


def look_at_images(
    dataset: Dataset, *, workers: int | None = None, progress: Progress | None = None
) -> ImageLook:
    """Decode every image of the set; ``progress`` is told how many are done, and of how many."""
    facts: list[ImageFacts] = []
    unreadable: list[UnreadableImage] = []
    total = np.zeros((MEAN_PX, MEAN_PX), dtype=np.float64)
    # The table of a rendered set has the digests of the images that were rendered.
    look = partial(_look, dataset, digests=not (dataset.root / MANIFEST).exists())
    looks = in_order(look, dataset.records, workers=workers)
    for done, (found, small) in enumerate(looks, start=1):
        if isinstance(found, UnreadableImage):
            unreadable.append(found)
        else:
            facts.append(found)
        total += small
        if progress is not None:
            progress(done, len(dataset.records))
    mean = np.rint(total / len(facts)).astype(np.uint8) if facts else None
    return ImageLook(tuple(facts), tuple(unreadable), mean)


def _look(
    dataset: Dataset, record: ImageRecord, *, digests: bool
) -> tuple[ImageFacts | UnreadableImage, NDArray[np.uint8]]:
    """The facts, and the image squeezed into a square; black where it cannot be decoded."""
    path = dataset.image_path(record)
    try:
        radiograph = read_radiograph(path)
        picture = display(radiograph, _LOOK).image
        digest, file_bytes = _sha256(path), path.stat().st_size
    except ImageError as error:
        reason = str(error).removeprefix(f"{path}: ")
        return UnreadableImage(record, reason, error.fault.value), _BLACK
    except OSError as error:  # it vanished while it was read
        reason = f"cannot be read: {error.strerror}"
        return UnreadableImage(record, reason, ImageFault.UNREADABLE.value), _BLACK
    low, high = int(radiograph.pixels.min()), int(radiograph.pixels.max())
    x1, y1, x2, y2 = find_crop(radiograph, "field")
    facts = ImageFacts(
        record=record,
        kind=radiograph.kind,
        bits=radiograph.bits,
        used_bits=max(high.bit_length(), low.bit_length() + (low < 0), 1),
        inverted=radiograph.greyscale.inverted,
        size_wh=radiograph.size_wh,
        file_bytes=file_bytes,
        mean_grey=round(float(picture.mean()), 2),
        blank=low == high,
        field_share=(x2 - x1) * (y2 - y1) / radiograph.pixels.size,
        digest_differs=digests and bool(record.sha256) and record.sha256 != digest,
        patient_id=radiograph.patient_id,
        tags=radiograph.tags,
    )
    small = cv2.resize(picture, (MEAN_PX, MEAN_PX), interpolation=cv2.INTER_AREA)
    return facts, np.asarray(small, dtype=np.uint8)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
