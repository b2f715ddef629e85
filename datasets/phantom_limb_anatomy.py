"""The bones and flesh of arms and legs: measures of adults, varied from patient to patient.

Lengths are in cm in the limb's frame (`phantom_bones`).
"""

from dataclasses import dataclass

import numpy as np

from lucency.datasets.phantom_bones import Bone, Vector
from lucency.datasets.phantom_outlines import (
    CALF,
    CONDYLES,
    FIBULA,
    FINGER,
    FOOT,
    FOREARM,
    METACARPAL,
    NUGGET,
    PALM,
    PHALANX,
    RADIUS,
    TIBIA,
    TUFT,
    ULNA,
)


@dataclass(frozen=True, slots=True)
class Limb:
    """Bones and flesh, and how the limb is imaged.

    ``breakable`` and ``pair`` are places in ``bones``; ``window`` is the stretch of x that the
    field's centre is drawn from and ``aside`` its y, ``field_cm`` the range of the field's side.
    ``views`` holds the view and the turn about the limb's axis in radians.
    """

    body_part: str
    bones: tuple[Bone, ...]
    flesh: tuple[Bone, ...]
    breakable: tuple[int, ...]
    pair: tuple[int, ...]
    window: tuple[float, float]
    aside: float
    field_cm: tuple[float, float]
    views: tuple[tuple[str, float], ...]


# From index to little finger: y at the wrist and at the knuckle, lengths of the four bones.
_RAYS = (
    (1.45, 2.65, 6.5, 4.0, 2.4, 1.7),
    (0.45, 0.75, 6.3, 4.5, 2.9, 1.8),
    (-0.50, -1.05, 5.7, 4.1, 2.7, 1.8),
    (-1.35, -2.75, 5.3, 3.3, 2.0, 1.6),
)
# Carpal bones: x, y, half length, half width, direction in radians.
_CARPALS = (
    (25.45, 1.35, 1.05, 0.62, 0.7),  # scaphoid
    (25.20, 0.00, 0.75, 0.70, 0.0),  # lunate
    (25.50, -1.20, 0.70, 0.60, -0.5),  # triquetrum
    (25.70, -1.55, 0.45, 0.42, 0.0),  # pisiform
    (27.00, 2.20, 0.68, 0.66, 0.3),  # trapezium
    (27.05, 1.15, 0.58, 0.52, 0.0),  # trapezoid
    (26.70, 0.15, 1.12, 0.66, 0.0),  # capitate
    (26.85, -1.05, 0.88, 0.70, -0.2),  # hamate
)


def draw_arm(rng: np.random.Generator) -> Limb:
    """An arm from above the elbow to the finger tips, imaged at the forearm or at the hand."""
    stout = float(rng.uniform(0.9, 1.12))
    bones = [
        Bone("humerus", (-15.0, 0.2, 0.0), (-0.15, 0.0, 0.2), 1.12 * stout, CONDYLES, cap=1.5),
        Bone(
            "radius",
            (0.2, 1.35, 0.1),
            (24.1, 1.15, 0.05),
            0.62 * stout,
            RADIUS,
            bow=(float(rng.uniform(0.5, 0.9)), float(rng.uniform(0.1, 0.3))),
        ),
        Bone(
            "ulna",
            (-1.5, -0.75, -0.4),
            (23.9, -1.25, 0.15),
            0.60 * stout,
            ULNA,
            bow=(float(rng.uniform(-0.4, 0.0)), -0.2),
        ),
    ]
    hand, fingers = _hand(rng, stout=stout)
    fleshy = float(rng.uniform(0.9, 1.2))
    flesh = (
        Bone("forearm", (-17.0, 0.1, 0.0), (26.5, 0.1, 0.0), 4.1 * fleshy, FOREARM, cap=0.1),
        Bone("palm", (24.2, 0.1, 0.0), (34.5, -0.1, 0.0), 3.9 * fleshy**0.5, PALM, cap=0.35),
        *fingers,
    )
    if rng.random() < 0.35:
        long_bones = tuple(3 + 8 + place for place in range(19) if place not in (7, 11, 15, 18))
        return Limb(
            body_part="HAND",
            bones=(*bones, *hand),
            flesh=flesh,
            breakable=long_bones,
            pair=(),
            window=(30.0, 37.0),
            aside=0.6,
            field_cm=(14.0, 18.5),
            views=(("PA", 0.0), ("oblique", 0.6), ("PA", 0.0)),
        )
    return Limb(
        body_part="FOREARM",
        bones=(*bones, *hand),
        flesh=flesh,
        breakable=(1, 2),
        pair=(1, 2),
        window=(3.0, 23.0),
        aside=0.0,
        field_cm=(13.5, 19.0),
        views=(("AP", 0.0), ("lateral", 1.4), ("AP", 0.0)),
    )


