"""COCO results: whose image, which class, what is refused, and that writing loses nothing."""

import contextlib
import io
import json
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lucency.annotations.findings import LabelMap, Status
from lucency.annotations.records import Dataset, ImageRecord
from lucency.configs.errors import AnnotationError, DatasetError
from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.coco_results import read_results, write_results, write_truth

NAMES = ("fracture", "lesion")


def made_set(*images: str, names: tuple[str, ...] = NAMES) -> Dataset:
    records = tuple(
        ImageRecord(PurePosixPath(image), "val", "", Status.ANNOTATED, 640, 480, image, "")
        for image in images
    )
    return Dataset(Path("set"), LabelMap(names), records)


DATASET = made_set("images/val/000042.png", "images/val/b.png", "images/test/c.png")


def entry(**values):
    usual = {"image_id": "b", "category_id": 1, "bbox": [10, 20, 30.5, 40], "score": 0.5}
    return usual | values


@pytest.fixture
def read(tmp_path):
    def written(document, dataset=DATASET, truth=None):
        path = tmp_path / "results.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        if truth is not None:
            (tmp_path / "truth.json").write_text(json.dumps(truth))
        return read_results(path, dataset, coco_truth=tmp_path / "truth.json" if truth else None)

    return written


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({"image_id": "b"}, "images/val/b.png"),
        ({"image_id": "b.png"}, "images/val/b.png"),
        ({"image_id": "images/val/b.png"}, "images/val/b.png"),
        ({"image_id": "elsewhere\\b.jpg"}, "images/val/b.png"),
        ({"image_id": 42}, "images/val/000042.png"),
        ({"image_id": 42.0}, "images/val/000042.png"),
        ({"image_id": 7, "file_name": "c.png"}, "images/test/c.png"),
    ],
    ids=str,
)
def test_an_image_is_known_by_each_of_its_names(read, values, image):
    found = read([entry(**values)])
    assert list(found.predictions) == [image]
    np.testing.assert_array_equal(found.predictions[image].boxes_xyxy, [[10, 20, 40.5, 60]])
    assert found.predictions[image].scores.tolist() == [0.5]


def test_ids_of_another_coco_file_are_looked_up_there(read):
    truth = {
        "images": [{"id": 1, "file_name": "c.png"}, {"id": 42, "file_name": "val/b.png"}],
        "categories": [{"id": 7, "name": "lesion"}, {"id": 9, "name": "hardware"}],
        "annotations": [],
    }
    results = [
        entry(image_id=42, category_id=7),
        entry(image_id=1, category_id=7),
        entry(image_id=1, category_id=9),
        entry(image_id=99, category_id=7),
    ]
    found = read(results, truth=truth)
    assert {name: one.class_ids.tolist() for name, one in found.predictions.items()} == {
        "images/val/b.png": [1],
        "images/test/c.png": [1],
    }
    assert "1 boxes of 1 images that the set does not have" in found.notes[0]
    assert "1 boxes of categories that the set does not have" in found.notes[1]
    assert "category_id 9" in found.notes[1]


@pytest.mark.parametrize(
    ("ids", "classes"), [([1, 2], [0, 1]), ([0, 1], [0, 1]), ([2], [1])], ids=str
)
def test_categories_are_the_sets_classes_in_order(read, ids, classes):
    found = read([entry(category_id=number) for number in ids])
    assert found.predictions["images/val/b.png"].class_ids.tolist() == classes
    assert "in the set's order" in found.notes[0]


def test_a_name_that_two_images_share_is_left_out_and_told(read):
    twice = made_set("images/val/b.png", "images/test/b.png", "images/val/d.png")
    found = read([entry(), entry(image_id="d")], twice)
    assert list(found.predictions) == ["images/val/d.png"]
    assert any("has twice by this name" in note for note in found.notes)


@pytest.mark.parametrize(
    ("image", "told"),
    [({"image_id": 42}, True), ({"image_id": 7, "file_name": "b.png"}, False), ({}, False)],
    ids=["number", "file name", "stem"],
)
def test_images_found_by_a_number_alone_are_told(read, image, told):
    """In another's file 42 may be any image, and not the one of that name."""
    found = read([entry(**image)])
    assert len(found.predictions) == 1
    assert any("matched by the numbers" in note for note in found.notes) is told


