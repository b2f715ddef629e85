"""The chest of an adult, varied from patient to patient: contours, ribs, spine and vessels.

Lengths are in cm in the body's frame: x to the image's right (the patient's left), y downwards,
the origin on the midline at the height of the carina. Sides are 0 for the patient's right and 1
for the left; ``out`` is the distance from the midline on either side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lucency.datasets.phantom_physics import FloatImage, Points

REACH = 28.0  # tables run from −REACH to REACH cm
PER_CM = 32  # entries of a table in a cm

# Contours of mediastinum and heart: y, out. The heart's size scales the lower part.
_RIGHT_BORDER = (
    ((-28.0, 2.4), (-11.0, 2.5), (-6.0, 2.8), (-2.5, 2.9), (0.0, 3.1), (2.0, 3.4)),
    ((5.0, 4.4), (7.5, 4.5), (9.5, 3.8), (12.0, 3.4), (28.0, 3.2)),
)
_LEFT_BORDER = (
    ((-28.0, 2.2), (-11.0, 2.4), (-7.0, 2.6), (-5.2, 3.5), (-4.0, 3.7), (-2.9, 3.3)),
    ((-1.6, 3.0), (0.0, 3.5), (1.5, 3.9), (4.0, 5.9), (6.5, 7.8), (8.5, 8.5), (10.5, 8.0), (28, 5)),
)
# Half width and thickness of the trunk by height: neck, shoulders, chest, belly. 0 is the lungs'.
_TRUNK = (
    (-28.0, 5.4, 11.0),
    (-15.5, 5.6, 11.5),
    (-14.0, 7.2, 12.0),
    (-12.6, 11.5, 12.5),
    (-11.0, 15.5, 14.0),
    (-9.0, 17.6, 16.5),
    (-6.0, 17.4, 19.0),
    (-2.0, 16.4, 20.5),
    (8.0, 16.0, 21.0),
    (28.0, 16.4, 22.5),
)


@dataclass(frozen=True, slots=True)
class Strip:
    """A flat bone along ``points`` (N, 2) with ``half_width`` (N,), both in cm."""

    points: Points
    half_width: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChestAnatomy:
    """Contours as tables (2, M) over y in cm, ``dome`` over out; see `table_index`.

    ``wall`` and ``border`` are a lung's outer and inner contour, ``dome`` the diaphragm's height,
    ``trunk`` half width and thickness of the body. ``vessels`` are polylines with their diameters.
    """

    wall: FloatImage
    border: FloatImage
    dome: FloatImage
    trunk: FloatImage
    apex: float
    lung_depth: float
    posterior_ribs: tuple[Strip, ...]
    anterior_ribs: tuple[Strip, ...]
    shoulder_bones: tuple[Strip, ...]
    vertebrae: tuple[tuple[float, float, float], ...]  # y, half width, half height
    vessels: tuple[tuple[Points, float], ...]
    breast: float  # thickness in cm, 0 for none
    gas: tuple[float, float, float]  # the stomach's bubble: x, half width, half height; or zeros

    def reach_of_lung(self, side: int, y: float, *, clearance: float) -> tuple[float, float]:
        """The least and greatest out in a lung at the height y, ``clearance`` from its contours."""
        index = int(table_index(np.float64(y)))
        return (
            float(self.border[side, index]) + clearance,
            float(self.wall[side, index]) - clearance,
        )

    def dome_at(self, side: int, out: float) -> float:
        """The diaphragm's height y at ``out``."""
        return float(self.dome[side, int(table_index(np.float64(out)))])


def table_index(value_cm: NDArray[np.floating] | np.floating) -> NDArray[np.intp]:
    """Where a table holds the entry for a coordinate in cm."""
    place = (np.asarray(value_cm) + REACH) * PER_CM
    return np.clip(place, 0, 2 * REACH * PER_CM - 1).astype(np.intp)


