"""Pictures that lack a part although Pillow takes them for whole: it fills the rest without a word.

The rest of a JPEG is mid-grey, that of a PNG or TIFF black. Each check is cheap unless the
picture ends as such a rest would.
"""

import io
import struct
import zlib

import numpy as np
from PIL import Image, TiffImagePlugin

_END_OF_JPEG = b"\xff\xd9"
_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of each colour type
# Adam7: first column and row of each pass, and the steps to the next ones.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_PIECE = 1 << 20
_COMPRESSION, _JPEG_IN_TIFF = 259, 7
_PLACES = ((273, 279), (324, 325))  # offsets and byte counts of strips, of tiles


def has_gap(image: Image.Image, data: bytes, *, kind: str) -> bool:
    """Whether a loaded picture lacks its end; ``data`` are the bytes of the file."""
    if kind == "jpeg":
        return _lacks_blocks(image, data)
    return kind == "png" and _lacks_rows(image, data)


def lacks_strips(image: Image.Image, data: bytes) -> bool:
    """Whether strips or tiles of a TIFF that is not yet loaded are missing or cut off."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    width, height = image.size
    parts = [tile[1] or (0, 0, width, height) for tile in image.tile]
    if sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in parts) < width * height:
        return True
    tags = image.tag_v2
    if tags.get(_COMPRESSION) != _JPEG_IN_TIFF:
        return False
    offsets, counts = next(
        (tags[places], tags.get(sizes, ())) for places, sizes in _PLACES if places in tags
    )
    ends = [start + size for start, size in zip(offsets, counts, strict=False)]
    return any(_END_OF_JPEG not in data[max(0, end - 8) : end] for end in ends)


def _lacks_blocks(image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG with an end marker lacks its last blocks.

    Only a picture whose last pixels are exactly mid-grey can be one. Then more bytes are put
    before the end marker: a complete picture ignores them, an incomplete one takes them up.
    """
    width, height = image.size
    corner = image.crop((max(0, width - 8), max(0, height - 8), width, height))
    if np.any(np.asarray(corner) != 128):
        return False
    end = data.rfind(_END_OF_JPEG)
    filler = bytes(range(1, 250)) * 40
    filled = io.BytesIO(data[:end] + filler + data[end:])
    with Image.open(filled, formats=("JPEG",)) as other:
        other.draft("L", None)
        return not np.array_equal(np.asarray(image), np.asarray(other))


def _lacks_rows(image: Image.Image, data: bytes) -> bool:
    """Whether the compressed data of a PNG end before its last row, with checksums that hold.

    Only a picture whose last row is zero can be such a one, or one that is interlaced.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    last = image.crop((0, height - 1, width, height))
    if not interlaced and np.any(np.asarray(last)):
        return False
    wanted = 0
    for left, top, across, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + -(-columns * depth * _PNG_SAMPLES[colour] // 8))
    return not _inflates_to(data, wanted)


def _inflates_to(data: bytes, wanted: int) -> bool:
    """Whether the IDAT chunks of a PNG hold as many bytes as ``wanted``, or more."""
    inflate = zlib.decompressobj()
    place, found = 8, 0
    while place + 8 <= len(data) and found < wanted:
        length, name = struct.unpack_from(">I4s", data, place)
        piece = data[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        while piece and found < wanted:
            found += len(inflate.decompress(piece, _PIECE))
            piece = inflate.unconsumed_tail
        place += 12 + length
    return found >= wanted
