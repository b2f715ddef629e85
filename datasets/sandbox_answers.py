"""What a decoding process may answer: checked to the last field, since it may have been taken over.

Nothing in an answer is run. A hostile file that breaks a decoder can lie about its own image, and
no more.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lucency.configs.errors import ImageFault
from lucency.datasets.dicom_values import (
    DESCRIPTIONS,
    MAX_RESCALE,
    MAX_TEXT,
    MAX_WINDOW,
    MIN_WIDTH,
    TAGS,
)
from lucency.datasets.radiographs import MAX_PIXELS, Greyscale, Lut, Radiograph, Window

MAX_ANSWER_BYTES = 1 << 22

# Reads as many bytes as a buffer has room for.
Fill = Callable[[memoryview], None]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Rescale = Annotated[float, Field(ge=-MAX_RESCALE, le=MAX_RESCALE)]
LutFirst = Annotated[int, Field(ge=-32768, le=65535)]
LutLength = Annotated[int, Field(ge=1, le=65536)]
LutBits = Annotated[int, Field(ge=1, le=16)]
Side = Annotated[int, Field(ge=1, le=MAX_PIXELS)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Refusal(_Checked):
    """An `ImageError`; the message begins where the name of the file ends."""

    message: str = Field(max_length=1000, pattern=r"^: [^\r\n]*$")
    fault: str = Field(json_schema_extra={"enum": list(ImageFault)})

    @model_validator(mode="after")
    def _fault_is_known(self) -> "Refusal":
        ImageFault(self.fault)
        return self


class ToldWindow(_Checked):
    """A window of a radiograph."""

    center: float = Field(ge=-MAX_WINDOW, le=MAX_WINDOW)
    width: float = Field(ge=MIN_WIDTH, le=MAX_WINDOW)
    function: Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


class ToldRadiograph(_Checked):
    """A radiograph but for its arrays, which are announced by their sizes."""

    pixels: tuple[Literal["uint8", "uint16", "int16", "int32"], Side, Side]
    bits: int = Field(ge=1, le=32)
    kind: Literal["png", "jpeg", "tiff", "dicom"]
    spacing_mm: tuple[float, float] | None
    tags: dict[Literal[TAGS + DESCRIPTIONS], Text]  # type: ignore[valid-type]
    colour: float = Field(ge=0.0, le=1.0)
    patient_id: Text
    padding: tuple[int, int] | None
    slope: Rescale
    intercept: Rescale
    inverted: bool
    windows: tuple[ToldWindow, ...]
    luts: tuple[tuple[LutFirst, LutLength, LutBits], ...]
    has_modality_lut: bool

    @model_validator(mode="after")
    def _sizes_agree(self) -> "ToldRadiograph":
        if self.pixels[1] * self.pixels[2] > MAX_PIXELS:
            raise ValueError("there are too many pixels")
        if sum(length for _, length, _ in self.luts) > MAX_PIXELS:
            raise ValueError("there are too many look-up tables")
        if self.has_modality_lut and not self.luts:
            raise ValueError("there is no Modality LUT")
        return self


class Answer(_Checked):
    """Either of the two."""

    radiograph: ToldRadiograph | None = None
    refusal: Refusal | None = None


def read_answer(text: bytes) -> Refusal | ToldRadiograph:
    """Check the text of an answer; raises `ValueError` where it is none."""
    try:
        answer = Answer.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} fields are wrong") from None
    told = answer.radiograph or answer.refusal
    if told is None:
        raise ValueError("it is neither a radiograph nor a refusal")
    return told


def take_radiograph(told: ToldRadiograph, fill: Fill) -> Radiograph:
    """Make the radiograph of an answer, whose arrays ``fill`` reads in their order."""
    pixels = _take(fill, told.pixels[1:], np.dtype(told.pixels[0]))
    luts = [
        Lut(first, _take(fill, (count,), np.dtype(np.uint16)), bits)
        for first, count, bits in told.luts
    ]
    modality_lut = luts.pop(0) if told.has_modality_lut else None
    greyscale = Greyscale(
        slope=told.slope,
        intercept=told.intercept,
        modality_lut=modality_lut,
        voi_luts=tuple(luts),
        windows=tuple(Window(each.center, each.width, each.function) for each in told.windows),
        inverted=told.inverted,
    )
    return Radiograph(
        pixels=pixels,
        bits=told.bits,
        kind=told.kind,
        spacing_mm=told.spacing_mm,
        tags=told.tags,
        colour=told.colour,
        patient_id=told.patient_id,
        greyscale=greyscale,
        padding=told.padding,
    )


def _take(fill: Fill, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
    array = np.empty(shape, kind)
    fill(array.reshape(-1).view(np.uint8).data)
    return array