def draw_leg(rng: np.random.Generator) -> Limb:
    """A leg from above the knee to the foot, imaged at the shin."""
    stout = float(rng.uniform(0.9, 1.12))
    bones = (
        Bone("femur", (-19.0, 0.6, 0.0), (-0.35, 0.1, 0.2), 1.45 * stout, CONDYLES, cap=1.8),
        Bone(
            "tibia",
            (0.25, 0.1, 0.0),
            (36.6, 0.3, 0.0),
            1.35 * stout,
            TIBIA,
            bow=(float(rng.uniform(-0.2, 0.3)), float(rng.uniform(0.0, 0.4))),
        ),
        Bone(
            "fibula",
            (2.2, -3.3, -1.6),
            (38.4, -2.45, -0.7),
            0.68 * stout,
            FIBULA,
            bow=(float(rng.uniform(0.0, 0.5)), -0.2),
        ),
        Bone("patella", (-4.6, 0.3, 4.2), (-0.6, 0.3, 4.4), 1.5, NUGGET, cap=1.2),
        Bone("talus", (36.95, 0.1, -1.4), (39.4, 0.1, 2.6), 1.85, NUGGET, cap=0.9),
        Bone("calcaneus", (39.4, -0.3, 1.0), (42.2, -0.3, -4.6), 1.7, NUGGET, cap=0.9),
        Bone("navicular", (38.7, 0.6, 3.0), (39.6, 0.4, 4.6), 1.45, NUGGET, cap=0.9),
        Bone("cuboid", (41.2, -1.2, 1.6), (41.9, -1.4, 5.2), 1.15, NUGGET, cap=0.9),
        Bone("cuneiform", (39.5, 0.8, 4.7), (40.3, 0.8, 7.2), 1.15, NUGGET, cap=0.9),
        *(
            Bone("metatarsal", (x, y, 7.0), (x + 2.2, 1.3 * y, 13.4), 0.5, METACARPAL)
            for x, y in ((40.2, 1.3), (40.5, 0.5), (40.8, -0.3), (41.2, -1.0), (41.7, -1.7))
        ),
    )
    fleshy = float(rng.uniform(0.9, 1.15))
    flesh = (
        Bone("calf", (-21.0, -0.4, -0.6), (42.0, -0.4, -0.6), 5.4 * fleshy, CALF, cap=0.15),
        Bone("foot", (40.2, -0.2, -5.6), (41.8, -0.2, 16.0), 3.4, FOOT, cap=0.8),
    )
    return Limb(
        body_part="LEG",
        bones=bones,
        flesh=flesh,
        breakable=(1, 1, 2),  # the tibia more often than the fibula
        pair=(1, 2),
        window=(2.0, 37.0),
        aside=-0.8,
        field_cm=(16.5, 23.0),
        views=(("AP", 0.0), ("lateral", 1.35), ("AP", 0.0)),
    )


def _hand(rng: np.random.Generator, *, stout: float) -> tuple[list[Bone], list[Bone]]:
    """Eight carpal bones and nineteen of the fingers, and the flesh of the five fingers."""
    bones = [
        _nugget(x - 0.25, y, 1.2 * half_length, 1.15 * half_width, angle)
        for x, y, half_length, half_width, angle in _CARPALS
    ]
    flesh = []
    fan = float(rng.uniform(0.8, 1.35))
    for wrist_y, knuckle_y, *lengths in _RAYS:
        heading = np.arctan2(fan * (knuckle_y - wrist_y), lengths[0])
        curl = float(rng.uniform(0.05, 0.25))
        ray = _ray((27.95, wrist_y, 0.0), heading, lengths, curl=curl, width=0.43 * stout)
        bones += ray
        flesh.append(_finger(ray, radius=float(rng.uniform(0.82, 0.98))))
    spread = float(rng.uniform(0.55, 0.85))
    thumb = _ray((27.6, 2.75, 0.3), spread, (4.5, 3.2, 2.3), curl=-0.2, width=0.5 * stout)
    bones += thumb
    flesh.append(_finger(thumb, radius=1.1, whole=True))
    return bones, flesh


def _ray(
    start: Vector,
    heading: float,
    lengths: list[float] | tuple[float, ...],
    *,
    curl: float,
    width: float,
) -> list[Bone]:
    """A metacarpal and its phalanges, one behind the other with joint spaces between."""
    bones: list[Bone] = []
    x, y, z = start
    for place, length in enumerate(lengths):
        if place == 1:
            heading *= 0.72  # the fingers fan out less than the metacarpals
        step = (length * np.cos(heading), length * np.sin(heading), curl * length * (place > 0))
        end = (float(x + step[0]), float(y + step[1]), float(z + step[2]))
        last = place == len(lengths) - 1
        outline = METACARPAL if place == 0 else TUFT if last else PHALANX
        radius = width * (1.0, 0.95, 0.82, 0.78)[place]
        cap = 1.2 if place == 0 else 0.7
        bones.append(Bone("ray", (x, y, z), end, radius, outline, cap=cap))
        joint = 1 + 0.16 / length
        x, y, z = (float(a + (b - a) * joint) for a, b in zip((x, y, z), end, strict=True))
    return bones


def _finger(ray: list[Bone], *, radius: float, whole: bool = False) -> Bone:
    """The flesh around a ray from its knuckle, or around the ``whole`` of it, to beyond its tip."""
    first = ray[0].start if whole else ray[0].end
    last = ray[-1].end
    span = np.subtract(last, first)
    unit = span / np.linalg.norm(span)
    start = np.asarray(first) - unit * radius
    end = np.asarray(last) + unit * 0.45
    return Bone("finger", _vector(start), _vector(end), radius, FINGER, cap=1.0)


def _nugget(x: float, y: float, half_length: float, half_width: float, angle: float) -> Bone:
    """A small rounded bone about (x, y)."""
    step = np.array((half_length * np.cos(angle), half_length * np.sin(angle), 0.0))
    middle = np.array((x, y, 0.0))
    return Bone(
        "carpal", _vector(middle - step), _vector(middle + step), half_width, NUGGET, cap=1.1
    )


def _vector(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Vector:
    x, y, z = (float(value) for value in values)
    return x, y, z
