"""Generated photographs: landscapes, streets, rooms, faces, things; shades from 0 to 1.

They need not deceive anybody: a network that has seen them is to take real photographs for none of
its radiographs.
"""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from lucency.datasets.other_textures import (
    Shades,
    blurred,
    grid,
    lit,
    paint,
    polygon,
    spectral_noise,
    stretched,
    surface,
)


def texture(random: Generator, size: int) -> Shades:
    """One surface, or two of them mixed, under uneven light."""
    picture = surface(random, size)
    if random.random() < 0.5:
        share = spectral_noise(random, size, power=2.0)
        picture = picture * share + surface(random, size) * (1 - share)
    return stretched(picture * lit(random, size))


def dead_leaves(random: Generator, size: int) -> Shades:
    """Shapes of all sizes that hide one another, each with its own surface."""
    picture = surface(random, size)
    surfaces = [surface(random, size) for _ in range(6)]
    for _ in range(int(random.integers(15, 160))):
        reach = size * 0.5 * random.pareto(1.6)
        filling = surfaces[int(random.integers(6))] * random.uniform(0.2, 1.0)
        filling = filling + random.uniform(0, 0.5)
        paint(picture, polygon(random, size, reach=min(max(reach, 2), size * 0.6)), filling)
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def landscape(random: Generator, size: int) -> Shades:
    """A sky with clouds, ranges of hills, a foreground, perhaps trees or water."""
    _, y = grid(size)
    clouds = spectral_noise(random, size, power=1.8, stretch=2.0)
    sky = random.uniform(0.5, 0.9) + random.uniform(-0.3, 0.3) * y
    cover = np.clip((clouds - 0.5) * 4, 0, 1)
    picture = np.asarray(sky + random.uniform(-0.5, 0.5) * cover, np.float32)
    columns = np.arange(size)
    horizon = random.uniform(0.3, 0.7) * size
    for depth in range(int(random.integers(1, 6))):
        walk = np.cumsum(random.normal(0, random.uniform(0.3, 1.5), size))
        walk = blurred(walk.astype(np.float32)[None], random.uniform(0.5, 6))[0]
        top = horizon + depth * 0.1 * size + walk - walk.mean()
        points = np.stack([columns, top], axis=1)
        corners = np.concatenate([points, [[size, size], [0, size]]])
        shade = random.uniform(0.1, 0.8)
        filling = shade * (0.5 + 0.8 * spectral_noise(random, size, power=random.uniform(0.7, 1.8)))
        paint(picture, corners.astype(np.int32), filling)
    for _ in range(int(random.integers(0, 12))):
        _tree(random, picture, base=horizon + random.uniform(0, 0.4) * size)
    if random.random() < 0.3:  # water mirrors what stands above it
        shore = int(random.uniform(0.6, 0.8) * size)
        mirrored = picture[max(0, 2 * shore - size) : shore][::-1]
        waves = spectral_noise(random, size, power=1.0, stretch=0.1)[: len(mirrored)]
        picture[shore : shore + len(mirrored)] = mirrored * (0.6 + 0.4 * waves)
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _tree(random: Generator, picture: Shades, *, base: float) -> None:
    size = len(picture)
    x, height = random.uniform(0, size), random.uniform(0.1, 0.5) * size
    shade = random.uniform(0, 0.4)
    foot, top = (int(x), int(base)), (int(x), int(base - height * 0.7))
    cv2.line(picture, foot, top, shade, max(1, int(height / 15)), cv2.LINE_AA)
    crown = shade * (0.4 + spectral_noise(random, size, power=0.8))
    for _ in range(int(random.integers(3, 12))):
        centre = np.array(top) + random.normal(0, height / 6, 2)
        angles = np.linspace(0, 2 * np.pi, 12)
        rough = height / 5 * random.uniform(0.6, 1.1, 12)
        corners = centre + np.stack([np.cos(angles) * rough, np.sin(angles) * rough], axis=1)
        paint(picture, corners.astype(np.int32), crown)


