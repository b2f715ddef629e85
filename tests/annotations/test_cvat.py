from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lucency.annotations import cvat
from lucency.annotations.findings import Finding, ImageAnnotation, LabelMap, Status
from lucency.annotations.formats import Head
from lucency.annotations.geometry import Box, box_around
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.shapes import ellipse_box, ellipse_outline
from lucency.annotations.sources import Source
from lucency.configs.errors import AnnotationError

BOX = '<box label="fracture" occluded="0" xtl="10" ytl="20" xbr="40.5" ybr="60" z_order="0"></box>'
IMAGE = f'<image id="0" name="hand\\1 a.png" width="100" height="80">{BOX}</image>'
EMPTY = '<image id="1" name="2.png" width="100" height="80"></image>'
META = "<task><name>t</name><subset>Train</subset><assignee>{}</assignee>{}</task>"


def document(*images: str, meta: str = META.format("", "")) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta>{meta}</meta>\n{''.join(images)}</annotations>\n"
    )


def read(folder: Path, text: str | bytes) -> tuple[list[ImageAnnotation], Ledger]:
    data = text.encode() if isinstance(text, str) else text
    (folder / "annotations.xml").write_bytes(data)
    ledger = Ledger()
    images = list(cvat.read(Source(folder), ledger))
    found = sum(len(image.findings) for image in images)
    assert ledger.totals()["in"] == found + ledger.totals()["dropped"]
    return images, ledger


def with_shape(shape: str) -> str:
    return document(IMAGE.replace(BOX, shape))


def test_a_valid_document(tmp_path: Path) -> None:
    (first, second), ledger = read(tmp_path, document(IMAGE, EMPTY))
    (finding,) = first.findings
    assert (first.image, first.source) == ("hand/1 a.png", "annotations.xml")
    assert (first.size_wh, first.split, first.reader) == ((100, 80), "train", "")
    assert (finding.label, finding.box) == ("fracture", Box(10, 20, 40.5, 60))
    assert (finding.polygon, finding.attributes) == (None, {})
    assert finding.index == "image[0].box[0]"
    assert (second.image, second.status) == ("2.png", Status.UNKNOWN)
    assert ledger.totals()["in"] == 1


def test_the_format_is_told_by_its_tags() -> None:
    def detect(text: str) -> bool:
        return cvat.detect(Head("a.xml", "a.xml", text))

    assert detect(document(IMAGE))
    assert not detect(document(IMAGE).replace("annotations", "annotation"))
    assert not detect("<annotations><note/></annotations>")
    assert not detect("")


@pytest.mark.parametrize(
    ("meta", "status"),
    [
        (META.format("", "<state>completed</state>"), Status.NEGATIVE),
        (META.format("", "<status>completed</status>"), Status.NEGATIVE),
        (META.format("", "<stage>acceptance</stage>"), Status.NEGATIVE),
        (META.format("", "<state>in progress</state>"), Status.UNKNOWN),
        (META.format("", "<stage>annotation</stage>"), Status.UNKNOWN),
        ("<job><id>1</id><state>completed</state></job>", Status.NEGATIVE),
        ("<job><id>1</id></job>", Status.UNKNOWN),
        ("", Status.UNKNOWN),
    ],
)
def test_only_finished_work_gives_negatives(tmp_path: Path, meta: str, status: Status) -> None:
    (image,), _ = read(tmp_path, document(EMPTY, meta=meta))
    assert image.status is status


PROJECT = """<project><id>5</id><name>p</name><assignee><username>lead</username></assignee><tasks>
<task><id>1</id><subset>Train</subset><assignee><username>ada</username></assignee></task>
<task><id>2</id><subset>Validation</subset><state>completed</state></task></tasks></project>"""


def test_an_image_of_two_tasks_of_a_project_comes_from_both(tmp_path: Path) -> None:
    of_first = IMAGE.replace('id="0"', 'id="0" subset="Train" task_id="1"')
    of_second = IMAGE.replace('id="0"', 'id="0" task_id="2"').replace(BOX, "")
    between = EMPTY.replace('id="1"', 'id="1" subset="default" task_id="3"')
    images, _ = read(tmp_path, document(of_first, between, of_second, meta=PROJECT))
    assert [(i.image, i.reader, i.split, i.status) for i in images] == [
        ("hand/1 a.png", "ada", "train", Status.ANNOTATED),
        ("hand/1 a.png", "", "val", Status.NEGATIVE),
        ("2.png", "", "", Status.UNKNOWN),
    ]


