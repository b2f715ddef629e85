import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageOps

from lucency.annotations.choices import Edge, Geometry, Readers
from lucency.annotations.convert import ConversionResult, Options, convert
from lucency.annotations.findings import Status
from lucency.annotations.formats import FORMATS, Format
from lucency.annotations.ledger import Reason
from lucency.annotations.records import read_dataset
from lucency.configs.errors import AnnotationError

WIDTH, HEIGHT = 100, 80
TRIANGLE = [[10, 10], [60, 20], [30, 70]]
DIAMOND = [[50, 10], [70, 30], [50, 50], [30, 30]]


def png(seed: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, seed).save(buffer, "PNG")
    return buffer.getvalue()


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def shape(kind: str, *points: list[float], label: str = "x") -> dict[str, Any]:
    return {"label": label, "shape_type": kind, "points": points}


def labelme(path: Path, *shapes: dict[str, Any], **changes: object) -> Path:
    document = {"shapes": shapes, "imagePath": f"{path.stem}.png", "imageData": None}
    return put(path, json.dumps(document | {"imageWidth": WIDTH, "imageHeight": HEIGHT} | changes))


def run(
    source: Path, out: Path, *, allow: Collection[Reason] = (), **said: Any
) -> ConversionResult:
    return convert(source, out, Options(**said), allow=allow)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A rectangle, a triangle and a diamond."""
    root = tmp_path / "source"
    put(root / "1.png", png(1))
    labelme(
        root / "1.json",
        shape("rectangle", [5, 5], [25, 15]),
        shape("polygon", *TRIANGLE),
        shape("oriented_rectangle", *DIAMOND),
    )
    return root


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "set"


def lines(out: Path, name: str = "1") -> list[list[float]]:
    (path,) = (out / "labels").rglob(f"{name}.txt")
    return [[float(field) for field in line.split()] for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("geometry", "counts"),
    [(None, [4, 4, 4]), (Geometry.BOX, [4, 4, 4]), (Geometry.ROTATED, [8, 8, 8]),
     (Geometry.OUTLINE, [8, 6, 8])],
)  # fmt: skip
@pytest.mark.parametrize("labels_only", [False, True])
def test_label_lines_of_each_geometry(
    source: Path, out: Path, geometry: Geometry | None, counts: list[int], labels_only: bool
) -> None:
    result = run(source, out, geometry=geometry, labels_only=labels_only)
    found = lines(out)
    assert [len(line) - 1 for line in found] == counts
    assert all(0 <= value <= 1 for line in found for value in line)
    assert result.ledger.totals()["written"] == 3


@pytest.mark.parametrize("geometry", Geometry)
def test_a_set_of_every_geometry_is_read_back(source: Path, out: Path, geometry: Geometry) -> None:
    run(source, out, geometry=geometry)
    dataset = read_dataset(out)
    boxes = [f.box for f in dataset.findings(dataset.records[0])]
    expected = [(5, 5, 25, 15), (10, 10, 60, 70), (30, 10, 70, 50)]
    for box, corners in zip(boxes, expected, strict=True):
        found = (box.x1, box.y1, box.x2, box.y2)
        if geometry is Geometry.ROTATED and corners == expected[1]:
            continue  # the smallest rectangle around a triangle has another upright box
        assert found == pytest.approx(corners, abs=1e-4)


def test_an_oriented_box_is_the_smallest_rectangle(source: Path, out: Path) -> None:
    run(source, out, geometry=Geometry.ROTATED)
    _, _, diamond = lines(out)
    found = sorted(
        (x * WIDTH, y * HEIGHT) for x, y in zip(diamond[1::2], diamond[2::2], strict=True)
    )
    for point, corner in zip(found, sorted(DIAMOND), strict=True):
        assert point == pytest.approx(corner, abs=1e-4)


def test_an_oriented_box_beyond_the_edge_stays_inside_on_paper(source: Path, out: Path) -> None:
    labelme(source / "1.json", shape("oriented_rectangle", [90, 40], [110, 60], [90, 80], [70, 60]))
    result = run(source, out, geometry=Geometry.ROTATED)
    (line,) = lines(out)
    assert len(line) == 9
    assert all(0 <= value <= 1 for value in line)
    assert [e.reason for e in result.ledger.box_entries] == [Reason.BEYOND_EDGE]


BEYOND = shape("rectangle", [-10, 20], [30, 40])


def test_edges_are_clipped_by_default(source: Path, out: Path) -> None:
    labelme(source / "1.json", BEYOND)
    result = run(source, out)
    assert lines(out) == [pytest.approx([0, 0.15, 0.375, 0.3, 0.25])]
    assert result.ledger.totals()["clipped"] == 1


def test_edges_may_be_kept(source: Path, out: Path) -> None:
    labelme(source / "1.json", BEYOND)
    result = run(source, out, edge=Edge.KEEP)
    assert lines(out) == [pytest.approx([0, 0.1, 0.375, 0.4, 0.25])]
    assert not result.ledger.box_entries


def test_edges_may_be_an_error_that_must_be_allowed(source: Path, out: Path) -> None:
    labelme(source / "1.json", BEYOND, shape("rectangle", [5, 5], [25, 15]))
    with pytest.raises(AnnotationError, match=r"beyond-edge: 1 box .*10\.00.* --allow"):
        run(source, out, edge=Edge.ERROR)
    assert not out.exists()
    result = run(source, out, edge=Edge.ERROR, allow={Reason.BEYOND_EDGE})
    assert result.ledger.totals() == {
        "in": 2, "written": 1, "clipped": 0, "merged": 0, "dropped": 1
    }  # fmt: skip


VINDR = """image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
1,Nodule/Mass,8,R1,10,10,30,30
1,Nodule/Mass,8,R2,12,10,32,30
1,Nodule/Mass,8,R3,60,60,70,70
2,No finding,14,R1,,,,
2,Nodule/Mass,8,R2,10,10,30,30
2,No finding,14,R3,,,,
3,No finding,14,R1,,,,
3,No finding,14,R2,,,,
3,No finding,14,R3,,,,
"""


@pytest.mark.parametrize(
    ("policy", "boxes", "totals", "negatives"),
    [
        (Readers.ALL, {"1": 3, "2": 1}, (4, 4, 0, 0), 1),
        (Readers.UNION, {"1": 2, "2": 1}, (4, 3, 1, 0), 1),
        (Readers.WBF, {"1": 2, "2": 1}, (4, 3, 1, 0), 1),
        (Readers.MAJORITY, {"1": 1}, (4, 1, 1, 2), 2),
    ],
)
def test_readers_of_a_set(
    tmp_path: Path, out: Path, policy: Readers, boxes: dict[str, int],
    totals: tuple[int, int, int, int], negatives: int,
) -> None:  # fmt: skip
    source = put(tmp_path / "train.csv", VINDR)
    for number in (1, 2, 3):
        put(tmp_path / f"images/{number}.png", png(number))
    result = run(source, out, images=tmp_path / "images", readers=policy)
    found = result.ledger.totals()
    assert (found["in"], found["written"], found["merged"], found["dropped"]) == totals
    assert result.ledger.images[Status.NEGATIVE] == negatives
    assert result.ledger.images[Status.UNKNOWN] == 0
    assert result.dataset is not None
    counts = {r.image.stem: len(result.dataset.findings(r)) for r in result.dataset.records}
    assert {name: count for name, count in counts.items() if count} == boxes


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_of_stored_rows_land_on_the_pixels_of_a_turned_jpeg(
    tmp_path: Path, out: Path, orientation: int
) -> None:
    image = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(image).rectangle((10, 20, 49, 34), fill=255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "source").mkdir()
    image.save(tmp_path / "source/1.jpg", quality=100, exif=exif)
    labelme(tmp_path / "source/1.json", shape("rectangle", [10, 20], [50, 35]), imagePath="1.jpg")
    result = run(tmp_path / "source", out)
    assert [entry.reason for entry in result.ledger.image_entries] == [Reason.TURNED]
    assert result.dataset is not None
    (record,) = result.dataset.records
    (finding,) = result.dataset.findings(record)
    with Image.open(result.dataset.image_path(record)) as written:
        shown = ImageOps.exif_transpose(written)
    assert (record.width, record.height) == shown.size == (HEIGHT, WIDTH)
    seen = shown.point(lambda value: 255 * (value > 127)).getbbox()
    box = finding.box
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx(seen, abs=1e-4)


def test_stretched_images_must_be_named(source: Path, out: Path) -> None:
    put(source / "1.png", png(1, (50, 50)))
    with pytest.raises(AnnotationError, match="--allow size-mismatch"):
        run(source, out)
    result = run(source, out, stretched=True)
    assert lines(out)[0] == pytest.approx([0, 0.15, 0.125, 0.2, 0.125])
    assert [entry.reason for entry in result.ledger.image_entries] == [Reason.SCALED]


def test_labels_alone_need_no_images(source: Path, out: Path) -> None:
    (source / "1.png").unlink()
    labelme(source / "train/2.json")
    result = run(source, out, labels_only=True)
    assert result.dataset is None
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert names == ["data.yaml", "labels/train/2.txt", "labels/unsplit/1.txt", "ledger.json"]
    assert len(lines(out)) == 3
    assert lines(out, "2") == []


def test_labels_alone_need_the_size(source: Path, out: Path) -> None:
    labelme(source / "1.json", shape("polygon", *TRIANGLE), imageWidth=None, imageHeight=None)
    with pytest.raises(AnnotationError, match="missing-image: 1 image and 1 box"):
        run(source, out, labels_only=True)


def test_fractions_stay_what_they_are(tmp_path: Path, out: Path) -> None:
    text = "0 0.1234567891 0.5000000000 0.2000000000 0.4000000000\n"
    put(tmp_path / "yolo/labels/1.txt", text)
    put(tmp_path / "yolo/classes.txt", "a\n")
    run(tmp_path / "yolo", out, labels_only=True)
    assert (out / "labels/unsplit/1.txt").read_text() == text


def test_fractions_without_images_are_no_pixels(tmp_path: Path, out: Path) -> None:
    """Formats of pixels cannot be written without the images' sizes."""
    put(tmp_path / "yolo/labels/1.txt", "0 0.5 0.5 0.2 0.4\n")
    put(tmp_path / "yolo/classes.txt", "a\n")
    for name in ("coco", "voc", "createml", "labelme", "cvat"):
        with pytest.raises(AnnotationError, match="size"):
            run(tmp_path / "yolo", out, labels_only=True, to_format=name)
        assert not out.exists()


