"""DICOM segmentations: masks, frame by frame, of segments in other DICOM images.

PS3.3 sections A.51 and C.8.20. A binary frame is packed, one bit a pixel, the lowest bit of a
byte first and without a gap between frames (PS3.5 section 8.1.1); of a fractional one, pixels
above half of the largest value are inside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lucency.annotations.dicom_documents import (
    Mark,
    Marks,
    instances,
    meaning,
    read_objects,
    storage_class,
)
from lucency.annotations.documents import shown, text
from lucency.annotations.findings import NO_ATTRIBUTES, Finding, ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.masks import Mask, mask_from_rows
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
else:
    Dataset = Any

_CLASSES = "1.2.840.10008.5.1.4.1.1.66."
_SEGMENTATION, _LABEL_MAP = f"{_CLASSES}4", f"{_CLASSES}7"
_UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")  # both little endian
_MAX_PIXELS = 100_000_000  # of a frame


@dataclass(frozen=True, slots=True)
class _Place:
    """An image, a frame of it where it has several, and whether its pixels are the mask's."""

    image: str
    frame: str = ""
    aligned: bool = True


def detect(head: Head) -> bool:
    """Whether the file is a segmentation."""
    return storage_class(head.text) in (_SEGMENTATION, _LABEL_MAP)


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image that a segmentation refers to; other DICOM files are passed over.

    A frame that holds a pixel of its segment counts as one box in each of its source images.
    Images without one are of unknown status.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    yield from read_objects(
        source,
        ledger,
        kind="DICOM segmentation",
        classes=(_SEGMENTATION, _LABEL_MAP),
        parse=_parse,
    )


def _parse(dataset: Dataset) -> Marks:
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    count = int(dataset.get("NumberOfFrames") or 1)
    if len(frames) != count:
        raise AnnotationError(
            f"PerFrameFunctionalGroupsSequence: must have {count} items, got {len(frames)}"
        )
    segments = {item.get("SegmentNumber"): item for item in dataset.get("SegmentSequence") or ()}
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())[:1]
    images = list(_referenced(dataset))
    marks: list[Mark] = []
    for number, (frame, mask) in enumerate(zip(frames, _masks(dataset, count), strict=True), 1):
        groups = [frame, *shared]
        places = _places(groups, images)
        images += [place.image for place in places if place.image not in images]
        if mask.lines:
            marks += _marks(mask, _segment(groups, segments), places, where=f"frame {number}")
    return Marks(marks, images, size_wh=(int(dataset.Columns), int(dataset.Rows)))


def _referenced(dataset: Dataset) -> Iterator[str]:
    """The images that the whole segmentation refers to."""
    for series in dataset.get("ReferencedSeriesSequence") or ():
        yield from (image for image, _ in instances(series.get("ReferencedInstanceSequence")))


def _places(groups: list[Dataset], images: list[str]) -> list[_Place]:
    """The source images of a frame; where it names none, the one of the whole segmentation."""
    for group in groups:
        if "DerivationImageSequence" in group:
            return [
                _Place(image, number, item.get("SpatialLocationsPreserved", "YES") == "YES")
                for derivation in group.DerivationImageSequence
                for item in derivation.get("SourceImageSequence") or ()
                for image, numbers in instances([item])
                for number in numbers or [""]
            ]
    return [_Place(images[0])] if len(images) == 1 else []


def _segment(groups: list[Dataset], segments: Mapping[int, Dataset]) -> Dataset | None:
    for group in groups:
        for item in group.get("SegmentIdentificationSequence") or ():
            return segments.get(item.get("ReferencedSegmentNumber"))
    return None


def _marks(
    mask: Mask, segment: Dataset | None, places: list[_Place], *, where: str
) -> Iterator[Mark]:
    said: Mapping[str, Any] | Dataset = {} if segment is None else segment
    kind = meaning(said.get("SegmentedPropertyTypeCodeSequence"))
    label = text(str(said.get("SegmentLabel") or "").strip()) or kind
    box, outline = mask.box(), mask.outline()
    for place in places or [_Place("")]:
        found: Finding | UnusableBox
        if not place.image:
            found = UnusableBox(Reason.UNKNOWN_IMAGE, f"{where}: names no source image")
        elif not place.aligned:
            found = UnusableBox(
                Reason.UNSUPPORTED_SHAPE, f"{where}: does not lie on the pixels of its image"
            )
        elif not label or box is None:
            found = UnusableBox(Reason.UNKNOWN_CLASS, f"{where}: no segment says what it shows")
        else:
            extra = {"frame": place.frame, "property_type": kind if kind != label else ""}
            attributes = {key: value for key, value in extra.items() if value}
            found = Finding(label, box, outline, attributes or NO_ATTRIBUTES, where)
        yield Mark(place.image, where, label, found)


def _masks(dataset: Dataset, count: int) -> Iterator[Mask]:
    """The mask of every frame."""
    rows, columns = dataset.Rows, dataset.Columns
    size, kind = rows * columns, dataset.get("SegmentationType")
    bits = {"BINARY": 1, "FRACTIONAL": 8}.get(kind, 0)
    if not bits or dataset.get("BitsAllocated") != bits:
        raise AnnotationError(
            "SegmentationType: must be BINARY of 1 bit or FRACTIONAL of 8, "
            f"got {shown(kind)} of {shown(dataset.get('BitsAllocated'))}"
        )
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in _UNCOMPRESSED:
        raise AnnotationError(
            f"TransferSyntaxUID: must be uncompressed and little endian, got {syntax.name}"
        )
    if not 0 < size <= _MAX_PIXELS:
        raise AnnotationError(f"Columns and Rows: must be 1 to 100 million pixels, got {size}")
    data = dataset.PixelData
    if len(data) * 8 < count * size * bits:
        raise AnnotationError(
            f"PixelData: must be {(count * size * bits + 7) // 8} bytes, got {len(data)}"
        )
    half = dataset.get("MaximumFractionalValue", 1) / 2
    above = bytes(b"01"[value > half] for value in range(256))
    for start in range(0, count * size, size):
        if bits == 1:
            pixels = _unpacked(data, start, size)
        else:
            pixels = data[start : start + size].translate(above)
        yield mask_from_rows(pixels[at : at + columns] for at in range(0, size, columns))


def _unpacked(data: bytes, start: int, size: int) -> bytes:
    """``size`` bits from the bit ``start`` on, as ``b"0"`` and ``b"1"``."""
    packed = int.from_bytes(data[start // 8 : (start + size + 7) // 8], "little") >> start % 8
    # The text of a number starts with its highest bit, which is the last pixel.
    return format(packed & ((1 << size) - 1), f"0{size}b")[::-1].encode()
