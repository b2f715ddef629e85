"""One radiograph through one or several detectors, with tiles and flip: what `predict` calls.

Within a bundle raw scores are put together, and its calibration comes last, so that a bundle can be
calibrated with the options it is used with. Several bundles are fused as calibrated probabilities.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from numpy.typing import NDArray

from lucency.configs.display import DisplaySpec
from lucency.configs.inference import InferenceOptions, TileSpec
from lucency.datasets.display import Displayed, display
from lucency.datasets.radiographs import Radiograph
from lucency.detection.box_fusion import FUSION_IOU, fuse, union_of_classes
from lucency.detection.detections import Detections, above
from lucency.detection.detector import (
    DEFAULT_CONF,
    DEFAULT_IOU,
    LEAST_SCORE,
    MAX_DETECTIONS,
    Detector,
)
from lucency.detection.flips import Look, with_flip
from lucency.detection.tiles import look_in_tiles, merge_tiles

__all__ = ["InferenceOptions", "Show", "TileSpec", "detect", "names_of"]

# The display function, or one that remembers what it has shown.
Show = Callable[[Radiograph, DisplaySpec], Displayed]


def names_of(detectors: Sequence[Detector]) -> tuple[str, ...]:
    """The classes that `detect` answers with: those of all detectors, the first one's first."""
    return union_of_classes([detector.manifest.class_names for detector in detectors])


def detect(
    detectors: Sequence[Detector],
    radiograph: Radiograph,
    *,
    options: InferenceOptions | None = None,
    conf: float = DEFAULT_CONF,
    iou: float = DEFAULT_IOU,
    max_detections: int = MAX_DETECTIONS,
    show: Show = display,
) -> Detections:
    """Find boxes in one radiograph, in pixels of the stored image, best first.

    Parameters
    ----------
    detectors
        One or more. What several find is fused (`box_fusion.fuse`); their classes may differ.
    radiograph
        As decoded.
    options
        None: each bundle's own, which its thresholds were chosen with.
    conf
        Boxes whose score is not above this are left out; in calibrated units. Scores do not
        depend on it. What is put together has scores from `LEAST_SCORE` on.
    iou
        Of two boxes of one class that overlap more than this, the weaker one is left out. Where
        boxes are fused, `FUSION_IOU` holds if it is lower.
    max_detections
        At most so many boxes.
    show
        Makes the image that a detector sees.

    Raises
    ------
    ValueError
        There is no detector.

    """
    if not detectors:
        raise ValueError("detect needs at least one detector")
    if len(detectors) == 1:
        return _one(
            detectors[0],
            radiograph,
            options,
            conf=conf,
            iou=iou,
            max_detections=max_detections,
            show=show,
        )
    # What one model doubts counts against what another is sure of, however low ``conf`` is.
    iou = min(iou, FUSION_IOU)
    answers = [
        _one(one, radiograph, options, conf=LEAST_SCORE, iou=iou, show=show) for one in detectors
    ]
    return above(fuse(answers), conf=conf, most=max_detections)


def _one(
    detector: Detector,
    radiograph: Radiograph,
    options: InferenceOptions | None,
    *,
    conf: float,
    iou: float,
    show: Show,
    max_detections: int = MAX_DETECTIONS,
) -> Detections:
    """What one bundle finds."""
    chosen = detector.manifest.inference if options is None else options
    spec = detector.manifest.display
    if not chosen.flip and chosen.tiles is None:
        shown = show(radiograph, spec)
        found = detector.detect_image(
            shown.image, conf=conf, iou=iou, max_detections=max_detections
        )
        return _moved(found, shown.to_stored)
    look: Look = partial(detector.candidates, iou=min(iou, FUSION_IOU) if chosen.flip else iou)
    if chosen.flip:
        look = with_flip(look)
    found = _raw(look, radiograph, spec, chosen.tiles, show)
    return detector.calibrated(found, conf=conf, max_detections=max_detections)


def _raw(
    look: Look, radiograph: Radiograph, spec: DisplaySpec, tiles: TileSpec | None, show: Show
) -> Detections:
    """What a look at the whole, and at its tiles, finds: raw scores, stored pixels."""
    shown = show(radiograph, spec)
    whole = _moved(look([shown.image])[0], shown.to_stored)
    if tiles is None:
        return whole
    # Crop, percentiles and CLAHE are those of the whole image; only the reduction is left out.
    full = shown if spec.longest_side is None else show(radiograph, _unreduced(spec))
    height, width = full.image.shape
    found = merge_tiles(
        _moved(whole, full.to_displayed),
        look_in_tiles(full.image, tiles, look),
        size_wh=(width, height),
    )
    return _moved(found, full.to_stored)


def _unreduced(spec: DisplaySpec) -> DisplaySpec:
    return spec.model_copy(update={"longest_side": None})


def _moved(found: Detections, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Detections:
    return found.moved(move(found.boxes_xyxy))
