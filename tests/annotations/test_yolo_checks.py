"""A clean set of ours, and for every rule about splits and tables one named way to spoil it."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lucency.annotations import checks
from lucency.annotations.checks import Checkup, check
from lucency.annotations.convert import Options
from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.images import look_at
from lucency.annotations.problems import Problem
from lucency.annotations.records import Dataset, ImageRecord, write_tables

WIDTH, HEIGHT = 400, 320
CLASSES = ("fracture", "lesion")
SPLITS = {"train": range(12), "val": range(12, 18), "test": range(18, 24)}
NEGATIVES = (10, 11, 17, 23)


def png(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (WIDTH, HEIGHT), shade).save(buffer, "PNG")
    return buffer.getvalue()


def found(checkup: Checkup) -> dict[str, int]:
    return {rule: len(problems) for rule, problems in checkup.by_rule().items()}


def only(checkup: Checkup, rule: str) -> Problem:
    assert found(checkup) == {rule: 1}
    return checkup.problems[0]


def yolo_set(root: Path) -> Path:
    """A clean YOLO set of ours, divided into three splits."""
    records = []
    for split, numbers in SPLITS.items():
        for n in numbers:
            path = root / f"images/{split}/{n:02}.rf.x.png"
            label = root / f"labels/{split}/{n:02}.rf.x.txt"
            for folder in (path.parent, label.parent):
                folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(n))
            negative = n in NEGATIVES
            lines = f"0 0.3 0.3 0.1 0.{10 + n}\n1 0.7 0.7 0.2 0.{10 + n}\n"
            label.write_text("" if negative else lines)
            records.append(
                ImageRecord(
                    image=path.relative_to(root),
                    split=split,
                    patient_id=f"p{n // 2}",
                    status=Status.NEGATIVE if negative else Status.ANNOTATED,
                    width=WIDTH,
                    height=HEIGHT,
                    sha256=look_at(str(path)).sha256,
                    source="1.json",
                )
            )
    write_tables(Dataset(root, LabelMap(CLASSES), tuple(records)))
    return root


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return yolo_set(tmp_path / "set")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_clean_set_has_no_problems(ours: Path) -> None:
    checkup = check(ours)
    assert checkup.problems == ()
    assert checkup.census.splits == ("train", "val", "test")
    assert checkup.census.to_json()["splits"]["val"] == {
        "annotated": 5, "negative": 1, "unknown": 0,
    }  # fmt: skip


def labels(root: Path, n: int) -> Path:
    split = next(split for split, numbers in SPLITS.items() if n in numbers)
    return root / f"labels/{split}/{n:02}.rf.x.txt"


def picture(root: Path, n: int) -> Path:
    split = next(split for split, numbers in SPLITS.items() if n in numbers)
    return root / f"images/{split}/{n:02}.rf.x.png"


def removed(*paths: Path) -> None:
    for path in paths:
        path.unlink()


def table(root: Path, *changes: tuple[str, str]) -> None:
    for old, new in changes:
        edit(root / "dataset.csv", old, new)


def row(root: Path, n: int) -> str:
    lines = (root / "dataset.csv").read_text().splitlines(keepends=True)
    return next(line for line in lines if f"/{n:02}.rf" in line)


def same_file_in_val(root: Path) -> None:
    """Image 12 becomes image 0, in the table as well."""
    picture(root, 12).write_bytes(picture(root, 0).read_bytes())
    old, new = row(root, 12), row(root, 0)
    table(root, (old, old.replace(old.split(",")[6], new.split(",")[6])))


def unlabelled(root: Path) -> None:
    removed(labels(root, 3))
    old = row(root, 3)
    table(root, (old, old.replace(",annotated,", ",unknown,")))


def set_aside(root: Path) -> None:
    (root / "images/unknown").mkdir()
    picture(root, 3).rename(root / "images/unknown/03.rf.x.png")
    removed(labels(root, 3))
    old = row(root, 3)
    new = old.replace(",annotated,", ",unknown,").replace("train", "unknown")
    table(root, (old, new))


def without_lesions(root: Path) -> None:
    for n in SPLITS["val"]:
        if n not in NEGATIVES:
            labels(root, n).write_text("0 0.3 0.3 0.1 0.2\n")


def without_val(root: Path) -> None:
    for kind in ("images", "labels"):
        for path in sorted((root / kind / "val").iterdir()):
            path.rename(root / kind / "train" / path.name)
        (root / kind / "val").rmdir()
    table(root, ("val", "train"))
    edit(root / "data.yaml", "val: images/val", "val: images/train")
    edit(root / "data.yaml", "train: images/train\n", "train: images/train\n# ")


def beside_the_splits(root: Path) -> None:
    for kind in ("images", "labels"):
        (root / kind / "more").mkdir()
    picture(root, 3).rename(root / "images/more/03.rf.x.png")
    labels(root, 3).rename(root / "labels/more/03.rf.x.txt")
    table(root, (row(root, 3), row(root, 3).replace("train", "more")))


YOLO_DEFECTS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "no label file": ("unlabelled-in-split", unlabelled, "no label file"),
    "set aside": ("set-aside", set_aside, "images/unknown"),
    "no image": (
        "missing-image",
        lambda r: (removed(picture(r, 3)), table(r, (row(r, 3), ""))),
        "no such image",
    ),
    "sixth number": (
        "malformed",
        lambda r: labels(r, 3).write_text("0 0.3 0.3 0.1 0.2 0.9\n"),
        "line 1",
    ),
    "id out of range": (
        "unknown-class",
        lambda r: edit(labels(r, 3), "1 0.7", "2 0.7"),
        "from 0 to 1, got 2",
    ),
    "id without box": (
        "unused-class",
        lambda r: edit(r / "data.yaml", "1: lesion", "1: lesion\n  2: cyst"),
        "'cyst'",
    ),
    "wrong nc": ("data-yaml", lambda r: edit(r / "data.yaml", "names:", "nc: 3\nnames:"), "nc"),
    "no such folder": (
        "data-yaml",
        lambda r: edit(r / "data.yaml", "test: images/test", "test: images/tset"),
        "images/tset",
    ),
    "file changed": (
        "changed-image",
        lambda r: picture(r, 3).write_bytes(png(200)),
        "in the table",
    ),
    "wrong width": (
        "table-size",
        lambda r: table(r, (row(r, 3), row(r, 3).replace(",400,", ",401,"))),
        "401 × 320",
    ),
    "emptied label file": (
        "table-status",
        lambda r: labels(r, 3).write_text(""),
        "its label file is empty",
    ),
    "another folder": (
        "table-split",
        lambda r: table(r, (row(r, 3), row(r, 3).replace(",train,p1,", ",test,p90,"))),
        "is test in the table, but in a folder of train",
    ),
    "no row": ("table", lambda r: table(r, (row(r, 3), "")), "has no row"),
    "no file": (
        "table",
        lambda r: removed(picture(r, 3), labels(r, 3)),
        "is no file",
    ),
    "no column": ("table", lambda r: table(r, ("sha256", "sha")), "missing columns sha256"),
    "patient twice": (
        "patient-in-two-splits",
        lambda r: table(r, (",p8,", ",p3,")),
        "patient 'p3': images/train/06.rf.x.png (train), images/train/07.rf.x.png (train), images",
    ),
    "image twice": ("image-in-two-splits", same_file_in_val, "(val)"),
    "no lesions in val": ("class-missing-from-split", without_lesions, "in val"),
    "no val": ("empty-split", without_val, "val: has no images; there are train, test"),
    "in no split": ("in-no-split", beside_the_splits, "is in no split"),
}


@pytest.mark.parametrize(("rule", "spoil", "told"), YOLO_DEFECTS.values(), ids=list(YOLO_DEFECTS))
def test_each_defect_of_a_yolo_set_is_found(
    ours: Path, rule: str, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(ours)
    assert told in only(check(ours), rule).detail


def test_positions_in_label_files(ours: Path) -> None:
    """Names with several dots, as Roboflow writes them, are no obstacle."""
    labels(ours, 3).write_text("0 0.3 0.3 0.1 0.2\n\n1 0.7 0.7 0.002 0.4\n")
    problem = only(check(ours), "tiny-box")
    assert problem.index == "line 3"
    assert problem.source == "labels/train/03.rf.x.txt"


def test_a_set_without_data_yaml_is_told(ours: Path) -> None:
    removed(ours / "data.yaml", ours / "dataset.csv")
    checkup = check(ours, Options(classes=CLASSES))
    assert found(checkup) == {"data-yaml": 1}


def test_a_patient_of_dicom_files_in_two_splits(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed(ours / "dataset.csv")
    asked: list[str] = []

    def patient_of(path: Path) -> str:
        asked.append(path.name)
        return "p" if path.name.startswith(("00", "12")) else path.name

    assert check(ours, patient_of=patient_of).problems == ()
    assert asked == []  # no DICOM among them

    real = checks.gather

    def as_dicom(*arguments: Any, **named: Any) -> Any:
        result = real(*arguments, **named)
        entries = tuple(
            e._replace(image=replace(e.image, header=replace(e.image.header, kind="dicom")))
            for e in result.images
        )
        return replace(result, images=entries)

    monkeypatch.setattr(checks, "gather", as_dicom)
    problem = only(check(ours, patient_of=patient_of), "patient-in-two-splits")
    assert problem.detail == (
        "patient 'p': images/train/00.rf.x.png (train), images/val/12.rf.x.png (val)"
    )


def test_names_beyond_unicode_can_be_told(ours: Path) -> None:
    folder = os.fsencode(ours / "images/train")
    Path(os.fsdecode(folder + b"/\xff.png")).write_bytes(png(150))
    checkup = check(ours, ignore=["table", "unlabelled-in-split"])
    assert checkup.problems == ()
    names = [problem.image for problem in check(ours).problems]
    assert names == ["images/train/\\udcff.png"] * 2
    json.dumps(check(ours).to_json(), ensure_ascii=False).encode()
