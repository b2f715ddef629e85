from collections.abc import Sequence
from pathlib import Path

import pytest

from lucency.annotations.findings import Finding, ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.datasets.listed_images import ListedImages, age, image_stem, sex
from lucency.datasets.public_sets import PublicSet

SET = PublicSet(name="x", title="The Set", where="", licence="", citation="", contents="")


def listed(folder: Path, *names: str) -> tuple[ListedImages, Ledger]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    ledger = Ledger()
    return ListedImages(SET, folder, ledger), ledger


def annotation(image: str, boxes: int = 0) -> ImageAnnotation:
    findings = tuple(Finding("mass", Box(n, 0, n + 1, 1), index=f"line {n}") for n in range(boxes))
    status = Status.ANNOTATED if boxes else Status.UNKNOWN
    return ImageAnnotation(image, "table.csv", None, findings, status)


def test_images_are_found_in_whichever_folder_they_lie(tmp_path: Path) -> None:
    files, ledger = listed(tmp_path, "images_002/images/b.PNG", "a.dicom", "c.csv", ".a.png")
    found = files.placed([annotation("a"), annotation("b.png", boxes=1)])
    assert [(a.image, len(a.findings)) for a in found] == [
        ("a.dicom", 0),
        ("images_002/images/b.PNG", 1),
    ]
    assert not ledger.image_entries and not ledger.hints


def test_an_image_that_is_not_there_is_left_out_with_its_boxes(tmp_path: Path) -> None:
    files, ledger = listed(tmp_path, "b.png")
    ledger.expect("table.csv", 3)
    found = list(files.placed([annotation("a.png", boxes=2), annotation("b.png", boxes=1)]))
    assert [a.image for a in found] == ["b.png"]
    ledger.written("table.csv", {"mass": 1})
    ledger.check()
    assert ledger.left_out_by_reason() == {Reason.MISSING_IMAGE: 1}
    assert ledger.dropped_by_reason() == {Reason.MISSING_IMAGE: 2}
    assert ledger.hints == [
        "1 of the 2 images that the set lists are not in the folder, such as a.png"
    ]


def test_an_image_that_no_table_names_is_unknown(tmp_path: Path) -> None:
    files, _ = listed(tmp_path, "test/t.png", "a.png")
    found = list(files.placed([annotation("a.png")]))
    assert [(a.image, a.source, a.status) for a in found] == [
        ("a.png", "table.csv", Status.UNKNOWN),
        ("test/t.png", "test", Status.UNKNOWN),
    ]


def test_of_two_copies_of_an_image_the_least_deep_is_taken(tmp_path: Path) -> None:
    files, ledger = listed(tmp_path, "copy/images/a.png", "images/a.png")
    assert [a.image for a in files.placed([annotation("a.png")])] == ["images/a.png"]
    assert "(1) were passed over" in ledger.hints[0]


@pytest.mark.parametrize(
    ("names", "patterns", "expected"),
    [
        (["inner/Table.CSV"], ["table.csv"], "inner/Table.CSV"),
        (["a/table.csv", "table.csv"], ["table.csv"], "table.csv"),
        (["old_2017.csv", "new/old_v2020.csv"], ["*_v2020.csv", "old*.csv"], "new/old_v2020.csv"),
        (["._table.csv", "__MACOSX/table.csv"], ["table.csv"], None),
    ],
    ids=["deeper and in capitals", "least deep", "first pattern", "macOS"],
)
def test_which_table_is_taken(
    tmp_path: Path, names: Sequence[str], patterns: Sequence[str], expected: str | None
) -> None:
    files, _ = listed(tmp_path, *names)
    found = files.table(*patterns)
    assert (found.name if found else None) == expected


def test_two_tables_equally_deep_are_refused(tmp_path: Path) -> None:
    files, _ = listed(tmp_path, "a/table.csv", "b/table.csv")
    with pytest.raises(AnnotationError, match=r"has a/table\.csv and b/table\.csv"):
        files.table("table.csv")


def test_a_table_that_must_be_there(tmp_path: Path) -> None:
    files, _ = listed(tmp_path, "a.png")
    with pytest.raises(AnnotationError, match=r"not look like The Set: .*a table x\.csv or y\.csv"):
        files.needed_table("x.csv", "y.csv")
    with pytest.raises(ConfigError, match="no such folder"):
        listed(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("58", "58"),
        ("058Y", "58"),
        ("14.1", "14.1"),
        ("006M", "0.5"),
        ("014D", "0.03833"),
        ("002w", "0.03833"),
        ("0", "0"),
        ("", ""),
        (" ", ""),
        ("414Y", ""),
    ],
)
def test_ages_are_years(text: str, years: str) -> None:
    assert age(text) == years


@pytest.mark.parametrize("text", ["old", "-3", "3X", "3Y2M", "nan"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(ValueError, match="must have an age"):
        age(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("Male", "M"), ("f", "F"), ("O", ""), ("Unknown", ""), ("", "")]
)
def test_sexes(text: str, expected: str) -> None:
    assert sex(text) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.PNG", "b"), ("b", "b"), ("1.2.840", "1.2.840"), ("b.c.dicom", "b.c"), (".png", "")],
)
def test_the_stem_of_an_image(name: str, expected: str) -> None:
    assert image_stem(name) == expected
