from collections.abc import Iterator
from pathlib import Path

import pytest

from lucency.annotations import tensorflow
from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.geometry import Box
from lucency.annotations.ledger import Ledger, Reason, UnusableBox
from lucency.annotations.sources import Source, SourceFile
from lucency.annotations.table_images import (
    Entry,
    collect,
    corner_box,
    read_tables,
    sized_box,
    split_by_name,
)
from lucency.annotations.tables import Table, first_cells, read_table
from lucency.configs.errors import AnnotationError

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"
VALID = f"{HEADER}\na.png,100,80,mass,1,2,30.5,40\nb.png,100,80,nodule,5,6,7,8\n"


def table(tmp_path: Path, data: bytes, *, header: bool = True) -> Table:
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    return read_table(SourceFile(str(path), "table.csv"), header=header)


def boxes(tmp_path: Path, data: bytes) -> tuple[list[ImageAnnotation], Ledger]:
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    ledger = Ledger()
    found = list(tensorflow.read(Source(path), ledger))
    for annotation in found:
        for finding in annotation.findings:
            ledger.written(annotation.source, {finding.label: 1})
    ledger.check()
    return found, ledger


@pytest.mark.parametrize(
    "data",
    [
        VALID.encode(),
        VALID.encode("utf-8-sig"),
        VALID.encode("utf-16"),
        VALID.encode("utf-16-le"),
        VALID.replace("\n", "\r\n").encode(),
        VALID.replace("\n", "\r").encode(),
        VALID.replace(",", ";").replace("30.5", "30,5").encode(),
        VALID.replace(",", "\t").encode(),
        VALID.replace(",", ", ").encode(),
        VALID.upper().replace("A.PNG", "a.png").replace("MASS", "mass").encode(),
        VALID.replace("filename", '"filename"').replace("a.png", '"a.png"').encode(),
        ("\n\n" + VALID + "\n,,,,,,,\n").encode(),
        VALID.replace("40\n", "40,,,\n").encode(),
        b"class,xmax,xmin,ymin,ymax,note,filename,height,width\n"
        b"mass,30.5,1,2,40,seen,a.png,80,100\n",
    ],
    ids=["utf-8", "mark", "utf-16", "utf-16 without mark", "crlf", "cr", "semicolon", "tab",
         "spaces", "upper case", "quotes", "empty rows", "empty cells", "other order"],
)  # fmt: skip
def test_one_table_in_many_guises(tmp_path: Path, data: bytes) -> None:
    (first, *_), _ = boxes(tmp_path, data)
    assert (first.image, first.size_wh) == ("a.png", (100, 80))
    assert [(f.label, f.box) for f in first.findings] == [("mass", Box(1, 2, 30.5, 40))]


def test_text_that_is_no_utf_8_is_windows_1252_and_a_hint_says_so(tmp_path: Path) -> None:
    found, ledger = boxes(tmp_path, VALID.replace("mass", "Tumor-Größe").encode("cp1252"))
    assert found[0].findings[0].label == "Tumor-Größe"
    assert ledger.hints == ["labels.csv is not UTF-8 and was read as Windows-1252"]


def test_line_numbers_count_the_lines_inside_quotes(tmp_path: Path) -> None:
    text = f'{HEADER},note\na.png,9,9,m,1,1,2,2,"two\nlines"\n\nb.png,9,9,m,1,1,2,x,\n'
    found, ledger = boxes(tmp_path, text.encode())
    assert [a.findings[0].index for a in found[:1]] == ["line 2"]
    assert [entry.index for entry in ledger.box_entries] == ["line 5"]


