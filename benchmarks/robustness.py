"""How a detector's figures move when the same radiographs come from another room.

    python benchmarks/robustness.py SET MODEL [MODEL …] --split val

Every image of the split is changed in one way that another machine, archive or export would
change it, findings included where the geometry changes; each model is measured on the same
pixels. MODEL is a bundle or an Ultralytics checkpoint (.pt). Prints a Markdown table of mAP50.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Status
from lucency.annotations.records import read_dataset
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import Radiograph, read_radiograph
from lucency.detection.detector import DEFAULT_IOU, open_detector
from lucency.detection.offline_ultralytics import import_ultralytics
from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.boxes import ImagePredictions, truth_from_findings

Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Change = Callable[[Image, np.random.Generator], tuple[Image, float, tuple[int, int]]]
LEAST_SCORE, MOST_BOXES = 0.001, 100
_STAYS = (1.0, (0, 0))


def main() -> None:
    """Measure each model under each change."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--image-size", type=int, default=416, help="of checkpoints, in pixels")
    options = parser.parse_args()
    models = [_opened(path, options.image_size) for path in options.models]
    dataset = read_dataset(options.set)
    records = [r for r in dataset.in_split(options.split) if r.status is not Status.UNKNOWN]
    names = " | ".join(f"{path.parent.name}/{path.name}" for path in options.models)
    print(f"| change | {names} |\n|---{'|---' * len(models)}|")
    for label, change in CHANGES.items():
        random = np.random.default_rng(0)
        truths, found = [], [[] for _ in models]
        for record in records:
            shown = display(read_radiograph(dataset.image_path(record)), DisplaySpec()).image
            image, scale, (left, top) = change(shown, random)
            truth = truth_from_findings(
                dataset.findings(record),
                image=str(record.image),
                size_wh=(image.shape[1], image.shape[0]),
                label_map=dataset.label_map,
            )
            moved = truth.boxes_xyxy * scale + np.array([left, top, left, top])
            truths.append(replace(truth, boxes_xyxy=moved))
            for model, of_model in zip(models, found, strict=True):
                of_model.append(model(image, str(record.image)))
        figures = (
            average_precision(truths, each, class_names=dataset.label_map.names).map50
            for each in found
        )
        print(
            f"| {label} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |", flush=True
        )


def _opened(path: Path, image_size: int) -> Callable[[Image, str], ImagePredictions]:
    if path.suffix != ".pt":
        detector = open_detector(path)

        def by_bundle(image: Image, name: str) -> ImagePredictions:
            radiograph = Radiograph(image, 8, "png")
            found = detector.detect(radiograph, conf=LEAST_SCORE, max_detections=MOST_BOXES)
            return found.to_predictions(name)

        return by_bundle
    model = import_ultralytics().YOLO(str(path))

    def by_checkpoint(image: Image, name: str) -> ImagePredictions:
        (found,) = model.predict(
            cv2.cvtColor(image, cv2.COLOR_GRAY2BGR),
            imgsz=image_size,
            conf=LEAST_SCORE,
            iou=DEFAULT_IOU,
            max_det=MOST_BOXES,
            verbose=False,
        )
        boxes: Any = found.boxes
        return ImagePredictions(
            name,
            boxes.xyxy.numpy().astype(np.float64),
            boxes.conf.numpy().astype(np.float64),
            boxes.cls.numpy().astype(np.int64),
        )

    return by_checkpoint


def _levels(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Change:
    """A change of grey levels: ``curve`` maps 0..1 to 0..1."""
    table = np.clip(curve(np.arange(256) / 255.0) * 255, 0, 255).astype(np.uint8)
    return lambda image, random: (table[image], *_STAYS)


def _resized(longest: int) -> Change:
    def change(image: Image, random: np.random.Generator) -> tuple[Image, float, tuple[int, int]]:
        scale = longest / max(image.shape)
        how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        return cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), scale, (0, 0)

    return change


def _blurred(image: Image, random: np.random.Generator) -> tuple[Image, float, tuple[int, int]]:
    return cv2.GaussianBlur(image, (0, 0), max(image.shape) / 400), *_STAYS


def _noisy(image: Image, random: np.random.Generator) -> tuple[Image, float, tuple[int, int]]:
    noise = random.normal(0, 12, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), *_STAYS


def _margins(image: Image, random: np.random.Generator) -> tuple[Image, float, tuple[int, int]]:
    """A collimated field in a larger black plate with a bright side marker."""
    height, width = image.shape
    top, left = height // 3, width // 3
    plate = np.zeros((height + 2 * top, width + 2 * left), np.uint8)
    plate[top : top + height, left : left + width] = image
    size = max(image.shape) / 300
    cv2.putText(plate, "R", (left // 3, top), cv2.FONT_HERSHEY_SIMPLEX, size, 255, round(2 * size))
    return plate, 1.0, (left, top)


def _compressed(image: Image, random: np.random.Generator) -> tuple[Image, float, tuple[int, int]]:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8), *_STAYS


CHANGES: dict[str, Change] = {
    "as it is": lambda image, random: (image, *_STAYS),
    "darker (gamma 1.8)": _levels(lambda grey: grey**1.8),
    "brighter (gamma 0.55)": _levels(lambda grey: grey**0.55),
    "flat contrast (70 to 170 of 255)": _levels(lambda grey: (70 + 100 * grey) / 255),
    "black bone on white": _levels(lambda grey: 1 - grey),
    "1,000 px (enlarged)": _resized(1000),
    "256 px (reduced)": _resized(256),
    "blurred": _blurred,
    "noisy": _noisy,
    "black plate around it, side marker": _margins,
    "JPEG of quality 30": _compressed,
}

if __name__ == "__main__":
    main()
