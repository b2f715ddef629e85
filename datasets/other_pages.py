"""Generated pages and screens: text, handwriting, graphs, windows, codes; shades from 0 to 1."""

import string

import cv2
import numpy as np
from numpy.random import Generator

from lucency.datasets.other_textures import Shades, grid, lit, stretched, surface

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
_LETTERS = np.array(list(string.ascii_letters + string.digits))


def _paper(random: Generator, size: int) -> Shades:
    """White or nearly so, evenly lit or not."""
    paper = np.full((size, size), random.uniform(0.75, 1.0), np.float32)
    return paper * lit(random, size, least=random.uniform(0.6, 1.0))


def _words(random: Generator, count: int) -> str:
    lengths = random.integers(2, 11, count)
    return " ".join("".join(random.choice(_LETTERS, length)) for length in lengths)


def _lines(
    random: Generator, picture: Shades, *, box: tuple[int, int, int, int], ink: float, step: int
) -> None:
    """Lines of text within x1, y1, x2, y2, ``step`` pixels apart."""
    x1, y1, x2, y2 = box
    font, scale = int(random.choice(_FONTS)), step / 42
    written = np.zeros(picture.shape, np.uint8)  # OpenCV writes on 8 bits alone
    for y in range(y1 + step, y2, step):
        if random.random() < 0.12:  # the end of a paragraph
            continue
        indent = int(random.choice([0, 0, 0, step * 2]))
        text = _words(random, int(random.integers(2, 14)))
        cv2.putText(written, text, (x1 + indent, y), font, scale, 255, 1, cv2.LINE_AA)
    written[:, max(0, x2) :] = 0
    picture += written.astype(np.float32) / 255 * (ink - picture)


