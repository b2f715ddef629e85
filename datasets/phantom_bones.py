"""Bones as curved hollow tubes, and what breaks or hollows them, as path lengths of X-rays.

A bone stands in the limb's frame in cm: x along the limb, y across it, z towards the detector.
It has its own frame, too: u along the bone from ``start``, v across it in the picture. A ray
passes a front half and a back half of the tube, each a rind of cortex around spongy bone.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from lucency.datasets.phantom_bone_lesions import SAMPLES, Fracture, LyticLesion, Rows
from lucency.datasets.phantom_outlines import Outline
from lucency.datasets.phantom_physics import FloatImage, Mask

Vector: TypeAlias = tuple[float, float, float]  # x, y, z in cm

TILE = 256  # the spongy texture repeats after this many of its pixels
TILE_PER_CM = 22.0


@dataclass(frozen=True, slots=True)
class Bone:
    """A tube from ``start`` to ``end``, its shaft of ``radius`` cm bowed by ``bow`` cm (y, z)."""

    name: str
    start: Vector
    end: Vector
    radius: float
    outline: Outline
    bow: tuple[float, float] = (0.0, 0.0)
    cap: float = 1.0  # length of the rounded ends in units of the radius


@dataclass(frozen=True, slots=True)
class Sight:
    """How the limb is looked at: ``turn`` about its axis, and the cm of every pixel (H, W)."""

    turn: float
    x_cm: FloatImage
    y_cm: FloatImage
    px_per_cm: float

    def across(self, y: float, z: float) -> float:
        """The coordinate across the limb in the picture, in cm."""
        return float(y * np.cos(self.turn) - z * np.sin(self.turn))

    def deep(self, y: float, z: float) -> float:
        """The coordinate along the ray, in cm."""
        return float(y * np.sin(self.turn) + z * np.cos(self.turn))


@dataclass(frozen=True, slots=True)
class _Tube:
    """A bone in one picture: tables along its length (in cm) and its axis in the limb's frame."""

    origin: tuple[float, float]
    heading: tuple[float, float]
    length: float
    plus: Rows
    minus: Rows
    depth: Rows
    cortex: Rows
    spongy: Rows
    middle: Rows


@dataclass(frozen=True, slots=True)
class _Part:
    """The path through either half of a tube, and where: u in cm, v in half widths."""

    half_cm: FloatImage
    u: FloatImage
    across: FloatImage


def bone_path(
    bone: Bone,
    *,
    sight: Sight,
    texture: FloatImage,
    lesion: Fracture | LyticLesion | None = None,
) -> tuple[tuple[slice, slice], FloatImage, Mask | None]:
    """Path lengths of one bone in cm, in the window of the image where it lies.

    ``texture`` (TILE, TILE) is that of spongy bone. The mask is where the lesion shows.
    """
    tube = _tube(bone, sight, lesion)
    window = _window(tube, sight, reach=1.0 if isinstance(lesion, Fracture) else 0.3)
    x = sight.x_cm[window] - np.float32(tube.origin[0])
    y = sight.y_cm[window] - np.float32(tube.origin[1])
    cosine, sine = (np.float32(value) for value in tube.heading)
    u, v = x * cosine + y * sine, y * cosine - x * sine
    if isinstance(lesion, Fracture):
        return (window, *_broken(tube, u, v, lesion=lesion, sight=sight, texture=texture))
    whole = _part(tube, u, v, texture)
    if isinstance(lesion, LyticLesion):
        return (window, *_hollowed(tube, whole, u, v, lesion=lesion))
    return window, 2 * whole.half_cm, None


def spongy_texture(rng: np.random.Generator) -> FloatImage:
    """A seamless tile (TILE, TILE) of trabeculae along its first axis, mean 0, deviation 1."""
    grain = rng.standard_normal((TILE, TILE))
    fine = gaussian_filter(grain, (4.0, 1.3), mode="wrap")
    coarse = gaussian_filter(rng.standard_normal((TILE, TILE)), 9.0, mode="wrap")
    both = fine / fine.std() + 0.8 * coarse / coarse.std()
    return np.asarray(both / both.std(), dtype=np.float32)


def half_width(bone: Bone, at: float) -> float:
    """The mean half width in cm at the part ``at`` of the length, seen from the front."""
    table = np.asarray(bone.outline)
    both = [np.interp(at, table[:, 0], table[:, column]) for column in (1, 2)]
    return float(np.mean(both)) * bone.radius


