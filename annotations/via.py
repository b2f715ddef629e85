"""VGG Image Annotator (VIA) 1 and 2: regions in pixels, as JSON, as a project or as CSV.

Written after the files of both versions and https://www.robots.ox.ac.uk/~vgg/software/via/. No
version stores the size of an image. A region has attributes but no class, so that one attribute
must be it: the only one there is; else the first of class, label, category, type and name;
else the one that all regions have. Checkboxes that are ticked are names of classes, too. Where
no region has any attribute, as in sets of one class, all are of the class ``region``.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from lucency.annotations import documents, marks
from lucency.annotations.documents import finite, listing, mapping, shown, whole
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Point
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.marks import Mark
from lucency.annotations.shapes import is_closed
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs.errors import AnnotationError

_ONLY_CLASS = "region"
_ONE_CLASS = (
    f"no region has an attribute that says its class: all are called {_ONLY_CLASS}; "
    f"--map {_ONLY_CLASS}=NAME gives them another name"
)
_CLASS_NAMES = ("class", "label", "category", "type", "name")
_COLUMNS = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
# A line drawn by hand rarely ends on the very pixel where it began.


def detect(head: Head) -> bool:
    """Whether the file looks like VIA's JSON, project or CSV."""
    text = head.text
    if head.name.lower().endswith(".csv"):
        first = text[:500].partition("\n")[0]
        return "filename" in first and "region_shape_attributes" in first
    if not text[:200].lstrip().startswith("{") or '"regions"' not in text:
        return False
    return '"filename"' in text and ('"file_attributes"' in text or '"shape_attributes"' in text)


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of every document.

    An image without regions is unknown: VIA lists every image that was loaded, whether anybody
    looked at it or not.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    return read_each(source, ledger, ".json", ".csv", document=_document)


@dataclass(frozen=True, slots=True)
class _Region:
    """One region; ``shape`` and ``attributes`` are whatever the document holds there."""

    index: str
    shape: object
    attributes: object


@dataclass(frozen=True, slots=True)
class _Image:
    name: str
    regions: list[_Region]
    attributes: object


def _document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    is_csv = file.name.lower().endswith(".csv")
    images = _csv_images(file) if is_csv else _json_images(file)
    regions = [region for image in images for region in image.regions]
    key = _class_attribute(regions)
    only = _ONLY_CLASS if all(region.attributes == {} for region in regions) else ""
    if regions and only and _ONE_CLASS not in ledger.hints:
        ledger.hints.append(_ONE_CLASS)
    ledger.expect(file.name, len(regions))
    for image in images:
        findings = tuple(_findings(image, key, only, file.name, ledger))
        yield ImageAnnotation(
            image=image.name,
            source=file.name,
            size_wh=None,
            findings=findings,
            status=Status.ANNOTATED if findings else Status.UNKNOWN,
            split=file.split,
            extra=_texts(image.attributes),
        )


def _json_images(file: SourceFile) -> list[_Image]:
    document = mapping(documents.read_json(file), where=file.name)
    entries = document.get("_via_img_metadata", document)
    images = []
    for key, value in mapping(entries, where=f"{file.name}: _via_img_metadata").items():
        # A key is a file's name and size, and may be anything.
        position = documents.text(key) or shown(key)
        entry = mapping(value, where=f"{file.name}: {position}")
        name = _image_name(entry.get("filename"), where=f"{file.name}: {position}.filename")
        regions = entry.get("regions") or []
        where = f"{position}.regions"
        numbered: Iterable[tuple[object, Any]]
        if isinstance(regions, dict):
            numbered = regions.items()
        else:
            numbered = enumerate(listing(regions, where=f"{file.name}: {where}"))
        found = [_region(region, f"{where}[{number}]") for number, region in numbered]
        images.append(_Image(name, found, entry.get("file_attributes")))
    return images


def _region(value: object, index: str) -> _Region:
    region = value if isinstance(value, dict) else {}
    return _Region(index, region.get("shape_attributes"), region.get("region_attributes"))


def _csv_images(file: SourceFile) -> list[_Image]:
    reader = csv.reader(io.StringIO(documents.read_text(file), newline=""))
    images: dict[tuple[str, str], _Image] = {}
    try:
        header = [cell.strip().lstrip("#") for cell in next(reader, [])]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise AnnotationError(
                f"{file.name}: line 1: must name {', '.join(missing)}, got {shown(header)}"
            )
        columns = [header.index(name) for name in _COLUMNS]
        for row in reader:
            if any(row):
                _add_row(images, row, columns, f"line {reader.line_num}", file.name)
    except csv.Error as error:
        raise AnnotationError(f"{file.name}: line {reader.line_num}: {error}") from None
    return list(images.values())


def _add_row(
    images: dict[tuple[str, str], _Image],
    row: Sequence[str],
    columns: Sequence[int],
    position: str,
    file_name: str,
) -> None:
    cells = [row[column] if column < len(row) else "" for column in columns]
    filename, size, file_attributes, count, _, shape, attributes = cells
    name = _image_name(filename, where=f"{file_name}: {position}")
    image = images.get((filename, size))
    if image is None:
        image = _Image(name, [], _json_cell(file_attributes))
        images[filename, size] = image
    if count.strip() == "0" and shape.strip() in ("", "{}"):
        return  # the row of an image without regions
    image.regions.append(_Region(position, _json_cell(shape), _json_cell(attributes)))


