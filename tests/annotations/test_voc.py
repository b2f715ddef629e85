import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lucency.annotations import voc
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box, Point, box_around
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

BNDBOX = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40.5</xmax><ymax>60</ymax></bndbox>"
VALID = f"""<annotation verified="yes">
	<folder>somewhere else</folder>
	<filename>hand\\1 a.png</filename>
	<path>C:\\Users\\x\\1.png</path>
	<size><width>100</width><height>80</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<name>fracture</name>
		<pose>Unspecified</pose>
		<truncated>1</truncated>
		<difficult>0</difficult>
		{BNDBOX}
	</object>
</annotation>
"""


def read(
    folder: Path, *texts: str | bytes, voc_origin: int = 0
) -> tuple[list[ImageAnnotation], Ledger]:
    for number, text in enumerate(texts):
        data = text.encode() if isinstance(text, str) else text
        (folder / f"{number}.xml").write_bytes(data)
    ledger = Ledger()
    images = list(voc.read(Source(folder, voc_origin=voc_origin), ledger))
    found = sum(len(image.findings) for image in images)
    assert ledger.totals()["in"] == found + ledger.totals()["dropped"]
    return images, ledger


def with_mark(mark: str) -> str:
    return VALID.replace(BNDBOX, mark)


def test_a_valid_document(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, VALID)
    (finding,) = image.findings
    assert (image.image, image.source, image.size_wh) == ("hand/1 a.png", "0.xml", (100, 80))
    assert (finding.label, finding.box) == ("fracture", Box(10, 20, 40.5, 60))
    assert (finding.polygon, finding.index) == (None, "object[0]")
    assert finding.attributes == {"truncated": "1"}
    assert image.extra == {"verified": "yes"}
    assert ledger.totals()["in"] == 1
    assert not ledger.hints


def test_the_format_is_told_by_its_tags() -> None:
    def detect(text: str) -> bool:
        return voc.detect(Head("a.xml", "a.xml", text))

    assert detect(VALID)
    assert detect('<?xml version="1.0"?>\n' + VALID)
    assert not detect(VALID.replace("annotation", "annotations"))
    assert not detect("<annotation><text>a note</text></annotation>")
    assert not detect('{"filename": "<annotation>"}')
    assert not detect("")


def test_sides_are_read_by_tag_and_not_by_order(tmp_path: Path) -> None:
    mark = "<bndbox><xmin>1e1</xmin><xmax> 40.5 </xmax><ymin>20</ymin><ymax>60</ymax></bndbox>"
    (image,), _ = read(tmp_path, with_mark(mark))
    assert image.findings[0].box == Box(10, 20, 40.5, 60)


@pytest.mark.parametrize(
    ("old", "new", "name", "size"),
    [
        ("hand\\1 a.png", "tb0005", "tb0005", (100, 80)),
        ("<filename>hand\\1 a.png</filename>", "", "0", (100, 80)),
        ("hand\\1 a.png", " ", "0", (100, 80)),
        ("hand\\1 a.png", "\n  ö.png\n", "ö.png", (100, 80)),
        ("hand\\1 a.png", "../../etc/passwd", "../../etc/passwd", (100, 80)),
        ("<width>100</width><height>80</height>", "", "hand/1 a.png", None),
        ("<width>100</width><height>80</height>", "<width>0</width><height>0</height>",
         "hand/1 a.png", None),
        ("<size><width>100</width><height>80</height><depth>3</depth></size>", "",
         "hand/1 a.png", None),
        ("<size><width>100</width><height>80</height><depth>3</depth></size>",
         "<imagesize><nrows>80</nrows><ncols>100</ncols></imagesize>", "hand/1 a.png", (100, 80)),
    ],
)  # fmt: skip
def test_names_and_sizes(
    tmp_path: Path, old: str, new: str, name: str, size: tuple[int, int] | None
) -> None:
    (image,), _ = read(tmp_path, VALID.replace(old, new))
    assert (image.image, image.size_wh) == (name, size)


def test_a_document_without_objects_is_a_negative(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, "<annotation><filename>1.png</filename></annotation>")
    assert (image.image, image.status, image.extra) == ("1.png", Status.NEGATIVE, {})
    assert ledger.to_json()["files"] == {"0.xml": {"in": 0, "written": 0}}


