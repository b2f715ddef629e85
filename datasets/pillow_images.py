"""PNG, JPEG and TIFF into `Radiograph`, decoded by Pillow: verified first, then loaded."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.picture_colours import coloured_share
from lucency.datasets.picture_gaps import has_gap, lacks_strips
from lucency.datasets.radiographs import Greyscale, Radiograph, check_size, frame_index

# What Pillow's readers were seen to raise on damaged files: OSError for most, SyntaxError for
# PNG chunks, struct.error and the look-up errors for TIFF and EXIF tables, and a warning where
# warnings are turned into errors. MemoryError comes from sizes that only the decoder knows,
# ImportError from Ultralytics where its caller let it replace Pillow's ``open``.
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    ImportError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,
)
_SIZES = (256, 257)
_STRIPS_OR_TILES = (273, 324)
_PHOTOMETRIC = 262
_BITS_PER_SAMPLE = 258
_COMPRESSION = 259
_SAMPLE_FORMAT = 339
_SIGNED = 2
_WHITE_IS_ZERO = 0
_PNG_SIZE_END = 24
_COLOUR_PX = 128
# The last bytes of a file that is complete; viewers and cameras may append more to it.
_END_MARKS = {"png": b"IEND", "jpeg": b"\xff\xd9"}


def decode_picture(data: bytes, *, kind: str, name: str, frame: int | None = None) -> Radiograph:
    """Decode a PNG, JPEG or TIFF; ``name`` leads every error message, ``frame`` counts from 1.

    Raises
    ------
    ImageError
        The bytes are damaged, of a depth that is not read, or beyond the limits; there are
        several pages and none is named, or there is no such page.

    """
    if kind == "png" and len(data) >= _PNG_SIZE_END:  # Pillow takes a width of 0 for damage
        check_size(*struct.unpack_from(">II", data, _PNG_SIZE_END - 8), name=name)
    try:
        # load() does not check PNG's checksums, verify() does; it leaves the image unusable.
        # Of a JPEG it would check nothing.
        if kind != "jpeg":
            with _open(data, kind) as image:
                check_size(*image.size, name=name)
                image.verify()
        with _open(data, kind) as image:
            check_size(*image.size, name=name)
            pages = getattr(image, "n_frames", 1) if kind == "tiff" else 1
            index = frame_index(frame, pages, name=name)
            if index:
                image.seek(index)
                check_size(*image.size, name=name)
            if lacks_strips(image, data):
                raise OSError("strips are missing, so that it is truncated")
            image.load()
            if has_gap(image, data, kind=kind):
                raise OSError("the picture is truncated and its rest would be grey")
            _refuse_unsuited(image, data, kind=kind, name=name)
            inverted = _is_white_is_zero(image)
            # Pillow applies the orientation of a TIFF while loading; this does nothing then.
            ImageOps.exif_transpose(image, in_place=True)
            pixels, bits = _to_grey(image, name=name)
            colour = _colour(image, data, kind=kind)
    except _PILLOW_ERRORS as error:
        raise _refusal(error, data, kind=kind, name=name) from None
    greyscale = Greyscale(inverted=inverted)
    return Radiograph(pixels, bits, kind, greyscale=greyscale, colour=colour)


def count_pages(data: bytes, *, name: str) -> int:
    """Count the pages of a TIFF; raises `ImageError` where its directories are damaged."""
    try:
        with _open(data, "tiff") as image:
            return int(getattr(image, "n_frames", 1))
    except _PILLOW_ERRORS as error:
        raise _refusal(error, data, kind="tiff", name=name) from None


def _open(data: bytes, kind: str) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=(kind.upper(),))
    if kind == "jpeg":
        # The luma alone, as it is stored: of a grey picture the same, in a fraction of the time.
        image.draft("L", None)
    return image


def _refusal(error: BaseException, data: bytes, *, kind: str, name: str) -> ImageError:
    """What to tell of an error of Pillow's, and under which fault."""
    reason = (str(error).strip().splitlines()[:1] or [type(error).__name__])[0]
    if isinstance(error, UnidentifiedImageError):  # which quotes an address in memory
        reason = "its header cannot be read"
    what = f"is damaged and cannot be decoded as {kind.upper()}: {reason:.120}"
    if isinstance(error, MemoryError):
        return ImageError(
            f"{name}: needs more memory than there is; save it with fewer pixels",
            ImageFault.MEMORY,
        )
    if isinstance(error, Image.DecompressionBombError):
        return ImageError(f"{name}: has too many pixels; save it smaller", ImageFault.TOO_LARGE)
    if isinstance(error, NotImplementedError):
        return ImageError(
            f"{name}: has a form of {kind.upper()} that is not read: {reason:.120}; save it "
            "without compression",
            ImageFault.SYNTAX,
        )
    if _is_cut_off(data, kind) or "truncated" in reason.casefold():
        what = f"is truncated: it ends before its picture does ({reason:.120})"
        return ImageError(f"{name}: {what}; export or copy it again", ImageFault.TRUNCATED)
    if isinstance(error, UnidentifiedImageError) and kind == "tiff" and (form := _tiff_form(data)):
        fault = ImageFault.SYNTAX if form.startswith("compression") else ImageFault.DEPTH
        return ImageError(
            f"{name}: {form} is a form of TIFF that is not read; save it as greyscale with 8 or "
            "16 bits, with LZW or without compression",
            fault,
        )
    return ImageError(f"{name}: {what}; export or copy it again", ImageFault.DAMAGED)


