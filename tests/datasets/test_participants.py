from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.datasets.participants import image_labels, participants


def record(name: str, status: Status, **extra: str) -> ImageRecord:
    image = PurePosixPath("images/unsplit", name)
    return ImageRecord(image, "unsplit", "", status, 8, 8, name, "s", extra)


@pytest.mark.parametrize(
    ("values", "is_label"),
    [
        (["0", "1"], True),
        (["1", "1"], True),
        (["0", ""], True),
        (["", ""], False),
        (["0", "2"], False),
        (["1", "yes"], False),
        ([" 1", "0 "], True),
    ],
)
def test_a_label_is_a_column_of_zeros_and_ones(values: list[str], is_label: bool) -> None:
    records = [record(f"{n}.png", Status.UNKNOWN, tb=value) for n, value in enumerate(values)]
    assert image_labels(records) == (("tb",) if is_label else ())


def test_the_number_of_a_fold_is_no_label() -> None:
    assert image_labels([record("a.png", Status.UNKNOWN, fold="0", tb="1")]) == ("tb",)
    assert image_labels([]) == ()


def test_images_of_which_anything_is_known_take_part(tmp_path: Path) -> None:
    records = (
        record("boxes.png", Status.ANNOTATED),
        record("none.png", Status.NEGATIVE),
        record("label.png", Status.UNKNOWN, tb="0"),
        record("nothing.png", Status.UNKNOWN, tb="", age="1", fold="1"),
        record("old.png", Status.UNKNOWN, tb="", age="70"),
    )
    found = participants(Dataset(tmp_path, LabelMap(()), records))
    assert [r.image.name for r in found] == ["boxes.png", "none.png", "label.png"]
