"""Curves of a classifier's figures as SVG, in the style of `lucency.evaluation.plots`."""

from collections.abc import Mapping

from matplotlib.axes import Axes

from lucency.evaluation.classification_measures import LabelMeasures
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.plot_style import (
    FAINT,
    Points,
    add_curve,
    add_legend,
    mark_points,
    new_axes,
    style_of,
    svg_of,
)

# Marks of more labels would hide the curves.
MOST_MARKED = 4


def label_roc_plot(labels: Mapping[str, LabelMeasures]) -> bytes:
    """Sensitivity over 1 - specificity, one line a label, with the diagonal of chance.

    Operating points are marked, of a single label with the 95% intervals of both rates; labels
    that all images have, or none has, are left out. Returns SVG.
    """
    figure, axes = new_axes("1 - specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    curves = {name: label.roc for name, label in labels.items() if label.roc is not None}
    for number, (name, curve) in enumerate(curves.items()):
        add_curve(axes, curve.false_positive_rate, curve.true_positive_rate, name, number)
    found = {
        name: {
            point: (_opposite(rates.specificity), rates.sensitivity)
            for point, rates in labels[name].points.items()
        }
        for name in curves
    }
    _mark(axes, found)
    add_legend(axes, loc="lower right")
    return svg_of(figure)


def label_precision_recall_plot(labels: Mapping[str, LabelMeasures]) -> bytes:
    """PPV over sensitivity, one line of steps a label; as `label_roc_plot`.

    Of a single label the dashed line is its share of the images: what calling all of them, or any
    at random, would reach. Returns SVG.
    """
    figure, axes = new_axes("Sensitivity (recall)", "PPV (precision)")
    curves = {
        name: label.precision_recall
        for name, label in labels.items()
        if label.precision_recall is not None
    }
    for number, (name, curve) in enumerate(curves.items()):
        colour, style = style_of(number)
        axes.plot(
            curve.recall,
            curve.precision,
            drawstyle="steps-pre",
            color=colour,
            linestyle=style,
            linewidth=1.8,
            label=name,
            zorder=3,
        )
    if len(curves) == 1:
        (name,) = curves
        # A label with a curve has images.
        share = labels[name].prevalence or 0.0
        axes.axhline(share, color=FAINT, linewidth=1.0, linestyle="--", zorder=1)
    found = {
        name: {point: (r.sensitivity, r.ppv) for point, r in labels[name].points.items()}
        for name in curves
    }
    _mark(axes, found)
    add_legend(axes, loc="lower left")
    return svg_of(figure)


def _mark(axes: Axes, found: Mapping[str, Mapping[str, tuple[Estimate, Estimate]]]) -> None:
    """Operating points by label; of a single label a cross of their intervals."""
    if len(found) > MOST_MARKED:
        return
    points: Points = {
        name: {
            point: (x.value, y.value)
            for point, (x, y) in by_point.items()
            if x.value is not None and y.value is not None
        }
        for name, by_point in found.items()
    }
    mark_points(axes, list(found), points)
    if len(found) != 1:
        return
    ((name, by_point),) = found.items()
    colour, _ = style_of(0)
    for point, (x, y) in points[name].items():
        across, upright = by_point[point]
        if across.low is not None and across.high is not None:
            axes.hlines(y, across.low, across.high, color=colour, linewidth=1.0, zorder=4)
        if upright.low is not None and upright.high is not None:
            axes.vlines(x, upright.low, upright.high, color=colour, linewidth=1.0, zorder=4)


def _opposite(share: Estimate) -> Estimate:
    """Of a share what is missing to 1."""
    value, low, high = (
        None if one is None else 1.0 - one for one in (share.value, share.high, share.low)
    )
    return Estimate(value, low, high)