HOSTILE = ["../../x", "/abs", "..", "a/../../y.png", "C:\\z", "~/u.png", "x" * 900, "-rf", ".", "."]


@pytest.mark.parametrize("known", [k for k in FORMATS if k.writes], ids=lambda known: known.name)
def test_hostile_names_write_nothing_outside(tmp_path: Path, known: Format) -> None:
    images = [
        {"id": number, "file_name": name, "width": 100, "height": 80}
        for number, name in enumerate(HOSTILE)
    ]
    boxes = [
        {"image_id": n, "category_id": 1, "bbox": [n, 1, 9, 9]} for n in range(len(HOSTILE) - 1)
    ]
    categories = [{"id": 1, "name": "../../label"}]
    document = {"images": images, "annotations": boxes, "categories": categories}
    source = put(tmp_path / "a/coco.json", json.dumps(document))
    out = tmp_path / "a/b/set"
    result = run(source, out, labels_only=True, to_format=known.name)
    assert result.ledger.totals()["written"] == len(HOSTILE) - 1
    files = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert {name for name in files if not name.startswith("a/b/set/")} == {"a/coco.json"}
    back = run(out, tmp_path / "back", labels_only=True) if known.name != "createml" else None
    if back:
        assert back.ledger.totals()["written"] == len(HOSTILE) - 1


@pytest.mark.parametrize("name", ["a\0b", ""])
def test_names_that_are_none_are_refused_by_the_reader(
    tmp_path: Path, out: Path, name: str
) -> None:
    labelme(tmp_path / "1.json", shape("polygon", *TRIANGLE), imagePath=name)
    with pytest.raises(AnnotationError, match="imagePath: must be a file name"):
        run(tmp_path / "1.json", out, labels_only=True)
    assert not out.exists()


def test_images_of_one_name_in_two_folders_are_not_pooled(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "source"
    labelme(root / "a/1.json", shape("polygon", *TRIANGLE))
    labelme(root / "b/1.json", shape("polygon", *DIAMOND))
    run(root, out, labels_only=True)
    assert len(lines(out, "a_1")) == len(lines(out, "b_1")) == 1
