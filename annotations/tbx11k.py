"""TBX11K: Pascal VOC XML with the coordinates and the size of the original radiographs.

Liu et al., Rethinking computer-aided tuberculosis diagnosis, CVPR 2020. The images are handed out
at 512 × 512 pixels, so a box only fits after it was divided by the size that its document states;
``filename`` has no extension. The set's own JSON and YOLO files, on which its benchmark is
measured, are the XML at 512 pixels minus one pixel on every side; the same is done here.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from lucency.annotations import voc
from lucency.annotations.findings import ImageAnnotation
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import Source

_CLASSES = frozenset(
    {
        "ActiveTuberculosis",
        "ObsoletePulmonaryTuberculosis",
        "PulmonaryTuberculosis",
        "UncertainTuberculosis",
    }
)
# The side of the images in pixels, as they are handed out.
_SIDE = 512
_NAME = re.compile(r"<name>\s*([^<]*?)\s*</name>")


def detect(head: Head) -> bool:
    """Whether the file is a VOC document all of whose objects are of TBX11K's classes."""
    if "Tuberculosis" not in head.text or not voc.detect(head):
        return False
    names = set(_NAME.findall(head.text))
    return bool(names) and names <= _CLASSES


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the image of every document, in pixels of the original radiograph.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    for annotation in voc.read(source, ledger):
        width, height = annotation.size_wh or (_SIDE, _SIDE)
        moved = tuple(
            replace(f, box=_moved(f.box, -width / _SIDE, -height / _SIDE), polygon=None)
            for f in annotation.findings
        )
        yield replace(annotation, findings=moved)


def _moved(box: Box, by_x: float, by_y: float) -> Box:
    return Box(box.x1 + by_x, box.y1 + by_y, box.x2 + by_x, box.y2 + by_y)
