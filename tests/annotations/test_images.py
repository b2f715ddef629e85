from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset

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
        ("2.jpg", "images/b/2.JPG"),
        ("b/2.dcm", "images/b/2.JPG"),
    ],
    ids=["beside", "relative", "below the root", "by name", "by name of another folder",
         "by folder and name", "no suffix", "a uid without suffix", "by stem",
         "suffix in small letters", "another suffix"],
)  # fmt: skip
def test_finding(root: Path, name: str, found: str) -> None:
    finder = ImageFinder([root / "images"])
    path = finder.find(name, beside=f"{root}/labels")
    assert Path(path).resolve() == (root / found).resolve()


@pytest.mark.parametrize("name", ["1.png", "c/1.png", "1"])
def test_several_images_of_one_name_are_ambiguous(root: Path, name: str) -> None:
    with pytest.raises(AmbiguousImageError, match="2 images have this name"):
        ImageFinder([root / "images"]).find(name, beside=f"{root}/labels")


@pytest.mark.parametrize(
    "name", ["9.png", "3.png", "x" * 5000 + ".png", "a\0b.png", "a\0b", "", "..", "notes.txt"]
)
def test_missing_images(root: Path, name: str) -> None:
    with pytest.raises(MissingImageError, match="no such image in"):
        ImageFinder([root / "images"]).find(name, beside=f"{root}/labels")


def test_roots_are_searched_in_turn(root: Path) -> None:
    finder = ImageFinder([root / "images/b", root / "images"])
    assert finder.find("1.png", beside=f"{root}/labels") == f"{root}/images/b/1.png"


def test_listing_passes_over_hidden_folders_and_other_files(root: Path) -> None:
    folder = root / "images"
    names = [Path(path).relative_to(folder).as_posix() for path in list_images(folder)]
    assert names == ["a/1.png", "b/1.2.3.dcm", "b/1.png", "b/2.JPG"]


def test_a_link_to_the_same_image_is_not_ambiguous(root: Path) -> None:
    (root / "images/c").mkdir()
    (root / "images/c/2.JPG").symlink_to(root / "images/b/2.JPG")
    finder = ImageFinder([root / "images"])
    assert finder.find("2.JPG", beside=f"{root}/labels").endswith("/2.JPG")


def test_an_exact_name_goes_before_another_suffix(root: Path) -> None:
    (root / "images/a/2.png").write_bytes(b"")
    finder = ImageFinder([root / "images"])
    assert finder.find("2.png", beside=f"{root}/labels") == f"{root}/images/a/2.png"
    with pytest.raises(AmbiguousImageError):
        finder.find("2.tif", beside=f"{root}/labels")


def dicom(path: Path, uid: str) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID(uid)
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPInstanceUID = uid
    dataset.Rows = dataset.Columns = 4
    dataset.BitsAllocated = 8
    dataset.PixelData = bytes(16)
    dataset["PixelData"].VR = "OW"
    path.parent.mkdir(exist_ok=True)
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True)


def test_a_uid_finds_the_file_that_holds_it(root: Path) -> None:
    dicom(root / "images/c/IM0001", "1.2.840.7.1")
    dicom(root / "images/c/IM0002", "1.2.840.7.2")
    finder = ImageFinder([root / "images"])
    assert finder.find("1.2.840.7.2", beside=f"{root}/labels") == f"{root}/images/c/IM0002"
    with pytest.raises(MissingImageError):
        finder.find("1.2.840.7.3", beside=f"{root}/labels")


def test_a_uid_in_two_files_is_ambiguous(root: Path) -> None:
    for name in ("IM0001", "copy"):
        dicom(root / "images/c" / name, "1.2.840.7.1")
    (root / "images/c/link").symlink_to(root / "images/c/copy")
    with pytest.raises(AmbiguousImageError, match="2 images"):
        ImageFinder([root / "images"]).find("1.2.840.7.1", beside=f"{root}/labels")


@pytest.mark.parametrize(
    ("named", "stored"),
    [("c/Mu\u0308ller.png", "Müller.png"), ("c/Müller", "Mu\u0308ller.png")],
    ids=["composed on disk", "decomposed on disk"],
)
def test_both_forms_of_an_umlaut_name_the_same_image(root: Path, named: str, stored: str) -> None:
    (root / "images/a" / stored).write_bytes(b"")
    found = ImageFinder([root / "images"]).find(named, beside=f"{root}/labels")
    assert found == f"{root}/images/a/{stored}"


def test_messages_tell_nothing_of_the_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "images")
    for folder in (root / "images", Path()):
        finder = ImageFinder([folder, root / "labels"])
        with pytest.raises(AmbiguousImageError, match=r"^2 .*, such as a/1.png and b/1.png$"):
            finder.find("1.png", beside=str(root))
        with pytest.raises(MissingImageError, match=r"^no such image in images or labels$"):
            finder.find("9.png", beside=str(root))
