"""Telling the format of annotations from their content."""

import os
from collections import defaultdict
from collections.abc import Iterator
from heapq import nsmallest

from lucency.annotations import documents
from lucency.annotations.formats import FORMATS, Format, Head
from lucency.annotations.sources import Source, SourceFile, entered, passed_over
from lucency.annotations.xml_documents import decode_xml
from lucency.configs.errors import AnnotationError

_WHOLE_BYTES = 4_000_000
_PART_BYTES = 1_000_000
_DICOM_BYTES = 4096
# So many files of each kind and folder are looked into; a folder rarely holds several formats.
_SAMPLES = 5
_DICOM = frozenset({"", "dcm"})


def recognise(source: Source) -> Format:
    """Tell the format of a file or folder from its content.

    Raises
    ------
    AnnotationError
        There is no such path, or it looks like no format or like several.

    """
    if not source.path.exists():
        raise AnnotationError(f"{source.path}: no such file or folder")
    try:
        found = formats_in(source)
    except RecursionError:
        raise AnnotationError(f"{source.path}: has folders nested too deeply") from None
    if not found:
        raise AnnotationError(
            f"{source.path}: looks like no format that `lucency formats` lists; if it is one, "
            "name it with --from"
        )
    if len(found) > 1:
        names = " and ".join(known.name for known in found)
        raise AnnotationError(f"{source.path}: looks like {names}; say which with --from")
    return found[0]


def formats_in(source: Source) -> list[Format]:
    """All formats that a few files of the source look like, in the table's order."""
    found = set()
    for file in _samples(source):
        suffix = os.path.splitext(file.name)[1].lower()  # noqa: PTH122 - a name, not a path
        possible = [known for known in FORMATS if _fits(known, suffix)]
        head = _head(file) if possible else None
        alike = [known for known in possible if head and known.reader().detect(head)]
        outranked = {name for known in alike for name in known.outranks}
        found |= {known.name for known in alike if known.name not in outranked}
    outranked = {name for known in FORMATS if known.name in found for name in known.outranks}
    return [known for known in FORMATS if known.name in found - outranked]


def _fits(known: Format, suffix: str) -> bool:
    # A DICOM file named by its UID ends in a number, which is no suffix.
    return suffix in known.suffixes or ("" in known.suffixes and suffix[1:].isdigit())


def _samples(source: Source) -> Iterator[SourceFile]:
    """The first files of each kind in each folder; of DICOM files all, since most are images."""
    if not source.path.is_dir():
        yield SourceFile(str(source.path), source.path.name)
        return
    for folder, inner, names in os.walk(source.path):
        inner[:] = entered(inner, names)
        kinds: defaultdict[str, list[str]] = defaultdict(list)
        for name in names:
            kinds[name.rpartition(".")[2].lower() if "." in name else ""].append(name)
        for kind, alike in sorted(kinds.items()):
            dicom = kind in _DICOM or kind.isdigit()
            for name in sorted(alike) if dicom else nsmallest(_SAMPLES, alike):
                if not passed_over(folder, name):
                    yield SourceFile(f"{folder}/{name}", name)


def _head(file: SourceFile) -> Head:
    if not os.path.isfile(file.path):  # noqa: PTH113 - a pipe would keep us waiting
        return Head(file.path, file.name, "")
    try:
        with open(file.path, "rb") as stream:  # noqa: PTH123 - thousands of them
            start = stream.read(_DICOM_BYTES)
            if start[128:132] == b"DICM":
                return Head(file.path, file.name, start.decode("latin-1"))
            size = os.fstat(stream.fileno()).st_size
            if size <= _WHOLE_BYTES:
                data = start + stream.read()
            else:
                data = start + stream.read(_PART_BYTES)
                stream.seek(size - _PART_BYTES)
                data += stream.read()
        decode = decode_xml if file.name.lower().endswith(".xml") else documents.decode
        return Head(file.path, file.name, decode(data, name=file.name))
    except AnnotationError:
        # A spreadsheet's own character set; what it is, the reader finds out.
        text = data.decode("latin-1") if file.name.lower().endswith(".csv") else ""
        return Head(file.path, file.name, text)
    except OSError:
        return Head(file.path, file.name, "")
