import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from lucency.annotations.findings import ImageAnnotation, Status
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source, SourceFile, read_each
from lucency.annotations.writing import write_ledger
from lucency.configs.errors import AnnotationError

FILES = (
    "b.json", "a.JSON", "c.xml", "train/1.json", "train/inner/2.json", "val2017/3.json",
    ".hidden/4.json", ".5.json", "notes.txt",
)  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_text(name)
    return tmp_path / "set"


def names(source: Source, *suffixes: str) -> list[str]:
    return [file.name for file in source.files(*suffixes)]


def test_files_come_in_order_with_names_below_the_root(root: Path) -> None:
    assert names(Source(root), ".json") == [
        "a.JSON", "b.json", "train/1.json", "train/inner/2.json", "val2017/3.json"
    ]  # fmt: skip
    assert names(Source(root), ".xml", ".txt") == ["c.xml", "notes.txt"]
    for file in Source(root).files(".json"):
        assert Path(file.path) == root / file.name
        assert Path(file.path).read_text() == file.name


def test_splits_come_from_the_folders_names(root: Path) -> None:
    splits = {file.name: file.split for file in Source(root).files(".json")}
    assert splits == {
        "a.JSON": "", "b.json": "", "train/1.json": "train", "train/inner/2.json": "train",
        "val2017/3.json": "val",
    }  # fmt: skip


def test_one_document_is_itself_whatever_its_suffix(root: Path) -> None:
    source = Source(root / "train/1.json")
    assert source.root == root / "train"
    assert list(source.files(".xml")) == [SourceFile(str(root / "train/1.json"), "1.json")]


def test_a_link_to_a_file_is_followed_and_one_to_a_folder_is_not(root: Path) -> None:
    (root / "link.json").symlink_to(root / "b.json")
    (root / "loop").symlink_to(root)
    (root / "folder.json").mkdir()
    assert names(Source(root), ".json") == [
        "a.JSON", "b.json", "link.json", "train/1.json", "train/inner/2.json", "val2017/3.json"
    ]  # fmt: skip


def test_a_ledger_of_ours_is_passed_over_and_another_file_of_its_name_is_not(root: Path) -> None:
    write_ledger(root / "train", {"format": "coco", "boxes": {}})
    (root / "ledger.json").write_text('{"version": "5.0.0", "shapes": []}')
    found = names(Source(root), ".json")
    assert "ledger.json" in found
    assert "train/ledger.json" not in found


def one_image(file: SourceFile, ledger: Ledger) -> Iterator[ImageAnnotation]:
    """A reader that stops at files named b."""
    if file.name.startswith("b"):
        raise AnnotationError(f"{file.name}: is broken")
    ledger.expect(file.name, 0)
    yield ImageAnnotation(file.name, file.name, None, (), Status.NEGATIVE, split=file.split)


def test_among_several_a_broken_document_is_left_out_and_told(root: Path) -> None:
    ledger = Ledger()
    found = list(read_each(Source(root), ledger, ".json", document=one_image))
    assert [image.source for image in found] == [
        "a.JSON", "train/1.json", "train/inner/2.json", "val2017/3.json"
    ]  # fmt: skip
    (entry,) = ledger.image_entries
    assert (entry.source, entry.reason) == ("b.json", Reason.UNREADABLE_ANNOTATION)
    assert (entry.detail, entry.left_out) == ("b.json: is broken", True)


def test_a_document_named_by_itself_must_be_whole(root: Path) -> None:
    ledger = Ledger()
    with pytest.raises(AnnotationError, match=r"^b\.json: is broken"):
        list(read_each(Source(root / "b.json"), ledger, ".json", document=one_image))
    assert not ledger.image_entries


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(folder: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", folder)

    monkeypatch.setattr("lucency.annotations.sources.os.scandir", refused)
    with pytest.raises(AnnotationError, match=r": cannot be read: Permission denied$"):
        list(Source(tmp_path).files(".txt"))
