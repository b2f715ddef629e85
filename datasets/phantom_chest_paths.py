"""Path lengths of X-rays through the parts of a chest, on the pixels of one image."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.datasets.phantom_chest_anatomy import ChestAnatomy, Strip, table_index
from lucency.datasets.phantom_physics import FloatImage, Points, fixed_point

_RIB_CM = 0.95  # bone that a ray meets in the edge of a rib
_SHOULDER_CM = 1.3
_SPINE_CM = 1.25
# A flat bone from its rim inwards: part of the half width, bone relative to the rim's.
_RIND = ((1.0, 0.62), (0.86, 1.0), (0.66, 0.74), (0.38, 0.64))


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the body lies in an image: the cm of every pixel (H, W) and the way back.

    ``breath`` is how far the diaphragm is below its place, in cm.
    """

    x_cm: FloatImage
    y_cm: FloatImage
    px_per_cm: float
    to_px: Points  # (2, 3), affine
    breath: float

    def pixels(self, points_cm: Points) -> Points:
        """Points (N, 2) of the body in pixels."""
        return points_cm @ self.to_px[:, :2].T + self.to_px[:, 2]

    def window(self, x: float, y: float, *, reach: float) -> tuple[slice, slice]:
        """Rows and columns of the square of ``reach`` cm about a point, as far as in the image."""
        middle = self.pixels(np.array([[x, y]]))[0]
        low = np.clip(np.floor(middle - reach * self.px_per_cm), 0, len(self.x_cm)).astype(int)
        high = np.clip(np.ceil(middle + reach * self.px_per_cm), 0, len(self.x_cm)).astype(int)
        return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def place_body(
    *, size: int, field_cm: float, middle_cm: tuple[float, float], angle: float, breath: float
) -> Frame:
    """The frame of an image (size, size) that shows ``field_cm`` about ``middle_cm``, turned."""
    per_cm = size / field_cm
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([(cosine, -sine), (sine, cosine)])
    shift = size / 2 - per_cm * turn @ np.array(middle_cm)
    to_px = np.concatenate([per_cm * turn, shift[:, None]], axis=1)
    back = np.asarray(cv2.invertAffineTransform(to_px), dtype=np.float32)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) + np.float32(0.5)
    x_cm = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    y_cm = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    return Frame(x_cm, y_cm, per_cm, to_px, breath)


def lung_path(anatomy: ChestAnatomy, frame: Frame) -> FloatImage:
    """The path through both lungs (H, W) in cm: sharp at the domes, thin behind the heart."""
    side = (frame.x_cm > 0).astype(np.intp)
    out = np.abs(frame.x_cm)
    row, column = table_index(frame.y_cm), table_index(out)
    wall, border = anatomy.wall[side, row], anatomy.border[side, row]
    dome = anatomy.dome[side, column] + np.float32(frame.breath)
    crown = np.float32(anatomy.apex) + np.float32(0.13) * (out - 4.6) ** 2
    high = np.clip((frame.y_cm - crown) / 9.0, 0, 1)
    depth = anatomy.lung_depth * np.sqrt(1 - (1 - high) ** 2)
    depth *= np.sqrt(np.maximum(1 - (out / wall) ** 2, 0))
    beside = _smooth_step((out - border) / 0.35 + 0.5)
    behind = 0.20 * _smooth_step((out - 1.5) / 2.0) * np.clip((frame.y_cm + 6) / 8, 0.3, 1)
    below = frame.y_cm - dome
    # Behind the dome the lung reaches deeper, which shows faintly through the belly.
    over = np.clip(0.5 - below / 0.3, 0.10 * np.exp(-np.maximum(below, 0) / 2.5), 1)
    return np.asarray(depth * (behind + (1 - behind) * beside) * over, dtype=np.float32)


def body_path(anatomy: ChestAnatomy, frame: Frame) -> FloatImage:
    """The path through the trunk, the arms and the breasts without the lungs (H, W) in cm."""
    out = np.abs(frame.x_cm)
    half_width, thickness = anatomy.trunk[:, table_index(frame.y_cm)]
    total = thickness * np.sqrt(np.maximum(1 - (out / half_width) ** 4, 0))
    total = np.maximum(total, _arms(out, frame.y_cm))
    if anatomy.breast:
        from_middle = ((out - 7.6) / 6.2) ** 2 + ((frame.y_cm - 6.4) / 5.6) ** 2
        swell = np.sqrt(np.maximum(1 - from_middle, 0))
        total += anatomy.breast * swell * np.clip((frame.y_cm - 0.5) / 6.0, 0, 1)
    trachea = np.maximum(1 - ((frame.x_cm + 0.15) / 0.9) ** 2, 0)
    total -= 2.6 * np.sqrt(trachea) * np.clip(0.6 - frame.y_cm, 0, 1)
    x, half_width_gas, half_height = anatomy.gas
    if half_height:
        top = anatomy.dome_at(1, x) + frame.breath + 0.7
        level = top + 1.2 * half_height  # gas above, a level of fluid below
        oval = ((frame.x_cm - x) / half_width_gas) ** 2 + ((frame.y_cm - level) / half_height) ** 2
        bubble = np.sqrt(np.maximum(1 - oval, 0)) * np.clip((level - frame.y_cm) * 6 + 1, 0, 1)
        total -= 5.5 * bubble
    return np.asarray(total, dtype=np.float32)


