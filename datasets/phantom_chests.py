"""Chest radiographs of a patient, healthy or with tuberculosis or pneumonia.

A frontal view is the sum of the paths through body and bones; the lungs take away soft tissue,
and what is wrong in them puts some back. Lengths are in cm in the body's frame
(`phantom_chest_anatomy`).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from lucency.annotations.findings import Finding
from lucency.datasets.phantom_chest_anatomy import ChestAnatomy, draw_anatomy
from lucency.datasets.phantom_chest_paths import (
    Frame,
    body_path,
    bone_paths,
    lung_path,
    place_body,
    vessel_path,
)
from lucency.datasets.phantom_physics import (
    CHEST_TECHNIQUE,
    Exposure,
    FloatImage,
    box_of,
    draw_setup,
    expose,
    smooth_noise,
)

CAVITY = "cavity"
NODULE = "nodule"
CONSOLIDATION = "consolidation"

_AIR = 0.76  # the part of a lung that is air when the breath is held
_VISIBLE_CM = 0.12  # the least change of path that counts as part of a finding,
_VISIBLE_PART = 0.12  # and the least part of its greatest change
_MARGIN_CM = 0.15  # readers draw their boxes a little wide
_ANGLES = 360


@dataclass(frozen=True, slots=True)
class Opacity:
    """A finding in a lung about (x, y), of ``radius`` times ``outline`` (_ANGLES,) all around.

    ``density`` is that of its tissue relative to muscle, ``wall_cm`` a cavity's thickness,
    ``grain`` the seed of a consolidation's patches.
    """

    label: str
    x: float
    y: float
    radius: float
    outline: FloatImage
    density: float
    wall_cm: float = 0.0
    grain: int = 0


@dataclass(frozen=True, slots=True)
class ChestPatient:
    """One chest and what is wrong with it."""

    anatomy: ChestAnatomy
    opacities: tuple[Opacity, ...]


def draw_chest_patient(rng: np.random.Generator, *, findings: tuple[str, ...]) -> ChestPatient:
    """A chest with these kinds of finding, one cavity or consolidation or several nodules each."""
    anatomy = draw_anatomy(rng)
    opacities: list[Opacity] = []
    if CAVITY in findings:
        opacities.append(_draw_cavity(rng, anatomy))
    if NODULE in findings:
        _add_nodules(opacities, rng, anatomy)
    if CONSOLIDATION in findings:
        opacities.append(_draw_consolidation(rng, anatomy))
    return ChestPatient(anatomy, tuple(opacities))


def expose_chest(
    patient: ChestPatient, *, number: int, size: int, rng: np.random.Generator, lesions: bool = True
) -> Exposure:
    """Image ``number`` (0, 1, …) of the chest, (size, size) px; without ``lesions`` as if healthy.

    The first two are PA views, the third a bedside view (AP). Every image differs in position,
    exposure and depth of breath, and what is wrong has grown or shrunk a little.
    """
    bedside = number % 3 == 2
    field_cm = float(rng.uniform(33.5, 37.5))
    frame = place_body(
        size=size,
        field_cm=field_cm,
        middle_cm=(float(rng.normal(0.0, 0.5)), float(rng.normal(0.6, 0.6))),
        angle=float(rng.normal(0.0, 0.02)),
        breath=float(rng.normal(-1.4 if bedside else 0.0, 0.5)),
    )
    growth = float(rng.uniform(0.92, 1.12))
    bone, soft, lungs = _healthy(patient.anatomy, frame)
    findings: list[Finding] = []
    for opacity in patient.opacities if lesions else ():
        findings += _add_opacity(soft, opacity, frame=frame, lungs=lungs, growth=growth)
    soft *= 1 + 0.008 * smooth_noise(rng, size=size, grain=max(size // 60, 2))
    left = bool(rng.random() < 0.5)
    setup = draw_setup(
        rng,
        size=size,
        letter="L" if left else "R",
        corner="tr" if left else "tl",  # the patient faces the reader
        shutter=True,
        border=0.035,
        contrast=1.5,
    )
    pixels = expose(
        np.maximum(soft, 0), bone_cm=bone, technique=CHEST_TECHNIQUE, setup=setup, rng=rng
    )
    view = "AP" if bedside else "PA"
    return Exposure(pixels, view, "CHEST", "", 10 * field_cm / size, tuple(findings))


def _healthy(anatomy: ChestAnatomy, frame: Frame) -> tuple[FloatImage, FloatImage, FloatImage]:
    """The paths through bone, soft tissue and lungs (H, W) in cm."""
    lungs = lung_path(anatomy, frame)
    soft = body_path(anatomy, frame) - _AIR * lungs
    soft += vessel_path(anatomy, frame) * np.clip(lungs / 5, 0, 1)
    return bone_paths(anatomy, frame), soft, lungs


def _add_opacity(
    soft: FloatImage, opacity: Opacity, *, frame: Frame, lungs: FloatImage, growth: float
) -> list[Finding]:
    """Add one opacity to the path through soft tissue, in place; its finding if it shows."""
    radius = opacity.radius * growth
    window = frame.window(opacity.x, opacity.y, reach=1.5 * radius)
    dx = frame.x_cm[window] - np.float32(opacity.x)
    dy = frame.y_cm[window] - np.float32(opacity.y)
    degrees = (np.arctan2(dy, dx) + np.pi) * np.float32((_ANGLES - 1) / (2 * np.pi))
    turn = degrees.astype(np.intp)
    distance = np.hypot(dx, dy) / opacity.outline[turn]  # the outline is at ``radius``
    here = lungs[window]
    if opacity.label == CONSOLIDATION:
        change = _patches(opacity, distance / radius) * _AIR * here
    else:
        change = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))
        hole = radius - opacity.wall_cm if opacity.wall_cm else 0.0
        # The wall is of uneven thickness: the hole has an outline of its own.
        inner = distance * opacity.outline[turn] * opacity.outline[_ANGLES - 1 - turn]
        change -= 2.1 * np.sqrt(np.maximum(hole**2 - inner**2, 0))
        change *= opacity.density * np.clip(here / 2, 0, 1)
    soft[window] += change
    extent = np.abs(change)
    visible = extent > max(_VISIBLE_CM, _VISIBLE_PART * float(extent.max(initial=0.0)))
    margin = _MARGIN_CM * frame.px_per_cm
    box = box_of(visible, margin=margin, origin=(window[0].start, window[1].start))
    size = len(soft)
    return [] if box is None else [Finding(opacity.label, box.clipped(size, size))]


def _patches(opacity: Opacity, distance: FloatImage) -> FloatImage:
    """How much of the air a consolidation fills (H, W): dense in the middle, patchy at the edge."""
    rng = np.random.default_rng(opacity.grain)
    coarse = rng.standard_normal((9, 9), dtype=np.float32)
    height, width = distance.shape
    lumps = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    fall = np.maximum(1 - (distance * (1 + 0.10 * lumps)) ** 2, 0)
    filled = opacity.density * fall**1.3 * np.clip(1 + 0.22 * lumps, 0.3, 1.5)
    return np.asarray(np.clip(filled, 0, 0.95), dtype=np.float32)


def _outline(rng: np.random.Generator, *, roughness: float, smooth: float) -> FloatImage:
    """Relative radii (_ANGLES,) about 1 all around a finding."""
    waves = gaussian_filter1d(rng.standard_normal(_ANGLES), smooth, mode="wrap")
    return np.asarray(1 + roughness * waves / np.abs(waves).max(), dtype=np.float32)


def _upper_place(
    rng: np.random.Generator, anatomy: ChestAnatomy, *, radius: float
) -> tuple[float, float]:
    """A place for something of ``radius`` in the upper zone of either lung."""
    side = int(rng.integers(2))
    y = float(rng.uniform(anatomy.apex + 2.0 + radius, -1.5))
    near, far = anatomy.reach_of_lung(side, y - radius / 2, clearance=radius + 0.3)
    out = float(rng.uniform(near, max(near, far)))
    return (out if side else -out), y


def _draw_cavity(rng: np.random.Generator, anatomy: ChestAnatomy) -> Opacity:
    """A ring of 2.6 to 5 cm with a wall of 4 to 8 mm."""
    radius = float(rng.uniform(1.3, 2.5))
    x, y = _upper_place(rng, anatomy, radius=radius)
    return Opacity(
        label=CAVITY,
        x=x,
        y=y,
        radius=radius,
        outline=_outline(rng, roughness=0.13, smooth=14.0),
        density=float(rng.uniform(1.1, 1.7)),
        wall_cm=float(rng.uniform(0.22, 0.38) * radius),
    )


def _add_nodules(opacities: list[Opacity], rng: np.random.Generator, anatomy: ChestAnatomy) -> None:
    """Add two to five nodules of 1 to 2 cm, apart from each other and from what is there."""
    for _ in range(int(rng.integers(2, 6))):
        radius = float(rng.uniform(0.55, 1.05))
        x, y = _upper_place(rng, anatomy, radius=radius)
        if any(np.hypot(x - o.x, y - o.y) < 1.15 * (radius + o.radius) + 0.5 for o in opacities):
            continue
        outline = _outline(rng, roughness=0.10, smooth=16.0)
        density = float(rng.uniform(1.7, 2.7))  # partly calcified
        opacities.append(Opacity(NODULE, x, y, radius, outline, density))


def _draw_consolidation(rng: np.random.Generator, anatomy: ChestAnatomy) -> Opacity:
    """An ill-defined opacity of 5 to 10 cm anywhere in a lung."""
    radius = float(rng.uniform(2.4, 4.6))
    side = int(rng.integers(2))
    y = float(rng.uniform(anatomy.apex + 4.5, anatomy.dome_at(side, 8.0) - 2.2))
    near, far = anatomy.reach_of_lung(side, y, clearance=0.45 * radius)
    out = float(rng.uniform(near, max(near, far)))
    return Opacity(
        label=CONSOLIDATION,
        x=out if side else -out,
        y=y,
        radius=radius,
        outline=_outline(rng, roughness=0.25, smooth=22.0),
        density=float(rng.uniform(0.5, 0.85)),
        grain=int(rng.integers(2**31)),
    )
