"""What DICOM files say of their images, where the table has nothing."""

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord, write_tables
from lucency.datasets.survey import survey


@pytest.mark.parametrize(
    ("age", "histogram"),
    [("047Y", {47.0}), ("006M", {0.5}), ("", set()), ("999Y", set())],
    ids=["years", "months", "none", "more than anybody's"],
)
def test_sex_age_and_manufacturer_come_from_dicom(
    tmp_path: Path, make_dicom: Callable[..., bytes], age: str, histogram: set[float]
) -> None:
    data = make_dicom(PatientSex="F", PatientAge=age, Manufacturer="A maker", ViewPosition="PA")
    image = PurePosixPath("images/train/a.dcm")
    (tmp_path / image).parent.mkdir(parents=True)
    (tmp_path / image).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    record = ImageRecord(image, "train", "p", Status.UNKNOWN, 64, 64, digest, "made")
    dataset = Dataset(tmp_path, LabelMap(()), (record,))
    write_tables(dataset)
    columns = {column.name: column for column in survey(dataset).columns}
    assert columns["sex"].values == (("F", 1),)
    assert columns["manufacturer"].values == (("A maker", 1),)
    assert (columns["view"].values, columns["view"].source) == ((("PA", 1),), "DICOM")
    assert ("age" in columns) == bool(histogram)
    if histogram:
        numbers = columns["age"].numbers
        assert numbers is not None
        assert sum(numbers.counts) == 1
        assert numbers.median == histogram.pop()
