import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from lucency.configs.display import DisplaySpec
from lucency.configs.errors import ImageError, ImageFault
from lucency.datasets.dicom import read_patient_id
from lucency.datasets.display import display
from lucency.datasets.radiographs import decode_radiograph, frame_count, read_radiograph

RAMP = np.arange(32 * 40, dtype=np.uint16).reshape(32, 40) * 3
AS_DISPLAYED = DisplaySpec()
PERCENTILE = DisplaySpec(method="percentile")

MakeDicom = Callable[..., bytes]
MakeDataset = Callable[..., Dataset]
Save = Callable[[Dataset], bytes]


def refusal(data: bytes, **given: Any) -> ImageError:
    """The error that the file is refused with: one line that names the file and nobody."""
    with pytest.raises(ImageError) as caught:
        decode_radiograph(data, name="scan.dcm", **given)
    text = str(caught.value)
    assert text.startswith("scan.dcm: ")
    assert "\n" not in text
    assert "CANARY" not in text
    return caught.value


def test_pixels_and_what_is_known_of_them(make_dicom: MakeDicom) -> None:
    data = make_dicom(BodyPartExamined="HAND", PixelSpacing=[0.2, 0.1], PixelPaddingValue=4000)
    radiograph = decode_radiograph(data, name="x")
    assert np.array_equal(radiograph.pixels, RAMP)
    assert (radiograph.bits, radiograph.kind) == (12, "dicom")
    assert radiograph.spacing_mm == (0.2, 0.1)
    assert radiograph.patient_id == "P1"
    assert radiograph.tags["BodyPartExamined"] == "HAND"
    assert radiograph.padding == (4000, 4000)
    assert "CANARY" not in repr(radiograph)


@pytest.mark.parametrize("sign", ["unsigned", "signed"])
@pytest.mark.parametrize(
    "syntax", ["native", RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=str
)
def test_bits_above_bits_stored_are_dropped(
    syntax: str, sign: str, make_dataset: MakeDataset, save: Save
) -> None:
    clean = RAMP if sign == "unsigned" else RAMP.astype(np.int16) - 2000
    overlay = ((clean.view(np.uint16) & 0x0FFF) | 0x5000).view(clean.dtype)
    if syntax == "native":
        dataset = make_dataset(overlay)
    else:  # the encoders refuse overlays, so the whole sample is declared first
        dataset = make_dataset(overlay, BitsStored=16)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.BitsStored, dataset.HighBit = 12, 11
    radiograph = decode_radiograph(save(dataset), name="x")
    assert np.array_equal(radiograph.pixels, clean)
    assert radiograph.pixels.dtype == clean.dtype
    assert radiograph.bits == 12


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless], ids=str)
@pytest.mark.parametrize(
    ("dtype", "stored"),
    [(np.uint8, 8), (np.uint16, 12), (np.uint16, 16), (np.int16, 13), (np.int16, 16)],
    ids=["8", "12", "16", "13-signed", "16-signed"],
)
def test_lossless_compressions_give_the_stored_values(
    syntax: str, dtype: type, stored: int, make_dataset: MakeDataset, save: Save
) -> None:
    low = -(1 << (stored - 1)) if np.dtype(dtype).kind == "i" else 0
    values = np.random.default_rng(0).integers(low, low + (1 << stored), (66, 71)).astype(dtype)
    dataset = make_dataset(values, BitsStored=stored)
    dataset.compress(syntax, generate_instance_uid=False)
    radiograph = decode_radiograph(save(dataset), name="x")
    assert np.array_equal(radiograph.pixels, values)
    assert radiograph.pixels.dtype == dtype


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian], ids=str)
@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32], ids=lambda d: d.__name__
)
def test_depths_and_byte_orders(syntax: str, dtype: type, make_dicom: MakeDicom) -> None:
    pixels = (RAMP % 100).astype(dtype)
    pixels[0, 0] = np.iinfo(dtype).min
    data = make_dicom(pixels, syntax=syntax, BitsStored=8 * pixels.dtype.itemsize)
    radiograph = decode_radiograph(data, name="x")
    assert np.array_equal(radiograph.pixels, pixels)
    assert radiograph.pixels.dtype.name in ("uint8", "uint16", "int16", "int32")
    assert radiograph.pixels.flags.writeable


