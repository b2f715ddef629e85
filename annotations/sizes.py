"""Agreement of an annotation's size with its image's, and the way from the one to the other."""

from dataclasses import dataclass

from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.image_size import ImageHeader
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.shapes import corners

# Annotation and image may differ in size if their aspect ratios agree this well.
ASPECT_TOLERANCE = 0.01


class SizeMismatchError(Exception):
    """Annotation and image are of different shapes: the boxes belong to another image."""


@dataclass(frozen=True, slots=True)
class PixelMap:
    """From pixels of the annotation to pixels of the image as displayed: turned, then scaled.

    ``orientation`` is that of EXIF (1: nothing to turn), ``size_wh`` the annotation's size.
    """

    scale_x: float = 1.0
    scale_y: float = 1.0
    orientation: int = 1
    size_wh: tuple[int, int] = (1, 1)

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """The points in pixels of the image."""
        width, height = self.size_wh
        if self.orientation == 5:
            points = tuple((y, x) for x, y in points)
        elif self.orientation == 6:
            points = tuple((height - y, x) for x, y in points)
        elif self.orientation == 7:
            points = tuple((height - y, width - x) for x, y in points)
        elif self.orientation == 8:
            points = tuple((y, width - x) for x, y in points)
        return tuple((x * self.scale_x, y * self.scale_y) for x, y in points)

    def box(self, box: Box) -> Box:
        """The box in pixels of the image."""
        if self.orientation == 1:
            return box.scaled(self.scale_x, self.scale_y)
        return box_around(self.points(corners(box)))


def pixel_map(
    header: ImageHeader, annotation: ImageAnnotation, ledger: Ledger, *, stretched: bool
) -> PixelMap | None:
    """How the annotation's pixels become those of its image; None where they are the same.

    A size in another proportion is accepted only where the image's EXIF orientation explains
    it, or where the images are known to be ``stretched``; what is done is told to the ledger.

    Raises
    ------
    SizeMismatchError
        The two differ in shape.

    """
    size, given = (header.width, header.height), annotation.size_wh
    if given is None or given == size:
        return None
    if given is NORMALISED:  # a document may well say that its image has 1 x 1 px
        return PixelMap(float(header.width), float(header.height))
    told = (
        f"the annotation is for {given[0]} x {given[1]} px, "
        f"{'the image has' if header.kind else 'one before is for'} "
        f"{header.width} x {header.height} px"
    )
    turned = given[::-1]
    if header.orientation >= 5 and _alike(turned, size) and not _alike(given, size):
        found = PixelMap(size[0] / turned[0], size[1] / turned[1], header.orientation, given)
        told += f": turned by the image's EXIF orientation {header.orientation}"
        _note(annotation, Reason.TURNED, told, ledger)
        return found
    if not stretched and not _alike(given, size):
        why = "; if images were resized without keeping their proportions, say --stretched"
        raise SizeMismatchError(told + (": one of the two is turned" if turned == size else why))
    _note(annotation, Reason.SCALED, told, ledger)
    return PixelMap(header.width / given[0], header.height / given[1])


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions."""
    return abs((one[0] / one[1]) / (other[0] / other[1]) - 1) <= ASPECT_TOLERANCE


def _note(annotation: ImageAnnotation, reason: Reason, detail: str, ledger: Ledger) -> None:
    ledger.note(annotation.source, image=annotation.image, reason=reason, detail=detail)
