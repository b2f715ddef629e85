"""The picture of a classifier's model card: ROC curve, and how often probabilities are right."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from lucency.classification.validation import Validation
from lucency.evaluation.calibration import ReliabilityBins
from lucency.evaluation.plot_style import FAINT, add_curve, add_legend, dress, mark_points, style_of

CURVES = "card_curves.png"
_SHADES = 64
# Bars of more curves would hide each other.
_MOST_WITH_BARS = 2


def card_pictures(found: Validation) -> dict[str, bytes]:
    """PNG files by name; none where no label has both values."""
    curves = {name: one.roc for name, one in found.measures.labels.items() if one.roc is not None}
    if not curves:
        return {}
    figure = Figure(figsize=(10, 4.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    _roc(left, found)
    _reliability(right, found)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return {CURVES: _small_png(np.ascontiguousarray(pixels[:, :, :3]))}


def _small_png(image: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) of few colours as a PNG with a palette, a fifth as large."""
    out = io.BytesIO()
    few = Image.fromarray(image).quantize(_SHADES, dither=Image.Dither.NONE)
    few.save(out, "PNG", optimize=True)
    return out.getvalue()


def _roc(axes: Axes, found: Validation) -> None:
    dress(axes, "1 - specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    names = [name for name, one in found.measures.labels.items() if one.roc is not None]
    marks: dict[str, dict[str, tuple[float, float]]] = {}
    for number, name in enumerate(names):
        one = found.measures.labels[name]
        if one.roc is None:
            continue
        add_curve(axes, one.roc.false_positive_rate, one.roc.true_positive_rate, name, number)
        for point, rates in one.points.items():
            if rates.specificity.value is not None and rates.sensitivity.value is not None:
                place = (1.0 - rates.specificity.value, rates.sensitivity.value)
                marks.setdefault(name, {})[point] = place
    mark_points(axes, names, marks)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"AUC {found.measures.mean_auc}", fontsize=10)
    add_legend(axes, loc="lower right")


def _reliability(axes: Axes, found: Validation) -> None:
    """The share of positives over the probability: of a single label before and after."""
    dress(axes, "Probability", "Share of positives")
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, zorder=1)
    curves: dict[str, ReliabilityBins] = {}
    for name, effect in found.effects.items():
        if len(found.effects) == 1 and found.calibration:
            curves["the network's own"] = effect.before.bins
            curves["calibrated"] = effect.after.bins
        else:
            curves[name] = effect.after.bins
    for number, (name, bins) in enumerate(curves.items()):
        some = bins.count > 0
        x, y = bins.confidence[some], bins.accuracy[some]
        add_curve(axes, x, y, name, number)
        colour, _ = style_of(number)
        axes.plot(x, y, "o", color=colour, markersize=4.5, zorder=4)
        if len(curves) <= _MOST_WITH_BARS:
            axes.vlines(x, bins.low[some], bins.high[some], color=colour, linewidth=1.0, zorder=2)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title("How often a probability is right", fontsize=10)
    add_legend(axes, loc="lower right")
