"""Radiographs with boxes drawn on them, for people to look at.

Colours are told apart by the colour-blind as well (after Okabe and Ito 2008, brightened for dark
films), and misses are dashed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.geometry import Box
from lucency.evaluation.boxes import ImagePredictions, ImageTruth
from lucency.evaluation.match_rules import IOU_50, MatchRule
from lucency.evaluation.matching import match_image

Rgb = tuple[int, int, int]
INK: Rgb = (12, 14, 18)
FONT = cv2.FONT_HERSHEY_SIMPLEX
# At font scale 1, in pixels: the height of a capital letter, and how far a "y" hangs below it.
CAPITAL_PX, DESCENT_PX = 22.0, 8.0


class BoxKind(StrEnum):
    """What a drawn box stands for; `FOUND` is a prediction with no truth to judge it by."""

    TRUTH = "truth"
    HIT = "hit"
    MISS = "miss"
    FALSE_ALARM = "false alarm"
    FOUND = "found"


COLOURS: Mapping[BoxKind, Rgb] = {
    BoxKind.TRUTH: (86, 180, 233),
    BoxKind.HIT: (0, 201, 145),
    BoxKind.MISS: (245, 176, 10),
    BoxKind.FALSE_ALARM: (240, 84, 64),
    BoxKind.FOUND: (0, 201, 145),
}
DASHED = frozenset({BoxKind.MISS})
# One a class, where boxes of several are drawn; then they begin again.
CLASS_COLOURS: Sequence[Rgb] = (
    (0, 201, 145),
    (86, 180, 233),
    (245, 176, 10),
    (240, 84, 64),
    (236, 140, 196),
    (240, 228, 66),
    (168, 150, 255),
    (226, 230, 236),
)


@dataclass(frozen=True)
class DrawnBox:
    """One box to draw: in pixels of the image, with its label; no label if ``text`` is empty.

    ``colour`` replaces that of the ``kind``; a ``dotted`` line is for what is doubtful.
    """

    box: Box
    kind: BoxKind
    text: str = ""
    colour: Rgb | None = None
    dotted: bool = False

    @property
    def ink(self) -> Rgb:
        """The colour of the line and of the label's plate."""
        return self.colour or COLOURS[self.kind]


def compared_boxes(
    truth: ImageTruth,
    predictions: ImagePredictions,
    thresholds: Mapping[str, float],
    *,
    class_names: Sequence[str],
    rule: MatchRule = IOU_50,
) -> tuple[DrawnBox, ...]:
    """Truth, hits, misses and false alarms of one image at the classes' ``thresholds``."""
    shown = above_thresholds(predictions, thresholds, class_names=class_names)
    matches = match_image(truth, shown, rule=rule)
    drawn: list[DrawnBox] = []
    for row, found in enumerate(matches.truth_matched):
        kind = BoxKind.TRUTH if found else BoxKind.MISS
        text = "" if found else f"missed: {class_names[truth.class_ids[row]]}"
        drawn.append(DrawnBox(box_of(truth.boxes_xyxy[row]), kind, text))
    for row, target in enumerate(matches.prediction_truth):
        kind = BoxKind.HIT if target >= 0 else BoxKind.FALSE_ALARM
        text = f"{class_names[shown.class_ids[row]]} {shown.scores[row]:.2f}"
        drawn.append(DrawnBox(box_of(shown.boxes_xyxy[row]), kind, text))
    return tuple(drawn)


def above_thresholds(
    predictions: ImagePredictions, thresholds: Mapping[str, float], *, class_names: Sequence[str]
) -> ImagePredictions:
    """The predictions whose score is at least the threshold of their class."""
    limits = np.array([thresholds[name] for name in class_names], dtype=np.float64)
    kept = predictions.scores >= limits[predictions.class_ids]
    return ImagePredictions(
        predictions.image,
        predictions.boxes_xyxy[kept],
        predictions.scores[kept],
        predictions.class_ids[kept],
    )


