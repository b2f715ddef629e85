"""Fusion at run time, on a handful of boxes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionWeights
from lucency.detection.detections import Detections
from lucency.detection.detector import LEAST_SCORE
from lucency.detection.fusion import fusion_floor, refuse_fused, rescaled

WEIGHTS = FusionWeights(box_weight=1.0, image_weight=0.5, intercept=0.0)


def found(rows: Any, found_as: Any = None) -> Detections:
    probabilities = np.array(rows, dtype=np.float32).reshape(-1, 2)
    boxes = np.arange(4 * len(probabilities), dtype=np.float32).reshape(-1, 4)
    return Detections(boxes, probabilities, ("fracture", "lesion"), found_as)


def test_every_class_is_rescaled() -> None:
    """An image of odds 9 multiplies the boxes' odds by 3."""
    before = found([[0.5, 0.25], [0.1, 0.2]])
    after = rescaled(before, image_probability=0.9, weights=WEIGHTS)
    assert after.probabilities == pytest.approx(np.array([[0.75, 0.5], [0.25, 3 / 7]]))
    assert after.probabilities.dtype == np.float32
    assert (after.boxes_xyxy == before.boxes_xyxy).all()
    assert after.class_ids.tolist() == [0, 1]


def test_a_box_stays_what_it_was_found_as() -> None:
    """Calibration may leave another class more probable; fusion must not change the box's class."""
    after = rescaled(found([[0.3, 0.4]], np.array([0])), image_probability=0.5, weights=WEIGHTS)
    assert after.class_ids.tolist() == [0]
    assert after.scores == pytest.approx([0.3])


def test_no_boxes() -> None:
    assert len(rescaled(found([]), image_probability=0.9, weights=WEIGHTS)) == 0


@pytest.mark.parametrize(("calibration", "floor"), [({}, LEAST_SCORE), ({"a": 1}, 0.0)])
def test_the_floor_is_drawn_once(calibration: Any, floor: float) -> None:
    assert fusion_floor(cast(Any, SimpleNamespace(calibration=calibration))) == floor


def test_a_fused_bundle_needs_its_classifier() -> None:
    def bundle(fusion: Any) -> Bundle:
        manifest = cast(Any, SimpleNamespace(fusion=fusion))
        return Bundle(Path("bundle"), manifest, b"")

    refuse_fused(bundle(None))
    with pytest.raises(BundleError, match="fused with the classifier 'whole'"):
        refuse_fused(bundle(SimpleNamespace(classifier="whole")))