def draw_anatomy(rng: np.random.Generator) -> ChestAnatomy:
    """A patient's chest."""
    width = float(np.clip(rng.normal(13.0, 0.6), 11.8, 14.2))
    apex = float(rng.normal(-11.6, 0.4))
    heart = float(np.clip(rng.normal(0.97, 0.08), 0.8, 1.15))
    thick = float(np.clip(rng.normal(1.0, 0.08), 0.85, 1.2))
    along = np.arange(int(2 * REACH * PER_CM)) / PER_CM - REACH
    rise = np.clip((along - apex + 0.4) / 13.0, 0, 1)
    wall = 3.0 + (width - 3.0) * np.sqrt(1 - (1 - rise) ** 2.2) + 0.02 * np.clip(along - 1, 0, 12)
    border = np.stack(
        [_border(along, *rows, heart=heart) for rows in (_RIGHT_BORDER, _LEFT_BORDER)]
    )
    right = float(rng.normal(8.6, 0.5))
    dome = np.stack(
        [
            _dome(along, top=top, middle=0.46 * width)
            for top in (right, right + rng.uniform(0.4, 1.4))
        ]
    )
    table = np.asarray(_TRUNK)
    half_width = np.interp(along, table[:, 0], table[:, 1]) + (width - 13.0)
    thickness = np.interp(along, table[:, 0], table[:, 2]) * thick
    posterior, anterior = _ribs(rng, apex=apex, width=width, wall=wall)
    has_gas = rng.random() < 0.7
    gas = (rng.uniform(4.5, 7.0), rng.uniform(1.3, 2.9), rng.uniform(0.8, 2.2))
    return ChestAnatomy(
        wall=_table(np.stack([wall, wall])),
        border=_table(border),
        dome=_table(dome),
        trunk=_table(gaussian_filter1d(np.stack([half_width, thickness]), 0.7 * PER_CM)),
        apex=apex,
        lung_depth=14.6 * thick,
        posterior_ribs=posterior,
        anterior_ribs=anterior,
        shoulder_bones=_shoulders(rng, apex=apex, width=width),
        vertebrae=_vertebrae(rng),
        vessels=tuple(_vessels(rng)),
        breast=float(rng.uniform(1.5, 3.0)) if rng.random() < 0.45 else 0.0,
        gas=gas if has_gas else (0.0, 0.0, 0.0),
    )


def _table(rows: NDArray[np.float64]) -> FloatImage:
    return np.asarray(rows, dtype=np.float32)


def _border(
    along: NDArray[np.float64],
    upper: Sequence[tuple[float, float]],
    lower: Sequence[tuple[float, float]],
    *,
    heart: float,
) -> NDArray[np.float64]:
    """The inner contour of a lung over y."""
    points = np.array([*upper, *((y, out * heart) for y, out in lower)])
    return np.asarray(gaussian_filter1d(np.interp(along, *points.T), 0.6 * PER_CM))


def _dome(along: NDArray[np.float64], *, top: float, middle: float) -> NDArray[np.float64]:
    """The diaphragm over out: a dome that falls steeply to the outer sulcus."""
    off = along - middle
    fall = np.where(off > 0, 0.045 * off**2 + 0.0005 * off**4, 0.02 * off**2)
    return np.asarray(top + fall)


def _ribs(
    rng: np.random.Generator, *, apex: float, width: float, wall: NDArray[np.float64]
) -> tuple[tuple[Strip, ...], tuple[Strip, ...]]:
    """Ten pairs of ribs, each an inclined half ellipse seen from the front."""
    posterior, anterior = [], []
    spacing = float(rng.uniform(2.0, 2.25))
    droop = float(rng.uniform(0.9, 1.12))
    for number in range(10):
        start = apex - 0.6 + spacing * number
        fall = droop * (4.2 + 0.75 * number)  # from the spine to the front end
        out = float(np.interp(start + fall / 2, np.arange(wall.size) / PER_CM - REACH, wall)) + 0.35
        out = min(out, (5.4, 8.6, 10.8)[number]) if number < 3 else out
        wobble = rng.normal(0.0, 0.12, 2)
        for side in (-1, 1):
            angle = np.linspace(np.arcsin(1.4 / out), 0.53 * np.pi, 40)
            rib = _rib(angle, start + wobble[int(side > 0)], fall, out, side, 0.60)
            if number >= 7:  # the front of the lower ribs is lost in the belly
                rib = Strip(rib.points, _rounded(rib.half_width))
            posterior.append(rib)
            if number < 7:
                angle = np.linspace(0.47 * np.pi, (0.83 - 0.012 * number) * np.pi, 30)
                anterior.append(_rib(angle, start + wobble[int(side > 0)], fall, out, side, 0.66))
    return tuple(posterior), tuple(anterior)


def _rib(
    angle: NDArray[np.float64], start: float, fall: float, out: float, side: int, half_width: float
) -> Strip:
    """The part of one rib between angles about the body's axis, 0 at the spine and π in front."""
    x = side * out * np.sin(angle)
    y = start + fall * (1 - np.cos(angle)) / 2 - 0.55 * np.sin(np.minimum(2 * angle, np.pi))
    widths = half_width * (1 - 0.35 * np.exp(-(((angle - np.pi / 2) / 0.25) ** 2)))
    return Strip(np.stack([x, y], axis=1), widths)


