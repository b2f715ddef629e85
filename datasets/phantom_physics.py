"""How path lengths become a 12-bit radiograph: attenuation, scatter, blur, noise, detector.

The chain is that of a CR or DX system, in order: Beer-Lambert attenuation of soft tissue, bone
and lead at one effective energy; collimation; scatter; quantum noise; the blur of focal spot and
detector; electronic noise; logarithm; automatic ranging to 12 bits with bone bright.
"""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from lucency.annotations.findings import Finding
from lucency.annotations.geometry import Box

FloatImage: TypeAlias = NDArray[np.float32]  # (H, W)
Mask: TypeAlias = NDArray[np.bool_]  # (H, W)
Points: TypeAlias = NDArray[np.float64]  # (N, 2)

MAX_VALUE = 4095  # 12 bits
_LEAKAGE = 0.004  # part of the beam that passes the collimator's blades and off-focus
_LEAD_DEPTH = 2.6  # optical depth of a lead letter
_ELECTRONIC_QUANTA = 4.0  # electronic noise as an equivalent number of quanta


@dataclass(frozen=True, slots=True)
class Technique:
    """The beam and the detector.

    Attenuation coefficients are in 1/cm and follow NIST's tables of mass attenuation
    coefficients (ICRU-44 soft tissue and cortical bone). ``quanta`` is the number of quanta a
    pixel receives in air, ``scatter_ratio`` scattered over primary radiation behind the body,
    ``blur_px`` the standard deviation of focal spot and detector blur. ``detail`` is how much the
    manufacturer's processing raises structures below a twentieth of the image.
    """

    soft_per_cm: float
    bone_per_cm: float
    quanta: float
    scatter_ratio: float
    blur_px: float
    detail: float


LIMB_TECHNIQUE = Technique(0.26, 1.00, 6000.0, 0.05, 0.55, 0.2)  # about 60 kV, 45 keV effective
CHEST_TECHNIQUE = Technique(
    0.21, 0.57, 40000.0, 0.07, 0.50, 0.7
)  # about 120 kV with a grid, 62 keV


@dataclass(frozen=True, slots=True)
class Setup:
    """What changes from exposure to exposure.

    ``field`` (H, W) is 1 where the collimator is open; with ``shutter`` the closed part is
    blackened as many systems do, else it stays white. ``lead`` (H, W) is 1 where a marker lies.
    ``exposure`` scales the dose; ``floor``, ``ceiling`` (of 1) and ``gamma`` are the
    manufacturer's tone curve.
    """

    field: FloatImage
    lead: FloatImage
    shutter: bool
    exposure: float
    floor: float
    ceiling: float
    gamma: float


@dataclass(frozen=True, slots=True)
class Exposure:
    """One image of a patient: pixels (H, W) of 12 bits, its view and what is to be found on it."""

    pixels: NDArray[np.uint16]
    view: str
    body_part: str
    laterality: str
    spacing_mm: float
    findings: tuple[Finding, ...]


