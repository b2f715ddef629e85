"""Which hits, misses and false alarms to look at, and their pictures: how models get better."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lucency.annotations.geometry import Box
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.matching import match_image, pair_images
from lucency.evaluation.pictures import (
    COLOURS,
    DASHED,
    BoxKind,
    DrawnBox,
    above_thresholds,
    box_of,
    compared_boxes,
    draw_boxes,
    encode_jpeg,
    view_around,
)
from lucency.evaluation.report import GalleryItem, GallerySection, LegendEntry

DEFAULT_MOST = 12
PICTURE_PX = 440
SECTIONS = (
    (
        BoxKind.MISS,
        "Misses",
        "Findings without a prediction at the operating point, the largest part of the image "
        "first.",
    ),
    (BoxKind.FALSE_ALARM, "False alarms", "Predictions without a finding, the surest first."),
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
    the share of the image that the finding covers.
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
) -> tuple[Case, ...]:
    """Every hit, miss and false alarm at the classes' ``thresholds``, IoU 0.5.

    Raises
    ------
    ValueError
        An image stands twice or has predictions but no truth.

    """
    cases: list[Case] = []
    for truth, found in pair_images(truths, predictions):
        shown = above_thresholds(found, thresholds, class_names=class_names)
        matches = match_image(truth, shown)
        for row in np.flatnonzero(~matches.truth_matched).tolist():
            box = box_of(truth.boxes_xyxy[row])
            share = box.area / (truth.size_wh[0] * truth.size_wh[1])
            text = f"{truth.image}: {class_names[truth.class_ids[row]]}, {share:.1%} of the image"
            cases.append(Case(BoxKind.MISS, truth.image, box, text, share))
        for row, target in enumerate(matches.prediction_truth):
            score = float(shown.scores[row])
            text = f"{truth.image}: {class_names[shown.class_ids[row]]} {score:.2f}"
            kind = BoxKind.HIT if target >= 0 else BoxKind.FALSE_ALARM
            if target >= 0:
                text += f", IoU {matches.prediction_iou[row]:.2f}"
            box = box_of(shown.boxes_xyxy[row])
            cases.append(Case(kind, truth.image, box, text, score))
    return tuple(sorted(cases, key=lambda case: -case.rank))


def detection_gallery(
    truths: Sequence[ImageTruth],
    predictions: Sequence[ImagePredictions],
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
    read_image: Callable[[str], NDArray[np.uint8]],
    most: int = DEFAULT_MOST,
) -> tuple[GallerySection, ...]:
    """The sections of a report with misses, false alarms and hits, ``most`` pictures each.

    ``read_image`` gives the pixels, (H, W) or (H, W, 3) RGB, of an image by its name; only those
    that are shown are read, and each once. Raises `ValueError` as `find_cases` does.
    """
    cases = find_cases(truths, predictions, thresholds, class_names=class_names)
    chosen = {kind: [case for case in cases if case.kind is kind] for kind, _, _ in SECTIONS}
    shown = {case.image for found in chosen.values() for case in found[:most]}
    pixels = {image: read_image(image) for image in sorted(shown)}
    drawn = {
        truth.image: compared_boxes(truth, found, thresholds, class_names=class_names)
        for truth, found in pair_images(truths, predictions)
        if truth.image in shown
    }
    sections: list[GallerySection] = []
    for kind, title, caption in SECTIONS:
        found = chosen[kind]
        items = [_item(case, pixels[case.image], drawn[case.image]) for case in found[:most]]
        counted = f"{caption} {len(items)} of {len(found)} shown." if found else ""
        sections.append(GallerySection(title, counted, items, legend() if items else ()))
    return tuple(sections)


def legend() -> tuple[LegendEntry, ...]:
    """What the lines in the gallery's pictures mean."""
    return tuple(
        LegendEntry("#{:02x}{:02x}{:02x}".format(*COLOURS[kind]), text, kind in DASHED)
        for kind, text in MEANINGS.items()
    )


def _item(case: Case, image: NDArray[np.uint8], boxes: Sequence[DrawnBox]) -> GalleryItem:
    height, width = image.shape[:2]
    view = view_around(case.box, size_wh=(width, height))
    picture = draw_boxes(image, boxes, view=view, longest_side=PICTURE_PX)
    return GalleryItem(encode_jpeg(picture), case.caption)