def test_no_results_are_no_predictions(read):
    assert read([]).predictions == {}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"annotations": []}, "must be a list of COCO results"),
        ([[]], r"results.json: \[0\]: must have image_id"),
        ([{"image_id": 1, "category_id": 1, "score": 1}], "must have image_id"),
        ([entry(bbox=[1, 2, 3])], r"\[0\].bbox: must be \[x, y, width, height\]"),
        ([entry(bbox=[1, 2, -3, 4])], "bbox: must be"),
        ([entry(bbox=[1, 2, 1e300, 4])], "bbox: must be"),
        ([entry(bbox="1 2 3 4")], "bbox: must be"),
        ([entry(bbox=[1, 2, True, 4])], "bbox: must be"),
        ([entry(), entry(score=1.5)], r"\[1\].score: must be a number from 0 to 1, got 1.5"),
        ([entry(score="high")], "score: must be"),
        ([entry(category_id="fracture")], "category_id: must be a whole number"),
        ([entry(category_id=3)], "category_id 3 is none of 1 to 2"),
        ([entry(image_id="x")], 'its first has the image_id "x"'),
        ([entry(image_id=None)], "no result fits"),
        ([entry(image_id={})], "no result fits"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_nonsense_is_refused_in_one_sentence(read, document, problem):
    with pytest.raises(DatasetError, match=problem) as caught:
        read(document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[{", '[{"score": NaN}'], ids=str)
def test_what_is_no_json_is_refused(read, text):
    with pytest.raises(AnnotationError, match="not valid JSON"):
        read(text)


def test_not_a_number_is_refused_with_its_place(read):
    with pytest.raises(DatasetError, match=r"\[0\].score"):
        read(json.dumps([entry(score=float("nan"))]))


def test_categories_of_another_task_are_refused(read):
    truth = {"images": [], "categories": [{"id": 1, "name": "cat"}], "annotations": []}
    with pytest.raises(DatasetError, match=r"\['cat'\] are none of the set's classes"):
        read([entry()], truth=truth)


@pytest.fixture
def measured():
    """Predictions near the truths of three images, one without either."""
    rng = np.random.default_rng(2)
    truths, predictions = [], []
    for record in DATASET.records:
        count = 0 if record.image.name == "c.png" else 4
        corner = rng.uniform(0, 300, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 120, (count, 2))], axis=1)
        ids = rng.integers(0, 2, count)
        moved = np.float32(boxes + rng.normal(0, 6, boxes.shape)).astype(np.float64)
        truths.append(ImageTruth(str(record.image), (640, 480), boxes, ids))
        scores = np.float32(rng.uniform(0, 1, count)).astype(np.float64)
        predictions.append(ImagePredictions(str(record.image), moved, scores, ids))
    return truths, predictions


def test_what_is_written_is_read_as_it_was(measured, tmp_path):
    _, predictions = measured
    write_results(predictions, tmp_path / "p.json", dataset=DATASET)
    found = read_results(tmp_path / "p.json", DATASET).predictions
    for one in predictions:
        if len(one.scores):
            again = found[one.image]
            np.testing.assert_allclose(again.boxes_xyxy, one.boxes_xyxy, atol=2e-6)
            np.testing.assert_array_equal(again.scores, one.scores)
            np.testing.assert_array_equal(again.class_ids, one.class_ids)
    assert "images/test/c.png" not in found


def test_pycocotools_takes_truth_and_results_together(measured, tmp_path):
    truths, predictions = measured
    write_results(predictions, tmp_path / "p.json", dataset=DATASET)
    write_truth(truths, tmp_path / "t.json", dataset=DATASET)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "t.json"))
        evaluation = COCOeval(coco, coco.loadRes(str(tmp_path / "p.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ours = average_precision(truths, predictions, class_names=NAMES)
    assert evaluation.stats[1] == pytest.approx(ours.map50, abs=1e-9)
    assert 0 < ours.map50_95 < 1
    assert evaluation.stats[0] == pytest.approx(ours.map50_95, abs=1e-9)


def test_no_predictions_are_an_empty_list(tmp_path):
    write_results([], tmp_path / "p.json", dataset=DATASET)
    assert json.loads((tmp_path / "p.json").read_bytes()) == []
