import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.annotations import documents
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError

TEXT = '{"imagePath": "Röntgen 1.png"}\r\n'


def file(folder: Path, data: bytes) -> SourceFile:
    (folder / "a.json").write_bytes(data)
    return SourceFile(str(folder / "a.json"), "a.json")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_json_is_read(tmp_path: Path, encoding: str) -> None:
    assert documents.read_json(file(tmp_path, TEXT.encode(encoding))) == {
        "imagePath": "Röntgen 1.png"
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": [1, 2', "line 1, column"),
        (b'{"a": "\xff\xfe"}', "is not text"),
        (b"[" * 200_000, "nested too deeply"),
        (b"1" * 5000, "not valid JSON"),
        (b"\x00\x01\x02\x03binary", "a.json"),
    ],
    ids=["empty", "truncated", "latin-1", "deep", "huge integer", "binary"],
)
def test_what_is_no_json_is_one_clear_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(AnnotationError, match=message) as caught:
        documents.read_json(file(tmp_path, data))
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"^folder: cannot be read: it is not a file$"):
        documents.read_text(SourceFile(str(tmp_path), "folder"))


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "true", '"1"', "null", "[1]", "1" * 400]
)
def test_only_finite_numbers_are_numbers(text: str) -> None:
    assert documents.finite(json.loads(text)) is None


@pytest.mark.parametrize("value", ["", " ", "a\nb", "\ud800", "a\0", 3, None])
def test_what_is_no_text(value: object) -> None:
    assert documents.text(value) is None


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(640, 480.0, (640, 480)), (None, None, None), (0, 0, None)],
    ids=["given", "absent", "zeros of old tools"],
)
def test_sizes(width: object, height: object, size: tuple[int, int] | None) -> None:
    assert documents.size_wh(width, height, where="a.json") == size


@pytest.mark.parametrize("pair", [(640, None), (640.5, 480), (-1, 480), ("640", "480")])
def test_wrong_sizes(pair: tuple[object, object]) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json: width and height"):
        documents.size_wh(*pair, where="a.json")


@pytest.mark.parametrize(
    ("parts", "split"),
    [
        (("images", "train", "a"), "train"),
        (("instances", "val2017"), "val"),
        (("Valid",), "val"),
        (("test", "images"), "test"),
        (("training", "val"), "val"),
        (("wrist",), ""),
    ],
)
def test_splits_by_name(parts: tuple[str, ...], split: str) -> None:
    assert documents.split_named(parts) == split


@pytest.mark.parametrize("data", [b"a" * 65_536, b"\xc3\xa4" * 70_000], ids=["exact", "longer"])
def test_long_files_are_read_whole(tmp_path: Path, data: bytes) -> None:
    assert documents.read_bytes(file(tmp_path, data)) == data
    assert documents.read_text(file(tmp_path, data)) == data.decode()


def test_a_pipe_does_not_stop_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AnnotationError, match=r"^pipe: cannot be read: it is not a file$"):
        documents.read_bytes(SourceFile(str(tmp_path / "pipe"), "pipe"))


@pytest.mark.parametrize("name", ["absent", "a\0b"], ids=["missing", "null byte"])
def test_what_cannot_be_opened_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnnotationError, match=r"^x\.json: cannot be read: ") as caught:
        documents.read_bytes(SourceFile(str(tmp_path / name), "x.json"))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "number"),
    [(640, 640), (640.0, 640), (-2, -2), (640.5, None), (True, None), ("1", None)],
)
def test_whole_numbers(value: object, number: int | None) -> None:
    assert documents.whole(value) == number


def test_shown_values_fit_into_a_line() -> None:
    nested: list[object] = []
    nested.append(nested)
    for value in ({"a": float("nan")}, "a\nb", "x" * 500, {1, 2}, nested, b"\0"):
        line = documents.shown(value)
        assert len(line) <= 60
        assert line.isprintable()


@pytest.mark.parametrize("check", [documents.mapping, documents.listing])
def test_wrong_containers_are_named(check: Callable[..., object]) -> None:
    with pytest.raises(AnnotationError, match=r"^a\.json: shapes: must be an? .*, got 3$"):
        check(3, where="a.json: shapes")


def test_flags_are_true_or_false() -> None:
    assert documents.flags({"tb": True}, where="a") == {"tb": True}
    with pytest.raises(AnnotationError, match=r"a\.tb: must be true or false, got 1"):
        documents.flags({"tb": 1}, where="a")


@pytest.mark.parametrize(("value", "found"), [(12, "12"), ("p1", "p1"), (None, ""), ("", "")])
def test_patients(value: object, found: str) -> None:
    assert documents.patient_id(value, where="a") == found


def test_a_link_to_a_device_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "endless.json").symlink_to("/dev/zero")
    file = SourceFile(str(tmp_path / "endless.json"), "endless.json")
    with pytest.raises(AnnotationError, match=r"^endless\.json: cannot be read: it is not a file$"):
        documents.read_bytes(file)
