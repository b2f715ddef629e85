"""FROC against a worked example, and on drawn sets."""

import numpy as np
import pytest

from lucency.evaluation.bootstrap import measure_samples, patient_weights
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import ALL_CLASSES, FROC_FALSE_POSITIVES
from lucency.evaluation.froc import froc_curves, froc_meter
from lucency.evaluation.match_rules import CENTRE
from lucency.evaluation.match_table import match_table

NAMES = ("fracture", "lesion")
LEFT, RIGHT, AWAY = [0.0, 0, 10, 10], [20.0, 0, 30, 10], [50.0, 50, 60, 60]


def truth(image, boxes, ids=None):
    class_ids = np.array([0] * len(boxes) if ids is None else ids, np.int64)
    return ImageTruth(image, (99, 99), np.array(boxes, np.float64).reshape(-1, 4), class_ids)


def found(image, boxes, scores, ids=None):
    class_ids = np.array([0] * len(boxes) if ids is None else ids, np.int64)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    return ImagePredictions(image, corners, np.array(scores, np.float64), class_ids)


def example():
    """Four images, four findings, of which one is missed.

    ====== ===== ================ ===== ====== ===========
    score  image box              found alarms alarms / 4
    ====== ===== ================ ===== ====== ===========
    0.9    a     finds a's left   1     0      0
    0.8    c     false            1     1      0.25
    0.7    b     finds b's left   2     1      0.25
    0.6    a     false            3     2      0.5
    0.6    a     finds a's right  3     2      0.5
    0.5    d     false            3     3      0.75
    0.4    d     false            3     4      1
    ====== ===== ================ ===== ====== ===========
    """
    truths = [truth("a", [LEFT, RIGHT]), truth("b", [LEFT, RIGHT]), truth("c", []), truth("d", [])]
    predictions = [
        found("a", [LEFT, AWAY, RIGHT], [0.9, 0.6, 0.6]),
        found("b", [LEFT], [0.7]),
        found("c", [LEFT], [0.8]),
        found("d", [LEFT, AWAY], [0.5, 0.4]),
    ]
    return truths, predictions


def curves_of(truths, predictions, names=NAMES, samples=0, **options):
    table = match_table(truths, predictions, class_names=names, **options)
    figures = measure_samples([froc_meter(table)], table.image_patient, samples=samples, seed=0)
    return froc_curves(table, figures)


def test_worked_example():
    """Sensitivity at 1/8: 1 of 4, at no alarm; at 1/4: 2 of 4; from 1/2 on: 3 of 4.

    Mean: (0.25 + 0.5 + 5 x 0.75) / 7 = 4.5 / 7.
    """
    curve = curves_of(*example())["fracture"]
    assert [curve.at[rate].value for rate in FROC_FALSE_POSITIVES] == pytest.approx(
        [0.25, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75]
    )
    assert curve.mean.value == pytest.approx(4.5 / 7)
    # Where sensitivity rises, and the end.
    assert curve.thresholds.tolist() == [0.9, 0.7, 0.6, 0.4]
    assert curve.sensitivity.tolist() == [0.25, 0.5, 0.75, 0.75]
    assert curve.false_positives_per_image.tolist() == [0.0, 0.25, 0.5, 1.0]


def test_worked_example_with_weights():
    """Image a twice, b once, d once: still 4 images, and 6 findings.

    At 0.9: 2 found, no alarm. At 0.7: 3 found, no alarm (c is gone). At 0.6: 5 found, 2 alarms,
    0.5 an image. So 3 of 6 at 1/8 and 1/4, 5 of 6 from 1/2 on.
    """
    table = match_table(*example(), class_names=NAMES)
    figures = froc_meter(table)(np.array([[2.0], [1.0], [0.0], [1.0]]))
    at = [figures["froc", "fracture", str(rate)][0] for rate in FROC_FALSE_POSITIVES]
    assert at == pytest.approx([3 / 6, 3 / 6, *[5 / 6] * 5])
    assert figures["froc", "fracture", "mean"][0] == pytest.approx((2 * 3 / 6 + 5 * 5 / 6) / 7)


