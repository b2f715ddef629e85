from collections.abc import Callable
from pathlib import Path

import pytest

from lucency.annotations.geometry import Box
from lucency.api.prelabel import BundlePrelabeller, open_prelabeller, uncertainty
from lucency.configs.bundle import Bundle
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions
from lucency.datasets.radiographs import decode_radiograph

Png = Callable[..., bytes]


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [
        (0.0, 0.2, 0.0),
        (0.1, 0.2, 0.5),
        (0.2, 0.2, 1.0),
        (0.6, 0.2, 0.5),
        (1.0, 0.2, 0.0),
        (0.3, 0.0, 0.7),
        (0.3, 1.0, 0.3),
        (0.0, 0.0, 1.0),
    ],
)
def test_uncertainty_is_greatest_at_the_threshold(
    score: float, threshold: float, expected: float
) -> None:
    assert uncertainty(score, threshold=threshold) == pytest.approx(expected)


def test_boxes_above_the_operating_point_are_proposed(detector_bundle: Bundle, png: Png) -> None:
    prelabeller = BundlePrelabeller(detector_bundle)
    found = prelabeller(decode_radiograph(png(128, 128), name="x.png"))
    # The bundle's third box, 0.35, is below its threshold of 0.5.
    assert [(box.label, round(box.score, 3)) for box in found.boxes] == [
        ("fracture", 0.9), ("lesion", 0.6),
    ]  # fmt: skip
    assert found.boxes[0].box.width == pytest.approx(32)
    assert found.model == f"stand-in-detector {detector_bundle.digest[:12]}"
    assert found.best_score == pytest.approx(0.9)
    # 0.9 gives 0.2, 0.6 gives 0.8, and the box that is not proposed 0.7.
    assert found.uncertainty == pytest.approx(0.8, abs=1e-6)
    assert prelabeller.class_names == ("fracture", "lesion")


def test_boxes_that_the_edge_leaves_nothing_of_are_not_proposed(
    detector_bundle: Bundle, png: Png
) -> None:
    # 128 x 64 pixels fill the upper half of the square; the lesion lies in the lower.
    found = BundlePrelabeller(detector_bundle)(decode_radiograph(png(128, 64), name="x.png"))
    assert [(box.label, box.box) for box in found.boxes] == [("fracture", Box(16, 16, 48, 48))]


def test_the_bundles_own_looks_are_taken(
    tmp_path: Path, make_detector: Callable[..., Bundle], png: Png
) -> None:
    """Thresholds hold for them: a box that the mirror image lacks scores half."""
    bundle = make_detector(
        tmp_path / "own", boxes=[(16, 16, 16, 16, 0.9, 0.1)], inference=InferenceOptions(flip=True)
    )
    found = BundlePrelabeller(bundle)(decode_radiograph(png(128, 128), name="x.png"))
    assert found.best_score == pytest.approx(0.45)
    assert found.boxes == ()


def test_a_classifier_cannot_propose_boxes(classifier_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="a detector was expected"):
        BundlePrelabeller(classifier_bundle)


def test_a_shipped_bundle_goes_by_its_name(tmp_path: Path) -> None:
    assert open_prelabeller("fracture").class_names == ("fractured",)
    with pytest.raises(BundleError, match="no such bundle"):
        open_prelabeller(str(tmp_path / "absent"))


def test_a_fused_bundle_is_refused(tmp_path: Path, make_detector: Callable[..., Bundle]) -> None:
    spec = FusionSpec(
        classifier="whole",
        classifier_sha256="0" * 64,
        label="tb",
        box_weight=1,
        image_weight=1,
        intercept=0,
        image_high=0.7,
        image_low=0.2,
    )
    with pytest.raises(BundleError, match="fused with the classifier 'whole'"):
        BundlePrelabeller(make_detector(tmp_path / "fused", fusion=spec))
