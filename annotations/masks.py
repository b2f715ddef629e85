"""Masks of pixels: run lengths (COCO, CVAT) and PNG, to their boxes and outlines.

COCO's encoding: https://github.com/cocodataset/cocoapi, ``common/maskApi.c``. CVAT's:
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lucency.annotations import mask_outline
from lucency.annotations.geometry import Box, Point
from lucency.annotations.png_mask import png_rows

_MAX_PIXELS = 100_000_000
_MAX_SIDE = 65_535
_MAX_RUNS = 1_000_000


@dataclass(frozen=True, slots=True)
class Mask:
    """The pixels of one finding.

    ``lines`` maps the number of a row (of a column if ``by_columns``) to its spans ``[start,
    stop, start, stop, …]``: ascending, ``stop`` exclusive, and no two spans touch.
    """

    lines: Mapping[int, Sequence[int]]
    by_columns: bool = False

    @property
    def area(self) -> int:
        """The number of pixels."""
        return sum(sum(spans[1::2]) - sum(spans[::2]) for spans in self.lines.values())

    def box(self) -> Box | None:
        """The box around all pixels, right and lower edge exclusive; None if there is none."""
        if not self.lines:
            return None
        start = min(spans[0] for spans in self.lines.values())
        stop = max(spans[-1] for spans in self.lines.values())
        first, last = min(self.lines), max(self.lines) + 1
        if self.by_columns:
            start, first, stop, last = first, start, last, stop
        return Box(float(start), float(first), float(stop), float(last))

    def outline(self) -> tuple[Point, ...] | None:
        """One closed polygon along the edges of pixels, clockwise on the screen; None if empty.

        Holes are filled. Several parts are joined by bridges of no width.
        """
        corners = mask_outline.outline(self.lines)
        if self.by_columns:
            return tuple((float(line), float(at)) for at, line in reversed(corners)) or None
        return tuple((float(at), float(line)) for at, line in corners) or None


def mask_from_coco(segmentation: Mapping[str, Any]) -> Mask:
    """Decode COCO's ``{"size": [height, width], "counts": …}``, column by column.

    ``counts`` are run lengths, outside first, or the same compressed to a text.

    Raises
    ------
    ValueError
        The size is none or above 100 megapixels, or the runs do not fill it.

    """
    size = segmentation.get("size")
    if not isinstance(size, list | tuple) or len(size) != 2:
        raise ValueError(f"size must be [height, width], got {size!r:.60}")
    height, width = size
    _check_size(width, height)
    counts = segmentation.get("counts")
    if isinstance(counts, str | bytes):
        counts = _uncompressed(counts)
    return Mask(_lines(counts, number=width, length=height), by_columns=True)


def mask_from_row_runs(
    counts: Sequence[int], *, left: int, top: int, width: int, height: int
) -> Mask:
    """Decode CVAT's run lengths, outside first, row by row of a ``width`` × ``height`` px box.

    Raises
    ------
    ValueError
        The size is none or above 100 megapixels, or the runs do not fill it.

    """
    _check_size(width, height)
    _check_corner(left, top)
    lines = _lines(counts, number=height, length=width)
    return Mask({top + line: [left + at for at in spans] for line, spans in lines.items()})


def mask_from_png(data: bytes, *, left: int = 0, top: int = 0) -> Mask:
    """Decode a PNG whose colours (palette indices) other than 0 are inside; alpha is ignored.

    Raises
    ------
    ValueError
        The data is damaged, too large, interlaced, or of 2 or 4 bits.

    """
    _check_corner(left, top)
    return mask_from_rows(png_rows(data), left=left, top=top)


def mask_from_rows(rows: Iterable[bytes], *, left: int = 0, top: int = 0) -> Mask:
    """The mask of rows of ``b"0"`` (outside) and ``b"1"``, a byte a pixel.

    Raises
    ------
    ValueError
        There are more than a million spans.

    """
    lines: dict[int, list[int]] = {}
    runs = 0
    for line, row in enumerate(rows, top):
        start = row.find(b"1")
        if start < 0:
            continue
        spans = lines[line] = []
        while start >= 0:
            stop = row.find(b"0", start)
            if stop < 0:
                stop = len(row)
            spans += (left + start, left + stop)
            start = row.find(b"1", stop)
        runs += len(spans)
        if runs > 2 * _MAX_RUNS:
            raise ValueError(f"a mask may have at most {_MAX_RUNS} runs")
    return Mask(lines)


def _check_size(width: int, height: int) -> None:
    for side in (width, height):
        if type(side) is not int or not 0 < side <= _MAX_SIDE:
            raise ValueError(f"size: must be whole numbers from 1 to {_MAX_SIDE}, got {side!r:.60}")
    if width * height > _MAX_PIXELS:
        raise ValueError(f"size: must be at most 100 megapixels, got {width} x {height}")


def _check_corner(left: int, top: int) -> None:
    for value in (left, top):
        if type(value) is not int or abs(value) > 10**9:
            raise ValueError(f"left and top: must be whole numbers of pixels, got {value!r:.60}")


def _lines(counts: object, *, number: int, length: int) -> dict[int, list[int]]:
    """Cut runs, outside first, into ``number`` lines of ``length`` pixels."""
    if not isinstance(counts, list | tuple):
        raise ValueError(f"counts must be a list of run lengths, got {counts!r:.60}")
    if len(counts) > 2 * _MAX_RUNS:
        raise ValueError(f"a mask may have at most {_MAX_RUNS} runs, got {len(counts) // 2}")
    lines: dict[int, list[int]] = {}
    pixels = number * length
    position = 0
    for index, count in enumerate(counts):
        if type(count) is not int or count < 0:
            raise ValueError(f"counts[{index}]: must be a whole number from 0, got {count!r:.60}")
        end = position + count
        if end > pixels:
            raise ValueError(f"counts[{index}]: all must add up to {pixels} pixels, got more")
        if index % 2:
            _mark(lines, position, end, length)
        position = end
    if position != pixels:
        raise ValueError(f"counts: must add up to {pixels} pixels, got {position}")
    return lines


def _mark(lines: dict[int, list[int]], first: int, end: int, length: int) -> None:
    """Add the pixels from ``first`` to before ``end``, counted through all lines."""
    while first < end:
        line, start = divmod(first, length)
        stop = min(start + end - first, length)
        spans = lines.setdefault(line, [])
        if spans and spans[-1] == start:  # after a run of no pixels
            spans[-1] = stop
        else:
            spans += (start, stop)
        first += stop - start


def _uncompressed(text: str | bytes) -> list[int]:
    """COCO's compressed runs: 5 bits a character, from the fourth on as differences."""
    codes = text if isinstance(text, bytes) else text.encode("ascii", "replace")
    counts: list[int] = []
    value = shift = 0
    for index, code in enumerate(codes):
        bits = code - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"counts: character {index} is no part of a run length")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("counts: the last run length is cut off")
    return counts
