"""Plots are complete, repeatable SVG, for no curves as for many."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib import _pylab_helpers

from lucency.evaluation.average_precision import PrecisionRecallCurve
from lucency.evaluation.calibration import measure_calibration
from lucency.evaluation.plots import (
    confusion_plot,
    precision_recall_plot,
    reliability_diagram,
    score_histogram,
)


def pr_curve():
    recall = np.linspace(0, 1, 101)
    return PrecisionRecallCurve(recall, 1 - recall**2)


def bins(count):
    scores = np.linspace(0.0, 1.0, count)
    groups = [str(number) for number in range(count)]
    return measure_calibration(scores, scores > 0.4, groups=groups, samples=20).bins


def reliability(curves):
    return reliability_diagram(curves, outcome="Share with it", counted="Images")


POINTS = {"balanced": (0.4, 0.8), "specific": (0.2, 0.9)}


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda: precision_recall_plot({}), id="no curve"),
        pytest.param(
            lambda: precision_recall_plot({"a": pr_curve()}, {"a": POINTS, "absent": POINTS}),
            id="precision-recall",
        ),
        pytest.param(
            lambda: precision_recall_plot({f"class {i}": pr_curve() for i in range(20)}),
            id="twenty classes",
        ),
        pytest.param(
            lambda: score_histogram(
                np.array([0.9, 1.0]),
                np.full(500, 0.1),
                names=("hits", "false alarms"),
                thresholds={"balanced": 0.4},
            ),
            id="histogram",
        ),
        pytest.param(
            lambda: score_histogram(
                np.zeros(0), np.zeros(0), names=("hits", "false alarms"), thresholds={}
            ),
            id="empty histogram",
        ),
        pytest.param(lambda: reliability({}), id="no reliability"),
        pytest.param(
            lambda: reliability({"raw": bins(0), "calibrated": bins(90)}), id="reliability"
        ),
        pytest.param(
            lambda: confusion_plot(np.array([[5, 1], [0, 7]]), names=("no", "yes")), id="confusion"
        ),
        pytest.param(
            lambda: confusion_plot(np.zeros((2, 2), np.int64), names=("no", "yes")),
            id="empty confusion",
        ),
    ],
)
def test_svg_is_complete_and_repeatable(draw):
    svg = draw()
    assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314 (our own file)
    assert draw() == svg
    # The interface with global state was not used.
    assert not _pylab_helpers.Gcf.figs


def test_operating_points_are_marked():
    bare = precision_recall_plot({"a": pr_curve()})
    marked = precision_recall_plot({"a": pr_curve()}, {"a": POINTS})
    assert len(marked) > len(bare)