def draw_boxes(
    image: NDArray[np.uint8],
    boxes: Sequence[DrawnBox],
    *,
    view: Box | None = None,
    longest_side: int | None = None,
) -> NDArray[np.uint8]:
    """Draw ``boxes`` on a copy of ``image``, (H, W) grey or (H, W, 3) RGB; returns RGB.

    With ``view`` only that part of the image is shown; with ``longest_side`` it is resized to
    that many pixels first, so that lines and letters stay sharp. Both scale with the picture,
    and labels stay inside it.
    """
    part, offset = _cut_out(image, view)
    height, width = part.shape[:2]
    factor = 1.0 if longest_side is None else longest_side / max(width, height)
    canvas = _as_rgb(_resized(part, factor))
    factor_x, factor_y = canvas.shape[1] / width, canvas.shape[0] / height
    line_px = max(2, round(max(canvas.shape[:2]) / 250))
    placed = [
        (drawn, _on_canvas(drawn.box, offset, (factor_x, factor_y), canvas)) for drawn in boxes
    ]
    for drawn, corners in placed:
        if corners is not None:
            dash = 3.5 if drawn.dotted else 5.0 if drawn.kind in DASHED else None
            _outline(canvas, corners, drawn.ink, line_px, dash=dash)
    taken: list[Corners] = []
    for drawn, corners in placed:
        if corners is not None and drawn.text:
            taken.append(_label(canvas, corners, drawn.text, drawn.ink, line_px, taken=taken))
    return canvas


def thumbnail(image: NDArray[np.uint8], *, longest_side: int) -> NDArray[np.uint8]:
    """A small RGB copy of ``image``, (H, W) or (H, W, 3); never enlarged."""
    factor = min(1.0, longest_side / max(image.shape[:2]))
    return _as_rgb(_resized(image, factor))


def view_around(
    box: Box, *, size_wh: tuple[int, int], context: float = 3.0, least_px: float = 96.0
) -> Box:
    """A square part of an image around ``box``, inside the image where it fits.

    Its side is ``context`` times the longer side of the box and at least ``least_px`` pixels,
    so that the surroundings can be judged; it is cut at the borders of a smaller image.
    """
    side = max(context * max(box.width, box.height), least_px)
    corners: list[tuple[float, float]] = []
    for centre, limit in (
        ((box.x1 + box.x2) / 2, float(size_wh[0])),
        ((box.y1 + box.y2) / 2, float(size_wh[1])),
    ):
        length = min(side, limit)
        start = min(max(centre - length / 2, 0.0), limit - length)
        corners.append((start, start + length))
    (x1, x2), (y1, y2) = corners
    return Box(x1, y1, x2, y2)


def encode_jpeg(image: NDArray[np.uint8], *, quality: int = 85) -> bytes:
    """``image``, (H, W) grey or (H, W, 3) RGB, as a JPEG."""
    pixels = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    settings = [
        (cv2.IMWRITE_JPEG_QUALITY, quality),
        # Colour at full resolution, or thin lines would lose theirs.
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ]
    done, data = cv2.imencode(".jpg", pixels, [value for pair in settings for value in pair])
    if not done:
        raise ValueError(f"an image of shape {image.shape} cannot be written as JPEG")
    return bytes(data)


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """``image``, (H, W, 3) RGB, as a PNG."""
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"an image of shape {image.shape} cannot be written as PNG")
    return bytes(data)


def box_of(corners_xyxy: NDArray[np.float64]) -> Box:
    """One row of an (N, 4) array as a `Box`."""
    x1, y1, x2, y2 = (float(value) for value in corners_xyxy)
    return Box(x1, y1, x2, y2)


def _cut_out(
    image: NDArray[np.uint8], view: Box | None
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The part of the image, at least one pixel, and its top-left corner."""
    height, width = image.shape[:2]
    if view is None:
        return image, (0, 0)
    inside = view.clipped(width, height)
    x1, y1 = min(int(inside.x1), width - 1), min(int(inside.y1), height - 1)
    x2, y2 = max(x1 + 1, round(inside.x2)), max(y1 + 1, round(inside.y2))
    return image[y1:y2, x1:x2], (x1, y1)


def _resized(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    if factor == 1.0:
        return image
    size_wh = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1.0 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size_wh, interpolation=method), dtype=np.uint8)


def _as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy with three channels, its memory in one piece as OpenCV's drawing needs it."""
    if image.ndim == 2:
        return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2))
    return np.array(image, dtype=np.uint8, order="C", copy=True)


Corners = tuple[int, int, int, int]