def document(random: Generator, size: int) -> Shades:
    """A page of text in one or two columns, perhaps with a heading and a picture."""
    picture = _paper(random, size)
    ink, step = float(random.uniform(0, 0.4)), int(random.integers(6, 22))
    margin = int(random.uniform(0.03, 0.15) * size)
    columns = int(random.choice([1, 1, 2, 3]))
    width = (size - 2 * margin) // columns
    for column in range(columns):
        left = margin + column * width
        box = (left, margin, left + width - margin // 2, size - margin)
        _lines(random, picture, box=box, ink=ink, step=step)
    if random.random() < 0.4:
        side = int(random.uniform(0.2, 0.4) * size)
        x, y = random.integers(0, size - side, 2)
        picture[y : y + side, x : x + side] = surface(random, size)[:side, :side]
    return picture


def form(random: Generator, size: int) -> Shades:
    """A table or a form: rules, and text in its cells."""
    picture = _paper(random, size)
    ink, step = float(random.uniform(0, 0.5)), int(random.integers(10, 36))
    for y in range(step, size, step):
        cv2.line(picture, (4, y), (size - 4, y), ink, 1)
    for x in sorted(random.integers(4, size - 4, int(random.integers(2, 8)))):
        cv2.line(picture, (int(x), step), (int(x), size - 4), ink, 1)
    _lines(random, picture, box=(8, 0, size - 8, size), ink=ink, step=step)
    return picture


def handwriting(random: Generator, size: int) -> Shades:
    """Lines of loops and strokes on blank, ruled or squared paper."""
    picture = _paper(random, size)
    step = int(random.integers(14, 50))
    if random.random() < 0.5:
        for y in range(step, size, step):
            cv2.line(picture, (0, y), (size, y), 0.7, 1)
    ink, thick = float(random.uniform(0, 0.45)), int(random.integers(1, 4))
    for y in range(step, size, step):
        steps = int(random.integers(30, 120))
        time = np.linspace(0, steps / 3, steps * 3)
        drift = np.cumsum(random.normal(0, 0.02, time.size))
        reach = step * random.uniform(0.2, 0.4)
        x = 8 + time * step * 0.22 + reach * np.sin(4 * time + drift)
        wander = np.repeat(random.uniform(0.3, 1.0, steps), 3)
        points = np.stack([x, y - reach * wander * np.cos(4 * time + 3 * drift)], axis=1)
        for piece in np.array_split(points, int(random.integers(2, 12))):
            cv2.polylines(picture, [piece.astype(np.int32)], False, ink, thick, cv2.LINE_AA)
    return picture


def screenshot(random: Generator, size: int) -> Shades:
    """Windows with title bars, buttons, lists and pictures, bright or dark."""
    picture = np.asarray(0.3 + 0.5 * surface(random, size), np.float32)
    dark = random.random() < 0.4
    for _ in range(int(random.integers(1, 5))):
        x1, y1 = (int(value) for value in random.integers(-20, size // 2, 2))
        x2, y2 = (int(value) for value in random.integers(size // 2, size + 20, 2))
        ground = float(random.uniform(0, 0.25) if dark else random.uniform(0.8, 1))
        ink = 0.9 if dark else 0.1
        bar = int(random.integers(8, 24))
        cv2.rectangle(picture, (x1, y1), (x2, y2), ground, -1)
        cv2.rectangle(picture, (x1, y1), (x2, y1 + bar), float(random.uniform(0, 1)), -1)
        box = (max(x1, 0) + 6, max(y1, 0) + bar, x2, min(y2, size))
        _lines(random, picture, box=box, ink=ink, step=int(random.integers(8, 18)))
        for _ in range(int(random.integers(0, 8))):
            x, y = int(random.integers(x1, x2)), int(random.integers(y1, y2))
            end = (x + int(random.integers(8, 60)), y + int(random.integers(6, 20)))
            cv2.rectangle(picture, (x, y), end, float(random.uniform(0, 1)), -1)
    return picture


def graph(random: Generator, size: int) -> Shades:
    """A plot: curves, bars, points or a pie, with axes."""
    picture = np.full((size, size), 1.0 if random.random() < 0.8 else 0.05, np.float32)
    ink = 0.0 if picture[0, 0] > 0.5 else 1.0
    low, high = int(0.12 * size), int(0.9 * size)
    if random.random() < 0.5:
        for place in np.linspace(low, high, int(random.integers(3, 10))).astype(int).tolist():
            cv2.line(picture, (low, place), (high, place), 0.75, 1)
    cv2.line(picture, (low, low), (low, high), ink, 1)
    cv2.line(picture, (low, high), (high, high), ink, 1)
    kind = int(random.integers(4))
    for _ in range(int(random.integers(1, 6))):
        shade = float(random.uniform(0, 0.8))
        count = int(random.integers(4, 80))
        x = np.linspace(low, high, count)
        walk = stretched(np.cumsum(random.normal(0, 1, count)))
        y = high - walk * random.uniform(0.3, 1) * (high - low)
        points = np.stack([x, y], axis=1).astype(np.int32)
        if kind == 0:
            cv2.polylines(picture, [points], False, shade, int(random.integers(1, 4)), cv2.LINE_AA)
        elif kind == 1:
            for px, py in points.tolist():
                cv2.circle(picture, (px, py), int(random.integers(1, 5)), shade, -1, cv2.LINE_AA)
        elif kind == 2:
            wide = max(1, (high - low) // count - 1)
            for px, py in points.tolist():
                cv2.rectangle(picture, (px, py), (px + wide, high), shade, -1)
        else:
            centre, reach = (size // 2, size // 2), (size // 3, size // 3)
            start, end = sorted(random.uniform(0, 360, 2).tolist())
            cv2.ellipse(picture, centre, reach, 0, start, end, shade, -1, cv2.LINE_AA)
    _lines(random, picture, box=(low, 0, high, low), ink=ink, step=max(8, low // 2))
    return picture


def code(random: Generator, size: int) -> Shades:
    """A bar code or a square one, on a label with some text."""
    picture = _paper(random, size)
    side = int(random.uniform(0.3, 0.9) * size)
    x, y = (int(value) for value in random.integers(0, size - side + 1, 2))
    cells = int(random.integers(12, 60))
    if random.random() < 0.5:
        bits = np.repeat(random.integers(0, 2, (1, cells)), cells, axis=0)
    else:
        bits = random.integers(0, 2, (cells, cells))
    drawn = cv2.resize(bits.astype(np.float32), (side, side), interpolation=cv2.INTER_NEAREST)
    picture[y : y + side, x : x + side] *= 0.05 + 0.95 * drawn
    return picture


def trace(random: Generator, size: int) -> Shades:
    """The curves of an electrocardiogram on squared paper."""
    picture = _paper(random, size)
    pitch = int(random.integers(4, 16))
    picture[::pitch] *= 0.85
    picture[:, ::pitch] *= 0.85
    x = np.arange(size)
    for row in range(int(random.integers(1, 6))):
        beat = random.uniform(20, 90)
        phase = (x % beat) / beat
        wave = 6 * np.exp(-(((phase - 0.4) / 0.02) ** 2)) + np.exp(-(((phase - 0.7) / 0.06) ** 2))
        base = (row + 0.7) * size / 6
        y = base - wave * random.uniform(3, 10) + random.normal(0, 0.6, size)
        points = np.stack([x, y], axis=1).astype(np.int32)
        cv2.polylines(picture, [points], False, 0.05, int(random.integers(1, 3)), cv2.LINE_AA)
    return picture


def plain(random: Generator, size: int) -> Shades:
    """Nothing: one shade, a gradient, noise, a chessboard or stripes."""
    x, y = grid(size)
    kind = int(random.integers(6))
    if kind == 0:
        return np.full((size, size), random.choice([0.0, 0.5, 1.0, random.random()]), np.float32)
    if kind == 1:
        return lit(random, size, least=random.uniform(0, 0.9))
    if kind == 2:
        return np.asarray(random.random((size, size)) ** random.uniform(0.3, 3), np.float32)
    if kind == 3:
        across, down = random.uniform(-0.6, 0.6, 2)
        distance = np.hypot(x - across, y - down) * random.uniform(0.5, 3)
        return stretched(np.exp(-(distance ** random.uniform(1, 4))))
    pitch = random.uniform(1, 20)
    columns, rows = np.floor(pitch * (x + 1)), np.floor(pitch * (y + 1))
    return np.asarray((columns + (rows if kind == 4 else 0)) % 2, np.float32)
