from pathlib import Path, PurePosixPath

import pytest

from lucency.annotations.images import (
    AmbiguousImageError,
    ImageFinder,
    MissingImageError,
    list_images,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a/1.png", "b/1.png", "b/2.JPG", "b/1.2.3.dcm", ".trash/3.png", "b/notes.txt"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(name.encode())
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/0.png").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("0.png", "labels/0.png"),
        ("../images/a/1.png", "images/a/1.png"),
        ("a/1.png", "images/a/1.png"),
        ("2.JPG", "images/b/2.JPG"),
        ("elsewhere/2.JPG", "images/b/2.JPG"),
        ("C:/scans/b/1.png", "images/b/1.png"),
        ("b/1", "images/b/1.png"),
        ("b/1.2.3", "images/b/1.2.3.dcm"),
        ("2", "images/b/2.JPG"),
    ],
    ids=["beside", "relative", "below the root", "by name", "by name of another folder",
         "by folder and name", "no suffix", "a uid without suffix", "by stem"],
)  # fmt: skip
def test_finding(root: Path, name: str, found: str) -> None:
    finder = ImageFinder([root / "images"])
    path = finder.find(PurePosixPath(name), beside=root / "labels")
    assert path.resolve() == (root / found).resolve()


@pytest.mark.parametrize("name", ["1.png", "c/1.png", "1"])
def test_several_images_of_one_name_are_ambiguous(root: Path, name: str) -> None:
    with pytest.raises(AmbiguousImageError, match="2 images have this name"):
        ImageFinder([root / "images"]).find(PurePosixPath(name), beside=root / "labels")


@pytest.mark.parametrize(
    "name", ["9.png", "3.png", "x" * 5000 + ".png", "a\0b.png", "a\0b", "2.jpg"]
)
def test_missing_images(root: Path, name: str) -> None:
    with pytest.raises(MissingImageError, match="no such image in"):
        ImageFinder([root / "images"]).find(PurePosixPath(name), beside=root / "labels")


def test_roots_are_searched_in_turn(root: Path) -> None:
    finder = ImageFinder([root / "images/b", root / "images"])
    assert finder.find(PurePosixPath("1.png"), beside=root / "labels") == root / "images/b/1.png"


def test_listing_passes_over_hidden_folders_and_other_files(root: Path) -> None:
    folder = root / "images"
    names = [path.relative_to(folder).as_posix() for path in list_images(folder)]
    assert names == ["a/1.png", "b/1.2.3.dcm", "b/1.png", "b/2.JPG"]


def test_a_link_to_the_same_image_is_not_ambiguous(root: Path) -> None:
    (root / "images/c").mkdir()
    (root / "images/c/2.JPG").symlink_to(root / "images/b/2.JPG")
    finder = ImageFinder([root / "images"])
    assert finder.find(PurePosixPath("2.JPG"), beside=root / "labels").name == "2.JPG"