def test_all_classes_are_pooled_at_one_threshold():
    """Two findings of two classes; the lesion's alarm at 0.8 comes before the fracture's find.

    Two images. Fracture: 1 of 1 with no alarm. Lesion: alarm at 0.8 (1/2 an image), then found at
    0.3. Pooled: at 0.5 1 of 2 with 1 alarm, at 0.3 2 of 2.
    """
    truths = [truth("a", [LEFT, RIGHT], [0, 1]), truth("b", [])]
    predictions = [
        found("a", [LEFT, RIGHT], [0.5, 0.3], [0, 1]),
        found("b", [LEFT], [0.8], [1]),
    ]
    curves = curves_of(truths, predictions)
    assert list(curves) == ["fracture", "lesion", ALL_CLASSES]
    assert [curves["fracture"].at[rate].value for rate in (0.125, 0.5)] == [1.0, 1.0]
    assert [curves["lesion"].at[rate].value for rate in (0.125, 0.25, 0.5)] == [0.0, 0.0, 1.0]
    assert [curves[ALL_CLASSES].at[rate].value for rate in (0.25, 0.5)] == [0.0, 1.0]
    assert curves[ALL_CLASSES].sensitivity.tolist() == [0.5, 1.0]


@pytest.mark.parametrize("seed", range(3))
def test_drawn_sets_are_measured_as_if_really_drawn(made_up_set, repeated_set, seed):
    truths, predictions = made_up_set(seed, images=20, most_false=12, decimals=1)
    table = match_table(truths, predictions, class_names=NAMES, rule=CENTRE)
    drawn = patient_weights(table.image_patient, samples=5, seed=seed)
    figures = froc_meter(table)(drawn.T.astype(float))
    for column, weights in enumerate(drawn):
        curves = curves_of(*repeated_set(truths, predictions, weights), rule=CENTRE)
        for name, curve in curves.items():
            for rate in FROC_FALSE_POSITIVES:
                value = figures["froc", name, str(rate)][column]
                assert value == pytest.approx(curve.at[rate].value, abs=1e-12)


def test_every_point_of_the_curve_is_what_its_threshold_gives(made_up_set):
    truths, predictions = made_up_set(5, images=30, most_false=12, decimals=1)
    table = match_table(truths, predictions, class_names=NAMES)
    curve = curves_of(truths, predictions)[ALL_CLASSES]
    assert len(curve.thresholds) > 5
    assert (np.diff(curve.thresholds) < 0).all()
    rows = zip(curve.thresholds, curve.sensitivity, curve.false_positives_per_image, strict=True)
    for threshold, sensitivity, alarms in rows:
        kept = table.prediction_score >= threshold
        assert sensitivity == pytest.approx((table.truth_score >= threshold).mean())
        assert alarms == pytest.approx((kept & (table.prediction_truth < 0)).sum() / 30)


def test_intervals_hold_their_values(made_up_set):
    curve = curves_of(*made_up_set(1, images=60), samples=200)["fracture"]
    for one in (*curve.at.values(), curve.mean):
        assert one.low <= one.value <= one.high
    assert 0.02 < curve.mean.high - curve.mean.low < 0.6


@pytest.mark.parametrize(
    ("truths", "predictions", "expected", "points"),
    [
        pytest.param([], [], None, 0, id="no images"),
        pytest.param([truth("a", [])], [], None, 0, id="no truths, no predictions"),
        pytest.param([truth("a", [])], [found("a", [LEFT], [0.5])], None, 0, id="no truths"),
        pytest.param([truth("a", [LEFT])], [], 0.0, 0, id="no predictions"),
        pytest.param([truth("a", [LEFT])], [found("a", [AWAY], [0.5])], 0.0, 1, id="none right"),
        pytest.param([truth("a", [LEFT])], [found("a", [LEFT], [0.5])], 1.0, 1, id="all right"),
    ],
)
def test_nothing_there(truths, predictions, expected, points):
    curve = curves_of(truths, predictions, names=("fracture",))[ALL_CLASSES]
    assert curve.mean.value == expected
    assert {one.value for one in curve.at.values()} == {expected}
    assert len(curve.thresholds) == len(curve.sensitivity) == points
