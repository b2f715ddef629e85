"""Curves of classifiers are complete, repeatable SVG, for no label as for many."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from lucency.evaluation.classification_measures import LabelMeasures
from lucency.evaluation.classification_plots import label_precision_recall_plot, label_roc_plot
from lucency.evaluation.classifying import measure_classification

PLOTS = [label_roc_plot, label_precision_recall_plot]


def measured(count: int, *, samples: int = 20, points: bool = True) -> dict[str, LabelMeasures]:
    rng = np.random.default_rng(0)
    truth = (rng.random((60, count)) < 0.4).astype(float)
    names = [f"label {number}" for number in range(count)]
    thresholds = {"balanced": dict.fromkeys(names, 0.6), "specific": dict.fromkeys(names, 0.8)}
    return dict(
        measure_classification(
            truth,
            np.clip(rng.random((60, count)) * 0.6 + 0.4 * truth, 0, 1),
            [""] * 60,
            class_names=names,
            points=thresholds if points else {},
            samples=samples,
        ).labels
    )


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("count", [0, 1, 3, 9])
@pytest.mark.parametrize("samples", [0, 20], ids=["no intervals", "intervals"])
def test_svg_is_complete_and_repeatable(plot, count: int, samples: int) -> None:
    labels = measured(count, samples=samples) if count else {}
    svg = plot(labels)
    assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314 (our own file)
    assert plot(labels) == svg


@pytest.mark.parametrize("plot", PLOTS)
def test_operating_points_of_one_label_have_intervals(plot) -> None:
    bare, marked = plot(measured(1, points=False)), plot(measured(1, samples=0))
    assert len(bare) < len(marked) < len(plot(measured(1)))


@pytest.mark.parametrize("plot", PLOTS)
def test_a_label_that_all_images_have_is_left_out(plot) -> None:
    one = measure_classification(
        np.ones((5, 1)),
        np.full((5, 1), 0.7),
        [""] * 5,
        class_names=["tb"],
        points={"balanced": {"tb": 0.5}},
        samples=0,
    )
    assert b"svg" in plot(one.labels)