ROW = "a.png,100,80,mass,1,2,30,40"


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("a.png,100,80,mass,1,2,30,nan", Reason.NOT_FINITE, "must be finite"),
        ("a.png,100,80,mass,1,2,30,inf", Reason.NOT_FINITE, "must be finite"),
        ("a.png,100,80,mass,1,2,30,1e400", Reason.NOT_FINITE, "must be finite"),
        (f"a.png,100,80,mass,1,2,30,{'9' * 5000}", Reason.NOT_FINITE, "must be finite"),
        ("a.png,100,80,mass,1,2,1,40", Reason.ZERO_AREA, "above 0, got [1.0, 2.0, 1.0, 40.0]"),
        ("a.png,100,80,mass,30,2,1,40", Reason.ZERO_AREA, "above 0"),
        ("a.png,100,80,mass,1,2,30,forty", Reason.MALFORMED, 'a number, got "forty"'),
        ("a.png,100,80,mass,1,2,30,4_0", Reason.MALFORMED, 'a number, got "4_0"'),
        ("a.png,100,80,mass,1,2,30,", Reason.MALFORMED, 'a number, got ""'),
        ('a.png,100,80,mass,1,2,30,"4,5"', Reason.MALFORMED, 'a number, got "4,5"'),
        ("a.png,100,80,mass,,,,", Reason.NO_BOX, "must have a box"),
        ("a.png,100,80,mass,1,2,30", Reason.MALFORMED, "8 cells, got 7"),
        (ROW + ",more", Reason.MALFORMED, "8 cells, got 9"),
        ("a.png,100,80, ,1,2,30,40", Reason.UNKNOWN_CLASS, "name a class"),
        ('a.png,100,80,"m\nn",1,2,30,40', Reason.UNKNOWN_CLASS, "name a class"),
        (",100,80,mass,1,2,30,40", Reason.UNKNOWN_IMAGE, "name an image"),
        ("a.png,wide,80,mass,1,2,30,40", Reason.MALFORMED, 'a number, got "wide"'),
        ("a.png,-4,80,mass,1,2,30,40", Reason.MALFORMED, "whole numbers from 1"),
        ("b.png,90,80,mass,1,2,30,40", Reason.MALFORMED, "must be 100 and 80 as before"),
    ],
    ids=["nan", "infinity", "too large", "5,000 digits", "no width", "corners swapped", "a word",
         "digit groups", "one empty", "decimal comma", "no box", "too short", "too long",
         "no class", "a line break", "no image", "no size", "negative size", "two sizes"],
)  # fmt: skip
def test_a_box_that_is_no_finding_is_accounted_for(
    tmp_path: Path, row: str, reason: Reason, detail: str
) -> None:
    text = f"{HEADER}\nb.png,100,80,nodule,5,6,7,8\n{row}\n"
    found, ledger = boxes(tmp_path, text.encode())
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.index) == (reason, "line 3")
    assert entry.detail.startswith("line 3: ") and detail in entry.detail
    assert ledger.totals() | {"written": 1, "in": 2} == ledger.totals()
    assert found[0].status is Status.ANNOTATED


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "labels.csv: must be a table, but is empty"),
        (b"\r\n \n", "labels.csv: must be a table, but is empty"),
        (b"\xff\xfea\x00b", "labels.csv: is not text"),
        (VALID.encode() + b"\x81\x8d", "labels.csv: is not text"),
        (VALID.encode() + b"a\0b", "labels.csv: line 4: is not text: it has a null byte"),
        (VALID.encode() + b'"a.png,1', "labels.csv: line 4: is no row of a table"),
        (VALID.encode() + b'"a"b,1', "labels.csv: line 4: is no row of a table"),
        (VALID.encode() + b"x" * 200_000, "labels.csv: line 4: is no row of a table"),
        (VALID.encode() + b"," * 2_000_000, "line 4: must have at most 1,000,000 characters"),
        (b"filename,class,xmin,xmax,ymax\n", "line 1: must have a column 'ymin'"),
        (b"filename,class,xmin,xmin,ymin,xmax,ymax\n", "several columns are called 'xmin'"),
        (b"image_id\n1.png\n", "line 1: has no boxes or labels of this format"),
    ],
    ids=["empty", "blank", "half a character", "no encoding", "null byte", "open quote",
         "text after a quote", "long cell", "long line", "no column", "two columns", "a list"],
)  # fmt: skip
def test_a_broken_table_is_refused_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(data)
    ledger = Ledger()
    with pytest.raises(AnnotationError) as caught:
        list(tensorflow.read(Source(path), ledger))
    assert message in str(caught.value)
    assert str(caught.value).startswith("labels.csv: ")
    assert "\n" not in str(caught.value)
    assert ledger.totals()["in"] == 0


def test_a_table_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"gone\.csv: cannot be read"):
        list(tensorflow.read(Source(tmp_path / "gone.csv"), Ledger()))


def test_in_a_folder_other_tables_are_passed_over_and_broken_ones_left_out(
    tmp_path: Path,
) -> None:
    (tmp_path / "train_labels.csv").write_text(VALID)
    (tmp_path / "images.csv").write_text("filename\na.png\n")
    (tmp_path / "broken.csv").write_text("filename,class,xmin,xmax,ymax\n")
    ledger = Ledger()
    found = list(tensorflow.read(Source(tmp_path), ledger))
    assert [(a.image, a.split) for a in found] == [("a.png", "train"), ("b.png", "train")]
    assert [e.source for e in ledger.image_entries if e.left_out] == ["broken.csv"]
    assert ledger.hints == [
        'images.csv was passed over: it has no boxes or labels of this format, got ["filename"]'
    ]