def _shoulders(rng: np.random.Generator, *, apex: float, width: float) -> tuple[Strip, ...]:
    """Clavicles, the edges of the scapulae, and the upper arms."""
    rise = float(rng.uniform(0.5, 2.4))
    strips = []
    for side in (-1, 1):
        out = np.linspace(0, 1, 30)
        clavicle = np.stack(
            [
                side * (1.9 + 13.2 * out),
                apex + 3.4 - rise * out - 0.9 * np.sin(2 * np.pi * out) * (1 - 0.3 * out),
            ],
            axis=1,
        )
        strips.append(Strip(clavicle, _rounded(0.66 - 0.22 * np.sin(np.pi * out))))
        lower = np.array([(15.4, -9.2), (14.6, -6.0), (13.5, -2.0), (12.9, 1.0)])
        blade = np.interp(out, np.linspace(0, 1, 4), lower[:, 0])
        height = np.interp(out, np.linspace(0, 1, 4), lower[:, 1])
        edge = np.stack([side * (blade + width - 12.2), height], axis=1)
        strips.append(Strip(edge, _rounded(0.55 - 0.25 * out)))
        shaft = np.linspace((16.4, -10.0), (21.5, 6.0), 30)
        shaft[:, 0] *= side
        strips.append(Strip(shaft, _rounded(1.15 + 1.1 * np.exp(-((out / 0.12) ** 2)))))
        spine = np.linspace((10.2, apex + 2.4), (15.8, apex + 0.3), 30)
        spine[:, 1] -= 0.5 * np.sin(np.pi * out)
        spine[:, 0] *= side
        strips.append(Strip(spine, _rounded(0.18 + 0.25 * out)))
    return tuple(strips)


def _rounded(half_width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half widths that close at both ends."""
    along = np.linspace(0, 1, half_width.size)
    from_end = np.clip(np.minimum(along, 1 - along) / 0.10, 0.004, 1)
    return half_width * np.sqrt(1 - (1 - from_end) ** 2)


def _vertebrae(rng: np.random.Generator) -> tuple[tuple[float, float, float], ...]:
    """Height, half width and half height of the vertebral bodies from the neck to the loins."""
    bodies = []
    y = float(rng.uniform(-18.6, -17.4))
    while y < 20:
        half_height = 0.78 + 0.012 * (y + 18)
        bodies.append((y, 1.35 + 0.022 * (y + 18), half_height))
        y += 2 * half_height + 0.42
    return tuple(bodies)


def _vessels(rng: np.random.Generator) -> list[tuple[Points, float]]:
    """Branching vessels of both lungs as polylines (N, 2) with diameters, thickest last."""
    branches: list[tuple[Points, float]] = []
    for side in (-1, 1):
        hilum = np.array([side * 3.7, 0.4 if side < 0 else -0.4])
        for angle in np.linspace(-1.35, 1.4, 9) + rng.normal(0.0, 0.08, 9):
            heading = angle if side > 0 else np.pi - angle
            start = hilum + rng.normal(0.0, 0.45, 2)
            thick = rng.uniform(0.55, 0.8) if angle > -0.4 else rng.uniform(0.4, 0.6)
            _grow(branches, start, heading, thick, 4.2, rng)
    return sorted(branches, key=lambda branch: branch[1])


def _grow(
    branches: list[tuple[Points, float]],
    start: Points,
    heading: float,
    diameter: float,
    length: float,
    rng: np.random.Generator,
) -> None:
    """Add a vessel and, where it forks, the two it forks into, down to 1 mm."""
    bend = rng.normal(0.0, 0.18)
    headings = heading + bend * np.arange(4)
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=1) * length / 4
    points = np.concatenate([start[None], start + np.cumsum(steps, axis=0)])
    branches.append((points, diameter))
    if diameter < 0.13:
        return
    split = rng.uniform(0.25, 0.6)
    share = rng.uniform(0.0, 0.8)
    end = float(headings[-1])
    for turn, thinner in ((split * (1 - share), 0.80), (-split * (0.4 + share), 0.64)):
        longer = length * rng.uniform(0.68, 0.95)
        _grow(
            branches, points[-1], end + turn * rng.choice((-1, 1)), diameter * thinner, longer, rng
        )
