"""FracAtlas as it is handed out, and what of it is among the real data."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from lucency.annotations.findings import Status
from lucency.annotations.ledger import Ledger, Reason
from lucency.annotations.records import read_dataset
from lucency.configs.errors import AnnotationError
from lucency.datasets.import_fracatlas import PUBLIC_SET, read
from lucency.datasets.importing import import_set

HEADER = (
    "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,"
    "frontal,lateral,oblique\n"
)
ROWS = {
    "IMG0000019.jpg": "1,0,0,0,0,0,0,1,1,1,0,0",
    "IMG0000025.jpg": "0,1,1,0,1,1,0,1,2,0,1,0",
    "IMG0000026.jpg": "0,0,0,1,0,0,1,0,0,1,0,0",
}


def original(root: Path, *, suffix: str = ".jpg") -> Path:
    """The layout of the zip file that figshare hands out."""
    for shade, name in enumerate(ROWS):
        kind = "Non_fractured" if name == "IMG0000026.jpg" else "Fractured"
        path = root / "images" / kind / name.replace(".jpg", suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (40, 30), 50 * shade).save(path, format="JPEG")
    images = [
        {"id": n, "file_name": name, "width": 40, "height": 30}
        for n, name in enumerate(list(ROWS)[:2])
    ]
    boxes = [(0, [2, 3, 10, 8]), (1, [5, 5, 6, 7]), (1, [20, 10, 9, 9])]
    coco = {
        "images": images,
        "annotations": [
            {"id": n, "image_id": image, "category_id": 0, "bbox": box, "iscrowd": 0}
            for n, (image, box) in enumerate(boxes)
        ],
        "categories": [{"id": 0, "name": "fractured"}],
    }
    where = root / "Annotations/COCO JSON/COCO_fracture_masks.json"
    where.parent.mkdir(parents=True)
    where.write_text(json.dumps(coco))
    yolo = root / "Annotations/YOLO/IMG0000019.txt"
    yolo.parent.mkdir(parents=True)
    yolo.write_text("0 0.5 0.5 0.1 0.1\n")
    lists = root / "Utilities/Fracture Split"
    lists.mkdir(parents=True)
    (lists / "train.csv").write_text("image_id\nIMG0000019.jpg\n")
    (lists / "test.csv").write_text("image_id\nIMG0000025.jpg\n")
    (lists / "valid.csv").write_text("image_id\n")
    (root / "dataset.csv").write_text(HEADER + "".join(f"{n},{r}\n" for n, r in ROWS.items()))
    return root


@pytest.mark.parametrize("inner", ["", "FracAtlas", "archive/FracAtlas"])
def test_the_original_layout_at_any_depth(tmp_path: Path, inner: str) -> None:
    original(tmp_path / "down" / inner)
    made = import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out")
    dataset = read_dataset(tmp_path / "out")
    records = {record.image.name: record for record in dataset.records}
    assert dataset.label_map.names == ("fractured",)
    assert [records[name].status for name in ROWS] == [
        *(Status.ANNOTATED, Status.ANNOTATED, Status.NEGATIVE)
    ]
    assert made.counts.boxes == {"fractured": 3}
    assert made.counts.official_splits == {"test": 1, "train": 1}
    mixed = records["IMG0000025.jpg"]
    assert mixed.extra == {
        "body_part": "leg, hip",
        "view": "lateral",
        "mixed": "1",
        "hardware": "1",
        "multiscan": "0",
        "fracture_count": "2",
        "fractured": "1",
        "official_split": "test",
    }
    assert not made.ledger.noted_by_reason()


def test_other_case_of_the_suffix(tmp_path: Path) -> None:
    original(tmp_path / "down", suffix=".JPG")
    assert import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out").counts.images == 3


def test_the_set_a_second_time_inside_of_itself(tmp_path: Path) -> None:
    original(tmp_path / "down")
    original(tmp_path / "down/FracAtlas")
    made = import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out")
    assert made.counts.images == 3
    assert "(3) were passed over" in made.ledger.hints[0]


def test_a_count_that_differs_is_told(tmp_path: Path) -> None:
    original(tmp_path / "down")
    table = tmp_path / "down/dataset.csv"
    table.write_text(table.read_text().replace("0,1,2,0,1,0", "0,1,5,0,1,0"))
    made = import_set(PUBLIC_SET, tmp_path / "down", tmp_path / "out")
    (entry,) = (e for e in made.ledger.image_entries if e.reason is Reason.CONTRADICTION)
    assert entry.detail == 'fracture_count is "5", but it has 2 boxes'


@pytest.mark.parametrize("name", ["other.csv", "dataset.csv"], ids=["no table", "another table"])
def test_another_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("image,label\na.jpg,1\n")
    with pytest.raises(AnnotationError, match=r"does not look like FracAtlas: .*dataset\.csv"):
        list(read(tmp_path, Ledger()))


@pytest.mark.real_data
def test_all_of_the_real_data(lucency_data: Path, tmp_path: Path) -> None:
    folder = lucency_data / "fracatlas"
    made = import_set(PUBLIC_SET, folder, tmp_path / "out")
    counts = made.counts
    assert counts.status == {"annotated": 656, "negative": 896, "unknown": 0}
    assert counts.left_out == {"unreadable-image": 16}
    assert counts.boxes == {"fractured": 855}
    assert counts.official_splits == {"train": 574, "val": 82}
    assert counts.labels == {"fractured": {"positive": 656, "negative": 896, "unknown": 0}}
    assert made.ledger.noted_by_reason() == Counter()
    # The table and the Pascal VOC documents, which were not read, count the same.
    with (folder / "dataset.csv").open() as table:
        assert sum(int(row["fracture_count"]) for row in csv.DictReader(table)) == 855
    documents = sorted((folder / "annotations/voc").glob("*.xml"))
    objects = {path.stem: path.read_text().count("<object>") for path in documents}
    dataset = read_dataset(tmp_path / "out")
    written = {r.image.stem: len(dataset.findings(r)) for r in dataset.records}
    assert written == {stem: objects[stem] for stem in written}
