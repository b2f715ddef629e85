"""The process in which files of strangers are decoded; `lucency.datasets.sandbox` starts it.

It imports what decoding needs, decodes one image of each format so that nothing is left to be
loaded, and then gives up the right to more memory, to files and to further processes. After that
it answers questions on its standard input until that ends.

A question is `QUESTION` and the bytes of the image. An answer is `ANSWER`, the length of a JSON
text, then the text, then the arrays that the text announces: pixels, Modality LUT, VOI LUTs.
"""

import codecs
import ctypes
import io
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.radiographs import Radiograph, decode_radiograph

# Bytes of the image, its frame (0 where none was named), seconds until the process ends itself.
QUESTION = struct.Struct("<QQd")
ANSWER = struct.Struct("<I")
READY = b'{"ready": true}'

_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS of prctl(2)


def serve(memory_bytes: int) -> None:
    """Answer on what was the standard output until the standard input ends."""
    # Whatever a library prints goes to the standard error, which is /dev/null.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    questions = os.fdopen(0, "rb")
    _decode_every_format()
    _limit(memory_bytes, open_files=answers.fileno() + 1)
    _send(answers, READY, ())
    while len(head := questions.read(QUESTION.size)) == QUESTION.size:
        length, frame, seconds = QUESTION.unpack(head)
        # Should the parent die while an image is decoded, nobody else would end this process.
        signal.setitimer(signal.ITIMER_REAL, seconds)
        text, arrays = _answer(questions.read(length), frame or None)
        _send(answers, text, arrays)
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _answer(data: bytes, frame: int | None) -> tuple[bytes, Sequence[NDArray[Any]]]:
    """Decode; whatever is raised but an `ImageError` ends the process, and counts as a crash."""
    try:
        return describe(decode_radiograph(data, name="", frame=frame))
    except ImageError as error:
        told = {"refusal": {"message": str(error), "fault": error.fault.value}}
    except MemoryError:
        message = ": needs more memory than there is; save it with fewer pixels"
        told = {"refusal": {"message": message, "fault": ImageFault.MEMORY.value}}
    return json.dumps(told).encode(), ()


def describe(radiograph: Radiograph) -> tuple[bytes, Sequence[NDArray[Any]]]:
    """A radiograph as the text of an answer and the arrays that follow it."""
    greyscale = radiograph.greyscale
    luts = [*([greyscale.modality_lut] if greyscale.modality_lut else []), *greyscale.voi_luts]
    told = {
        "pixels": [radiograph.pixels.dtype.name, *radiograph.pixels.shape],
        "bits": radiograph.bits,
        "kind": radiograph.kind,
        "spacing_mm": radiograph.spacing_mm,
        "tags": dict(radiograph.tags),
        "colour": radiograph.colour,
        "patient_id": radiograph.patient_id,
        "padding": radiograph.padding,
        "slope": greyscale.slope,
        "intercept": greyscale.intercept,
        "inverted": greyscale.inverted,
        "windows": [asdict(window) for window in greyscale.windows],
        "luts": [[lut.first, len(lut.values), lut.bits] for lut in luts],
        "has_modality_lut": greyscale.modality_lut is not None,
    }
    text = json.dumps({"radiograph": told}, allow_nan=False).encode()
    return text, [radiograph.pixels, *(lut.values for lut in luts)]


def _send(answers: BinaryIO, text: bytes, arrays: Sequence[NDArray[Any]]) -> None:
    answers.write(ANSWER.pack(len(text)))
    answers.write(text)
    for array in arrays:
        answers.write(np.ascontiguousarray(array).data.cast("B"))
    answers.flush()


def _decode_every_format() -> None:
    """Load every decoder, and all that they load when they are first used."""
    # Of a picture in several colours it is told how many it has, which takes more of NumPy.
    colours = Image.new("RGB", (16, 16), (90, 20, 160))
    colours.paste((200, 180, 20), (0, 0, 16, 8))
    for picture in (Image.new("L", (16, 16), 7), colours):
        for kind, options in (
            ("PNG", {}),
            ("JPEG", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {}),
        ):
            file = io.BytesIO()
            picture.save(file, kind, **options)
            decode_radiograph(file.getvalue(), name="")
    from pydicom.charset import python_encoding

    # Imports the decoders of DICOM's compressions as well.
    from lucency.datasets.dicom_pixels import load_decoders

    load_decoders()
    for name in {*python_encoding.values(), "ascii", "utf-8", "idna"}:
        codecs.lookup(name)
    for data in (bytes(128) + b"DICM", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0"):
        try:
            decode_radiograph(data, name="")
        except ImageError:
            continue


def _limit(memory_bytes: int, *, open_files: int) -> None:
    """Give up rights for good: neither root nor anything it starts gets them back."""
    for what, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, open_files),
    ):
        resource.setrlimit(what, (most, most))
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux alone has it
    if prctl is not None:
        prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