def _json_cell(cell: str) -> object:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell  # no object, so that whoever needs one can say what it is


def _image_name(value: object, *, where: str) -> str:
    name = documents.text(value)
    if name is not None and "://" in name:  # VIA opens images of the web as well
        path = name.partition("://")[2].partition("?")[0].partition("#")[0]
        # In VIA's file://C:\folder\1.png the drive stands where the host would.
        name = documents.text(unquote(path.replace("\\", "/").partition("/")[2]))
    if name is None:
        raise AnnotationError(f"{where}: must be a file name, got {shown(value)}")
    return name.replace("\\", "/")


def _class_attribute(regions: Sequence[_Region]) -> str:
    """The attribute that is the class, or an empty text if nothing tells."""
    counts: Counter[str] = Counter(
        key
        for region in regions
        if isinstance(region.attributes, dict)
        for key in region.attributes
    )
    if len(counts) == 1:
        return next(iter(counts))
    for name in _CLASS_NAMES:
        found = [key for key in counts if key.strip().lower() == name]
        if found:
            return max(found, key=counts.__getitem__)
    shared = [key for key, count in counts.items() if count == len(regions)]
    return shared[0] if len(shared) == 1 else ""


def _findings(
    image: _Image, key: str, only: str, file_name: str, ledger: Ledger
) -> Iterator[Finding]:
    for region in image.regions:
        names: list[str] = []
        try:
            names = [only] if only else _names(region, key)
            box, outline = _mark(region.shape, f"{region.index}.shape_attributes")
            further = _texts(region.attributes, besides=key)
            if names[1:]:
                further[key] = ", ".join(names[1:])
            yield Finding(names[0], box, outline, further, region.index)
        except UnusableBox as problem:
            label = names[0] if names else ""
            ledger.unusable(file_name, problem, image=image.name, index=region.index, label=label)


def _names(region: _Region, key: str) -> list[str]:
    """The class, and further ones that were ticked."""
    where = f"{region.index}.region_attributes"
    if not isinstance(region.attributes, dict):
        found = shown(region.attributes)
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be an object, got {found}")
    if not key:
        raise UnusableBox(
            Reason.UNKNOWN_CLASS,
            f"{where}: no attribute is the class, got {shown(region.attributes)}",
        )
    value = region.attributes.get(key)
    names = _ticked(value) if isinstance(value, dict) else [_text(value)]
    if not names or not names[0]:
        position = f"{where}.{documents.text(key) or shown(key)}"
        raise UnusableBox(Reason.UNKNOWN_CLASS, f"{position}: must be a name, got {shown(value)}")
    return names


def _mark(shape: object, where: str) -> Mark:
    kind = shape.get("name") if isinstance(shape, dict) else None
    if not isinstance(shape, dict) or documents.text(kind) is None:
        raise UnusableBox(Reason.MALFORMED, f"{where}: must be a named shape, got {shown(shape)}")
    if kind == "rect":
        x, y, width, height = marks.keyed_numbers(shape, ("x", "y", "width", "height"), where=where)
        return marks.rectangle(x, y, width, height, where=where)
    if kind == "circle":
        x, y, radius = marks.keyed_numbers(shape, ("cx", "cy", "r"), where=where)
        return marks.ellipse((x, y), radius, radius, where=where)
    if kind == "ellipse":
        turned = {"theta": 0.0} | shape  # version 1 could not turn it
        x, y, rx, ry, theta = marks.keyed_numbers(
            turned, ("cx", "cy", "rx", "ry", "theta"), where=where
        )
        return marks.ellipse((x, y), rx, ry, degrees=math.degrees(theta), where=where)
    if kind == "polygon":
        return marks.polygon(_points(shape, where=where), where=where)
    if kind == "polyline":
        points = _points(shape, where=where)
        if is_closed(points):
            return marks.polygon(points, where=where)
        raise UnusableBox(
            Reason.UNSUPPORTED_SHAPE, f"{where}: an open line has no box, got {shown(shape)}"
        )
    raise UnusableBox(
        Reason.UNSUPPORTED_SHAPE, f"{where}.name: must be a shape with an area, got {shown(kind)}"
    )


def _points(shape: Mapping[str, Any], *, where: str) -> list[Point]:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
        raise UnusableBox(
            Reason.MALFORMED,
            f"{where}: must have as many all_points_x as all_points_y, got {shown(shape)}",
        )
    flat = marks.numbers([*xs, *ys], where=where)
    return list(zip(flat[: len(xs)], flat[len(xs) :], strict=True))


def _texts(attributes: object, *, besides: str = "") -> dict[str, str]:
    if not isinstance(attributes, dict):
        return {}
    found = {}
    for key, value in attributes.items():
        told = ", ".join(_ticked(value)) if isinstance(value, dict) else _text(value)
        if told and key != besides and documents.text(key):
            found[key] = told
    return found


def _ticked(value: Mapping[str, Any]) -> list[str]:
    """The names of ticked checkboxes."""
    return [name for name, on in value.items() if on in (True, "true") and documents.text(name)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    number = finite(value)
    if number is not None:
        exact = whole(value)
        return str(number if exact is None else exact)
    return (documents.text(value) or "").strip()
