"""Label Studio's results: joining regions with their labels, and percentages to pixels.

Formats: https://labelstud.io/guide/task_format and https://labelstud.io/tags/rectanglelabels
(and its siblings). A region and its label are one result (``rectanglelabels``), or two with the
same id (``rectangle`` and ``labels``). Rectangles turn about their top-left corner, in pixels:
turning percentages would shear them. ``image_rotation`` tells how the view was turned, and the
coordinates are those of the image as it is stored. Brushes are RGBA pixels in the run lengths of
https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lucency.annotations import marks
from lucency.annotations.documents import finite, shown, text, whole
from lucency.annotations.findings import Finding
from lucency.annotations.formats import NORMALISED
from lucency.annotations.geometry import Point
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.marks import Mark
from lucency.annotations.masks import mask_from_rows

# Types of results that are regions, without the ending "labels".
_REGION_TYPES = {"rectangle", "polygon", "ellipse", "brush", "magicwand", "keypoint", "vector",
                 "bitmask", "videorectangle"}  # fmt: skip
# A value with one of these is a region, or says something of one.
_SHAPE_KEYS = {"x", "points", "rle", "vertices", "imageDataURL", "sequence"}
_GEOMETRY = (*sorted(_SHAPE_KEYS), "y", "width", "height", "radiusX", "radiusY", "rotation")
# What is said of a region besides its label.
_SAID = ("choices", "taxonomy", "text", "number", "rating", "datetime")
# A result with one of these says something of another result's region.
_ADDITIONS = {"labels", *_SAID}
_MOST_PIXELS = 100_000_000
_INSIDE = bytes([48]) + bytes([49]) * 255  # alpha 0 is outside


@dataclass(slots=True)
class Region:
    """One region: ``value`` is whatever the document holds there, ``names`` its labels.

    ``choices`` made for the region are its labels if it has no others. ``target`` says which image
    it lies in: the name of the control, and the page.
    """

    index: str
    value: Any
    target: tuple[str, int | None]
    size_wh: tuple[int, int] | None
    identity: str | None
    names: list[str] = field(default_factory=list)
    choices: list[str] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Results:
    """What one annotator handed in: regions, and the choices made for the whole image."""

    regions: list[Region]
    choices: list[tuple[tuple[str, int | None], str]]


def results_in(values: Sequence[object], *, where: str) -> Results:
    """Sort results into regions with their labels, and choices; relations and texts are ignored."""
    regions: list[Region] = []
    further: list[Region] = []
    choices: list[tuple[tuple[str, int | None], str]] = []
    for number, value in enumerate(values):
        result = _result(value, f"{where}[{number}]")
        kind = value.get("type") if isinstance(value, dict) else ""
        if _is_region(result.value, kind):
            regions.append(result)
        elif isinstance(result.value, dict):
            further.append(result)
    by_identity = {region.identity: region for region in reversed(regions) if region.identity}
    for result in further:
        region = by_identity.get(result.identity) if result.identity else _alike(regions, result)
        if region is not None:
            region.names += result.names
            region.choices += result.choices
            region.attributes |= result.attributes
        elif not _SHAPE_KEYS.isdisjoint(result.value):  # the region's own result is missing
            regions.append(result)
            if result.identity:
                by_identity[result.identity] = result
        else:
            choices += [(result.target, name) for name in result.choices]
    return Results(regions, choices)


def size_of(regions: Sequence[Region]) -> tuple[int, int]:
    """The image's size that the regions state, or `NORMALISED` if none does."""
    return next((region.size_wh for region in regions if region.size_wh), NORMALISED)


def finding_of(region: Region, size_wh: tuple[int, int]) -> Finding:
    """The finding of a region, in pixels of an image of ``size_wh``, or in fractions.

    Raises
    ------
    UnusableBox
        It has no label, no area, numbers that are none, or a shape that cannot become a box.

    """
    where = f"{region.index}.value"
    names = region.names or region.choices
    if not names:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must have a label, got {shown(region.value)}"
        )
    box, outline = _mark(region.value, size_wh, where=where)
    attributes = region.attributes
    if names[1:]:
        attributes = attributes | {"labels": ", ".join(names[1:])}
    return Finding(names[0], box, outline, attributes, region.index)


def _result(value: object, index: str) -> Region:
    if not isinstance(value, dict):
        return Region(index, value, ("", None), None, None)
    inner = value.get("value")
    to_name, page, identity = value.get("to_name"), value.get("item_index"), value.get("id")
    sizes = value if "original_width" in value or not isinstance(inner, dict) else inner
    width, height = whole(sizes.get("original_width")), whole(sizes.get("original_height"))
    size_wh = (width, height) if width and height and min(width, height) > 0 else None
    target = (to_name if isinstance(to_name, str) else "", whole(page))
    region = Region(index, inner, target, size_wh, identity if isinstance(identity, str) else None)
    if isinstance(inner, dict):
        kind = value.get("type")
        keys = [key for key in inner if key.endswith("labels")]
        keys.sort(key=lambda key: key != kind)
        region.names = [name for key in keys for name in _texts(inner[key])]
        if not _ADDITIONS.isdisjoint(inner):
            region.choices = _texts(inner.get("choices"))
            said = {key: ", ".join(_texts(inner[key])) for key in _SAID if key in inner}
            region.attributes = {key: told for key, told in said.items() if told}
    return region


