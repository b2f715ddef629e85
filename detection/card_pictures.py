"""The pictures of a model card: curves, and examples of hits, misses and false alarms."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lucency.annotations.records import Dataset
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.datasets.radiographs import read_radiograph
from lucency.detection.measurement import CHIEF_POINT
from lucency.detection.validation import Validation
from lucency.evaluation.detection_measures import (
    ALL_CLASSES,
    FROC_FALSE_POSITIVES,
    LesionRates,
)
from lucency.evaluation.estimates import Estimate
from lucency.evaluation.gallery import Case, find_cases
from lucency.evaluation.pictures import (
    BoxKind,
    compared_boxes,
    draw_boxes,
    encode_jpeg,
    view_around,
)
from lucency.evaluation.plot_style import add_curve, mark_points

CURVES, EXAMPLES = "card_curves.jpg", "card_examples.jpg"
MAX_BYTES = 150_000
# One row of the examples a kind, in this order.
ROWS = (BoxKind.HIT, BoxKind.MISS, BoxKind.FALSE_ALARM)
COLUMNS, TILE_PX, GAP_PX, TITLE_PX = 5, 240, 4, 26
_SURROUNDINGS = 4.0
WHITE, INK = (255, 255, 255), (34, 38, 46)


def card_pictures(found: Validation, dataset: Dataset, spec: DisplaySpec) -> dict[str, bytes]:
    """JPEG files by name, each of at most `MAX_BYTES`.

    There are no examples where the detector neither found, missed nor invented anything.

    Raises
    ------
    ImageError
        An image cannot be read.

    """
    pictures = {CURVES: _fitting(_curves(found))}
    examples = _examples(found, dataset, spec)
    return pictures if examples is None else {**pictures, EXAMPLES: _fitting(examples)}


def _fitting(image: NDArray[np.uint8]) -> bytes:
    """The best JPEG of an image (H, W, 3) RGB that is not too large."""
    for quality in (85, 75, 65, 55, 45):
        data = encode_jpeg(image, quality=quality)
        if len(data) <= MAX_BYTES:
            return data
    half_wh = (image.shape[1] // 2, image.shape[0] // 2)
    return _fitting(np.asarray(cv2.resize(image, half_wh, interpolation=cv2.INTER_AREA), np.uint8))


def _curves(found: Validation) -> NDArray[np.uint8]:
    """Precision over recall, and FROC, with the operating points; (H, W, 3) RGB."""
    measures, names = found.measures, list(found.measures.classes)
    figure = Figure(figsize=(10, 4.4), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, name in enumerate(names):
        froc = measures.froc[name]
        add_curve(right, froc.false_positives_per_image, froc.sensitivity, name, number)
        if name in measures.curves:
            curve = measures.curves[name]
            add_curve(left, curve.recall, curve.precision, name, number)
    mark_points(left, names, _marks(found, lambda rates: (rates.recall, rates.precision)))
    mark_points(
        right, names, _marks(found, lambda rates: (rates.false_positives_per_image, rates.recall))
    )
    left.set(xlabel="Recall (sensitivity)", ylabel="Precision", xlim=(0, 1), ylim=(0, 1.02))
    left.set_title(f"mAP50 {measures.map50}", fontsize=10)
    right.set(xlabel="False alarms an image", ylabel="Sensitivity", ylim=(0, 1.02))
    right.set_xscale("symlog", linthresh=0.125, linscale=0.3)
    right.set_xlim(0, 10)
    ticks = (0.0, *FROC_FALSE_POSITIVES)
    right.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    right.minorticks_off()
    right.set_title(f"FROC, mean sensitivity {measures.froc[ALL_CLASSES].mean}", fontsize=10)
    for axes, loc in ((left, "best"), (right, "upper left")):
        axes.grid(color="#E3E6EA")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc=loc, fontsize=8.5)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(np.asarray(pixels)[:, :, :3])


def _marks(
    found: Validation, axes_of: Callable[[LesionRates], tuple[Estimate, Estimate]]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Where each class's operating points lie; those without figures are left out."""
    marks: dict[str, dict[str, tuple[float, float]]] = {}
    for point, by_class in found.measures.points.items():
        for name, rates in by_class.items():
            x, y = (one.value for one in axes_of(rates))
            if x is not None and y is not None:
                marks.setdefault(name, {})[point] = (x, y)
    return marks


def _examples(found: Validation, dataset: Dataset, spec: DisplaySpec) -> NDArray[np.uint8] | None:
    """The first cases of each kind at the chief point, a row each; (H, W, 3) RGB."""
    thresholds = found.points.to_manifest()[CHIEF_POINT]
    names = dataset.label_map.names
    cases = find_cases(found.truths, found.predictions, thresholds, class_names=names)
    rows = []
    for kind in ROWS:
        of_kind = [case for case in cases if case.kind is kind]
        if of_kind:
            tiles = [_tile(case, found, dataset, spec, thresholds) for case in _apart(of_kind)]
            rows.append(_row(f"{kind.value} ({len(of_kind)} in all)", tiles))
    return np.concatenate(rows) if rows else None


def _apart(cases: Sequence[Case]) -> list[Case]:
    """The first cases, of as many images: two of one image would show the same."""
    first: dict[str, Case] = {}
    for case in cases:
        first.setdefault(case.image, case)
    return list(first.values())[:COLUMNS]


def _tile(
    case: Case,
    found: Validation,
    dataset: Dataset,
    spec: DisplaySpec,
    thresholds: Mapping[str, float],
) -> NDArray[np.uint8]:
    row = [truth.image for truth in found.truths].index(case.image)
    image = display(read_radiograph(dataset.root / case.image), spec.whole()).image
    boxes = compared_boxes(
        found.truths[row], found.predictions[row], thresholds, class_names=dataset.label_map.names
    )
    height, width = image.shape
    view = view_around(case.box, size_wh=(width, height), context=_SURROUNDINGS)
    drawn = draw_boxes(image, boxes, view=view, longest_side=TILE_PX)
    tile = np.full((TILE_PX, TILE_PX, 3), WHITE, dtype=np.uint8)
    tile[: drawn.shape[0], : drawn.shape[1]] = drawn[:TILE_PX, :TILE_PX]
    return tile


def _row(title: str, tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    width = COLUMNS * (TILE_PX + GAP_PX) - GAP_PX
    row = np.full((TITLE_PX + TILE_PX + GAP_PX, width, 3), WHITE, dtype=np.uint8)
    cv2.putText(row, title, (2, TITLE_PX - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.55, INK, 1, cv2.LINE_AA)
    for column, tile in enumerate(tiles):
        left = column * (TILE_PX + GAP_PX)
        row[TITLE_PX : TITLE_PX + TILE_PX, left : left + TILE_PX] = tile
    return row