def test_the_split_is_that_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "valid").mkdir()
    (tmp_path / "valid" / "a.xml").write_text(VALID)
    (image,), _ = read(tmp_path)
    assert (image.source, image.split) == ("valid/a.xml", "val")


ROBNDBOX = "<robndbox><cx>50</cx><cy>40</cy><w>30</w><h>10</h><angle>{}</angle></robndbox>"


@pytest.mark.parametrize(
    ("angle", "box", "first_corner"),
    [
        pytest.param(0, Box(35, 35, 65, 45), None, id="upright"),
        pytest.param(math.pi / 2, Box(45, 25, 55, 55), None, id="quarter turn"),
        pytest.param(math.tau, Box(35, 35, 65, 45), None, id="whole turn"),
        # Clockwise on the screen: the left end of a long box goes up.
        pytest.param(math.pi / 4, None, (50 - 10 / 2**0.5, 40 - 20 / 2**0.5), id="eighth turn"),
    ],
)
def test_rotated_boxes(
    tmp_path: Path, angle: float, box: Box | None, first_corner: Point | None
) -> None:
    (image,), _ = read(tmp_path, with_mark(ROBNDBOX.format(angle)))
    (finding,) = image.findings
    if first_corner is None:
        assert (finding.box, finding.polygon) == (box, None)
    else:
        assert finding.polygon is not None
        assert finding.polygon[0] == pytest.approx(first_corner)
        assert finding.box == box_around(finding.polygon)


def four_corners(*points: Point) -> str:
    names = ("left_top", "right_top", "right_bottom", "left_bottom")
    pairs = zip(names, points, strict=True)
    tags = (f"<x_{name}>{x}</x_{name}><y_{name}>{y}</y_{name}>" for name, (x, y) in pairs)
    return f"<robndbox>{''.join(tags)}</robndbox><angle>0</angle>"


@pytest.mark.parametrize(
    ("points", "outlined"),
    [
        pytest.param([(10, 20), (40, 20), (40, 60), (10, 60)], False, id="upright"),
        pytest.param([(25, 20), (40, 40), (25, 60), (10, 40)], True, id="turned"),
    ],
)
def test_a_rotated_box_may_name_its_corners(
    tmp_path: Path, points: list[Point], outlined: bool
) -> None:
    (image,), _ = read(tmp_path, with_mark(four_corners(*points)))
    (finding,) = image.findings
    assert (finding.box, finding.polygon) == (
        Box(10, 20, 40, 60),
        tuple(points) if outlined else None,
    )


ROBOFLOW = (
    "<polygon><x1>10</x1><y1>20</y1><x2>40.5</x2><y2>20</y2><x3>40.5</x3><y3>60</y3></polygon>"
)
MIT = (
    "<polygon><username>a</username><pt><x>10</x><y>20</y></pt>"
    "<pt><x>40.5</x><y>20</y></pt><pt><x>40.5</x><y>60</y></pt></polygon>"
)


def test_an_angle_of_many_turns_is_an_angle(tmp_path: Path) -> None:
    (image,), _ = read(tmp_path, with_mark(ROBNDBOX.format("1e308")))
    assert image.findings[0].polygon is not None


@pytest.mark.parametrize("mark", [ROBOFLOW, MIT, BNDBOX + ROBOFLOW, ROBOFLOW + BNDBOX])
def test_polygons(tmp_path: Path, mark: str) -> None:
    (image,), ledger = read(tmp_path, with_mark(mark))
    (finding,) = image.findings
    assert finding.box == Box(10, 20, 40.5, 60)
    assert finding.polygon == ((10, 20), (40.5, 20), (40.5, 60))
    assert ledger.totals()["in"] == 1


def test_parts_of_an_object_are_boxes_of_their_own(tmp_path: Path) -> None:
    part = f"<part><name>head</name>{BNDBOX.replace('60', '30')}</part>"
    (image,), ledger = read(tmp_path, with_mark(BNDBOX + part + "<part><name>foot</name></part>"))
    assert [(f.label, f.index) for f in image.findings] == [
        ("fracture", "object[0]"),
        ("head", "object[0].part[0]"),
    ]
    assert ledger.totals()["in"] == 3
    assert [entry.reason for entry in ledger.box_entries] == [Reason.NO_BOX]


