"""The pixels of one DICOM frame, decoded and freed of what stands above BitsStored.

The decoders are pydicom's plugins, called for themselves: pydicom masks the bits above BitsStored
in lossy frames too, where values may exceed it, and takes a JPEG that ends early for whole.
"""

from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import uid

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.codestreams import JPEG, JPEG_2000, JPEG_LS, Codestream, read_codestream
from lucency.datasets.dicom_frames import PixelElement, split_frames
from lucency.datasets.pixel_header import CODESTREAMS, NATIVE, PixelHeader, refuse_header
from lucency.datasets.rle import decode_rle

_LOSSY = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLSNearLossless,
    uid.JPEG2000,
    uid.HTJ2K,
)
_DECODERS = MappingProxyType({JPEG: "libjpeg", JPEG_LS: "jpeg_ls", JPEG_2000: "openjpeg"})
# Sixteen bytes of ones before the end marker of a JPEG. No Huffman code has ones alone (T.81,
# annex C), so a frame that is not complete before them cannot be decoded; others ignore them.
_STOPPER = b"\xff\0" * 16


def check_length(header: PixelHeader, element: PixelElement, *, name: str) -> None:
    """Refuse pixel data without room for all frames, or of another form than its syntax says."""
    if (header.syntax in NATIVE) == element.fragmented:
        says = "not compressed" if header.syntax in NATIVE else "compressed"
        refuse_header(name, f"the transfer syntax says the pixels are {says}, but they are not so")
    if not element.fragmented and len(element.value) < header.frame_bytes * header.frames:
        raise ImageError(
            f"{name}: is truncated: {header.frames} frame(s) of {header.columns} × {header.rows} "
            f"pixels do not fit into its {len(element.value)} bytes of pixels; export it again",
            ImageFault.TRUNCATED,
        )


def decode_frame(
    header: PixelHeader, element: PixelElement, index: int, *, name: str
) -> NDArray[Any]:
    """Decode the stored values (rows, columns) of one frame as uint8, uint16, int16 or int32.

    Raises
    ------
    ImageError
        The pixels are damaged, cut off, or not those of the header.

    """
    if header.syntax in NATIVE:
        stored = _read_native(header, element, index)
    else:
        frame = b"".join(split_frames(element, header.frames, name=name)[index])
        if header.syntax == uid.RLELossless:
            stored = _decode_rle(header, frame, name=name)
        else:
            stored = _decode_codestream(header, frame, name=name)
    stored = stored.reshape(header.rows, header.columns)
    if stored.dtype.itemsize == 4:
        if int(stored.max()) > np.iinfo(np.int32).max:
            raise ImageError(
                f"{name}: has values up to {stored.max()}, at most 31 bits are read; save it "
                "with 16 bits",
                ImageFault.DEPTH,
            )
        return stored.astype(np.int32, copy=False)
    return stored.astype(np.int16, copy=False) if stored.dtype == np.int8 else stored


def _read_native(header: PixelHeader, element: PixelElement, index: int) -> NDArray[Any]:
    each = header.allocated // 8
    start = index * header.frame_bytes
    little_endian = header.syntax.is_little_endian
    if each == 1 and element.words and not little_endian:
        # Bytes were written as words of two, so that their order is the other way round.
        first, last = start // 2, (start + header.frame_bytes + 1) // 2
        words = np.frombuffer(element.value, ">u2", count=last - first, offset=2 * first)
        values = words.astype("<u2").view(np.uint8)[start % 2 :][: header.frame_bytes]
    else:
        kind = f"{'<' if little_endian else '>'}u{each}"
        values = np.frombuffer(
            element.value, kind, count=header.rows * header.columns, offset=start
        ).astype(f"u{each}")
    return _keep_bits(values, header.stored, signed=header.signed)


def _decode_rle(header: PixelHeader, frame: bytes, *, name: str) -> NDArray[Any]:
    try:
        values = decode_rle(
            frame, pixels=header.rows * header.columns, bytes_each=header.allocated // 8
        )
    except (ValueError, EOFError) as error:
        fault = ImageFault.TRUNCATED if isinstance(error, EOFError) else ImageFault.DAMAGED
        raise ImageError(
            f"{name}: the pixels (RLE) are damaged: {error}; export or copy it again", fault
        ) from None
    return _keep_bits(values, header.stored, signed=header.signed)


