"""Whose image is it? A split by patient is worth what the patient identities are worth."""

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from lucency.annotations.records import DATASET_CSV, Dataset, ImageRecord
from lucency.configs.errors import ConfigError, DatasetError
from lucency.datasets.parallel import in_order
from lucency.datasets.radiographs import image_kind

TABLE, PATTERN, DICOM, NOTHING = "table", "pattern", "dicom", "none"
SOURCES = (TABLE, PATTERN, DATASET_CSV, DICOM, NOTHING)

_IMAGE_HEADINGS = ("image", "filename", "imageid", "imagename", "imagepath", "imageindex", "file")
_HEAD_BYTES = 132  # as far as DICOM's magic bytes reach


@dataclass(frozen=True)
class Identified:
    """A set with its patients, and how many images each of `SOURCES` told the patient of."""

    dataset: Dataset
    sources: Mapping[str, int]


def identify_patients(
    dataset: Dataset,
    *,
    pattern: re.Pattern[str] | None = None,
    patients: Mapping[str, str] | None = None,
) -> Identified:
    """Fill in ``patient_id`` from what is known, the first that answers.

    ``patients`` (image file name → patient); ``pattern`` found in the file name (its first group
    that matches something, or all of it); the ``patient_id`` in the table; the Patient ID of a
    DICOM file. It stays empty where none answers: such an image is a patient of its own.

    Raises
    ------
    ConfigError
        The pattern finds nothing in any file name.
    DatasetError
        An image is missing, or none is in ``patients``; or of the images of one patient in the
        table some are told to be of another and the rest are not told of.
    ImageError
        A DICOM file is damaged.

    """
    found = list(in_order(partial(_told, dataset, pattern, patients or {}), dataset.records))
    sources = Counter(source for source, _ in found)
    if patients and dataset.records and not sources[TABLE]:
        raise DatasetError(
            f"{dataset.root}: none of the {len(patients)} images whose patients are listed is in "
            f"this set, the first is '{next(iter(patients))}'"
        )
    if pattern is not None and dataset.records and not sources[PATTERN] and not sources[TABLE]:
        raise ConfigError(
            f"--patient-pattern: '{pattern.pattern}' finds no patient in any file name, such as "
            f"'{dataset.records[0].image.name}'"
        )
    _refuse_parted(dataset, found)
    records = tuple(
        replace(record, patient_id=patient)
        for record, (_, patient) in zip(dataset.records, found, strict=True)
    )
    return Identified(replace(dataset, records=records), {name: sources[name] for name in SOURCES})


def read_patients(path: Path, *, column: str = "patient_id") -> dict[str, str]:
    """Read a CSV file with image names and their patients.

    The images are in the column headed ``image``, ``filename`` or the like, or else in the first;
    the patients in ``column``. Capitals, spaces and underscores in headings do not matter.

    Raises
    ------
    DatasetError
        The file cannot be read, has no such column, or gives one image two patients.

    """
    header, *rows = read_rows(path) or [[]]
    names = [_plain(name) for name in header]
    wanted = [_plain(column), *(["patient"] if column == "patient_id" else [])]
    place = next((names.index(name) for name in wanted if name in names), -1)
    image = next((names.index(name) for name in _IMAGE_HEADINGS if name in names), 0)
    if place in (-1, image):
        raise DatasetError(
            f"{path}: must have a column of image names and a column '{column}', found "
            f"{', '.join(header) or 'nothing'}; name the column with --patient-column"
        )
    patients: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, patient = (row[at].strip() if len(row) > at else "" for at in (image, place))
        known = patients.setdefault(file_name(name), patient)
        if known != patient:
            raise DatasetError(
                f"{path}: line {number}: {name} is of patient '{patient}' here and of "
                f"'{known}' above"
            )
    return {name: patient for name, patient in patients.items() if name and patient}


def _refuse_parted(dataset: Dataset, found: Sequence[tuple[str, str]]) -> None:
    """Refuse a new patient for a part of those images that were one patient's: one would be two."""
    pairs = list(zip(dataset.records, found, strict=True))
    kept = {patient: record for record, (source, patient) in pairs if source == DATASET_CSV}
    for record, (_, patient) in pairs:
        if record.patient_id != patient and record.patient_id in kept:
            raise DatasetError(
                f"{dataset.root / DATASET_CSV}: {record.image.name} and "
                f"{kept[record.patient_id].image.name} are of patient '{record.patient_id}', but "
                f"--patients or --patient-pattern finds '{patient}' for the first and nothing for "
                "the second; name a patient for both, or for neither"
            )


def _plain(heading: str) -> str:
    return re.sub(r"[\W_]", "", heading).lower()


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a CSV file with commas, semicolons or tabs, blank ones left out.

    Raises
    ------
    DatasetError
        The file cannot be read as text.

    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not text in UTF-8; save it as CSV in UTF-8") from None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise DatasetError(f"{path}: is not CSV: {error}") from None
    return [row for row in rows if "".join(row).strip()]


def file_name(entry: str) -> str:
    """The file name in what may be a path with either kind of slash."""
    return PurePosixPath(entry.strip().replace("\\", "/")).name


def _told(
    dataset: Dataset,
    pattern: re.Pattern[str] | None,
    patients: Mapping[str, str],
    record: ImageRecord,
) -> tuple[str, str]:
    """What told the patient of an image, and the patient."""
    name = record.image.name
    listed = patients.get(name) or patients.get(record.image.stem)
    if listed:
        return TABLE, listed
    match = pattern.search(name) if pattern is not None else None
    groups = (match.groups() if match.re.groups else (match.group(),)) if match else ()
    found = next((group for group in groups if group), "")
    if found:
        return PATTERN, found
    if record.patient_id:
        return DATASET_CSV, record.patient_id
    own = _dicom_patient_id(dataset.image_path(record))
    return (DICOM, own) if own else (NOTHING, "")


def _dicom_patient_id(path: Path) -> str:
    try:
        with path.open("rb") as file:
            kind = image_kind(file.read(_HEAD_BYTES))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    if kind != "dicom":
        return ""
    from lucency.datasets.dicom import read_patient_id

    return read_patient_id(path)