def test_tags_are_labels_of_the_image(tmp_path: Path) -> None:
    (image,), ledger = read(tmp_path, with_shape('<tag label="tb" source="manual"></tag>'))
    assert (image.labels, image.status) == ({"tb": True}, Status.UNKNOWN)
    assert ledger.totals()["in"] == 0


def test_what_else_is_said_of_a_shape(tmp_path: Path) -> None:
    said = BOX.replace('d="0"', 'd="1"').replace('r="0"', 'r="2"')
    said = said.replace("></box>", '><attribute name="Knochen">Radius\nUlna</attribute></box>')
    (image,), _ = read(tmp_path, with_shape(said))
    assert image.findings[0].attributes == {
        "occluded": "1",
        "z_order": "2",
        "Knochen": "Radius Ulna",
    }


def test_boxes_turn_clockwise_about_their_middle(tmp_path: Path) -> None:
    text = '<box label="a" xtl="20" ytl="30" xbr="60" ybr="50" rotation="{}"></box>'
    shapes = "".join(text.format(turn) for turn in ("0.00", "90.0", "45", "405"))
    (image,), _ = read(tmp_path, with_shape(shapes))
    upright, quarter, eighth, further = image.findings
    assert (upright.box, upright.polygon) == (Box(20, 30, 60, 50), None)
    assert (quarter.box, quarter.polygon) == (Box(30, 20, 50, 60), None)
    assert eighth.polygon is not None
    # The top left corner of a wide box goes up and to the right.
    assert eighth.polygon[0] == pytest.approx((40 - 10 / 2**0.5, 40 - 30 / 2**0.5))
    assert eighth.box == box_around(eighth.polygon)
    assert further.polygon == eighth.polygon
    assert further.index == "image[0].box[3]"


def test_polygons_ellipses_and_masks(tmp_path: Path) -> None:
    shapes = """<polygon label="a" points="10.5,20;40,20;40,60"></polygon>
    <ellipse label="a" cx="50" cy="40" rx="30" ry="10" rotation="30"></ellipse>
    <mask label="a" rle="1, 2, 1, 2, 2" left="5" top="7" width="4" height="2"></mask>"""
    (image,), ledger = read(tmp_path, with_shape(shapes))
    polygon, ellipse, mask = image.findings
    assert polygon.box == Box(10.5, 20, 40, 60)
    assert polygon.polygon == ((10.5, 20), (40, 20), (40, 60))
    assert ellipse.box == ellipse_box((50, 40), 30, 10, 30)
    assert ellipse.polygon == ellipse_outline((50, 40), 30, 10, 30)
    assert mask.box == Box(5, 7, 8, 9)
    assert mask.polygon is not None
    assert set(mask.polygon) >= {(6, 7), (8, 7), (5, 9)}
    assert ledger.totals()["in"] == 3


TRACK = """<track id="0" label="catheter" source="manual">
<box frame="{0}" outside="0" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="4"></box>
<box frame="{1}" outside="0" occluded="1" keyframe="0" xtl="2" ytl="2" xbr="4" ybr="4"></box>
<box frame="{2}" outside="1" occluded="0" keyframe="1" xtl="2" ytl="2" xbr="4" ybr="4"></box>
</track>"""
VIDEO = """<task><mode>interpolation</mode>
<original_size><width>64</width><height>48</height></original_size></task>"""


def test_frames_of_a_video(tmp_path: Path) -> None:
    tracks = TRACK.format(12, 13, 14), TRACK.format(3, 12, 13)
    images, ledger = read(tmp_path, document(*tracks, meta=VIDEO))
    assert [(i.image, i.size_wh, [f.index for f in i.findings]) for i in images] == [
        ("frame_000003", (64, 48), ["track[1].box[0]"]),
        ("frame_000012", (64, 48), ["track[0].box[0]", "track[1].box[1]"]),
        ("frame_000013", (64, 48), ["track[0].box[1]"]),
    ]
    assert images[2].findings[0] == Finding(
        "catheter", Box(2, 2, 4, 4), attributes={"occluded": "1"}, index="track[0].box[1]"
    )
    assert ledger.totals()["in"] == 4


def test_the_size_of_frames_may_stand_beside_the_job(tmp_path: Path) -> None:
    size = "<original_size><width>64</width><height>48</height></original_size>"
    meta = f"<job><mode>interpolation</mode></job><dumped>now</dumped>{size}"
    images, _ = read(tmp_path, document(TRACK.format(1, 2, 3), meta=meta))
    assert [image.size_wh for image in images] == [(64, 48), (64, 48)]


