"""Which hits, misses and false alarms to look at, and their pictures: how models get better."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.geometry import Box
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import iou_matrix, match_image, pair_images
from lucency.evaluation.pictures import (
    COLOURS,
    DASHED,
    BoxKind,
    DrawnBox,
    box_of,
    compared_boxes,
    draw_boxes,
    encode_jpeg,
    view_around,
)
from lucency.evaluation.report import GalleryItem, GallerySection, LegendEntry

DEFAULT_MOST = 12
PICTURE_PX, OVERVIEW_PX = 440, 150
SECTIONS = (
    (
        BoxKind.MISS,
        "Worst misses",
        "Findings without a prediction at the operating point: first the large ones that no "
        "box fits by the match rule, or one of a low score only.",
    ),
    (BoxKind.FALSE_ALARM, "Worst false alarms", "Predictions without a finding, the surest first."),
    (BoxKind.HIT, "Hits", "Findings that were found, the surest first."),
)
MEANINGS = {
    BoxKind.TRUTH: "finding, as marked by a reader",
    BoxKind.HIT: "prediction that found it",
    BoxKind.MISS: "missed finding",
    BoxKind.FALSE_ALARM: "false alarm",
}


@dataclass(frozen=True)
class Case:
    """One hit, miss or false alarm.

    ``rank`` sorts the cases of a kind, the first to look at highest: the score, and for misses
    the share of the image that the finding covers times the share of the threshold that the best
    box that fits it lacks.
    """

    kind: BoxKind
    image: str
    box: Box
    caption: str
    rank: float


def find_cases(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
    rule: MatchRule = IOU_50,
) -> tuple[Case, ...]:
    """Every hit, miss and false alarm at the classes' ``thresholds``, those to look at first.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    limits = np.array([thresholds[name] for name in class_names], dtype=np.float64)
    cases: list[Case] = []
    for truth, found in pair_images(truths, predictions):
        # Matching all boxes once is enough: those below a threshold change nothing above it.
        target = match_image(truth, found, rule=rule).prediction_truth
        best = np.zeros(len(truth.class_ids))
        best[target[target >= 0]] = found.scores[target >= 0]
        for row in np.flatnonzero(best < limits[truth.class_ids]).tolist():
            name = class_names[truth.class_ids[row]]
            cases.append(_miss(truth, row, name, best[row], thresholds[name]))
        for row in np.flatnonzero(found.scores >= limits[found.class_ids]).tolist():
            kind = BoxKind.HIT if target[row] >= 0 else BoxKind.FALSE_ALARM
            name, score = class_names[found.class_ids[row]], float(found.scores[row])
            overlap = float(iou_matrix(found.boxes_xyxy[[row]], truth.boxes_xyxy).max(initial=0.0))
            where = f", IoU {overlap:.2f} with a finding" if overlap > 0 else ""
            caption = f"{name}, score {score:.2f}{where}"
            cases.append(Case(kind, truth.image, box_of(found.boxes_xyxy[row]), caption, score))
    return tuple(sorted(cases, key=lambda case: -case.rank))


def detection_gallery(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
    read_image: Callable[[str], NDArray[np.uint8]],
    link: Callable[[str], str] = lambda image: "",
    rule: MatchRule = IOU_50,
    most: int = DEFAULT_MOST,
) -> tuple[GallerySection, ...]:
    """The sections of a report with misses, false alarms and hits.

    Parameters
    ----------
    truths, predictions, thresholds, class_names, rule
        As `find_cases` takes them, which raises `ValueError`.
    read_image
        Gives the pixels, (H, W) or (H, W, 3) RGB, of an image by its name; only those that are
        shown are read, and each once.
    link
        Gives the address of the image file by its name, or nothing for no link.
    most
        Pictures of misses and of false alarms; of hits half as many.

    """
    cases = find_cases(truths, predictions, thresholds, class_names=class_names, rule=rule)
    chosen: dict[BoxKind, list[Case]] = defaultdict(list)
    for case in cases:
        chosen[case.kind].append(case)
    shown = {kind: chosen[kind][: _limit(kind, most)] for kind, _, _ in SECTIONS}
    of_image: dict[str, list[Case]] = defaultdict(list)
    for case in (case for found in shown.values() for case in found):
        of_image[case.image].append(case)
    items: dict[Case, GalleryItem] = {}
    for truth, found in pair_images(truths, predictions):
        if truth.image not in of_image:
            continue
        boxes = compared_boxes(truth, found, thresholds, class_names=class_names, rule=rule)
        pixels = read_image(truth.image)
        for case in of_image[truth.image]:
            items[case] = _item(case, pixels, boxes, link(truth.image))
    sections = []
    for kind, title, caption in SECTIONS:
        pictures = [items[case] for case in shown[kind]]
        counted = f"{caption} {len(pictures)} of {len(chosen[kind])} shown." if pictures else ""
        sections.append(GallerySection(title, counted, pictures, legend() if pictures else ()))
    return tuple(sections)


def legend() -> tuple[LegendEntry, ...]:
    """What the lines in the gallery's pictures mean."""
    return tuple(
        LegendEntry("#{:02x}{:02x}{:02x}".format(*COLOURS[kind]), text, kind in DASHED)
        for kind, text in MEANINGS.items()
    )


def _limit(kind: BoxKind, most: int) -> int:
    return max(1, most // 2) if kind is BoxKind.HIT else most


def _miss(truth: ImageTruth, row: int, name: str, best: float, threshold: float) -> Case:
    box = box_of(truth.boxes_xyxy[row])
    share = box.area / (truth.size_wh[0] * truth.size_wh[1])
    found = f"best box that fits scores {best:.2f}" if best > 0 else "no box fits"
    caption = f"{name}, {share:.1%} of the image, {found}"
    return Case(BoxKind.MISS, truth.image, box, caption, share * (1.0 - best / threshold))


def _item(
    case: Case, image: NDArray[np.uint8], boxes: Sequence[DrawnBox], link: str
) -> GalleryItem:
    """The surroundings of the box, and beside it the whole image with the part that they are."""
    height, width = image.shape[:2]
    view = view_around(case.box, size_wh=(width, height))
    picture = draw_boxes(image, boxes, view=view, longest_side=PICTURE_PX)
    overview = draw_boxes(image, [DrawnBox(case.box, case.kind)], longest_side=OVERVIEW_PX)
    return GalleryItem(
        encode_jpeg(picture, quality=80),
        case.caption,
        name=PurePosixPath(case.image).name,
        overview=encode_jpeg(overview, quality=80),
        link=link,
    )
