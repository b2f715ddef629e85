"""Average precision, computed by pycocotools: the reference everyone's figures refer to."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.matching import pair_images

# COCO's own limits: of each image and class the 100 best predictions, and boxes of any area.
DEFAULT_MAX_DETECTIONS = 100
ANY_AREA = [0.0, 1e10]


@dataclass(frozen=True)
class ClassAveragePrecision:
    """Average precision of one class, in [0, 1]; None where the class has no truth.

    ``ap50`` at IoU 0.5, ``ap50_95`` the mean over IoU 0.50, 0.55, … 0.95; ``truths`` and
    ``predictions`` count boxes.
    """

    ap50: float | None
    ap50_95: float | None
    truths: int
    predictions: int


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """The curve at IoU 0.5: COCO's ``recall`` (101,), 0 to 1, and interpolated ``precision``."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of a set of images.

    ``map50`` and ``map50_95`` are means over the classes that have truth, None if there is none;
    ``per_class`` has every class; ``curves`` has those with truth.
    """

    map50: float | None
    map50_95: float | None
    per_class: Mapping[str, ClassAveragePrecision]
    curves: Mapping[str, PrecisionRecallCurve]


def average_precision(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    *,
    class_names: Sequence[str],
    max_detections: int = DEFAULT_MAX_DETECTIONS,
) -> AveragePrecision:
    """Average precision as COCO defines it (Lin et al. 2014), by pycocotools itself.

    Images without truth count: what is predicted there is false. Of each image and class the
    ``max_detections`` best predictions are used.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth, or a class id has no name.

    """
    pairs = list(pair_images(truths, predictions))
    truth_boxes, found_boxes = _annotations(pairs, class_count=len(class_names))
    precision = _precision(
        len(pairs), truth_boxes, found_boxes, class_names=class_names, limit=max_detections
    )
    per_class: dict[str, ClassAveragePrecision] = {}
    curves: dict[str, PrecisionRecallCurve] = {}
    recall = np.linspace(0.0, 1.0, precision.shape[1])
    for index, name in enumerate(class_names):
        count = sum(box["category_id"] == index + 1 for box in truth_boxes)
        per_class[name] = ClassAveragePrecision(
            ap50=_mean(precision[0, :, index]),
            ap50_95=_mean(precision[:, :, index]),
            truths=count,
            predictions=sum(box["category_id"] == index + 1 for box in found_boxes),
        )
        if count:
            curves[name] = PrecisionRecallCurve(recall, precision[0, :, index])
    return AveragePrecision(_mean(precision[0]), _mean(precision), per_class, curves)


def _annotations(
    pairs: Sequence[tuple[ImageTruth, ImagePredictions]], *, class_count: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Truths and predictions as COCO annotations; images are numbered from 1 in order."""
    truth_boxes: list[dict[str, Any]] = []
    found_boxes: list[dict[str, Any]] = []
    for image_id, (truth, found) in enumerate(pairs, start=1):
        ids = np.concatenate([truth.class_ids, found.class_ids])
        if ids.size and not 0 <= ids.min() <= ids.max() < class_count:
            raise ValueError(f"{truth.image}: class ids must be from 0 to {class_count - 1}")
        for box, class_id in zip(truth.boxes_xyxy, truth.class_ids, strict=True):
            truth_boxes.append(_annotation(image_id, box, class_id))
        rows = zip(found.boxes_xyxy, found.class_ids, found.scores, strict=True)
        for box, class_id, score in rows:
            found_boxes.append({**_annotation(image_id, box, class_id), "score": float(score)})
    for boxes in (truth_boxes, found_boxes):
        # pycocotools takes an annotation with id 0 for "not matched".
        for number, box in enumerate(boxes, start=1):
            box["id"] = number
    return truth_boxes, found_boxes


def _annotation(image_id: int, box: NDArray[np.float64], class_id: np.int64) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in box)
    return {
        "image_id": image_id,
        "category_id": int(class_id) + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": 0,
    }


def _precision(
    image_count: int,
    truth_boxes: list[dict[str, Any]],
    found_boxes: list[dict[str, Any]],
    *,
    class_names: Sequence[str],
    limit: int,
) -> NDArray[np.float64]:
    """COCO's precision: (10 IoUs, 101 recalls, classes), -1 for classes without truth."""
    images = [{"id": number} for number in range(1, image_count + 1)]
    categories = [{"id": number, "name": name} for number, name in enumerate(class_names, 1)]
    # pycocotools reports its progress with print.
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _index(images, categories, truth_boxes),
            _index(images, categories, found_boxes),
            "bbox",
        )
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [ANY_AREA], ["all"]
        evaluation.params.maxDets = [limit]
        evaluation.evaluate()
        evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"], dtype=np.float64)[..., 0, 0]


def _index(
    images: list[dict[str, int]],
    categories: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
) -> Any:
    coco = COCO()
    coco.dataset = {"images": images, "categories": categories, "annotations": annotations}
    coco.createIndex()
    return coco


def _mean(precision: NDArray[np.float64]) -> float | None:
    measured = precision[precision > -1]
    return float(measured.mean()) if measured.size else None
