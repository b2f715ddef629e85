from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucency.api.asking import Asked
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle
from lucency.configs.calibration import ClassCalibration
from lucency.configs.errors import BundleError
from lucency.configs.fusion import FusionSpec
from lucency.configs.inference import InferenceOptions, TileSpec

Png = Callable[..., bytes]
Make = Callable[..., Bundle]
ONE = ("fracture",)


@pytest.fixture
def fused(tmp_path: Path, make_detector: Make, make_classifier: Make) -> Callable[..., Pipeline]:
    """A detector of one box of score 0.6, threshold 0.5, fused with a classifier."""

    def build(probability: float, *, boxes: Any = None, **weights: float) -> Pipeline:
        classifier = make_classifier(tmp_path / f"c{probability}", probability=probability)
        values = {"box_weight": 1.0, "image_weight": 1.0, "intercept": 0.0, **weights}
        spec = FusionSpec(
            classifier=classifier.manifest.name,
            classifier_sha256=classifier.digest,
            label="tb",
            image_high=0.7,
            image_low=0.3,
            **values,  # type: ignore[arg-type]
        )
        found = [(32, 32, 16, 16, 0.6)] if boxes is None else boxes
        detector = make_detector(
            tmp_path / f"d{probability}", boxes=found, classes=ONE, fusion=spec
        )
        return Pipeline([detector, classifier])

    return build


@pytest.mark.parametrize(
    ("probability", "score"), [(0.5, 0.6), (0.75, 9 / 11), (0.25, None)], ids=str
)
def test_the_image_rescales_its_boxes(
    fused: Callable[..., Pipeline], png: Png, probability: float, score: float | None
) -> None:
    """Odds 3/2 times 3 are 9/2; times 1/3 they are 1/2, which is below the threshold."""
    report = fused(probability).analyze(png(), name="a").report
    assert [found.score for found in report.findings] == ([pytest.approx(score)] if score else [])
    assert report.models[0].calibrated is True


def test_a_doubtful_box_may_become_a_finding(fused: Callable[..., Pipeline], png: Png) -> None:
    """0.05 is far below the threshold of 0.5 before it is fused."""
    pipeline = fused(0.999, boxes=[(32, 32, 16, 16, 0.05)])
    (found,) = pipeline.analyze(png(), name="a").report.findings
    assert found.score == pytest.approx(1 / (1 + 19 / 999))


@pytest.mark.parametrize(
    ("probability", "score", "kind", "best"),
    [
        (0.75, 0.6, None, None),
        (0.75, 0.1, "no-box", 0.25),
        (0.6, 0.1, None, None),
        (0.25, 0.9, "box-without-image-finding", 0.75),
        (0.25, 0.1, None, None),
        (0.75, 0.0, "no-box", None),
    ],
)
def test_disagreements_are_flagged(
    fused: Callable[..., Pipeline],
    png: Png,
    probability: float,
    score: float,
    kind: str | None,
    best: float | None,
) -> None:
    pipeline = fused(probability, boxes=[(32, 32, 16, 16, score)])
    report = pipeline.analyze(png(), name="a").report
    assert [each.kind for each in report.flags] == ([kind] if kind else [])
    for each in report.flags:
        assert each.models == (f"d{probability}", f"c{probability}")
        assert (each.label, each.figures["image_probability"]) == ("tb", probability)
        assert each.figures.get("best_box_score") == (pytest.approx(best) if best else None)


def test_without_fusion_nothing_disagrees(
    detector_bundle: Bundle, classifier_bundle: Bundle, png: Png
) -> None:
    report = (
        Pipeline([detector_bundle, classifier_bundle])
        .analyze(png(), name="a", asked=Asked(conf=1))
        .report
    )
    assert report.findings == ()
    assert report.flags == ()


def test_the_id_tells_bundles_of_the_same_weights_apart(
    tmp_path: Path, make_detector: Make, png: Png
) -> None:
    plain = make_detector(tmp_path / "a" / "same")
    line = ClassCalibration(method="platt", slope=2.0)
    calibrated = make_detector(
        tmp_path / "b" / "same", calibration={"fracture": line, "lesion": line}
    )
    assert plain.digest == calibrated.digest
    reports = [Pipeline([one]).analyze(png(), name="a").report for one in (plain, calibrated)]
    assert reports[0].id != reports[1].id
    assert [report.models[0].calibrated for report in reports] == [False, True]
    # Odds 9 squared.
    assert reports[1].findings[0].score == pytest.approx(81 / 82)


@pytest.mark.parametrize(
    "options",
    [InferenceOptions(flip=True), InferenceOptions(tiles=TileSpec(size=64))],
    ids=["flip", "tiles"],
)
def test_options_are_applied_and_told(
    detector_bundle: Bundle, png: Png, options: InferenceOptions
) -> None:
    plain, other = (
        Pipeline([detector_bundle], options=each).analyze(png(256, 256), name="a").report
        for each in (None, options)
    )
    assert plain.models[0].inference == InferenceOptions()
    assert other.models[0].inference == options
    assert other.id != plain.id
    # The stand-in finds the same boxes in the mirrored image and in each tile.
    assert {f.box for f in other.findings} != {f.box for f in plain.findings}


def test_naming_a_bundles_own_options_changes_nothing(
    tmp_path: Path, make_detector: Make, png: Png
) -> None:
    own = InferenceOptions(flip=True)
    bundle = make_detector(tmp_path / "flips", inference=own)
    reports = [
        Pipeline([bundle], options=each).analyze(png(), name="a").report for each in (None, own)
    ]
    assert reports[0].id == reports[1].id
    assert reports[0].findings == reports[1].findings
    assert reports[0].models[0].inference == own


