"""Detections as files of annotation tools, one an image: labelme JSON, and YOLO text.

They are proposals, not truth: a labelme document says that nobody has reviewed it, and a YOLO
file has the score as its sixth number, which `lucency convert` refuses.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lucency.annotations.geometry import Box
from lucency.annotations.prelabels import Prelabel, Prelabels, new_document
from lucency.annotations.sources import writable
from lucency.api.prediction_outcomes import Outcome, Write
from lucency.api.schemas import FoundBox, Report
from lucency.configs import atomic

CLASSES_TXT = "classes.txt"
# A box that the edge of the image cuts down to less than this cannot be corrected by hand.
_LEAST_PX = 1.0


@contextmanager
def labelme_folder(path: Path, *, notes: list[str]) -> Iterator[Write]:
    """Make the new folder ``path`` with one labelme document an image, in the images' own tree.

    Each names its image by the way from the document to it, so that labelme finds it.
    """
    closed: list[str] = []
    with atomic.new_folder(path) as folder:

        def write(outcome: Outcome) -> None:
            report = outcome.report
            if report is None:
                return
            if report.image.kind == "dicom" or report.image.bits > 8:
                closed.append(outcome.image.name)
            file = _place(folder, f"{outcome.image.stem}.json")
            size_wh = report.image.width, report.image.height
            image = _way(file.parent, outcome.image.path)
            document = new_document(image, size_wh, _prelabels(report))
            text = json.dumps(document, ensure_ascii=False, indent=2)
            file.write_text(text + "\n", encoding="utf-8")

        yield write
    if closed:
        notes.append(
            f"labelme opens neither DICOM nor more than 8 bits, as {len(closed)} of the images are "
            f"({closed[0]} first): `lucency prepare --bundle` makes PNGs with boxes of them"
        )


def _way(folder: Path, image: Path) -> str:
    """The path from a folder to an image; a folder that is renamed beside itself changes none.

    Without links in the folders, since ".." leads to the parent of what a link stands for.
    """
    parent = os.path.relpath(image.parent.resolve(), folder.resolve())
    return writable(f"{parent}/{image.name}".replace(os.sep, "/"))


def _prelabels(report: Report) -> Prelabels:
    digests = {model.name: f"{model.name} {model.digest[:12]}" for model in report.models}
    detectors = [digests[model.name] for model in report.models if model.task == "detection"]
    return Prelabels(
        model=" + ".join(detectors),
        boxes=tuple(_proposed(report.findings, digests)),
        best_score=report.findings[0].score if report.findings else 0.0,
    )


def _proposed(findings: Sequence[FoundBox], digests: Mapping[str, str]) -> Iterator[Prelabel]:
    for found in findings:
        box = Box(found.box.x1, found.box.y1, found.box.x2, found.box.y2)
        if min(box.width, box.height) >= _LEAST_PX:
            source = digests.get(found.model, found.model)
            yield Prelabel(found.label, box, found.score, source)


@contextmanager
def yolo_folder(path: Path, *, class_names: Sequence[str]) -> Iterator[Write]:
    """Make the new folder ``path`` with ``classes.txt`` and ``labels/``, in the images' own tree.

    A line is ``class cx cy width height score``, fractions of the image, as Ultralytics writes
    with ``save_conf``. An image without findings has no file, as there: an empty one would say
    that a reader found nothing.
    """
    numbers = {name: number for number, name in enumerate(class_names)}
    with atomic.new_folder(path) as folder:
        (folder / "labels").mkdir()
        names = "".join(f"{name}\n" for name in class_names)
        (folder / CLASSES_TXT).write_text(names, encoding="utf-8")

        def write(outcome: Outcome) -> None:
            if outcome.report is None or not outcome.report.findings:
                return
            lines = (_yolo_line(found, numbers) for found in outcome.report.findings)
            file = _place(folder / "labels", f"{outcome.image.stem}.txt")
            file.write_text("".join(lines), encoding="utf-8")

        yield write


def _yolo_line(found: FoundBox, numbers: Mapping[str, int]) -> str:
    box = found.box_normalised
    fractions = (
        *((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2),
        *(box.x2 - box.x1, box.y2 - box.y1, found.score),
    )
    return " ".join((str(numbers[found.label]), *(f"{value:.6f}" for value in fractions))) + "\n"


def _place(folder: Path, name: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