def test_what_labelme_s_user_deleted_does_not_count(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, with_mark(MIT + "<deleted>1</deleted>"))
    assert (image.status, ledger.totals()["in"]) == (Status.NEGATIVE, 0)


def test_what_else_is_said_of_an_object(tmp_path: Path) -> None:
    said = "<occluded>1</occluded><extra/><attributes><attribute><name>side</name>"
    said += "<value>left</value></attribute><attribute><name/><value>x</value></attribute>"
    (image,), _ = read(tmp_path, with_mark(f"{BNDBOX}{said}</attributes>"))
    assert image.findings[0].attributes == {"truncated": "1", "occluded": "1", "side": "left"}


def side(tag: str, text: str) -> str:
    start, end = BNDBOX.index(f"<{tag}>"), BNDBOX.index(f"</{tag}>")
    return f"{BNDBOX[:start]}<{tag}>{text}{BNDBOX[end:]}"


@pytest.mark.parametrize(
    ("mark", "reason", "where"),
    [
        pytest.param("", Reason.NO_BOX, "object[0]: ", id="no box"),
        pytest.param(BNDBOX * 2, Reason.MALFORMED, "object[0]: ", id="two boxes"),
        pytest.param("<bndbox/>", Reason.MALFORMED, "object[0].bndbox.xmin: ", id="no sides"),
        pytest.param(side("ymax", ""), Reason.MALFORMED, "object[0].bndbox.ymax: ", id="no text"),
        pytest.param(side("xmax", "wide"), Reason.MALFORMED, "object[0].bndbox.xmax: ", id="text"),
        pytest.param(side("xmin", "nan"), Reason.NOT_FINITE, "object[0].bndbox.xmin: ", id="nan"),
        pytest.param(side("ymin", "-inf"), Reason.NOT_FINITE, "object[0].bndbox.ymin: ", id="inf"),
        pytest.param(side("ymax", "1e999"), Reason.NOT_FINITE, "object[0].bndbox.ymax", id="huge"),
        pytest.param(side("ymax", "9" * 5000), Reason.NOT_FINITE, "object[0].bndbox.y", id="long"),
        pytest.param(side("xmax", "10"), Reason.ZERO_AREA, "object[0].bndbox: ", id="no width"),
        pytest.param(side("ymax", "5"), Reason.ZERO_AREA, "object[0].bndbox: ", id="negative"),
        pytest.param(ROBNDBOX, Reason.MALFORMED, "object[0].robndbox.angle: ", id="no angle"),
        pytest.param(ROBNDBOX.replace("30", "0"), Reason.MALFORMED, "object[0].robn", id="angle"),
        pytest.param(ROBNDBOX.format(0).replace("30", "0"), Reason.ZERO_AREA, "object[0].robndbox:",
                     id="rotated, no width"),
        pytest.param(ROBNDBOX.format(1).replace(">50<", ">1.7e308<").replace(">30<", ">1.7e308<"),
                     Reason.NOT_FINITE, "object[0].robndbox:", id="rotated, overflow"),
        pytest.param(ROBNDBOX.format("inf"), Reason.NOT_FINITE, "object[0].robndbox.angle: ",
                     id="rotated for ever"),
        pytest.param("<robndbox><x_left_top>3</x_left_top></robndbox>", Reason.MALFORMED,
                     "object[0].robndbox.y_left_top: ", id="a corner is missing"),
        pytest.param("<polygon/>", Reason.MALFORMED, "object[0].polygon: ", id="no points"),
        pytest.param(ROBOFLOW.replace("x3", "x4"), Reason.MALFORMED, "object[0].polygon.x3: ",
                     id="a gap"),
        pytest.param(ROBOFLOW.replace("40.5", "inf"), Reason.NOT_FINITE, "object[0].polygon.x2: ",
                     id="infinite point"),
        pytest.param(MIT.replace("40.5", "10"), Reason.ZERO_AREA, "object[0].polygon: ",
                     id="points in a line"),
    ],
)  # fmt: skip
def test_a_box_that_is_none_is_told(tmp_path: Path, mark: str, reason: Reason, where: str) -> None:
    (image,), ledger = read(tmp_path, with_mark(mark))
    (entry,) = ledger.box_entries
    assert (image.status, entry.reason) == (Status.UNKNOWN, reason)
    assert (entry.source, entry.image, entry.label) == ("0.xml", "hand/1 a.png", "fracture")
    assert entry.detail.startswith(where)
    assert ", got " in entry.detail