def test_bytes_that_big_endian_stores_as_words(make_dataset: MakeDataset, save: Save) -> None:
    frames = np.arange(3 * 5 * 7, dtype=np.uint8).reshape(3, 5, 7)  # frames of odd length
    words = np.frombuffer(frames.tobytes() + b"\0", "<u2").astype(">u2").tobytes()
    dataset = make_dataset(frames, syntax=ExplicitVRBigEndian, PixelData=words)
    dataset["PixelData"].VR = "OW"
    data = save(dataset)
    for number in (1, 2, 3):
        decoded = decode_radiograph(data, name="x", frame=number)
        assert np.array_equal(decoded.pixels, frames[number - 1])


def test_a_lossy_value_above_bits_stored_is_kept(make_dicom: MakeDicom) -> None:
    """Lossy compression may overshoot; dropping the bits above would turn white into black."""
    out = io.BytesIO()
    Image.new("L", (40, 32), 255).save(out, "JPEG")
    data = make_dicom(
        np.zeros((32, 40), np.uint8),
        syntax=JPEGBaseline8Bit,
        compressed=[out.getvalue()],
        BitsStored=7,
    )
    radiograph = decode_radiograph(data, name="x")
    assert set(radiograph.pixels.ravel()) == {255}
    assert radiograph.bits == 8


# Files that pydicom ships for its own tests: other writers, syntaxes, depths and frames.
SHIPPED = [
    ("693_J2KI.dcm", 1), ("J2K_pixelrep_mismatch.dcm", 1), ("JPEG2000.dcm", 1),
    ("JPGExtended.dcm", 1), ("JPEGLSNearLossless_08.dcm", 1), ("JPEGLSNearLossless_16.dcm", 1),
    ("MR_small_RLE.dcm", 1), ("MR_small_bigendian.dcm", 1), ("MR_small_implicit.dcm", 1),
    ("MR_small_jp2klossless.dcm", 1), ("MR_small_jpeg_ls_lossless.dcm", 1),
    ("MR_small_padded.dcm", 1), ("examples_overlay.dcm", 1), ("rtdose.dcm", 7),
    ("rtdose_expb.dcm", 15), ("rtdose_rle.dcm", 9),
]  # fmt: skip


@pytest.mark.parametrize(("file", "frame"), SHIPPED, ids=[file for file, _ in SHIPPED])
@pytest.mark.filterwarnings("ignore")
def test_gives_the_values_that_pydicom_gives(file: str, frame: int) -> None:
    path = get_testdata_file(file, download=False)
    assert path is not None
    radiograph = read_radiograph(Path(path), frame=frame)
    expected = pixel_array(dcmread(path), index=frame - 1, raw=True)
    assert np.array_equal(radiograph.pixels, expected)


@pytest.mark.parametrize("spec", [AS_DISPLAYED, PERCENTILE], ids=lambda spec: spec.method)
def test_monochrome1_and_2_of_one_scene_look_alike(
    spec: DisplaySpec, make_dicom: MakeDicom
) -> None:
    straight = make_dicom()
    inverse = make_dicom(4095 - RAMP, PhotometricInterpretation="MONOCHROME1")
    images = [
        display(decode_radiograph(data, name="x"), spec).image for data in (straight, inverse)
    ]
    assert np.abs(images[0].astype(int) - images[1]).max() <= 1


def test_a_16_bit_png_and_a_12_bit_dicom_of_one_scene_are_equal_under_percentile(
    make_dicom: MakeDicom,
) -> None:
    png = io.BytesIO()
    Image.fromarray(RAMP).save(png, "PNG")
    window = {"WindowCenter": 100, "WindowWidth": 50, "RescaleSlope": 1, "RescaleIntercept": -1024}
    images = [
        display(decode_radiograph(data, name="x"), PERCENTILE).image
        for data in (png.getvalue(), make_dicom(**window))
    ]
    assert np.array_equal(images[0], images[1])
    assert images[0].max() == 255


