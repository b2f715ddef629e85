"""What one format writes and another reads again is the same, through every pair of them."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import FORMATS, NORMALISED, Format
from lucency.annotations.geometry import Box, box_around
from lucency.annotations.ledger import Ledger
from lucency.annotations.recognition import recognise
from lucency.annotations.sources import Source

SIZE = (4096, 3071)
LABELS = LabelMap(("lytic lesion", "Fraktur ü", "a&b<c>", "1", "x, y", "no finding?"))
WRITABLE = [known for known in FORMATS if known.writes]
NAMES = {known: known.name for known in WRITABLE}
KEEP_OUTLINES = {"coco", "labelme", "voc", "cvat", "label-studio"}
KEEP_SPLITS = {"coco", "labelme", "yolo", "cvat", "label-studio"}
TOLERANCE_PX = 0.001


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def image(name: str, *findings: Finding, split: str = "") -> ImageAnnotation:
    status = Status.ANNOTATED if findings else Status.NEGATIVE
    return ImageAnnotation(name, "none", SIZE, findings, status, split=split)


EXAMPLE = [
    image(
        "a b.png",
        Finding("Fraktur ü", Box(1242.2970297029703, 929.1089108910893, 1515.5643, 1076.445)),
        Finding("lytic lesion", Box(0, 0, *SIZE)),
        Finding("a&b<c>", Box(0.1, 1 / 3, 0.15, 801 / 7)),
        Finding(
            "1",
            Box(0.1, 1 / 3, 700.7, 801 / 7),
            polygon=((0.1, 1 / 3), (700.7, 50.5), (20.2, 801 / 7)),
        ),
        Finding(
            "x, y",
            Box(50, 20, 110, 80),
            polygon=((80.0, 20.0), (110.0, 50.0), (80.0, 80.0), (50.0, 50.0)),
        ),
        split="train",
    ),
    image(
        "1.2.840.113.7.png", Finding("no finding?", Box(4000.25, 3000.5, 4096, 3071)), split="val"
    ),
    image("ö (2).png"),
]


def stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".png")


def in_pixels(annotation: ImageAnnotation) -> ImageAnnotation:
    """The annotation in pixels of `SIZE`, whatever the format knows of it."""
    assert annotation.size_wh in (SIZE, NORMALISED, None)
    findings = annotation.findings
    if annotation.size_wh == NORMALISED:
        width, height = SIZE
        findings = tuple(
            Finding(
                f.label,
                f.box.scaled(width, height),
                tuple((x * width, y * height) for x, y in f.polygon) if f.polygon else None,
            )
            for f in findings
        )
    name = f"{stem(annotation.image)}.png"
    return replace(annotation, image=name, size_wh=SIZE, findings=findings)


def through(known: Format, annotations: Sequence[ImageAnnotation]) -> list[ImageAnnotation]:
    """Write in a format, recognise and read it again, with books that balance."""
    folder = Path(tempfile.mkdtemp(prefix="lucency-round-trip-"))
    try:
        known.writer().write(annotations, folder, label_map=LABELS)
        assert recognise(Source(folder)) is known
        ledger = Ledger()
        found = [in_pixels(one) for one in known.reader().read(Source(folder), ledger)]
    finally:
        shutil.rmtree(folder)
    assert not ledger.box_entries
    assert not ledger.image_entries
    assert ledger.totals()["in"] == sum(len(one.findings) for one in found)
    return sorted(found, key=lambda one: one.image)


def assert_same(given: Sequence[ImageAnnotation], found: Sequence[ImageAnnotation]) -> None:
    expected = sorted(given, key=lambda one: one.image)
    assert [one.image for one in found] == [one.image for one in expected]
    for one, other in zip(expected, found, strict=True):
        assert one.status is other.status
        for a, b in zip(one.findings, other.findings, strict=True):
            assert a.label == b.label
            corners = (b.box.x1, b.box.y1, b.box.x2, b.box.y2)
            assert (a.box.x1, a.box.y1, a.box.x2, a.box.y2) == pytest.approx(
                corners, abs=TOLERANCE_PX, rel=0
            )


@pytest.mark.parametrize(("first", "second"), list(product(WRITABLE, WRITABLE)), ids=NAMES.get)
def test_every_pair_of_formats_keeps_every_box(first: Format, second: Format) -> None:
    assert_same(EXAMPLE, through(second, through(first, EXAMPLE)))


@pytest.mark.parametrize("known", WRITABLE, ids=NAMES.get)
def test_outlines_and_splits_are_kept_where_the_format_has_them(known: Format) -> None:
    found = through(known, EXAMPLE)
    before = {one.image: one for one in EXAMPLE}
    for one in found:
        expected = before[one.image]
        assert one.split == (expected.split if known.name in KEEP_SPLITS else "")
        for a, b in zip(expected.findings, one.findings, strict=True):
            if known.name not in KEEP_OUTLINES or not a.polygon:
                assert b.polygon is None
                continue
            assert b.polygon is not None
            assert len(b.polygon) == len(a.polygon)
            for point, other in zip(sorted(a.polygon), sorted(b.polygon), strict=True):
                assert point == pytest.approx(other, abs=TOLERANCE_PX, rel=0)


def edges(limit: int) -> st.SearchStrategy[tuple[float, float]]:
    """Two coordinates in order, at least a fiftieth of a pixel apart."""
    value = st.floats(0, limit) | st.integers(0, limit).map(float)
    pairs = st.tuples(value, value).map(lambda pair: (min(pair), max(pair)))
    return pairs.filter(lambda pair: pair[1] - pair[0] >= 0.02)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    (x1, x2), (y1, y2) = draw(edges(SIZE[0])), draw(edges(SIZE[1]))
    label = draw(st.sampled_from(LABELS.names))
    polygon = None
    if draw(st.booleans()):
        share = draw(st.floats(0, 1))
        middle = x1 + share * (x2 - x1)
        polygon = ((x1, y1), (x2, y1 + share * (y2 - y1)), (min(middle, x2), y2))
    box = box_around(polygon) if polygon else Box(x1, y1, x2, y2)
    return Finding(label, box, polygon)


sets = st.lists(st.lists(findings(), max_size=4), min_size=1, max_size=3).map(
    lambda marked: [image(f"{n}.png", *some) for n, some in enumerate(marked)]
)


@pytest.mark.parametrize("known", WRITABLE, ids=NAMES.get)
@given(annotations=sets)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_what_a_format_writes_it_reads(known: Format, annotations: list[ImageAnnotation]) -> None:
    assert_same(annotations, through(known, annotations))


@given(annotations=sets, chain=st.lists(st.sampled_from(WRITABLE), min_size=2, max_size=4))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_chains_of_formats_keep_every_box(
    annotations: list[ImageAnnotation], chain: list[Format]
) -> None:
    found: Sequence[ImageAnnotation] = annotations
    for known in chain:
        found = through(known, found)
    assert_same(annotations, found)