def vessel_path(anatomy: ChestAnatomy, frame: Frame) -> FloatImage:
    """The path through the vessels of the lungs and the hila (H, W) in cm."""
    height, width = frame.x_cm.shape
    canvas = np.zeros((2 * height, 2 * width), np.uint8)
    points = frame.pixels(np.concatenate([points for points, _ in anatomy.vessels])) * 2
    fixed = fixed_point(points)
    first = 0
    for line, diameter in anatomy.vessels:
        last = first + len(line)
        thickness = max(round(2 * diameter * frame.px_per_cm * 0.8), 1)
        value = int(min(235 * diameter + 22, 255))
        cv2.polylines(canvas, [fixed[first:last]], False, value, thickness, cv2.LINE_AA, 4)
        first = last
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 0.05 * frame.px_per_cm)
    out = np.abs(frame.x_cm)
    hilum = np.exp(-(((out - 4.2) / 1.1) ** 2) - ((frame.y_cm - 0.3) / 2.2) ** 2)
    return np.asarray(soft * (2.1 / 255) + 0.9 * hilum, dtype=np.float32)


def bone_paths(anatomy: ChestAnatomy, frame: Frame) -> FloatImage:
    """The path through ribs, shoulder girdle and spine (H, W) in cm."""
    row = table_index(frame.y_cm)
    rim = np.abs(frame.x_cm) / anatomy.wall[0, row]
    # At the side a ray runs along the rib's plate rather than through it.
    steep = 1 + 0.9 * np.exp(-(((rim - 1.0) / 0.07) ** 2))
    behind = _strips(anatomy.posterior_ribs, frame)
    before = _strips(anatomy.anterior_ribs, frame)
    cartilage = np.clip((rim - 0.42) / 0.25, 0, 1)  # ribs turn into cartilage towards the front
    total = _RIB_CM * steep * (behind + 0.62 * cartilage * before)
    total += _SHOULDER_CM * _strips(anatomy.shoulder_bones, frame)
    return np.asarray(total + _SPINE_CM * _spine(anatomy, frame), dtype=np.float32)


def _arms(out: FloatImage, y_cm: FloatImage) -> FloatImage:
    """The path through shoulder and upper arm, a tapering tube away from the body, (H, W) in cm."""
    start, heading = (15.2, -9.6), np.array((0.36, 0.93))
    along = (out - start[0]) * heading[0] + (y_cm - start[1]) * heading[1]
    across = (out - start[0]) * heading[1] - (y_cm - start[1]) * heading[0]
    radius = np.where(along < 0, 4.4, 4.4 - 0.03 * along)
    square = across**2 + np.minimum(along, 0) ** 2
    return np.asarray(2 * np.sqrt(np.maximum(radius**2 - square, 0)), dtype=np.float32)


def _spine(anatomy: ChestAnatomy, frame: Frame) -> FloatImage:
    """Vertebral bodies with end plates, pedicles and spinous processes, (H, W) of 0 to 1."""
    canvas = np.zeros(frame.x_cm.shape, np.uint8)
    for y, half_width, half_height in anatomy.vertebrae:
        for scale, value in ((1.0, 175), (0.86, 135)):
            waist = 0.90  # bodies are waisted
            outline = [
                (-half_width, -half_height * scale),
                (half_width, -half_height * scale),
                (half_width * waist * scale, 0.0),
                (half_width, half_height * scale),
                (-half_width, half_height * scale),
                (-half_width * waist * scale, 0.0),
            ]
            polygon = frame.pixels(np.array(outline) + np.array((0.0, y)))
            cv2.fillPoly(canvas, [fixed_point(polygon)], value, cv2.LINE_AA, 4)
        for x, down, wide, tall in ((-0.62, -0.15, 0.22, 0.36), (0.62, -0.15, 0.22, 0.36)):
            _oval(canvas, frame, (x * half_width, y + down), (wide, tall), 215)
        _oval(canvas, frame, (0.0, y + 0.5 * half_height), (0.2, 0.5), 205)
    soft = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), 0.09 * frame.px_per_cm)
    return np.asarray(soft / 255, dtype=np.float32)


def _oval(
    canvas: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    frame: Frame,
    middle_cm: tuple[float, float],
    axes_cm: tuple[float, float],
    value: int,
) -> None:
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * axes_cm + middle_cm
    cv2.fillPoly(canvas, [fixed_point(frame.pixels(ring))], value, cv2.LINE_AA, 4)


def _strips(strips: Sequence[Strip], frame: Frame) -> FloatImage:
    """Flat bones with a dense rim (H, W) of 0 to 1; where two cross, the later one counts."""
    canvas = np.zeros(frame.x_cm.shape, np.uint8)
    for strip in strips:
        step = np.gradient(strip.points, axis=0)
        normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
        normal *= (strip.half_width / np.hypot(step[:, 0], step[:, 1]))[:, None]
        for part, value in _RIND:
            both = [strip.points + part * normal, (strip.points - part * normal)[::-1]]
            outline = fixed_point(frame.pixels(np.concatenate(both)))
            cv2.fillPoly(canvas, [outline], round(255 * value), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), 0.06 * frame.px_per_cm)
    return np.asarray(soft / 255, dtype=np.float32)


def _smooth_step(value: NDArray[np.floating]) -> FloatImage:
    clipped = np.clip(value, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), dtype=np.float32)
