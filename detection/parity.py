"""The parity gate: an exported network must find what its torch network finds, or is refused.

Three things are compared on the whole validation split: the raw heads, anchor by anchor; the
boxes, torch's detections against those of the exported network; and average precision. What is
allowed depends on the precision of the weights (`LIMITS`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.records import Dataset, ImageRecord
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.decode import decode, letterbox
from lucency.detection.detector import DEFAULT_IOU, LEAST_SCORE, Detector
from lucency.detection.predictions import EVALUATION_DETECTIONS, split_truths
from lucency.evaluation.average_precision import AveragePrecision, average_precision
from lucency.evaluation.boxes import ImagePredictions
from lucency.evaluation.matching import iou_matrix

Precision = Literal["fp32", "fp16", "int8"]
# Of torch's detections those with such a score, or a higher one, must be found again.
MATCHED_FROM = 0.1
LEAST_IOU = 0.9


@dataclass(frozen=True)
class ParityLimits:
    """What a precision may lose.

    ``probability`` and ``box_px`` limit the raw head, None where rounding alone exceeds any sense;
    ``score`` is how far the score of a matched box may lie off, ``matched`` the least share of
    torch's detections that are matched, ``drop`` how far AP50 and AP50-95 may fall.
    """

    probability: float | None
    box_px: float | None
    score: float
    matched: float
    drop: float


# In single precision another order of sums moves results by about 1e-5; more is a fault.
LIMITS: Mapping[Precision, ParityLimits] = MappingProxyType(
    {
        "fp32": ParityLimits(1e-3, 0.1, score=1e-3, matched=1.0, drop=0.001),
        "fp16": ParityLimits(None, None, score=0.01, matched=0.99, drop=0.005),
        "int8": ParityLimits(None, None, score=0.1, matched=0.9, drop=0.02),
    }
)


@dataclass(frozen=True)
class Parity:
    """How far an exported network lies from its torch network.

    ``probability`` is the largest difference on the raw head over all anchors and classes,
    ``box_px`` that of a box in input pixels over the anchors that could become a detection.
    ``matched`` is the share of torch's ``detections`` (scores from `MATCHED_FROM`) that the
    exported network finds, too: same class, IoU of at least `LEAST_IOU`, score within the limit;
    None where torch detects nothing. The drops are AP of torch less that of the exported network,
    None without truth.
    """

    images: int
    probability: float
    box_px: float
    detections: int
    matched: float | None
    map50_drop: float | None
    map50_95_drop: float | None

    def to_manifest(self) -> dict[str, float]:
        """The figures by name; those that cannot be measured are left out."""
        return {name: float(value) for name, value in asdict(self).items() if value is not None}


def measure_parity(
    network: Any,
    detector: Detector,
    dataset: Dataset,
    records: Sequence[ImageRecord],
    *,
    precision: Precision,
    on_image: Callable[[int, int], None] | None = None,
) -> Parity:
    """Run the torch network and the exported one on the same images.

    ``network`` is Ultralytics' torch module; ``detector`` has no calibration yet.
    ``on_image`` is told how many of how many images are done.

    Raises
    ------
    ImageError
        An image cannot be read.

    """
    network = network.float().eval()
    limit = LIMITS[precision].score
    worst_probability, worst_box, matched, detections = 0.0, 0.0, 0, 0
    expected: list[ImagePredictions] = []
    found: list[ImagePredictions] = []
    for number, record in enumerate(records, start=1):
        shown = display(read_radiograph(dataset.image_path(record)), detector.manifest.display)
        batch, placed = letterbox(shown.image, input_size=detector.manifest.input_size)
        heads = (torch_head(network, batch), detector.raw(batch)[0])
        difference = np.abs(heads[0] - heads[1])
        candidates = heads[0][4:].max(axis=0) > LEAST_SCORE
        worst_probability = max(worst_probability, float(difference[4:].max()))
        worst_box = max(worst_box, float(difference[:4, candidates].max(initial=0.0)))
        for head, predictions in zip(heads, (expected, found), strict=True):
            boxes, probabilities = decode(
                head,
                placed,
                conf=LEAST_SCORE,
                iou=DEFAULT_IOU,
                max_detections=EVALUATION_DETECTIONS,
            )
            stored = shown.to_stored(boxes.astype(np.float64))
            predictions.append(_as_predictions(str(record.image), stored, probabilities))
        detections += int(np.count_nonzero(expected[-1].scores >= MATCHED_FROM))
        matched += matched_boxes(expected[-1], found[-1], score=limit)
        if on_image is not None:
            on_image(number, len(records))
    before, after = (_precision(dataset, records, one) for one in (expected, found))
    return Parity(
        images=len(records),
        probability=worst_probability,
        box_px=worst_box,
        detections=detections,
        matched=matched / detections if detections else None,
        map50_drop=_drop(before.map50, after.map50),
        map50_95_drop=_drop(before.map50_95, after.map50_95),
    )


def torch_head(network: Any, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """The raw head (4 + C, N) of an Ultralytics network for one image (1, 3, h, w)."""
    import torch

    with torch.no_grad():
        output = network(torch.from_numpy(batch))
    return np.asarray((output[0] if isinstance(output, tuple) else output)[0], dtype=np.float32)


def matched_boxes(expected: ImagePredictions, found: ImagePredictions, *, score: float) -> int:
    """How many of the ``expected`` boxes from `MATCHED_FROM` on stand among the ``found``, too.

    Each found box answers for one expected box, the best expected one first.
    """
    overlap = iou_matrix(expected.boxes_xyxy, found.boxes_xyxy)
    fits = overlap >= LEAST_IOU
    fits &= expected.class_ids[:, None] == found.class_ids[None, :]
    fits &= np.abs(expected.scores[:, None] - found.scores[None, :]) <= score
    free = np.ones(len(found.scores), dtype=np.bool_)
    count = 0
    for row in np.argsort(-expected.scores, kind="stable"):
        able = np.flatnonzero(fits[row] & free)
        if expected.scores[row] >= MATCHED_FROM and able.size:
            free[able[np.argmax(overlap[row, able])]] = False
            count += 1
    return count


def refusal(parity: Parity, precision: Precision) -> str | None:
    """Why the exported network may not be used, with the figures; None if it may."""
    limits = LIMITS[precision]
    told: list[tuple[str, float | None, float | None, bool]] = [
        ("probability off by {:.1e} (at most {})", parity.probability, limits.probability, True),
        ("boxes off by {:.2f} px (at most {})", parity.box_px, limits.box_px, True),
        (
            f"{{:.1%}} of {parity.detections} boxes found again with IoU {LEAST_IOU} and scores "
            f"within {limits.score} (at least {{:.0%}})",
            parity.matched,
            limits.matched,
            False,
        ),
        ("AP50 lower by {:.4f} (at most {})", parity.map50_drop, limits.drop, True),
        ("AP50-95 lower by {:.4f} (at most {})", parity.map50_95_drop, limits.drop, True),
    ]
    broken = [
        text.format(value, limit)
        for text, value, limit, at_most in told
        if value is not None
        and limit is not None
        and not (value <= limit if at_most else value >= limit)
    ]
    return ", ".join(broken) or None


def _as_predictions(
    image: str, boxes_xyxy: NDArray[np.float64], probabilities: NDArray[np.float32]
) -> ImagePredictions:
    scores = probabilities.max(axis=1, initial=0.0).astype(np.float64)
    return ImagePredictions(image, boxes_xyxy, scores, probabilities.argmax(axis=1))


def _precision(
    dataset: Dataset, records: Sequence[ImageRecord], predictions: Sequence[ImagePredictions]
) -> AveragePrecision:
    truths = split_truths(dataset, records)
    return average_precision(truths, predictions, class_names=dataset.label_map.names)


def _drop(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else before - after
