"""Values of a DICOM dataset that say how its pixels are to be shown, and how large they are."""

import math
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.body_regions import region_terms
from lucency.datasets.radiographs import Greyscale, Lut, Window

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Attributes that say what is seen and how it was taken, not whose it is. Sex and age alone identify
# nobody (DICOM PS3.15 E.1 keeps them as patient characteristics); no service answers with them.
TAGS = (
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "Laterality",
    "ImageLaterality",
    "PresentationIntentType",
    "PhotometricInterpretation",
    "Manufacturer",
    "PatientSex",
    "PatientAge",
)
# Descriptions of the part of the body: of these only the terms of `REGIONS` are kept, since names
# of people stand in such texts too.
DESCRIPTIONS = ("AnatomicRegionSequence", "ProtocolName", "SeriesDescription")
WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
# Functional groups with attributes that are read here.
_GROUPS = ("PixelMeasuresSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence")
# Numbers beyond these make no picture; within them nothing overflows.
MAX_RESCALE = 1e8
MAX_WINDOW = 1e18
MIN_WIDTH = 1e-12
# The longest text that DICOM allows for an attribute we keep has 64 characters.
MAX_TEXT = 1024


def frame_values(dataset: "Dataset", index: int) -> "Dataset":
    """The attributes that hold for one frame: those of its functional groups before the others.

    Multi-frame objects keep windows, rescaling and spacing in groups, shared by all frames or one
    item a frame (PS3.3 C.7.6.16). Without groups it is the dataset itself.
    """
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    single = dataset.get("PerFrameFunctionalGroupsSequence") or []
    groups = [*shared[:1], *single[index : index + 1]]
    if not groups:
        return dataset
    merged = copy(dataset)
    for group in groups:
        for keyword in _GROUPS:
            for item in (group.get(keyword) or [])[:1]:
                merged.update(item)
    return merged


def read_text(dataset: "Dataset", keyword: str, *, name: str) -> str:
    """The text of an attribute without its padding; empty where it is absent."""
    value = dataset.get(keyword)
    text = "" if value is None else str(value).strip(" \0")
    if len(text) > MAX_TEXT:
        raise ImageError(
            f"{name}: {keyword} has {len(text)} characters, DICOM allows 64; mend the header",
            ImageFault.HEADER,
        )
    return text


def read_tags(dataset: "Dataset", *, name: str) -> dict[str, str]:
    """The attributes of `TAGS`, and the regions that `DESCRIPTIONS` name; none that are empty."""
    tags = {keyword: read_text(dataset, keyword, name=name) for keyword in TAGS}
    for keyword in DESCRIPTIONS:
        said = dataset.get(keyword)
        if keyword.endswith("Sequence"):
            said = said[0].get("CodeMeaning") if said else None
        tags[keyword] = "" if said is None else region_terms(str(said)[:MAX_TEXT])
    return {keyword: text for keyword, text in tags.items() if text}


def read_greyscale(dataset: "Dataset", *, name: str) -> Greyscale:
    """What the file says of the display of its stored values; raises `ImageError`."""
    modality_lut: Lut | None = None
    voi_luts: tuple[Lut, ...] = ()
    signed = int(dataset.get("PixelRepresentation") or 0) == 1
    if dataset.get("ModalityLUTSequence"):
        modality_lut = _lut(dataset.ModalityLUTSequence[0], signed=signed, name=name)
    slope, intercept = _number(dataset, "RescaleSlope"), _number(dataset, "RescaleIntercept")
    if slope == 0:
        raise ImageError(f"{name}: RescaleSlope must not be 0; mend the header", ImageFault.HEADER)
    if max(abs(slope or 0.0), abs(intercept or 0.0)) > MAX_RESCALE:
        raise ImageError(
            f"{name}: RescaleSlope and RescaleIntercept must not be above {MAX_RESCALE:g}, found "
            f"{slope} and {intercept}; mend the header",
            ImageFault.HEADER,
        )
    if dataset.get("VOILUTSequence"):
        # The VOI LUT maps the output of the Modality LUT, which is never negative.
        signed_input = modality_lut is None and (signed or (intercept or 0.0) < 0)
        voi_luts = tuple(
            _lut(item, signed=signed_input, name=name) for item in dataset.VOILUTSequence
        )
    return Greyscale(
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        modality_lut=modality_lut,
        voi_luts=voi_luts,
        windows=_windows(dataset, name=name),
        inverted=read_text(dataset, "PhotometricInterpretation", name=name) == "MONOCHROME1",
    )