def expose(
    soft_cm: FloatImage,
    *,
    bone_cm: FloatImage,
    technique: Technique,
    setup: Setup,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """The 12-bit image (H, W), bone bright, of path lengths in cm; bone displaces soft tissue."""
    depth = technique.soft_per_cm * soft_cm
    depth += (technique.bone_per_cm - technique.soft_per_cm) * bone_cm
    depth += _LEAD_DEPTH * setup.lead
    primary = np.exp(-depth) * (_LEAKAGE + (1 - _LEAKAGE) * setup.field) * _heel(depth.shape, rng)
    quanta = technique.quanta * setup.exposure
    fluence = quanta * (
        primary + technique.scatter_ratio * _wide_blur(primary, cells=40, spread=5.0)
    )
    noise = rng.standard_normal(fluence.shape, dtype=np.float32)
    # For these counts a Poisson variable is normal, and the normal one is ten times as fast.
    noisy = cv2.GaussianBlur(fluence + np.sqrt(fluence) * noise, (0, 0), technique.blur_px)
    noisy += _ELECTRONIC_QUANTA * rng.standard_normal(fluence.shape, dtype=np.float32)
    signal = -np.log(np.maximum(noisy, 1.0) / np.float32(quanta))
    signal += technique.detail * (signal - _wide_blur(signal, cells=64, spread=1.6))
    return _to_12_bits(signal + _banding(signal.shape, rng), setup)


def draw_setup(
    rng: np.random.Generator,
    *,
    size: int,
    letter: str,
    corner: str,
    shutter: bool,
    border: float,
    contrast: float = 1.0,
) -> Setup:
    """A collimated field, a lead letter in ``corner`` (``tl``, ``tr``, ``bl``, ``br``) and a tone.

    ``border`` is the largest part of a side that collimation may take on each edge, ``contrast``
    the mean exponent of the tone curve.
    """
    field, inset = _field(rng, size=size, border=border)
    return Setup(
        field=field,
        lead=_letter(rng, size=size, letter=letter, corner=corner, inset=inset),
        shutter=shutter,
        exposure=float(np.exp(rng.normal(0.0, 0.35))),
        floor=float(rng.uniform(0.01, 0.05)),
        ceiling=float(rng.uniform(0.82, 0.95)),
        gamma=contrast * float(rng.uniform(0.9, 1.15)),
    )


def smooth_noise(rng: np.random.Generator, *, size: int, grain: int) -> FloatImage:
    """Noise (size, size) of mean 0 and standard deviation about 1 with lumps of ``grain`` px."""
    few = max(size // grain, 2) + 3
    coarse = rng.standard_normal((few, few), dtype=np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, dtype=np.float32)


def box_of(mask: Mask, *, margin: float, origin: tuple[int, int] = (0, 0)) -> Box | None:
    """The box around all True pixels, ``margin`` px wider on each side; None if there are none.

    ``origin`` is the (row, column) of the mask's first pixel in the image.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    top, left = origin
    return Box(
        float(left + columns[0]) - margin,
        float(top + rows[0]) - margin,
        float(left + columns[-1] + 1) + margin,
        float(top + rows[-1] + 1) + margin,
    )


def _heel(shape: tuple[int, ...], rng: np.random.Generator) -> FloatImage:
    """The anode heel effect: the beam is up to 8% weaker towards one side, (H, W)."""
    slope_x, slope_y = rng.uniform(-0.08, 0.08, 2).astype(np.float32)
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None, :]
    return np.asarray(1 + slope_x * columns + slope_y * rows, dtype=np.float32)


def _banding(shape: tuple[int, ...], rng: np.random.Generator) -> FloatImage:
    """Faint bands from line to line, as plate readers leave them, (H, 1)."""
    return np.asarray(0.004 * rng.standard_normal((shape[0], 1)), dtype=np.float32)


def _wide_blur(image: FloatImage, *, cells: int, spread: float) -> FloatImage:
    """Blur by ``spread`` cells of which the image has ``cells`` a side, at that reduced size."""
    height, width = image.shape
    small = cv2.resize(image, (cells, cells), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), spread, borderType=cv2.BORDER_REPLICATE)
    wide = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(wide, dtype=np.float32)


def _to_12_bits(signal: FloatImage, setup: Setup) -> NDArray[np.uint16]:
    """Range the part inside the field, as the reader of a plate does, then apply the tone curve."""
    seen = signal[::3, ::3][(setup.field[::3, ::3] > 0.99) & (setup.lead[::3, ::3] < 0.01)]
    low, high = np.percentile(seen, (0.5, 99.7))
    tone = np.clip((signal - low) / max(high - low, 1e-3), 0.0, 1.5)
    value = setup.floor + (setup.ceiling - setup.floor) * tone**setup.gamma
    if setup.shutter:
        value *= setup.field**4
    return np.asarray(np.clip(np.rint(value * MAX_VALUE), 0, MAX_VALUE), dtype=np.uint16)


def _field(
    rng: np.random.Generator, *, size: int, border: float
) -> tuple[FloatImage, tuple[float, ...]]:
    """The open part of the collimator (size, size), and what it takes off each side in px."""
    taken = np.where(rng.random(4) < 0.6, rng.uniform(0.2, 1.0, 4), 0.0) * border * size
    left, top, right, bottom = taken
    beyond = 0.2 * size  # an uncollimated side lies well outside
    x1, y1 = (value if value > 0 else -beyond for value in (left, top))
    x2, y2 = (size - value if value > 0 else size + beyond for value in (right, bottom))
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    angle = np.deg2rad(rng.normal(0.0, 0.8))
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    corners = (corners - size / 2) @ turn.T + size / 2
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(canvas, fixed_point(corners), 255, cv2.LINE_AA, 4)
    penumbra = cv2.GaussianBlur(canvas.astype(np.float32) / 255, (0, 0), 0.004 * size)
    return np.asarray(penumbra, dtype=np.float32), tuple(float(value) for value in taken)


def _letter(
    rng: np.random.Generator, *, size: int, letter: str, corner: str, inset: tuple[float, ...]
) -> FloatImage:
    """A lead letter (size, size), slightly turned, inside the field at one of its corners."""
    height = size * rng.uniform(0.045, 0.065)
    scale = height / 21  # a Hershey capital is 21 units high
    thickness = max(round(height / 5), 1)
    canvas = np.zeros((size, size), np.uint8)
    (width, _), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    gap = size * rng.uniform(0.03, 0.07, 2)
    x = inset[0] + gap[0] if corner[1] == "l" else size - inset[2] - gap[0] - width
    y = inset[1] + gap[1] + height if corner[0] == "t" else size - inset[3] - gap[1]
    place = (round(x), round(y))
    cv2.putText(canvas, letter, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((x + width / 2, y - height / 2), rng.normal(0.0, 6.0), 1.0)
    turned = cv2.warpAffine(canvas, turn, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(turned, dtype=np.float32) / np.float32(255)


def fixed_point(points: Points) -> NDArray[np.int32]:
    """Points (N, 2) with four fractional bits, as OpenCV draws below one pixel."""
    return np.rint(points * 16).astype(np.int32)
