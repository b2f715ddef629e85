from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.display import display
from lucency.datasets.radiographs import decode_radiograph

RAMP = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40) * 3
MakeDicom = Callable[..., bytes]
LutItem = Callable[..., Dataset]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({"PixelSpacing": [0, 0]}, None),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1)),
        ({}, None),
    ],
    ids=["at-detector", "zero", "zero-then-detector", "absent"],
)
def test_spacing(
    attributes: dict[str, Any], expected: tuple[float, float] | None, make_dicom: MakeDicom
) -> None:
    assert decode_radiograph(make_dicom(**attributes), name="x").spacing_mm == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            {"WindowCenter": [600, 9], "WindowWidth": [400, 9]},
            [(600.0, 400.0, "LINEAR"), (9.0, 9.0, "LINEAR")],
        ),
        (
            {"WindowCenter": 600, "WindowWidth": 0.5, "VOILUTFunction": "SIGMOID"},
            [(600.0, 0.5, "SIGMOID")],
        ),
        ({"WindowCenter": 600, "WindowWidth": 0}, []),
        ({"WindowCenter": 600, "WindowWidth": 0.5}, []),
        ({"WindowCenter": [600, 7], "WindowWidth": [0.5, 8]}, [(7.0, 8.0, "LINEAR")]),
        ({"WindowCenter": [600, 7], "WindowWidth": 8}, [(600.0, 8.0, "LINEAR")]),
        ({"WindowCenter": 600}, []),
        ({"WindowCenter": 600, "WindowWidth": 8, "VOILUTFunction": "CUBIC"}, []),
        ({"WindowCenter": "", "WindowWidth": ""}, []),
        ({"WindowCenter": ["-1.7e308", 5], "WindowWidth": ["1.7e308", 9]}, [(5.0, 9.0, "LINEAR")]),
        (
            {"WindowCenter": "1e17", "WindowWidth": "5e-324", "VOILUTFunction": "SIGMOID"},
            [],
        ),
    ],
    ids=[
        "two", "sigmoid", "zero-width", "too-narrow", "one-too-narrow", "one-width", "no-width",
        "unknown-function", "empty", "beyond-all-values", "next-to-no-width",
    ],
)  # fmt: skip
def test_windows(
    attributes: dict[str, Any], expected: list[tuple[float, float, str]], make_dicom: MakeDicom
) -> None:
    windows = decode_radiograph(make_dicom(**attributes), name="x").greyscale.windows
    assert [(window.center, window.width, window.function) for window in windows] == expected


def test_all_look_up_tables_are_kept(make_dicom: MakeDicom, lut_item: LutItem) -> None:
    data = make_dicom(
        ModalityLUTSequence=Sequence([lut_item(0, list(range(0, 8192, 2)), 16)]),
        VOILUTSequence=Sequence([lut_item(4, [1, 2, 4095], 12), lut_item(0, [7] * 30000, 3)]),
    )
    greyscale = decode_radiograph(data, name="x").greyscale
    assert greyscale.modality_lut is not None
    first, second = greyscale.voi_luts
    assert (greyscale.modality_lut.first, len(greyscale.modality_lut.values)) == (0, 4096)
    assert (first.first, first.bits, first.values.tolist()) == (4, 12, [1, 2, 4095])
    assert (len(second.values), second.bits) == (30000, 8)


def test_a_table_of_all_16_bit_values_has_the_length_0(
    make_dataset: Callable[..., Dataset], lut_item: LutItem, save: Callable[[Dataset], bytes]
) -> None:
    item = lut_item(0, [1], 16)
    item.LUTDescriptor = [0, 0, 16]
    item.add_new("LUTData", "OW", np.arange(65536, dtype="<u2").tobytes())
    data = save(make_dataset(VOILUTSequence=Sequence([item])))
    (lut,) = decode_radiograph(data, name="x").greyscale.voi_luts
    assert np.array_equal(lut.values, np.arange(65536))


def test_a_table_for_signed_pixels_may_begin_below_zero(
    make_dicom: MakeDicom, lut_item: LutItem
) -> None:
    pixels = RAMP.astype(np.int16) - 1000
    data = make_dicom(pixels, VOILUTSequence=Sequence([lut_item(-1000, [0, 255], 8)]))
    radiograph = decode_radiograph(data, name="x")
    assert radiograph.greyscale.voi_luts[0].first == -1000
    assert display(radiograph, DisplaySpec()).image.ravel()[:2].tolist() == [0, 255]


