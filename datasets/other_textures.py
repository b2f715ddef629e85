"""Surfaces and lights of generated pictures: noise, stripes, blobs, all as shades from 0 to 1.

Natural pictures have amplitude spectra of about 1 / f (Field, J Opt Soc Am A 1987), and their
objects hide one another (the dead leaves model: Lee, Mumford and Huang, IJCV 2001); networks that
saw nothing else know real photographs surprisingly well (Baradad et al., NeurIPS 2021).
"""

from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Shades = NDArray[np.float32]


def grid(size: int) -> tuple[Shades, Shades]:
    """The places x and y of (size, size) pixels, each from -1 to 1."""
    line = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


def stretched(values: NDArray[Any]) -> Shades:
    """The values brought to 0…1; a flat array to 0."""
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.shape, np.float32)
    return np.asarray((values - low) / (high - low), np.float32)


def spectral_noise(random: Generator, size: int, *, power: float, stretch: float = 1.0) -> Shades:
    """Noise (size, size) whose amplitude falls with frequency as ``f ** -power``.

    ``stretch`` draws it out across, as wood or water are.
    """
    across = np.fft.rfftfreq(size) * stretch
    down = np.fft.fftfreq(size)
    frequency = np.hypot(across[None], down[:, None])
    frequency[0, 0] = 1.0
    phases = np.exp(2j * np.pi * random.random(frequency.shape))
    spectrum = phases * frequency**-power
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, (size, size))
    spread = float(noise.std()) or 1.0
    return np.asarray(np.clip(noise / (5.0 * spread) + 0.5, 0.0, 1.0), np.float32)


def surface(random: Generator, size: int) -> Shades:
    """Any one of many surfaces: rough, striped, tiled, dotted, woven, marbled or flat."""
    x, y = grid(size)
    kind = int(random.integers(7))
    if kind == 6:
        return np.full((size, size), random.uniform(0, 1), np.float32)
    stretch = random.uniform(3, 12) if kind == 5 else 1.0  # wood, or brushed metal
    noise = spectral_noise(random, size, power=random.uniform(0.6, 2.2), stretch=stretch)
    if kind in (0, 5):
        return noise
    angle, pitch = random.uniform(0, np.pi), random.uniform(4.0, 60.0)
    along = x * np.cos(angle) + y * np.sin(angle)
    if kind == 1:
        return stretched(np.sin(pitch * along + random.uniform(0, 8) * noise))
    if kind == 2:
        across = -x * np.sin(angle) + y * np.cos(angle)
        return stretched(np.sin(pitch * along) * np.sin(pitch * across) + noise)
    if kind == 3:
        tiles = np.floor(pitch / 4 * along) + np.floor(pitch / 4 * (y * np.cos(angle) - x))
        return np.asarray(0.2 + 0.5 * (tiles % 2) + 0.3 * noise, np.float32)
    return stretched(np.abs(noise - 0.5))  # veins


def polygon(random: Generator, size: int, *, reach: float) -> NDArray[np.int32]:
    """The corners (N, 2) of a random shape: a circle's, a box's, a star's or any polygon's."""
    centre = random.uniform(-0.1 * size, 1.1 * size, 2)
    kind = int(random.integers(4))
    count = (32, 4, int(random.integers(10, 30)), int(random.integers(3, 8)))[kind]
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False) + random.uniform(0, 2 * np.pi)
    radii = np.full(count, reach)
    if kind >= 2:
        radii = reach * random.uniform(0.5, 1.0, count)
    flat = random.uniform(0.3, 1.0)
    corners = np.stack([np.cos(angles) * radii, np.sin(angles) * radii * flat], axis=1)
    turn = random.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.asarray(np.rint(corners @ rotation.T + centre), np.int32)


def paint(picture: Shades, corners: NDArray[np.int32], filling: Shades | float) -> None:
    """Fill a shape of the picture with a surface (size, size) or one shade, in place."""
    x, y, width, height = cv2.boundingRect(corners)
    part = np.s_[max(0, y - 1) : max(0, y + height + 1), max(0, x - 1) : max(0, x + width + 1)]
    if picture[part].size == 0:
        return
    mask = np.zeros(picture.shape, np.uint8)
    cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA)
    share = mask[part].astype(np.float32) / 255
    picture[part] += share * (np.broadcast_to(filling, picture.shape)[part] - picture[part])


def blurred(picture: NDArray[Any], sigma: float) -> Shades:
    """The picture out of focus, by a Gaussian of ``sigma`` pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def lit(random: Generator, size: int, *, least: float = 0.3) -> Shades:
    """Light that falls from one side, from ``least`` to 1."""
    x, y = grid(size)
    angle = random.uniform(0, 2 * np.pi)
    slope = x * np.cos(angle) + y * np.sin(angle)
    return np.asarray(least + (1 - least) * stretched(slope), np.float32)
