import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.api.prediction_names import images_of
from lucency.configs.errors import ImageError, ImageFault

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, png: Callable[..., bytes]) -> Tree:
    """Makes images of these names, and gives the folder they lie in."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(8, 8))
        return tmp_path

    return make


def names(*paths: Path) -> list[str]:
    return [image.name for image in images_of(paths)]


def test_names_begin_in_the_folder_that_was_given(tree: Tree) -> None:
    root = tree("set/b.png", "set/a/c.png", "set/a/b.png", "set/.hidden.png")
    assert names(root / "set") == ["b.png", "a/b.png", "a/c.png"]
    # "b.png" in both, so all are called by their path below what holds everything.
    both = names(root / "set" / "a", root / "set" / "b.png")
    assert both == ["a/b.png", "a/c.png", "b.png"]


def test_paths_are_as_they_were_given(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree("set/a.png"))
    assert [image.path for image in images_of([Path("set")])] == [Path("set/a.png")]
    assert [image.path for image in images_of([Path("set/a.png")])] == [Path("set/a.png")]


def test_equal_names_in_two_folders_are_told_apart(tree: Tree) -> None:
    root = tree("one/same.png", "two/same.png", "two/other.png")
    assert names(root / "one", root / "two") == ["one/same.png", "two/other.png", "two/same.png"]
    files = [root / folder / "same.png" for folder in ("one", "two")]
    assert names(*files) == ["one/same.png", "two/same.png"]
    stems = [image.stem for image in images_of(files)]
    assert stems == ["one/same", "two/same"]


def test_a_file_that_is_given_twice_is_taken_once(tree: Tree) -> None:
    root = tree("set/a.png")
    assert names(root / "set", root / "set" / "a.png", root / "set" / ".." / "set") == ["a.png"]


def test_an_absent_file_is_an_image_like_others(tmp_path: Path) -> None:
    """It is told as one that cannot be read; the rest goes on."""
    assert names(tmp_path / "absent.png") == ["absent.png"]


@pytest.mark.parametrize(
    ("files", "stems"),
    [
        (["a.png", "b.jpg"], ["a", "b"]),
        (["1.2.840.1", "1.2.840.2"], ["1.2.840.1", "1.2.840.2"]),
        (["a.jpg", "a.png"], ["a.jpg", "a.png"]),
        (["a.jpg", "a.png", "a.png.tif"], ["a.jpg", "a.png", "a.png.tif"]),
        (["a.jpg", "a.jpg.png", "a.png"], ["a.jpg", "a.jpg.png", "a.png"]),
        (["x/a.png", "y/a.png"], ["x/a", "y/a"]),
    ],
    ids=["plain", "numbers with dots", "two suffixes", "a trap", "another trap", "folders"],
)
def test_stems_are_different(tree: Tree, files: list[str], stems: list[str]) -> None:
    found = images_of([tree(*(f"set/{name}" for name in files)) / "set"])
    assert [image.name for image in found] == files
    assert [image.stem for image in found] == stems


def test_bytes_that_are_no_text_are_spelt_out(tree: Tree, png: Callable[..., bytes]) -> None:
    root = tree("set/plain.png")
    name = os.path.join(os.fsencode(root / "set"), b"caf\xe9.png")  # noqa: PTH118
    with open(name, "wb") as stream:  # noqa: PTH123
        stream.write(png(8, 8))
    assert names(root / "set") == ["caf\\xe9.png", "plain.png"]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ImageError, match="holds no PNG, JPEG, TIFF or DICOM image") as caught:
        images_of([tmp_path])
    assert caught.value.fault is ImageFault.UNREADABLE