def _decode_codestream(header: PixelHeader, frame: bytes, *, name: str) -> NDArray[Any]:
    kind = CODESTREAMS[header.syntax]
    found = read_codestream(frame)
    if found is None or found.kind != kind:
        if kind != JPEG_2000 and frame[:2] == b"\xff\xd8" and frame.rfind(b"\xff\xd9") < 0:
            raise _ends_early(name)
        refuse_header(name, f"the pixels are no {kind}, as the transfer syntax says")
    _check_codestream(header, found, name=name)
    stopped = frame[: found.end] + _STOPPER + frame[found.end :] if kind == JPEG else frame
    try:
        decoded = _run_decoder(kind, stopped)
    except MemoryError:
        raise
    except Exception as error:  # the decoders raise what they like
        if kind == JPEG and _decodes(kind, frame):
            raise _ends_early(name) from None
        raise ImageError(
            f"{name}: the pixels ({kind}) are damaged and cannot be decoded "
            f"({type(error).__name__}); export or copy it again"
        ) from None
    each = 1 if found.bits <= 8 else 2 if found.bits <= 16 else 4
    values = np.frombuffer(decoded, f"<{'i' if found.signed else 'u'}{each}")
    if values.size != header.rows * header.columns:
        refuse_header(name, f"{values.size} pixels came of the {kind}, not the header's number")
    lossy = header.syntax in _LOSSY
    if lossy and found.signed == header.signed:
        return values  # may go beyond BitsStored by what the compression added
    return _keep_bits(
        values, found.bits if lossy else min(found.bits, header.stored), signed=header.signed
    )


def load_decoders() -> None:
    """Import all decoders now rather than when the first image needs them."""
    for module in _DECODERS.values():
        import_module(module)


def _run_decoder(kind: str, frame: bytes) -> Any:
    plugin = import_module(_DECODERS[kind])
    if kind == JPEG_LS:
        return plugin.decode_pixel_data(frame)[0]
    return plugin.decode_pixel_data(frame, version=2)


def _decodes(kind: str, frame: bytes) -> bool:
    try:
        _run_decoder(kind, frame)
    except RuntimeError:
        return False
    return True


def _check_codestream(header: PixelHeader, found: Codestream, *, name: str) -> None:
    """Refuse a frame of another size or depth than the header's, before it is decoded."""
    if (found.width, found.height) != (header.columns, header.rows):
        refuse_header(
            name,
            f"it says {header.columns} × {header.rows} pixels, the {found.kind} in it "
            f"{found.width} × {found.height}",
        )
    if found.components != 1:
        refuse_header(name, f"it says greyscale, the {found.kind} in it has colours")
    if found.bits > header.allocated:
        refuse_header(name, f"{found.bits} bits do not fit into {header.allocated} allocated")
    if found.sequential and found.spectrum != (0, 63):
        raise ImageError(
            f"{name}: its {header.syntax.name} departs from the standard (a sequential scan of "
            f"the coefficients {found.spectrum[0]} to {found.spectrum[1]}, not 0 to 63) and "
            "cannot be decoded; uncompress it first, for example with DCMTK's dcmdjpeg",
            ImageFault.SYNTAX,
        )
    if found.end < 0:
        raise _ends_early(name)


def _keep_bits(values: NDArray[Any], bits: int, *, signed: bool) -> NDArray[Any]:
    """Drop what stands above ``bits``, such as overlays, and extend the sign (PS3.5 8.1.1)."""
    each = values.dtype.itemsize
    if not signed:
        values = values.view(f"u{each}")
        return values if bits == 8 * each else values & values.dtype.type((1 << bits) - 1)
    values = values.view(f"i{each}")
    unused = 8 * each - bits
    return (values << unused) >> unused if unused else values


def _ends_early(name: str) -> ImageError:
    return ImageError(
        f"{name}: is truncated: the compressed pixels end early and the rest would be grey; "
        "export or copy it again",
        ImageFault.TRUNCATED,
    )
