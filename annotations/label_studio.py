"""Label Studio: the full JSON export, JSON-min, and the files of a target storage; percentages.

Formats: https://labelstud.io/guide/export and https://labelstud.io/guide/task_format. Three
optional keys are honoured beyond them: ``patient_id`` and ``split`` of a task's ``data``, and
``reader`` of an annotation. Other texts in ``data`` become further columns. Predictions and
drafts are no truth and are ignored.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from lucency.annotations import documents
from lucency.annotations.documents import shown
from lucency.annotations.findings import (
    Finding,
    ImageAnnotation,
    LabelMap,
    Status,
)
from lucency.annotations.formats import NORMALISED, Head
from lucency.annotations.label_studio_results import (
    Region,
    Results,
    finding_of,
    results_in,
    size_of,
)
from lucency.annotations.label_studio_tasks import (
    LOCAL_FILES,
    HandedIn,
    Task,
    image_in,
    tasks_in,
    texts,
)
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.configs import atomic
from lucency.configs.errors import AnnotationError


def detect(head: Head) -> bool:
    """Whether the file looks like tasks of Label Studio with annotations."""
    text = head.text
    if not text[:200].lstrip().startswith(("[", "{")):
        return False
    if '"data"' in text and ('"annotations"' in text or '"completions"' in text):
        return any(f'"{key}"' in text for key in ("result", "predictions", "total_annotations"))
    if '"result"' in text and '"completed_by"' in text and '"task"' in text:
        return True
    return '"annotation_id"' in text and ('"annotator"' in text or '"lead_time"' in text)


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield the images of every document, once for each annotator.

    What was handed in empty is a confirmed negative; so is what holds choices or texts alone if
    others in the document hold regions. A task that nobody handed in, or that was skipped, is
    unknown.

    Raises
    ------
    AnnotationError
        The one document is unreadable; among several it is left out and told to the ledger.

    """
    return read_each(source, ledger, ".json", document=_document)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one annotator said of one image; ``unmarked`` is its status without regions."""

    image: str
    reader: str = ""
    regions: Sequence[Region] = ()
    labels: Mapping[str, bool] = field(default_factory=dict)
    unmarked: Status = Status.UNKNOWN


def _document(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    try:
        tasks = tasks_in(documents.read_json(file), where=file.name)
        results = [_results(task) for task in tasks]
    except RecursionError:
        raise AnnotationError(f"{file.name}: is nested too deeply to be an annotation") from None
    if tasks and not any(task.images for task in tasks):
        raise AnnotationError(f"{file.name}: has no image: the data of its tasks name none")
    identities = [_identity(task, file) for task in tasks]
    boxes = sum(len(result.regions) for found in results for _, result in found)
    ledger.expect(file.name, boxes)
    readings: dict[str, list[ImageAnnotation]] = {}
    for task, found, (patient_id, split) in zip(tasks, results, identities, strict=True):
        _tell_left_out(task, file.name, ledger)
        extra = texts(task.data)
        for reading in _readings(task, found, file.name, ledger, boxes_drawn=boxes > 0):
            size_wh = size_of(reading.regions) if reading.regions else None
            findings = tuple(_findings(reading, size_wh or NORMALISED, file.name, ledger))
            annotation = ImageAnnotation(
                image=reading.image,
                source=file.name,
                size_wh=size_wh,
                findings=findings,
                status=Status.ANNOTATED if findings else reading.unmarked,
                reader=reading.reader,
                split=split,
                patient_id=patient_id,
                labels=reading.labels,
                extra=extra,
            )
            readings.setdefault(reading.image, []).append(annotation)
    for several in readings.values():
        yield from several


def _results(task: Task) -> list[tuple[HandedIn, Results]]:
    handed_in = [annotation for annotation in task.annotations if not annotation.skipped]
    return [(one, results_in(one.results, where=one.where)) for one in handed_in]


def _identity(task: Task, file: SourceFile) -> tuple[str, str]:
    where = f"{file.name}: {task.where}.data"
    patient_id = documents.patient_id(task.data.get("patient_id"), where=where)
    return patient_id, documents.split(task.data.get("split"), where=where) or file.split


def _tell_left_out(task: Task, file_name: str, ledger: Ledger) -> None:
    image = task.images[0] if task.images else ""
    if not image:
        detail = f"{task.where}.data: names no image"
        ledger.leave_out(file_name, image="", reason=Reason.UNKNOWN_IMAGE, detail=detail)
    for annotation in task.annotations:
        if annotation.skipped:
            reason = Reason.UNKNOWN_STATUS
            detail = f"{annotation.where}: was skipped by the annotator '{annotation.reader}'"
            ledger.note(file_name, image=image, reason=reason, detail=detail)


def _readings(
    task: Task,
    found: Sequence[tuple[HandedIn, Results]],
    file_name: str,
    ledger: Ledger,
    *,
    boxes_drawn: bool,
) -> Iterator[_Reading]:
    """What each annotator said of each image of a task; regions without an image are dropped."""
    seen = set()
    for handed_in, results in found:
        sees_nothing = boxes_drawn or not handed_in.results
        unmarked = Status.NEGATIVE if sees_nothing else Status.UNKNOWN
        regions, labels = _by_image(task, results, file_name, ledger)
        all_placed = sum(map(len, regions.values())) == len(results.regions)
        images = list(dict.fromkeys([*regions, *labels]))
        if not results.regions and not images and len(task.images) == 1:
            images = list(task.images)
        for image in images:
            seen.add(image)
            drawn = regions.get(image, [])
            lost = bool(drawn) or not all_placed
            yield _Reading(
                image,
                handed_in.reader,
                drawn,
                labels.get(image, {}),
                Status.UNKNOWN if lost else unmarked,
            )
    yield from (_Reading(image) for image in task.images if image not in seen)


def _by_image(
    task: Task, results: Results, file_name: str, ledger: Ledger
) -> tuple[dict[str, list[Region]], dict[str, dict[str, bool]]]:
    alone = len({region.target[0] for region in results.regions}) < 2
    regions: dict[str, list[Region]] = {}
    for region in results.regions:
        image = image_in(task, region.target, alone=alone)
        if image is None:
            where = f"{region.index}.to_name"
            detail = f"{where}: must name an image of the task, got {shown(region.target[0])}"
            problem = UnusableBox(Reason.UNKNOWN_IMAGE, detail)
            label = (region.names or [""])[0]
            ledger.unusable(file_name, problem, image="", index=region.index, label=label)
        else:
            regions.setdefault(image, []).append(region)
    labels: dict[str, dict[str, bool]] = {}
    for target, name in results.choices:
        image = image_in(task, target, alone=alone)
        if image is not None:
            labels.setdefault(image, {})[name] = True
    return regions, labels


def _findings(
    reading: _Reading, size_wh: tuple[int, int], file_name: str, ledger: Ledger
) -> Iterator[Finding]:
    for region in reading.regions:
        try:
            yield finding_of(region, size_wh)
        except UnusableBox as problem:
            label = (region.names or region.choices or [""])[0]
            ledger.unusable(
                file_name, problem, image=reading.image, index=region.index, label=label
            )


def write(annotations: Iterable[ImageAnnotation], out: Path, *, label_map: LabelMap) -> None:
    """Write ``annotations.json`` into the folder ``out``, and ``config.xml`` for the project.

    Images are named as files of a local storage, whose root is the folder that holds them.
    Images of unknown status are left out. Labels that are false cannot be written. Readers go
    into ``reader``, since Label Studio imports no annotators that it does not know.

    Raises
    ------
    AnnotationError
        A label is not in ``label_map``, or an image with boxes has no size.

    """
    tasks: dict[str, dict[str, Any]] = {}
    choices: set[str] = set()
    for annotation in annotations:
        if annotation.status is Status.UNKNOWN:
            continue
        if annotation.findings and annotation.size_wh is None:
            raise AnnotationError(
                f"{annotation.image}: Label Studio needs the image's size, which is unknown"
            )
        for finding in annotation.findings:
            if finding.label not in label_map:
                raise AnnotationError(f"{annotation.image}: {finding.label}: no such class")
        task = tasks.setdefault(annotation.image, _task(annotation, len(tasks) + 1))
        task["annotations"].append(_annotation(annotation))
        choices |= {name for name, is_true in annotation.labels.items() if is_true}
    text = json.dumps(list(tasks.values()), ensure_ascii=False, allow_nan=False)
    atomic.write_text(out / "annotations.json", text)
    atomic.write_text(out / "config.xml", _config(label_map, sorted(choices)))


def _config(label_map: LabelMap, choices: Sequence[str]) -> str:
    """The labelling configuration that the results refer to."""
    labels = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in label_map)
    lines = ['<View>\n  <Image name="image" value="$image"/>\n']
    for tag, name in (("RectangleLabels", "label"), ("PolygonLabels", "polygon")):
        lines.append(f'  <{tag} name="{name}" toName="image">\n{labels}  </{tag}>\n')
    if choices:
        inner = "".join(f"    <Choice value={quoteattr(name)}/>\n" for name in choices)
        start = '  <Choices name="choice" toName="image" choice="multiple">\n'
        lines.append(f"{start}{inner}  </Choices>\n")
    return "".join([*lines, "</View>\n"])


def _task(annotation: ImageAnnotation, number: int) -> dict[str, Any]:
    optional = {"patient_id": annotation.patient_id, "split": annotation.split}
    data = {"image": f"{LOCAL_FILES}?d={quote(annotation.image)}"}
    data |= {key: value for key, value in optional.items() if value}
    return {"id": number, "data": data, "annotations": [], "predictions": []}


def _annotation(annotation: ImageAnnotation) -> dict[str, Any]:
    width, height = annotation.size_wh or NORMALISED
    results = [
        _result(finding, width, height) | {"id": f"region-{number}"}
        for number, finding in enumerate(annotation.findings, start=1)
    ]
    chosen = [name for name, is_true in annotation.labels.items() if is_true]
    if chosen:
        choice = {"type": "choices", "value": {"choices": chosen}}
        results.append({"id": "choices", "from_name": "choice", "to_name": "image", **choice})
    optional = {"reader": annotation.reader} if annotation.reader else {}
    return {"result": results, "was_cancelled": False, "ground_truth": False, **optional}


def _result(finding: Finding, width: int, height: int) -> dict[str, Any]:
    box = finding.box
    if finding.polygon:
        points = [[100 * x / width, 100 * y / height] for x, y in finding.polygon]
        control = {"from_name": "polygon", "type": "polygonlabels"}
        value = {"points": points, "closed": True, "polygonlabels": [finding.label]}
    else:
        control = {"from_name": "label", "type": "rectanglelabels"}
        value = {
            "x": 100 * box.x1 / width,
            "y": 100 * box.y1 / height,
            "width": 100 * box.width / width,
            "height": 100 * box.height / height,
            "rotation": 0,
            "rectanglelabels": [finding.label],
        }
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    return {**control, "to_name": "image", **size, "value": value}
