"""Our ONNX detector finds what torch finds with the same weights; what does not is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.decode import decode, letterbox
from lucency.detection.onnx_export import export_onnx
from lucency.detection.parity import Parity, Precision, matched_boxes, refusal
from lucency.detection.weights import load_checkpoint
from lucency.evaluation.boxes import ImagePredictions
from lucency.evaluation.matching import iou_matrix

CONF, IOU = 0.02, 0.7


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
@pytest.mark.parametrize("weights", ["yolo11n_coco_8bit.pt", "yolo26n_coco_8bit.pt"])
def test_same_boxes_and_scores(lucency_data: Path, tmp_path: Path, weights: str) -> None:
    import onnxruntime

    checkpoint = lucency_data / "weights" / weights
    model = load_checkpoint(checkpoint)
    data = export_onnx(checkpoint, image_size=640)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    images = [
        *sorted((lucency_data / "fracatlas/images/Fractured").glob("*.jpg"))[:6],
        *sorted((lucency_data / "tbx11k/images/train").iterdir())[:3],
        lucency_data / "formats/labelme/v5/primitives/primitives.jpg",
        *sorted((lucency_data / "formats/labelme/v4/cls").glob("*.jpg")),
    ]
    compared = 0
    for path in images:
        grey = display(read_radiograph(path), DisplaySpec()).image
        colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
        expected = model.predict(colour, imgsz=640, conf=CONF, iou=IOU, verbose=False)[0].boxes
        batch, placed = letterbox(grey, input_size=640)
        raw = session.run(None, {"images": batch})[0][0]
        boxes, probabilities = decode(raw, placed, conf=CONF, iou=IOU, max_detections=300)
        assert len(boxes) == len(expected), path.name
        if not len(boxes):
            continue
        overlap = iou_matrix(boxes.astype(np.float64), expected.xyxy.numpy().astype(np.float64))
        # Equal scores may come in another order, so each box is compared with its nearest.
        nearest = overlap.argmax(axis=1)
        assert overlap.max(axis=1).min() >= 0.99, path.name
        assert sorted(nearest.tolist()) == list(range(len(boxes)))
        scores = expected.conf.numpy()[nearest]
        np.testing.assert_allclose(probabilities.max(axis=1), scores, atol=1e-3)
        classes = expected.cls.numpy()[nearest].astype(int)
        assert probabilities.argmax(axis=1).tolist() == classes.tolist()
        compared += len(boxes)
    assert compared >= 30


def predictions(*rows: tuple[float, float, int]) -> ImagePredictions:
    """Boxes of 100 px from (left edge, score, class)."""
    boxes = np.array([[x, 0, x + 100, 100] for x, _, _ in rows], dtype=np.float64)
    scores = np.array([score for _, score, _ in rows])
    class_ids = np.array([class_id for _, _, class_id in rows], dtype=np.int64)
    return ImagePredictions("a", boxes.reshape(-1, 4), scores, class_ids)


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ([(0, 0.5, 0), (300, 0.3, 1)], 2),
        ([(4, 0.55, 0), (300, 0.3, 1)], 2),
        ([(20, 0.5, 0), (300, 0.3, 1)], 1),
        ([(0, 0.7, 0), (300, 0.3, 1)], 1),
        ([(0, 0.5, 1), (300, 0.3, 1)], 1),
        ([(0, 0.5, 0)], 1),
        ([], 0),
    ],
    ids=["same", "near", "moved", "other score", "other class", "missing", "none"],
)
def test_boxes_are_found_again(found: list[tuple[float, float, int]], count: int) -> None:
    expected = predictions((0, 0.5, 0), (300, 0.3, 1), (600, 0.05, 0))
    assert matched_boxes(expected, predictions(*found), score=0.1) == count


def test_a_box_answers_for_one_box_only() -> None:
    twice = predictions((0, 0.5, 0), (1, 0.5, 0))
    assert matched_boxes(twice, predictions((0, 0.5, 0)), score=0.1) == 1


EQUAL = {
    "images": 9, "probability": 0.0, "box_px": 0.0, "detections": 40, "matched": 1.0,
    "map50_drop": 0.0, "map50_95_drop": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("precision", "changes", "told"),
    [
        ("fp32", {}, None),
        ("fp32", {"probability": 0.02}, "probability off by 2.0e-02 (at most 0.001)"),
        ("fp32", {"box_px": 3.0}, "boxes off by 3.00 px (at most 0.1)"),
        ("fp16", {"probability": 0.02, "box_px": 3.0}, None),
        ("fp16", {"map50_drop": 0.006}, "AP50 lower by 0.0060 (at most 0.005)"),
        ("fp16", {"map50_drop": -0.2}, None),
        ("int8", {"matched": 0.85}, "85.0% of 40 boxes found again"),
        ("int8", {"map50_95_drop": 0.03}, "AP50-95 lower by 0.0300 (at most 0.02)"),
        ("int8", {"matched": float("nan")}, "nan% of 40 boxes"),
        ("int8", {"detections": 0, "matched": None, "map50_drop": None}, None),
    ],
)
def test_what_differs_too_much_is_refused_with_the_figures(
    precision: Precision, changes: dict[str, float], told: str | None
) -> None:
    found = refusal(Parity(**{**EQUAL, **changes}), precision)
    assert (found is None) if told is None else (found is not None and told in found)


def test_the_manifest_has_what_was_measured() -> None:
    nothing = Parity(**{**EQUAL, "matched": None, "map50_drop": None, "map50_95_drop": None})
    assert nothing.to_manifest() == {
        "images": 9.0, "probability": 0.0, "box_px": 0.0, "detections": 40.0,
    }  # fmt: skip