def test_an_ensemble_answers_as_one(tmp_path: Path, make_detector: Make, png: Png) -> None:
    """Both find one box, at 0.9 and 0.7; one alone finds another, whose 0.8 counts half."""
    points = {"balanced": {"fracture": 0.3}}
    first = make_detector(
        tmp_path / "one", boxes=[(16, 16, 16, 16, 0.9), (48, 48, 16, 16, 0.8)], classes=ONE
    )
    second = make_detector(
        tmp_path / "two", boxes=[(16, 16, 16, 16, 0.7)], classes=ONE, operating_points=points
    )
    pipeline = Pipeline([first, second], ensemble=True)
    report = pipeline.analyze(png(), name="a").report
    assert [found.model for found in report.findings] == ["one + two"] * 2
    assert [found.score for found in report.findings] == pytest.approx([0.8, 0.4])
    (applied,) = report.thresholds
    assert applied.thresholds == {"fracture": pytest.approx(0.4)}
    assert [model.name for model in report.models] == ["one", "two"]
    assert report.timings_ms.models.keys() == {"one", "two"}
    assert report.id != Pipeline([first, second]).analyze(png(), name="a").report.id


def test_an_ensemble_needs_two_detectors_of_the_same_classes(
    tmp_path: Path, detector_bundle: Bundle, classifier_bundle: Bundle, make_detector: Make
) -> None:
    with pytest.raises(BundleError, match=r"two detectors or more, 1 is loaded"):
        Pipeline([detector_bundle, classifier_bundle], ensemble=True)
    other = make_detector(tmp_path / "other", boxes=[(16, 16, 16, 16, 0.9)], classes=ONE)
    with pytest.raises(BundleError, match=r"needs the same classes"):
        Pipeline([detector_bundle, other], ensemble=True)


def test_an_ensemble_takes_no_fused_detector(
    tmp_path: Path, make_detector: Make, make_classifier: Make
) -> None:
    classifier = make_classifier(tmp_path / "c", probability=0.5)
    spec = FusionSpec(
        classifier="c",
        classifier_sha256=classifier.digest,
        label="tb",
        box_weight=1,
        image_weight=1,
        intercept=0,
        image_high=0.7,
        image_low=0.3,
    )
    detectors = [make_detector(tmp_path / name, fusion=spec) for name in ("one", "two")]
    with pytest.raises(BundleError, match="fused with the classifier 'c'"):
        Pipeline([*detectors, classifier], ensemble=True)


def test_several_labels_are_rescaled_alike(
    tmp_path: Path, make_detector: Make, classifier_bundle: Bundle, png: Png
) -> None:
    spec = FusionSpec(
        classifier="stand-in-classifier",
        classifier_sha256=classifier_bundle.digest,
        label="tb",
        box_weight=1,
        image_weight=1,
        intercept=0,
        image_high=0.9,
        image_low=0.1,
    )
    detector = make_detector(tmp_path / "both", fusion=spec)
    report = (
        Pipeline([detector, classifier_bundle])
        .analyze(png(), name="a", asked=Asked(conf=0.05))
        .report
    )
    odds = {
        name: [box.probabilities[name] / (1 - box.probabilities[name]) for box in report.findings]
        for name in ("fracture", "lesion")
    }
    plain = np.array([(9, 1 / 9), (0.25, 1.5), (0.35 / 0.65, 0.05 / 0.95)])
    assert odds["fracture"] == pytest.approx(3 * plain[:, 0], rel=1e-4)
    assert odds["lesion"] == pytest.approx(3 * plain[:, 1], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "ensemble", "calibrated"),
    [
        (None, False, True),
        (InferenceOptions(), False, True),
        (InferenceOptions(flip=True), False, False),
        (None, True, False),
    ],
)
def test_scores_are_calibrated_only_as_they_were_fitted(
    tmp_path: Path,
    make_detector: Make,
    png: Png,
    options: InferenceOptions | None,
    ensemble: bool,
    calibrated: bool,
) -> None:
    line = ClassCalibration(method="platt", slope=2.0)
    both = {"fracture": line, "lesion": line}
    pair = [make_detector(tmp_path / name, calibration=both) for name in ("one", "two")]
    report = Pipeline(pair, options=options, ensemble=ensemble).analyze(png(), name="a").report
    assert [model.calibrated for model in report.models] == [calibrated, calibrated]


def test_naming_the_bundles_own_looks_changes_no_id(
    tmp_path: Path, make_detector: Make, classifier_bundle: Bundle, png: Png
) -> None:
    own = InferenceOptions(flip=True)
    both = [make_detector(tmp_path / "own", inference=own), classifier_bundle]
    plain, named = (Pipeline(both, options=options) for options in (None, own))
    assert plain.analyze(png(), name="a").report.id == named.analyze(png(), name="a").report.id


def test_another_input_size_gives_another_id(tmp_path: Path, make_detector: Make, png: Png) -> None:
    pair = [make_detector(tmp_path / part / "same", **more) for part, more in (
        ("a", {}), ("b", {"input_size": 128}),
    )]  # fmt: skip
    assert pair[0].digest == pair[1].digest
    assert len({Pipeline([one]).analyze(png(), name="a").report.id for one in pair}) == 2
