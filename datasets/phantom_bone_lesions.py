"""What may be wrong with a bone: fractures and lytic lesions, and how they are drawn at random.

They stand in the bone's own frame (`phantom_bones`): u along it, y and z across.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from lucency.datasets.phantom_physics import FloatImage

SAMPLES = 512  # entries of a table along, across or around a bone
Rows: TypeAlias = NDArray[np.float32]  # (SAMPLES,)


@dataclass(frozen=True, slots=True)
class Fracture:
    """A fracture across the plane u = at + slope_y·y + slope_z·z, or along a screw line.

    ``at`` is the part of the bone's length, slopes are tangents, ``screw`` the rise of a spiral
    over half a turn, ``gap`` the width of the lucent line, in cm. ``lift_near`` and ``lift_far``
    are the displacement (y, z) in cm of the two broken ends, whose fragments turn about the
    joints: unequal, they make a step, together an angulation. ``shortening`` in cm lets the
    fragments overlap. ``teeth`` (2, SAMPLES) roughens the front and back line, in cm.
    """

    at: float
    slope_y: float
    slope_z: float
    screw: float
    gap: float
    lift_near: tuple[float, float]
    lift_far: tuple[float, float]
    shortening: float
    teeth: FloatImage


@dataclass(frozen=True, slots=True)
class LyticLesion:
    """A hole in the bone at ``at`` of its length, ``aside`` of its half width off the middle.

    ``radius`` is in cm across the bone, ``stretch`` times that along it; ``edge`` (SAMPLES,) the
    relative radius all around. ``loss`` is the part of the bone that is gone in the middle,
    ``rim`` the density of a sclerotic edge and ``blown`` how much the bone is widened, 0 for not.
    """

    at: float
    aside: float
    radius: float
    stretch: float
    edge: Rows
    loss: float
    rim: float
    blown: float


def draw_fracture(rng: np.random.Generator, *, at: float, width: float) -> Fracture:
    """A transverse, oblique or spiral fracture, in place or with a step and an angle."""
    kind = rng.choice(("transverse", "oblique", "spiral"), p=(0.4, 0.38, 0.22))
    slope_y, slope_z = rng.normal(0.0, 0.12, 2)
    screw = 0.0
    if kind == "oblique":
        slope_y = rng.choice((-1, 1)) * rng.uniform(0.5, 1.3)
        slope_z = rng.normal(0.0, 0.4)
    elif kind == "spiral":
        slope_y = rng.choice((-1, 1)) * rng.uniform(0.6, 1.4)
        screw = rng.choice((-1, 1)) * width * rng.uniform(1.0, 2.2)
    hairline = rng.random() < 0.08
    gap = width * rng.uniform(0.16, 0.24) if hairline else width * rng.uniform(0.35, 0.65)
    # Both ends leave the axis by up to one width; small bones lie tighter.
    sway = np.zeros(2) if hairline else rng.normal(0.0, 0.5 * width, 2)
    step = np.zeros(2) if hairline or rng.random() < 0.2 else rng.normal(0.0, 0.8 * width, 2)
    shortening = 0.0
    if np.hypot(*step) > 0.9 * width:
        shortening = float(rng.uniform(0.0, 0.8) * width)
    rough = width * (_waves(rng, length=52.0) * 0.16 + _waves(rng, length=12.0) * 0.05)
    near, far = sway - step / 2, sway + step / 2
    return Fracture(
        at=at,
        slope_y=float(slope_y),
        slope_z=float(slope_z),
        screw=float(screw),
        gap=float(max(gap, 0.12 if hairline else 0.15)),
        lift_near=(float(near[0]), float(near[1])),
        lift_far=(float(far[0]), float(far[1])),
        shortening=shortening,
        teeth=np.asarray(rough, dtype=np.float32),
    )


def draw_lytic_lesion(rng: np.random.Generator, *, at: float, width: float) -> LyticLesion:
    """A round or scalloped hole, some with a sclerotic rim, some widening the bone."""
    lumps = gaussian_filter1d(rng.standard_normal(SAMPLES), 28.0, mode="wrap")
    edge = 1 + rng.uniform(0.06, 0.22) * lumps / np.abs(lumps).max()
    return LyticLesion(
        at=at,
        aside=float(rng.uniform(-0.25, 0.25)),
        radius=float(width * rng.uniform(0.75, 1.1)),
        stretch=float(rng.uniform(1.1, 2.2)),
        edge=np.asarray(edge, dtype=np.float32),
        loss=float(rng.uniform(0.65, 0.9)),
        rim=float(rng.uniform(0.25, 0.6)) if rng.random() < 0.5 else 0.0,
        blown=float(rng.uniform(0.1, 0.3)) if rng.random() < 0.4 else 0.0,
    )


def _waves(rng: np.random.Generator, *, length: float) -> FloatImage:
    """Two smooth random curves (2, SAMPLES) of deviation 1 and about this wave length."""
    waves = gaussian_filter1d(rng.standard_normal((2, SAMPLES)), length, axis=1)
    return np.asarray(waves / waves.std(), dtype=np.float32)
