import json
from pathlib import Path

import pytest

from lucency.annotations.annotators import read_annotators
from lucency.annotations.findings import Status
from lucency.annotations.geometry import Box
from lucency.annotations.prelabels import Prelabel, Prelabels, new_document
from lucency.configs.errors import AnnotationError


def labelme(path: Path, image: str, *labels: str) -> None:
    shapes = [
        {"label": label, "points": [[1, 1], [9, 9]], "shape_type": "rectangle"} for label in labels
    ]
    document = {
        "version": "5.0.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": image,
        "imageData": None,
        "imageHeight": 10,
        "imageWidth": 10,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_a_folder_for_each_annotator_and_any_format(tmp_path: Path) -> None:
    labelme(tmp_path / "anna" / "a.json", "a.png", "fracture")
    coco = {
        "images": [{"id": 1, "file_name": "elsewhere/a.jpg", "width": 10, "height": 10}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 8, 8]}],
        "categories": [{"id": 1, "name": "fracture"}],
    }
    (tmp_path / "ben.json").write_text(json.dumps(coco), encoding="utf-8")
    found = read_annotators([tmp_path / "anna", tmp_path / "ben.json"])
    assert list(found.images) == ["anna", "ben"]
    assert [list(images) for images in found.images.values()] == [["a"], ["a"]]
    boxes = [images["a"].findings[0].box for images in found.images.values()]
    assert boxes == [Box(1, 1, 9, 9)] * 2


def test_one_file_may_name_its_readers(tmp_path: Path) -> None:
    rows = [
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
        "a,Cardiomegaly,3,R1,10,10,100,100",
        "a,No finding,14,R2,,,,",
        "1.2.840.5,No finding,14,R2,,,,",
    ]
    path = tmp_path / "train.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = read_annotators([path])
    assert list(found.images) == ["R1", "R2"]
    assert found.images["R1"]["a"].status is Status.ANNOTATED
    assert found.images["R2"]["a"].status is Status.NEGATIVE
    assert "1.2.840.5" in found.images["R2"]


def test_folders_tell_images_apart_only_where_they_must(tmp_path: Path) -> None:
    labelme(tmp_path / "anna" / "1.json", "left/a.png", "fracture")
    labelme(tmp_path / "anna" / "2.json", "right/a.png")
    labelme(tmp_path / "ben" / "1.json", "left/a.png")
    found = read_annotators([tmp_path / "anna", tmp_path / "ben"])
    assert list(found.images["anna"]) == ["left/a", "right/a"]
    assert list(found.images["ben"]) == ["left/a"]


def test_pre_labels_that_nobody_touched_are_no_opinion(tmp_path: Path) -> None:
    proposed = Prelabels("model", (Prelabel("fracture", Box(1, 1, 9, 9), 0.9),))
    for name in ("anna", "ben"):
        labelme(tmp_path / name / "b.json", "b.png")
        document = new_document("a.png", (10, 10), proposed)
        (tmp_path / name / "a.json").write_text(json.dumps(document), encoding="utf-8")
    document["flags"]["reviewed"] = True
    (tmp_path / "ben" / "a.json").write_text(json.dumps(document), encoding="utf-8")
    found = read_annotators([tmp_path / "anna", tmp_path / "ben"])
    assert list(found.images["anna"]) == ["b"]
    assert sorted(found.images["ben"]) == ["a", "b"]
    assert found.unknown == {"anna": 1, "ben": 0}


def test_boxes_that_were_all_deleted_are_an_opinion_even_without_the_tick(tmp_path: Path) -> None:
    proposed = Prelabels("model", (Prelabel("fracture", Box(1, 1, 9, 9), 0.9),))
    for name in ("anna", "ben"):
        labelme(tmp_path / name / "b.json", "b.png")
    document = new_document("a.png", (10, 10), proposed) | {"shapes": []}
    (tmp_path / "anna" / "a.json").write_text(json.dumps(document), encoding="utf-8")
    found = read_annotators([tmp_path / "anna", tmp_path / "ben"])
    assert found.images["anna"]["a"].status is Status.NEGATIVE
    assert found.unknown == {"anna": 0, "ben": 0}


def test_folders_of_one_name_go_by_their_paths(tmp_path: Path) -> None:
    for name in ("x", "y"):
        labelme(tmp_path / name / "labels" / "a.json", "a.png", "fracture")
    paths = [tmp_path / name / "labels" for name in ("x", "y")]
    assert list(read_annotators(paths).images) == [str(path) for path in paths]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    for name in ("anna", "ben"):
        labelme(tmp_path / name / "a.json", "a.png", "fracture")
    (tmp_path / "ben" / "b.json").write_text("{", encoding="utf-8")
    found = read_annotators([tmp_path / "anna", tmp_path / "ben"], from_format="labelme")
    assert not found.ledgers["anna"].image_entries
    assert found.ledgers["ben"].left_out_by_reason() == {"unreadable-annotation": 1}


def test_one_annotator_is_not_enough(tmp_path: Path) -> None:
    labelme(tmp_path / "anna" / "a.json", "a.png", "fracture")
    with pytest.raises(AnnotationError, match="has one annotator, and two are needed"):
        read_annotators([tmp_path / "anna"])


def test_the_same_folder_twice_is_a_mistake(tmp_path: Path) -> None:
    labelme(tmp_path / "anna" / "a.json", "a.png", "fracture")
    with pytest.raises(AnnotationError, match="is named twice"):
        read_annotators([tmp_path / "anna", tmp_path / "anna"])


def test_two_annotations_of_one_image_are_refused(tmp_path: Path) -> None:
    labelme(tmp_path / "anna" / "a.json", "a.png", "fracture")
    labelme(tmp_path / "anna" / "copy of a.json", "a.png")
    labelme(tmp_path / "ben" / "a.json", "a.png")
    with pytest.raises(AnnotationError, match=r"a\.json and copy of a\.json are both about"):
        read_annotators([tmp_path / "anna", tmp_path / "ben"])