def _is_cut_off(data: bytes, kind: str) -> bool:
    """Whether the end mark is missing, or the directory of a TIFF lies beyond its end."""
    if kind == "tiff":
        if len(data) < 8:
            return True
        (first,) = struct.unpack_from("<I" if data[:1] == b"I" else ">I", data, 4)
        return int(first) + 2 > len(data)
    return _END_MARKS[kind] not in data[-4096:]


def _refuse_unsuited(image: Image.Image, data: bytes, *, kind: str, name: str) -> None:
    if image.mode == "F":
        raise ImageError(
            f"{name}: has floating-point pixels; save it with 8 or 16 bits", ImageFault.DEPTH
        )
    signed = _tiff_tag(image, _SAMPLE_FORMAT)[:1] == (_SIGNED,)
    if signed and image.mode[:1] != "I":  # Pillow takes the sign for the highest bit
        raise ImageError(f"{name}: has signed 8-bit pixels; save it with 16 bits", ImageFault.DEPTH)
    if image.mode == "I" and not signed and kind == "tiff" and np.any(np.asarray(image) < 0):
        raise ImageError(
            f"{name}: has 32-bit values above {2**31 - 1}; save it with 16 bits", ImageFault.DEPTH
        )
    # Pillow reduces 16-bit colour to 8 bits without a word. Byte 24 of a PNG is its bit depth.
    deep = (data[24] if kind == "png" else max(_tiff_tag(image, _BITS_PER_SAMPLE) or (8,))) > 8
    if deep and image.mode[:1] != "I":
        raise ImageError(
            f"{name}: has 16-bit colour; save it as 16-bit greyscale", ImageFault.COLOUR
        )


def _colour(image: Image.Image, data: bytes, *, kind: str) -> float:
    """The share of a picture that is in colours; of a JPEG, which was decoded grey, read anew."""
    if kind == "jpeg":
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as again:
            if again.mode == "L":
                return 0.0
            # Scaled down while it is decoded, which leaves out most of the work.
            again.draft("RGB", (_COLOUR_PX, _COLOUR_PX))
            return coloured_share(np.asarray(again.convert("RGB")))
    if image.mode[:1] in ("1", "I", "L"):
        return 0.0
    longest = max(*image.size, _COLOUR_PX)
    width, height = (max(1, side * _COLOUR_PX // longest) for side in image.size)
    small = image.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
    return coloured_share(np.asarray(small))


def _tiff_tag(image: Image.Image, tag: int) -> tuple[int, ...]:
    tags = getattr(image, "tag_v2", {})
    value = tags.get(tag, ())
    return value if isinstance(value, tuple) else (int(value),)


def _tiff_form(data: bytes) -> str:
    """What the first directory of a TIFF says of its pixels; empty where it cannot be read."""
    stream = io.BytesIO(data)
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if b"+" in data[:4] else 8])
        stream.seek(directory.next)
        directory.load(stream)
        sizes = [int(directory[tag]) for tag in _SIZES]
        sizes.append(sum(len(directory.get(tag, ())) for tag in _STRIPS_OR_TILES))
        compression = int(directory.get(_COMPRESSION, 1))
        bits = "/".join(str(int(each)) for each in directory.get(_BITS_PER_SAMPLE, (1,)))
        photometric = int(directory.get(_PHOTOMETRIC, _WHITE_IS_ZERO))
    except _PILLOW_ERRORS:
        return ""
    if min(sizes) < 1:
        return ""
    if compression not in TiffImagePlugin.COMPRESSION_INFO:
        return f"compression {compression}"
    return f"{bits:.20} bits with photometric {photometric}"


def _is_white_is_zero(image: Image.Image) -> bool:
    """Whether zero is white. Pillow has inverted such TIFFs already, but only up to 8 bits."""
    return image.mode[:1] == "I" and _tiff_tag(image, _PHOTOMETRIC) == (_WHITE_IS_ZERO,)


def _to_grey(image: Image.Image, *, name: str) -> tuple[NDArray[Any], int]:
    """The pixels of a Pillow image as (H, W) and the number of bits in use."""
    if image.mode[:1] == "I":
        return _deep_grey(np.asarray(image), name=name)
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("LA", "La"):
        image = image.getchannel(0)
    elif image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        red = pixels[..., 0]
        grey = np.array_equal(red, pixels[..., 1]) and np.array_equal(red, pixels[..., 2])
        # Luma after ITU-R BT.601 where the channels differ: a marker drawn in colour, say.
        pixels = np.ascontiguousarray(red) if grey else np.asarray(image.convert("L"))
    return pixels, 8


def _deep_grey(pixels: NDArray[Any], *, name: str) -> tuple[NDArray[Any], int]:
    low, high = int(pixels.min()), int(pixels.max())
    for kind in (np.uint16, np.int16, np.int32):
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return np.ascontiguousarray(pixels, dtype=kind), limits.bits
    raise ImageError(
        f"{name}: has values from {low} to {high}; save it with 8 or 16 bits", ImageFault.DEPTH
    )
