"""Heat map of a detection: which pixels drove this box.

A `.pt` checkpoint is asked by gradients (`gradient_map`), a bundle by hiding parts of the image
(`occlusion_map`). Either shows what the model reacts to, not whether it is right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ConfigError
from lucency.datasets.display import Displayed, display
from lucency.datasets.radiographs import Radiograph
from lucency.detection.checkpoint_detector import CheckpointDetector
from lucency.detection.decode import Letterbox, decode, letterbox
from lucency.detection.detector import DEFAULT_IOU, LEAST_SCORE, MAX_DETECTIONS, Detector
from lucency.detection.gradient_map import gradient_map
from lucency.detection.occlusion_map import Progress, occlusion_map
from lucency.detection.parity import torch_head
from lucency.detection.weights import load_checkpoint
from lucency.evaluation.heat import blend_heat, stored_heat
from lucency.evaluation.pictures import BoxKind, DrawnBox, box_of, draw_boxes

MASKS = 600
PICTURE_PX = 1200


@dataclass(frozen=True)
class Explanation:
    """One detection and its heat map.

    ``heat`` (H, W) float32 in pixels of the stored image, from 0 to 1, the hottest pixel 1;
    ``box_xyxy`` (4,) in the same pixels.
    """

    heat: NDArray[np.float32]
    box_xyxy: NDArray[np.float64]
    label: str
    score: float


def explain(
    model: Detector | CheckpointDetector,
    radiograph: Radiograph,
    detection_index: int = 0,
    *,
    masks: int = MASKS,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Explanation:
    """Explain one detection.

    Parameters
    ----------
    model
        A bundle's detector, or an open checkpoint.
    radiograph
        As decoded.
    detection_index
        Which detection, from 0, the best first; in one look at the whole image.
    masks, seed, on_progress
        For a bundle: as `occlusion_map` takes them.

    Raises
    ------
    ConfigError
        The model finds fewer boxes in the image.

    """
    if isinstance(model, Detector):
        return _by_occlusion(model, radiograph, detection_index, masks, seed, on_progress)
    return _by_gradients(model, radiograph, detection_index)


def draw_heat(radiograph: Radiograph, found: Explanation, spec: DisplaySpec) -> NDArray[np.uint8]:
    """The heat over the displayed image, with the box: (h, w, 3) RGB."""
    blended = blend_heat(radiograph, found.heat, spec)
    box = DrawnBox(box_of(found.box_xyxy), BoxKind.FOUND, f"{found.label} {found.score:.2f}")
    return draw_boxes(blended, [box], longest_side=PICTURE_PX)


def _by_occlusion(
    detector: Detector,
    radiograph: Radiograph,
    index: int,
    masks: int,
    seed: int,
    on_progress: Progress | None,
) -> Explanation:
    manifest = detector.manifest
    shown = display(radiograph, manifest.display)
    batch, placed = letterbox(shown.image, input_size=manifest.input_size)
    found = detector.detect_image(shown.image, conf=0.0 if manifest.calibration else LEAST_SCORE)
    _check(index, len(found))
    box, class_id = found.boxes_xyxy[index].astype(np.float64), int(found.class_ids[index])
    heat = occlusion_map(
        detector.raw,
        batch,
        box_xyxy=_in_input(box, placed),
        class_id=class_id,
        masks=masks,
        seed=seed,
        on_progress=on_progress,
    )
    return Explanation(
        heat=_in_stored(heat, placed, shown, radiograph),
        box_xyxy=shown.to_stored(box),
        label=manifest.class_names[class_id],
        score=float(found.scores[index]),
    )


def _by_gradients(
    checkpoint: CheckpointDetector, radiograph: Radiograph, index: int
) -> Explanation:
    # A fresh network: Ultralytics changes the one that it has predicted with.
    network = load_checkpoint(checkpoint.path).model.float().eval()
    shown = display(radiograph, checkpoint.display)
    batch, placed = letterbox(shown.image, input_size=checkpoint.image_size)
    head = torch_head(network, batch)
    boxes, probabilities = decode(
        head, placed, conf=LEAST_SCORE, iou=DEFAULT_IOU, max_detections=MAX_DETECTIONS
    )
    _check(index, len(boxes))
    box, class_id = boxes[index].astype(np.float64), int(probabilities[index].argmax())
    score = float(probabilities[index, class_id])
    heat = gradient_map(
        network,
        batch,
        anchor=_anchor_of(head, probabilities[index], _in_input(box, placed)),
        class_id=class_id,
    )
    return Explanation(
        heat=_in_stored(heat, placed, shown, radiograph),
        box_xyxy=shown.to_stored(box),
        label=checkpoint.class_names[class_id],
        score=score,
    )


def _check(index: int, count: int) -> None:
    if count == 0:
        raise ConfigError("the model finds nothing at all in this image, so nothing is to explain")
    if not 0 <= index < count:
        raise ConfigError(
            f"detection {index + 1}: there is no such box: the model finds {count} in this image, "
            f"numbered from 1, the best first; name one of those"
        )


def _anchor_of(
    head: NDArray[np.float32], probabilities: NDArray[np.float32], box_xyxy: NDArray[np.float64]
) -> int:
    """The column of the raw head (4 + C, N) that a detection came from."""
    same = np.flatnonzero((head[4:] == probabilities[:, None]).all(axis=0))
    centre = (box_xyxy[:2] + box_xyxy[2:]) / 2
    apart = np.abs(head[:2, same].T - centre).sum(axis=1)
    return int(same[np.argmin(apart)])


def _in_input(box_xyxy: NDArray[np.float64], placed: Letterbox) -> NDArray[np.float64]:
    """A box in displayed pixels as one in pixels of the network's input."""
    return np.asarray(box_xyxy * np.tile(placed.gain_xy, 2) + np.tile(placed.pad_xy, 2))


def _in_stored(
    heat: NDArray[np.float32], placed: Letterbox, shown: Displayed, radiograph: Radiograph
) -> NDArray[np.float32]:
    """A map (h, w) of the input as one of the stored image, without the padding, at most 1."""
    (width, height), (left, top) = placed.size_wh, placed.pad_xy
    inner_wh = (round(width * placed.gain_xy[0]), round(height * placed.gain_xy[1]))
    inside = heat[top : top + inner_wh[1], left : left + inner_wh[0]]
    return stored_heat(inside, shown, radiograph)
