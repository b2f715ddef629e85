"""CVAT for images 1.1, and CVAT for video 1.1: XML with all images of a task, job or project.

Format: https://docs.cvat.ai/docs/other/xml_format. CVAT lists every image whether or not anyone
has opened it, so one without shapes is unknown, unless the document says that the work on it is
finished: a ``state`` or ``status`` "completed" or the ``stage`` "acceptance" of the task or job.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from lucency.annotations import cvat_document, cvat_shapes, xml_documents
from lucency.annotations.cvat_document import Image
from lucency.annotations.documents import shown
from lucency.annotations.findings import (
    NO_ATTRIBUTES,
    Finding,
    ImageAnnotation,
    LabelMap,
    Status,
)
from lucency.annotations.formats import Head
from lucency.annotations.geometry import box_around
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.annotations.xml_documents import escaped, shortest
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError

_FLAGS = ("occluded", "z_order")


def detect(head: Head) -> bool:
    """Whether the file is a CVAT document."""
    text = head.text
    tags = ("<meta>", "<image ", "<track ")
    return xml_documents.root_tag(text) == "annotations" and any(tag in text for tag in tags)


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of every document, those of one name in several tasks one after another.

    Of a track every box counts that is stored and not ``outside``. A frame without a name is
    called ``frame_000012``, as CVAT does. Tags are image-level labels, the assignee is the
    reader, the subset the split.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    yield from read_each(source, ledger, ".xml", document=_document)


def _document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    root = xml_documents.read_xml(file)
    if root.tag != "annotations":
        raise AnnotationError(
            f"{file.name}: is no CVAT document: its root must be <annotations>, "
            f"got <{root.tag:.60}>"
        )
    images, homeless = cvat_document.images_in(root, where=file.name)
    ledger.expect(file.name, sum(len(image.marks) for image in images) + len(homeless))
    for mark in homeless:
        detail = f"{mark.index}.frame: must be a frame's number, got "
        problem = UnusableBox(Reason.UNKNOWN_IMAGE, detail + shown(mark.shape.get("frame")))
        ledger.unusable(file.name, problem, image="", index=mark.index, label=mark.label)
    by_name: dict[str, list[Image]] = {}
    for image in images:
        by_name.setdefault(image.name, []).append(image)
    for same in by_name.values():
        for image in same:
            yield _annotation(image, file, ledger)


def _annotation(image: Image, file: SourceFile, ledger: Ledger) -> ImageAnnotation:
    findings = []
    for mark in image.marks:
        try:
            findings.append(cvat_shapes.finding(mark.shape, label=mark.label, index=mark.index))
        except UnusableBox as problem:
            ledger.unusable(
                file.name, problem, image=image.name, index=mark.index, label=mark.label
            )
    reviewed = image.task.completed and not image.marks
    unmarked = Status.NEGATIVE if reviewed else Status.UNKNOWN
    return ImageAnnotation(
        image=image.name,
        source=file.name,
        size_wh=image.size_wh,
        findings=tuple(findings),
        status=Status.ANNOTATED if findings else unmarked,
        reader=image.task.reader,
        split=image.split or file.split,
        labels=image.labels or NO_ATTRIBUTES,
    )


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``annotations.xml``, a completed task of CVAT for images 1.1.

    The task that takes it in needs the labels and attributes that ``meta`` lists. Image-level
    labels that are true become tags. Images of unknown status are not listed.

    Raises
    ------
    AnnotationError
        An image has no size, a label is not in ``label_map``, or a name has a character that XML
        forbids.

    """
    known = [a for a in annotations if a.status is not Status.UNKNOWN]
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    lines += _meta_lines(known, label_map)
    for number, annotation in enumerate(known):
        lines += _image_lines(annotation, number, label_map)
    atomic.write_text(out / "annotations.xml", "\n".join([*lines, "</annotations>", ""]))


def _meta_lines(annotations: list[ImageAnnotation], label_map: LabelMap) -> Iterator[str]:
    attributes: dict[str, set[str]] = {name: set() for name in label_map}
    for annotation in annotations:
        for name in annotation.labels:
            attributes.setdefault(name, set())
        for finding in annotation.findings:
            named = attributes.setdefault(finding.label, set())
            named.update(name for name in finding.attributes if name not in _FLAGS)
    yield "  <meta>"
    yield "    <task>"
    yield "      <name>lucency</name>"
    yield f"      <size>{len(annotations)}</size>"
    yield "      <mode>annotation</mode>"
    yield "      <state>completed</state>"
    yield "      <labels>"
    for label, names in attributes.items():
        yield "        <label>"
        yield f"          <name>{escaped(label, where='label')}</name>"
        yield "          <attributes>"
        for name in sorted(names):
            yield "            <attribute>"
            yield f"              <name>{escaped(name, where='attribute')}</name>"
            yield "              <mutable>False</mutable>"
            yield "              <input_type>text</input_type>"
            yield "              <default_value></default_value>"
            yield "              <values></values>"
            yield "            </attribute>"
        yield "          </attributes>"
        yield "        </label>"
    yield "      </labels>"
    yield "    </task>"
    yield "  </meta>"


def _image_lines(annotation: ImageAnnotation, number: int, label_map: LabelMap) -> Iterator[str]:
    where = annotation.image
    if annotation.size_wh is None:
        raise AnnotationError(f"{where}: CVAT needs the image's size, which is unknown")
    width, height = annotation.size_wh
    subset = f' subset="{annotation.split}"' if annotation.split else ""
    yield (
        f'  <image id="{number}" name="{escaped(where, where=where)}"{subset} '
        f'width="{width}" height="{height}">'
    )
    for finding in annotation.findings:
        if finding.label not in label_map:
            raise AnnotationError(f"{where}: {finding.label}: no such class")
        yield from _shape_lines(finding, where=where)
    for name, said in annotation.labels.items():
        if said:
            yield f'    <tag label="{escaped(name, where=where)}" source="manual"></tag>'
    yield "  </image>"


def _shape_lines(finding: Finding, *, where: str) -> Iterator[str]:
    box, polygon = finding.box, finding.polygon
    tag, geometry = "box", []
    if polygon:
        tag = "polygon"
        points = ";".join(f"{shortest(x)},{shortest(y)}" for x, y in polygon)
        geometry.append(f'points="{points}"')
    if not polygon or box_around(polygon) != box:
        sides = {"xtl": box.x1, "ytl": box.y1, "xbr": box.x2, "ybr": box.y2}
        geometry += [f'{side}="{shortest(value)}"' for side, value in sides.items()]
    flags = {name: finding.attributes.get(name, "0") for name in _FLAGS}
    texts = {"label": finding.label, "source": "manual", **flags}
    quoted = [f'{name}="{escaped(text, where=where)}"' for name, text in texts.items()]
    yield f"    <{tag} {' '.join([*quoted, *geometry])}>"
    for name, value in finding.attributes.items():
        if name not in _FLAGS:
            pair = escaped(name, where=where), escaped(value, where=where)
            yield '      <attribute name="{}">{}</attribute>'.format(*pair)
    yield f"    </{tag}>"