def things(random: Generator, size: int) -> Shades:
    """Balls, boxes and bottles on a table, or before nothing, shaded, with their shadows."""
    _, y = grid(size)
    edge = random.uniform(-0.4, 0.4)
    if random.random() < 0.4:  # a plain backdrop, dark or bright
        shade = random.uniform(0.05, 0.9)
        picture = np.asarray(shade * lit(random, size, least=random.uniform(0.3, 1)), np.float32)
    else:
        wall, table = surface(random, size), surface(random, size)
        picture = np.where(y < edge, wall * random.uniform(0.3, 1), table * random.uniform(0.3, 1))
        picture = np.asarray(picture * lit(random, size), np.float32)
    light = random.uniform(-1, 1, 2)
    for _ in range(int(random.integers(1, 9))):
        centre = np.array([random.uniform(-0.9, 0.9), random.uniform(edge, 0.8)])
        _thing(random, picture, centre, random.uniform(0.08, 0.5), light)
    if random.random() < 0.3:
        picture = blurred(picture, random.uniform(0.5, 2.5))
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _thing(
    random: Generator,
    picture: Shades,
    centre: NDArray[np.float64],
    reach: float,
    light: NDArray[np.float64],
) -> None:
    size = len(picture)
    x, y = grid(size)
    across, down = (x - centre[0]) / reach, (y - centre[1]) / reach
    shadow = np.exp(-((across - light[0]) ** 2 + ((down - 1) * 4) ** 2))
    picture *= 1 - random.uniform(0.2, 0.7) * shadow
    kind = int(random.integers(3))
    if kind == 0:  # a ball, Lambertian with a highlight
        inside = across**2 + down**2 < 1
        depth = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
    elif kind == 1:  # a bottle, or a post
        thin, tall = random.uniform(0.1, 0.6), random.uniform(0.8, 3)
        inside = (np.abs(across) < thin) & (np.abs(down) < tall)
        depth = np.sqrt(np.clip(1 - (across / thin) ** 2, 0, 1))
    else:  # a box, two of its sides seen
        inside = (np.abs(across) < 1) & (np.abs(down + 0.3 * across) < 0.8)
        depth = np.where(across < random.uniform(-0.4, 0.4), 0.9, 0.4)
    normal = across * light[0] + down * light[1] + depth
    shade = random.uniform(0.2, 0.9) * (0.25 + 0.75 * np.clip(normal, 0, 1.3))
    shade = shade * (0.7 + 0.3 * surface(random, size)) + 0.8 * np.clip(normal - 1.15, 0, 1)
    picture[:] = np.where(inside, shade, picture)


def face(random: Generator, size: int) -> Shades:
    """A head with hair, eyes, nose and mouth over shoulders, or several of them."""
    picture = np.asarray(surface(random, size) * lit(random, size), np.float32)
    picture = blurred(picture, random.uniform(0.5, 6))
    for _ in range(int(random.choice([1, 1, 1, 2, 3, 5]))):
        reach = random.uniform(0.15, 0.6)
        _head(random, picture, random.uniform(-0.5, 0.5), random.uniform(-0.4, 0.3), reach)
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def _head(random: Generator, picture: Shades, left: float, top: float, reach: float) -> None:
    size = len(picture)
    x, y = grid(size)
    across, down = (x - left) / reach, (y - top) / reach
    skin, hair, cloth = random.uniform(0.25, 0.95), random.uniform(0, 0.8), random.uniform(0, 1)
    side = random.uniform(-0.4, 0.4)
    shading = 1 - 0.35 * (across**2 + 0.4 * down**2) + side * across
    weave = 0.6 + 0.4 * surface(random, size)
    shoulders = (across / 2.2) ** 2 + ((down - 2.4) / 1.2) ** 2 < 1
    picture[:] = np.where(shoulders, cloth * weave, picture)
    neck = (np.abs(across) < 0.4) & (down > 0.5) & (down < 1.6)
    picture[:] = np.where(neck, skin * 0.8 * shading, picture)
    strands = hair * (0.6 + 0.6 * spectral_noise(random, size, power=1.0, stretch=4.0))
    length = random.uniform(1.0, 2.0)
    crown = (across / 0.95) ** 2 + ((down + 0.25) / 1.1) ** 2 < 1
    long = (np.abs(across) < 0.95) & (down > -0.2) & (down < length - 0.8)
    picture[:] = np.where(crown | long, strands, picture)
    oval = (across / 0.75) ** 2 + ((down - 0.1) / 1.0) ** 2 < 1
    picture[:] = np.where(oval, skin * shading, picture)
    for eye in (-0.3, 0.3):
        white = ((across - eye) / 0.14) ** 2 + ((down + 0.05) / 0.07) ** 2 < 1
        iris = (across - eye) ** 2 + (down + 0.05) ** 2 < 0.0045
        brow = (np.abs(across - eye) < 0.18) & (np.abs(down + 0.22) < 0.03)
        picture[:] = np.where(brow, hair * 0.7, np.where(white, 0.95, picture))
        picture[:] = np.where(iris, 0.08, picture)
    nose = np.exp(-((across / 0.1) ** 2) - ((down - 0.3) / 0.2) ** 2)
    mouth = (across / 0.28) ** 2 + ((down - 0.62) / random.uniform(0.04, 0.12)) ** 2 < 1
    picture += np.asarray(0.15 * side * nose, np.float32)
    picture[:] = np.where(mouth, skin * 0.5, picture)