@pytest.mark.parametrize("name", ["", " \n", "two\nlines"], ids=repr)
def test_an_object_needs_a_name(tmp_path: Path, name: str) -> None:
    (image,), ledger = read(tmp_path, VALID.replace("fracture", name))
    assert not image.findings
    assert [entry.reason for entry in ledger.box_entries] == [Reason.MALFORMED]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda s: s.replace("annotation", "View"), "root must be <annotation>, got "
                     "<View>", id="other root"),
        pytest.param(lambda s: s.replace(">100<", ">wide<"), "size: width and height", id="size"),
        pytest.param(lambda s: s.replace(">100<", "><"), "size: width and height", id="no width"),
        pytest.param(lambda s: s.replace("1 a", "1\na"), "filename: must be a file", id="name"),
        pytest.param(lambda s: s[:200], "is not valid XML", id="cut off"),
    ],
)  # fmt: skip
def test_a_document_that_is_none_is_left_out(
    tmp_path: Path, spoil: Callable[[str], str], message: str
) -> None:
    (image,), ledger = read(tmp_path, spoil(VALID), VALID)
    (entry,) = ledger.image_entries
    assert image.source == "1.xml"
    assert (entry.source, entry.reason) == ("0.xml", Reason.UNREADABLE_ANNOTATION)
    assert entry.detail.startswith("0.xml: ")
    assert message in entry.detail
    with pytest.raises(AnnotationError, match=r"^0\.xml: "):
        list(voc.read(Source(tmp_path / "0.xml"), Ledger()))


@pytest.mark.parametrize(
    ("origin", "least", "box", "hint"),
    [
        pytest.param(0, "1", Box(1, 20, 40.5, 60), "--voc-origin 1", id="may be from 1"),
        pytest.param(0, "0", Box(0, 20, 40.5, 60), "", id="is from 0"),
        pytest.param(0, "2", Box(2, 20, 40.5, 60), "", id="nothing to see"),
        pytest.param(1, "1", Box(0, 19, 40.5, 60), "", id="is from 1"),
        pytest.param(1, "0", Box(-1, 19, 40.5, 60), "without --voc-origin 1", id="is not from 1"),
    ],
)
def test_the_first_pixel(tmp_path: Path, origin: int, least: str, box: Box, hint: str) -> None:
    images, ledger = read(tmp_path, VALID, with_mark(side("xmin", least)), voc_origin=origin)
    assert images[1].findings[0].box == box
    assert [hint in told for told in ledger.hints] == [True] * bool(hint)


def test_a_box_of_one_pixel_counted_from_1_has_an_area(tmp_path: Path) -> None:
    (image,), _ = read(tmp_path, with_mark(side("xmax", "10")), voc_origin=1)
    assert image.findings[0].box == Box(9, 19, 10, 60)


def test_outlines_counted_from_1_move_by_half_a_pixel(tmp_path: Path) -> None:
    rotated = with_mark(ROBNDBOX.format(0))
    first, second = read(tmp_path, with_mark(MIT), rotated, voc_origin=1)[0]
    assert first.findings[0].box == Box(9.5, 19.5, 40, 59.5)
    assert second.findings[0].box == Box(34.5, 34.5, 64.5, 44.5)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(VALID)), cut=st.integers(0, 40), text=st.text(max_size=20))
def test_damage_never_raises_anything_else(tmp_path: Path, at: int, cut: int, text: str) -> None:
    spoilt = VALID[:at] + text + VALID[at + cut :]
    read(tmp_path, spoilt.encode("utf-8", "surrogatepass"))


