"""Our ONNX detector finds what Ultralytics finds with the same weights, on real images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.decode import decode, letterbox
from lucency.detection.onnx_export import export_onnx
from lucency.detection.weights import load_checkpoint
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