FRAMES = np.stack([RAMP, RAMP[::-1], RAMP // 2])


@pytest.mark.parametrize("syntax", ["native", RLELossless, JPEG2000Lossless], ids=str)
def test_frames_are_read_one_by_one(syntax: str, make_dataset: MakeDataset, save: Save) -> None:
    dataset = make_dataset(FRAMES)
    if syntax != "native":
        dataset.compress(syntax, generate_instance_uid=False)
    data = save(dataset)
    assert frame_count(data, name="x") == 3
    for number in (1, 2, 3):
        decoded = decode_radiograph(data, name="x", frame=number)
        assert np.array_equal(decoded.pixels, FRAMES[number - 1])


def test_which_frame_must_be_said_where_there_are_several(make_dicom: MakeDicom) -> None:
    error = refusal(make_dicom(FRAMES))
    assert error.fault == ImageFault.SEVERAL_FRAMES
    assert "has 3 frames; name one of them as frame=1 to frame=3" in str(error)
    for number in (0, 4, -1):
        assert refusal(make_dicom(FRAMES), frame=number).fault == ImageFault.NO_SUCH_FRAME
    assert "has 1 frame, there is no frame 2" in str(refusal(make_dicom(), frame=2))
    assert np.array_equal(decode_radiograph(make_dicom(), name="x", frame=1).pixels, RAMP)


def test_a_huge_number_of_frames_is_found_out_before_anything_is_made(
    make_dicom: MakeDicom,
) -> None:
    data = make_dicom(NumberOfFrames=2_000_000_000)
    with pytest.raises(ImageError, match="is truncated") as caught:
        frame_count(data, name="x")
    assert caught.value.fault == ImageFault.TRUNCATED


def colour(make: MakeDicom, photometric: str, **attributes: Any) -> bytes:
    return make(
        np.zeros((4, 12), np.uint8), Columns=4, SamplesPerPixel=3, PlanarConfiguration=0,
        PhotometricInterpretation=photometric, **attributes,
    )  # fmt: skip


def deflate_bomb(make: MakeDicom) -> bytes:
    head = make(syntax=DeflatedExplicitVRLittleEndian)
    body = zlib.compressobj(9, wbits=-15)
    return head[:400] + body.compress(bytes(50_000_000)) + body.flush()


def relabelled(data: bytes, syntax: bytes) -> bytes:
    """The file under another transfer syntax, whose name must have the same length."""
    for name in (b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"):
        if name in data:
            return data.replace(name, syntax)
    raise ValueError("no such syntax")


def deep(make: MakeDicom, depth: int) -> bytes:
    """Sequences of undefined length within each other, before the pixels."""
    opened = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    data = make()
    place = data.index(b"\x08\x00\x16\x00UI", 300)  # SOP Class UID of the dataset
    return data[:place] + opened * depth + closed * depth + data[place:]


PHOTOMETRIC = "PhotometricInterpretation"
REFUSED: dict[str, tuple[Callable[[MakeDicom], bytes], ImageFault, str]] = {
    "rgb": (lambda make: colour(make, "RGB"), ImageFault.COLOUR, "found 'RGB'"),
    "ybr": (lambda make: colour(make, "YBR_FULL_422"), ImageFault.COLOUR, "not in colour"),
    "palette": (
        lambda make: make(PhotometricInterpretation="PALETTE COLOR"),
        ImageFault.PALETTE, "stand for colours",
    ),
    "three-samples": (
        lambda make: make(SamplesPerPixel=3), ImageFault.HEADER, "with 3 sample(s) a pixel",
    ),
    "unknown-photometric": (
        lambda make: make(PhotometricInterpretation="SEPIA"), ImageFault.HEADER, "'SEPIA'",
    ),
    "deflated": (
        lambda make: make(syntax=DeflatedExplicitVRLittleEndian),
        ImageFault.SYNTAX, "Deflated transfer syntax",
    ),
    "deflate-bomb": (deflate_bomb, ImageFault.SYNTAX, "Deflated transfer syntax"),
    "mpeg": (
        lambda make: make(syntax="1.2.840.10008.1.2.4.100", compressed=[b"x" * 50]),
        ImageFault.SYNTAX, "MPEG2",
    ),
    "private-syntax": (
        lambda make: relabelled(make(), b"1.2.840.10008.9.9.9\0"),
        ImageFault.SYNTAX, "a private one",
    ),
    "no-htj2k": (
        lambda make: make(syntax=HTJ2KLossless, compressed=[b"x" * 50]),
        ImageFault.HEADER, "are no JPEG 2000",
    ),
    "zero-rows": (lambda make: make(Rows=0), ImageFault.NO_PIXELS, "40 × 0"),
    "zero-frames": (lambda make: make(NumberOfFrames=0), ImageFault.NO_PIXELS, "NumberOfFrames"),
    "too-large": (
        lambda make: make(Rows=65535, Columns=65535), ImageFault.TOO_LARGE, "80 megapixels",
    ),
    "pixels-short": (
        lambda make: make(PixelData=bytes(100)), ImageFault.TRUNCATED, "is truncated",
    ),
    "frames-short": (
        lambda make: make(NumberOfFrames=2), ImageFault.TRUNCATED, "2 frame(s)",
    ),
    "cut-in-the-pixels": (lambda make: make()[:-1], ImageFault.TRUNCATED, "is truncated"),
    "cut-in-the-header": (lambda make: make()[:440], ImageFault.TRUNCATED, "within its header"),
    "cut-in-the-meta": (lambda make: make()[:200], ImageFault.TRUNCATED, "within its header"),
    "no-pixels": (lambda make: make(PixelData=None), ImageFault.NO_PIXELS, "has no pixels"),
    "bits-allocated": (
        lambda make: make(BitsAllocated=64), ImageFault.DEPTH, "64 bits allocated",
    ),
    "bits-stored": (
        lambda make: make(BitsStored=17), ImageFault.HEADER, "17 bits stored do not fit into 16",
    ),
    "high-bit": (lambda make: make(HighBit=15), ImageFault.HEADER, "HighBit"),
    "representation": (
        lambda make: make(PixelRepresentation=2), ImageFault.HEADER, "found 2",
    ),
    "slope-zero": (
        lambda make: make(RescaleSlope=0, RescaleIntercept=0), ImageFault.HEADER, "RescaleSlope",
    ),
    "long-patient-id": (
        lambda make: make(PatientComments="x", PatientID="A" * 5000), ImageFault.HEADER,
        "5000 characters",
    ),
    "not-compressed": (
        lambda make: relabelled(make(), b"1.2.840.10008.1.2.5\0"), ImageFault.HEADER,
        "says the pixels are compressed",
    ),
    "compressed-as-native": (
        lambda make: relabelled(
            make(syntax=RLELossless, compressed=[bytes(4000)]), b"1.2.840.10008.1.2.1\0"
        ),
        ImageFault.HEADER, "says the pixels are not compressed",
    ),
    "deep-sequences": (lambda make: deep(make, 900), ImageFault.HEADER, "nested too deeply"),
    "only-magic": (lambda make: bytes(128) + b"DICM", ImageFault.TRUNCATED, "within its header"),
    "rubbish": (lambda make: bytes(128) + b"DICM" + b"\xff" * 300, ImageFault.TRUNCATED, ""),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_refuses_in_one_line(case: str, make_dicom: MakeDicom) -> None:
    make, fault, message = REFUSED[case]
    error = refusal(make(make_dicom))
    assert error.fault == fault, str(error)
    assert message in str(error)


@pytest.mark.parametrize(
    "keyword",
    ["Rows", "Columns", "BitsAllocated", "BitsStored", "SamplesPerPixel", "PixelRepresentation",
     PHOTOMETRIC],
)  # fmt: skip
def test_a_missing_attribute_is_named(keyword: str, make_dicom: MakeDicom) -> None:
    error = refusal(make_dicom(**{keyword: None}))
    assert error.fault == ImageFault.HEADER
    assert f"{keyword} is missing" in str(error)


def test_without_high_bit_the_usual_one_is_meant(make_dicom: MakeDicom) -> None:
    assert np.array_equal(decode_radiograph(make_dicom(HighBit=None), name="x").pixels, RAMP)


def test_moderately_deep_sequences_are_read(make_dicom: MakeDicom) -> None:
    assert np.array_equal(decode_radiograph(deep(make_dicom, 30), name="x").pixels, RAMP)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_bytes_give_an_image_or_an_image_error(seed: int, make_dicom: MakeDicom) -> None:
    rng = np.random.default_rng(seed)
    original = make_dicom(WindowCenter=600, WindowWidth=400)
    one_line = []
    for _ in range(150):
        data = bytearray(original)
        for place in rng.integers(132, len(data) - RAMP.nbytes, size=int(rng.integers(1, 6))):
            data[int(place)] = int(rng.integers(256))
        try:
            one_line.append(decode_radiograph(bytes(data), name="x").pixels.ndim == 2)
        except ImageError as error:
            one_line.append("\n" not in str(error))
    assert all(one_line)


def test_attributes_of_a_frame_go_before_those_of_the_file(
    make_dataset: MakeDataset, save: Save
) -> None:
    """Multi-frame objects keep windows, rescaling and spacing in functional groups."""

    def item(**attributes: Any) -> Dataset:
        made = Dataset()
        for name, value in attributes.items():
            setattr(made, name, value)
        return made

    def group(center: float) -> Dataset:
        return item(FrameVOILUTSequence=Sequence([item(WindowCenter=center, WindowWidth=400)]))

    shared = item(
        PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.3, 0.4])]),
        PixelValueTransformationSequence=Sequence([item(RescaleSlope=2, RescaleIntercept=-5)]),
    )
    dataset = make_dataset(FRAMES, WindowCenter=9, WindowWidth=9)
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    dataset.PerFrameFunctionalGroupsSequence = Sequence([group(100), group(200), group(300)])
    data = save(dataset)
    for number in (1, 2, 3):
        radiograph = decode_radiograph(data, name="x", frame=number)
        (window,) = radiograph.greyscale.windows
        assert (window.center, window.width) == (number * 100, 400)
        assert (radiograph.greyscale.slope, radiograph.greyscale.intercept) == (2, -5)
        assert radiograph.spacing_mm == (0.3, 0.4)
        assert radiograph.patient_id == "P1"


