"""Everything measured at once, against the measures one by one."""

import warnings
from dataclasses import fields, replace

import numpy as np
import pytest

from lucency.evaluation.average_precision import average_precision
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES, FROC_FALSE_POSITIVES
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.match_rules import CENTRE, IOU_10, MATCH_RULES
from lucency.evaluation.matching import match_all
from lucency.evaluation.measuring import measure_detections

NAMES = ("fracture", "lesion")
POINTS = {
    "screening": {"fracture": 0.2, "lesion": 0.1},
    "balanced": {"fracture": 0.5, "lesion": 0.4},
}


def measured(truths, predictions, names=NAMES, **options):
    points = {name: {key: one[key] for key in names} for name, one in POINTS.items()}
    options = {"samples": 100, **options}
    return measure_detections(truths, predictions, class_names=names, thresholds=points, **options)


def estimates(value):
    """Every Estimate within."""
    if isinstance(value, Estimate):
        return [value]
    if isinstance(value, dict):
        return [one for part in value.values() for one in estimates(part)]
    if hasattr(value, "__dataclass_fields__"):
        return [one for part in fields(value) for one in estimates(getattr(value, part.name))]
    return []


def test_average_precision_is_pycocotools_own(made_up_set):
    truths, predictions = made_up_set(0, images=40)
    found = measured(truths, predictions, samples=0)
    reference = average_precision(truths, predictions, class_names=NAMES)
    assert (found.map50.value, found.map50_95.value) == (reference.map50, reference.map50_95)
    for name, one in reference.per_class.items():
        ours = found.classes[name]
        assert (ours.ap50.value, ours.ap50_95.value) == (one.ap50, one.ap50_95)
        assert (ours.truths, ours.predictions) == (one.truths, one.predictions)
        np.testing.assert_array_equal(
            found.curves[name].precision, reference.curves[name].precision
        )
    as_one = [replace(t, class_ids=t.class_ids * 0) for t in truths]
    all_found = [replace(p, class_ids=p.class_ids * 0) for p in predictions]
    agnostic = average_precision(as_one, all_found, class_names=("any",)).map50
    assert found.agnostic_ap50.value == pytest.approx(agnostic, abs=1e-9)
    positives = [one for one in truths if len(one.class_ids)]
    images = {one.image for one in positives}
    of_positives = [one for one in predictions if one.image in images]
    expected = average_precision(positives, of_positives, class_names=NAMES).map50
    assert found.map50_positives.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rule", [IOU_10, CENTRE], ids=lambda rule: rule.name)
def test_the_rule_decides_the_points_and_froc_but_not_ap(made_up_set, rule):
    truths, predictions = made_up_set(3, images=40)
    strict = measured(truths, predictions, samples=0)
    other = measured(truths, predictions, samples=0, rule=rule)
    assert other.rule is rule
    assert other.map50 == strict.map50
    assert other.points["balanced"][ALL_CLASSES].tp > strict.points["balanced"][ALL_CLASSES].tp
    assert other.froc[ALL_CLASSES].mean.value > strict.froc[ALL_CLASSES].mean.value
    assert other.recall_by_rule == strict.recall_by_rule
    assert (
        other.points["balanced"][ALL_CLASSES].recall == other.recall_by_rule["balanced"][rule.name]
    )


@pytest.mark.parametrize("rule", MATCH_RULES.values(), ids=MATCH_RULES)
def test_counts_equal_those_of_the_matching(made_up_set, rule):
    truths, predictions = made_up_set(5, images=40)
    found = measured(truths, predictions, samples=0, rule=rule).points["balanced"]
    for name, one in match_all(truths, predictions, class_names=NAMES, rule=rule).items():
        kept = one.correct[one.scores >= POINTS["balanced"][name]]
        rates = found[name]
        assert (rates.tp, rates.fp) == (kept.sum(), (~kept).sum())
        assert rates.fn == one.truths - kept.sum()


def test_every_figure_has_an_interval_around_it(made_up_set):
    found = measured(*made_up_set(2, images=120, most_false=2), samples=200)
    every = estimates(found)
    # AP of the set and by class, FROC 3 x 8, findings 2 x 3 x 4, cases 2 x 2 x 4, AUC, by rule.
    assert len(every) == 4 + 4 + 24 + 24 + 16 + 2 + 8
    for one in every:
        assert one.low <= one.value <= one.high
    assert sum(one.low < one.high for one in every) > len(every) - 8
    assert (found.images, found.patients, found.samples) == (120, 60, 200)
    assert found.findings == found.classes["fracture"].truths + found.classes["lesion"].truths
    assert found.prevalence == (120 - found.negatives) / 120
    assert 0 < found.positive_patients <= 60
    assert list(found.froc[ALL_CLASSES].at) == list(FROC_FALSE_POSITIVES)
    assert found.thresholds == POINTS