def test_frames_go_by_the_names_of_the_images_where_there_are_any(tmp_path: Path) -> None:
    unnamed = '<image id="7" width="9" height="9"></image>'
    images, _ = read(tmp_path, document(IMAGE, unnamed, TRACK.format(0, 7, 8)))
    assert [(i.image, len(i.findings)) for i in images] == [
        ("hand/1 a.png", 2),
        ("frame_000007", 1),
    ]


@pytest.mark.parametrize("frame", ["", "-1", "one", "1.5", "9" * 5000])
def test_a_shape_without_a_frame(tmp_path: Path, frame: str) -> None:
    images, ledger = read(tmp_path, document(TRACK.format(frame, 1, 2)))
    assert [image.image for image in images] == ["frame_000001"]
    (entry,) = ledger.box_entries
    assert (entry.reason, entry.label) == (Reason.UNKNOWN_IMAGE, "catheter")
    assert entry.detail.startswith("track[0].box[0].frame: must be a frame's number, got ")


POINTS = '<polygon label="a" points="{}"></polygon>'
ELLIPSE = '<ellipse label="a" cx="50" cy="40" rx="{}" ry="10"></ellipse>'
MASK = '<mask label="a" rle="{}" left="5" top="7" width="{}" height="2"></mask>'


@pytest.mark.parametrize(
    ("shape", "reason", "where"),
    [
        pytest.param(BOX.replace('"40.5"', '"10"'), Reason.ZERO_AREA, "box[0]: ", id="no width"),
        pytest.param(BOX.replace('"60"', '"1"'), Reason.ZERO_AREA, "box[0]: ", id="negative"),
        pytest.param(BOX.replace('"60"', '"nan"'), Reason.NOT_FINITE, "box[0].ybr: ", id="nan"),
        pytest.param(BOX.replace('"60"', '"1e400"'), Reason.NOT_FINITE, "box[0].ybr", id="huge"),
        pytest.param(BOX.replace('"60"', '"low"'), Reason.MALFORMED, "box[0].ybr: ", id="text"),
        pytest.param(BOX.replace("ybr=", "y="), Reason.MALFORMED, "box[0].ybr: ", id="none"),
        pytest.param(BOX.replace("z_order", 'rotation="a" z_order'), Reason.MALFORMED,
                     "box[0].rotation: ", id="rotation"),
        pytest.param(BOX.replace('xtl="10"', 'rotation="45" xtl="1.6e308"')
                     .replace("40.5", "1.7e308"), Reason.NOT_FINITE, "box[0]: ", id="overflow"),
        pytest.param(POINTS.format(""), Reason.MALFORMED, "polygon[0].points: ", id="no points"),
        pytest.param(POINTS.format("1,2;3,4"), Reason.MALFORMED, "polygon[0]", id="two points"),
        pytest.param(POINTS.format("1,2;3,4;5"), Reason.MALFORMED, "polygon[0]", id="no y"),
        pytest.param(POINTS.format("1,2;3,a;5,6"), Reason.MALFORMED, "polygon[0]", id="letter"),
        pytest.param(POINTS.format("1,2;inf,4;5,6"), Reason.NOT_FINITE, "polygon[0]", id="inf"),
        pytest.param(POINTS.format("1,2;1,4;1,6"), Reason.ZERO_AREA, "polygon[0]: ", id="line"),
        pytest.param(ELLIPSE.format("0"), Reason.ZERO_AREA, "ellipse[0]: ", id="radius"),
        pytest.param(ELLIPSE.format(""), Reason.MALFORMED, "ellipse[0].rx: ", id="no radius"),
        pytest.param(MASK.format("8", 4), Reason.ZERO_AREA, "mask[0].rle: ", id="empty mask"),
        pytest.param(MASK.format("1,2", 4), Reason.MALFORMED, "mask[0].rle: ", id="short mask"),
        pytest.param(MASK.format("", 4), Reason.MALFORMED, "mask[0].rle: ", id="no runs"),
        pytest.param(MASK.format("1,7", "9" * 5000), Reason.MALFORMED, "mask[0]", id="huge mask"),
        pytest.param(BOX.replace('"fracture"', '" "'), Reason.MALFORMED, "box[0].label: ",
                     id="no label"),
        *(
            pytest.param(f'<{tag} label="a" points="1,2;3,4;5,6"></{tag}>',
                         Reason.UNSUPPORTED_SHAPE, f"{tag}[0]: ", id=tag)
            for tag in ("polyline", "points", "cuboid", "skeleton", "brush")
        ),
    ],
)  # fmt: skip
def test_a_shape_that_is_no_finding_is_told(
    tmp_path: Path, shape: str, reason: Reason, where: str
) -> None:
    done = META.format("", "<state>completed</state>")
    (image,), ledger = read(tmp_path, document(IMAGE.replace(BOX, shape), meta=done))
    (entry,) = ledger.box_entries
    assert (image.status, entry.reason) == (Status.UNKNOWN, reason)
    assert (entry.source, entry.image) == ("annotations.xml", "hand/1 a.png")
    assert entry.detail.startswith(f"image[0].{where}")
    assert entry.index in entry.detail


