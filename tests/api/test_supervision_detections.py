import sys
from collections.abc import Callable

import numpy as np
import pytest
import supervision as sv

from lucency.api.schemas import Report
from lucency.api.supervision_detections import detector_classes, to_supervision
from lucency.configs.errors import ConfigError

MakeReport = Callable[..., Report]


def test_findings_become_detections(make_report: MakeReport) -> None:
    report = make_report((10, 20, 30, 60, "lesion", 0.875), (0, 0, 5, 5, "fracture", 0.25), tb=0.5)
    found = to_supervision(report)
    assert isinstance(found, sv.Detections)
    assert len(found) == 2
    assert found.xyxy.dtype == np.float32
    assert found.xyxy.tolist() == [[10, 20, 30, 60], [0, 0, 5, 5]]
    assert found.confidence is not None
    assert found.confidence.tolist() == [0.875, 0.25]
    assert found.class_id is not None
    assert found.class_id.tolist() == [1, 0]
    assert found["class_name"].tolist() == ["lesion", "fracture"]
    assert found["model"].tolist() == ["finder", "finder"]
    assert found["tier"].tolist() == ["sure", "doubtful"]
    assert np.allclose(found["probabilities"], [[0.01, 0.875], [0.25, 0.01]])


def test_no_findings_are_empty_detections(make_report: MakeReport) -> None:
    found = to_supervision(make_report())
    assert len(found) == 0
    assert found.is_empty()
    assert found.xyxy.shape == (0, 4)
    assert found["probabilities"].shape == (0, 2)


def test_an_image_that_no_detector_saw_is_empty_detections(make_report: MakeReport) -> None:
    found = to_supervision(make_report(tb=0.5, detector=False))
    assert found.is_empty()
    assert found["probabilities"].shape == (0, 0)


def test_what_supervision_does_with_them(make_report: MakeReport) -> None:
    """Selecting, putting together and drawing, which need every field to be as long as boxes."""
    found = to_supervision(
        make_report((10, 20, 30, 60, "lesion", 0.875), (0, 0, 5, 5, "fracture", 0.25))
    )
    sure = found[found["tier"] == "sure"]
    assert sure["class_name"].tolist() == ["lesion"]
    merged = sv.Detections.merge([sure, to_supervision(make_report()), found])
    assert merged["class_name"].tolist() == ["lesion", "lesion", "fracture"]
    scene = np.zeros((100, 200, 3), np.uint8)
    drawn = sv.BoxAnnotator().annotate(scene.copy(), found)
    assert (drawn != scene).any()
    assert len(found.with_nms(threshold=0.5)) == 2


def test_ids_are_places_in_the_classes_that_are_named(make_report: MakeReport) -> None:
    report = make_report((10, 20, 30, 60, "lesion", 0.875))
    found = to_supervision(report, ["nodule", "lesion"])
    assert found.class_id is not None
    assert found.class_id.tolist() == [1]
    assert np.isnan(found["probabilities"][0, 0])
    with pytest.raises(ConfigError, match=r"'lesion' is missing, got \['fracture'\]"):
        to_supervision(report, ["fracture"])


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ({"tb": 0.5}, ("fracture", "lesion")),
        ({"tb": 0.5, "detector": False}, ()),
        ({"classes": ("b", "a")}, ("b", "a")),
    ],
    ids=["detector and classifier", "classifier", "order"],
)
def test_classes_are_those_of_detectors(
    make_report: MakeReport, values: dict[str, object], classes: tuple[str, ...]
) -> None:
    assert detector_classes(make_report(**values)) == classes


def test_without_supervision_one_line_says_so(
    make_report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(
        ConfigError, match=r"^supervision is not installed: pip install supervision$"
    ):
        to_supervision(make_report())
