"""TBX11K as it is handed out, and what of it is among the real data."""

from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import Status
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.records import read_dataset
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_tbx11k import PUBLIC_SET, read
from lucency.datasets.importing import import_set

IMAGES = (
    *("health/h0001.png", "sick/s0001.png", "tb/tb0003.png", "tb/tb1199.png"),
    *("test/test_0001.png", "extra/da+db/train/p1.png", "extra/da+db/train/nx1.jpg"),
    *("extra/mc+shenzhen/train/MCUCXR_0104_1.png", "extra/mc+shenzhen/val/CHNCXR_0001_0.png"),
)
DOCUMENT = (
    "<annotation><filename>{stem}</filename><size><width>1024</width><height>2048</height></size>"
    "{boxes}</annotation>"
)
BOX = (
    "<object><name>ObsoletePulmonaryTuberculosis</name><bndbox><xmin>102</xmin><ymin>204</ymin>"
    "<xmax>302</xmax><ymax>804</ymax></bndbox></object>"
)


def original(root: Path) -> Path:
    for shade, name in enumerate(IMAGES):
        path = root / "imgs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (512, 512), 25 * shade).save(path)
    (root / "annotations/xml").mkdir(parents=True)
    for stem, boxes in (("tb0003", BOX), ("tb1199", "")):
        text = DOCUMENT.format(stem=stem, boxes=boxes)
        (root / f"annotations/xml/{stem}.xml").write_text(text)
    lists = {
        "TBX11K_train": "health/h0001.png\ntb/tb0003.png\n",
        "TBX11K_val": "sick/s0001.png\ntb/tb1199.png\n",
        "TBX11K_trainval": "health/h0001.png\nsick/s0001.png\n",
        "all_train": "health/h0001.png\nextra/da+db/train/p1.png\nextra/da+db/train/nx1.jpg\n",
        "all_test": "test/test_0001.png\n",
    }
    (root / "lists").mkdir()
    for name, text in lists.items():
        (root / f"lists/{name}.txt").write_text(text)
    return root


@pytest.mark.parametrize("inner", ["", "TBX11K"])
def test_the_original_layout(tmp_path: Path, inner: str) -> None:
    original(tmp_path / "down" / inner)
    made = import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out")
    dataset = read_dataset(tmp_path / "out")
    records = {record.image.stem: record for record in dataset.records}
    said = {
        stem: (
            record.status.value,
            record.extra["tb"],
            record.extra["image_type"],
            record.extra["official_split"],
            record.extra["site"],
        )
        for stem, record in records.items()
    }
    assert said == {
        "h0001": ("negative", "0", "healthy", "train", ""),
        "s0001": ("negative", "0", "sick_but_no_tb", "val", ""),
        "tb0003": ("annotated", "1", "tb", "train", ""),
        "tb1199": ("unknown", "1", "tb", "val", ""),
        "test_0001": ("unknown", "", "", "test", ""),
        "p1": ("unknown", "1", "", "train", "delhi_db"),
        "nx1": ("unknown", "0", "", "train", "delhi_da"),
        "MCUCXR_0104_1": ("unknown", "1", "", "train", "montgomery"),
        "CHNCXR_0001_0": ("unknown", "0", "", "val", "shenzhen"),
    }
    assert dataset.label_map.names == ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis")
    # 102, 204, 302, 804 of 1024 × 2048 in 512 × 512, less a pixel on every side.
    (finding,) = dataset.findings(records["tb0003"])
    corners = (finding.box.x1, finding.box.y1, finding.box.x2, finding.box.y2)
    assert corners == pytest.approx((50, 50, 150, 200))
    assert made.counts.boxes["ObsoletePulmonaryTuberculosis"] == 1


def test_a_second_copy_inside(tmp_path: Path) -> None:
    original(tmp_path / "down")
    original(tmp_path / "down/TBX11K")
    made = import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out")
    assert made.counts.images == len(IMAGES)
    assert made.counts.boxes["ObsoletePulmonaryTuberculosis"] == 1


def test_a_damaged_document_makes_no_negative(tmp_path: Path) -> None:
    root = original(tmp_path / "down")
    (root / "annotations/xml/tb1199.xml").write_text("<annotation><filename>")
    with pytest.raises(AnnotationError, match="unreadable-annotation: 1 file"):
        import_set(PUBLIC_SET, root, tmp_path / "out")
    allow = {Reason.UNREADABLE_ANNOTATION}
    made = import_set(PUBLIC_SET, root, tmp_path / "out", allow=allow)
    statuses = {record.image.stem: record.status for record in made.dataset.records}
    assert statuses["tb1199"] is Status.UNKNOWN


def test_an_image_that_is_missing(tmp_path: Path) -> None:
    root = original(tmp_path / "down")
    (root / "imgs/tb/tb0003.png").unlink()
    with pytest.raises(AnnotationError, match="missing-image: 1 image and 1 box"):
        import_set(PUBLIC_SET, root, tmp_path / "out")


def test_another_folder(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<annotation><filename>a</filename></annotation>")
    with pytest.raises(AnnotationError, match=r"does not look like TBX11K: .*annotations/xml"):
        list(read(tmp_path, Ledger()))


@pytest.mark.real_data
def test_all_of_the_real_data(lucency_data: Path, tmp_path: Path) -> None:
    counts = import_set(PUBLIC_SET, lucency_data / "tbx11k", tmp_path / "out").counts
    assert counts.boxes == {"ActiveTuberculosis": 724, "ObsoletePulmonaryTuberculosis": 178}
    # tb1199 has tuberculosis, but no box: nobody knows where.
    assert counts.status == {"annotated": 599, "negative": 0, "unknown": 1}
    assert counts.labels == {"tb": {"positive": 600, "negative": 0, "unknown": 0}}
    assert counts.official_splits == {"train": 600}
    # The set's own YOLO files, which were not read, have the same boxes.
    dataset = read_dataset(tmp_path / "out")
    for record in dataset.in_split("unsplit"):
        label = lucency_data / f"tbx11k/labels/train/{record.image.stem}.txt"
        if label.is_file() and record.status is Status.ANNOTATED:
            rows = [
                [float(cell) for cell in line.split()] for line in label.read_text().splitlines()
            ]
            theirs = sorted((x * 512, y * 512, w * 512, h * 512) for _, x, y, w, h in rows)
            boxes = [finding.box for finding in dataset.findings(record)]
            ours = sorted(
                ((b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, b.x2 - b.x1, b.y2 - b.y1) for b in boxes
            )
            for one, other in zip(ours, theirs, strict=True):
                assert one == pytest.approx(other, abs=0.02)
