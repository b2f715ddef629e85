import json
from pathlib import Path

import pytest

from lucency.annotations import documents
from lucency.configs.errors import AnnotationError

TEXT = '{"imagePath": "Röntgen 1.png"}\r\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_json_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(TEXT.encode(encoding))
    assert documents.read_json(path) == {"imagePath": "Röntgen 1.png"}


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
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(AnnotationError, match=message) as caught:
        documents.read_json(path)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="cannot be read"):
        documents.read_text(tmp_path)


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