def test_intervals_come_from_patients_not_from_images(made_up_set):
    """Five copies of each image: five patients are five times the knowledge, five views not."""
    truths, predictions = made_up_set(6, images=30, images_per_patient=1)
    copies = [
        (replace(truth, image=f"{copy}-{truth.image}"), replace(one, image=f"{copy}-{truth.image}"))
        for truth, one in zip(truths, predictions, strict=True)
        for copy in range(5)
    ]
    marked, found = [truth for truth, _ in copies], [one for _, one in copies]
    apart = [replace(one, patient_id="") for one in marked]

    def width(truths_of):
        recall = measured(truths_of, found, samples=400).points["screening"][ALL_CLASSES].recall
        return recall.high - recall.low

    assert width(marked) / width(apart) == pytest.approx(np.sqrt(5), rel=0.25)


def test_a_seed_repeats_and_progress_reaches_the_end(made_up_set):
    truths, predictions = made_up_set(2)
    seen = []
    first = measured(truths, predictions, samples=150, progress=lambda *step: seen.append(step))
    assert seen == [(100, 150), (150, 150)]
    assert first.map50 == measured(truths, predictions, samples=150).map50
    assert first.map50 != measured(truths, predictions, samples=150, seed=1).map50


def test_without_samples_there_are_no_intervals(made_up_set):
    found = measured(*made_up_set(2), samples=0)
    assert all(one.low is None and one.high is None for one in estimates(found))
    assert found.map50.value is not None


def test_images_that_are_patients_of_their_own_have_no_patient_level(made_up_set):
    truths, predictions = made_up_set(2, images_per_patient=1)
    found = measured(truths, predictions, samples=0)
    assert found.patients == found.images
    assert found.patient_level == {}
    assert found.patient_auc.value is None
    nameless = [replace(one, patient_id="") for one in truths]
    assert measured(nameless, predictions, samples=0).patients == found.images


BOX = np.array([[0.0, 0, 10, 10]])
NOUGHT = np.zeros(1, np.int64)


def cases(count, *, marked, found, patient=""):
    truths = [
        ImageTruth(str(n), (20, 20), BOX[:marked], NOUGHT[:marked], patient) for n in range(count)
    ]
    predictions = [
        ImagePredictions(str(n), BOX[:found], np.array([0.9])[:found], NOUGHT[:found])
        for n in range(count)
    ]
    return truths, predictions


# Each with mAP50, pooled recall and precision, image sensitivity and specificity.
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(([], []), (None, None, None, None, None), id="no images"),
        pytest.param(
            cases(3, marked=0, found=0), (None, None, None, None, 1.0), id="negatives, nothing said"
        ),
        pytest.param(
            cases(3, marked=0, found=1), (None, None, 0.0, None, 0.0), id="negatives, false alarms"
        ),
        pytest.param(
            cases(3, marked=1, found=0),
            (0.0, 0.0, None, 0.0, None),
            id="positives, zero predictions",
        ),
        pytest.param(
            cases(3, marked=1, found=1), (1.0, 1.0, 1.0, 1.0, None), id="positives, all found"
        ),
        pytest.param(
            cases(3, marked=1, found=1, patient="p"), (1.0, 1.0, 1.0, 1.0, None), id="one patient"
        ),
        pytest.param(cases(1, marked=1, found=1), (1.0, 1.0, 1.0, 1.0, None), id="one image"),
    ],
)
@pytest.mark.parametrize("samples", [0, 20])
def test_extremes(given, expected, samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measured(*given, samples=samples)
    pooled, images = found.points["balanced"][ALL_CLASSES], found.image_level["balanced"]
    values = (found.map50, pooled.recall, pooled.precision, images.sensitivity, images.specificity)
    assert tuple(one.value for one in values) == pytest.approx(expected)
    assert found.image_auc.value is None
    for one in values:
        known = one.value is not None and samples > 0
        expected_interval = (one.value, one.value) if known else (None, None)
        assert (one.low, one.high) == pytest.approx(expected_interval, abs=1e-12)
    assert found.images == len(given[0])
    assert found.patients == len({one.patient_id or one.image for one in given[0]})


def test_a_missing_threshold_is_named(made_up_set):
    truths, predictions = made_up_set(0)
    with pytest.raises(ValueError, match="'balanced' has none for 'lesion'"):
        measure_detections(
            truths,
            predictions,
            class_names=NAMES,
            thresholds={"balanced": {"fracture": 0.5}},
            samples=0,
        )
