"""Limbs: the bones and flesh of an arm or a leg, their fractures and holes, and their views.

Lengths are in cm in the limb's frame (`phantom_bones`): x runs from the elbow or knee outwards,
y to the thumb's or shin's side, z from the back to the front.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lucency.annotations.findings import Finding
from lucency.datasets.phantom_bone_lesions import (
    Fracture,
    LyticLesion,
    draw_fracture,
    draw_lytic_lesion,
)
from lucency.datasets.phantom_bones import (
    Bone,
    Sight,
    bone_path,
    half_width,
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

_MARGIN_CM = 0.2  # readers draw their boxes a little wide


@dataclass(frozen=True, slots=True)
class LimbPatient:
    """One limb and what is wrong with it: ``lesions`` by the bone's place in the limb's list."""

    limb: Limb
    lesions: dict[int, Fracture | LyticLesion]
    texture: FloatImage
    left: bool


def draw_limb_patient(rng: np.random.Generator, *, findings: tuple[str, ...]) -> LimbPatient:
    """A limb with a fracture or a lytic lesion or neither, after ``findings``."""
    limb = draw_arm(rng) if rng.random() < 0.65 else draw_leg(rng)
    texture = spongy_texture(rng)
    left = bool(rng.random() < 0.5)
    lesions: dict[int, Fracture | LyticLesion] = {}
    if LYTIC_LESION in findings:
        bone = int(rng.choice(limb.breakable))
        at = float(rng.uniform(0.1, 0.9))
        lesions[bone] = draw_lytic_lesion(rng, at=at, width=half_width(limb.bones[bone], at))
    elif FRACTURE in findings:
        at = float(rng.uniform(0.2, 0.8))
        for bone in _broken_bones(rng, limb):
            # Both bones of a pair break at about the same height.
            near = at + float(rng.uniform(-0.1, 0.1))
            lesions[bone] = draw_fracture(rng, at=near, width=half_width(limb.bones[bone], near))
    return LimbPatient(limb, lesions, texture, left)


def expose_limb(
    patient: LimbPatient, *, number: int, size: int, rng: np.random.Generator, lesions: bool = True
) -> Exposure:
    """Image ``number`` (0, 1, …) of the limb, (size, size) px; without ``lesions`` as if healthy.

    The first image is frontal, the second from another side, the third a frontal follow-up.
    """
    limb = patient.limb
    view, turn = limb.views[number % len(limb.views)]
    field_cm = float(rng.uniform(*limb.field_cm))
    sight = _sight(rng, patient, turn=turn, size=size, field_cm=field_cm)
    bone, marks = _bones(patient, sight, lesions=lesions)
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
    places = [_place(limb.bones[bone], lesion.at) for bone, lesion in patient.lesions.items()]
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
    patient: LimbPatient, sight: Sight, *, lesions: bool
) -> tuple[FloatImage, list[tuple[Fracture | LyticLesion, Mask, tuple[int, int]]]]:
    """The path through all bones (H, W) in cm, and the mask and its origin of each lesion."""
    total = np.zeros_like(sight.x_cm)
    marks: list[tuple[Fracture | LyticLesion, Mask, tuple[int, int]]] = []
    for index, bone in enumerate(patient.limb.bones):
        lesion = patient.lesions.get(index) if lesions else None
        window, path, mask = bone_path(bone, sight=sight, texture=patient.texture, lesion=lesion)
        total[window] += path
        if lesion is not None and mask is not None:
            marks.append((lesion, mask, (window[0].start, window[1].start)))
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
    smooth = cv2.GaussianBlur(total, (0, 0), 0.11 * sight.px_per_cm)
    return np.asarray(smooth, dtype=np.float32)


def _findings(
    marks: list[tuple[Fracture | LyticLesion, Mask, tuple[int, int]]], sight: Sight, *, size: int
) -> tuple[Finding, ...]:
    """One finding with its box for each lesion that shows in the image."""
    margin = _MARGIN_CM * sight.px_per_cm
    found = []
    for lesion, mask, origin in marks:
        box = box_of(mask, margin=margin, origin=origin)
        if box is not None:
            label = FRACTURE if isinstance(lesion, Fracture) else LYTIC_LESION
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
