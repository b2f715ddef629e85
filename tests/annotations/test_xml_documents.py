from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lucency.annotations import xml_documents
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError

TEXT = "<a><b>Brüche</b></a>"


def file_of(folder: Path, data: bytes) -> SourceFile:
    path = folder / "a.xml"
    path.write_bytes(data)
    return SourceFile(str(path), "a.xml")


def declared(charset: str) -> bytes:
    return f'<?xml version="1.0" encoding="{charset}"?>\n{TEXT}'.encode(
        "utf-8" if charset.startswith(("utf", "UTF")) else charset
    )


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TEXT.encode(), id="utf-8"),
        pytest.param(TEXT.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(TEXT.encode("utf-16"), id="utf-16"),
        pytest.param(TEXT.encode("utf-16-be"), id="utf-16 without a mark"),
        pytest.param(TEXT.replace("><", ">\r\n<").encode(), id="crlf"),
        pytest.param(declared("utf-8"), id="declared utf-8"),
        pytest.param(declared("UTF-16"), id="utf-8 declared as utf-16"),
        pytest.param(declared("utf-16").decode().encode("utf-16"), id="declared utf-16"),
        pytest.param(declared("ISO-8859-1"), id="declared iso-8859-1"),
        pytest.param(declared("windows-1252"), id="declared windows-1252"),
        pytest.param(f"\n<!-- <x> -->{TEXT}".encode(), id="comment"),
    ],
)
def test_every_encoding_gives_the_same_text(tmp_path: Path, data: bytes) -> None:
    root = xml_documents.read_xml(file_of(tmp_path, data))
    assert xml_documents.text_of(root, "b") == "Brüche"


BOMB = '<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'
OUTSIDE = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "a.xml: is not valid XML: no element found in line 1", id="empty"),
        pytest.param(b"<a><b></a>", "is not valid XML: mismatched tag in line 1", id="mismatch"),
        pytest.param(b"<a>\n<b/>", "is not valid XML: no element found in line 2", id="cut off"),
        pytest.param(b"<a>\0</a>", "is not valid XML", id="null"),
        pytest.param(b"<a>&b;</a>", "is not valid XML: undefined entity", id="entity"),
        pytest.param(b"<a>\xff</a>", "is not text: byte 3 is not utf-8", id="no utf-8"),
        pytest.param(BOMB.encode(), "must not declare a DOCTYPE", id="bomb"),
        pytest.param(BOMB.encode("utf-16"), "must not declare a DOCTYPE", id="bomb in utf-16"),
        pytest.param(OUTSIDE.encode(), "must not declare a DOCTYPE", id="file"),
        pytest.param(b"<a>" * 9000 + b"</a>" * 9000, "nested too deeply", id="deep"),
        pytest.param(declared("utf-8").replace(b"utf-8", b"idna"), 'encoding "idna"', id="idna"),
        pytest.param(declared("utf-8").replace(b"utf-8", b"cp9"), 'encoding "cp9"', id="cp9"),
        pytest.param(declared("utf-8").replace(b"utf-8", b"gbk") + b"\xff", "is not gbk", id="gbk"),
    ],
)
def test_what_is_no_document_is_told_in_a_line(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(AnnotationError) as caught:
        xml_documents.read_xml(file_of(tmp_path, data))
    assert str(caught.value).startswith("a.xml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.xml: cannot be read: No such file"):
        xml_documents.read_xml(SourceFile(str(tmp_path / "a.xml"), "a.xml"))


def test_a_document_of_many_tags_need_not_be_deep(tmp_path: Path) -> None:
    root = xml_documents.read_xml(file_of(tmp_path, b"<a>" + b"<b><c></c></b>" * 5000 + b"</a>"))
    assert len(root) == 5000


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<a>", "a"),
        ('<?xml version="1.0"?>\n<!-- <b> --><!-- x -->\n<a verified="yes">', "a"),
        ("x <a>", ""),
        ("  <annotations\n>", "annotations"),
        ("<a/>", "a"),
        ("", ""),
        ("{}", ""),
        ('{"a": "<annotation>"}', ""),
        ("<", ""),
        ("<!--" * 1000, ""),
    ],
)  # fmt: skip
def test_the_root_tag(text: str, tag: str) -> None:
    assert xml_documents.root_tag(text) == tag


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, Reason.MALFORMED),
        ("", Reason.MALFORMED),
        ("ten", Reason.MALFORMED),
        ("1,5", Reason.MALFORMED),
        ("nan", Reason.NOT_FINITE),
        ("-inf", Reason.NOT_FINITE),
        ("1e400", Reason.NOT_FINITE),
        ("9" * 5000, Reason.NOT_FINITE),
    ],
    ids=str,
)
def test_no_number(text: str | None, reason: Reason) -> None:
    with pytest.raises(UnusableBox) as caught:
        xml_documents.number(text, where="object[0].bndbox.xmin")
    assert caught.value.reason is reason
    assert caught.value.detail.startswith("object[0].bndbox.xmin: must be a ")
    assert ", got " in caught.value.detail


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [("640", "480.0", (640, 480)), (None, None, None), ("0", "0", None), (" ", "", None)],
)
def test_sizes(width: str | None, height: str | None, size: tuple[int, int] | None) -> None:
    assert xml_documents.size_wh(width, height, where="a.xml: size") == size


@pytest.mark.parametrize(
    ("width", "height"),
    [("640", None), ("0", "480"), ("-1", "480"), ("1.5", "2"), ("a", "b"), ("nan", "1")],
)
def test_sizes_that_cannot_be(width: str, height: str | None) -> None:
    with pytest.raises(AnnotationError, match=r"^a\.xml: size: width and height must be whole"):
        xml_documents.size_wh(width, height, where="a.xml: size")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1))
def test_escaped_text_is_read_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        quoted = xml_documents.escaped(text, where="a.png")
    except AnnotationError as error:
        assert str(error).startswith("a.png: must have no character that XML forbids")
        assert any(char in text for char in "\ufffe\uffff")
        return
    data = f'<a b="{quoted}">{quoted}</a>'.encode()
    root = xml_documents.read_xml(file_of(tmp_path_factory.mktemp("xml"), data))
    assert (root.get("b"), root.text) == (text, text)


@pytest.mark.parametrize("char", ["\0", "\x1b", "\ud800", "\uffff"], ids=ascii)
def test_characters_that_no_document_can_hold(char: str) -> None:
    with pytest.raises(AnnotationError, match=r"^a\.png: must have no character that XML forbids"):
        xml_documents.escaped(f"a{char}", where="a.png")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_shortest_text_is_exact(value: float) -> None:
    assert float(xml_documents.shortest(value)) == value


def test_whole_numbers_have_no_point() -> None:
    assert [xml_documents.shortest(value) for value in (3.0, 3, -0.5)] == ["3", "3", "-0.5"]