def _tube(bone: Bone, sight: Sight, lesion: Fracture | LyticLesion | None) -> _Tube:
    """Project the bone: lengths shorten, widths lie between those seen from front and side."""
    first = (bone.start[0], sight.across(bone.start[1], bone.start[2]))
    last = (bone.end[0], sight.across(bone.end[1], bone.end[2]))
    seen = float(np.hypot(last[0] - first[0], last[1] - first[1]))
    length = max(seen, 1.6 * bone.radius)  # a bone seen from its end still is as wide as it is
    angle = np.arctan2(last[1] - first[1], last[0] - first[0])
    missing = (length - seen) / 2
    origin = (first[0] - missing * np.cos(angle), first[1] - missing * np.sin(angle))
    along = np.linspace(0, 1, SAMPLES)
    table = np.asarray(bone.outline)
    smooth = [
        gaussian_filter1d(np.interp(along, table[:, 0], table[:, column]), 7.0, mode="nearest")
        for column in range(1, 6)
    ]
    widths = np.stack(smooth[:3]) * bone.radius
    if isinstance(lesion, LyticLesion) and lesion.blown > 0:
        off = (along - lesion.at) * length / (lesion.radius * lesion.stretch)
        widths *= 1 + lesion.blown * np.exp(-2 * off**2)
    cap = bone.cap * bone.radius / length
    inside = np.clip((cap - np.minimum(along, 1 - along)) / cap, 0, 1)
    widths *= np.sqrt(1 - inside**2) + 1e-4
    share = np.cos(sight.turn) ** 2
    mean = (widths[0] + widths[1]) / 2
    bow = sight.across(*bone.bow) * 4 * along * (1 - along)
    rows = [
        np.sqrt(share * widths[0] ** 2 + (1 - share) * widths[2] ** 2),
        np.sqrt(share * widths[1] ** 2 + (1 - share) * widths[2] ** 2),
        np.sqrt(share * widths[2] ** 2 + (1 - share) * mean**2),
        smooth[3] + (1 - smooth[3]) * 0.25 * inside,  # the plate of bone under the cartilage
        smooth[4],
        bow,
    ]
    tables = [np.asarray(row, dtype=np.float32) for row in rows]
    return _Tube(origin, (float(np.cos(angle)), float(np.sin(angle))), length, *tables)


def _window(tube: _Tube, sight: Sight, *, reach: float) -> tuple[slice, slice]:
    """The rows and columns of the image that the tube may touch, ``reach`` cm around it."""
    wide = float(np.max(np.maximum(tube.plus, tube.minus) + np.abs(tube.middle))) + reach
    corners_u = np.array([-reach, -reach, tube.length + reach, tube.length + reach])
    corners_v = np.array([-wide, wide, wide, -wide])
    cosine, sine = tube.heading
    x = tube.origin[0] + corners_u * cosine - corners_v * sine
    y = tube.origin[1] + corners_u * sine + corners_v * cosine
    # The pixel grid is a turned and scaled one, so three of its points give the way back.
    zero = np.array((sight.x_cm[0, 0], sight.y_cm[0, 0]))
    right = np.array((sight.x_cm[0, 1], sight.y_cm[0, 1])) - zero
    down = np.array((sight.x_cm[1, 0], sight.y_cm[1, 0])) - zero
    place = np.linalg.solve(np.stack((right, down), axis=1), np.stack((x, y)) - zero[:, None])
    height, width = sight.x_cm.shape
    columns, rows = np.floor(place).astype(int), np.ceil(place).astype(int)
    left, top = np.clip(columns.min(axis=1), 0, (width, height))
    end_x, end_y = np.clip(rows.max(axis=1) + 1, 0, (width, height))
    return slice(int(top), int(end_y)), slice(int(left), int(end_x))


def _part(tube: _Tube, u: FloatImage, v: FloatImage, texture: FloatImage) -> _Part:
    """Path lengths of one half of the tube at the points (u, v) of its own frame."""
    place = np.clip(u * np.float32((SAMPLES - 1) / tube.length), 0, SAMPLES - 1)
    index = place.astype(np.intp)
    aside = v - tube.middle[index]
    across = aside / np.where(aside > 0, tube.plus[index], tube.minus[index])
    square = across * across
    hole = 1 - tube.cortex[index]
    depth = tube.depth[index]
    outer = np.sqrt(np.maximum(1 - square, 0))
    inner = np.sqrt(np.maximum(hole * hole - square, 0))
    rows = (u * TILE_PER_CM).astype(np.intp) % TILE
    columns = (v * TILE_PER_CM).astype(np.intp) % TILE
    spongy = tube.spongy[index] * np.maximum(1 + 0.20 * texture[rows, columns], 0)
    half = depth * (outer - inner + spongy * inner)
    half[(u < 0) | (u > tube.length)] = 0
    return _Part(half, u, across)


