"""Whose image is it? A split by patient is worth what the patient identities are worth."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import DatasetError
from lucency.datasets.radiographs import image_kind

_HEAD_BYTES = 132  # as far as DICOM's magic bytes reach


def identify_patients(
    dataset: Dataset,
    *,
    pattern: re.Pattern[str] | None = None,
    patients: Mapping[str, str] | None = None,
) -> Dataset:
    """Fill in ``patient_id`` from what is known, the first that answers.

    ``patients`` (image file name → patient); ``pattern`` found in the file name (its first group,
    or all that it matches); the ``patient_id`` in the table; the Patient ID of a DICOM file.
    It stays empty where none answers: such an image is a patient of its own.

    Raises
    ------
    DatasetError
        An image is missing.
    ImageError
        A DICOM file is damaged.

    """
    records = tuple(
        replace(record, patient_id=_patient_id(dataset, record, pattern, patients or {}))
        for record in dataset.records
    )
    return replace(dataset, records=records)


def read_patients(path: Path) -> dict[str, str]:
    """Read a CSV file with image names in its first column and a column ``patient_id``.

    Raises
    ------
    DatasetError
        The file cannot be read, has no such column, or gives one image two patients.

    """
    header, *rows = read_rows(path) or [[]]
    names = [re.sub(r"[\W_]", "", name).lower() for name in header]
    column = next((names.index(name) for name in ("patientid", "patient") if name in names), 0)
    if column == 0:
        raise DatasetError(
            f"{path}: must have image names in its first column and a column 'patient_id', "
            f"found {', '.join(header) or 'nothing'}"
        )
    patients: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        patient = row[column].strip() if len(row) > column else ""
        known = patients.setdefault(file_name(row[0]), patient)
        if known != patient:
            raise DatasetError(
                f"{path}: line {number}: {row[0]} is of patient '{patient}' here and of "
                f"'{known}' above"
            )
    return {name: patient for name, patient in patients.items() if patient}


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
    return [row for row in rows if row and row[0].strip()]


def file_name(entry: str) -> str:
    """The file name in what may be a path with either kind of slash."""
    return PurePosixPath(entry.strip().replace("\\", "/")).name


def _patient_id(
    dataset: Dataset,
    record: ImageRecord,
    pattern: re.Pattern[str] | None,
    patients: Mapping[str, str],
) -> str:
    listed = patients.get(record.image.name) or patients.get(record.image.stem)
    if listed:
        return listed
    match = pattern.search(record.image.name) if pattern is not None else None
    if match is not None:
        return (match.group(1) if match.re.groups else match.group()) or ""
    return record.patient_id or _dicom_patient_id(dataset.image_path(record))


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
