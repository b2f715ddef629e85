"""Broken documents of every format: one clear line, or findings with books that balance.

From one valid document of each format, thousands of broken ones are made: bytes changed, cut,
inserted and repeated, values replaced by what no reader expects, other encodings.
"""

import io
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lucency.annotations.choices import Edge, Geometry, Readers
from lucency.annotations.convert import Options, convert
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import FORMATS, Format, format_by_name
from lucency.annotations.geometry import Box
from lucency.annotations.images import look_at_bytes
from lucency.annotations.ledger import Ledger, Outcome, Reason
from lucency.annotations.recognition import formats_in
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError, ImageError, LucencyError

pytestmark = pytest.mark.slow

EXAMPLES = 600
LABELS = LabelMap(("tb", "a b"))
TRIANGLE = ((1.0, 2.0), (40.5, 3.0), (20.0, 44.0))
IMAGES = [
    ImageAnnotation(
        "1.png", "x", (100, 80),
        (Finding("tb", Box(1, 2, 30.5, 40)), Finding("a b", Box(1, 2, 40.5, 44), TRIANGLE)),
        Status.ANNOTATED, split="train", patient_id="p1", labels={"old": True},
    ),
    ImageAnnotation("2.png", "x", (64, 64), (), Status.NEGATIVE),
]  # fmt: skip

# One valid set a folder, named by its format; those that can be written are written as well.
VALID = sorted((Path(__file__).parent / "valid").iterdir())
NAMES = [folder.name for folder in VALID]
WRITABLE = [known for known in FORMATS if known.writes]
DICOM = {"dicom-sr": "sr_document.dcm", "dicom-seg": "seg_image_cr_binary.dcm"}


def format_of(folder: Path) -> Format:
    return format_by_name({"via-csv": "via", "yolo-yaml": "yolo"}.get(folder.name, folder.name))


def test_every_format_is_fuzzed() -> None:
    names = {format_of(folder).name for folder in VALID}
    assert names | set(DICOM) == {known.name for known in FORMATS}


# How to break a document

NASTY = [
    "NaN", "Infinity", "-Infinity", "nan", "inf", "1e400", "-1e308", "1e308", "1e-320", "-1", "0",
    "null", "true", "[]", "{}", '""', '"x"', "", " ", "\0", "\x85", "\u2028", "9" * 400, "9" * 5000,
    "[" * 3000, "../../../x", "/etc/passwd", "\\ud800", '"\\u0000"', "1,5", "1_0", "٣", "0x10",
    "&amp;", "&#0;", "<a>", "]]>", '"', "'", "=1+1", "-0.0", "x" * 2000, "a;b", "\t", "%00", "1e5",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 3, 0.5, 1e308, -1e308, float("nan"), float("inf"), 10**400,
    "", " ", "x", "\n", "\0", "\ud800", "NaN", "1", "../../x", "/x", "x" * 2000, [], {}, [[]],
    [None], [0, 0], [1, 2, 3, 4], ["a"], {"a": 1}, [float("nan")] * 4, [10**400] * 4, [1e308] * 8,
    {"size": [10**9, 10**9], "counts": [0, 10**18]}, {"size": [9, 9], "counts": "\x7f" * 50},
    {"name": "rect"}, {"x": None}, -0.0, 2**63, "1e5", [[0, 0], [1, 1]], [[0, 0], [0, 5], [9, 9]],
]  # fmt: skip
TOKENS = [
    re.compile(rb"-?\d+\.?\d*"),
    re.compile(rb'"[^"\n]*"'),
    re.compile(rb"(?<=,)[^,\n]*|^[^,\n]*", re.MULTILINE),
    re.compile(rb"</?\w+"),
]
XML_TOKENS = [re.compile(rb"(?<=>)[^<>]+(?=</)"), re.compile(rb'(?<==")[^"<>]*(?=")')]


def somewhere(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice([1, 1, 2, 5, 20, 200]))


def change_bytes(data: bytes, random: Random) -> bytes:
    start, end = somewhere(data, random)
    return data[:start] + random.randbytes(end - start) + data[end:]


def flip(data: bytes, random: Random) -> bytes:
    """Change one byte, so that all lengths stay right."""
    start = random.randrange(max(len(data), 1))
    return data[:start] + random.randbytes(1) + data[start + 1 :]


def delete(data: bytes, random: Random) -> bytes:
    start, end = somewhere(data, random)
    return data[:start] + data[end:]


def insert(data: bytes, random: Random) -> bytes:
    start, _ = somewhere(data, random)
    return data[:start] + random.choice(NASTY).encode() + data[start:]


def repeat(data: bytes, random: Random) -> bytes:
    start, end = somewhere(data, random)
    return data[:end] + data[start:end] * random.choice([1, 2, 50]) + data[end:]


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def replace_token(data: bytes, random: Random) -> bytes:
    inside_xml = data[:1] == b"<" and random.random() < 0.8
    found = list(random.choice(XML_TOKENS if inside_xml else TOKENS).finditer(data))
    if not found:
        return insert(data, random)
    match, nasty = random.choice(found), random.choice(NASTY)
    if inside_xml:
        nasty = escape(nasty).replace("\0", "")
    return data[: match.start()] + nasty.encode() + data[match.end() :]


