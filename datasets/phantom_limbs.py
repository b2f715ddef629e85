"""Limbs: the bones and flesh of an arm or a leg, their fractures and holes, and their views.

Lengths are in cm in the limb's frame (`phantom_bones`): x runs from the elbow or knee outwards,
y to the thumb's or shin's side, z from the back to the front.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from lucency.annotations.findings import Finding
from lucency.datasets.phantom_bones import (
    SAMPLES,
    Bone,
    Break,
    Lysis,
    Sight,
    bone_path,
    half_widths,
    spongy_texture,
)
from lucency.datasets.phantom_limb_anatomy import Limb, draw_arm, draw_leg
from lucency.datasets.phantom_physics import (
    LIMB_TECHNIQUE,
    Exposure,
    FloatImage,
    Mask,
    box_of,
    draw_setup,
    expose,
    smooth_noise,
)

FRACTURE = "fracture"
LYTIC_LESION = "lytic_lesion"
LABELS = (FRACTURE, LYTIC_LESION)

_MARGIN_CM = 0.12  # readers draw their boxes a little wide


@dataclass(frozen=True, slots=True)
class LimbPatient:
    """One limb and what is wrong with it: ``harms`` by the bone's place in the limb's list."""

    limb: Limb
    harms: dict[int, Break | Lysis]
    texture: FloatImage
    left: bool


def draw_limb_patient(rng: np.random.Generator, *, case: str) -> LimbPatient:
    """A limb with the ``case`` ``fracture``, ``lytic_lesion`` or ``healthy``."""
    limb = draw_arm(rng) if rng.random() < 0.65 else draw_leg(rng)
    texture = spongy_texture(rng)
    left = bool(rng.random() < 0.5)
    harms: dict[int, Break | Lysis] = {}
    if case == FRACTURE:
        for bone in _broken_bones(rng, limb):
            harms[bone] = _draw_break(rng, limb.bones[bone])
    elif case == LYTIC_LESION:
        bone = int(rng.choice(limb.breakable))
        harms[bone] = _draw_lysis(rng, limb.bones[bone])
    return LimbPatient(limb, harms, texture, left)


def expose_limb(
    patient: LimbPatient, *, number: int, size: int, rng: np.random.Generator, harmed: bool = True
) -> Exposure:
    """Image ``number`` (0, 1, …) of the limb, (size, size) px; without ``harmed`` as if healthy.

    The first image is frontal, the second from another side, the third a frontal follow-up.
    """
    limb = patient.limb
    view, turn = limb.views[number % len(limb.views)]
    field_cm = float(rng.uniform(*limb.field_cm))
    sight = _sight(rng, patient, turn=turn, size=size, field_cm=field_cm)
    bone, marks = _bones(patient, sight, harmed=harmed)
    soft = _flesh(patient, sight)
    soft *= 1 + 0.02 * smooth_noise(rng, size=size, grain=size // 24)
    setup = draw_setup(
        rng,
        size=size,
        letter="L" if patient.left else "R",
        corner=str(rng.choice(("tl", "tr", "bl", "br"))),
        shutter=bool(rng.random() < 0.6),
        border=0.07,
    )
    pixels = expose(soft, bone_cm=bone, technique=LIMB_TECHNIQUE, setup=setup, rng=rng)
    return Exposure(
        pixels=pixels,
        view=_view_position(view, left=patient.left),
        body_part=limb.body_part,
        laterality="L" if patient.left else "R",
        spacing_mm=10 * field_cm / size,
        findings=_findings(marks, sight, size=size),
    )


def _sight(
    rng: np.random.Generator, patient: LimbPatient, *, turn: float, size: int, field_cm: float
) -> Sight:
    """A view in which all that is wrong with the limb lies well inside the field."""
    limb = patient.limb
    turn = turn + float(rng.normal(0.0, 0.05))
    low, high = limb.window
    places = [_place(limb.bones[bone], harm.at) for bone, harm in patient.harms.items()]
    if places:
        low = max(low, max(places) - 0.30 * field_cm)
        high = min(high, min(places) + 0.30 * field_cm)
    middle = float(rng.uniform(min(low, high), max(low, high)))
    aside = float(rng.normal(limb.aside if abs(turn) < 1 else 0.0, 0.03 * field_cm))
    angle = float(rng.normal(0.0, 0.11)) + np.pi / 2 * (rng.random() < 0.12)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    scale = np.float32(field_cm / size)
    right = (columns + np.float32(0.5 - size / 2)) * scale
    down = (rows + np.float32(0.5 - size / 2)) * scale
    mirror = np.float32(1 if patient.left else -1)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    x_cm = np.float32(middle) + down * cosine + right * sine
    y_cm = (right * cosine - down * sine) * mirror + np.float32(aside)
    return Sight(turn, x_cm, y_cm, size / field_cm)


def _bones(
    patient: LimbPatient, sight: Sight, *, harmed: bool
) -> tuple[FloatImage, list[tuple[Break | Lysis, Mask, tuple[int, int]]]]:
    """The path through all bones (H, W) in cm, and the mask and its origin of each harm."""
    total = np.zeros_like(sight.x_cm)
    marks: list[tuple[Break | Lysis, Mask, tuple[int, int]]] = []
    for index, bone in enumerate(patient.limb.bones):
        harm = patient.harms.get(index) if harmed else None
        window, path, mask = bone_path(bone, sight=sight, texture=patient.texture, harm=harm)
        total[window] += path
        if harm is not None and mask is not None:
            marks.append((harm, mask, (window[0].start, window[1].start)))
    return total, marks


def _flesh(patient: LimbPatient, sight: Sight) -> FloatImage:
    """The path through skin, fat and muscle (H, W) in cm: the thickest of all parts counts."""
    total = np.zeros_like(sight.x_cm)
    for part in patient.limb.flesh:
        window, path, _ = bone_path(part, sight=sight, texture=patient.texture)
        muscle = replace(part, radius=part.radius * 0.84)
        inner_window, inner, _ = bone_path(muscle, sight=sight, texture=patient.texture)
        path *= 0.82  # fat attenuates less than muscle does
        total[window] = np.maximum(total[window], path)
        total[inner_window] = np.maximum(total[inner_window], inner)
    smooth: FloatImage = cv2.GaussianBlur(total, (0, 0), 0.11 * sight.px_per_cm)
    return smooth


def _findings(
    marks: list[tuple[Break | Lysis, Mask, tuple[int, int]]], sight: Sight, *, size: int
) -> tuple[Finding, ...]:
    """One finding with its box for each harm that shows in the image."""
    margin = _MARGIN_CM * sight.px_per_cm
    found = []
    for harm, mask, origin in marks:
        box = box_of(mask, margin=margin, origin=origin)
        if box is not None:
            label = FRACTURE if isinstance(harm, Break) else LYTIC_LESION
            found.append(Finding(label, box.clipped(size, size)))
    return tuple(found)


def _place(bone: Bone, at: float) -> float:
    """Where along the limb the part ``at`` of a bone lies, in cm."""
    return bone.start[0] + at * (bone.end[0] - bone.start[0])


def _view_position(view: str, *, left: bool) -> str:
    """The view as DICOM's View Position (0018,5101) names it."""
    if view == "lateral":
        return "LL" if left else "RL"
    if view == "oblique":
        return "LLO" if left else "RLO"
    return view


