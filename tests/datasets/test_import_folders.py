"""One's own images in a folder a class."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from lucency.annotations.findings import Status
from lucency.annotations.ledger import Ledger
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_folders import FOLDERS, read
from lucency.datasets.importing import import_images


def touched(folder: Path, names: Iterable[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def labels(folder: Path) -> dict[str, dict[str, bool]]:
    return {entry.image: dict(entry.labels) for entry in read(folder, Ledger())}


@pytest.mark.parametrize("absent", ["NORMAL", "negative", "No_Fracture", "non-fractured", "0"])
def test_two_classes_one_of_which_is_absent(tmp_path: Path, absent: str) -> None:
    touched(tmp_path, [f"{absent}/1.png", "Fracture/2.png"])
    found = labels(tmp_path)
    assert found == {f"{absent}/1.png": {"fracture": False}, "Fracture/2.png": {"fracture": True}}


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (("cat", "dog"), {"cat", "dog"}),
        (("normal", "negative"), {"normal", "negative"}),
        (("normal", "TB", "Pneumonia"), {"normal", "tb", "pneumonia"}),
    ],
    ids=["neither absent", "both absent", "three"],
)
def test_a_label_each(tmp_path: Path, classes: tuple[str, ...], names: set[str]) -> None:
    touched(tmp_path, [f"{name}/{number}.png" for number, name in enumerate(classes)])
    for image, said in labels(tmp_path).items():
        assert said.keys() == names
        assert [name for name, holds in said.items() if holds] == [image.split("/")[0].lower()]


def test_splits_and_deeper_folders(tmp_path: Path) -> None:
    touched(
        tmp_path,
        ("zip/train/a/1.png", "zip/train/b/p1/2.png", "zip/valid/a/3.PNG", "zip/test/b/4.dcm"),
    )
    entries = list(read(tmp_path, Ledger()))
    assert {entry.image[4:]: entry.extra["official_split"] for entry in entries} == {
        "train/a/1.png": "train",
        "train/b/p1/2.png": "train",
        "valid/a/3.PNG": "val",
        "test/b/4.dcm": "test",
    }
    assert {entry.status for entry in entries} == {Status.UNKNOWN}
    assert {name for entry in entries for name in entry.labels} == {"a", "b"}


def test_one_split_alone(tmp_path: Path) -> None:
    touched(tmp_path, ("train/a/1.png", "train/b/2.png"))
    assert {e.extra["official_split"] for e in read(tmp_path, Ledger())} == {"train"}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], "found no image"),
        (["1.png"], "found 1.png outside of one"),
        (["a/1.png", "a/2.png"], "outside of one"),
        (["a/1.png", "b/2.png", "3.png"], "found 3.png outside of one"),
        (["train/a/1.png", "test/a/2.png"], "found a$"),
    ],
    ids=["nothing", "no folder", "one class", "one outside", "one class in splits"],
)
def test_no_classes(tmp_path: Path, names: list[str], found: str) -> None:
    touched(tmp_path, names)
    with pytest.raises(AnnotationError, match=rf"must have all its images in a folder.*{found}"):
        labels(tmp_path)


def test_two_folders_for_one_label(tmp_path: Path) -> None:
    touched(tmp_path, ("No TB/1.png", "no_tb/2.png", "tb/3.png"))
    with pytest.raises(AnnotationError, match="No TB, no_tb: stand for the same label"):
        labels(tmp_path)


@pytest.mark.real_data
def test_the_pneumonia_set(lucency_data: Path, tmp_path: Path) -> None:
    made = import_images(FOLDERS, read, lucency_data / "pneumonia", tmp_path / "out")
    told = {"pneumonia": {"positive": 3875, "negative": 1341, "unknown": 0}}
    assert made.counts.labels == told
    assert made.counts.official_splits == {"train": 5216}
