"""Pictures that are no radiographs, generated, for a model that tells radiographs from the rest.

A picture of a seed is the same whenever it is made; no photograph of anybody is needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lucency.configs.errors import ConfigError
from lucency.datasets.other_pages import (
    code,
    document,
    form,
    graph,
    handwriting,
    plain,
    screenshot,
    trace,
)
from lucency.datasets.other_photographs import (
    branches,
    dead_leaves,
    face,
    landscape,
    room,
    street,
    texture,
    things,
)
from lucency.datasets.other_scans import endoscopy, fundus, microscopy, slice_of_body, ultrasound
from lucency.datasets.other_textures import Shades, blurred

# Each with how often it is drawn: photographs are what is sent by mistake, and vary the most.
SCENES: Mapping[str, tuple[int, Callable[[Generator, int], Shades]]] = MappingProxyType(
    {
        "texture": (6, texture),
        "dead-leaves": (14, dead_leaves),
        "landscape": (8, landscape),
        "things": (14, things),
        "face": (10, face),
        "room": (6, room),
        "street": (6, street),
        "branches": (4, branches),
        "document": (4, document),
        "form": (2, form),
        "handwriting": (3, handwriting),
        "screenshot": (4, screenshot),
        "graph": (3, graph),
        "code": (1, code),
        "trace": (1, trace),
        "plain": (5, plain),
        "slice": (5, slice_of_body),
        "ultrasound": (4, ultrasound),
        "microscopy": (3, microscopy),
        "fundus": (2, fundus),
        "endoscopy": (2, endoscopy),
    }
)
LEAST_SIZE, GREATEST_SIZE = 64, 1024
_STREAM = 3


@dataclass(frozen=True, slots=True)
class OtherPicture:
    """One generated picture: grey ``image`` (H, W) uint8, and which of `SCENES` it shows."""

    seed: int
    scene: str
    image: NDArray[np.uint8]


def make_other(seed: int, *, size: int = 160, scene: str | None = None) -> OtherPicture:
    """Draw the picture of a seed; a scene by its frequency if none is named.

    The longer side has ``size`` pixels; four of ten pictures are square.

    Raises
    ------
    ConfigError
        The size is out of range, or there is no such scene.

    """
    if not LEAST_SIZE <= size <= GREATEST_SIZE:
        raise ConfigError(f"pictures: size: must be {LEAST_SIZE} to {GREATEST_SIZE} px, got {size}")
    if scene is not None and scene not in SCENES:
        raise ConfigError(f"pictures: scene: no '{scene}'; choose one of: {', '.join(SCENES)}")
    random = np.random.default_rng([seed, _STREAM])
    if scene is None:
        often = np.array([weight for weight, _ in SCENES.values()], np.float64)
        scene = str(random.choice(list(SCENES), p=often / often.sum()))
    shades = np.ascontiguousarray(SCENES[scene][1](random, size), np.float32)
    return OtherPicture(seed, scene, _taken(random, shades))


def _taken(random: Generator, shades: Shades) -> NDArray[np.uint8]:
    """The picture as a camera, a scanner or an export may leave it."""
    shades = _framed(random, shades)
    if random.random() < 0.15:
        shades = blurred(shades, random.uniform(0.5, 4))
    low, high = sorted(random.uniform(0, 1, 2)) if random.random() < 0.15 else (0.0, 1.0)
    shades = np.asarray(
        low + (high - low) * np.clip(shades, 0, 1) ** random.uniform(0.5, 2), np.float32
    )
    if random.random() < 0.4:
        noise = random.normal(0, random.uniform(0, 0.08), shades.shape)
        shades = np.asarray(shades + noise, np.float32)
    if random.random() < 0.12:
        shades = 1 - shades
    image = np.rint(np.clip(shades, 0, 1) * 255).astype(np.uint8)
    if random.random() < 0.12:  # a plate's black border, which radiographs have
        wide = int(random.uniform(0.02, 0.2) * min(image.shape))
        image[:wide], image[-wide:], image[:, :wide], image[:, -wide:] = 0, 0, 0, 0
    if random.random() < 0.25:
        image = _saved_badly(random, image)
    return np.ascontiguousarray(image)


def _framed(random: Generator, shades: Shades) -> Shades:
    """A part of the picture, mirrored or turned."""
    size = len(shades)
    if random.random() < 0.6:
        width, height = (int(size * random.uniform(0.5, 1.0)) for _ in range(2))
        x, y = int(random.integers(0, size - width + 1)), int(random.integers(0, size - height + 1))
        part = shades[y : y + height, x : x + width]
        factor = size / max(width, height)
        size_wh = (round(width * factor), round(height * factor))
        shades = np.asarray(cv2.resize(part, size_wh, interpolation=cv2.INTER_LINEAR), np.float32)
    if random.random() < 0.5:
        shades = shades[:, ::-1]
    return np.rot90(shades, int(random.integers(4))) if random.random() < 0.2 else shades


def _saved_badly(random: Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Made small and large again, or saved as a JPEG of low quality."""
    if random.random() < 0.5:
        height, width = image.shape
        factor = random.uniform(0.15, 0.6)
        small_wh = (max(8, int(width * factor)), max(8, int(height * factor)))
        small = cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA)
        method = cv2.INTER_NEAREST if random.random() < 0.3 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(small, (width, height), interpolation=method), np.uint8)
    quality = int(random.integers(4, 40))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
