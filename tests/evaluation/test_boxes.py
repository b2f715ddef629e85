"""The arrays that every box measure takes."""

import numpy as np
import pytest

from lucency.annotations.findings import Finding, LabelMap
from lucency.annotations.geometry import Box
from lucency.evaluation.boxes import ImagePredictions, ImageTruth, truth_from_findings


def test_truth_from_findings():
    findings = (Finding("lesion", Box(1, 2, 3, 4)), Finding("fracture", Box(5, 6, 7.5, 8)))
    truth = truth_from_findings(
        findings, image="a", size_wh=(9, 9), label_map=LabelMap(("fracture", "lesion"))
    )
    assert truth.boxes_xyxy.tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert truth.class_ids.tolist() == [1, 0]


def test_a_negative_has_empty_arrays():
    truth = truth_from_findings((), image="a", size_wh=(9, 9), label_map=LabelMap(("fracture",)))
    assert truth.boxes_xyxy.shape == (0, 4)
    assert truth.class_ids.shape == (0,)


def test_lengths_must_agree():
    ids = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match=r"a: boxes must be \(1, 4\), got \(2, 4\)"):
        ImageTruth("a", (9, 9), np.zeros((2, 4)), ids)
    with pytest.raises(ValueError, match="2 scores need boxes"):
        ImagePredictions("a", np.zeros((1, 4)), np.zeros(2), ids)


def test_only_some_boxes():
    boxes, rows = np.arange(12.0).reshape(3, 4), np.array([True, False, True])
    truth = ImageTruth("a", (9, 9), boxes, np.array([0, 1, 2]), "p").only(rows)
    assert (truth.image, truth.size_wh, truth.patient_id) == ("a", (9, 9), "p")
    assert (truth.class_ids.tolist(), truth.boxes_xyxy[:, 0].tolist()) == ([0, 2], [0, 8])
    found = ImagePredictions("a", boxes, np.array([0.1, 0.2, 0.3]), np.array([0, 1, 2])).only(rows)
    assert (found.scores.tolist(), found.class_ids.tolist()) == ([0.1, 0.3], [0, 2])
    assert found.boxes_xyxy.tolist() == [boxes[0].tolist(), boxes[2].tolist()]