LABELS = LabelMap(("fracture", "lytic <lesion> & co"))
SIDES = st.floats(-4096, 8192, allow_nan=False)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    points = draw(st.lists(st.tuples(SIDES, SIDES), min_size=3, max_size=6))
    box = box_around(points)
    if box.width <= 0 or box.height <= 0:
        points, box = [(0, 0), (4096, 0), (0.1, 1 / 3)], Box(0, 0, 4096, 1 / 3)
    polygon = draw(st.sampled_from([None, tuple(points)]))
    attributes = draw(
        st.dictionaries(
            st.sampled_from(["truncated", "difficult", "side"]), st.sampled_from(["1", "<l>"])
        )
    )
    return Finding(draw(st.sampled_from(LABELS.names)), box, polygon, attributes)


@settings(max_examples=50, deadline=None)
@given(st.lists(findings(), max_size=4))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, marked: list[Finding]
) -> None:
    folder = tmp_path_factory.mktemp("voc")
    status = Status.ANNOTATED if marked else Status.NEGATIVE
    said = {"verified": "yes"}
    image = ImageAnnotation("ä & b/1.x.png", "", (4096, 4096), tuple(marked), status, extra=said)
    unread = ImageAnnotation("unread.png", "", (8, 8), (), Status.UNKNOWN)
    voc.write([image, unread], folder, label_map=LABELS)
    (back,), ledger = read(folder)
    assert (back.image, back.source, back.size_wh) == (image.image, "1.x.xml", image.size_wh)
    assert (back.status, back.extra) == (status, said)
    assert [(f.label, f.box, f.polygon, f.attributes) for f in back.findings] == [
        (f.label, f.box, f.polygon, f.attributes) for f in marked
    ]
    assert not ledger.box_entries


def test_a_document_has_labelimg_s_tags(tmp_path: Path) -> None:
    finding = Finding("fracture", Box(1, 2.5, 30, 40))
    image = ImageAnnotation("a/1.png", "", (100, 80), (finding,), Status.ANNOTATED)
    voc.write([image], tmp_path, label_map=LABELS)
    text = (tmp_path / "1.xml").read_text()
    assert text.startswith("<annotation>\n\t<filename>a/1.png</filename>\n")
    assert "<xmin>1</xmin>\n\t\t\t<ymin>2.5</ymin>" in text
    assert "<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>" in text


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (ImageAnnotation("1.png", "", None, (), Status.NEGATIVE), "needs the image's size"),
        (ImageAnnotation("b/0.png", "", (8, 8), (), Status.NEGATIVE), "another image also has"),
        (ImageAnnotation("\x00.png", "", (8, 8), (), Status.NEGATIVE), "that XML forbids"),
        (ImageAnnotation("1.png", "", (8, 8), (Finding("other", Box(0, 0, 1, 1)),),
                         Status.ANNOTATED), "other: no such class"),
    ],
    ids=["size", "stem", "name", "class"],
)  # fmt: skip
def test_what_cannot_be_written(tmp_path: Path, image: ImageAnnotation, message: str) -> None:
    first = ImageAnnotation("a/0.png", "", (8, 8), (), Status.NEGATIVE)
    with pytest.raises(AnnotationError, match=message):
        voc.write([first, image], tmp_path, label_map=LABELS)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "images", "boxes", "negatives", "hints"),
    [
        ("formats/voc", 3, 9, 0, 1),
        ("formats/labelimg", 200, 217, 0, 1),
        ("fracatlas/annotations/voc", 1568, 855, 912, 0),
    ],
)
def test_real_documents(
    lucency_data: Path, folder: str, images: int, boxes: int, negatives: int, hints: int
) -> None:
    ledger = Ledger()
    read_images = list(voc.read(Source(lucency_data / folder), ledger))
    assert len(read_images) == images
    assert sum(len(image.findings) for image in read_images) == ledger.totals()["in"] == boxes
    assert sum(image.status is Status.NEGATIVE for image in read_images) == negatives
    assert all(image.size_wh for image in read_images)
    assert not ledger.box_entries
    assert not ledger.image_entries
    assert len(ledger.hints) == hints