def _broken_bones(rng: np.random.Generator, limb: Limb) -> list[int]:
    """One bone, or both of a pair, as forearms and lower legs often break."""
    first = int(rng.choice(limb.breakable))
    if first in limb.pair and rng.random() < 0.35:
        return list(limb.pair)
    return [first]


def _draw_break(rng: np.random.Generator, bone: Bone) -> Break:
    """A transverse, oblique or spiral fracture, undisplaced or with a step and an angle."""
    kind = rng.choice(("transverse", "oblique", "spiral"), p=(0.4, 0.38, 0.22))
    at = float(rng.uniform(0.2, 0.82))
    width = half_widths(bone, at)
    slope_y, slope_z = rng.normal(0.0, 0.12, 2)
    screw = 0.0
    if kind == "oblique":
        slope_y = rng.choice((-1, 1)) * rng.uniform(0.5, 1.3)
        slope_z = rng.normal(0.0, 0.4)
    elif kind == "spiral":
        slope_y = rng.choice((-1, 1)) * rng.uniform(0.6, 1.4)
        screw = rng.choice((-1, 1)) * width * rng.uniform(1.0, 2.2)
    hairline = rng.random() < 0.12
    gap = width * rng.uniform(0.12, 0.18) if hairline else width * rng.uniform(0.25, 0.55)
    # Both ends leave the axis by up to one width; small bones lie tighter.
    sway = np.zeros(2) if hairline else rng.normal(0.0, 0.5 * width, 2)
    step = np.zeros(2) if hairline or rng.random() < 0.25 else rng.normal(0.0, 0.7 * width, 2)
    shortening = 0.0
    if np.hypot(*step) > 0.9 * width:
        shortening = float(rng.uniform(0.0, 0.8) * width)
    rough = width * (_waves(rng, length=52.0) * 0.16 + _waves(rng, length=12.0) * 0.05)
    near, far = sway - step / 2, sway + step / 2
    return Break(
        at=at,
        slope_y=float(slope_y),
        slope_z=float(slope_z),
        screw=float(screw),
        gap=float(max(gap, 0.08 if hairline else 0.14)),
        lift_near=(float(near[0]), float(near[1])),
        lift_far=(float(far[0]), float(far[1])),
        shortening=shortening,
        teeth=np.asarray(rough, dtype=np.float32),
    )


def _waves(rng: np.random.Generator, *, length: float) -> FloatImage:
    """Two smooth random curves (2, SAMPLES) of deviation 1 and about this wave length."""
    waves = gaussian_filter1d(rng.standard_normal((2, SAMPLES)), length, axis=1)
    return np.asarray(waves / waves.std(), dtype=np.float32)


def _draw_lysis(rng: np.random.Generator, bone: Bone) -> Lysis:
    """A round or scalloped hole, some with a sclerotic rim, some widening the bone."""
    at = float(rng.choice((rng.uniform(0.1, 0.3), rng.uniform(0.3, 0.7), rng.uniform(0.7, 0.9))))
    width = half_widths(bone, at)
    lumps = gaussian_filter1d(rng.standard_normal(SAMPLES), 28.0, mode="wrap")
    edge = 1 + rng.uniform(0.06, 0.22) * lumps / np.abs(lumps).max()
    return Lysis(
        at=at,
        aside=float(rng.uniform(-0.25, 0.25)),
        radius=float(width * rng.uniform(0.65, 1.0)),
        stretch=float(rng.uniform(0.95, 1.9)),
        edge=np.asarray(edge, dtype=np.float32),
        loss=float(rng.uniform(0.55, 0.85)),
        rim=float(rng.uniform(0.25, 0.6)) if rng.random() < 0.5 else 0.0,
        blown=float(rng.uniform(0.1, 0.3)) if rng.random() < 0.4 else 0.0,
    )
