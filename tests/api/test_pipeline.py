import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle
from lucency.configs.errors import ConfigError, ImageError
from lucency.datasets.sandbox import Sandbox

Png = Callable[..., bytes]


@pytest.fixture(scope="module")
def pipeline(detector_bundle: Bundle, classifier_bundle: Bundle) -> Pipeline:
    return Pipeline([detector_bundle, classifier_bundle])


def test_same_image_and_parameters_give_the_same_report(pipeline: Pipeline, png: Png) -> None:
    first = pipeline.analyze(png(), name="a").report
    second = pipeline.analyze(png(), name="b").report
    assert first.model_dump(exclude={"timings_ms"}) == second.model_dump(exclude={"timings_ms"})
    assert first.image.sha256 == hashlib.sha256(png()).hexdigest()


@pytest.mark.parametrize(
    "parameters",
    [{"conf": 0.4}, {"operating_point": "screening"}, {"max_detections": 5}],
    ids=str,
)
def test_other_parameters_give_another_id(
    pipeline: Pipeline, png: Png, parameters: dict[str, Any]
) -> None:
    plain = pipeline.analyze(png(), name="a").report.id
    assert pipeline.analyze(png(), name="a", **parameters).report.id != plain


def test_naming_the_default_point_changes_nothing(pipeline: Pipeline, png: Png) -> None:
    plain = pipeline.analyze(png(), name="a").report
    named = pipeline.analyze(png(), name="a", operating_point="balanced").report
    assert named.id == plain.id


def test_naming_the_only_frame_changes_nothing(pipeline: Pipeline, png: Png) -> None:
    assert pipeline.analyze(png(), name="a", frame=1).report.id == (
        pipeline.analyze(png(), name="a").report.id
    )
    with pytest.raises(ImageError, match="there is no frame 2"):
        pipeline.analyze(png(), name="a", frame=2)


def test_a_sandbox_gives_the_same_reports(
    pipeline: Pipeline, detector_bundle: Bundle, classifier_bundle: Bundle, png: Png
) -> None:
    with Sandbox(workers=1, timeout_s=30) as sandbox:
        apart = Pipeline([detector_bundle, classifier_bundle], sandbox=sandbox)
        there, here = (each.analyze(png(), name="a").report for each in (apart, pipeline))
        assert there.model_dump(exclude={"timings_ms"}) == here.model_dump(exclude={"timings_ms"})
        with pytest.raises(ImageError, match=r"^a\.png: "):
            apart.analyze(b"no image", name="a.png")


def test_boxes_are_in_pixels_of_the_stored_image(pipeline: Pipeline, png: Png) -> None:
    """128 × 64 pixels are fitted into 64 × 32: every length doubles on the way back."""
    report = pipeline.analyze(png(128, 64), name="a").report
    box = report.findings[0].box
    assert (box.x1, box.x2) == (16.0, 48.0)
    normalised = report.findings[0].box_normalised
    assert normalised.x2 == pytest.approx(48 / 128)
    assert normalised.y2 == pytest.approx(box.y2 / 64)


def test_score_equal_to_the_threshold_is_kept(pipeline: Pipeline, png: Png) -> None:
    exact = float(np.float32(0.9))
    kept = pipeline.analyze(png(), name="a", conf=exact).report.findings
    assert [found.score for found in kept] == [exact]
    above = float(np.nextafter(exact, 1.0))
    assert pipeline.analyze(png(), name="a", conf=above).report.findings == ()


def test_thresholds_hold_for_each_class(pipeline: Pipeline, png: Png) -> None:
    """At `specific` the better fracture (0.9) misses its 0.95, the lesion (0.6) has its 0.55."""
    (found,) = pipeline.analyze(png(), name="a", operating_point="specific").report.findings
    assert found.label == "lesion"


def test_classifier_alone_finds_no_boxes(classifier_bundle: Bundle, png: Png) -> None:
    report = Pipeline([classifier_bundle]).analyze(png(), name="a").report
    assert report.findings == ()
    assert report.classifications[0].verdicts == {"tb": True}


@pytest.mark.parametrize("conf", [-0.1, 1.1, float("nan")])
def test_conf_must_be_a_probability(pipeline: Pipeline, png: Png, conf: float) -> None:
    with pytest.raises(ConfigError, match="conf"):
        pipeline.analyze(png(), name="a", conf=conf)


def test_errors_carry_the_name(pipeline: Pipeline) -> None:
    with pytest.raises(ImageError, match=r"^a\.png: "):
        pipeline.analyze(b"no image", name="a.png")


def test_two_bundles_of_one_network_both_answer(
    tmp_path: Path, make_classifier: Callable[..., Bundle], png: Png
) -> None:
    bundles = [make_classifier(tmp_path / name) for name in ("first", "second")]
    report = Pipeline(bundles).analyze(png(), name="a").report
    assert [answer.model for answer in report.classifications] == ["first", "second"]
