"""FracAtlas in its four formats and TBX11K in its two, against each other and their own numbers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lucency.annotations.convert import ConversionResult, Options, convert, gather
from lucency.annotations.findings import Status
from lucency.annotations.ledger import Reason
from lucency.annotations.records import Dataset
from lucency.configs.errors import AnnotationError
from lucency.detection.offline_ultralytics import import_ultralytics

pytestmark = pytest.mark.real_data

Corners = tuple[float, float, float, float]

# One is left out of the VIA file, and one drawn with fewer corners, by FracAtlas itself.
NOT_IN_VIA = {"IMG0000851.jpg": 1, "IMG0002086.jpg": 1, "IMG0002395.jpg": 1, "IMG0002471.jpg": 2}
OTHERWISE_IN_VIA = "IMG0002614.jpg"


def boxes_of(result: ConversionResult) -> dict[str, list[Corners]]:
    return {
        entry.name.rpartition("/")[2]: [
            (f.box.x1, f.box.y1, f.box.x2, f.box.y2) for f in entry.findings
        ]
        for entry in result.images
        if len(entry.findings)
    }


def apart(one: Corners, other: Corners) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def fracatlas(lucency_data: Path) -> Path:
    return lucency_data / "fracatlas"


@pytest.fixture(scope="module")
def coco_boxes(fracatlas: Path) -> dict[str, list[Corners]]:
    """The boxes of the COCO file, read with nothing but the standard library."""
    document = json.loads((fracatlas / "annotations/coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    found: dict[str, list[Corners]] = {}
    for annotation in document["annotations"]:
        x, y, width, height = annotation["bbox"]
        corners = (x, y, x + width, y + height)
        found.setdefault(names[annotation["image_id"]], []).append(corners)
    return found


@pytest.mark.parametrize(
    ("name", "boxes", "known", "tolerance"),
    [
        # COCO and VIA list positives alone; nobody may take the other images for negatives.
        ("coco.json", 855, Status.UNKNOWN, 1e-9),
        ("via.json", 850, Status.UNKNOWN, 1e-9),
        # Its corners were cut to whole pixels one by one: 30 boxes lie 1 to 1.15 px off.
        ("voc", 855, Status.NEGATIVE, 1.15),
        ("yolo", 855, Status.NEGATIVE, 0.2),
    ],
)
def test_fracatlas_is_the_same_in_its_four_formats(
    fracatlas: Path, coco_boxes: dict[str, list[Corners]], name: str, boxes: int, known: Status,
    tolerance: float,
) -> None:  # fmt: skip
    classes = ("fractured",) if name == "yolo" else None
    options = Options(images=fracatlas / "images", classes=classes)
    result = gather(fracatlas / "annotations" / name, options)
    assert result.ledger.totals() == {
        "in": boxes, "written": boxes, "clipped": 0, "merged": 0, "dropped": 0
    }  # fmt: skip
    assert result.ledger.images == {Status.ANNOTATED: 656, known: 896}
    assert result.ledger.left_out_by_reason() == {Reason.UNREADABLE_IMAGE: 16}
    assert list(result.label_map) == ["fractured"]
    found = boxes_of(result)
    assert found.keys() == coco_boxes.keys()
    wide, missing = 0, Counter[str]()
    for image, expected in coco_boxes.items():
        left = list(found[image])
        for corners in expected:
            nearest = min(left, key=lambda other: apart(corners, other), default=(0, 0, 0, 0))
            if apart(corners, nearest) <= tolerance:
                left.remove(nearest)
                wide += apart(corners, nearest) > 1
            else:
                missing[image] += 1
        assert not left or (name, image) == ("via.json", OTHERWISE_IN_VIA)
    assert wide == (30 if name == "voc" else 0)
    assert missing == (NOT_IN_VIA | {OTHERWISE_IN_VIA: 1} if name == "via.json" else {})


def test_fracatlas_loses_no_box_on_disk(
    fracatlas: Path, coco_boxes: dict[str, list[Corners]], tmp_path: Path
) -> None:
    source, out = fracatlas / "annotations/coco.json", tmp_path / "set"
    options = Options(
        images=fracatlas / "images/Fractured", negatives=fracatlas / "images/Non_fractured"
    )
    with pytest.raises(AnnotationError, match=r"16 images .*--allow unreadable-image"):
        convert(source, out, options)
    assert not out.exists()
    result = convert(source, out, options, allow={Reason.UNREADABLE_IMAGE})
    assert result.ledger.images == {Status.ANNOTATED: 656, Status.NEGATIVE: 896}
    written = [path.read_text().count("\n") for path in (out / "labels").rglob("*.txt")]
    assert (len(written), sum(written), written.count(0)) == (1552, 855, 896)
    assert result.dataset is not None
    expected = dict(coco_boxes)
    for record in result.dataset.records:
        boxes = [finding.box for finding in result.dataset.findings(record)]
        found = [(b.x1, b.y1, b.x2, b.y2) for b in boxes]
        for one, other in zip(found, expected.pop(record.image.name, []), strict=True):
            assert one == pytest.approx(other, abs=1e-4)
    assert not expected


def test_tbx11k_xml_gives_the_boxes_of_its_yolo_files(lucency_data: Path) -> None:
    """902 boxes, of originals of any size, on images that were stretched to 512 x 512 px."""
    folder = lucency_data / "tbx11k"
    xml = gather(folder / "annotations", Options(images=folder / "images"))
    yolo = gather(folder, Options(from_format="yolo"))
    lines = sum(len(p.read_text().splitlines()) for p in (folder / "labels").rglob("*.txt"))
    assert xml.format.name == "tbx11k"
    assert xml.ledger.noted_by_reason() == {Reason.SCALED: 600}
    for result in (xml, yolo):
        totals = result.ledger.totals()
        assert totals["in"] == totals["written"] == lines == 902
        assert result.ledger.images == {Status.ANNOTATED: 599, Status.NEGATIVE: 1}
    found, expected = boxes_of(xml), boxes_of(yolo)
    assert found.keys() == expected.keys()
    for image, boxes in expected.items():
        for one, other in zip(found[image], boxes, strict=True):
            assert apart(one, other) < 0.001


def split_source(fracatlas: Path, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """FracAtlas' first 30 images, 10 of them for validation."""
    document = json.loads((fracatlas / "annotations/coco.json").read_text())
    document["images"] = document["images"][:30]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
    for number, image in enumerate(document["images"]):
        image["split"] = "val" if number < 10 else "train"
    (tmp_path / "coco.json").write_text(json.dumps(document))
    return tmp_path / "coco.json", document


def test_ultralytics_accepts_a_converted_set(fracatlas: Path, tmp_path: Path) -> None:
    """A split set is read by Ultralytics as it is, and no label is refused or merged by it."""
    import_ultralytics()
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    source, document = split_source(fracatlas, tmp_path)
    out = tmp_path / "set"
    dataset = convert(source, out, Options(images=fracatlas / "images/Fractured")).dataset
    assert isinstance(dataset, Dataset)
    data = check_det_dataset(str(out / "data.yaml"), autodownload=False)
    assert data["names"] == {0: "fractured"}
    found = 0
    for split, count in (("train", 20), ("val", 10)):
        part = build_yolo_dataset(get_cfg(overrides={"imgsz": 64}), data[split], 1, data)
        assert len(part) == count == len(dataset.in_split(split))
        found += sum(len(label["cls"]) for label in part.labels)
    assert found == len(document["annotations"])
