"""Pascal VOC XML: one document an image, boxes by their corners in pixels.

Format: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf, where the first pixel is 1
and all corners are inside (``voc_origin`` 1). LabelImg, CVAT, Roboflow and labelme count from 0.
Beyond it: ``robndbox`` of roLabelImg and LabelImg2 (centre, size, and an angle in radians,
clockwise on the screen), ``polygon`` of Roboflow (``x1``, ``y1``, ``x2``, …) and of the LabelMe
of MIT (``pt``), ``attributes`` of CVAT, and ``verified`` of LabelImg.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from lucency.annotations import xml_documents
from lucency.annotations.documents import shown
from lucency.annotations.findings import (
    NO_ATTRIBUTES,
    Finding,
    ImageAnnotation,
    LabelMap,
    Status,
)
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.annotations.voc_objects import ASIDES, Origin, read_object
from lucency.annotations.xml_documents import escaped, line, shortest
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError

_DEFAULTS = {"pose": "Unspecified", "truncated": "0", "difficult": "0"}


def detect(head: Head) -> bool:
    """Whether the file is a Pascal VOC document."""
    text = head.text
    if xml_documents.root_tag(text) != "annotation":
        return False
    return any(tag in text for tag in ("<filename", "<object>", "<object ", "<size>"))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the image of every document; one without objects is a confirmed negative.

    An image goes by the document's ``filename`` alone, or by the document's own name where that
    is missing. With ``source.voc_origin`` 1 the least corner of a box moves by a pixel.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    origin = Origin(source.voc_origin)
    document = partial(_document, origin=origin)
    yield from read_each(source, ledger, ".xml", document=document)
    if hint := origin.hint():
        ledger.hints.append(hint)


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``<image>.xml`` for each image, with LabelImg's tags and coordinates from 0.

    Outlines are written as Roboflow does. Images of unknown status get no document.

    Raises
    ------
    AnnotationError
        An image has no size, a label is not in ``label_map``, two images share a document, or a
        name has a character that XML forbids.

    """
    written: set[str] = set()
    for annotation in annotations:
        if annotation.status is Status.UNKNOWN:
            continue
        name = f"{PurePosixPath(annotation.image).stem}.xml"
        if name in written:
            raise AnnotationError(f"{annotation.image}: another image also has the file {name}")
        written.add(name)
        atomic.write_text(out / name, _to_xml(annotation, label_map))


def _to_xml(annotation: ImageAnnotation, label_map: LabelMap) -> str:
    if annotation.size_wh is None:
        raise AnnotationError(f"{annotation.image}: VOC needs the image's size, which is unknown")
    where, (width, height) = annotation.image, annotation.size_wh
    verified = annotation.extra.get("verified")
    attribute = f' verified="{escaped(verified, where=where)}"' if verified else ""
    segmented = int(any(finding.polygon for finding in annotation.findings))
    lines = [
        f"<annotation{attribute}>",
        f"\t<filename>{escaped(annotation.image, where=where)}</filename>",
        "\t<source>",
        "\t\t<database>Unknown</database>",
        "\t</source>",
        "\t<size>",
        f"\t\t<width>{width}</width>",
        f"\t\t<height>{height}</height>",
        "\t\t<depth>3</depth>",  # other programs stop where it is missing, and use it for nothing
        "\t</size>",
        f"\t<segmented>{segmented}</segmented>",
    ]
    for finding in annotation.findings:
        if finding.label not in label_map:
            raise AnnotationError(f"{where}: {finding.label}: no such class")
        lines += _object_lines(finding, where=where)
    return "\n".join([*lines, "</annotation>", ""])


def _object_lines(finding: Finding, *, where: str) -> Iterator[str]:
    box, further = finding.box, dict(finding.attributes)
    yield "\t<object>"
    yield f"\t\t<name>{escaped(finding.label, where=where)}</name>"
    for tag in ASIDES:
        value = further.pop(tag, _DEFAULTS.get(tag))
        if value is not None:
            yield f"\t\t<{tag}>{escaped(value, where=where)}</{tag}>"
    yield "\t\t<bndbox>"
    sides = {"xmin": box.x1, "ymin": box.y1, "xmax": box.x2, "ymax": box.y2}
    yield from (f"\t\t\t<{tag}>{shortest(value)}</{tag}>" for tag, value in sides.items())
    yield "\t\t</bndbox>"
    if finding.polygon:
        yield "\t\t<polygon>"
        for n, (x, y) in enumerate(finding.polygon, start=1):
            yield f"\t\t\t<x{n}>{shortest(x)}</x{n}>"
            yield f"\t\t\t<y{n}>{shortest(y)}</y{n}>"
        yield "\t\t</polygon>"
    if further:
        yield "\t\t<attributes>"
        for name, value in further.items():
            yield "\t\t\t<attribute>"
            yield f"\t\t\t\t<name>{escaped(name, where=where)}</name>"
            yield f"\t\t\t\t<value>{escaped(value, where=where)}</value>"
            yield "\t\t\t</attribute>"
        yield "\t\t</attributes>"
    yield "\t</object>"


def _document(file: SourceFile, ledger: Ledger, *, origin: Origin) -> Iterator[ImageAnnotation]:
    root = xml_documents.read_xml(file)
    if root.tag != "annotation":
        raise AnnotationError(
            f"{file.name}: is no Pascal VOC document: its root must be <annotation>, "
            f"got <{root.tag:.60}>"
        )
    findings: list[Finding] = []
    problems: list[tuple[str, str, UnusableBox]] = []
    # One walk over the tags, since looking them up one by one takes as long as parsing them.
    further: dict[str, Element] = {}
    objects = 0
    for element in root:
        if element.tag == "object":
            read_object(element, _index(objects), origin, findings, problems)
            objects += 1
        else:
            further.setdefault(element.tag, element)
    image = _image(further.get("filename"), file)
    size = _size_wh(further, file)
    ledger.expect(file.name, len(findings) + len(problems))
    for index, label, problem in problems:
        ledger.unusable(file.name, problem, image=image, index=index, label=label)
    unmarked = Status.UNKNOWN if problems else Status.NEGATIVE
    verified = line(root.get("verified"))
    yield ImageAnnotation(
        image=image,
        source=file.name,
        size_wh=size,
        findings=tuple(findings),
        status=Status.ANNOTATED if findings else unmarked,
        split=file.split,
        extra={"verified": verified} if verified else NO_ATTRIBUTES,
    )


@cache
def _index(position: int) -> str:
    # The same few texts for all documents of a set.
    return f"object[{position}]"


def _image(element: Element | None, file: SourceFile) -> str:
    text = element.text if element is not None else None
    name = line(text)
    if not name and text and text.strip():
        raise AnnotationError(f"{file.name}: filename: must be a file name, got {shown(text)}")
    return name.replace("\\", "/") if name else PurePosixPath(file.name).stem


def _size_wh(tags: Mapping[str, Element], file: SourceFile) -> tuple[int, int] | None:
    if "size" in tags:
        sides = {side.tag: side.text for side in tags["size"]}
        width, height = sides.get("width"), sides.get("height")
    else:  # the LabelMe of MIT
        sides = {side.tag: side.text for side in tags.get("imagesize", ())}
        width, height = sides.get("ncols"), sides.get("nrows")
    return xml_documents.size_wh(width, height, where=f"{file.name}: size")
