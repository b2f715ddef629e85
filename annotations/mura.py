"""MURA: studies of the upper limb, each normal (0) or abnormal (1), without boxes.

Source: https://stanfordmlgroup.github.io/competitions/mura/ and Rajpurkar et al., MURA, MIDL
2018. ``train_labeled_studies.csv`` has ``folder of the study,label`` and
``train_image_paths.csv`` beside it the path of every image; neither has a header. Paths begin with
``MURA-v1.1``, the folder that both tables are in. Radiologists read every study, so all images of
a normal one are negatives; those of an abnormal one are of unknown status, since it may show in
any of them.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lucency.annotations.documents import shown
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.formats import Head
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import image_path, read_tables, split_by_name
from lucency.annotations.tables import Table, first_cells, read_table
from lucency.configs.errors import AnnotationError

_STUDY = re.compile(r"(?:^|.*/)xr_([a-z]+)/(patient\d+)/(study[^/]*)", re.IGNORECASE)
_STUDIES, _PATHS = "labeled_studies", "image_paths"


def detect(head: Head) -> bool:
    """Whether the first row is the folder of a study with its label."""
    return _is_study(first_cells(head.text))


def read(source: Source, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """Yield every image of every study, with the label ``abnormal`` of its study."""
    return read_tables(
        source, ledger, holds=_holds_studies, document=_document, header=False, beside=_PATHS
    )


def _is_study(cells: list[str]) -> bool:
    return len(cells) == 2 and cells[1] in ("0", "1") and _study(cells[0]) is not None


def _holds_studies(table: Table) -> bool:
    return len(table.titles) > 1 and _study(table.titles[0]) is not None


def _study(folder: str) -> "re.Match[str] | None":
    return _STUDY.fullmatch(folder.strip().replace("\\", "/").rstrip("/"))


def _document(table: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
    labels = _labels(table)
    images: dict[str, list[str]] = {folder: [] for folder in labels}
    unlabelled = []
    for path in _image_paths(table.file):
        folder = path.rpartition("/")[0]
        if folder in images:
            images[folder].append(path)
        else:
            unlabelled.append(path)
    name, split = table.name, split_by_name(table.file)
    top = Path(table.file.path).absolute().parent.name
    image = partial(_image, source=name, split=split, top=top)
    ledger.expect(name, 0)
    for folder, paths in images.items():
        if not paths:
            detail = f"the list of image paths has none of study {folder}"
            ledger.leave_out(name, image=folder, reason=Reason.MISSING_IMAGE, detail=detail)
        yield from map(partial(image, abnormal=labels[folder]), paths)
    yield from map(partial(image, abnormal=None), unlabelled)


def _image(
    path: str, *, source: str, split: str, top: str, abnormal: bool | None
) -> ImageAnnotation:
    """One image, by its path below the folder ``top`` of the tables."""
    match = _study(path.rpartition("/")[0])
    part, patient, study = match.groups() if match else ("", "", "")
    extra = {"body_part": part.lower(), "study": study}
    return ImageAnnotation(
        image=path.removeprefix(f"{top}/"),
        source=source,
        size_wh=None,
        findings=(),
        status=Status.NEGATIVE if abnormal is False else Status.UNKNOWN,
        split=split,
        patient_id=patient,
        labels={} if abnormal is None else {"abnormal": abnormal},
        extra={key: value for key, value in extra.items() if value},
    )


def _labels(table: Table) -> dict[str, bool]:
    """Whether each study is abnormal, by its folder."""
    labels: dict[str, bool] = {}
    for line, cells in table.rows:
        where = f"line {line}"
        if len(cells) != 2 or _study(cells[0]) is None:
            told = f"{where}: must be the folder of a study and 0 or 1, got {shown(cells)}"
            raise AnnotationError(f"{table.name}: {told}")
        folder = cells[0].strip().replace("\\", "/").rstrip("/")
        label = table.flag(cells[1], where)
        if labels.setdefault(folder, label) != label:
            raise AnnotationError(f"{table.name}: {where}: study {folder} has both labels")
    return labels


def _image_paths(file: SourceFile) -> list[str]:
    folder, name = os.path.split(file.path)
    beside = name.replace(_STUDIES, _PATHS)
    path = os.path.join(folder, beside)  # noqa: PTH118
    if beside == name or not os.path.isfile(path):  # noqa: PTH113
        told = "must have the list of image paths (train_image_paths.csv) beside it, got none"
        raise AnnotationError(f"{file.name}: {told}")
    paths: dict[str, None] = {}
    for line, cells in read_table(SourceFile(path, beside), header=False).rows:
        image = image_path(cells[0])
        if image is None:
            raise AnnotationError(f"{beside}: line {line}: must be a path, got {shown(cells)}")
        paths.setdefault(image)
    return list(paths)
