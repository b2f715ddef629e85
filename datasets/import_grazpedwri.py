"""GRAZPEDWRI-DX: wrist radiographs of children with fractures and eight further classes as boxes.

Source: Nagy et al., A pediatric wrist trauma X-ray dataset (GRAZPEDWRI-DX) for machine learning,
Scientific Data 9:222, 2022. The boxes are read from the YOLO files of ``folder_structure``, or from
its Pascal VOC documents where there are none. Readers marked every image, most have at least a box
around the letters on it, so one with a label file that has no boxes is a negative; one without a
label file is of unknown status.

``fracture_visible`` of ``dataset.csv`` is 1 or empty; as for its other labels, empty is no.
Projection 1 is frontal, 2 lateral, 3 neither.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from lucency.annotations import documents, voc, yolo
from lucency.annotations.documents import shown
from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.annotations.table_images import image_path
from lucency.annotations.tables import Table, read_table
from lucency.configs.errors import AnnotationError
from lucency.datasets.listed_images import ListedImages, age, image_stem, sex
from lucency.datasets.public_sets import PublicSet

PUBLIC_SET = PublicSet(
    name="grazpedwri",
    title="GRAZPEDWRI-DX",
    where="https://doi.org/10.6084/m9.figshare.14825193",
    licence="CC BY 4.0",
    citation="Nagy E, Janisch M, Hržić F, Sorantin E, Tschauner S. A pediatric wrist trauma X-ray "
    "dataset (GRAZPEDWRI-DX) for machine learning. Scientific Data 9, 222 (2022). "
    "doi:10.1038/s41597-022-01328-z",
    contents="20,327 wrist radiographs of 6,091 children, nine classes as boxes",
    classes=(
        "boneanomaly",
        "bonelesion",
        "foreignbody",
        "fracture",
        "metal",
        "periostealreaction",
        "pronatorsign",
        "softtissue",
        "text",
    ),
)
_LABELS = (
    "fracture_visible",
    "initial_exam",
    "cast",
    "metal",
    "osteopenia",
    "diagnosis_uncertain",
)
_VIEWS = {"1": "frontal", "2": "lateral", "3": "other"}
# A line that Supervisely keeps with the boxes: how the forearm lies.
_AXIS = "axis"


def read(folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image; see `public_sets.PublicReader`."""
    files = ListedImages(PUBLIC_SET, folder, ledger)
    table = read_table(files.needed_table("dataset.csv"))
    listed = _listed(table)
    ledger.expect(table.name, 0)
    yield from files.placed(_joined(listed, _marked(files, folder, ledger)))


def _joined(
    listed: dict[str, ImageAnnotation], marked: Iterable[ImageAnnotation]
) -> Iterator[ImageAnnotation]:
    for marks in marked:
        entry = listed.pop(image_stem(marks.image), None)
        if entry is None:
            yield marks
        else:
            yield replace(
                marks, patient_id=entry.patient_id, labels=entry.labels, extra=entry.extra
            )
    yield from listed.values()


def _marked(files: ListedImages, folder: Path, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """The images of the YOLO files, or of the Pascal VOC documents, if there are any."""
    source = Source(folder, classes=PUBLIC_SET.classes)
    if any("/labels/" in f"/{file.name}" for file in files.tables("*.txt")):
        marked = yolo.read(source, ledger)
    elif files.tables("*.xml"):
        marked = (_without_axis(marks, ledger) for marks in voc.read(source, ledger))
    else:
        ledger.hints.append(
            "there is no folder_structure with YOLO or Pascal VOC files: the set is imported "
            "without boxes"
        )
        return
    for marks in marked:
        yield replace(marks, split="")


def _without_axis(marks: ImageAnnotation, ledger: Ledger) -> ImageAnnotation:
    kept: list[Finding] = []
    for finding in marks.findings:
        if finding.label != _AXIS:
            kept.append(finding)
            continue
        ledger.drop(
            marks.source,
            image=marks.image,
            index=finding.index,
            label=_AXIS,
            reason=Reason.DROPPED_LABEL,
            detail="is the axis of the forearm, no finding",
        )
    if kept or not marks.findings:
        return replace(marks, findings=tuple(kept))
    lost = ledger.lost_boxes(marks.source, marks.image)
    status = Status.UNKNOWN if lost else Status.NEGATIVE
    return replace(marks, findings=(), status=status)


def _listed(table: Table) -> dict[str, ImageAnnotation]:
    """The images of the table by their stems, without boxes."""
    column = {title: number for number, title in enumerate(table.header)}
    name, patient = table.column("filestem"), table.column("patient_id")
    labels = [(label, column[label]) for label in _LABELS if label in column]
    listed: dict[str, ImageAnnotation] = {}
    for where, cells in table.full_rows():
        image = image_path(cells[name])
        if image is None or image in listed:
            message = f"must name an image, and each once, got {shown(cells[name])}"
            raise AnnotationError(f"{table.name}: {where}: {message}")
        said = {title: documents.text(cells[n].strip()) or "" for title, n in column.items()}
        try:
            extra = _extra(said)
        except ValueError as error:
            raise AnnotationError(f"{table.name}: {where}: {error}") from None
        listed[image] = ImageAnnotation(
            image=image,
            source=table.name,
            size_wh=None,
            findings=(),
            status=Status.UNKNOWN,
            patient_id=cells[patient].strip(),
            labels={label: table.flag(cells[n], where, blank=False) for label, n in labels},
            extra=extra,
        )
    return listed


def _extra(said: dict[str, str]) -> dict[str, str]:
    study = said.get("study_number")
    extra = {
        "body_part": "wrist",
        "sex": sex(said.get("gender", "")),
        "age": age(said.get("age", "")),
        "laterality": said.get("laterality", ""),
        "view": _VIEWS.get(said.get("projection", ""), ""),
        "study": f"{said['patient_id']}/{study}" if study else "",
        "manufacturer": said.get("device_manufacturer", ""),
        "pixel_spacing": said.get("pixel_spacing", ""),
        "ao_classification": said.get("ao_classification", ""),
    }
    return {title: text for title, text in extra.items() if text}