def read_padding(dataset: "Dataset", *, stored: int, signed: bool) -> tuple[int, int] | None:
    """The lowest and highest stored value that stand for no pixel (C.7.5.1.1.2), if there are any.

    None as well where they lie beyond the ``stored`` bits, which the standard does not allow.
    """
    found = dataset.get("PixelPaddingValue")
    if found is None or found == "":
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    values = [int(found), int(found) if limit is None or limit == "" else int(limit)]
    # Writers take US for SS and the other way round; both have 16 bits.
    if signed:
        values = [value - 65536 if value > 32767 else value for value in values]
    else:
        values = [value + 65536 if value < 0 else value for value in values]
    low, high = (
        (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    )
    within = all(low <= value <= high for value in values)
    return (min(values), max(values)) if within else None


def read_spacing_mm(dataset: "Dataset") -> tuple[float, float] | None:
    """Distance between rows and between columns; None where absent or not above zero.

    ImagerPixelSpacing, which stands in, is measured at the detector: it is not yet divided by
    the magnification.
    """
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        value = dataset.get(keyword)
        if value is not None and not isinstance(value, str) and len(value) == 2:
            rows, columns = float(value[0]), float(value[1])
            if all(math.isfinite(step) and step > 0 for step in (rows, columns)):
                return rows, columns
    return None


def _windows(dataset: "Dataset", *, name: str) -> tuple[Window, ...]:
    """All windows but those whose width is not allowed (C.11.2.1.2), or beyond all values."""
    function = read_text(dataset, "VOILUTFunction", name=name) or "LINEAR"
    if function not in WINDOW_FUNCTIONS:
        return ()
    narrowest = 1.0 if function == "LINEAR" else MIN_WIDTH
    pairs = zip(_numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth"), strict=False)
    return tuple(
        Window(center, width, function)
        for center, width in pairs
        if abs(center) <= MAX_WINDOW and narrowest <= width <= MAX_WINDOW
    )


def _lut(item: "Dataset", *, signed: bool, name: str) -> Lut:
    """A Modality or VOI LUT (C.11.1.1): descriptor of (entries, first input, bits an entry)."""
    if "LUTDescriptor" not in item or "LUTData" not in item:
        raise ImageError(
            f"{name}: a look-up table lacks its descriptor or data; mend the header",
            ImageFault.HEADER,
        )
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count % 65536 or 65536  # 0 stands for 65536, which does not fit
    if signed and first >= 32768:
        first -= 65536
    if not -32768 <= first < 65536:
        raise ImageError(
            f"{name}: a look-up table begins at {first}, which does not fit into 16 bits; mend "
            "the header",
            ImageFault.HEADER,
        )
    data = item.LUTData
    if isinstance(data, bytes):
        # Up to 8 bits, two entries may share a word: then there are as many bytes as entries.
        packed = bits <= 8 and len(data) < 2 * count
        order = "<" if item.is_little_endian is not False else ">"
        values = np.frombuffer(data, np.uint8 if packed else f"{order}u2").astype(np.uint16)
    else:
        values = (np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF).astype(np.uint16)
    if len(values) < count:
        raise ImageError(
            f"{name}: a look-up table has {len(values)} entries, not {count}; mend the header",
            ImageFault.HEADER,
        )
    values = values[:count]
    # Some writers understate the bits an entry; full scale must hold the largest entry.
    bits = min(max(bits, int(values.max()).bit_length(), 8), 16)
    return Lut(first, values, bits)


def _numbers(dataset: "Dataset", keyword: str) -> tuple[float, ...]:
    """All values of a decimal attribute; none where it is absent or empty."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return ()
    values = (value,) if isinstance(value, str | float | int) else value
    return tuple(float(each) for each in values)


def _number(dataset: "Dataset", keyword: str) -> float | None:
    """The first value of a decimal attribute; None where absent or not finite."""
    values = _numbers(dataset, keyword)
    return values[0] if values and math.isfinite(values[0]) else None