def test_patient_id_alone(tmp_path: Path, make_dicom: MakeDicom) -> None:
    path = tmp_path / "a"
    path.write_bytes(make_dicom())
    assert read_patient_id(path) == "P1"
    path.write_bytes(make_dicom(PatientID=None))
    assert read_patient_id(path) == ""
    with pytest.raises(ImageError, match="No such file") as caught:
        read_patient_id(tmp_path / "b")
    assert caught.value.fault == ImageFault.UNREADABLE


@pytest.mark.real_data
def test_jpeg_extended_that_departs_from_the_standard_is_refused(lucency_data: Path) -> None:
    with pytest.raises(ImageError, match=r"JPEG Extended \(Process 2 and 4\) departs") as caught:
        read_radiograph(lucency_data / "dicom" / "extremity_RG3_JPLY.dcm")
    assert caught.value.fault == ImageFault.SYNTAX
    assert "dcmdjpeg" in str(caught.value)


@pytest.mark.real_data
def test_lossless_syntaxes_of_one_image_are_equal(lucency_data: Path) -> None:
    pixels = [
        read_radiograph(lucency_data / "dicom" / f"extremity_RG3_{kind}.dcm").pixels
        for kind in ("J2KR", "JLSL", "JPLL")
    ]
    assert np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(pixels[0], pixels[2])
    dataset = dcmread(lucency_data / "dicom" / "extremity_RG3_JPLL.dcm", stop_before_pixels=True)
    assert pixels[0].shape == (dataset.Rows, dataset.Columns)