def _on_canvas(
    box: Box, offset: tuple[int, int], factors: tuple[float, float], canvas: NDArray[np.uint8]
) -> Corners | None:
    """The box in whole pixels of the canvas, or None where nothing of it is to be seen."""
    shifted = Box(box.x1 - offset[0], box.y1 - offset[1], box.x2 - offset[0], box.y2 - offset[1])
    scaled = shifted.scaled(*factors)
    height, width = canvas.shape[:2]
    if scaled.x2 < 0 or scaled.y2 < 0 or scaled.x1 > width or scaled.y1 > height:
        return None
    x1, y1 = round(scaled.x1), round(scaled.y1)
    return x1, y1, max(x1, round(scaled.x2) - 1), max(y1, round(scaled.y2) - 1)


def _outline(
    canvas: NDArray[np.uint8], corners: Corners, colour: Rgb, line_px: int, *, dash: float | None
) -> None:
    """A coloured line on a wider dark one, which keeps it visible on bright bone.

    ``dash`` is how many times as long as thick its dashes are; None draws it through.
    """
    x1, y1, x2, y2 = corners
    sides = [((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))]
    if dash is not None:
        sides = [part for start, end in sides for part in _dashes(start, end, dash * line_px)]
    for ink, thickness in ((INK, line_px + 2), (colour, line_px)):
        for start, end in sides:
            cv2.line(canvas, start, end, ink, thickness, cv2.LINE_8)


def _dashes(
    start: tuple[int, int], end: tuple[int, int], length_px: float
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Dashes and gaps of about equal length, with a dash at either end."""
    count = max(1, round(np.hypot(end[0] - start[0], end[1] - start[1]) / length_px)) // 2 * 2 + 1
    xs = np.linspace(start[0], end[0], count + 1).round().astype(int)
    ys = np.linspace(start[1], end[1], count + 1).round().astype(int)
    return [
        ((int(xs[i]), int(ys[i])), (int(xs[i + 1]), int(ys[i + 1]))) for i in range(0, count, 2)
    ]


def _label(
    canvas: NDArray[np.uint8],
    corners: Corners,
    text: str,
    colour: Rgb,
    line_px: int,
    *,
    taken: Sequence[Corners],
) -> Corners:
    """Dark letters on a plate of the box's colour: above the box, else below, else inside.

    The first place is taken that is on the canvas and clear of the plates ``taken``, or the first
    on the canvas. Returns the plate's corners.
    """
    height, width = canvas.shape[:2]
    scale = max(0.4, max(width, height) / 950)
    pad, rim = max(2, round(5 * scale)), max(1, round(2 * scale))
    text_width, thickness = _measured(text, scale)
    if text_width + 2 * pad > width:
        scale *= max(width - 2 * pad, 1) / text_width
        text_width, thickness = _measured(text, scale)
    capital, descent = math.ceil(CAPITAL_PX * scale), math.ceil(DESCENT_PX * scale)
    plate_width, plate_height = text_width + 2 * pad, capital + descent + 2 * rim
    x = min(max(corners[0] - line_px, 0), max(width - plate_width, 0))
    above, below = corners[1] - line_px - plate_height, corners[3] + line_px + 1
    inside = min(max(corners[1], 0), max(height - plate_height, 0))
    places = [place for place in (above, below) if 0 <= place <= height - plate_height]
    plates = [(x, y, x + plate_width - 1, y + plate_height - 1) for y in (*places, inside)]
    plate = next((one for one in plates if not _touches(one, taken)), plates[0])
    x, y = plate[:2]
    cv2.rectangle(canvas, (x, y), plate[2:], colour, cv2.FILLED)
    baseline = (x + pad, y + rim + capital)
    cv2.putText(canvas, text, baseline, FONT, scale, INK, thickness, cv2.LINE_AA)
    return plate


def _touches(plate: Corners, others: Sequence[Corners]) -> bool:
    return any(
        plate[0] <= x2 and x1 <= plate[2] and plate[1] <= y2 and y1 <= plate[3]
        for x1, y1, x2, y2 in others
    )


def _measured(text: str, scale: float) -> tuple[int, int]:
    """Width of the text in pixels, and the thickness of its strokes, on which that depends."""
    thickness = max(1, round(1.3 * scale))
    return cv2.getTextSize(text, FONT, scale, thickness)[0][0], thickness