@pytest.mark.parametrize(
    ("row", "read"),
    [
        ("a.png,c,1,1,2,2", 1),
        ("a.png,c,1,1,2,2,,", 1),
        ("a.png,c,1,1,2,2,blurred", 1),
        ("a.png,c,1,1,2,2,,,blurred", 0),
        ("a.png,c,1,1,2", 0),
    ],
)
def test_cells_below_empty_titles_may_be_there_or_not(tmp_path: Path, row: str, read: int) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"filename,class,xmin,ymin,xmax,ymax,,\n{row}\n")
    ledger = Ledger()
    found = list(tensorflow.read(Source(path), ledger))
    assert sum(len(annotation.findings) for annotation in found) == read
    assert [entry.reason for entry in ledger.box_entries] == [Reason.MALFORMED] * (1 - read)


def test_images_come_in_order_of_first_appearance_and_those_of_one_image_together(
    tmp_path: Path,
) -> None:
    rows = "image,label,who\nb,x,R2\na,x,R1\nb,y,R1\nb,z,R2\n"
    source = table(tmp_path, rows.encode())

    def take(cells: list[str], where: str, entry: Entry) -> None:
        raise UnusableBox(Reason.NO_BOX, where)

    images = collect(source, take, image=0, label=1, reader=2)
    ledger = Ledger()
    found = [(a.image, a.reader) for a in images.annotations(ledger)]
    assert found == [("b", "R2"), ("b", "R1"), ("a", "R1")]
    assert [entry.label for entry in ledger.box_entries] == ["x", "x", "y", "z"]


def test_an_image_that_lost_a_box_is_no_negative_of_any_reader(tmp_path: Path) -> None:
    source = table(tmp_path, b"image,label,who\na,none,R1\na,x\nb,none,R1\n")

    def take(cells: list[str], where: str, entry: Entry) -> None:
        entry.negative = True

    found = collect(source, take, image=0, label=1, reader=2).annotations(Ledger())
    assert [a.status for a in found] == [Status.UNKNOWN, Status.NEGATIVE]


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    assert isinstance(table(tmp_path, VALID.encode()).rows, Iterator)
    found = table(tmp_path, b"a;1,5;c\nb;2;c\n", header=False)
    assert list(found.rows) == [(1, ["a", "1,5", "c"]), (2, ["b", "2", "c"])]
    assert found.number("1,5", "line 1") == 1.5


def test_boxes_at_the_limits_of_a_float() -> None:
    with pytest.raises(UnusableBox) as overflow:
        sized_box((1e308, 0, 1e308, 5), "line 2")
    with pytest.raises(UnusableBox) as vanished:
        sized_box((1e20, 0, 1, 5), "line 2")
    with pytest.raises(UnusableBox) as infinite:
        corner_box((-1e400, 0, 1, 5), "line 2")
    reasons = [caught.value.reason for caught in (overflow, vanished, infinite)]
    assert reasons == [Reason.NOT_FINITE, Reason.ZERO_AREA, Reason.NOT_FINITE]
    assert sized_box((1, 2, 3, 4.5), "line 2") == Box(1, 2, 4, 6.5)


@pytest.mark.parametrize(
    ("name", "split"),
    [("test_labels.csv", "test"), ("oidv6-train-annotations-bbox.csv", "train"),
     ("validation-annotations-bbox.csv", "val"), ("labels.csv", "folder"), ("a/b/val.csv", "val")],
)  # fmt: skip
def test_the_split_in_a_name(name: str, split: str) -> None:
    assert split_by_name(SourceFile("", name, "folder")) == split


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("\ufeff\r\nA ;b\r\n1;2", ["a", "b"]),
        ('"x,1",y\n', ["x,1", "y"]),
        ("", []),
        ('"open', ["open"]),
        ("x" * 10_000, ["x" * 4096]),
    ],
    ids=["mark", "quotes", "empty", "open quote", "long"],
)
def test_the_first_row_for_detection(text: str, cells: list[str]) -> None:
    assert first_cells(text) == cells


def test_one_table_among_several_formats_is_named_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n")

    def document(found: Table, ledger: Ledger) -> Iterator[ImageAnnotation]:
        raise AnnotationError(f"{found.name}: must not be asked")

    with pytest.raises(AnnotationError, match="line 1: has no boxes"):
        list(read_tables(Source(path), Ledger(), holds=lambda _: False, document=document))
