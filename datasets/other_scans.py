"""Generated pictures of medicine that are no radiographs of chest or bone; shades from 0 to 1.

Slices as of CT and MR, ultrasound, microscopy, the fundus of an eye, endoscopy.
"""

import cv2
import numpy as np
from numpy.random import Generator

from lucency.datasets.other_textures import Shades, blurred, grid, spectral_noise, stretched


def slice_of_body(random: Generator, size: int) -> Shades:
    """Ellipses within an ellipse before black, as Shepp and Logan drew a head, with noise."""
    x, y = grid(size)
    picture = np.zeros((size, size), np.float32)
    wide, high = random.uniform(0.5, 0.95, 2)
    ring = random.uniform(0.02, 0.15)
    outer = (x / wide) ** 2 + (y / high) ** 2
    inside = (x / (wide - ring)) ** 2 + (y / (high - ring)) ** 2 < 1
    picture[outer < 1] = random.uniform(0.3, 1.0)
    picture[inside] = random.uniform(0.1, 0.6)
    for _ in range(int(random.integers(4, 20))):
        angle = random.uniform(0, np.pi)
        left, top = random.uniform(-0.6, 0.6, 2) * (wide, high)
        across = (x - left) * np.cos(angle) + (y - top) * np.sin(angle)
        down = (y - top) * np.cos(angle) - (x - left) * np.sin(angle)
        reach = random.uniform(0.03, 0.35, 2)
        within = ((across / reach[0]) ** 2 + (down / reach[1]) ** 2 < 1) & inside
        picture[within] += random.uniform(-0.4, 0.4)
        if random.random() < 0.4:  # the same organ on the other side
            picture[within[:, ::-1]] += random.uniform(-0.3, 0.3)
    if random.random() < 0.5:  # the folds of a brain
        folds = np.sin(random.uniform(15, 40) * spectral_noise(random, size, power=2.2))
        picture[inside] += (0.15 * folds[inside]).astype(np.float32)
    if random.random() < 0.4:  # the table
        picture[np.abs(y - high - 0.04 - 0.1 * x**2) < 0.01] = 0.5
    picture = blurred(picture, random.uniform(0.3, 2))
    noise = random.normal(0, random.uniform(0.0, 0.12), picture.shape)
    return stretched(np.clip(picture + noise, 0, 1.2))


def ultrasound(random: Generator, size: int) -> Shades:
    """A sector of speckle with dark vessels, bright echoes and their shadows, before black."""
    x, y = grid(size)
    apex = random.uniform(-1.6, -1.0)
    radius, angle = np.hypot(x, y - apex), np.arctan2(x, y - apex)
    opening, far = random.uniform(0.35, 0.9), random.uniform(1.6, 2.4)
    near = random.uniform(0.1, 0.6)
    tissue = spectral_noise(random, size, power=random.uniform(1.0, 2.0))
    speckle = blurred(random.rayleigh(0.5, (size, size)), random.uniform(0.6, 1.6))
    picture = tissue * speckle * (1.2 - 0.4 * radius / far)
    for _ in range(int(random.integers(1, 6))):
        left, top = random.uniform(-0.6, 0.6, 2)
        reach = random.uniform(0.05, 0.35, 2)
        within = ((x - left) / reach[0]) ** 2 + ((y - top) / reach[1]) ** 2 < 1
        picture = np.where(within, picture * random.uniform(0.0, 0.4), picture)
    bright = np.abs(radius - random.uniform(near + 0.2, far)) < random.uniform(0.01, 0.04)
    picture = picture + 0.6 * bright * speckle
    sector = (np.abs(angle) < opening) & (radius > near) & (radius < far)
    if random.random() < 0.25:  # a linear probe
        sector = np.abs(x) < random.uniform(0.5, 0.9)
    return stretched(np.where(sector, np.clip(picture, 0, 1.2), 0))


def microscopy(random: Generator, size: int) -> Shades:
    """Cells with nuclei, scattered or packed, bright or dark."""
    picture = np.asarray(
        random.uniform(0.6, 0.95) + 0.2 * (spectral_noise(random, size, power=1.2) - 0.5),
        np.float32,
    )
    reach = random.uniform(0.01, 0.08) * size
    for _ in range(int(random.integers(20, 300))):
        centre = random.uniform(0, size, 2).astype(int).tolist()
        axes = np.maximum(1, reach * random.uniform(0.6, 1.4, 2)).astype(int)
        turn, body = float(random.uniform(0, 180)), float(random.uniform(0.4, 0.8))
        cv2.ellipse(picture, centre, axes.tolist(), turn, 0, 360, body, -1, cv2.LINE_AA)
        nucleus = np.maximum(1, axes * random.uniform(0.3, 0.6)).astype(int).tolist()
        shade = float(random.uniform(0.05, 0.4))
        cv2.ellipse(picture, centre, nucleus, turn, 0, 360, shade, -1, cv2.LINE_AA)
    if random.random() < 0.3:  # fluorescence
        picture = 1 - picture
    return np.asarray(np.clip(blurred(picture, random.uniform(0.3, 2)), 0, 1), np.float32)


def fundus(random: Generator, size: int) -> Shades:
    """A bright disc before black with the papilla and vessels that branch from it."""
    x, y = grid(size)
    reach = random.uniform(0.75, 1.1)
    picture = np.asarray(0.6 - 0.3 * np.hypot(x, y), np.float32)
    picture += 0.15 * (spectral_noise(random, size, power=1.8) - 0.5)
    left, top = random.uniform(-0.5, 0.5), random.uniform(-0.2, 0.2)
    for _ in range(int(random.integers(8, 20))):
        steps = int(random.integers(20, 60))
        heading = random.uniform(0, 2 * np.pi) + np.cumsum(random.normal(0, 0.15, steps))
        path = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1), axis=0) * size / 50
        path += (np.array([left, top]) + 1) / 2 * size
        thick = int(random.integers(1, 4))
        cv2.polylines(picture, [path.astype(np.int32)], False, 0.2, thick, cv2.LINE_AA)
    picture += 0.5 * np.exp(-(((x - left) ** 2 + (y - top) ** 2) / 0.02))
    picture[np.hypot(x, y) > reach] = 0
    return np.clip(picture, 0, 1)


def endoscopy(random: Generator, size: int) -> Shades:
    """Folds around a dark tunnel, wet highlights, before black."""
    x, y = grid(size)
    left, top = random.uniform(-0.3, 0.3, 2)
    radius, angle = np.hypot(x - left, y - top), np.arctan2(y - top, x - left)
    warp = spectral_noise(random, size, power=2.0)
    folds = np.sin(random.uniform(4, 14) * radius + 3 * warp + np.sin(3 * angle))
    picture = np.clip(radius * random.uniform(0.5, 1.0), 0, 0.8) * (0.75 + 0.25 * folds)
    gleam = spectral_noise(random, size, power=1.2)
    picture = picture + np.clip((gleam - random.uniform(0.75, 0.9)) * 8, 0, 1)
    if random.random() < 0.6:
        picture = np.where(np.hypot(x, y) < random.uniform(0.9, 1.2), picture, 0)
    return np.asarray(np.clip(picture, 0, 1), np.float32)