def replace_value(data: bytes, random: Random) -> bytes:
    """Replace, remove or double a value anywhere in a JSON document."""
    try:
        root = json.loads(data)
    except (ValueError, RecursionError):
        return replace_token(data, random)
    places: list[tuple[Any, Any]] = []
    waiting = [root] if isinstance(root, dict | list) else []
    while waiting:
        value = waiting.pop()
        keys = list(value) if isinstance(value, dict) else range(len(value))
        places += [(value, key) for key in keys]
        waiting += [value[key] for key in keys if isinstance(value[key], dict | list)]
    if not places:
        return insert(data, random)
    holder, key = random.choice(places)
    kind = random.random()
    if kind < 0.7:
        holder[key] = random.choice(VALUES)
    elif kind < 0.85 or isinstance(holder, dict):
        del holder[key]
    else:
        holder.append(holder[key])
    return json.dumps(root).encode()


def re_encode(data: bytes, random: Random) -> bytes:
    text = data.decode("utf-8", "replace")
    encoding = random.choice(["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"])
    return text.encode(encoding, "replace")


def other_line_ends(data: bytes, random: Random) -> bytes:
    return data.replace(b"\n", random.choice([b"\r\n", b"\r", b"\n\n", b"\x0c", b""]))


MUTATIONS: list[Callable[[bytes, Random], bytes]] = [
    flip, change_bytes, delete, insert, repeat, truncate, replace_token, re_encode, other_line_ends
]  # fmt: skip


def broken(data: bytes, seed: int) -> bytes:
    random = Random(seed)  # noqa: S311 - to be done again
    gentle = flip if b"DICM" in data[:200] else replace_value
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        mutation = gentle if random.random() < 0.6 else random.choice(MUTATIONS)
        data = mutation(data, random)
    return data


# What must hold


def check_reading(known: Format, source: Source) -> None:
    ledger, found = Ledger(), Counter[str]()
    try:
        for annotation in known.reader().read(source, ledger):
            assert isinstance(annotation, ImageAnnotation)
            found[annotation.source] += len(annotation.findings)
    except AnnotationError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 4000
        if not source.path.is_dir():
            assert not ledger.box_entries, "the ledger was told of boxes of an unreadable document"
            assert not ledger.totals()["in"]
        return
    for entry in ledger.box_entries:
        assert entry.outcome is Outcome.DROPPED
        assert entry.detail
        assert "\n" not in entry.detail
        found[entry.source] += 1
    files = ledger.to_json()["files"]
    expected = Counter({name: counts["in"] for name, counts in files.items() if counts["in"]})
    assert +found == expected


def check_converting(known: Format, path: Path, outside: Path, *, seed: int) -> None:
    """Conversion ends with one line or with balanced books, and writes nothing but its target."""
    before = sorted(outside.rglob("*"))
    target = WRITABLE[seed % len(WRITABLE)].name
    options = Options(
        from_format=known.name,
        labels_only=True,
        to_format=target,
        edge=list(Edge)[seed % len(Edge)],
        geometry=list(Geometry)[seed // 2 % len(Geometry)],
        readers=list(Readers)[seed // 3 % len(Readers)],
    )
    out = outside / "out"
    try:
        convert(path, out, options, allow=frozenset(Reason))
    except LucencyError as error:
        assert "\n" not in str(error)
    else:
        shutil.rmtree(out)
    assert sorted(outside.rglob("*")) == before


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield tmp_path_factory.mktemp("fuzz")


def put(folder: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def files_in(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def check(known: Format, files: dict[str, bytes], workplace: Path, seed: int) -> None:
    """Break one file; read it by itself and with the others."""
    name = Random(seed).choice(list(files))  # noqa: S311
    folder = workplace / "source"
    put(folder, files | {name: broken(files[name], seed)})
    for path in (folder / name, folder):
        formats_in(Source(path))
        check_reading(known, Source(path))
    check_converting(known, (folder / name, folder)[seed % 2], workplace, seed=seed)


seeds = st.integers(0, 2**64 - 1)
thoroughly = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("folder", VALID, ids=NAMES)
@given(seed=seeds)
@thoroughly
def test_documents(folder: Path, workplace: Path, seed: int) -> None:
    check(format_of(folder), files_in(folder), workplace, seed)


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a format writes."""
    folder = tmp_path_factory.mktemp("written")
    known: Format = request.param
    known.writer().write(IMAGES, folder, label_map=LABELS)
    return folder


@pytest.mark.parametrize(
    ("known", "written"),
    [(known, known) for known in WRITABLE],
    ids=[known.name for known in WRITABLE],
    indirect=["written"],
)
@given(seed=seeds)
@thoroughly
def test_written_documents(known: Format, written: Path, workplace: Path, seed: int) -> None:
    check(known, files_in(written), workplace, seed)


@pytest.mark.real_data
@pytest.mark.parametrize("name", DICOM)
@given(seed=seeds)
@thoroughly
def test_dicom_documents(name: str, lucency_data: Path, workplace: Path, seed: int) -> None:
    data = (lucency_data / "formats/dicom" / DICOM[name]).read_bytes()
    check(format_by_name(name), {"1.dcm": data}, workplace, seed)


def picture(kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.effect_noise((37, 23), 50).save(stream, kind, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@given(seed=seeds)
@thoroughly
def test_image_headers(kind: str, seed: int) -> None:
    try:
        image = look_at_bytes(broken(picture(kind), seed), "1")
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert min(image.size_wh) >= 1
        assert image.header.orientation in range(1, 9)


@pytest.mark.parametrize("folder", VALID, ids=NAMES)
def test_the_documents_are_whole_before_they_are_broken(folder: Path) -> None:
    known, ledger = format_of(folder), Ledger()
    assert [found.name for found in formats_in(Source(folder))] == [known.name]
    assert list(known.reader().read(Source(folder), ledger))
    reasons = {entry.reason for entry in ledger.box_entries}
    assert reasons <= {Reason.UNSUPPORTED_SHAPE, Reason.CROWD}
    assert not [entry for entry in ledger.image_entries if entry.left_out]