def _broken(
    tube: _Tube,
    u: FloatImage,
    v: FloatImage,
    *,
    lesion: Fracture,
    sight: Sight,
    texture: FloatImage,
) -> tuple[FloatImage, Mask]:
    """Two fragments, each turned about its own joint, and the mask of gap and broken ends."""
    at = lesion.at * tube.length
    near = _turned(u, v, about=0.0, angle=np.arctan2(sight.across(*lesion.lift_near), at))
    far_angle = -np.arctan2(sight.across(*lesion.lift_far), tube.length - at)
    far = _turned(u + np.float32(lesion.shortening), v, about=tube.length, angle=far_angle)
    slope = sight.across(lesion.slope_y, lesion.slope_z)
    tilt = sight.deep(lesion.slope_y, lesion.slope_z)
    path = np.zeros_like(u)
    site = np.zeros(u.shape, bool)
    for sign, (u_part, v_part) in ((1, near), (-1, far)):
        part = _part(tube, u_part, v_part, texture)
        for side, teeth in ((1, lesion.teeth[0]), (-1, lesion.teeth[1])):
            line = _line(tube, part, at=at, slope=slope, tilt=side * tilt, lesion=lesion, side=side)
            line = (
                line
                + teeth[np.clip((part.across + 1) * (SAMPLES / 2), 0, SAMPLES - 1).astype(np.intp)]
            )
            beyond = sign * (line - part.u) - lesion.gap / 2  # > 0 on this fragment's own side
            path += part.half_cm * np.clip(beyond * sight.px_per_cm + 0.5, 0, 1)
            broken_end = np.abs(beyond + lesion.gap / 2) < lesion.gap / 2 + 0.5 / sight.px_per_cm
            site |= broken_end & (np.abs(part.across) < 1) & (part.half_cm > 0)
    return path, site


def _line(
    tube: _Tube, part: _Part, *, at: float, slope: float, tilt: float, lesion: Fracture, side: int
) -> FloatImage:
    """Where the fracture runs on the front (``side`` 1) or back (−1), as u for every point."""
    index = int(np.clip(lesion.at * SAMPLES, 0, SAMPLES - 1))
    half_width = (tube.plus[index] + tube.minus[index]) / 2
    across = np.clip(part.across, -1, 1)
    bulge = 0.75 * tube.depth[index] * np.sqrt(1 - across * across)
    line = at + slope * half_width * across + tilt * bulge
    if lesion.screw:
        line = line + side * lesion.screw * (np.arccos(across) / np.pi - 0.5)
    return np.asarray(line, dtype=np.float32)


def _turned(
    u: FloatImage, v: FloatImage, *, about: float, angle: float
) -> tuple[FloatImage, FloatImage]:
    """The points (u, v) in the frame of a fragment turned by ``angle`` about (``about``, 0)."""
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    moved = u - np.float32(about)
    return np.float32(about) + moved * cosine + v * sine, v * cosine - moved * sine


def _hollowed(
    tube: _Tube, whole: _Part, u: FloatImage, v: FloatImage, *, lesion: LyticLesion
) -> tuple[FloatImage, Mask]:
    """The bone with a hole of uneven edge, perhaps in a sclerotic rim, and the mask of both."""
    index = int(np.clip(lesion.at * SAMPLES, 0, SAMPLES - 1))
    width = tube.plus[index] if lesion.aside > 0 else tube.minus[index]
    du = (u - np.float32(lesion.at * tube.length)) / np.float32(lesion.stretch)
    dv = v - np.float32(tube.middle[index] + lesion.aside * width)
    angle = (np.arctan2(dv, du) + np.pi) * np.float32((SAMPLES - 1) / (2 * np.pi))
    reach = np.float32(lesion.radius) * lesion.edge[np.clip(angle, 0, SAMPLES - 1).astype(np.intp)]
    distance = np.sqrt(du * du + dv * dv) / reach
    chord = np.sqrt(np.maximum(1 - distance**2, 0))
    path = 2 * whole.half_cm
    changed = path * (1 - np.float32(lesion.loss) * chord**0.8)
    inside = whole.half_cm > 0
    if lesion.rim:
        shell = np.exp(-(((distance - 1.04) / 0.10) ** 2))
        changed = changed + np.where(inside, np.float32(lesion.rim) * shell * lesion.radius, 0)
    site = distance < (1.15 if lesion.rim else 1.0)
    if lesion.blown:
        site |= np.abs(du) < 0.9 * lesion.radius  # where the bone is clearly widened
    return changed, inside & site