def test_a_skeleton_is_one_mark(tmp_path: Path) -> None:
    point = '<points label="tip" occluded="0" outside="0" points="1,2"></points>'
    _, ledger = read(tmp_path, with_shape(f'<skeleton label="hand">{point * 3}</skeleton>'))
    assert ledger.totals()["in"] == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s.replace("annotations>", "annotation>"), "root must be <annotations>, got"),
        (lambda s: s.replace("hand\\1 a.png", ""), ""),
        (lambda s: s.replace(' id="0" name="hand\\1 a.png"', ""), "image[0].name: must be a file"),
        (lambda s: s.replace('width="100"', 'width="-1"'), "image[0]: width and height must be"),
        (lambda s: s.replace('width="100"', 'width="wide"'), "image[0]: width and height must be"),
        (lambda s: s.replace("</meta>", ""), "is not valid XML"),
    ],
    ids=["root", "a frame's name", "no name", "negative size", "no size", "no xml"],
)
def test_documents_that_are_none(tmp_path: Path, spoil: Callable[[str], str], message: str) -> None:
    images, ledger = read(tmp_path, spoil(document(IMAGE)))
    if not message:
        assert [image.image for image in images] == ["frame_000000"]
        return
    (entry,) = ledger.image_entries
    assert entry.reason is Reason.UNREADABLE_ANNOTATION
    assert entry.detail.startswith("annotations.xml: ")
    assert message in entry.detail
    with pytest.raises(AnnotationError, match=r"^annotations\.xml: "):
        list(cvat.read(Source(tmp_path / "annotations.xml"), Ledger()))


HOSTILE = document(
    IMAGE.replace(BOX, BOX + POINTS.format("1,2;3,4;5,6") + MASK.format("1,7", 4)),
    TRACK,
    meta=PROJECT,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, len(HOSTILE)), cut=st.integers(0, 40), text=st.text(max_size=20))
def test_damage_never_raises_anything_else(tmp_path: Path, at: int, cut: int, text: str) -> None:
    read(tmp_path, (HOSTILE[:at] + text + HOSTILE[at + cut :]).encode("utf-8", "surrogatepass"))


LABELS = LabelMap(("fracture", 'lytic <"lesion"> & co'))
SIDES = st.floats(-4096, 8192, allow_nan=False)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    points = draw(st.lists(st.tuples(SIDES, SIDES), min_size=3, max_size=6))
    box = box_around(points)
    if box.width <= 0 or box.height <= 0:
        points, box = [(0, 0), (4096, 0), (0.1, 1 / 3)], Box(0, 0, 4096, 1 / 3)
    outline = draw(st.booleans())
    if outline and draw(st.booleans()):  # a box that is not the outline's own, as of an ellipse
        box = Box(box.x1 - 0.125, box.y1, box.x2 + 1, box.y2)
    names, texts = st.sampled_from(["occluded", "z_order", "side"]), st.sampled_from(["1", "2"])
    attributes = draw(st.dictionaries(names, texts))
    attributes = {k: "1" if k == "occluded" else text for k, text in attributes.items()}
    label = draw(st.sampled_from(LABELS.names))
    return Finding(label, box, tuple(points) if outline else None, attributes)