def _texts(value: object) -> list[str]:
    """The texts in a list, which may be nested once (a taxonomy), or the one text."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        number = None if isinstance(item, str) else finite(item)
        inner = item if isinstance(item, list) else [item if number is None else f"{number:g}"]
        path = [name for name in map(text, inner) if name is not None]
        if path:
            found.append("/".join(path))
    return found


def _is_region(value: object, kind: object) -> bool:
    if isinstance(kind, str) and kind.removesuffix("labels") in _REGION_TYPES:
        return True
    if isinstance(value, dict):
        return not _SHAPE_KEYS.isdisjoint(value) and _ADDITIONS.isdisjoint(value)
    return kind == ""  # no result at all, which may have been a region


def _alike(regions: Sequence[Region], result: Region) -> Region | None:
    """The region of the same shape that lacks what is said; JSON-min has no ids."""
    if _SHAPE_KEYS.isdisjoint(result.value):
        return None
    shape = [result.value.get(key) for key in _GEOMETRY]
    for region in regions:
        if not isinstance(region.value, dict) or (region.names and result.names):
            continue
        if [region.value.get(key) for key in _GEOMETRY] == shape:
            return region
    return None


def _mark(value: object, size_wh: tuple[int, int], *, where: str) -> Mark:
    if not isinstance(value, dict):
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be an object, got {shown(value)}")
    x_unit, y_unit = size_wh[0] / 100, size_wh[1] / 100
    if "rle" in value:
        return _brush(value["rle"], size_wh, where=f"{where}.rle")
    if "points" in value:
        points = _points(value["points"], where=f"{where}.points")
        pixels = [(x * x_unit, y * y_unit) for x, y in points]
        return marks.polygon(pixels, where=f"{where}.points")
    _check_kind(value, where=where)
    is_ellipse = "radiusX" in value
    keys = ("x", "y", "radiusX", "radiusY") if is_ellipse else ("x", "y", "width", "height")
    x, y, width, height = marks.keyed_numbers(value, keys, where=where)
    (degrees,) = marks.numbers([value.get("rotation") or 0], where=f"{where}.rotation")
    if size_wh == NORMALISED and degrees % 360:
        raise UnusableBox(
            Reason.MALFORMED,
            f"{where}.rotation: must be 0 without the image's size, got {degrees:g}",
        )
    corner = (x * x_unit, y * y_unit)
    width, height = width * x_unit, height * y_unit
    if is_ellipse:
        return marks.ellipse(corner, width, height, degrees=degrees, where=where)
    return marks.rectangle(*corner, width, height, degrees=degrees, about=corner, where=where)


def _check_kind(value: Mapping[str, Any], *, where: str) -> None:
    for key in ("vertices", "imageDataURL", "sequence"):
        if key in value:
            raise UnusableBox(
                Reason.UNSUPPORTED_SHAPE, f"{where}.{key}: cannot become a box, got {shown(value)}"
            )
    if "x" in value and "height" not in value and "radiusX" not in value:
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE, f"{where}: a keypoint has no box, got {shown(value)}"
        )


def _points(value: object, *, where: str) -> list[Point]:
    if not isinstance(value, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in value
    ):
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be [[x, y], …], got {shown(value)}")
    flat = marks.numbers([number for point in value for number in point], where=where)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _brush(rle: object, size_wh: tuple[int, int], *, where: str) -> Mark:
    width, height = size_wh
    if size_wh == NORMALISED or width * height > _MOST_PIXELS:
        raise UnusableBox(
            Reason.MALFORMED,
            f"{where}: needs an image size of up to {_MOST_PIXELS // 10**6} megapixels, "
            f"got {shown(None if size_wh == NORMALISED else size_wh)}",
        )
    try:
        alpha = _alpha(bytes(rle) if isinstance(rle, list) else b"", width * height)
        inside = alpha.translate(_INSIDE)
        mask = mask_from_rows(inside[at : at + width] for at in range(0, len(inside), width))
    except (TypeError, ValueError, IndexError) as error:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be run lengths ({error}), got {shown(rle)}"
        ) from None
    box = mask.box()
    if box is None:
        raise UnusableBox(Reason.ZERO_AREA, f"{where}: must hold a pixel, got an empty mask")
    return box, mask.outline()


def _alpha(rle: bytes, pixels: int) -> bytes:
    """The alpha of ``pixels`` RGBA pixels; raises `ValueError` or `IndexError` if it is damaged.

    A header of 53 bits: the number of bytes (32), the bits of a word less 1 (5), and four widths
    of run lengths less 1 (4 each). Then blocks: whether a word is repeated (1), which width (2),
    the length less 1, and one word, or as many as the length says.
    """
    bits = format(int.from_bytes(rle), f"0{8 * len(rle)}b") if len(rle) > 6 else ""
    count, word = int(bits[:32] or "0", 2), int(bits[32:37] or "0", 2) + 1
    if count != 4 * pixels or word != 8:
        raise ValueError(f"for {4 * pixels} bytes")
    widths = [int(bits[at : at + 4], 2) + 1 for at in (37, 41, 45, 49)]
    alpha = bytearray()
    at, done = 53, 0
    while done < count:
        width = widths[int(bits[at + 1 : at + 3], 2)]
        start = at + 3 + width
        length = int(bits[at + 3 : start], 2) + 1
        if bits[at] == "1":
            at = start + 8
            alpha += bytes([int(bits[start:at], 2)]) * ((done + length) // 4 - done // 4)
        else:
            at = start + 8 * length
            words = int(bits[start:at], 2).to_bytes(length)
            alpha += words[3 - done % 4 :: 4]
        done += length
    if done != count or at > len(bits):
        raise ValueError("cut off")
    return bytes(alpha)
