"""Lines of YOLO label files: boxes, oriented boxes, or polygons, as fractions of the image.

https://docs.ultralytics.com/datasets: ``class x y width height`` with the centre of the box;
``class x1 y1 … x4 y4`` for oriented boxes; ``class x1 y1 … xn yn`` for segments.
"""

import math
from collections.abc import Mapping, Sequence

from lucency.annotations.choices import Geometry
from lucency.annotations.documents import finite, shown
from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.packing import PackedFindings
from lucency.annotations.shapes import corners

# Ten digits: a corner moves by less than a millionth of a pixel in an image of 5,000 px.
_BOX_LINE = "%d %.10f %.10f %.10f %.10f\n"


def label_lines(
    findings: PackedFindings,
    size_wh: tuple[int, int],
    ids: Mapping[str, int],
    geometry: Geometry = Geometry.BOX,
) -> str:
    """The text of an image's label file; a box alone where ``geometry`` asks for boxes.

    Otherwise every line is an outline, since one file must not mix the two.
    """
    if geometry is not Geometry.BOX:
        return "".join(_outline_line(finding, size_wh, ids) for finding in findings)
    width, height = size_wh
    across, down = 2.0 * width, 2.0 * height
    numbers = iter(findings.corners)
    lines = [
        _BOX_LINE
        % (ids[label], (x1 + x2) / across, (y1 + y2) / down, (x2 - x1) / width, (y2 - y1) / height)
        for label, x1, y1, x2, y2 in zip(
            findings.labels, numbers, numbers, numbers, numbers, strict=True
        )
    ]
    return "".join(lines)


def _outline_line(finding: Finding, size_wh: tuple[int, int], ids: Mapping[str, int]) -> str:
    width, height = size_wh
    points = finding.polygon or corners(finding.box)
    numbers = " ".join(f"{x / width:.10f} {y / height:.10f}" for x, y in points)
    return f"{ids[finding.label]} {numbers}\n"


def read_line(line: str, names: Sequence[str], *, where: str, boxes_first: bool = False) -> Finding:
    """The finding of a line, in fractions of the image.

    ``boxes_first`` is set for pose sets, whose lines go on after the box.

    Raises
    ------
    UnusableBox
        The line is no box, oriented box or polygon, its class is unknown, or it has no area.

    """
    fields = line.split()
    try:
        values = [float(field) for field in fields]
    except ValueError:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be numbers alone, got {shown(line.strip())}"
        ) from None
    if not all(map(math.isfinite, values)):
        raise UnusableBox(
            Reason.NOT_FINITE, f"{where}: must be finite numbers, got {shown(line.strip())}"
        )
    label = label_of(fields[0], names)
    if not label:
        raise UnusableBox(
            Reason.UNKNOWN_CLASS,
            f"{where}: class must be a whole number from 0 to {len(names) - 1}, got {fields[0]}",
        )
    coordinates = values[1:5] if boxes_first and len(values) > 5 else values[1:]
    try:
        box, polygon = _box(coordinates)
    except ValueError as error:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: {error}, got {shown(line.strip())}"
        ) from None
    if box.width <= 0 or box.height <= 0:
        raise UnusableBox(
            Reason.ZERO_AREA,
            f"{where}: width and height must be above 0, got {shown(line.strip())}",
        )
    return Finding(label, box, polygon=polygon, index=where)


def label_of(field: str, names: Sequence[str]) -> str:
    """The class name of a number, or an empty text."""
    try:
        number = finite(float(field))
    except ValueError:
        return ""
    if number is None or not number.is_integer() or not 0 <= number < len(names):
        return ""
    return names[int(number)]


def _box(numbers: Sequence[float]) -> tuple[Box, tuple[Point, ...] | None]:
    if len(numbers) == 4:
        x, y, width, height = numbers
        width, height = max(width, 0.0), max(height, 0.0)
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), None
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError(
            "must be a class and 4 numbers, or x and y of at least 3 points "
            "(a sixth number as in predictions is not allowed)"
        )
    points = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    return box_around(points), points
