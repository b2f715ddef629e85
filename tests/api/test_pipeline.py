import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lucency.api.asking import Asked
from lucency.api.batching import DeadlineError
from lucency.api.loading import load_bundles
from lucency.api.pipeline import Pipeline
from lucency.configs.bundle import Bundle
from lucency.configs.calibration import ClassCalibration
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
    assert pipeline.analyze(png(), name="a", asked=Asked(**parameters)).report.id != plain


def test_naming_the_default_point_changes_nothing(pipeline: Pipeline, png: Png) -> None:
    plain = pipeline.analyze(png(), name="a").report
    named = pipeline.analyze(png(), name="a", asked=Asked(operating_point="balanced")).report
    assert named.id == plain.id


def test_naming_the_only_frame_changes_nothing(pipeline: Pipeline, png: Png) -> None:
    assert pipeline.analyze(png(), name="a", asked=Asked(frame=1)).report.id == (
        pipeline.analyze(png(), name="a").report.id
    )
    with pytest.raises(ImageError, match="there is no frame 2"):
        pipeline.analyze(png(), name="a", asked=Asked(frame=2))


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
    kept = pipeline.analyze(png(), name="a", asked=Asked(conf=exact)).report.findings
    assert [found.score for found in kept] == [exact]
    above = float(np.nextafter(exact, 1.0))
    assert pipeline.analyze(png(), name="a", asked=Asked(conf=above)).report.findings == ()


def test_thresholds_hold_for_each_class(pipeline: Pipeline, png: Png) -> None:
    """At `specific` the better fracture (0.9) misses its 0.95, the lesion (0.6) has its 0.55."""
    (found,) = pipeline.analyze(
        png(), name="a", asked=Asked(operating_point="specific")
    ).report.findings
    assert found.label == "lesion"


def test_classifier_alone_finds_no_boxes(classifier_bundle: Bundle, png: Png) -> None:
    report = Pipeline([classifier_bundle]).analyze(png(), name="a").report
    assert report.findings == ()
    assert report.classifications[0].verdicts == {"tb": True}


@pytest.mark.parametrize("conf", [-0.1, 1.1, float("nan")])
def test_conf_must_be_a_probability(pipeline: Pipeline, png: Png, conf: float) -> None:
    with pytest.raises(ConfigError, match="conf"):
        pipeline.analyze(png(), name="a", asked=Asked(conf=conf))


def test_errors_carry_the_name(pipeline: Pipeline) -> None:
    with pytest.raises(ImageError, match=r"^a\.png: "):
        pipeline.analyze(b"no image", name="a.png")


def test_two_bundles_of_one_network_both_answer(
    tmp_path: Path, make_classifier: Callable[..., Bundle], png: Png
) -> None:
    bundles = [make_classifier(tmp_path / name) for name in ("first", "second")]
    report = Pipeline(bundles).analyze(png(), name="a").report
    assert [answer.model for answer in report.classifications] == ["first", "second"]


@pytest.mark.parametrize(
    ("models", "answering"),
    [
        (("stand-in-detector",), {"stand-in-detector"}),
        (("stand-in-classifier",), {"stand-in-classifier"}),
        (
            ("stand-in-classifier", "stand-in-detector"),
            {"stand-in-classifier", "stand-in-detector"},
        ),
    ],
    ids=["detector", "classifier", "both"],
)
def test_only_the_models_that_are_named_are_asked(
    pipeline: Pipeline, png: Png, models: tuple[str, ...], answering: set[str]
) -> None:
    report = pipeline.analyze(png(), name="a", asked=Asked(models=models)).report
    assert {each.name for each in report.models} == answering
    assert {each.model for each in report.thresholds} == answering
    assert report.left_out == ()
    everything = pipeline.analyze(png(), name="a").report
    assert (report.id == everything.id) is (len(answering) == 2)


@pytest.mark.parametrize("models", [("nobody",), ()], ids=["unknown", "none"])
def test_unknown_models_are_refused_and_the_known_ones_named(
    pipeline: Pipeline, png: Png, models: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match=r"^models: .*stand-in-detector, stand-in-classifier$"):
        pipeline.analyze(png(), name="a", asked=Asked(models=models))


def test_conf_by_class_replaces_that_class_in_every_model(pipeline: Pipeline, png: Png) -> None:
    asked = Asked(conf={"fracture": 0.95, "tb": 0.8})
    report = pipeline.analyze(png(), name="a", asked=asked).report
    detector, classifier = report.thresholds
    assert detector.thresholds == {"fracture": 0.95, "lesion": 0.5}
    assert detector.operating_point is classifier.operating_point is None
    assert [found.label for found in report.findings] == ["lesion"]
    assert report.classifications[0].verdicts == {"tb": False}
    lesions = pipeline.analyze(png(), name="a", asked=Asked(conf={"lesion": 0.1})).report
    assert [each.operating_point for each in lesions.thresholds] == [None, "balanced"]
    assert lesions.operating_point is None


def test_conf_for_a_class_that_nobody_knows_is_refused(pipeline: Pipeline, png: Png) -> None:
    with pytest.raises(ConfigError, match="knows the class 'tooth'; name one of: fracture, lesion"):
        pipeline.analyze(png(), name="a", asked=Asked(conf={"tooth": 0.5}))
    asked = Asked(conf={"tb": 0.5}, models=("stand-in-detector",))
    with pytest.raises(ConfigError, match="class 'tb'"):
        pipeline.analyze(png(), name="a", asked=asked)


