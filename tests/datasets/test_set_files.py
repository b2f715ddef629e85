"""Files of a download: rubbish passed over, copies taken once, lists read, names made."""

from pathlib import Path

import pytest

from lucency.annotations.ledger import Ledger
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError, ConfigError
from lucency.datasets.set_files import (
    column_name,
    files_below,
    images_below,
    official_splits,
    once,
    stem_of,
)


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(folder: Path, name: str, text: str) -> SourceFile:
    (folder / name).write_text(text, encoding="utf-8")
    return SourceFile(str(folder / name), name)


def test_images_without_what_macos_adds(tmp_path: Path) -> None:
    touched(
        tmp_path,
        *("a/b/2.PNG", "a/1.jpeg", "a/readme.txt"),
        *("__MACOSX/a/1.jpeg", "a/._1.jpeg", "a/.DS_Store"),
    )
    assert images_below(tmp_path) == ["a/1.jpeg", "a/b/2.PNG"]


def test_files_in_fewest_folders_first(tmp_path: Path) -> None:
    touched(tmp_path, "z.csv", "a/b/c.CSV", "a/b.csv", "__MACOSX/z.csv", "q.txt")
    assert [file.name for file in files_below(tmp_path, ".csv")] == [
        "z.csv",
        "a/b.csv",
        "a/b/c.CSV",
    ]


@pytest.mark.parametrize("look", [images_below, lambda folder: files_below(folder, ".csv")])
def test_missing_folder(tmp_path: Path, look: object) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        look(tmp_path / "gone")  # type: ignore[operator]


def test_copies_are_taken_once_and_told() -> None:
    ledger, images = Ledger(), ["a/1.png", "a/a/1.png", "a/2.png"]
    assert list(once(images, map(stem_of, images), ledger)) == ["a/1.png", "a/2.png"]
    assert ledger.hints == [
        "the folder holds images twice: copies such as a/a/1.png (1) were passed over"
    ]


@pytest.mark.parametrize(
    ("path", "stem"),
    [("a/b.c.png", "b.c"), ("a/b", "b"), ("b.png", "b"), ("a/.png", ".png"), ("", "")],
)
def test_stem(path: str, stem: str) -> None:
    assert stem_of(path) == stem


def test_official_splits_with_and_without_headings(tmp_path: Path) -> None:
    lists = [
        listed(tmp_path, "train.csv", "image_id\nIMG1.jpg\nIMG2.jpg\n"),
        listed(tmp_path, "X_val.txt", "tb\\3.png\n\n"),
        listed(tmp_path, "X_trainval.txt", "IMG1.jpg\n3.png\n"),
        listed(tmp_path, "readme.txt", "IMG9.jpg\n"),
    ]
    assert official_splits(lists) == {"IMG1": "train", "IMG2": "train", "3": "val"}
    assert official_splits([]) == {}


def test_an_image_in_two_lists(tmp_path: Path) -> None:
    lists = [listed(tmp_path, f"{name}.txt", "a/1.png\n") for name in ("train", "test")]
    with pytest.raises(
        AnnotationError, match=r"test.txt: 1 stands in this list as well as .* train"
    ):
        official_splits(lists)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Pleural Effusion", "pleural_effusion"),
        ("Non-TB", "non_tb"),
        ("  NORMAL ", "normal"),
        ("Ödem", "ödem"),
        ("a__b", "a_b"),
    ],
)
def test_column_name(text: str, name: str) -> None:
    assert column_name(text) == name


@pytest.mark.parametrize("text", ["", "+", "__"])
def test_no_column_name(text: str) -> None:
    with pytest.raises(ConfigError, match="must have a letter or a digit"):
        column_name(text)
