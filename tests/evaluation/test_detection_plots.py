"""Plots of a detector's figures are complete, repeatable SVG, for nothing as for much."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib import _pylab_helpers

from lucency.configs.errors import DatasetError
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.detection_measures import FROC_FALSE_POSITIVES, Froc
from lucency.evaluation.detection_plots import (
    detection_confusion_plot,
    error_types_plot,
    froc_plot,
    learning_curves,
)
from lucency.evaluation.error_types import error_types
from lucency.evaluation.estimates import Estimate

HEADER = (
    "epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B),"
    "metrics/recall(B),metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/dfl_loss"
)
ROWS = ("1,9,3.4,7.5,2,0.1,0.3,0.05,0.01,3.6,4.8,1.9", "2,18,3,3.2,1.8,0.2,0.2,0.3,0.1,3.3,4,1.8")


def froc(last=50.0, value=0.7):
    alarms = np.array([0.0, 0.02, 0.3, 0.3, 3.0, last])
    sensitivity = np.array([0.0, 0.1, 0.1, 0.4, value, 1.0])
    at = {x: Estimate(0.4, 0.3, 0.5) for x in FROC_FALSE_POSITIVES}
    return Froc(alarms, sensitivity, np.linspace(0.9, 0.1, 6), at, Estimate(0.4))


def no_froc():
    nothing = np.zeros(0)
    at = {x: Estimate(None) for x in FROC_FALSE_POSITIVES}
    return Froc(nothing, nothing, nothing, at, Estimate(None))


def errors(classes, boxes):
    names = tuple(f"class {number}" for number in range(classes))
    corners = np.tile([0.0, 0, 9, 9], (boxes, 1))
    found = ImagePredictions("0", corners, np.full(boxes, 0.9), np.arange(boxes) % classes)
    truth = ImageTruth("0", (99, 99), corners[:1], np.zeros(min(boxes, 1), np.int64))
    return error_types([truth], [found], dict.fromkeys(names, 0.5), class_names=names)


def written(tmp_path, *lines):
    path = tmp_path / "results.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


POINTS = {"all": {"balanced": (0.4, 0.8), "hidden": (30.0, 0.9)}}


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda _: froc_plot({}), id="no froc"),
        pytest.param(lambda _: froc_plot({"all": froc()}, POINTS), id="froc"),
        pytest.param(lambda _: froc_plot({"all": froc(), "a": no_froc()}), id="two froc"),
        pytest.param(
            lambda _: detection_confusion_plot(np.zeros((2, 2), np.int64), class_names=("a",)),
            id="empty confusion",
        ),
        pytest.param(
            lambda _: detection_confusion_plot(
                np.arange(49).reshape(7, 7), class_names=tuple("abcdef")
            ),
            id="confusion",
        ),
        pytest.param(lambda _: error_types_plot(errors(1, 0)), id="no errors"),
        pytest.param(lambda _: error_types_plot(errors(9, 40)), id="errors of nine classes"),
        pytest.param(lambda path: learning_curves(written(path, HEADER)), id="no epoch"),
        pytest.param(lambda path: learning_curves(written(path, HEADER, ROWS[0])), id="an epoch"),
        pytest.param(
            lambda path: learning_curves(written(path, HEADER, *ROWS, "3,27,nan,inf")),
            id="a line being written",
        ),
        pytest.param(
            lambda path: learning_curves(written(path, "  epoch, train/box_loss", "1, inf")),
            id="blanks and infinity",
        ),
    ],
)
def test_svg_is_complete_and_repeatable(draw, tmp_path):
    svg = draw(tmp_path)
    assert ElementTree.fromstring(svg).tag.endswith("svg")  # noqa: S314 (our own file)
    assert draw(tmp_path) == svg
    # The interface with global state was not used.
    assert not _pylab_helpers.Gcf.figs


def test_what_lies_beyond_the_axis_is_not_drawn():
    """Sensitivity 1.0 is reached at 50 false positives an image only."""
    near, far = froc_plot({"all": froc(last=50.0)}), froc_plot({"all": froc(last=9.0)})
    assert near == far
    assert froc_plot({"all": froc(last=5.0)}) != near


def test_operating_points_outside_the_axis_are_left_out():
    bare = froc_plot({"all": froc()})
    assert froc_plot({"all": froc()}, {"all": {"hidden": (30.0, 0.9)}}) == bare
    assert froc_plot({"all": froc()}, POINTS) != bare


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        pytest.param((), "has no column 'epoch'", id="empty"),
        pytest.param(("a,b", "1,2"), "has no column 'epoch'", id="other table"),
        pytest.param((HEADER, ROWS[0].replace("7.5", "x")), "must hold numbers", id="text"),
    ],
)
def test_other_files_are_refused(tmp_path, lines, message):
    with pytest.raises(DatasetError, match=message):
        learning_curves(written(tmp_path, *lines))


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r"results\.csv: cannot be read"):
        learning_curves(tmp_path / "results.csv")