def test_a_box_is_sure_from_the_threshold_of_the_specific_point_on(
    pipeline: Pipeline, png: Png
) -> None:
    """`specific` asks 0.95 of a fracture and 0.55 of a lesion."""
    found = pipeline.analyze(png(), name="a", asked=Asked(conf=0.1)).report.findings
    assert [(box.label, round(box.score, 2), box.tier) for box in found] == [
        ("fracture", 0.9, "doubtful"),
        ("lesion", 0.6, "sure"),
        ("fracture", 0.35, "doubtful"),
    ]
    assert {box.threshold for box in found} == {0.1}
    assert all(box.raw_probabilities == box.probabilities for box in found)


def test_without_a_specific_point_no_box_is_sure(
    tmp_path: Path, make_detector: Callable[..., Bundle], png: Png
) -> None:
    one = make_detector(
        tmp_path / "plain", operating_points={"balanced": {"fracture": 0.5, "lesion": 0.5}}
    )
    found = Pipeline([one]).analyze(png(), name="a").report.findings
    assert {box.tier for box in found} == {"doubtful"}


def test_raw_probabilities_are_those_before_calibration(
    tmp_path: Path,
    make_detector: Callable[..., Bundle],
    make_classifier: Callable[..., Bundle],
    png: Png,
) -> None:
    line = ClassCalibration(method="platt", slope=2.0)
    one = make_detector(tmp_path / "one", calibration={"fracture": line, "lesion": line})
    two = make_classifier(tmp_path / "two", calibration={"tb": line})
    report = Pipeline([one, two]).analyze(png(), name="a").report
    box, said = report.findings[0], report.classifications[0]
    assert box.raw_probabilities == pytest.approx({"fracture": 0.9, "lesion": 0.1})
    assert box.probabilities["fracture"] == pytest.approx(81 / 82)
    assert said.raw_probabilities == pytest.approx({"tb": 0.75})
    assert said.probabilities == pytest.approx({"tb": 0.9})


def test_of_classes_that_exclude_each_other_one_can_be_true(
    tmp_path: Path, make_router: Callable[..., Bundle], png: Png
) -> None:
    low = {"balanced": dict.fromkeys(("chest", "bone", "other"), 0.1)}
    kinds = make_router(
        tmp_path / "kinds", chest=0.5, bone=0.3, other=0.2, role="findings", operating_points=low
    )
    report = Pipeline([kinds]).analyze(png(), name="a").report
    assert report.classifications[0].verdicts == {"chest": True, "bone": False, "other": False}


def test_timings_part_the_whole(pipeline: Pipeline, png: Png) -> None:
    timings = pipeline.analyze(png(), name="a").report.timings_ms
    assert timings.models.keys() == {"stand-in-detector", "stand-in-classifier"}
    assert min(timings.wait, timings.decode, timings.own, *timings.models.values()) >= 0
    assert timings.wait + timings.decode + timings.own <= timings.total + 0.05


def test_the_image_is_told(pipeline: Pipeline, png: Png) -> None:
    image = pipeline.analyze(png(128, 64), name="a").report.image
    assert (image.width, image.height, image.bits, image.kind) == (128, 64, 8, "png")
    assert image.body_part is None


def test_a_deadline_in_the_past_is_told_before_anything_is_decoded(pipeline: Pipeline) -> None:
    with pytest.raises(DeadlineError, match=r"^a\.png: was not analysed in time"):
        pipeline.analyze(b"no image", name="a.png", deadline=time.monotonic() - 1)


def test_nobody_waits_for_a_decoder_beyond_the_deadline(detector_bundle: Bundle, png: Png) -> None:
    with Sandbox(workers=1, timeout_s=30) as sandbox:
        pipeline = Pipeline([detector_bundle], sandbox=sandbox)
        child = sandbox._take(None)  # the only process is busy
        with pytest.raises(DeadlineError, match="was not analysed in time"):
            pipeline.analyze(png(), name="a", deadline=time.monotonic() + 0.05)
        sandbox._give_back(child)
        assert pipeline.analyze(png(), name="a", deadline=time.monotonic() + 60).report.findings


def test_details_of_a_model(pipeline: Pipeline) -> None:
    detail = pipeline.model_detail("stand-in-classifier")
    assert detail.card == "# stand-in\n"
    assert detail.manifest.class_names == detail.facts.class_names == ("tb",)
    with pytest.raises(ConfigError, match="'nobody'; there are: stand-in-detector"):
        pipeline.model_detail("nobody")


def test_a_closed_pipeline_analyses_nothing(detector_bundle: Bundle, png: Png) -> None:
    one = Pipeline([detector_bundle])
    assert one.analyze(png(), name="a").report.findings
    one.close()
    with pytest.raises(RuntimeError, match="closed"):
        one.analyze(png(), name="a")


@pytest.mark.real_data
def test_answers_are_the_same_whatever_else_is_going_on(lucency_data: Path) -> None:
    """Alone at first, then from six threads at once; and with one core, which needs no batches."""
    hands = sorted((lucency_data / "fracatlas" / "images" / "Fractured").glob("*.jpg"))[20:23]
    chests = sorted((lucency_data / "tb_sites" / "images").glob("*.jpg"))[:2]
    images = [path.read_bytes() for path in (*hands, *chests)]
    pipeline = Pipeline(load_bundles(()), cores=2, batch_size=4, batch_window_ms=2.0)

    def answer(data: bytes) -> dict[str, Any]:
        report = pipeline.analyze(data, name="a", asked=Asked(heatmap=True, conf=0.05)).report
        return report.model_dump(exclude={"timings_ms"})

    alone = [answer(data) for data in images]
    assert any(one["findings"] for one in alone)
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(answer, images * 4))
    pipeline.close()
    assert together == alone * 4
    plain = Pipeline(load_bundles(()), cores=1, batch_size=1)
    again = plain.analyze(images[0], name="a", asked=Asked(heatmap=True, conf=0.05)).report
    plain.close()
    assert again.model_dump(exclude={"timings_ms"}) == alone[0]
