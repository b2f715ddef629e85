"""XML annotation documents: bytes to a tree of tags, numbers and texts out of it, and escaping.

XML 1.0: https://www.w3.org/TR/xml/. Documents with a DOCTYPE are refused, since annotations need
none and entities can blow up a small file (CWE-776) or name other files (CWE-611).
"""

import re
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from lucency.annotations import documents
from lucency.annotations.documents import shown
from lucency.annotations.ledger import Reason, UnusableBox
from lucency.annotations.sources import SourceFile
from lucency.configs.errors import AnnotationError

_MAX_DEPTH = 64
_DECLARATION_BYTES = 200
_DECLARED = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.-]+)[\"']")
# Character sets that editors write; Python knows others (``idna``) that are no such thing.
_CHARSET = re.compile(
    r"iso-?8859-?\d+|latin-?\d|windows-\d+|cp\d+|us-ascii|gb(k|2312|18030)|big5|"
    r"shift[_-]jis|euc-(jp|kr)|koi8-[ru]"
)
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_xml(file: SourceFile) -> Element:
    """Read a document in UTF-8, UTF-16, UTF-32 or the character set that it declares.

    Raises
    ------
    AnnotationError
        The file cannot be read, is no XML, declares a DOCTYPE, or is nested too deeply.

    """
    text = decode_xml(documents.read_bytes(file), name=file.name)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise AnnotationError(
            f"{file.name}: must not declare a DOCTYPE or entities; annotations need none"
        )
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - it has no entities
    except ElementTree.ParseError as error:
        reason = error.msg.partition(":")[0]
        line, column = error.position
        raise AnnotationError(
            f"{file.name}: is not valid XML: {reason} in line {line}, column {column + 1}"
        ) from None
    # Only a document of many tags can be deep, and looking costs more than counting.
    if text.count("</") > 16 * _MAX_DEPTH and _is_deep(root):
        raise AnnotationError(f"{file.name}: is nested too deeply to be an annotation")
    return root


def decode_xml(data: bytes, *, name: str) -> str:
    """The text of a document's bytes; ``name`` is that of the file.

    Raises
    ------
    AnnotationError
        They are not in the character set that the document declares, or it is an unknown one.

    """
    declared = _DECLARED.match(data[:_DECLARATION_BYTES])
    charset = declared[1].decode("ascii", "replace").lower() if declared else "utf-8"
    if charset.startswith("utf"):  # also where UTF-8 is declared as UTF-16, as .NET does
        return documents.decode(data, name=name)
    if not _CHARSET.fullmatch(charset):
        raise AnnotationError(f"{name}: declares the unknown encoding {shown(charset)}")
    try:
        return data.decode(charset)
    except LookupError:
        raise AnnotationError(f"{name}: declares the unknown encoding {shown(charset)}") from None
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{name}: is not text: byte {error.start} is not {charset}") from None


def root_tag(text: str) -> str:
    """The name of a document's root tag, without parsing it; empty if it has none."""
    at = text.find("<")
    if at < 0 or text[:at].strip():
        return ""
    while text.startswith(("<!--", "<?"), at):
        end = text.find("-->" if text.startswith("<!--", at) else "?>", at)
        at = text.find("<", end) if end >= 0 else -1
        if at < 0:
            return ""
    words = text[at + 1 : at + 100].replace(">", " ").replace("/", " ").split(maxsplit=1)
    return words[0] if words else ""


@lru_cache(maxsize=1000)
def line(text: str | None) -> str:
    """A tag's text as one line, without blanks around it; empty if there is none.

    A text of several lines counts as none: it cannot be a name.
    """
    return documents.text(text.strip()) or "" if text else ""


def text_of(parent: Element, path: str) -> str:
    """The text of the tag at ``path`` below ``parent`` as one line; empty if there is none."""
    return line(parent.findtext(path))


def number(text: str | None, *, where: str) -> float:
    """The number that a tag or an attribute holds.

    Raises
    ------
    UnusableBox
        It is missing, no number, or not finite.

    """
    try:
        value = float(text or "")
    except ValueError:
        raise UnusableBox(
            Reason.MALFORMED, f"{where}: must be a number, got {shown(text)}"
        ) from None
    if value - value != 0:  # NaN, or an infinity
        raise UnusableBox(Reason.NOT_FINITE, f"{where}: must be a finite number, got {shown(text)}")
    return value


def size_wh(width: str | None, height: str | None, *, where: str) -> tuple[int, int] | None:
    """An image size in pixels from two texts, or None where they are missing or 0.

    Raises
    ------
    AnnotationError
        One of the two alone is missing, not whole, or below 1.

    """
    return documents.size_wh(_side(width), _side(height), where=where)


def escaped(text: str, *, where: str) -> str:
    """``text`` for use between tags or in a quoted attribute.

    Raises
    ------
    AnnotationError
        It has a character that no XML document can hold.

    """
    found = _FORBIDDEN.search(text)
    if found:
        raise AnnotationError(
            f"{where}: must have no character that XML forbids, got {shown(found[0])}"
        )
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Line ends in an attribute would be read back as blanks.
    return text.replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def shortest(value: float) -> str:
    """The shortest text that is read back as exactly ``value``; whole numbers without a point."""
    whole = int(value)
    return str(whole) if whole == value else repr(float(value))


def _side(text: str | None) -> object:
    if not text or not text.strip():
        return None
    try:
        return int(text) if text.isdecimal() and len(text) < 10 else float(text)
    except ValueError:
        return text


def _is_deep(root: Element) -> bool:
    level = [root]
    for _ in range(_MAX_DEPTH):
        level = [child for element in level for child in element]
    return bool(level)