@settings(max_examples=50, deadline=None)
@given(st.lists(findings(), max_size=4))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, marked: list[Finding]
) -> None:
    folder = tmp_path_factory.mktemp("cvat")
    status = Status.ANNOTATED if marked else Status.NEGATIVE
    images = [
        ImageAnnotation("ä & b/1.png", "", (4096, 4096), tuple(marked), status, split="val"),
        ImageAnnotation("unread.png", "", (8, 8), (), Status.UNKNOWN),
        ImageAnnotation("2.png", "", (8, 9), (), Status.NEGATIVE, labels={"tb": True}),
    ]
    cvat.write(images, folder, label_map=LABELS)
    ledger = Ledger()
    first, second = cvat.read(Source(folder), ledger)
    assert (first.image, first.size_wh, first.split) == ("ä & b/1.png", (4096, 4096), "val")
    assert first.status is status
    assert [(f.label, f.box, f.polygon, f.attributes) for f in first.findings] == [
        (f.label, f.box, f.polygon, f.attributes) for f in marked
    ]
    assert (second.image, second.status, second.labels) == ("2.png", Status.NEGATIVE, {"tb": True})
    assert not ledger.box_entries


def test_a_document_has_cvat_s_tags(tmp_path: Path) -> None:
    finding = Finding("fracture", Box(1, 2.5, 30, 40), attributes={"side": "left"})
    image = ImageAnnotation("a/1.png", "", (100, 80), (finding,), Status.ANNOTATED)
    cvat.write([image], tmp_path, label_map=LABELS)
    text = (tmp_path / "annotations.xml").read_text(encoding="utf-8")
    assert '  <image id="0" name="a/1.png" width="100" height="80">\n' in text
    assert '    <box label="fracture" source="manual" occluded="0" z_order="0" xtl="1" ' in text
    assert '      <attribute name="side">left</attribute>\n    </box>\n  </image>' in text
    assert text.count("<label>\n") == 2
    assert "<name>side</name>\n              <mutable>" in text
    assert "<size>1</size>" in text


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (ImageAnnotation("1.png", "", None, (), Status.NEGATIVE), "needs the image's size"),
        (ImageAnnotation("\x00.png", "", (8, 8), (), Status.NEGATIVE), "that XML forbids"),
        (ImageAnnotation("1.png", "", (8, 8), (Finding("other", Box(0, 0, 1, 1)),),
                         Status.ANNOTATED), "other: no such class"),
    ],
    ids=["size", "name", "class"],
)  # fmt: skip
def test_what_cannot_be_written(tmp_path: Path, image: ImageAnnotation, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        cvat.write([image], tmp_path, label_map=LABELS)
    assert not list(tmp_path.iterdir())


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "images", "boxes", "turned", "unknown"),
    [
        ("comparing/annotations.xml", 14, {"Cat": 19, "Cats": 5}, 0, 0),
        (
            "grazped/annotations1.xml",
            153,
            {"distales Knochenfragment": 74, "proximales Knochenfragment": 74,
             "metaphysäre Viereck": 35},
            158,
            90,
        ),
        (
            "grazped/annotations2.xml",
            150,
            {"distales Knochenfragment": 53, "proximales Knochenfragment": 53,
             "metaphysäre Viereck": 21},
            102,
            104,
        ),
    ],
)  # fmt: skip
def test_real_documents(
    lucency_data: Path, name: str, images: int, boxes: dict[str, int], turned: int, unknown: int
) -> None:
    ledger = Ledger()
    found = list(cvat.read(Source(lucency_data / "formats" / "cvat" / name), ledger))
    marked = [finding for image in found for finding in image.findings]
    assert len(found) == images
    assert Counter(finding.label for finding in marked) == boxes
    assert ledger.totals()["in"] == len(marked)
    assert sum(finding.polygon is not None for finding in marked) == turned
    assert sum(image.status is Status.UNKNOWN for image in found) == unknown


@pytest.mark.real_data
def test_a_real_turned_box(lucency_data: Path) -> None:
    """292.19 × 291.97 px about (331.155, 719.465), turned by 13.5°: checked by hand."""
    source = Source(lucency_data / "formats" / "cvat" / "grazped" / "annotations1.xml")
    box = next(iter(cvat.read(source, Ledger()))).findings[0].box
    assert (box.width, box.height) == pytest.approx((352.276, 352.113), abs=0.001)
    assert ((box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2) == pytest.approx((331.145, 719.465))


def test_a_line_that_ends_where_it_began_is_an_outline(tmp_path: Path) -> None:
    line = '<polyline label="cell" points="1,2;30,2;30,40;1,2"></polyline>'
    (image,), _ = read(tmp_path, with_shape(line))
    (finding,) = image.findings
    assert finding.box == Box(1, 2, 30, 40)
    assert finding.polygon == ((1, 2), (30, 2), (30, 40), (1, 2))