@pytest.mark.parametrize("spoil", ["short", "no-data", "no-descriptor"])
def test_a_broken_table_is_refused(spoil: str, make_dicom: MakeDicom, lut_item: LutItem) -> None:
    item = lut_item(0, [1, 2, 3], 8)
    if spoil == "short":
        item.LUTDescriptor = [300, 0, 8]
    else:
        del item[{"no-data": "LUTData", "no-descriptor": "LUTDescriptor"}[spoil]]
    with pytest.raises(ImageError, match=r"look-up table (has 3 entries, not 300|lacks)") as told:
        decode_radiograph(make_dicom(VOILUTSequence=Sequence([item])), name="x")
    assert told.value.fault == ImageFault.HEADER


@pytest.mark.parametrize(
    "attributes",
    [{"RescaleSlope": "1e308", "RescaleIntercept": 0}, {"RescaleIntercept": "-1e300"}],
    ids=["slope", "intercept"],
)
def test_rescaling_that_would_overflow_is_refused(
    attributes: dict[str, Any], make_dicom: MakeDicom
) -> None:
    with pytest.raises(ImageError, match="must not be above 1e\\+08") as told:
        decode_radiograph(make_dicom(**attributes), name="x")
    assert told.value.fault == ImageFault.HEADER


def test_a_table_that_begins_beyond_16_bits_is_refused(
    make_dicom: MakeDicom, lut_item: LutItem
) -> None:
    item = lut_item(0, [1, 2, 3], 8)
    del item.LUTDescriptor
    item.add_new("LUTDescriptor", "SL", [3, 2**30, 8])
    with pytest.raises(ImageError, match="begins at 1073741824") as told:
        decode_radiograph(make_dicom(VOILUTSequence=Sequence([item])), name="x")
    assert told.value.fault == ImageFault.HEADER


@pytest.mark.parametrize(
    ("pixels", "attributes", "expected"),
    [
        (RAMP, {}, None),
        (RAMP, {"PixelPaddingValue": 0}, (0, 0)),
        (RAMP, {"PixelPaddingValue": 0, "PixelPaddingRangeLimit": 20}, (0, 20)),
        # For MONOCHROME1 the limit lies below the value (C.7.5.1.1.2).
        (RAMP, {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000}, (4000, 4095)),
        (RAMP, {"PixelPaddingValue": 4096}, None),
        (RAMP.astype(np.int16) - 2000, {"PixelPaddingValue": -2000}, (-2000, -2000)),
        (RAMP.astype(np.int16) - 2000, {"PixelPaddingValue": -32768}, None),
        (RAMP.astype(np.int16), {"PixelPaddingValue": -32768, "BitsStored": 16}, (-32768, -32768)),
        (RAMP, {"PixelPaddingRangeLimit": 20}, None),
    ],
    ids=[
        "none", "zero", "range", "range-of-monochrome1", "beyond-bits-stored", "signed",
        "signed-beyond", "signed-16", "limit-alone",
    ],
)  # fmt: skip
def test_padding(
    pixels: np.ndarray,
    attributes: dict[str, Any],
    expected: tuple[int, int] | None,
    make_dicom: MakeDicom,
) -> None:
    assert decode_radiograph(make_dicom(pixels, **attributes), name="x").padding == expected


def test_padding_written_with_the_other_sign(
    make_dataset: Callable[..., Dataset], save: Callable[[Dataset], bytes]
) -> None:
    dataset = make_dataset(RAMP.astype(np.int16), BitsStored=16)
    dataset.add_new("PixelPaddingValue", "US", 63536)  # as signed: -2000
    assert decode_radiograph(save(dataset), name="x").padding == (-2000, -2000)
    dataset = make_dataset(RAMP, BitsStored=16)
    dataset.add_new("PixelPaddingValue", "SS", -1)
    assert decode_radiograph(save(dataset), name="x").padding == (65535, 65535)


def test_of_descriptions_only_parts_of_the_body_are_kept(make_dicom: MakeDicom) -> None:
    region = Dataset()
    region.CodeMeaning = "Lower leg"
    tags = decode_radiograph(
        make_dicom(
            BodyPartExamined="LEG",
            AnatomicRegionSequence=Sequence([region]),
            ProtocolName="Canary^Anna knee AP",
            SeriesDescription="for Dr. Canary",
        ),
        name="x",
    ).tags
    assert tags["AnatomicRegionSequence"] == "LEG"
    assert tags["ProtocolName"] == "KNEE"
    assert "SeriesDescription" not in tags
    assert "CANARY" not in str(tags).upper()


@pytest.mark.parametrize("regions", [Sequence([]), Sequence([Dataset()])], ids=["none", "empty"])
def test_a_region_that_says_nothing(regions: Sequence, make_dicom: MakeDicom) -> None:
    tags = decode_radiograph(make_dicom(AnatomicRegionSequence=regions), name="x").tags
    assert "AnatomicRegionSequence" not in tags
