"""Radiographs with what was found: boxes, verdicts above them, the heat of classifiers beside."""

import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.geometry import Box
from lucency.api.pipeline import Analysis
from lucency.api.prediction_outcomes import Outcome, Picture, Write
from lucency.api.schemas import FoundBox, HeatMap, ImageClassification
from lucency.configs import atomic
from lucency.configs.display import DisplaySpec
from lucency.datasets.display import display
from lucency.evaluation.heat import blend_heat, with_title
from lucency.evaluation.pictures import (
    CLASS_COLOURS,
    BoxKind,
    DrawnBox,
    Rgb,
    draw_boxes,
    encode_jpeg,
)

# Longer side of a picture: small images are enlarged so that labels can be read.
LEAST_PICTURE_PX, MOST_PICTURE_PX = 640, 1600
_QUALITY = 90


@contextmanager
def pictures_folder(path: Path) -> Iterator[Write]:
    """Make the new folder ``path`` with the pictures of all files, in the images' own tree."""
    with atomic.new_folder(path) as folder:

        def write(outcome: Outcome) -> None:
            for picture in outcome.pictures:
                file = folder / f"{outcome.image.stem}{picture.suffix}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(picture.jpeg)

        yield write


def class_colours(class_names: tuple[str, ...]) -> Mapping[str, Rgb]:
    """A colour for each class, by its place."""
    number = len(CLASS_COLOURS)
    return {name: CLASS_COLOURS[place % number] for place, name in enumerate(class_names)}


def draw_pictures(analysis: Analysis, *, colours: Mapping[str, Rgb]) -> Iterator[Picture]:
    """The image as displayed with its boxes, and once more under each heat map of the report.

    What classifiers say stands above it: a picture with nothing on it would look like health.
    """
    yield Picture("", _jpeg_with_boxes(analysis, colours))
    answers = {each.model: each for each in analysis.report.classifications}
    for heat in analysis.report.heatmaps or ():
        suffix = re.sub(r"[^\w.-]+", "_", f"-heat-{heat.model}-{heat.label}")
        yield Picture(suffix, _jpeg_with_heat(analysis, heat, answers[heat.model]))


def _jpeg_with_boxes(analysis: Analysis, colours: Mapping[str, Rgb]) -> bytes:
    image = display(analysis.radiograph, DisplaySpec()).image
    boxes = [_drawn(found, colours) for found in analysis.report.findings]
    longest = min(max(LEAST_PICTURE_PX, *image.shape), MOST_PICTURE_PX)
    picture = draw_boxes(image, boxes, longest_side=longest)
    lines = [
        ", ".join(_verdict(answer, label))
        for answer in analysis.report.classifications
        for label in answer.probabilities
    ]
    return encode_jpeg(with_title(picture, lines) if lines else picture, quality=_QUALITY)


def _drawn(found: FoundBox, colours: Mapping[str, Rgb]) -> DrawnBox:
    return DrawnBox(
        Box(found.box.x1, found.box.y1, found.box.x2, found.box.y2),
        BoxKind.FOUND,
        f"{found.label} {found.score:.2f}",
        colour=colours.get(found.label),
        dotted=found.tier == "doubtful",
    )


def _jpeg_with_heat(analysis: Analysis, heat: HeatMap, answer: ImageClassification) -> bytes:
    radiograph = analysis.radiograph
    blended = blend_heat(radiograph, _heat(heat, radiograph.size_wh), DisplaySpec())
    longest = min(max(LEAST_PICTURE_PX, *blended.shape[:2]), MOST_PICTURE_PX)
    picture = draw_boxes(blended, (), longest_side=longest)
    lines = [*_verdict(answer, heat.label)]
    if not heat.any_heat:
        lines.append("nothing in the image speaks for it")
    return encode_jpeg(with_title(picture, lines), quality=_QUALITY)


def _verdict(answer: ImageClassification, label: str) -> tuple[str, str]:
    """A label's probability, and on which side of its threshold that is."""
    side = "at or above" if answer.verdicts[label] else "below"
    return (
        f"{label} {answer.probabilities[label]:.3f}",
        f"{side} its threshold {answer.thresholds[label]:.3f}",
    )


def _heat(heat: HeatMap, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """The map as (H, W) from 0 to 1, in pixels of the stored image."""
    data = np.frombuffer(base64.b64decode(heat.png), dtype=np.uint8)
    levels = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    if levels is None:
        raise ValueError(f"the heat map of {heat.model} is no PNG")
    resized = cv2.resize(levels, size_wh, interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.float32) / np.float32(255)