def room(random: Generator, size: int) -> Shades:
    """A room in perspective: floor, ceiling, three walls, windows, furniture."""
    picture = np.full((size, size), random.uniform(0.2, 1.0), np.float32)
    eye = np.array([random.uniform(0.25, 0.75), random.uniform(0.3, 0.6)]) * size
    back = random.uniform(0.15, 0.6)
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64)
    inner = eye + (corners - eye) * back
    for side in range(4):
        after = (side + 1) % 4
        wall = np.array([corners[side], corners[after], inner[after], inner[side]])
        shade = random.uniform(0.2, 1.0) * (0.6 + 0.4 * surface(random, size))
        paint(picture, wall.astype(np.int32), shade)
    paint(picture, inner.astype(np.int32), random.uniform(0.2, 1.0))
    for _ in range(int(random.integers(2, 10))):
        depth = random.uniform(back, 1.2)
        low = eye + (np.array([random.uniform(0, 1), 1.0]) * size - eye) * depth
        width, height = random.uniform(0.05, 0.3, 2) * size * depth
        (left, foot), right = low, low[0] + width
        box = np.array([[left, foot], [right, foot], [right, foot - height], [left, foot - height]])
        paint(picture, box.astype(np.int32), random.uniform(0, 1) * lit(random, size))
    for _ in range(int(random.integers(0, 4))):
        corner = inner[0] + random.uniform(0, 0.6, 2) * (inner[2] - inner[0])
        reach = random.uniform(0.1, 0.4, 2) * (inner[2] - inner[0])
        cv2.rectangle(
            picture, corner.astype(int).tolist(), (corner + reach).astype(int).tolist(), 1.0, -1
        )
    return np.asarray(np.clip(picture * lit(random, size, least=0.5), 0, 1), np.float32)


def street(random: Generator, size: int) -> Shades:
    """Houses with rows of windows before a sky, a road, perhaps cars."""
    _, y = grid(size)
    picture = np.asarray(random.uniform(0.5, 1) + random.uniform(-0.2, 0.2) * y, np.float32)
    ground = int(random.uniform(0.6, 0.9) * size)
    left = -int(random.uniform(0, 0.2) * size)
    while left < size:
        width = int(random.uniform(0.12, 0.45) * size)
        top = int(random.uniform(0.0, 0.6) * size)
        wall = random.uniform(0.1, 0.9)
        box = np.array([[left, top], [left + width, top], [left + width, ground], [left, ground]])
        paint(picture, box.astype(np.int32), wall * (0.7 + 0.3 * surface(random, size)))
        pitch = int(random.uniform(0.03, 0.1) * size) + 3
        pane = random.uniform(0, 1)
        for row in range(top + pitch // 2, ground - pitch, pitch):
            for column in range(left + pitch // 2, left + width - pitch // 2, pitch):
                end = (column + pitch // 2, row + pitch // 2)
                cv2.rectangle(picture, (column, row), end, float(pane), -1)
        left += width + int(random.uniform(0, 0.1) * size)
    picture[ground:] = random.uniform(0.2, 0.6) * surface(random, size)[ground:]
    for _ in range(int(random.integers(0, 5))):
        centre = np.array([random.uniform(-1, 1), 2 * ground / size - 0.95])
        _thing(random, picture, centre, random.uniform(0.05, 0.2), np.array([0.3, -0.5]))
    return np.asarray(np.clip(picture, 0, 1), np.float32)


def branches(random: Generator, size: int) -> Shades:
    """A plant or cracks: lines that fork again and again, before a soft background."""
    picture = blurred(surface(random, size), random.uniform(1, 8))
    shade = float(random.uniform(0, 1))
    start = np.array([random.uniform(0.2, 0.8) * size, size])
    tips = [(start, -np.pi / 2, size * random.uniform(0.15, 0.35), size / 25)]
    for _ in range(150):
        if not tips:
            break
        place, angle, length, width = tips.pop(0)
        end = place + length * np.array([np.cos(angle), np.sin(angle)])
        thick = max(1, int(width))
        cv2.line(picture, place.astype(int).tolist(), end.astype(int).tolist(), shade, thick)
        if length > size / 40:
            for _ in range(int(random.integers(2, 4))):
                turn = random.normal(0, 0.5)
                tips.append((end, angle + turn, length * random.uniform(0.6, 0.9), width * 0.7))
    return np.asarray(np.clip(picture, 0, 1), np.float32)
